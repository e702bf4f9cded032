"""The rules of Catch by hand, and with full knowledge of where the ball will land."""

from typing import Any

import numpy as np
import pytest

from ram_envs import catch_game
from ram_envs.catch_ball import CatchBallVectorEnv
from ram_envs.catch_game import CatchState, advance, ball_columns, draw, drop_balls, new_games, place_paddles

LAST = np.nextafter(1, 0)  # the greatest draw that there can be
LEFT, NOTHING, RIGHT = range(3)


def one_game(start: int, speed: float, row: int = 0, paddle: int = 0) -> CatchState:
    return CatchState(np.array([start]), np.array([float(speed)]), np.array([row]), np.array([paddle]))


def reflected_column(start: float, speed: float, steps: int, size: int) -> int:
    """Where a ball is after that many steps, moved one by one and thrown back whenever it is outside."""
    place, speed = float(start), float(speed)
    for _ in range(steps):
        place += speed
        while not 0 <= place <= size - 1:
            place = -place if place < 0 else 2 * (size - 1) - place
            speed = -speed
    return int(np.rint(place))


def landing_columns(state: CatchState, size: int) -> np.ndarray:
    """The columns (N,) where the balls will be in the bottom row."""
    games = zip(state.start, state.speed, strict=True)
    return np.array([reflected_column(start, speed, size - 1, size) for start, speed in games])


@pytest.mark.parametrize("size", [4, 7, 24])
def test_closed_form_agrees_with_reflection_step_by_step(size: int) -> None:
    random = np.random.default_rng(0)
    start = random.integers(0, size, 300)
    speed = random.integers(-64 * (size - 1), 64 * (size - 1) + 1, 300) / 64  # exact in binary
    speed[: 2 * size] = np.repeat([-1.0, 1.0], size)
    start[: 2 * size] = np.tile(np.arange(size), 2)
    for row in range(size):
        state = CatchState(start, speed, np.full(300, row), np.zeros(300, np.int64))
        expected = [reflected_column(x, v, row, size) for x, v in zip(start, speed, strict=True)]
        assert ball_columns(state, size).tolist() == expected


def test_a_diagonal_ball_bounces_off_the_side() -> None:
    state = one_game(start=1, speed=-1)
    columns = []
    for row in range(5):
        state.row[:] = row
        columns.append(int(ball_columns(state, 5)[0]))
    assert columns == [1, 0, 1, 2, 3]


@pytest.mark.parametrize("speed", [-23.9, -7.3, -1, -0.5, 0, 0.01, 1, 3, 23])
def test_the_ball_stays_inside_at_any_speed(speed: float) -> None:
    state = CatchState(np.arange(24), np.full(24, float(speed)), np.zeros(24, np.int64), np.zeros(24, np.int64))
    for row in range(24):
        state.row[:] = row
        columns = ball_columns(state, 24)
        assert ((columns >= 0) & (columns < 24)).all()


def test_a_slow_ball_moves_at_most_one_column_a_step() -> None:
    state = new_games(500)
    drop_balls(state, np.arange(500), np.random.default_rng(0).random((500, 3)), 24, 1.0, diagonal=False)
    columns = [ball_columns(state, 24).copy()]
    for row in range(1, 24):
        state.row[:] = row
        columns.append(ball_columns(state, 24))
    assert np.abs(np.diff(columns, axis=0)).max() == 1


def test_the_paddle_moves_by_one_and_stops_at_the_sides() -> None:
    for paddle, move, expected in [(3, LEFT, 2), (3, NOTHING, 3), (3, RIGHT, 4), (0, LEFT, 0), (6, RIGHT, 6)]:
        state = one_game(start=0, speed=0, paddle=paddle)
        advance(state, np.array([0]), np.array([move]), size=8)
        assert state.paddle.tolist() == [expected]


@pytest.mark.parametrize(("paddle", "caught"), [(1, False), (2, True), (3, True), (4, False)])
def test_a_ball_is_caught_by_either_pixel_of_the_paddle(paddle: int, caught: bool) -> None:
    state = one_game(start=3, speed=0, row=6, paddle=paddle)
    landed, hit = advance(state, np.array([0]), np.array([NOTHING]), size=8)
    assert (landed.tolist(), hit.tolist()) == ([True], [caught])


def test_the_move_is_made_before_the_judgement() -> None:
    state = one_game(start=3, speed=0, row=6, paddle=1)
    assert advance(state, np.array([0]), np.array([RIGHT]), size=8)[1].tolist() == [True]


