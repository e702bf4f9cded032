"""Trains every row of the paper's tables that has no result yet, resumes what was interrupted, and prints the table.

python agents/reproduce_tables.py                        # everything: days on one core
python agents/reproduce_tables.py --rows mnist-6 catch --seeds 1 2 3
python agents/reproduce_tables.py --rows                 # trains nothing; writes the table into the README
"""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

if not __package__:  # run as a file: import from the repository, not from agents/
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import tyro

from agents.checkpoint import export_agent
from agents.classifier_training import train_classifier
from agents.command_line import one_sentence_errors
from agents.image_classifiers import CLASSIFIERS
from agents.presets import PRESETS
from agents.results import COMPARED, PAPER, RESULTS, load_results, result_path, table, write_pages
from agents.run_folder import CHECKPOINT, RESULT
from agents.sb3_config import SB3_PRESETS
from agents.training import train


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
    if row in SB3_PRESETS:
        from agents.sb3_training import train_model  # an extra, which the other rows do without

        folder.mkdir(parents=True, exist_ok=True)
        return train_model(replace(SB3_PRESETS[row], seed=seed), folder)
    if row in CLASSIFIERS:
        return train_classifier(replace(CLASSIFIERS[row], seed=seed), folder, resume=True)
    return train(replace(PRESETS[row], seed=seed), folder, resume=True)


@one_sentence_errors
def main() -> None:
    """`python agents/reproduce_tables.py`"""
    command = tyro.cli(TablesCommand)
    known = {*PRESETS, *CLASSIFIERS, *SB3_PRESETS}
    if unknown := set(command.rows) - known:
        raise ValueError(f"rows must be among {sorted(known)}, got {sorted(unknown)}.")
    RESULTS.mkdir(exist_ok=True)
    for seed in command.seeds:
        for row in command.rows:
            path = result_path(row, seed)
            if path.exists():
                continue
            folder = command.runs / f"{row}-seed{seed}"
            print(f"Training {row}, seed {seed}, in {folder}")
            if not train_row(row, seed, folder):
                return
            shutil.copy(folder / RESULT, path)
            if seed == command.seeds[0] and row in PRESETS and row not in COMPARED:
                export_agent(folder / CHECKPOINT, RESULTS / f"{row}.pt")
    write_pages()
    print(table(load_results()))


if __name__ == "__main__":
    main()
