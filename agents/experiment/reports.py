"""How a run goes, told on its way: scores, what is passed for the first time, films; on the terminal and to TensorBoard."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Protocol

from agents.experiment.board import Board
from agents.experiment.progress import Progress, duration
from agents.experiment.run_folder import METRICS
from agents.experiment.score import Score
from ram_envs.rendering import Pixels

EARLY = 60.0  # seconds after which a run that was not scored yet is scored once, to tell, on a few episodes
EARLY_EPISODES = 1000  # and on no more than it trains on in half that time
FILM_EVERY = 180.0  # seconds between two films
WORTH_SAYING = 0.95  # share of successes that is announced when it is first passed


class Learner(Protocol):
    """What learns in the folder of its run.

    Attributes:
        config: its settings.
        folder: of the run.
        success_word: what a success is called.
        episodes, frames: seen so far.
        seconds: that the run has taken.
        curve: validation scores so far.
    """

    config: Any
    folder: Path
    success_word: str
    seconds: float
    curve: list[dict[str, float]]

    @property
    def episodes(self) -> int: ...
    @property
    def frames(self) -> int: ...
    def score(self, split: str, *, episodes: int | None = None) -> Score:
        """Scores what has been learnt, on all episodes of a split or on the first few."""

    def film(self) -> tuple[list[Pixels], float]:
        """Frames of a few validation episodes, and how many are shown a second; no frames where there is nothing to see."""


class Reports:
    """Tells how a run goes. Nothing that is learnt depends on it.

    Args:
        learner: what learns; its curve gets the scores.
        progress: of its run.
        board: of its run.
    """

    def __init__(self, learner: Learner, progress: Progress, board: Board) -> None:
        self.learner, self.progress, self.board = learner, progress, board
        self.seconds, self.episodes, self.frames = learner.seconds, learner.episodes, learner.frames  # before
        self.early = bool(learner.config.run.evaluations) and not learner.curve  # the early score is still to come
        self.filmed = EARLY - FILM_EVERY  # when, in seconds from the start
        self.announced = {
            "training": _passed_before(learner.folder / METRICS),
            "validation": any(_worth(1 - point.get("error_percent", 100.0) / 100) for point in learner.curve),
        }

    @property
    def passed(self) -> float:
        """Seconds that the run has taken."""
        return self.seconds + self.progress.passed

    def look_early(self) -> None:
        """Scores a run that has no score yet, once, so that one sees soon whether it learns; the curve does not get that."""
        if not self.early or self.progress.passed < EARLY:
            return
        played = self.learner.episodes - self.episodes
        self._show(self.learner.score("validation", episodes=max(1, min(EARLY_EPISODES, played // 2))))

    def validate(self) -> dict[str, float]:
        """Scores on the validation episodes, for the curve and for `metrics.jsonl`."""
        learner = self.learner
        score = learner.score("validation")
        learner.curve.append({"episodes": learner.episodes, "frames": learner.frames, **score.figure()})
        self._show(score)
        return score.as_report()

    def tell(self, line: dict[str, float]) -> None:
        """A line of `metrics.jsonl`."""
        self.board.add(line, self.passed)
        pace = (self.learner.frames - self.frames) / max(self.progress.passed, 1e-9)
        success = line.get("success", 0.0)  # none where no episode has ended, or the world tells of none
        by_return = "success" not in line and "return" in line
        found = f"return {line['return']:.4g}" if by_return else f"{success:.1%} {self.learner.success_word}"
        self.progress.report(f"{found}, {pace:,.0f} frames/s")
        self._announce("training", success)

    def _show(self, score: Score) -> None:
        self.early = False
        share = f"{score.episodes:,} validation episodes"
        if score.success is not None:
            share = f"{score.success:.1%} of {share} {self.learner.success_word}"
        self.progress.say(f"{self._when()}: {share}, {score}")
        self._announce("validation", score.success or 0.0)
        if score.looks is not None:
            self.board.add_looks(score.looks, self.learner.frames)
        if self.progress.passed - self.filmed >= FILM_EVERY:
            self.filmed = self.progress.passed
            self.board.add_film(*self.learner.film(), self.learner.frames)

    def _announce(self, where: str, success: float) -> None:
        if _worth(success) and not self.announced[where]:
            self.announced[where] = True
            first = f"the first {WORTH_SAYING:.0%} {self.learner.success_word} in {where} episodes"
            self.progress.say(f"{self._when()}: {first} ({success:.1%})")

    def _when(self) -> str:
        learner = self.learner
        return f"{duration(self.passed)}, {learner.episodes:,} episodes, {learner.frames:,} frames"


def _worth(success: float) -> bool:
    return success >= WORTH_SAYING


def _passed_before(metrics: Path) -> bool:
    """Whether a run has reported such a share of successes."""
    lines = metrics.read_text().splitlines() if metrics.exists() else []
    return any(_worth(json.loads(line).get("success", 0.0)) for line in lines)
