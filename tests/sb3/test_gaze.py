"""What a stock agent's gaze is worth: held at the centre or sent anywhere; in a world of somebody else's, that tells of no success."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

pytest.importorskip("stable_baselines3")
pytest.importorskip("sb3_contrib")

import ram_envs
from agents.experiment import episodes
from agents.sb3.config import Sb3Config
from agents.sb3.training import train
from agents.sb3.vec_env import NativeVecEnv


class Bandit(gym.Env):
    """Two steps; arm 1 pays 1."""

    observation_space, action_space = spaces.Box(0, 255, (6, 6), np.uint8), spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        return np.zeros((6, 6), np.uint8), {}

    def step(self, action):
        self.steps += 1
        return np.zeros((6, 6), np.uint8), float(action), self.steps == 2, False, {}


@pytest.fixture(autouse=True)
def registered():
    gym.register("Bandit-v0", Bandit)
    ram_envs.register_retina("RetinaBandit-v0", "Bandit-v0", patch_size=4)
    yield
    del gym.registry["Bandit-v0"], gym.registry["RetinaBandit-v0"]


@pytest.mark.parametrize("gaze", ["learned", "center", "random"])
def test_the_gaze_is_the_policys_or_another(gaze):
    envs = NativeVecEnv("CatchBall-v0", 3, hybrid=True, gaze=gaze)
    envs.reset()
    actions = np.tile(np.array([0.5, -0.5, 1.0], np.float32), (3, 1))
    seen = []
    for _ in range(3):
        envs.step(actions)
        seen.append(envs.envs.unwrapped.locations.copy())
    if gaze == "random":
        assert len(np.unique(np.array(seen).round(6))) > 9
    else:
        assert np.allclose(seen, (0.5, -0.5) if gaze == "learned" else 0)


def test_infos_may_hold_others_as_they_were_given():
    class Told(Bandit):
        def step(self, action):
            *found, info = super().step(action)
            return *found, {**info, "bag": {"wood": self.steps, "tools": {"axe": True}}}

    gym.register("Told-v0", Told)
    ram_envs.register_retina("RetinaTold-v0", "Told-v0", patch_size=4)
    try:
        envs = NativeVecEnv("RetinaTold-v0", 2, action_mode="multidiscrete")
        envs.reset()
        infos = envs.step(np.zeros((2, 2), np.int64))[3]
        assert [info["bag"] for info in infos] == [{"wood": 1, "tools": {"axe": True}}] * 2
    finally:
        del gym.registry["Told-v0"], gym.registry["RetinaTold-v0"]


def test_a_reward_that_is_no_number_is_named():
    envs = NativeVecEnv("CatchBall-v0", 2, action_mode="multidiscrete")
    envs.reset()
    envs.envs.unwrapped.advance = lambda lanes, choices: (np.full(len(lanes), np.nan), np.zeros(len(lanes), bool))
    with pytest.raises(ValueError, match="rewards must be finite, got nan"):
        envs.step(np.zeros((2, 2), np.int64))


def test_another_gaze_needs_a_location_of_its_own():
    with pytest.raises(ValueError, match="gaze center needs policy hybrid"):
        Sb3Config(gaze="center")


def test_a_world_without_success_is_scored_by_its_return(tmp_path, monkeypatch):
    monkeypatch.setattr(episodes, "FRESH_EPISODES", {"validation": 30, "test": 50})
    run = {"num_envs": 4, "frames": 64, "report_every": 32, "evaluations": 2}
    algo_args = ("n_steps=8", "batch_size=16", "n_epochs=1")
    config = Sb3Config(algo="ppo", policy="hybrid", env="RetinaBandit-v0", gaze="random", algo_args=algo_args)
    result = train(config.but(run=run), tmp_path)
    assert result["test"]["episodes"] == 5
    assert 0 <= result["test"]["mean_return"] <= 2
    assert "success" not in result["test"]
    assert "mean_return" in result["curve"][-1]
