"""How much faster a run is on several processor cores (`--run.threads`), which share every batch, than on one.

python agents/analysis/core_speed.py    # writes results/core_speed.json and the table in docs/training.md: a minute, of cores without other work
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

if not __package__:  # run as a file: import from the repository, not from agents/
    sys.path[0] = str(Path(__file__).resolve().parents[2])

import tyro

from agents.analysis.pages import write_pages
from agents.analysis.tables import CORE_SPEED
from agents.experiment.command_line import command, demand_at_least, demand_file, demand_presets
from agents.experiment.run_folder import current_commit, provenance
from agents.ram.config import Config
from agents.ram.presets import PRESETS
from agents.ram.training import Trainer, make_trainer


@dataclass(frozen=True)
class CoresCommand:
    """Measures episodes a second of whole updates, by the clock, on one core and on several in turns."""

    presets: tuple[str, ...] = ("mnist-6", "mnist-6-faithful", "cluttered60-8", "cluttered60-8-conv", "catch")
    """What is trained."""
    threads: int = 2
    """How many cores share a batch."""
    precision: str = "highest"
    """The `--run.matmul-precision` of all of them."""
    rounds: int = 11
    """Every number is the median of so many."""
    seconds: float = 0.3
    """Length of a round on one core, about."""
    out: Path = CORE_SPEED
    """File to write."""


def settings(preset: str, flags: CoresCommand, threads: int) -> Config:
    """What is trained."""
    return PRESETS[preset].but(run={"threads": threads, "device": "cpu", "matmul_precision": flags.precision})


def measure(preset: str, flags: CoresCommand) -> dict[str, Any]:
    """Episodes a second alone and together, and the median, round by round, of how many times faster together."""
    with TemporaryDirectory() as folder, make_trainer(settings(preset, flags, flags.threads), Path(folder)) as together:
        alone = Trainer(settings(preset, flags, 1), Path(folder))
        for trainer in (together, alone):
            _seconds(trainer, 3)  # the first updates take longer
        updates = max(1, round(3 * flags.seconds / _seconds(alone, 3)))
        took: list[dict[str, float]] = []
        for turn in range(flags.rounds):
            order = [("alone", alone), ("together", together)]
            took.append({name: _seconds(trainer, updates) for name, trainer in (order if turn % 2 else order[::-1])})
    batch = alone.batch_size
    speeds = {name: updates * batch / statistics.median(each[name] for each in took) for name in ("alone", "together")}
    faster = statistics.median(each["alone"] / each["together"] for each in took)
    return {"preset": preset, "batch_size": batch, "threads": flags.threads, **speeds, "times_faster": faster}


def _seconds(trainer: Trainer, updates: int) -> float:
    began = time.perf_counter()
    for _ in range(updates):
        trainer.step()
    return time.perf_counter() - began


@command
def main() -> None:
    """`python agents/analysis/core_speed.py`"""
    flags = tyro.cli(CoresCommand)
    demand_presets(flags.presets, PRESETS)
    demand_at_least(1, rounds=flags.rounds)
    demand_at_least(2, threads=flags.threads)
    demand_at_least(0, seconds=flags.seconds)
    demand_file("--out", flags.out)
    started, rows = time.monotonic(), []
    for preset in flags.presets:
        rows.append(measure(preset, flags))
        print(json.dumps(rows[-1]), flush=True)
    run = settings(flags.presets[0], flags, flags.threads).run
    origin = provenance(time.monotonic() - started, [current_commit()], ["cpu"], run)
    flags.out.write_text(json.dumps({"precision": flags.precision, "rows": rows, **origin}, indent=1) + "\n")
    if flags.out == CORE_SPEED:
        write_pages()
    print(f"Wrote {flags.out}")


if __name__ == "__main__":
    main()
