"""What the best player of Catch can do, by another way of reckoning."""

import numpy as np
import pytest

from agents.analysis.catch_ceiling import best_catch_rate
from ram_envs.catch_game import CatchState, advance, ball_columns


def by_search(size, ball_speed, speeds):
    """The same by playing every move of every game, from what is known of the ball."""
    width = 2 * ball_speed / speeds
    possible = -ball_speed + width * (np.arange(speeds) + 0.5)

    def best(start, known, row, paddle):
        values = []
        for move in range(3):
            n = len(known)
            state = CatchState(np.full(n, start), known, np.full(n, row), np.full(n, paddle))
            landed, caught = advance(state, np.arange(n), np.full(n, move), size)
            if landed.all():
                values.append(caught.sum())
                continue
            columns = ball_columns(state, size)
            seen = [known[columns == column] for column in np.unique(columns)]
            values.append(sum(best(start, speeds_left, row + 1, state.paddle[0]) for speeds_left in seen))
        return max(values)

    games = [(start, paddle) for start in range(size) for paddle in range(size - 1)]
    return sum(best(start, possible, 0, paddle) for start, paddle in games) / len(games) / speeds


@pytest.mark.parametrize("ball_speed", [0.71, 1.03, 2.37])
def test_the_best_player_catches_what_a_search_of_all_games_finds(ball_speed):
    assert best_catch_rate(4, ball_speed, 30) == pytest.approx(by_search(4, ball_speed, 30), abs=1e-12)


def test_balls_that_fall_straight_are_all_caught_and_others_not_always():
    assert best_catch_rate(12, 0.0, 10) == 1
    assert 0.99 < best_catch_rate(12, 1.0, 1000) < 1
