"""What the adapter to Stable-Baselines3 is worth; run by hand: `pytest tests/benchmarks/test_sb3_speed.py`.

Steps per second of processor time, as other programs may be running; compare ratios within one run, where the two take turns.
"""

import time

import gymnasium as gym
import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("stable_baselines3")

from stable_baselines3 import PPO  # noqa: E402
from stable_baselines3.common.vec_env import DummyVecEnv, VecMonitor  # noqa: E402

from agents.sb3.vec_env import NativeVecEnv  # noqa: E402

DIGITS = np.random.default_rng(0).integers(0, 256, (2000, 28, 28), dtype=np.uint8)
WORLDS = {"GlimpseMNIST-v0": {"images": DIGITS, "labels": np.arange(2000) % 10}, "CatchBall-v0": {}}


def make(adapter, env_id, lanes):
    kwargs = {**WORLDS[env_id], "obs_mode": "flat"}
    if adapter == "native":
        return NativeVecEnv(env_id, lanes, **kwargs)
    return VecMonitor(DummyVecEnv([lambda: gym.make(env_id, **kwargs)] * lanes))


def measure(benchmark, steps, frames):
    benchmark.pedantic(steps, rounds=5, warmup_rounds=1)
    benchmark.extra_info["steps_per_second"] = round(frames / benchmark.stats["min"])
    print(f"\n{benchmark.name}: {benchmark.extra_info['steps_per_second']:,} steps/s")


@pytest.mark.benchmark(timer=time.process_time)
@pytest.mark.parametrize("adapter", ["native", "dummy"])
@pytest.mark.parametrize("lanes", [8, 64, 256])
@pytest.mark.parametrize("env_id", WORLDS)
def test_steps(benchmark, adapter, env_id, lanes):
    envs = make(adapter, env_id, lanes)
    actions = [np.array([envs.action_space.sample() for _ in range(lanes)]) for _ in range(20)]
    for action in actions:
        action[:, 2:] = 0  # never stops, so that episodes have their full length
    envs.reset()

    def steps():
        for action in actions:
            envs.step(action)

    measure(benchmark, steps, len(actions) * lanes)


@pytest.mark.benchmark(timer=time.process_time)
@pytest.mark.parametrize("adapter", ["native", "dummy"])
@pytest.mark.parametrize("env_id", WORLDS)
def test_training(benchmark, adapter, env_id):
    torch.set_num_threads(1)
    model = PPO("MlpPolicy", make(adapter, env_id, 64), n_steps=32, batch_size=512, seed=0, device="cpu")
    measure(benchmark, lambda: model.learn(2048), 2048)
