"""Shows a trained agent at work, in a window or in a file.

python agents/watch_ram.py --checkpoint results/catch.pt
python agents/watch_ram.py --checkpoint results/catch.pt --video catch.gif --episodes 3
python agents/watch_ram.py --checkpoint results/cluttered60-8.pt --video last_frame.png --episodes 1
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

if not __package__:  # run as a file: import from the repository, not from agents/
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import imageio.v3 as imageio
import numpy as np
import tyro

from agents.checkpoint import load_checkpoint
from agents.command_line import checkpoint_path, one_sentence_errors
from agents.recording import watch_episodes
from ram_envs.rendering import Pixels, View, draw_view
from ram_envs.window import Window

SUFFIXES = (".gif", ".mp4", ".png")
PAUSE = 2.0  # seconds for which the end of an episode stays


@dataclass(frozen=True)
class WatchCommand:
    """Shows a trained agent at work: greedy, on episodes it has not seen."""

    checkpoint: Path
    """The checkpoint, or the folder of a run."""
    env: str | None = None
    """Another environment than that of the training, with the same retina and choices."""
    video: Path | None = None
    """File to write instead of opening a window: .gif, .mp4, or .png for the last frame."""
    episodes: int = 3
    """How many episodes."""
    seed: int = 0
    """Seed of the first episode; the same seed shows the same ones."""
    size: int = 512
    """Height of the picture in pixels."""
    fps: float | None = None
    """Frames a second; by default 10 in Catch and 4 elsewhere."""
    env_args: tuple[str, ...] = ()
    """Keywords of the environment that replace those of the training."""
    price: float | None = None
    """Price of a glimpse that the agent is told, where it was trained for a range of them."""


@one_sentence_errors
def main() -> None:
    """`python agents/watch_ram.py`"""
    command = tyro.cli(WatchCommand)
    if command.video is not None and command.video.suffix not in SUFFIXES:
        raise ValueError(f"--video must end in one of {', '.join(SUFFIXES)}, got {command.video}.")
    path = checkpoint_path(command.checkpoint)
    env = command.env or load_checkpoint(path)["config"].env
    fps = command.fps or (10 if "Catch" in env else 4)
    window, frames = Window(f"ram_envs: {env}"), []

    def show(view: View) -> None:
        frame = draw_view(view, command.size)
        over = view.outcome is not None
        if command.video is None:
            window.show(frame, 1 / PAUSE if over else fps)
        else:
            frames.extend([frame] * (round(PAUSE * fps) if over else 1))

    try:
        succeeded = watch_episodes(
            path,
            show,
            episodes=command.episodes,
            seed=command.seed,
            env=command.env,
            env_args=command.env_args,
            price=command.price,
        )
    finally:
        window.close()
    print(f"{succeeded} of {command.episodes} episodes ended in success.")
    if command.video is not None:
        write_video(command.video, frames, fps)
        print(f"Wrote {command.video}")


def write_video(path: Path, frames: list[Pixels], fps: float) -> None:
    """Writes frames as a .gif, an .mp4, or the last of them as a .png."""
    if path.suffix == ".png":
        imageio.imwrite(path, frames[-1])
    elif path.suffix == ".gif":
        imageio.imwrite(path, frames, duration=1000 / fps, loop=0)
    else:
        imageio.imwrite(path, np.stack(frames), fps=fps)


if __name__ == "__main__":
    main()
