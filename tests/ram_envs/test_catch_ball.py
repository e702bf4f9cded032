"""CatchBall: the game as it is seen and played through the environment."""

import gymnasium as gym
import numpy as np
import pytest

import ram_envs  # noqa: F401  registers the environments

LEFT, NOTHING, RIGHT = range(3)
WHOLE_SCREEN = {"initial_location": "center", "num_scales": 1}


def make(size=6, **changes):
    """A small game, seen whole through one patch as large as the screen; an action is a move, at the only cell."""
    settings = {"screen_size": size, "patch_size": size, "action_mode": "discrete", "location_grid": 1, **WHOLE_SCREEN}
    return gym.make("CatchBall-v0", **{**settings, **changes}).unwrapped


def pixels(observation):
    """Row and column of every lit pixel."""
    return np.argwhere(observation["glimpse"][0] > 0).tolist()


def paddle(observation):
    """Column of the paddle's left pixel, while the ball is above it."""
    return min(column for row, column in pixels(observation) if row == observation["glimpse"].shape[1] - 1)


@pytest.mark.parametrize(("size", "balls"), [(4, 1), (6, 3), (24, 2)])
def test_a_ball_takes_one_step_a_row_and_an_episode_all_its_balls(size, balls):
    env = make(size, num_balls=balls)
    env.reset(seed=0)
    steps, over, rewards, info = 0, False, [], {}
    while not over:
        assert not info.get("is_success")
        _, reward, over, truncated, info = env.step(NOTHING)
        assert not truncated
        rewards.append(reward)
        steps += 1
    assert steps == balls * (size - 1)
    assert info["num_glimpses"] == steps + 1
    assert info["balls_caught"] == sum(rewards)
    assert info["is_success"] == (sum(rewards) == balls)
    assert all(reward == 0 for step, reward in enumerate(rewards, 1) if step % (size - 1))


@pytest.mark.parametrize("seed", range(8))
def test_the_ball_falls_a_row_a_step_and_is_where_the_target_says(seed):
    env = make(12)
    observation, info = env.reset(seed=seed)
    for row in range(11):
        (x, y) = (info["target_location"] + 1) / 2 * 12 - 0.5  # the middle of its pixel
        assert y == pytest.approx(row)
        assert [row, round(x)] in pixels(observation)
        assert len(pixels(observation)) == 3
        observation, _, over, _, info = env.step(NOTHING)
    assert over
    assert (info["target_location"][1] + 1) / 2 * 12 - 0.5 == pytest.approx(11)
    assert {row for row, _ in pixels(observation)} == {11}  # the last glimpse shows the ball at the bottom
    assert len(pixels(observation)) == (2 if info["is_success"] else 3)


def test_moves_are_left_nothing_right_by_a_pixel_and_stop_at_the_sides():
    env = make(8, paddle_start="center")
    start = paddle(env.reset(seed=0)[0])
    assert start == 3
    for moves, expected in [([LEFT], 2), ([RIGHT], 4), ([NOTHING], 3), ([LEFT] * 6, 0), ([RIGHT] * 6, 6)]:
        env.reset(seed=0)
        for move in moves:
            observation, *_ = env.step(move)
        assert paddle(observation) == expected


def test_the_ball_is_caught_by_either_pixel_of_the_paddle_and_by_no_other_place():
    caught = []
    for seed in range(60):
        env = make(5, ball_speed=0)
        observation, info = env.reset(seed=seed)
        left = paddle(observation)
        ball = round((info["target_location"][0] + 1) / 2 * 5 - 0.5)
        for _ in range(4):
            _, reward, over, _, info = env.step(NOTHING)
        assert over
        assert (reward == 1) == (ball - left in (0, 1)) == info["is_success"]
        caught.append(reward)
    assert 0 < sum(caught) < 60


def test_the_paddle_stays_where_it_is_between_two_balls():
    env = make(6, num_balls=2, paddle_start="center")
    env.reset(seed=0)
    for _ in range(5):
        observation, _, over, _, _ = env.step(LEFT)
    assert not over
    assert paddle(observation) == 0
    assert [row for row, _ in pixels(observation)].count(0) == 1  # the second ball, in the top row


def test_every_start_of_ball_and_paddle_occurs():
    envs = gym.make_vec("CatchBall-v0", num_envs=1500, num_scales=1, patch_size=24, initial_location="center")
    observation, info = envs.reset(seed=0)
    balls = np.rint((info["target_location"] + 1) / 2 * 24 - 0.5)
    assert set(balls[:, 0]) == set(range(24))
    assert set(balls[:, 1]) == {0}
    assert set(observation["glimpse"][:, 0, -1].argmax(axis=1)) == set(range(23))


