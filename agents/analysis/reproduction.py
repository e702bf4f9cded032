"""Trains the rows of the tables that have no result yet: the command behind `reproduce_tables.py`."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

import agents.classifiers.presets
import agents.classifiers.training
import agents.ram.presets
import agents.ram.training
import agents.sb3.presets
from agents.analysis.tables import COMPARED, PAPER, RESULTS, load_results, result_path, table, write_pages
from agents.experiment.command_line import arguments, command, demand_at_least
from agents.experiment.run_folder import CHECKPOINT, RESULT
from agents.ram.checkpoint import export_agent

AGENTS = agents.ram.presets.PRESETS
CLASSIFIERS = agents.classifiers.presets.PRESETS
STOCK = agents.sb3.presets.PRESETS


@dataclass(frozen=True)
class TablesCommand:
    """Trains the rows that have no result yet, one after the other, and writes the table into the README."""

    rows: tuple[str, ...] = (*PAPER, *COMPARED)
    """Presets to train, of agents, of classifiers, or of Stable-Baselines3."""
    seeds: tuple[int, ...] = (1,)
    """Seeds of each row."""
    runs: Path = Path("runs/tables")
    """Where the runs are kept; one that was interrupted goes on from its checkpoint."""


def train_row(row: str, seed: int, folder: Path) -> dict[str, Any]:
    """Trains a row's agent or classifier, or goes on with it; returns the result, or nothing if interrupted.

    What Stable-Baselines3 trains begins anew.
    """
    if row in STOCK:
        from agents.sb3.training import train  # an extra, which the other rows do without

        return train(STOCK[row].but(seed=seed), folder)
    if row in CLASSIFIERS:
        return agents.classifiers.training.train(CLASSIFIERS[row].but(seed=seed), folder, resume=True)
    return agents.ram.training.train(AGENTS[row].but(seed=seed), folder, resume=True)


@command
def reproduce_command(argv: Sequence[str] | None = None) -> None:
    """`python agents/reproduce_tables.py`"""
    flags = tyro.cli(TablesCommand, args=arguments(argv))
    known = {*AGENTS, *CLASSIFIERS, *STOCK}
    if unknown := set(flags.rows) - known:
        raise ValueError(f"rows must be among {sorted(known)}, got {sorted(unknown)}.")
    demand_at_least(0, seeds=min(flags.seeds, default=None))
    RESULTS.mkdir(exist_ok=True)
    for seed in flags.seeds:
        for row in flags.rows:
            path = result_path(row, seed)
            if path.exists():
                continue
            folder = flags.runs / f"{row}-seed{seed}"
            print(f"Training {row}, seed {seed}, in {folder}")
            if not train_row(row, seed, folder):
                return
            shutil.copy(folder / RESULT, path)
            if seed == flags.seeds[0] and row in AGENTS and row not in COMPARED:
                export_agent(folder / CHECKPOINT, RESULTS / f"{row}.pt")
    write_pages()
    print(table(load_results()))
