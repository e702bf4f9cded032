"""Shows a trained agent at work, in a window or in a file.

python agents/watch_ram.py --checkpoint results/catch.pt
python agents/watch_ram.py --checkpoint results/catch.pt --video catch.gif --episodes 3
python agents/watch_ram.py --checkpoint results/cluttered60-8.pt --video last_frame.png --episodes 1
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

if not __package__:  # run as a file: import from the repository, not from agents/
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import imageio.v3 as imageio
import numpy as np
import torch
import tyro

from agents.checkpoint import load_agent, load_checkpoint
from agents.command_line import checkpoint_path, one_sentence_errors
from agents.evaluation import make_envs, prepare_torch
from agents.ram_agent import Decision
from agents.rollout import collect_rollout


@dataclass(frozen=True)
class WatchCommand:
    """Shows a trained agent at work: greedy, on episodes it has not seen."""

    checkpoint: Path
    """The checkpoint, or the folder of a run."""
    video: Path | None = None
    """File to write instead of opening a window: .gif, .mp4, or .png for the last frame."""
    episodes: int = 3
    """How many episodes."""
    seed: int = 0
    """Seed of the first episode; the same seed shows the same ones."""
    size: int = 512
    """Height of the picture in pixels."""
    env_args: tuple[str, ...] = ()
    """Keywords of the environment that replace those of the training."""


@one_sentence_errors
def main() -> None:
    """`python agents/watch_ram.py`"""
    command = tyro.cli(WatchCommand)
    path = checkpoint_path(command.checkpoint)
    config = load_checkpoint(path)["config"]
    config = replace(config, env_args=(*config.env_args, *command.env_args))
    prepare_torch(config)
    split = {"split": "test"} if "MNIST" in config.env else {}
    mode = "human" if command.video is None else "rgb_array"
    envs = make_envs(config, 1, render_mode=mode, render_size=command.size, **split)
    agent = load_agent(path, envs)
    frames: list[np.ndarray[Any, Any]] = []

    def draw(decision: Decision) -> None:
        bars = {name: torch.softmax(logits, -1).numpy() for name, logits in decision.logits.items()}
        envs.unwrapped.annotate(**bars, value=decision.baseline.clamp(0, 1)[:, None].numpy())
        if command.video is not None:
            frames.append(envs.render()[0])

    caught = 0
    with torch.no_grad():
        for episode in range(command.episodes):
            rollout = collect_rollout(agent, envs, seed=command.seed + episode, greedy=True, watch=draw)
            caught += int(rollout.successes.sum())
            if command.video is not None:
                frames += [envs.render()[0]] * (2 * envs.metadata["render_fps"])  # the end stays for two seconds
    fps = envs.metadata["render_fps"]
    envs.close()
    print(f"{caught} of {command.episodes} episodes ended in success.")
    if command.video is None:
        return
    if command.video.suffix == ".png":
        imageio.imwrite(command.video, frames[-1])
    elif command.video.suffix == ".gif":
        imageio.imwrite(command.video, frames, duration=1000 / fps, loop=0)
    else:
        imageio.imwrite(command.video, np.stack(frames), fps=fps)
    print(f"Wrote {command.video}")


if __name__ == "__main__":
    main()
