"""The examples run as they are, from any folder."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize(
    ("arguments", "said", "needed"),
    [
        (["look_around.py"], "caught after 24 glimpses", "ram_envs"),
        (["play.py", "--help"], "the mouse is the gaze", "ram_envs"),
        (["own_images.py"], "glimpse (6, 8, 8)", "ram_envs"),
        (["custom_dataset.py"], "12 training images of disc, square; glimpse (15, 16, 16)", "PIL"),
        (["custom_dataset.py", "--picture", "seen.png"], "the first is a", "PIL"),
        (["emoji_photographs.py", "--help"], "ten sprites", "PIL"),
        (["odd_one_out.py"], "glimpses (3, 4, 8, 8)", "ram_envs"),
        (["moving_lamp.py"], "glimpses (3, 2, 6, 6)", "ram_envs"),
        (["minigrid_lava.py"], "glimpse (3, 8, 8) of (40, 40, 3), actions MultiDiscrete([49  3])", "minigrid"),
        (["stable_baselines3_ppo.py", "512"], "% of 20 balls", "stable_baselines3"),
        (["cleanrl_style_ppo.py", "500"], "% of the last episodes succeeded", "torch"),
        (["torchrl_ppo.py", "500"], "% of the last balls", "torchrl"),
        (["skrl_ppo.py", "500"], "% of the last balls", "skrl"),
        (["rllib_ppo.py", "500"], "% of the last balls", "tree"),
    ],
)
def test_example_runs(arguments, said, needed, tmp_path):
    if importlib.util.find_spec(needed) is None:
        pytest.skip(f"needs {needed}")
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
    (parameters,) = test_example_runs.pytestmark
    assert names == {arguments[0] for arguments, _, _ in parameters.args[1]}
    longest = {"cleanrl_style_ppo.py": 125}  # networks, algorithm and score in one file
    assert all(len((ROOT / "examples" / name).read_text().splitlines()) <= longest.get(name, 100) for name in names)


def test_sprites_are_put_on_photographs(tmp_path):
    image = pytest.importorskip("PIL.Image")
    numpy = pytest.importorskip("numpy")
    codes = ("1f34e", "1f98b", "1f697", "1f431", "1f381", "26bd", "1f3a9", "1f511", "2b50", "1f333")
    sprites = tmp_path / "package" / "img" / "twitter" / "64"
    sprites.mkdir(parents=True)
    for code in codes:
        image.new("RGBA", (64, 64), (255, 0, 0, 255)).save(sprites / f"{code}.png")
    (tmp_path / "photographs").mkdir()
    image.new("RGB", (640, 427), (0, 0, 255)).save(tmp_path / "photographs" / "sky.jpg")
    command = [sys.executable, str(ROOT / "examples" / "emoji_photographs.py"), "package", "found"]
    subprocess.run([*command, "--photographs", "photographs", "--images", "2"], cwd=tmp_path, check=True)
    made = sorted((tmp_path / "found").glob("*/*.jpg"))
    assert len(made) == 20
    for path in made:
        with image.open(path) as scene:
            pixels = numpy.asarray(scene)
        assert pixels.shape == (400, 600, 3)
        assert 45**2 < (pixels[..., 0] > 128).sum() < 100**2
    larger = [
        "--photographs",
        "photographs",
        "--images",
        "1",
        "--seed",
        "1",
        "--size",
        "1000x900",
        "--sprite",
        "200",
        "200",
    ]
    subprocess.run([*command, *larger], cwd=tmp_path, check=True)
    added = sorted(set((tmp_path / "found").glob("*/*.jpg")) - set(made))
    assert len(added) == 10
    with image.open(added[0]) as scene:
        assert scene.size == (1000, 900)
        assert 198**2 < (numpy.asarray(scene)[..., 0] > 128).sum() < 202**2
