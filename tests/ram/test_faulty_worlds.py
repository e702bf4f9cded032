"""Somebody else's worlds that fail, or tell odd things, behind the retina: what commands say of them, and that scores are right."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete

torch = pytest.importorskip("torch")
pytest.importorskip("stable_baselines3")

import ram_envs  # noqa: E402
from agents.ram.command_line import train_command, watch_command  # noqa: E402
from agents.ram.networks import ControlHead  # noqa: E402
from agents.sb3.command_line import train_command as train_sb3_command  # noqa: E402
from ram_envs.play import make_playable  # noqa: E402

FEW = ["--run.episodes", "16", "--learning.batch-size", "8", "--run.evaluations", "1", "--run.report-every", "1"]
FEW_FRAMES = ["--algo", "ppo", "--run.frames", "32", "--run.num-envs", "2", "--run.evaluations", "1"]
SMALL = ["--algo-args", "n_steps=8", "batch_size=16", "n_epochs=1", "policy_kwargs={'net_arch':[8]}"]


class World(gym.Env):
    """Five steps of a grey screen."""

    observation_space, action_space = Box(0, 255, (12, 12), np.uint8), Discrete(2)
    metadata = {"render_modes": ["rgb_array"], "render_fps": 5}

    def __init__(self, render_mode=None):
        self.render_mode = render_mode

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.step_number = 0
        return np.full((12, 12), 90, np.uint8), {}

    def step(self, action):
        self.step_number += 1
        return np.full((12, 12), 90, np.uint8), self.reward(), self.step_number == 5, False, self.told()

    def reward(self):
        return 1.0

    def told(self):
        return {}

    def render(self):
        return np.full((12, 12, 3), 90, np.uint8)


class Midway(World):
    """A success in the midst of each episode, and none at its end; and an episode's number."""

    def told(self):
        return {"is_success": self.step_number == 2, "episode": 3}


class Unsure(World):
    """Success is not known until the end."""

    def told(self):
        return {"is_success": True if self.step_number == 5 else None}


class NoFile(World):
    """A file that is not there."""

    def reward(self):
        return len(open("/nonexistent/asset.png").read())


class Odd(World):
    """A mistake."""

    def reward(self):
        raise ValueError("boom")


class Array(World):
    """A reward in an array."""

    def reward(self):
        return np.array([1.0, 2.0])


class Nothing(World):
    """No reward."""

    def reward(self):
        return None


class Text(World):
    """A reward in words."""

    def reward(self):
        return "1.5"


class Unmade(World):
    """A mistake as it is made."""

    def __init__(self, render_mode=None):
        super().__init__(render_mode)
        len(3)


WORLDS = (Midway, Unsure, NoFile, Odd, Array, Nothing, Text, Unmade)


@pytest.fixture(autouse=True)
def registered(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("agents.experiment.episodes.FRESH_EPISODES", {"validation": 300, "test": 400})
    for world in WORLDS:
        gym.register(f"Plain{world.__name__}-v0", world)
        ram_envs.register_retina(f"{world.__name__}-v0", f"Plain{world.__name__}-v0", patch_size=4)
    yield
    for world in WORLDS:
        del gym.registry[f"Plain{world.__name__}-v0"], gym.registry[f"{world.__name__}-v0"]


def train(name):
    train_command(["--env", name, "--run-dir", "run", *FEW])


@pytest.mark.parametrize("first", ["", "0.0% "])
def test_a_success_counts_where_the_episode_ends(first, capsys):
    if first:
        train("Midway-v0")
    else:
        train_sb3_command(["--env", "Midway-v0", "--run-dir", "run", *FEW_FRAMES, *SMALL])
    said = capsys.readouterr().out
    assert "test: error 100.00 %" in said
    assert f"{first}success" in said


def test_a_success_that_is_not_known_yet_is_none(capsys):
    train("Unsure-v0")
    assert "test: error 0.00 %" in capsys.readouterr().out


@pytest.mark.filterwarnings("ignore:.*The reward returned by:UserWarning")  # Gymnasium's
@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "NoFile",
            r"No such file or directory: '/nonexistent/asset\.png' \(.*test_faulty_worlds\.py, line \d+, in reward\)",
        ),
        ("Odd", r"boom \(.*test_faulty_worlds\.py, line \d+, in reward\)"),
        ("Array", r"The environment's reward must be a number, got .*\(2,\)"),
        ("Nothing", "The environment's reward must be a number, got None"),
        ("Text", "The environment's reward must be a number, got '1.5'"),
    ],
)
def test_a_fault_of_the_world_is_told_with_its_place(name, said):
    with pytest.raises(SystemExit, match=said):
        train(f"{name}-v0")


def test_a_type_error_as_a_world_is_made_is_not_blamed_on_keywords_that_nobody_gave():
    with pytest.raises(TypeError, match="has no len"):
        train("Unmade-v0")


def test_a_world_that_a_function_makes_is_played_behind_the_retina():
    gym.register("Made-v0", lambda render_mode=None: World(render_mode))
    try:
        env = make_playable("Made-v0", patch_size=4, render_size=256)
        assert env.reset(seed=0)[0]["glimpse"].shape[-1] == 4
    finally:
        del gym.registry["Made-v0"]


def test_bounds_as_wide_as_numbers_go_are_none():
    widest = np.finfo(np.float32)
    box = Box(np.float32([widest.min, -1, 0]), np.float32([widest.max, 3, widest.max]))
    head = ControlHead(4, box)
    assert head.in_own_units(torch.ones(1, 3)).tolist() == [[1.0, 3.0, 1.0]]


def test_an_id_in_place_of_an_environment_is_told_so():
    with pytest.raises(ValueError, match=r"env must be one environment, got 'CartPole-v1': gymnasium\.make"):
        ram_envs.RetinaWrapper("CartPole-v1")
    with pytest.raises(ValueError, match='image="render" looks at what the environment renders'):
        ram_envs.RetinaWrapper(gym.make("CartPole-v1"))


def test_the_end_of_an_episode_stays_for_a_while_where_nothing_tells_of_success(monkeypatch):
    written = []
    monkeypatch.setattr("agents.ram.command_line.write_video", lambda path, frames, fps: written.extend(frames))
    gym.register("PlainWorld-v0", World)
    ram_envs.register_retina("World-v0", "PlainWorld-v0", patch_size=4)
    try:
        train("World-v0")
        watch_command(["--checkpoint", "run", "--video", "seen.gif", "--episodes", "1", "--fps", "5", "--size", "256"])
        assert len(written) == 5 + 2 * 5  # of five decisions, and of two seconds
    finally:
        del gym.registry["PlainWorld-v0"], gym.registry["World-v0"]
