"""Steps per second, autoreset and scene drawing included; run by hand: `pytest tests/benchmarks`.

Compare ratios within one run: machines are noisy. The digits are noise, which costs as much to look at as MNIST.
"""

import gymnasium as gym
import numpy as np
import pytest

import ram_envs  # noqa: F401
from ram_envs.glimpse_sensor import GlimpseSensor

DIGITS = np.random.default_rng(0).integers(0, 256, (2000, 28, 28), dtype=np.uint8)
OWN = {"images": DIGITS, "labels": np.arange(2000) % 10}
IDS = ["GlimpseMNIST-v0", "GlimpseMNIST-Translated60-v0", "GlimpseMNIST-Cluttered60-v0", "CatchBall-v0"]


def looking_on(envs, lanes):
    """Actions that never stop, so that episodes have their full length."""
    actions = [envs.action_space.sample() for _ in range(20)]
    for action in actions:
        if "stop" in action:
            action["stop"] = action["stop"] * 0
    return actions


@pytest.mark.parametrize("lanes", [64, 1024])
@pytest.mark.parametrize("env_id", IDS)
def test_vector(benchmark, env_id, lanes):
    envs = gym.make_vec(env_id, num_envs=lanes, action_mode="dict", **(OWN if "MNIST" in env_id else {}))
    actions = looking_on(envs, lanes)
    envs.reset(seed=0)

    def steps():
        for action in actions:
            envs.step(action)

    benchmark.pedantic(steps, rounds=15, warmup_rounds=2)
    benchmark.extra_info["steps_per_second"] = round(len(actions) * lanes / benchmark.stats["median"])
    print(f"\n{env_id} x {lanes}: {benchmark.extra_info['steps_per_second']:,} steps/s")


@pytest.mark.parametrize("env_id", IDS)
def test_single(benchmark, env_id):
    env = gym.make(env_id, action_mode="dict", **(OWN if "MNIST" in env_id else {}))
    actions = looking_on(env, 1)

    def steps():
        over = True
        for action in actions * 10:
            over = env.reset() and False if over else env.step(action)[2]

    benchmark.pedantic(steps, rounds=10, warmup_rounds=1)
    benchmark.extra_info["steps_per_second"] = round(len(actions) * 10 / benchmark.stats["median"])
    print(f"\n{env_id}: {benchmark.extra_info['steps_per_second']:,} steps/s")


@pytest.mark.parametrize("side", [28, 60, 100, 400, 1600])
def test_glimpse_costs_the_same_whatever_the_image(benchmark, side):
    sensor, random = GlimpseSensor(12, 3), np.random.default_rng(0)
    tables = sensor.integrate(random.integers(0, 256, (4, side, side, 1), dtype=np.uint8))
    locations, rows = random.uniform(-1, 1, (64, 2)), random.integers(0, 4, 64)
    benchmark(sensor.glimpse, tables, locations, rows)
