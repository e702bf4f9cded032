"""The rules of Catch."""

import gymnasium as gym
import numpy as np
import pytest

from ram_envs import catch_game
from ram_envs.catch_ball import CatchBallVectorEnv


def play(envs, policy, seed=0):
    """Share of lanes that end in success under policy(envs) -> moves."""
    envs.reset(seed=seed)
    over = np.zeros(envs.num_envs, bool)
    while not over.all():
        action = {"location": np.zeros((envs.num_envs, 2)), "move": policy(envs)}
        over = envs.step(action)[2]
    return (envs._caught == envs.num_balls).mean()


def landing_columns(envs):
    """Where each ball will land: full knowledge of the game."""
    games, size = envs._games, envs.screen_size
    end = catch_game.CatchState(games.start, games.speed, np.full_like(games.row, size - 1), games.paddle)
    return catch_game.ball_columns(end, size)


def perfect(envs):
    target = landing_columns(envs)
    left = envs._games.paddle
    return np.where(target < left, 0, np.where(target > left + 1, 2, 1))


@pytest.mark.parametrize(
    "kwargs",
    [
        {},
        {"ball_angles": "diagonal"},
        {"ball_speed": 2.5},
        {"screen_size": 48},
        {"screen_size": 7},
        {"num_balls": 3},
        {"paddle_start": "center"},
    ],
)
def test_every_ball_can_be_caught(kwargs):
    envs = CatchBallVectorEnv(400, action_mode="dict", autoreset_mode="Disabled", **kwargs)
    assert play(envs, perfect) == 1


def test_still_paddle_catches_two_columns_in_twenty_four():
    envs = CatchBallVectorEnv(4000, action_mode="dict", autoreset_mode="Disabled")
    assert play(envs, lambda envs: np.ones(envs.num_envs, int)) == pytest.approx(2 / 24, abs=0.02)


def test_ball_bounces_as_if_it_were_followed_step_by_step():
    size, random = 10, np.random.default_rng(0)
    for speed in random.uniform(-2, 2, 50):
        state = catch_game.CatchState(*(np.array([x]) for x in (3, speed, 0, 0)))
        column, direction = 3.0, speed
        for row in range(size):
            state.row[:] = row
            assert catch_game.ball_columns(state, size)[0] == np.rint(round(column, 9))
            column += direction
            if column < 0:
                column, direction = -column, -direction
            if column > size - 1:
                column, direction = 2 * (size - 1) - column, -direction


def test_ball_starts_at_any_column_of_the_top_row_and_paddle_anywhere():
    envs = CatchBallVectorEnv(2000, screen_size=8)
    envs.reset(seed=0)
    assert set(envs._games.start) == set(range(8))
    assert set(envs._games.paddle) == set(range(7))
    assert (envs._games.row == 0).all()
    assert envs._games.speed.min() < -0.9
    assert envs._games.speed.max() > 0.9


@pytest.mark.parametrize(("diagonal", "speeds"), [(False, [-3.0, -0.75, 0.0, 1.5]), (True, [-3.0, -3.0, 3.0, 3.0])])
def test_draws_say_where_a_ball_starts_how_fast_it_goes_and_where_its_paddle_is(diagonal, speeds):
    games, state = np.array([1, 2, 4, 5]), catch_game.new_games(6)
    state.row[:] = 7
    draws = np.array([[0.0, 0.0, 0.99], [0.5, 0.375, 0.5], [0.99, 0.5, 0.25], [0.24, 0.75, 0.0]])
    catch_game.drop_balls(state, games, draws, 8, 3.0, diagonal)
    catch_game.place_paddles(state, games, draws, 8)
    assert state.start.tolist() == [0, 0, 4, 0, 7, 1]
    assert state.speed.tolist() == [0, speeds[0], speeds[1], 0, speeds[2], speeds[3]]
    assert state.row.tolist() == [7, 0, 0, 7, 0, 0]
    assert state.paddle.tolist() == [0, 6, 3, 0, 1, 0]


def test_ball_is_caught_at_the_bottom_by_either_pixel_of_the_paddle():
    columns = [0, 1, 2, 3, 2, 2]  # of the balls; the paddle is at columns 1 and 2
    state = catch_game.CatchState(np.array(columns), np.zeros(6), np.array([4, 4, 4, 4, 3, 4]), np.ones(6, int))
    landed, caught = catch_game.advance(state, np.arange(5), np.ones(5, int), 6)
    assert landed.tolist() == [True, True, True, True, False]
    assert caught.tolist() == [False, True, True, False, False]
    assert state.row.tolist() == [5, 5, 5, 5, 4, 4]  # the sixth does not play


def test_diagonal_ball_goes_to_either_side_at_full_speed():
    envs = CatchBallVectorEnv(200, ball_angles="diagonal", ball_speed=2.5)
    envs.reset(seed=0)
    assert set(envs._games.speed) == {-2.5, 2.5}
    assert 60 < (envs._games.speed > 0).sum() < 140
    assert abs(np.corrcoef(envs._games.start, envs._games.speed)[0, 1]) < 0.3


def test_screen_shows_ball_and_paddle():
    state = catch_game.CatchState(*(np.array([x]) for x in (2, 0.0, 1, 3)))
    expected = np.zeros((5, 5), np.uint8)
    expected[1, 2] = expected[4, 3] = expected[4, 4] = 255
    screens = catch_game.draw(state, np.array([0]), 5)
    assert (screens.dtype, screens.shape) == (np.uint8, (1, 5, 5, 1))
    np.testing.assert_array_equal(screens[0, :, :, 0], expected)


def test_paddle_stops_at_the_sides():
    state = catch_game.CatchState(*(np.array([x, x]) for x in (0, 0.0, 0, 0)))
    state.paddle[:] = [0, 3]
    catch_game.advance(state, np.arange(2), np.array([0, 2]), 5)
    np.testing.assert_array_equal(state.paddle, [0, 3])


def test_reward_comes_only_when_the_ball_arrives():
    env = gym.make("CatchBall-v0", screen_size=6, action_mode="discrete")
    env.reset(seed=1)
    rewards, steps, over = [], 0, False
    while not over:
        _, reward, over, truncated, info = env.step(1)
        rewards.append(reward)
        steps += 1
    assert steps == 5
    assert not truncated
    assert rewards[:-1] == [0.0] * 4
    assert rewards[-1] == float(info["is_success"])
