"""The world that docs/own_world.md is about, from the inside and from every command; and worlds that are nowhere near this repository."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from ram_envs.action_modes import ACTION_MODES
from ram_envs.command_line import main

ROOT = Path(__file__).resolve().parents[2]
NAME = "examples.odd_one_out:OddOneOut-v0"


@pytest.fixture
def world(monkeypatch):
    """The module, registered for this test alone."""
    monkeypatch.setattr(gym.envs.registration, "registry", dict(gym.registry))
    monkeypatch.delitem(sys.modules, "examples.odd_one_out", raising=False)
    return importlib.import_module("examples.odd_one_out")


def equal(one, other):
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, np.ndarray) and one.dtype == object:
        return all(a is b is None or equal(a, b) for a, b in zip(one, other, strict=True))
    return np.array_equal(one, other)


def shape_in(world, scene, quarter):
    """Which of the shapes is in a quarter of a scene (side, side)."""
    half = len(scene) // 2
    x, y = world.QUARTERS[quarter] * half
    part = scene[y : y + half, x : x + half]
    rows, columns = np.nonzero(part)
    found = part[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    (kind,) = [kind for kind, shape in enumerate(world.SHAPES) if np.array_equal(shape, found)]
    return kind


@pytest.mark.parametrize("side", [18, 40, 65])
def test_in_every_scene_one_shape_differs_from_the_other_three(world, side):
    draws = np.random.default_rng(0).random((200, world.NUM_DRAWS))
    draws[0], draws[1] = 0, 1 - 1e-12  # the ends
    scenes, odd, middle = world.draw(draws, side)
    for scene, quarter, (x, y) in zip(scenes[..., 0], odd, middle, strict=True):
        kinds = [shape_in(world, scene, each) for each in range(4)]
        assert len(set(kinds)) == 2
        assert kinds.count(kinds[quarter]) == 1
        assert (x > side // 2, y > side // 2) == tuple(world.QUARTERS[quarter] == 1)
    assert set(odd) == {0, 1, 2, 3}


@pytest.mark.parametrize("action_mode", ACTION_MODES)
@pytest.mark.filterwarnings("ignore:.*not symmetric|.*normalized")  # about a Box that may be any
def test_gymnasiums_checker_is_content(world, action_mode):
    check_env(gym.make(NAME, action_mode=action_mode, render_mode="rgb_array").unwrapped)


@pytest.mark.parametrize("mode", list(AutoresetMode)[:2])
def test_its_lanes_are_gymnasiums_vector_of_single_ones(world, mode):
    native = gym.make_vec(NAME, num_envs=3, autoreset_mode=mode)
    single = SyncVectorEnv([lambda: gym.make(NAME)] * 3, autoreset_mode=mode)
    native.action_space.seed(0)
    assert all(map(equal, native.reset(seed=1), single.reset(seed=1)))
    for _ in range(30):
        actions = native.action_space.sample()
        assert all(map(equal, native.step(actions), single.step(actions)))


def test_the_right_quarter_is_rewarded_when_the_player_stops_or_has_looked_enough(world):
    env = gym.make(NAME, action_mode="dict", num_glimpses=2)
    for stop in (0, 1):
        _, info = env.reset(seed=0)
        if not stop:
            assert env.step({"location": [0, 0], "answer": info["label"], "stop": 0})[1:3] == (0.0, False)
        *_, last = found = env.step({"location": [0, 0], "answer": info["label"], "stop": stop})
        assert found[1:3] == (1.0, True)
        assert last["is_success"]
    assert not {"label", "target_location"} & set(gym.make(NAME, privileged_info=False).reset(seed=0)[1])


@pytest.fixture
def elsewhere(tmp_path):
    """A folder with a world in it that is no part of this repository, and how to run something there."""
    text = (ROOT / "examples" / "odd_one_out.py").read_text().replace("OddOneOut-v0", "Mine-v0")
    (tmp_path / "my_world.py").write_text(text)

    def run(*words):
        paths = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
        settings = {**os.environ, "PYTHONPATH": paths, "SDL_VIDEODRIVER": "dummy"}
        settings["HOME"] = settings["XDG_DATA_HOME"] = str(tmp_path)  # the best sessions
        found = subprocess.run(
            [sys.executable, *words], cwd=tmp_path, env=settings, capture_output=True, text=True, check=False
        )
        assert found.returncode == 0, found.stderr
        return found.stdout

    return run


def test_a_world_that_is_nowhere_near_this_repository_trains_and_is_scored_and_watched(elsewhere, tmp_path):
    pytest.importorskip("torch")
    few = ["--run.episodes", "40", "--learning.batch-size", "20", "--run.evaluations", "1", "--run.score-test", "False"]
    train = ["--env", "my_world:Mine-v0", "--run-dir", "run", *few]
    watch = ["--checkpoint", "run", "--episodes", "1", "--video", "seen.png"]
    code = f"""
import agents.experiment.episodes as episodes
from agents.ram import command_line as commands
episodes.FRESH_EPISODES = {{"validation": 20, "test": 20}}
commands.train_command({train})
commands.evaluate_command(["--checkpoint", "run", "--episodes", "30"])
commands.watch_command({watch})
"""
    assert "\nmy_world:Mine-v0, 30 test episodes: error" in elsewhere("-c", code)
    assert (tmp_path / "seen.png").exists()


def test_it_trains_with_stable_baselines3(elsewhere, tmp_path):
    pytest.importorskip("stable_baselines3")
    few = [
        "--run.frames",
        "128",
        "--run.num-envs",
        "2",
        "--algo",
        "ppo",
        "--algo-args",
        "n_steps=32",
        "batch_size=32",
        "--run.evaluations",
        "0",
    ]
    code = "import agents.experiment.episodes as episodes; episodes.FRESH_EPISODES = dict(validation=20, test=20)"
    code += "; from agents.sb3.command_line import train_command as run; import sys; run(sys.argv[1:])"
    elsewhere("-c", code, "--env", "my_world:Mine-v0", "--run-dir", "run", *few)
    assert (tmp_path / "run" / "result.json").exists()


def test_it_is_played_from_the_folder_it_is_in(elsewhere):
    keys = "import pygame, ram_envs.play as p; p.Player.wait = lambda *a, **k: None; "
    keys += "p.Player._read_inputs = lambda self: self._pressed.add(ord('1')); "
    keys += "import sys; sys.path[:] = [each for each in sys.path if each]; "  # as a console script has it
    keys += "from ram_envs.command_line import main; main(['play', '--env', 'my_world:Mine-v0', '--games', '3', '--seed', '0'])"
    assert "of 3, 1.0 glimpses a game" in elsewhere("-c", keys)


def test_a_module_or_an_id_that_is_not_there_is_told_in_one_sentence(world):
    for name, said in (
        ("no_such_module:X-v0", "No module named 'no_such_module'"),
        ("examples.odd_one_out:X-v0", "must be one of"),
        ("NoSuch-v0", "another registered id"),
    ):
        with pytest.raises(SystemExit, match=said):
            main(["play", "--env", name])
