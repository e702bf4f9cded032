"""`max_episode_steps`: lanes are truncated as single environments are by Gymnasium's TimeLimit."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

import ram_envs  # noqa: F401  registers the environments

DIGITS = np.random.default_rng(0).integers(0, 256, (7, 9, 9), np.uint8)
WORLDS = {
    "GlimpseMNIST-v0": {"images": DIGITS, "labels": [0, 1, 2, 3, 4, 0, 1], "patch_size": 4, "num_glimpses": 6},
    "CatchBall-v0": {"screen_size": 6, "num_balls": 2},
}
NEVER_STOP = {"location": np.full((2, 2), 0.5), "answer": np.zeros(2, int), "stop": np.zeros(2, int)}
FIRST_STOPS = {**NEVER_STOP, "stop": np.array([1, 0])}


def make(num_envs=2, env_id="GlimpseMNIST-v0", **changes):
    return gym.make_vec(env_id, num_envs=num_envs, **{**WORLDS[env_id], "action_mode": "dict", **changes})


def equal(one, other):
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, np.ndarray) and one.dtype == object:
        return all(a is b is None or equal(a, b) for a, b in zip(one, other, strict=True))
    return np.array_equal(one, other)


@pytest.mark.parametrize("env_id", WORLDS)
@pytest.mark.parametrize("mode", list(AutoresetMode))
@pytest.mark.parametrize("limit", [1, 2, 5, 6, 10, 99])
@pytest.mark.parametrize("registered", [False, True])
def test_lanes_play_the_episodes_of_single_environments_in_a_time_limit(env_id, mode, limit, registered, monkeypatch):
    settings = {**WORLDS[env_id], "action_mode": "multidiscrete"}
    if registered:
        monkeypatch.setattr(gym.envs.registration, "registry", dict(gym.registry))
        spec = gym.spec(env_id)
        ways_in = {"entry_point": spec.entry_point, "vector_entry_point": spec.vector_entry_point}
        gym.register("Limited-v0", **ways_in, max_episode_steps=limit)
        env_id = "Limited-v0"
    else:
        settings["max_episode_steps"] = limit
    native = gym.make_vec(env_id, num_envs=3, autoreset_mode=mode, **settings)
    single = SyncVectorEnv([lambda: gym.make(env_id, **settings)] * 3, autoreset_mode=mode)
    native.action_space.seed(1)
    assert all(map(equal, native.reset(seed=4), single.reset(seed=4)))
    cut = 0
    for _ in range(40):
        actions = native.action_space.sample()
        found, expected = native.step(actions), single.step(actions)
        assert all(map(equal, found, expected))
        assert [type(part) for part in found] == [type(part) for part in expected]
        assert found[3].dtype == np.bool_
        cut += found[3].sum()
        over = found[2] | found[3]
        if mode is AutoresetMode.DISABLED and over.any():
            masks = [{"reset_mask": over.copy()} for _ in range(2)]
            assert all(map(equal, native.reset(options=masks[0]), single.reset(options=masks[1])))
    assert (cut > 0) == (limit < 11 if "screen_size" in settings else limit <= 6)


def test_a_lane_that_was_cut_short_stays_as_it_is_until_it_is_reset_where_autoreset_is_disabled():
    envs = make(max_episode_steps=2, autoreset_mode="Disabled")
    envs.reset(seed=0)
    _, _, terminated, truncated, _ = envs.step(FIRST_STOPS)
    assert (terminated.tolist(), truncated.tolist()) == ([True, False], [False, False])
    last, _, terminated, truncated, info = envs.step(NEVER_STOP)
    assert (terminated.tolist(), truncated.tolist()) == ([True, False], [False, True])
    assert info["num_glimpses"].tolist() == [1, 3]
    assert not info["is_success"].any()  # nothing was answered
    for _ in range(3):
        again, rewards, terminated, truncated, info = envs.step(FIRST_STOPS)
        assert (terminated.tolist(), truncated.tolist()) == ([True, False], [False, True])
        assert rewards.tolist() == [0, 0]
        assert info["num_glimpses"].tolist() == [1, 3]
        assert equal(again, last)
    envs.reset(options={"reset_mask": np.array([False, True])})
    _, _, terminated, truncated, info = envs.step(FIRST_STOPS)
    assert (terminated.tolist(), truncated.tolist()) == ([True, False], [False, False])
    assert info["num_glimpses"][1] == 2


def test_an_episode_that_ends_in_the_last_step_is_both_terminated_and_truncated():
    for env in (make(max_episode_steps=6), gym.make("CatchBall-v0", screen_size=7, max_episode_steps=6)):
        env.reset(seed=0)
        for step in range(6):
            _, _, terminated, truncated, _ = env.step(
                NEVER_STOP if env.spec.id == "GlimpseMNIST-v0" else env.action_space.sample()
            )
            assert np.all(terminated) == np.all(truncated) == (step == 5)


def test_a_limit_bounds_the_most_glimpses():
    for limit, expected in [(None, 6), (1, 2), (4, 5), (5, 6), (50, 6)]:
        assert make(max_episode_steps=limit).unwrapped.max_glimpses == expected
    envs = make(max_episode_steps=3)
    envs.reset(seed=0)
    for _ in range(3):
        info = envs.step(NEVER_STOP)[-1]
    assert info["num_glimpses"].tolist() == [4, 4]
    assert make(env_id="CatchBall-v0", max_episode_steps=3).unwrapped.max_glimpses == 4


@pytest.mark.parametrize("limit", [0, -1, 2.5, "10", True])
def test_a_limit_that_is_none_is_named(limit):
    with pytest.raises(ValueError, match=r"max_episode_steps must be a whole number of at least 1, got"):
        make(max_episode_steps=limit)


def test_a_single_environment_leaves_the_limit_to_gymnasium():
    env = gym.make("CatchBall-v0", max_episode_steps=2)
    env.reset(seed=0)
    assert [env.step([0, 0])[2:4] for _ in range(2)] == [(False, False), (False, True)]
    with pytest.raises(
        TypeError, match=r"max_episode_steps is no keyword of a single environment: use gymnasium\.make"
    ):
        type(env.unwrapped)(max_episode_steps=2)


def test_a_picture_of_a_lane_that_was_cut_short_tells_no_outcome():
    envs = make(max_episode_steps=1, autoreset_mode="Disabled", render_mode="rgb_array")
    envs.reset(seed=0)
    envs.step(FIRST_STOPS)
    assert [envs.unwrapped.view(lane).outcome for lane in range(2)] != [None, None]
    assert envs.unwrapped.view(1).outcome is None
    assert len(envs.unwrapped.view(1).fixations) == 2
