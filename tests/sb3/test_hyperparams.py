"""The files of hyperparams/: what Stable-Baselines3 and RL Baselines3 Zoo are told is one thing."""

import gymnasium as gym
import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("sb3_contrib")
yaml = pytest.importorskip("yaml")

import ram_envs  # noqa: E402  registers the environments
from agents.experiment.settings import keywords  # noqa: E402
from agents.sb3.command_line import train_command  # noqa: E402
from agents.sb3.config import Sb3Config, falls_from  # noqa: E402
from agents.sb3.hyperparams import FOLDER, fitted, over, tuned, words  # noqa: E402
from agents.sb3.training import ALGORITHMS, make_model  # noqa: E402

FILES = {path.stem: yaml.safe_load(path.read_text()) for path in FOLDER.glob("*.yml")}
ROWS = [(algo, env) for algo, found in FILES.items() for env in found if env != "default"]


def test_there_is_a_file_of_every_algorithm_with_a_default():
    assert {"ppo", "recurrent_ppo", "dqn", "sac"} == FILES.keys() <= ALGORITHMS.keys()
    assert all("default" in found for found in FILES.values())


@pytest.mark.parametrize(("algo", "env"), ROWS)
def test_every_row_makes_a_model_with_its_settings(algo, env, fake_mnist):
    row, config = FILES[algo][env], tuned(algo, env)
    assert (config.algo, config.env) == (algo, env)
    assert (config.run.frames, config.run.num_envs) == (row["n_timesteps"], row["n_envs"])
    assert config.env_kwargs().items() >= row["env_kwargs"].items()
    model = make_model(config)
    for name in {
        "n_steps",
        "batch_size",
        "gamma",
        "gae_lambda",
        "ent_coef",
        "buffer_size",
        "gradient_steps",
    } & row.keys():
        assert getattr(model, name) == row[name]
    if str(row["learning_rate"]).startswith("lin_"):
        assert model.lr_schedule(0.5) == pytest.approx(float(row["learning_rate"][4:]) / 2)


@pytest.mark.parametrize(("algo", "env"), ROWS)
def test_rollouts_are_of_whole_episodes_where_all_are_as_long(algo, env, fake_mnist):
    row = FILES[algo][env]
    if algo in ("ppo", "recurrent_ppo"):  # of DQN and SAC, n_steps is how far a return looks ahead
        glimpses = gym.make(env).unwrapped.max_glimpses
        steps = glimpses if "MNIST" in env else glimpses - 1  # the last answers, and does not look
        assert row["n_steps"] % steps == 0


def test_an_environment_that_the_file_does_not_name_gets_its_default_and_an_algorithm_without_a_file_the_classs():
    config = tuned("ppo", "some_module:SomeWorld-v0")
    assert config.env == "some_module:SomeWorld-v0"
    assert config.algo_args == tuned("ppo", "GlimpseMNIST-v0").algo_args
    assert tuned("a2c", "CatchBall-v0") == tuned("nonsense", "CatchBall-v0") == Sb3Config()


class Numbers(gym.Env):
    """One step; the numbers that it takes mean nothing."""

    observation_space = gym.spaces.Box(0, 255, (6, 6), np.uint8)
    action_space = gym.spaces.Box(-1, 1, (2,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros((6, 6), np.uint8), {}

    def step(self, action):
        return np.zeros((6, 6), np.uint8), 0.0, True, False, {}


@pytest.fixture
def world_of_numbers():
    """The id of a world behind the retina that is controlled by two numbers."""
    gym.register("Numbers-v0", Numbers)
    ram_envs.register_retina("RetinaNumbers-v0", "Numbers-v0", patch_size=4)
    yield "RetinaNumbers-v0"
    del gym.registry["Numbers-v0"], gym.registry["RetinaNumbers-v0"]


@pytest.mark.parametrize("algo", ["ppo", "a2c", "sac", "dqn"])
def test_where_a_world_takes_real_numbers_actions_are_a_box_for_whoever_can_give_them(algo, world_of_numbers):
    config = fitted(tuned(algo, world_of_numbers), world_of_numbers).but(algo=algo, env=world_of_numbers)
    if algo == "dqn":
        with pytest.raises(
            ValueError, match='action_mode must be "dict" or "box" where a world is controlled by a Box'
        ):
            make_model(config)
    else:
        make_model(config)


def test_where_a_world_takes_choices_nothing_is_changed():
    config = tuned("ppo", "CatchBall-v0")
    assert fitted(config, "CatchBall-v0") == fitted(config, "no_module:NoWorld-v0") == config


def test_given_words_replace_tuned_ones_of_the_same_name_alone():
    assert over(("n_steps=8", "gamma=0.5"), ("gamma=1.0", "seed=3"), "algo_args") == (
        "n_steps=8",
        "gamma=1.0",
        "seed=3",
    )
    settings = {"learning_rate": "lin_0.001", "policy_kwargs": {"net_arch": [8]}, "gamma": 1.0}
    assert keywords(words(settings), "algo_args") == settings


def test_the_command_begins_with_the_files_settings(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr("agents.sb3.training.train", lambda config, folder: seen.append(config) or {"validation": {}})
    argv = ["--algo", "ppo", "--env", "CatchBall-v0", "--algo-args", "n_steps=23", "--env-args", "screen_size=12"]
    train_command([*argv, "--run-dir", str(tmp_path)])
    (config,) = seen
    expected = tuned("ppo", "CatchBall-v0")
    assert config.algo_kwargs()["n_steps"] == 23
    assert config.algo_kwargs()["batch_size"] == expected.algo_kwargs()["batch_size"]
    assert config.env_kwargs() == {**expected.env_kwargs(), "screen_size": 12}
    assert config.run == expected.run


@pytest.mark.parametrize("text", ["lin_", "lin_-1", "cos_0.1", "fast", "lin_x"])
def test_a_schedule_of_another_form_is_refused_by_name(text):
    with pytest.raises(ValueError, match=r"learning_rate in algo_args must be a number, or lin_NUMBER"):
        falls_from("learning_rate", text)
    with pytest.raises(ValueError, match="learning_rate"):
        Sb3Config(algo="ppo", algo_args=(f"learning_rate={text}",))
