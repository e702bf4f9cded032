"""A million steps of every environment in constant memory; run by hand: `pytest tests/benchmarks/test_a_million_steps.py`."""

import gc
import tracemalloc

import gymnasium as gym
import numpy as np
import pytest

from ram_envs import ENV_IDS

DIGITS = np.random.default_rng(0).integers(0, 256, (50, 28, 28), dtype=np.uint8)
STEPS = 1_000_000


def run(step, reset, sample, lanes):
    """Plays, and returns the bytes held after a tenth of the steps and at the end."""
    actions, held = [sample() for _ in range(100)], []
    reset(seed=0)
    tracemalloc.start()
    for number in range(STEPS // lanes):
        if step(actions[number % 100])[2] is True:
            reset()
        if number + 1 in (STEPS // lanes // 10, STEPS // lanes):
            gc.collect()
            held.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    return held


@pytest.mark.parametrize("env_id", ENV_IDS)
@pytest.mark.parametrize("lanes", [1, 250])
def test_memory_after_a_million_steps_is_that_after_a_hundred_thousand(env_id, lanes):
    kwargs = {"images": DIGITS, "labels": np.arange(50) % 10} if "MNIST" in env_id else {}
    if lanes == 1:
        env = gym.make(env_id, **kwargs).unwrapped
    else:
        env = gym.make_vec(env_id, num_envs=lanes, **kwargs).unwrapped
    early, late = run(env.step, env.reset, env.action_space.sample, lanes)
    assert late - early < 100_000, f"{early:,} bytes became {late:,}"
