"""How many balls of Catch the best player there can be would catch, who sees the whole screen and remembers all of it: exact.

python agents/analysis/catch_ceiling.py --ball-speed 1.5
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

if not __package__:  # run as a file: import from the repository, not from agents/
    sys.path[0] = str(Path(__file__).resolve().parents[2])

import numpy as np
import tyro
from numpy.typing import NDArray

from agents.experiment.command_line import command, demand_at_least
from ram_envs.catch_game import PADDLE_WIDTH, CatchState, ball_columns


@dataclass(frozen=True)
class CeilingCommand:
    """Says how many balls the best player would catch; nothing behind a retina can do better."""

    screen_size: int = 24
    """Side of the screen in pixels."""
    ball_speed: float = 1.0
    """Most columns that the ball moves sideways a step."""
    speeds: int = 40_000
    """In how many equal steps the range of sideways speeds is taken."""


def best_catch_rate(size: int, ball_speed: float, speeds: int = 40_000) -> float:
    """Share of the balls that the best player catches.

    The player knows the columns that the ball has been in, not its speed. What can be caught from each such history and
    place of the paddle follows from what can be caught a row further down, from the bottom row upwards.

    Args:
        size: side of the screen in pixels.
        ball_speed: most columns that the ball moves sideways a step; speeds are uniform.
        speeds: in how many equal steps their range is taken.
    """
    steps = np.linspace(-ball_speed, ball_speed, speeds + 1)
    speed = (steps[:-1] + steps[1:]) / 2
    paddles = np.arange(size - PADDLE_WIDTH + 1)
    moved = [np.clip(paddles + way, 0, paddles[-1]) for way in (-1, 0, 1)]
    caught = 0.0
    for start in range(size):
        history = [np.zeros(speeds, np.int64)]  # row by row, which of the histories so far each speed makes
        for row in range(1, size):
            at_row = np.full(speeds, row)
            columns = ball_columns(CatchState(np.full(speeds, start), speed, at_row, at_row), size)
            history.append(np.unique(history[-1] * size + columns, return_inverse=True)[1])
        offset = columns[:, None] - paddles
        hits = _sum_by(history[-1], ((offset >= 0) & (offset < PADDLE_WIDTH)).astype(float))
        for before, after in zip(history[-2::-1], history[:0:-1], strict=True):
            parents = np.zeros(len(hits), np.int64)
            parents[after] = before
            hits = _sum_by(parents, hits)  # the move is made before the next column is seen
            hits = np.maximum.reduce([hits[:, places] for places in moved])
        caught += hits[0].mean() / speeds
    return caught / size


def _sum_by(groups: NDArray[np.int64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The sums (G, P) of the rows of `values` (N, P) in each of the groups (N,)."""
    sums = np.zeros((groups.max() + 1, values.shape[1]))
    np.add.at(sums, groups, values)
    return sums


@command
def main() -> None:
    """`python agents/analysis/catch_ceiling.py`"""
    flags = tyro.cli(CeilingCommand)
    demand_at_least(4, screen_size=flags.screen_size)  # as the environment does
    demand_at_least(0, ball_speed=flags.ball_speed)
    demand_at_least(1, speeds=flags.speeds)
    rate = best_catch_rate(flags.screen_size, flags.ball_speed, flags.speeds)
    print(f"The best player that sees the whole screen catches {100 * rate:.3f} % and misses {100 * (1 - rate):.3f} %.")


if __name__ == "__main__":
    main()
