"""The rules of Catch on a batch of games: start, advance, draw.

Mnih et al. 2014, section 4.2. The ball falls one row a step, moves sideways by an angle drawn per game, and
bounces off the sides; a paddle on the bottom row catches it or does not.

Axes: N games. Columns count from the left, rows from the top, both from 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

PADDLE_WIDTH = 2  # pixels
NUM_DRAWS = 3  # uniform draws that one ball takes: column, sideways speed, and the paddle's place
MOVES = ("left", "nothing", "right")


@dataclass
class CatchState:
    """A batch of games; every array is (N,).

    Attributes:
        start: column of the ball in the top row.
        speed: columns that the ball moves sideways a step, before any bounce.
        row: row of the ball.
        paddle: column of the paddle's left pixel.
    """

    start: NDArray[np.int64]
    speed: NDArray[np.float64]
    row: NDArray[np.int64]
    paddle: NDArray[np.int64]


def new_games(num_games: int) -> CatchState:
    """Room for that many games, none of which has begun."""
    zeros = np.zeros(num_games, np.int64)
    return CatchState(zeros.copy(), np.zeros(num_games), zeros.copy(), zeros.copy())


def drop_balls(
    state: CatchState,
    games: NDArray[np.int64],
    draws: NDArray[np.float64],
    size: int,
    ball_speed: float,
    diagonal: bool,
) -> None:
    """Puts a ball at a random column of the top row of each of the `games`, with a random sideways speed.

    The speed is uniform in [-ball_speed, ball_speed], or one of these two ends where `diagonal`.
    `draws` is (len(games), NUM_DRAWS), uniform in [0, 1).
    """
    side = 2 * draws[:, 1] - 1
    state.start[games] = (draws[:, 0] * size).astype(np.int64)
    state.speed[games] = ball_speed * (np.where(side < 0, -1.0, 1.0) if diagonal else side)
    state.row[games] = 0


def place_paddles(state: CatchState, games: NDArray[np.int64], draws: NDArray[np.float64], size: int) -> None:
    """Puts the paddle of each of the `games` at a random place of the bottom row; draws as in `drop_balls`."""
    state.paddle[games] = (draws[:, 2] * (size - PADDLE_WIDTH + 1)).astype(np.int64)


def advance(
    state: CatchState, games: NDArray[np.int64], moves: NDArray[np.int64], size: int
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """One step of each of the `games`: the paddle moves, the ball falls, the bottom row judges.

    Args:
        state: changed in place.
        games: (M,) which games play.
        moves: (M,) 0 left, 1 nothing, 2 right.
        size: side of the screen in pixels.

    Returns:
        Two (M,): whether the ball is at the bottom, and whether the paddle is under it there.
    """
    state.paddle[games] = np.clip(state.paddle[games] + moves - 1, 0, size - PADDLE_WIDTH)
    state.row[games] += 1
    landed = state.row[games] == size - 1
    offset = ball_columns(state, size)[games] - state.paddle[games]
    return landed, landed & (offset >= 0) & (offset < PADDLE_WIDTH)


def ball_columns(state: CatchState, size: int) -> NDArray[np.int64]:
    """The ball's column in every game (N,): a straight line, folded at the sides, so that no error adds up."""
    path = (state.start + state.speed * state.row) % (2 * (size - 1))
    return np.rint(np.minimum(path, 2 * (size - 1) - path)).astype(np.int64)


def draw(state: CatchState, games: NDArray[np.int64], size: int) -> NDArray[np.uint8]:
    """Screens (M, size, size, 1) of the `games`: the ball and the paddle white on black."""
    screens = np.zeros((len(games), size, size, 1), np.uint8)
    lanes = np.arange(len(games))
    screens[lanes, state.row[games], ball_columns(state, size)[games]] = 255
    for pixel in range(PADDLE_WIDTH):
        screens[lanes, -1, state.paddle[games] + pixel] = 255
    return screens
