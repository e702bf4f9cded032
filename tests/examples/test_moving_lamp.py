"""The lamp that moves: what pays, where it is, and that our agent takes the recipe for worlds that only ask for moves."""

import importlib
import sys

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

NAME = "examples.moving_lamp:MovingLamp-v0"


@pytest.fixture(autouse=True)
def lamp(monkeypatch):
    monkeypatch.setattr(gym.envs.registration, "registry", dict(gym.envs.registration.registry))
    monkeypatch.delitem(sys.modules, "examples.moving_lamp", raising=False)
    return importlib.import_module("examples.moving_lamp")


def test_gymnasiums_checker_is_content():
    check_env(gym.make("MovingLamp-v0").unwrapped)


@pytest.mark.parametrize(("presses", "paid"), [("lit", 12), ("dark", -12), ("always", 0)])
def test_a_press_pays_while_the_lamp_is_lit_and_costs_while_it_is_not(lamp, presses, paid):
    envs = gym.make_vec("MovingLamp-v0", num_envs=2000, action_mode="dict")
    envs.reset(seed=0)
    total = 0
    for _ in range(lamp.STEPS):
        lit = envs.unwrapped.shown()[1]
        press = {"lit": lit, "dark": ~lit, "always": np.ones_like(lit)}[presses]
        _, rewards, terminated, _, _ = envs.step(
            {"location": np.zeros((2000, 2), np.float32), "press": press.astype(int)}
        )
        total += rewards
    assert terminated.all()
    assert total.mean() == pytest.approx(paid, abs=0.5)


def test_the_target_is_the_middle_of_what_is_drawn_and_moves_every_six_steps(lamp):
    envs = gym.make_vec("MovingLamp-v0", num_envs=50, action_mode="dict")
    _, info = envs.reset(seed=1)
    places = []
    for _ in range(lamp.STEPS - 1):
        screens = envs.unwrapped.screens(np.arange(50))[..., 0] > 0
        rows, columns = (np.array([np.flatnonzero(screen.any(axis)).mean() for screen in screens]) for axis in (1, 0))
        middle = 2 * (np.stack([columns, rows], 1) + 0.5) / envs.unwrapped.side - 1
        assert np.allclose(info["target_location"], middle, atol=1e-6)
        places.append(info["target_location"].copy())
        info = envs.step({"location": middle.astype(np.float32), "press": np.zeros(50, int)})[-1]
    moved = (np.abs(np.diff(places, axis=0)) > 0).any(2).mean(1)
    assert (moved > 0.9).tolist() == [step % lamp.STAYS == lamp.STAYS - 1 for step in range(len(moved))]


def test_our_agent_compares_looks_in_it_by_what_it_expects_after_them():
    pytest.importorskip("torch")
    from agents.experiment.episodes import make_envs
    from agents.ram.agent import make_agent
    from agents.ram.presets import preset_for
    from agents.ram.rollout import collect_rollout

    config = preset_for(NAME).but(network={"hidden_size": 16})
    assert config.name == "general-moves"
    envs = make_envs(config, 4)
    agent = make_agent(config, envs)
    agent.find_teacher(envs.unwrapped.tells_label, envs.unwrapped.one_answer)
    rollout = collect_rollout(agent, envs, seed=0)
    assert rollout.candidates is not None
    assert rollout.candidate_scores[:-1].std(1).min() > 0