def test_above_the_bottom_row_nothing_is_judged() -> None:
    state = one_game(start=3, speed=0, row=5, paddle=3)
    landed, hit = advance(state, np.array([0]), np.array([NOTHING]), size=8)
    assert not landed.any()
    assert not hit.any()
    assert state.row.tolist() == [6]


def test_only_the_games_named_are_changed() -> None:
    state = new_games(3)
    drop_balls(state, np.array([1]), np.array([[0.5, 0.9, 0.5]]), 10, 1.0, diagonal=True)
    place_paddles(state, np.array([1]), np.array([[0, 0, 0.5]]), 10)
    advance(state, np.array([1]), np.array([RIGHT]), 10)
    assert state.start.tolist() == [0, 5, 0]
    assert state.speed.tolist() == [0, 1, 0]
    assert state.row.tolist() == [0, 1, 0]
    assert state.paddle.tolist() == [0, 5, 0]


def test_balls_and_paddles_begin_anywhere_and_nowhere_else() -> None:
    ticks = np.append(np.linspace(0, 1, 500, endpoint=False), LAST)
    draws = np.stack([ticks] * 3, axis=1)
    state = new_games(len(ticks))
    drop_balls(state, np.arange(len(ticks)), draws, 10, 2.0, diagonal=False)
    place_paddles(state, np.arange(len(ticks)), draws, 10)
    assert set(state.start) == set(range(10))
    assert set(state.paddle) == set(range(9))
    assert state.speed.min() == -2
    assert 1.99 < state.speed.max() <= 2


def test_diagonal_balls_have_one_of_two_speeds() -> None:
    state = new_games(100)
    drop_balls(state, np.arange(100), np.random.default_rng(0).random((100, 3)), 10, 1.5, diagonal=True)
    assert set(state.speed) == {-1.5, 1.5}


def test_the_screen_shows_a_white_ball_and_a_white_paddle_on_black() -> None:
    state = one_game(start=1, speed=1, row=1, paddle=0)
    assert draw(state, np.array([0]), 4)[0, ..., 0].tolist() == [
        [0, 0, 0, 0],
        [0, 0, 255, 0],
        [0, 0, 0, 0],
        [255, 255, 0, 0],
    ]


def play(envs: CatchBallVectorEnv, seed: int, knowing: bool) -> tuple[np.ndarray, dict[str, Any]]:
    """One episode in every lane; the paddle goes to where the ball will land, or stands still."""
    _, info = envs.reset(seed=seed)
    rewards, over = np.zeros(envs.num_envs), np.zeros(envs.num_envs, bool)
    while not over.all():
        offset = landing_columns(envs._games, envs.screen_size) - envs._games.paddle
        wise = np.where(offset < 0, LEFT, np.where(offset > 1, RIGHT, NOTHING))
        _, reward, over, _, info = envs.step(wise if knowing else np.full(envs.num_envs, NOTHING))
        rewards += reward
    return rewards, info


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"ball_angles": "diagonal"},
        {"num_balls": 2},
        {"num_balls": 3, "ball_angles": "diagonal", "paddle_start": "center"},
        {"screen_size": 4},
        {"screen_size": 9, "ball_speed": 2.5},
        {"screen_size": 31, "ball_speed": 0},
        {"ball_speed": 23.5},
    ],
    ids=str,
)
def test_with_full_knowledge_of_the_landing_column_every_ball_is_caught(settings: dict[str, Any]) -> None:
    envs = CatchBallVectorEnv(200, action_mode="discrete", autoreset_mode="Disabled", **settings)
    rewards, info = play(envs, seed=1, knowing=True)
    assert rewards.tolist() == [envs.num_balls] * 200
    assert info["is_success"].all()
    assert info["balls_caught"].tolist() == [envs.num_balls] * 200


@pytest.mark.parametrize("size", [4, 5, 10, 24])
def test_every_ball_can_be_caught_from_every_place_of_the_paddle(size: int) -> None:
    for landing in range(size):
        for paddle in range(size - catch_game.PADDLE_WIDTH + 1):
            state = one_game(start=landing, speed=0, paddle=paddle)
            for _ in range(size - 1):
                move = LEFT if landing < state.paddle[0] else RIGHT if landing > state.paddle[0] + 1 else NOTHING
                _, caught = advance(state, np.array([0]), np.array([move]), size)
            assert caught.all()


def test_a_still_paddle_catches_two_balls_in_twenty_four() -> None:
    envs = CatchBallVectorEnv(4000, action_mode="discrete", autoreset_mode="Disabled")
    envs.reset(seed=0)
    for _ in range(23):
        _, caught, over, _, _ = envs.step(np.full(4000, NOTHING))
    assert over.all()
    assert caught.mean() == pytest.approx(2 / 24, abs=0.015)  # three standard errors are 0.013
