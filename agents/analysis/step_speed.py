"""Steps a second of the native vector environments beside Gymnasium's `SyncVectorEnv`: python agents/analysis/step_speed.py

Processor time on one thread, autoreset and new scenes included; the two take turns, and the median of the rounds counts. The digits
are noise, which costs as much to look at as MNIST. Agents never stop early, so that episodes have their full length.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

if not __package__:  # run as a file: import from the repository, not from agents/
    sys.path[0] = str(Path(__file__).resolve().parents[2])

import gymnasium as gym
import numpy as np
import tyro

from agents.analysis.pages import write_pages
from agents.analysis.tables import STEP_SPEED
from agents.experiment.command_line import command, demand_at_least, demand_file
from agents.experiment.run_folder import current_commit, provenance
from agents.experiment.settings import RunConfig

IDS = ("GlimpseMNIST-v0", "GlimpseMNIST-Cluttered60-v0", "CatchBall-v0")


@dataclass(frozen=True)
class SpeedCommand:
    """Measures steps a second, and writes them with the tables of docs/."""

    lanes: int = 256
    """Episodes side by side."""
    rounds: int = 5
    """Rounds, of which the median counts."""
    steps: int = 100
    """Steps of all lanes in a round."""
    out: Path = STEP_SPEED
    """The file that is written."""


def make_envs(env_id: str, lanes: int, mode: str) -> gym.vector.VectorEnv[Any, Any, Any]:
    """The native vector environment, or Gymnasium's of single ones."""
    generator = np.random.default_rng(0)
    noise: dict[str, Any] = {
        "images": generator.integers(0, 256, (2000, 28, 28), dtype=np.uint8),
        "labels": np.arange(2000) % 10,
    }
    kwargs: dict[str, Any] = {"obs_mode": "flat", **(noise if "MNIST" in env_id else {})}
    return gym.make_vec(env_id, lanes, vectorization_mode=mode, **kwargs)


def steps_per_second(envs: gym.vector.VectorEnv[Any, Any, Any], actions: list[Any]) -> float:
    """Steps of all lanes a second of the processor's time."""
    started = time.process_time()
    for action in actions:
        envs.step(action)
    return len(actions) * envs.num_envs / (time.process_time() - started)


def measure(env_id: str, flags: SpeedCommand) -> dict[str, Any]:
    """One row: both kinds in turns."""
    kinds = {mode: make_envs(env_id, flags.lanes, mode) for mode in ("vector_entry_point", "sync")}
    actions = [kinds["sync"].action_space.sample() for _ in range(flags.steps)]
    for action in actions:
        action[:, 2:] = 0  # never stops; Catch has no such choice
    speeds: dict[str, list[float]] = {mode: [] for mode in kinds}
    for envs in kinds.values():
        envs.reset(seed=0)
    for _ in range(flags.rounds):
        for mode, envs in kinds.items():
            speeds[mode].append(steps_per_second(envs, actions))
    native, single = (round(statistics.median(speeds[mode])) for mode in kinds)
    return {"env": env_id, "lanes": flags.lanes, "native_steps_per_second": native, "sync_steps_per_second": single}


@command
def main() -> None:
    """`python agents/analysis/step_speed.py`"""
    flags = tyro.cli(SpeedCommand)
    demand_at_least(1, lanes=flags.lanes, rounds=flags.rounds, steps=flags.steps)
    demand_file("--out", flags.out)
    started = time.monotonic()
    rows = [measure(env_id, flags) for env_id in IDS]
    made = provenance(time.monotonic() - started, [current_commit()], ["cpu"], RunConfig())
    flags.out.write_text(json.dumps({"rows": rows, **made}, indent=1) + "\n")
    if flags.out == STEP_SPEED:
        write_pages()
    print(f"Wrote {flags.out}")


if __name__ == "__main__":
    main()
