"""Trains the rows of the tables that have no result yet: the command behind `reproduce_tables.py`."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from agents.analysis.pages import write_pages
from agents.analysis.result_tables import headline_table
from agents.analysis.tables import COMPARED, PAPER, RESULTS, load_results, no_better_than_random, result_path
from agents.experiment.command_line import arguments, command, demand_at_least, say
from agents.experiment.run_folder import CHECKPOINT, RESULT, reserved
from agents.experiment.settings import ExperimentConfig
from agents.scaling.cluster import RayFlag, connected, ray_address
from agents.scaling.families import PRESETS, preset_settings
from agents.scaling.forecast import announced, expected_minutes

SHIPPED = ("mnist-2m-recurrent-ppo-hybrid", "catch-2m-dqn-center")
"""Rows of stock agents whose model results/ gets: the best of each environment in less than a megabyte."""


@dataclass(frozen=True)
class TablesCommand:
    """Trains the rows that have no result yet, and writes the tables into README and docs/."""

    rows: tuple[str, ...] = (*PAPER, *COMPARED)
    """Presets to train, of agents, of classifiers, or of Stable-Baselines3."""
    seeds: tuple[int, ...] = (1,)
    """Seeds of each row."""
    runs: Path = Path("runs/tables")
    """Where the runs are kept; one that was interrupted goes on from its checkpoint, whether by Ray or without."""
    device: str | None = None
    """"cpu", "cuda", or "auto", for every row; None for what each row says. The tables mark the minutes of rows that a GPU made."""
    ray: RayFlag = None
    """Train by Ray, as many runs at once as there are processors: on this machine, or on the cluster at an address such as 10.0.0.1:6379,
    whose machines must all see the folder of the runs. Without this flag, one run after the other."""


@dataclass(frozen=True)
class Run:
    """A row of the tables with one of its seeds.

    Attributes:
        row: its preset.
        seed: of the run.
        folder: of the run.
        ships: whether its agent is the one that results/ gets.
        device: where it is made; None for where its preset says.
    """

    row: str
    seed: int
    folder: Path
    ships: bool
    device: str | None = None

    @property
    def settings(self) -> ExperimentConfig:
        """All settings of the run."""
        place = {} if self.device is None else {"device": self.device}
        settings: ExperimentConfig = preset_settings(self.row).but(seed=self.seed, run=place)
        return settings

    @property
    def minutes(self) -> float | None:
        """How long it takes by what earlier ones took."""
        return expected_minutes(self.row, preset_settings(self.row), RESULTS)

    def keep(self) -> None:
        """Copies the result, and the agent if it is to be shipped, to results/."""
        shutil.copy(self.folder / RESULT, result_path(self.row, self.seed, RESULTS))
        if self.ships and self.row in SHIPPED:
            from agents.sb3.checkpoint import export_model

            export_model(self.folder, RESULTS / f"{self.row}.zip")
        elif self.ships:
            from agents.ram.checkpoint import export_agent

            export_agent(self.folder / CHECKPOINT, RESULTS / f"{self.row}.pt")


def missing_runs(flags: TablesCommand) -> list[Run]:
    """The runs that have no result yet; of each row the agent of the lowest seed, of these and of those that have one, is shipped."""
    runs = []
    for seed in flags.seeds:
        for row in flags.rows:
            if result_path(row, seed, RESULTS).exists():
                continue
            ships = row in SHIPPED or (PRESETS[row].name == "ram" and row not in COMPARED)
            first = seed == min(flags.seeds) and not any(
                result_path(row, lower, RESULTS).exists() for lower in range(seed)
            )
            folder = flags.runs / f"{row}-seed{seed}"
            runs.append(Run(row, seed, folder, ships=ships and first, device=flags.device))
    return runs


def train_row(run: Run) -> dict[str, Any]:
    """Trains a row's agent or classifier, or goes on with it; returns the result, or nothing if interrupted.

    What Stable-Baselines3 trains begins anew.
    """
    return PRESETS[run.row].train(run.settings, run.folder, resume=True)


def train_one_by_one(missing: Sequence[Run]) -> bool:
    """Makes one run after the other; returns whether all were made."""
    for run in missing:
        say(f"Training {run.row}, seed {run.seed}, in {run.folder}")
        if not train_row(run):
            return False
        run.keep()
    return True


def train_by_ray(missing: Sequence[Run], runs: Path, address: str | None) -> bool:
    """Makes the runs by Ray, the longest first; returns whether all were made.

    A run that ends leaves its result at once, and every checkpoint is copied to the run's folder: the runs, not Ray's notes of them, are
    what the next command goes on with, with other rows or without Ray if need be.
    """
    with ExitStack() as stack:
        for place in (runs / "ray", *(run.folder for run in missing)):
            stack.enter_context(reserved(place))
        processors = stack.enter_context(connected(address))
        from agents.scaling.trials import Progress, grid, run_trials, trial_space

        print(announced([run.minutes for run in missing], processors), flush=True)
        shutil.rmtree(runs / "ray" / "trials", ignore_errors=True)  # of an earlier command
        by_title = {run.folder.name: run for run in sorted(missing, key=lambda run: -(run.minutes or 0))}
        spaces = [
            trial_space(PRESETS[run.row].name, run.settings, {}, title, run.folder) for title, run in by_title.items()
        ]
        progress = Progress(len(missing), lambda title: by_title[title].keep())
        outcomes = run_trials(grid(spaces), runs / "ray" / "trials", progress)
    if outcomes is None:
        print("Not all runs have ended; the same command goes on with what is left.")
        return False
    if failed := sum(bool(outcome.failed) for outcome in outcomes):
        raise ValueError(f"{failed} of {len(missing)} runs cannot be made, see above.")
    return True


@command
def reproduce_command(argv: Sequence[str] | None = None) -> None:
    """`python agents/reproduce_tables.py`"""
    flags = tyro.cli(TablesCommand, args=arguments(argv))
    if unknown := set(flags.rows) - set(PRESETS):
        raise ValueError(f"rows must be among {sorted(PRESETS)}, got {sorted(unknown)}.")
    demand_at_least(0, seeds=min(flags.seeds, default=None))
    if flags.device is not None:
        say(f"Looking for the device {flags.device}")
        from agents.experiment.device import find_device

        find_device(flags.device)
    address = ray_address(flags.ray)
    RESULTS.mkdir(exist_ok=True)
    missing = missing_runs(flags)
    if missing and flags.ray is None:
        say(announced([run.minutes for run in missing], 1))
    if missing and not (train_one_by_one(missing) if flags.ray is None else train_by_ray(missing, flags.runs, address)):
        return
    write_pages()
    print(headline_table(results := load_results()))
    if failures := no_better_than_random(results):
        print("No better than random looks, so these have not learnt to look:", *failures, sep="\n  ")
