"""How fast a GPU trains, with scenes and glimpses made by NumPy or on the GPU, update by update or from a recording.

python agents/analysis/gpu_table.py                 # writes results/gpu_table.json and the table in docs/training.md: about two minutes
"""

from __future__ import annotations

import json
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
from agents.analysis.tables import GPU
from agents.experiment.command_line import command, demand_at_least, demand_file
from agents.experiment.device import device_name, find_device
from agents.experiment.device_worlds import DeviceWorld
from agents.experiment.run_folder import current_commit, provenance
from agents.ram.config import Config
from agents.ram.presets import GENERAL, PRESETS
from agents.ram.training import Trainer

WAYS = ("numpy", "device", "recorded")
"""Where scenes and glimpses are made, and whether updates are repeated from a recording (on the device)."""


@dataclass(frozen=True)
class GpuCommand:
    """Measures episodes a second of whole updates, by the clock."""

    presets: tuple[str, ...] = ("mnist-6", "cluttered60-8", "cluttered60-8-conv", "general")
    """What is trained; "general" on cluttered 60x60."""
    batch_sizes: tuple[int, ...] = (128, 1024, 4096)
    """Episodes of an update."""
    device: str = "cuda"
    """Where."""
    seconds: float = 2.0
    """Length of a measurement, about."""
    out: Path = GPU
    """File to write."""


def settings(preset: str, batch_size: int, device: str) -> Config:
    """What is trained, without end."""
    base = GENERAL.but(env="GlimpseMNIST-Cluttered60-v0") if preset == "general" else PRESETS[preset]
    return base.but(learning={"batch_size": batch_size}, run={"device": device, "episodes": 10**9, "warm_start": ""})


def trainer_of(way: str, config: Config, folder: Path) -> Trainer | None:
    """A trainer that goes about it in one of the `WAYS`; None where that cannot be."""
    trainer = Trainer(config, folder)
    if way == "recorded":
        return trainer if trainer.graph else None
    trainer.graph = None
    if isinstance(trainer.envs, DeviceWorld) and way == "numpy":
        trainer.envs = trainer.envs.envs
    return trainer if isinstance(trainer.envs, DeviceWorld) is (way == "device") else None


def episodes_per_second(trainer: Trainer, seconds: float) -> float:
    """Of whole updates, from when the first few are made."""
    for _ in range(6):
        trainer.step()
    trainer.report()  # waits for the device
    updates, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds or not updates:
        for _ in range(10):
            trainer.step()
        trainer.report()
        updates += 10
    return updates * trainer.config.learning.batch_size / (time.perf_counter() - started)


def measure(flags: GpuCommand) -> list[dict[str, Any]]:
    """A row for every preset and batch."""
    rows = []
    for preset in flags.presets:
        for batch_size in flags.batch_sizes:
            row: dict[str, Any] = {"preset": preset, "batch_size": batch_size}
            for way in WAYS:
                with TemporaryDirectory() as folder:
                    trainer = trainer_of(way, settings(preset, batch_size, flags.device), Path(folder))
                    if trainer is not None:
                        row[way] = episodes_per_second(trainer, flags.seconds)
            rows.append(row)
            print(json.dumps(row), flush=True)
    return rows


@command
def main() -> None:
    """`python agents/analysis/gpu_table.py`"""
    flags = tyro.cli(GpuCommand)
    if unknown := [preset for preset in flags.presets if preset not in (*PRESETS, "general")]:
        raise ValueError(f"--presets must name some of general, {', '.join(PRESETS)}, got {' '.join(unknown)}.")
    demand_at_least(1, batch_sizes=min(flags.batch_sizes, default=None))
    demand_at_least(0, seconds=flags.seconds)
    demand_file("--out", flags.out)
    device, started = find_device(flags.device), time.monotonic()
    rows, run = measure(flags), settings(flags.presets[0], 1, flags.device).run
    origin = provenance(time.monotonic() - started, [current_commit()], [device_name(device)], run)
    flags.out.write_text(json.dumps({"rows": rows, **origin}, indent=1) + "\n")
    if flags.out == GPU:
        write_pages()
    print(f"Wrote {flags.out}")


if __name__ == "__main__":
    main()
