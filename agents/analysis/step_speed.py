"""Steps a second of every environment, single and by number of lanes: python agents/analysis/step_speed.py

Native vector environments beside Gymnasium's `SyncVectorEnv`. Processor time on one thread, autoreset and new scenes included; all take
turns, and the median of the rounds counts. The digits are noise, which costs as much to look at as MNIST. Agents never stop early, so that
episodes have their full length, and whole episodes are played.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

if not __package__:  # run as a file: import from the repository, not from agents/
    sys.path[0] = str(Path(__file__).resolve().parents[2])

import gymnasium as gym
import numpy as np
import tyro
from gymnasium.vector import AutoresetMode

from agents.analysis.pages import write_pages
from agents.analysis.tables import STEP_SPEED
from agents.experiment.command_line import command, demand_at_least, demand_file, say
from agents.experiment.run_folder import current_commit, provenance
from agents.experiment.settings import RunConfig
from ram_envs import ENV_IDS


@dataclass(frozen=True)
class SpeedCommand:
    """Measures steps a second, and writes them with the tables of docs/; takes about two minutes."""

    lanes: tuple[int, ...] = (1, 16, 256, 1024)
    """Episodes side by side in the native vector environments."""
    sync_lanes: int = 256
    """Episodes side by side in `SyncVectorEnv`."""
    rounds: int = 3
    """Rounds, of which the median counts."""
    seconds: float = 0.4
    """Processor time at least of each measurement, which ends with an episode."""
    envs: tuple[str, ...] = ENV_IDS
    """Ids of environments."""
    out: Path = STEP_SPEED
    """The file that is written."""


def episode_of(env_id: str, kind: str, lanes: int) -> Callable[[], int]:
    """Plays one episode in every lane, at random, and returns how many steps that took, all lanes together.

    Args:
        env_id: whose.
        kind: "single", "native" or "sync".
        lanes: how many; of a single environment it is one.
    """
    generator = np.random.default_rng(0)
    noise = {"images": generator.integers(0, 256, (2000, 28, 28), dtype=np.uint8), "labels": np.arange(2000) % 10}
    kwargs: dict[str, Any] = {"obs_mode": "flat", **(noise if "MNIST" in env_id else {})}
    envs: Any
    if kind == "single":
        envs = gym.make(env_id, **kwargs)
    elif kind == "native":
        envs = gym.make_vec(env_id, lanes, autoreset_mode=AutoresetMode.SAME_STEP, **kwargs)
    else:
        same_step = {"autoreset_mode": AutoresetMode.SAME_STEP}
        envs = gym.make_vec(env_id, lanes, vectorization_mode="sync", vector_kwargs=same_step, **kwargs)
    envs.action_space.seed(0)
    actions: list[Any] = []
    envs.reset(seed=0)
    over = False
    while not over:
        actions.append(envs.action_space.sample())
        actions[-1][..., 2:] = 0  # never stops; Catch has no such choice
        _, _, terminated, truncated, _ = envs.step(actions[-1])
        over = bool(np.all(terminated | truncated))
    if kind == "single":
        envs.reset()

    def play() -> int:
        for action in actions:
            envs.step(action)
        if kind == "single":
            envs.reset()
        return len(actions) * lanes

    return play


def steps_per_second(play: Callable[[], int], seconds: float) -> float:
    """Steps a second of the processor's time, of whole episodes that take at least so long."""
    steps, started, passed = 0, time.process_time(), 0.0
    while passed < seconds:
        steps += play()
        passed = time.process_time() - started
    return steps / passed


def measure(env_id: str, flags: SpeedCommand) -> dict[str, Any]:
    """One row: all kinds of an environment in turns."""
    kinds = [("single", 1), *(("native", lanes) for lanes in flags.lanes), ("sync", flags.sync_lanes)]
    plays = {(kind, lanes): episode_of(env_id, kind, lanes) for kind, lanes in kinds}
    speeds: dict[tuple[str, int], list[float]] = {place: [] for place in plays}
    for _ in range(flags.rounds):
        for place, play in plays.items():
            speeds[place].append(steps_per_second(play, flags.seconds))
    row: dict[str, dict[int, int]] = {}
    for (kind, lanes), found in speeds.items():
        row.setdefault(kind, {})[lanes] = round(statistics.median(found))
    return {"env": env_id, "steps_per_second": row}


@command
def main() -> None:
    """`python agents/analysis/step_speed.py`"""
    flags = tyro.cli(SpeedCommand)
    demand_at_least(1, lanes=min(flags.lanes, default=0), sync_lanes=flags.sync_lanes, rounds=flags.rounds)
    demand_at_least(0, seconds=flags.seconds)
    if flags.sync_lanes not in flags.lanes:
        raise ValueError(f"--sync-lanes must be one of --lanes, to be compared, got {flags.sync_lanes}.")
    demand_file("--out", flags.out)
    started, rows = time.monotonic(), []
    for env_id in flags.envs:
        say(f"Measuring {env_id}")
        rows.append(measure(env_id, flags))
    made = provenance(time.monotonic() - started, [current_commit()], ["cpu"], RunConfig())
    flags.out.write_text(json.dumps({"rows": rows, **made}, indent=1) + "\n")
    if flags.out == STEP_SPEED:
        write_pages()
    print(f"Wrote {flags.out}")


if __name__ == "__main__":
    main()
