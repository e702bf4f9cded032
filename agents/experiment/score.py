"""What an evaluation found: the same record for every family."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

CELLS = 48  # along each side of a scene, of what says where an agent looked


def count_looks(locations: NDArray[Any]) -> NDArray[np.int64]:
    """How many of the locations (N, 2), (x, y) in [-1, 1], lie in each cell of the scene (CELLS, CELLS), the upper left one first."""
    cells = ((locations + 1) / 2 * CELLS).astype(np.int64).clip(0, CELLS - 1)
    return np.bincount(cells[:, 1] * CELLS + cells[:, 0], minlength=CELLS**2).reshape(CELLS, CELLS)


@dataclass(frozen=True)
class Score:
    """What an evaluation found.

    Attributes:
        episodes: how many were played, one rollout each.
        success: share of right answers, or of episodes that ended well; None in a world that tells of no success.
        standard_error: of `success`, or of `mean_return`.
        error_percent: 100 * (1 - success).
        mean_return: sum of an episode's rewards, in a world that tells of no success; None elsewhere.
        mean_glimpses: glimpses taken per episode; None for what sees the whole scene.
        gaze_distance: mean distance of each glimpse from the digit or the ball, first glimpse first, in half image sides;
            None for what sees the whole scene.
        looks: (CELLS, CELLS) int, how many glimpses were taken in each cell of the scene, the upper left one first; no part of
            the record.
    """

    episodes: int
    success: float | None
    standard_error: float
    error_percent: float | None
    mean_return: float | None = None
    mean_glimpses: float | None = None
    gaze_distance: list[float] | None = None
    looks: NDArray[np.int64] | None = field(default=None, compare=False, repr=False)

    @classmethod
    def of(
        cls,
        successes: NDArray[np.bool_],
        glimpses: NDArray[Any] | None = None,
        distances: Sequence[float] | None = None,
        looks: NDArray[np.int64] | None = None,
    ) -> Score:
        """The score of episodes: whether each was a success (N,), its glimpses (N,), the mean distance of each glimpse, where it looked."""
        success = float(np.mean(successes))
        return cls(
            episodes=len(successes),
            success=success,
            standard_error=math.sqrt(success * (1 - success) / len(successes)),
            error_percent=100 * (1 - success),
            mean_glimpses=None if glimpses is None else float(np.mean(glimpses)),
            gaze_distance=None if distances is None else [round(float(distance), 4) for distance in distances],
            looks=looks,
        )

    @classmethod
    def of_returns(
        cls, returns: NDArray[np.floating[Any]], glimpses: NDArray[Any], looks: NDArray[np.int64] | None = None
    ) -> Score:
        """The score of episodes in a world that tells of no success: each one's sum of rewards (N,), its glimpses (N,), where it looked."""
        returns = returns.astype(np.float64)
        return cls(
            episodes=len(returns),
            success=None,
            standard_error=float(np.std(returns)) / math.sqrt(len(returns)),
            error_percent=None,
            mean_return=float(np.mean(returns)),
            mean_glimpses=float(np.mean(glimpses)),
            looks=looks,
        )

    def figure(self) -> dict[str, float]:
        """The one number that curves show, under its name: the error in percent, or where there is none the mean return."""
        if self.mean_return is not None:
            return {"mean_return": self.mean_return}
        assert self.error_percent is not None
        return {"error_percent": self.error_percent}

    def to_dict(self) -> dict[str, Any]:
        """As JSON takes it, without what was not measured."""
        found = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "looks"}
        return {name: value for name, value in found.items() if value is not None}

    def as_report(self) -> dict[str, float]:
        """As a line of `metrics.jsonl` has it."""
        line = {f"validation_{name}": value for name, value in self.figure().items()}
        if self.mean_glimpses is not None:
            line["validation_glimpses"] = self.mean_glimpses
        if self.gaze_distance:
            line["validation_gaze_distance"] = self.gaze_distance[-1]
        return line

    def __str__(self) -> str:
        if self.mean_return is None:
            parts = [f"error {self.error_percent:.2f} % +- {100 * self.standard_error:.2f}"]
        else:
            parts = [f"return {self.mean_return:.4g} +- {self.standard_error:.2g}"]
        if self.mean_glimpses is not None:
            parts.append(f"{self.mean_glimpses:.2f} glimpses")
        if self.gaze_distance:
            parts.append(f"last glimpse {self.gaze_distance[-1]:.2f} half image sides from the target")
        return ", ".join(parts)