@pytest.mark.parametrize(("angles", "speed"), [("any", 1.0), ("diagonal", 1.0), ("any", 3.0), ("diagonal", 2.0)])
def test_angles_are_drawn_per_ball(angles, speed):
    envs = gym.make_vec("CatchBall-v0", num_envs=400, ball_angles=angles, ball_speed=speed, action_mode="discrete")
    before = envs.reset(seed=0)[1]["target_location"]
    after = envs.step(np.ones(400, int))[4]["target_location"]
    moved = np.abs(np.rint((after - before)[:, 0] * 12))  # columns; the first step may bounce
    if angles == "diagonal":
        assert set(moved[np.abs(before[:, 0]) < 0.5]) == {speed}
    else:
        assert set(moved) == set(range(int(speed) + 1))


def test_a_ball_without_speed_falls_straight():
    env = make(10, ball_speed=0)
    column = env.reset(seed=0)[1]["target_location"][0]
    for _ in range(9):
        assert env.step(NOTHING)[4]["target_location"][0] == column


def test_in_discrete_mode_a_number_is_a_cell_and_a_move():
    env = gym.make("CatchBall-v0", action_mode="discrete", paddle_start="center").unwrapped
    assert env.action_space.n == 25 * 3
    for cell, (x, y) in [(0, (-0.8, -0.8)), (4, (0.8, -0.8)), (13, (0.4, 0))]:
        for move in (LEFT, NOTHING, RIGHT):
            env.reset(seed=0)
            paddle = env.lane._games.paddle[0]
            observation, *_ = env.step(3 * cell + move)
            np.testing.assert_allclose(observation["location"], [x, y], atol=1e-6)
            assert env.lane._games.paddle[0] == paddle + move - 1


@pytest.mark.parametrize(("mode", "action"), [
    ("multidiscrete", [7, RIGHT]),
    ("dict", {"location": [0.0, -0.4], "move": RIGHT}),
    ("box", [0.0, -0.4, 0.1, -0.5, 0.2]),
])  # fmt: skip
def test_the_same_action_in_every_mode(mode, action):
    env = make(8, patch_size=5, action_mode=mode, location_grid=5, paddle_start="center")
    env.reset(seed=0)
    observation, *_ = env.step(action)
    np.testing.assert_allclose(observation["location"], [0, -0.4], atol=1e-6)
    assert env.lane._games.paddle[0] == 4


def test_privileged_info_is_gone_when_it_is_not_wanted():
    told = {"num_glimpses", "balls_caught", "is_success"}
    assert set(make().reset(seed=0)[1]) == told | {"target_location"}
    env = make(privileged_info=False)
    assert set(env.reset(seed=0)[1]) == told
    assert [set(env.step(NOTHING)[4]) for _ in range(5)] == [told] * 5


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"screen_size": 3}, "screen_size must be a whole number of at least 4, got 3"),
        ({"screen_size": 24.0}, "screen_size must be .*, got 24.0"),
        ({"num_balls": 0}, "num_balls must be .*, got 0"),
        ({"ball_angles": "steep"}, "ball_angles must be one of .*, got 'steep'"),
        ({"paddle_start": "left"}, "paddle_start must be one of .*, got 'left'"),
        ({"ball_speed": -0.5}, "ball_speed must be a number of at least 0 and below 24, got -0.5"),
        ({"ball_speed": 24}, "ball_speed must be .*, got 24"),
        ({"ball_speed": float("nan")}, "ball_speed must be .*, got nan"),
        ({"ball_speed": "fast"}, "ball_speed must be .*, got 'fast'"),
    ],
)
def test_a_bad_argument_is_named_with_what_came_and_what_is_allowed(changes, message):
    with pytest.raises(ValueError, match=message):
        gym.make("CatchBall-v0", **changes)


def test_an_index_is_no_option_of_a_game():
    with pytest.raises(ValueError, match=r"options may hold \['reset_mask'\], got \['index'\]"):
        make().reset(options={"index": 1})


def test_pictures_name_the_moves_and_the_outcome():
    env = make(render_mode="rgb_array", initial_location=(0.0, 0.0))
    verdicts = set()
    for seed in range(8):
        env.reset(seed=seed)
        assert env.lane.view().verdict == ""
        over = False
        while not over:
            *_, over, _, info = env.step(NOTHING)
        view = env.lane.view()
        assert view.names["move"][RIGHT] == "right"
        assert view.verdict == ("caught" if info["is_success"] else "missed")
        verdicts.add(view.verdict)
    assert len(verdicts) == 2
