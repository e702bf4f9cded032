"""The loop of updates, whatever learns by them: reports, scores on the way, checkpoints."""

from __future__ import annotations

import time
from typing import Protocol

from agents.experiment.board import Board
from agents.experiment.progress import Progress
from agents.experiment.reports import Learner, Reports
from agents.experiment.run_folder import Saved, interruptible, nobody, record


class Trainer(Learner, Protocol):
    """What learns by updates.

    Attributes:
        update: made so far.
    """

    update: int

    def step(self) -> object:
        """One update."""

    def report(self) -> dict[str, float]:
        """Means since the last report, a line for `metrics.jsonl`."""

    def save(self) -> None:
        """Writes a checkpoint."""


def make_updates(trainer: Trainer, saved: Saved = nobody) -> None:
    """Makes what is left of a run's updates, with reports and checkpoints; Ctrl-C ends it after the update under way.

    Args:
        trainer: what learns.
        saved: told after every checkpoint.
    """
    run, total = trainer.config.run, trainer.config.total_episodes
    trainer.save()  # before anything is reported, so that there is always a checkpoint to go on from
    last = time.monotonic()
    with (
        Progress(f"training {trainer.config.title}", total, trainer.episodes) as progress,
        interruptible() as interrupted,
        Board(trainer.folder, trainer.config, trainer.frames, trainer.seconds) as board,
    ):
        reports = Reports(trainer, progress, board)
        while trainer.episodes < total and not interrupted:
            before = trainer.episodes
            trainer.step()
            progress.advance(trainer.episodes - before)
            reports.look_early()
            if trainer.update % run.report_every and trainer.episodes < total:
                if time.monotonic() - last > 60 * run.checkpoint_minutes > 0:
                    trainer.seconds = reports.passed
                    trainer.save()
                    last = time.monotonic()
                continue
            line = trainer.report()
            scored = trainer.curve[-1]["episodes"] if trainer.curve else 0
            evaluating = _nth(trainer.episodes, total, run.evaluations) > _nth(scored, total, run.evaluations)
            if evaluating:
                line |= reports.validate()
            trainer.seconds = reports.passed
            record(trainer.folder, line, trainer.seconds)
            reports.tell(line)
            if evaluating or time.monotonic() - last > 60 * run.checkpoint_minutes:
                trainer.save()
                saved(100 * trainer.episodes / total, trainer.curve)
                last = time.monotonic()
        trainer.seconds = reports.passed
    trainer.save()


def _nth(episodes: float, total: int, evaluations: int) -> int:
    """How many of the scores on the way are due by then."""
    return min(evaluations, int(episodes * evaluations // total))
