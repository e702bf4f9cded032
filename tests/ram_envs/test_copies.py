"""Pickled and copied environments go on with the same episodes."""

import copy
import functools
import pickle

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AsyncVectorEnv, SyncVectorEnv

from ram_envs import ENV_IDS
from ram_envs.action_modes import ACTION_MODES
from ram_envs.datasets import as_labelled_images

DIGITS = as_labelled_images(np.random.default_rng(0).integers(0, 256, (7, 9, 9), np.uint8), [0, 1, 2, 3, 4, 0, 1])
WORLDS = {
    "GlimpseMNIST-v0": {"images": DIGITS, "num_glimpses": 4, "order": "sequential", "canvas_size": 12},
    "CatchBall-v0": {"screen_size": 6, "num_balls": 2},
}
COPIES = {"pickle": lambda env: pickle.loads(pickle.dumps(env)), "deepcopy": copy.deepcopy}


def equal(one, other):
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, np.ndarray) and one.dtype == object:
        return all(a is b is None or equal(a, b) for a, b in zip(one, other, strict=True))
    return np.array_equal(one, other)


def play(env, steps=25):
    """What some steps return; a single environment is reset where its episode is over."""
    found = []
    for _ in range(steps):
        found.append(env.step(env.action_space.sample()))
        if found[-1][2] is True:
            found.append(env.reset())
    return found


@pytest.mark.parametrize("env_id", WORLDS)
@pytest.mark.parametrize("action_mode", ACTION_MODES)
@pytest.mark.parametrize("copied", COPIES)
@pytest.mark.parametrize("when", ["made", "reset", "played"])
@pytest.mark.parametrize("lanes", [None, 3])
def test_a_copy_goes_on_with_the_same_episodes_and_neither_disturbs_the_other(env_id, action_mode, copied, when, lanes):
    kwargs = {**WORLDS[env_id], "action_mode": action_mode, "render_mode": "rgb_array"}
    env = gym.make(env_id, **kwargs) if lanes is None else gym.make_vec(env_id, num_envs=lanes, **kwargs)
    env.action_space.seed(0)
    if when != "made":
        env.reset(seed=5)
    if when == "played":
        play(env, 5)
    twin = COPIES[copied](env)
    if when == "made":
        assert all(map(equal, env.reset(seed=5), twin.reset(seed=5)))
    first = play(env)
    second = play(twin)
    assert all(all(map(equal, one, other)) for one, other in zip(first, second, strict=True))
    assert equal(np.stack([env.render()]), np.stack([twin.render()]))
    env.close()
    twin.close()


@pytest.mark.parametrize("make", [gym.make, gym.make_vec])
@pytest.mark.parametrize("copied", COPIES)
def test_an_open_window_stays_with_the_original(make, copied, monkeypatch):
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    env = make("CatchBall-v0", render_mode="human")
    lane = getattr(env.unwrapped, "lane", env.unwrapped)
    lane.metadata["render_fps"] = 0
    env.reset(seed=0)
    twin = COPIES[copied](env)
    copied_lane = getattr(twin.unwrapped, "lane", twin.unwrapped)
    assert lane._window is not None
    assert copied_lane._window is None
    twin.step(twin.action_space.sample())  # opens its own
    assert copied_lane._window is not None
    twin.close()
    env.close()


def test_copies_within_a_process_share_their_images():
    env = gym.make("GlimpseMNIST-v0", images=DIGITS)
    assert copy.deepcopy(env).unwrapped.lane.data is DIGITS


def test_environments_run_in_processes_that_begin_empty():
    kwargs = WORLDS["GlimpseMNIST-v0"]
    env = gym.make("GlimpseMNIST-v0", **kwargs)
    makers = [functools.partial(copy.deepcopy, env), functools.partial(gym.make, "ram_envs:GlimpseMNIST-v0", **kwargs)]
    there, here = AsyncVectorEnv(makers, context="spawn"), SyncVectorEnv(makers)
    try:
        there.action_space.seed(0)
        assert all(map(equal, there.reset(seed=8), here.reset(seed=8)))
        for _ in range(20):
            actions = there.action_space.sample()
            assert all(map(equal, there.step(actions), here.step(actions)))
    finally:
        there.close()


@pytest.mark.parametrize("env_id", ENV_IDS)
@pytest.mark.parametrize("copied", COPIES)
def test_a_copy_goes_on_to_the_scenes_of_another_seed(env_id, copied, fake_mnist):
    env = gym.make(env_id)
    env.reset(seed=1)
    twin = COPIES[copied](env)
    assert all(map(equal, env.reset(seed=2), twin.reset(seed=2)))
    action = env.action_space.sample()
    assert all(map(equal, env.step(action), twin.step(action)))
