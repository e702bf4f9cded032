"""Environments that a module of one's own registers: trained, scored, watched and gone on with by the commands."""

import json
import os
import subprocess
import sys
from pathlib import Path

import gymnasium as gym
import pytest

torch = pytest.importorskip("torch")

from agents.experiment.run_folder import CHECKPOINT, RESULT  # noqa: E402
from agents.ram import command_line as commands  # noqa: E402
from agents.ram.checkpoint import load_state, save_state  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
MODULE = """
import gymnasium as gym
import numpy as np

images = np.random.default_rng(0).integers(0, 256, (12, 9, 13, 3), np.uint8)
own = {"images": images, "labels": np.arange(12) % 3, "patch_size": 4, "num_glimpses": 2}
maker = "ram_envs.glimpse_mnist:GlimpseMNIST"
gym.register("Mine-v0", entry_point=f"{maker}Env", vector_entry_point=f"{maker}VectorEnv", kwargs=own)
"""
TRAIN = ["--env", "my_pictures:Mine-v0", "--run.episodes", "12", "--learning.batch-size", "4", "--run-dir", "run"]


def run(script, *flags, cwd):
    command = [sys.executable, str(ROOT / "agents" / script), *flags]
    env = {**os.environ, "PYTHONPATH": "", "TQDM_DISABLE": "1"}
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a module, and with the run of an agent that was trained there in the module's environment."""
    folder = tmp_path_factory.mktemp("place")
    (folder / "my_pictures.py").write_text(MODULE)
    trained = run("train_ram.py", *TRAIN, cwd=folder)
    assert trained.returncode == 0, trained.stderr
    return folder


def as_a_script_left_it(folder):
    """Makes the run one whose environment was registered by a script, which no checkpoint can name."""
    state = load_state(folder / CHECKPOINT)
    save_state(folder / CHECKPOINT, {**state, "config": state["config"].but(env="Mine-v0").to_json()})


@pytest.fixture
def not_loaded(monkeypatch):
    """The module and its environment are not known, and forgotten again."""
    monkeypatch.setattr(gym.envs.registration, "registry", dict(gym.registry))
    gym.registry.pop("Mine-v0", None)
    monkeypatch.delitem(sys.modules, "my_pictures", raising=False)
    yield
    sys.modules.pop("my_pictures", None)


def test_run_remembers_the_module_and_its_commands_find_it(place, monkeypatch, capsys, not_loaded):
    assert json.loads((place / "run" / RESULT).read_text())["config"]["env"] == "my_pictures:Mine-v0"
    done = run("evaluate_ram.py", "--checkpoint", "run", "--episodes", "100", cwd=place)
    assert done.returncode == 0, done.stderr
    assert "my_pictures:Mine-v0, 12 test episodes" in done.stdout
    monkeypatch.chdir(place)
    monkeypatch.syspath_prepend(place)  # and takes it away again, with what the command adds
    commands.train_command(["--resume", "run"])
    assert "Going on with general" in capsys.readouterr().out


def test_elsewhere_the_commands_say_where_they_look(place, tmp_path, monkeypatch, not_loaded):
    monkeypatch.chdir(tmp_path)
    evaluate = ["--checkpoint", str(place / "run")]
    with pytest.raises(SystemExit) as lost:
        commands.evaluate_command(evaluate)
    assert str(lost.value) == (
        "error: 'my_pictures:Mine-v0' names a module that cannot be imported (No module named 'my_pictures'): "
        "run this in the folder that holds it, or name that folder in PYTHONPATH."
    )
    monkeypatch.syspath_prepend(place)  # as PYTHONPATH does
    commands.evaluate_command(evaluate)


@pytest.fixture
def script_run(place, tmp_path, monkeypatch):
    """The folder of such a run, the working directory beside it, and the module where Python finds it."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / CHECKPOINT).write_bytes((place / "run" / CHECKPOINT).read_bytes())
    for name in ("metrics.jsonl", "times.jsonl"):
        (tmp_path / "run" / name).write_bytes((place / "run" / name).read_bytes())
    as_a_script_left_it(tmp_path / "run")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(place)
    return tmp_path / "run"


@pytest.mark.parametrize(
    ("command", "flags"),
    [
        (commands.evaluate_command, ["--checkpoint", "run"]),
        (commands.watch_command, ["--checkpoint", "run", "--video", "seen.gif", "--episodes", "1"]),
        (commands.train_command, ["--resume", "run"]),
    ],
    ids=["evaluate", "watch", "resume"],
)
def test_run_of_an_environment_that_a_script_registered_is_told_its_module(script_run, command, flags, not_loaded):
    with pytest.raises(SystemExit, match=r"`Mine` doesn't exist.* name that too: --env MODULE:Mine-v0$"):
        command(flags)
    command([*flags, "--env", "my_pictures:Mine-v0"])
    if "--resume" in flags:
        assert load_state(script_run / CHECKPOINT)["config"].env == "my_pictures:Mine-v0"


def test_run_does_not_go_on_in_another_environment(script_run):
    with pytest.raises(
        SystemExit, match=r"--resume goes on in Mine-v0: --env can only add its module, got CatchBall-v0"
    ):
        commands.train_command(["--resume", "run", "--env", "CatchBall-v0"])
