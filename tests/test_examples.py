"""The examples run as they are, from any folder."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["look_around.py"], "caught after 24 glimpses"),
        (["play.py", "--help"], "the mouse is the gaze"),
        (["own_images.py"], "glimpse (6, 8, 8)"),
        (["custom_dataset.py"], "20 images of disc, square; glimpse (9, 16, 16)"),
        (["custom_dataset.py", "--size", "90", "70", "--picture", "seen.png"], "20 images"),
        (["stable_baselines3_ppo.py", "512"], "% of 20 balls"),
    ],
)
def test_example_runs(arguments, said, tmp_path):
    if "stable" in arguments[0]:
        pytest.importorskip("stable_baselines3")
    if "custom" in arguments[0]:
        pytest.importorskip("PIL")
    path = f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    command = [sys.executable, str(ROOT / "examples" / arguments[0]), *arguments[1:]]
    found = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stderr
    assert said in found.stdout


def test_folder_without_images_is_refused_in_one_sentence(tmp_path):
    pytest.importorskip("PIL")
    command = [sys.executable, str(ROOT / "examples" / "custom_dataset.py"), str(tmp_path)]
    path = f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    found = subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False)
    assert found.returncode == 1
    assert found.stderr.startswith("error:")


def test_every_example_is_tested_and_short():
    names = {path.name for path in (ROOT / "examples").glob("*.py")}
    assert names == {"custom_dataset.py", "look_around.py", "own_images.py", "play.py", "stable_baselines3_ppo.py"}
    assert all(len((ROOT / "examples" / name).read_text().splitlines()) < 60 for name in names)
