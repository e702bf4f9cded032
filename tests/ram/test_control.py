"""Worlds that are controlled by real numbers: what is drawn, what the environment gets, what is learned; and that such worlds tell of no success."""

import json

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

torch = pytest.importorskip("torch")

import ram_envs  # noqa: E402
from agents.experiment import episodes  # noqa: E402
from agents.experiment.episodes import make_envs  # noqa: E402
from agents.ram.agent import make_agent  # noqa: E402
from agents.ram.checkpoint import load_agent  # noqa: E402
from agents.ram.losses import gaussian_entropy, gaussian_log_prob  # noqa: E402
from agents.ram.networks import ControlHead  # noqa: E402
from agents.ram.objective import training_loss  # noqa: E402
from agents.ram.presets import GENERAL_MOVES  # noqa: E402
from agents.ram.rollout import collect_rollout  # noqa: E402
from agents.ram.training import train  # noqa: E402
from agents.ram.watching import watch_episodes  # noqa: E402

BOX = spaces.Box(np.array([-2.0, 0.0], np.float32), np.array([2.0, 1.0], np.float32))


class Thermostat(gym.Env):
    """Two knobs, of which the first is best where the picture's brightness says: 1 in the light, -1 in the dark. Three steps."""

    observation_space, action_space = spaces.Box(0, 255, (6, 6), np.uint8), BOX

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.light, self.steps, self.taken = bool(self.np_random.integers(2)), 0, []
        return self._picture(), {}

    def step(self, action):
        assert action in self.action_space
        self.taken.append(action)
        self.steps += 1
        wanted = 1.0 if self.light else -1.0
        return self._picture(), -abs(float(action[0]) - wanted), self.steps == 3, False, {}

    def _picture(self):
        return np.full((6, 6), 200 * self.light, np.uint8)


@pytest.fixture(autouse=True)
def registered():
    gym.register("Thermostat-v0", Thermostat)
    ram_envs.register_retina("RetinaThermostat-v0", "Thermostat-v0", patch_size=4, initial_location="center")
    yield
    del gym.registry["Thermostat-v0"], gym.registry["RetinaThermostat-v0"]


def settings(**run):
    run = {"episodes": 64, "evaluations": 1, "report_every": 1, "device": "cpu", **run}
    return GENERAL_MOVES.but(
        env="RetinaThermostat-v0", network={"hidden_size": 32}, learning={"batch_size": 32}, run=run
    )


def play(config, lanes=5, **kwargs):
    torch.manual_seed(0)
    envs = make_envs(config, lanes)
    agent = make_agent(config, envs)
    return agent, collect_rollout(agent, envs, seed=0, generator=torch.Generator().manual_seed(0), **kwargs), envs


def test_between_bounds_the_unit_is_half_of_them_and_elsewhere_one():
    box = spaces.Box(np.array([-2, 0, -np.inf], np.float32), np.array([2, 1, 3], np.float32))
    found = ControlHead(4, box).in_own_units(torch.tensor([[-1.0, -1.0, -7.0], [1.0, 0.0, 2.0]]))
    assert found.tolist() == [[-2.0, 0.0, -7.0], [2.0, 0.5, 2.0]]


def test_log_probability_and_entropy_are_those_of_torch():
    std, mean = torch.tensor([0.5, 2.0]), torch.tensor([[0.0, 1.0]])
    sample = torch.tensor([[0.3, -1.0]])
    normal = torch.distributions.Normal(mean, std)
    torch.testing.assert_close(gaussian_log_prob(sample, mean, std), normal.log_prob(sample).sum(1))
    torch.testing.assert_close(gaussian_entropy(std)[None], normal.entropy().sum(1))


def test_numbers_are_drawn_around_the_mean_or_are_it():
    agent, explored, envs = play(settings())
    outputs = agent.unroll(explored.glimpses, explored.seen_from, explored.choices)
    assert explored.choices["control"].shape == outputs.control_mean.shape == (3, 5, 2)
    assert 0.3 < (explored.choices["control"] - outputs.control_mean).std() < 0.7
    greedy = collect_rollout(agent, envs, seed=0, greedy=True)
    seen = agent.unroll(greedy.glimpses, greedy.seen_from, greedy.choices)
    torch.testing.assert_close(greedy.choices["control"], seen.control_mean, atol=1e-2, rtol=1e-2)


def test_the_environment_gets_its_own_units_within_its_bounds():
    _agent, rollout, envs = play(settings())
    taken = np.stack([env.unwrapped.taken for env in envs.unwrapped.worlds.envs], axis=1)
    wanted = rollout.choices["control"].numpy() * [2, 0.5] + [0, 0.5]
    np.testing.assert_allclose(taken, wanted.clip(BOX.low, BOX.high), rtol=1e-5, atol=1e-6)


def test_reward_moves_the_mean_and_the_deviation():
    agent, rollout, _ = play(settings())
    outputs = agent.unroll(rollout.glimpses, rollout.seen_from, rollout.choices)
    loss, parts = training_loss(rollout, outputs, agent, 0.0)
    loss.backward()
    assert agent.control_network.mean.weight.grad.abs().sum() > 0
    assert agent.control_network.log_std.grad.abs().min() > 0
    assert "control_entropy" in parts


def test_a_control_is_learned_and_scored_by_its_return(tmp_path, monkeypatch):
    monkeypatch.setattr(episodes, "FRESH_EPISODES", {"validation": 100, "test": 100})
    config = settings(episodes=32 * 75).but(optimizer={"learning_rate": 1e-2})
    result = train(config, tmp_path)
    # A knob that knows nothing gets -3 at best: 1 off in each of three steps.
    assert result["validation"]["mean_return"] > -1.5
    assert "success" not in result["validation"]
    assert "error_percent" not in result["validation"]
    assert result["validation"]["mean_glimpses"] == 4
    assert {"mean_return", "episodes", "frames"} == set(result["curve"][-1])
    assert set(result["other_gazes"]) == {"center", "random"}
    line = json.loads((tmp_path / "metrics.jsonl").read_text().splitlines()[-1])
    assert "return" in line
    assert "success" not in line
    assert "validation_mean_return" in line
    envs = make_envs(config, 1)
    assert load_agent(tmp_path / "checkpoint.pt", envs).control_network.shape == (2,)
    views = []
    score = watch_episodes(tmp_path / "checkpoint.pt", views.append, config, episodes=2)
    assert score.success is None
    assert score.mean_return > -2
    assert "return" in str(score)
    assert len(views) == 2 * 4
