"""A million steps of every environment in constant memory; half an hour or more, so it is run by hand:

pytest tests/benchmarks/test_a_million_steps.py
"""

import gc
import resource
import sys

import gymnasium as gym
import numpy as np
import pytest

from ram_envs import ENV_IDS

DIGITS = np.random.default_rng(0).integers(0, 256, (50, 28, 28), dtype=np.uint8)
STEPS = 1_000_000


def held_after(step, reset, sample, lanes):
    """Plays, and returns Python's memory blocks and the process's peak of kilobytes after a tenth of the steps and at the end.

    (Tracing every allocation instead would take hours.)
    """
    steps = STEPS // lanes
    actions, held = [sample() for _ in range(100)], []
    reset(seed=0)
    for number in range(steps):
        if step(actions[number % 100])[2] is True:
            reset()
        if number + 1 in (steps // 10, steps):
            gc.collect()
            held.append((sys.getallocatedblocks(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss))
    return held


@pytest.mark.parametrize("env_id", ENV_IDS)
@pytest.mark.parametrize("lanes", [1, 250])
def test_memory_after_a_million_steps_is_that_after_a_hundred_thousand(env_id, lanes):
    kwargs = {"images": DIGITS, "labels": np.arange(50) % 10} if "MNIST" in env_id else {}
    if lanes == 1:
        env = gym.make(env_id, **kwargs).unwrapped
    else:
        env = gym.make_vec(env_id, num_envs=lanes, **kwargs).unwrapped
    early, late = held_after(env.step, env.reset, env.action_space.sample, lanes)
    assert late[0] - early[0] < 1_000, f"{early[0]:,} blocks became {late[0]:,}"
    assert late[1] - early[1] < 2_000, f"{early[1]:,} kilobytes became {late[1]:,}"
