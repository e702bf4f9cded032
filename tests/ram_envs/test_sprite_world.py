"""Worlds of sprites: on a large canvas they show what they would show if it were drawn, and take no more memory on a larger one."""

import gymnasium as gym
import numpy as np
import pytest

from ram_envs import sprite_world

PAIRS, MOVING = "GlimpseMNIST-Pairs100-v0", "GlimpseMNIST-Moving60-v0"
OWN = {"images": np.zeros((30, 6, 5, 3), np.uint8) + 200, "labels": np.arange(30) % 3, "canvas_size": 40}


@pytest.fixture(autouse=True)
def digits_without_a_download(fake_mnist):
    pass


@pytest.mark.parametrize(
    ("env_id", "kwargs"),
    [
        (PAIRS, {"answer": "sum"}),
        (PAIRS, {"answer": "sequence", "digits": (1, 4)}),
        (PAIRS, {"answer": "sum", "marks": 30}),
        (PAIRS, {**OWN, "answer": "sum", "clutter_size": 3}),
        (MOVING, {"num_glimpses": 4}),
        (MOVING, {**OWN, "clutter_size": 3, "num_glimpses": 4}),
    ],
)
def test_what_is_shown_is_what_would_be_drawn(env_id, kwargs, monkeypatch):
    seen = []
    for largest in (0, 10**6):
        monkeypatch.setattr(sprite_world, "LARGEST_TABLE", largest)
        envs = gym.make_vec(env_id, num_envs=3, **kwargs, render_mode="rgb_array")
        envs.action_space.seed(0)
        found = [envs.reset(seed=0)[0]]
        found += [envs.step(envs.action_space.sample())[0] for _ in range(30)]  # some lanes begin anew
        seen.append([*(obs["glimpse"] for obs in found), *envs.render(), envs.unwrapped.look(np.ones((2, 3, 2)) / 3)])
    for one, other in zip(*seen, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("env_id", [PAIRS, MOVING])
def test_memory_does_not_grow_with_the_canvas(env_id):
    one, other = (gym.make(env_id, canvas_size=side).unwrapped.lane_bytes for side in (300, 3000))
    assert one == other
