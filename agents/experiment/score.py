"""What an evaluation found: the same record for every family."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


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
    """

    episodes: int
    success: float | None
    standard_error: float
    error_percent: float | None
    mean_return: float | None = None
    mean_glimpses: float | None = None
    gaze_distance: list[float] | None = None

    @classmethod
    def of(
        cls,
        successes: NDArray[np.bool_],
        glimpses: NDArray[Any] | None = None,
        distances: Sequence[float] | None = None,
    ) -> Score:
        """The score of episodes: whether each was a success (N,), its glimpses (N,), the mean distance of each glimpse."""
        success = float(np.mean(successes))
        return cls(
            episodes=len(successes),
            success=success,
            standard_error=math.sqrt(success * (1 - success) / len(successes)),
            error_percent=100 * (1 - success),
            mean_glimpses=None if glimpses is None else float(np.mean(glimpses)),
            gaze_distance=None if distances is None else [round(float(distance), 4) for distance in distances],
        )

    @classmethod
    def of_returns(cls, returns: NDArray[np.floating[Any]], glimpses: NDArray[Any]) -> Score:
        """The score of episodes in a world that tells of no success: each one's sum of rewards (N,), its glimpses (N,)."""
        return cls(
            episodes=len(returns),
            success=None,
            standard_error=float(np.std(returns)) / math.sqrt(len(returns)),
            error_percent=None,
            mean_return=float(np.mean(returns)),
            mean_glimpses=float(np.mean(glimpses)),
        )

    def figure(self) -> dict[str, float]:
        """The one number that curves show, under its name: the error in percent, or where there is none the mean return."""
        if self.mean_return is not None:
            return {"mean_return": self.mean_return}
        assert self.error_percent is not None
        return {"error_percent": self.error_percent}

    def to_dict(self) -> dict[str, Any]:
        """As JSON takes it, without what was not measured."""
        return {name: value for name, value in asdict(self).items() if value is not None}

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
