"""Pictures of episodes, and into a file."""

import gc
import warnings

import numpy as np
import pytest

imageio = pytest.importorskip("imageio.v3")
pytest.importorskip("torch")

from agents.experiment import recording  # noqa: E402
from agents.experiment.recording import demand_video, film, write_video  # noqa: E402
from agents.experiment.settings import ExperimentConfig  # noqa: E402


def read(path):
    """All pictures in a file; imageio leaves the pipes of a film open until they are collected."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        found = imageio.imread(path, extension=path.suffix.lower())
        gc.collect()
    return found


def frames(height, width=32, count=4):
    """Grey pictures, each brighter than the one before."""
    return [np.full((height, width, 3), 60 * number, np.uint8) for number in range(count)]


@pytest.mark.parametrize(("height", "padded"), [(64, 64), (65, 66)])
def test_video_of_odd_height_is_padded_by_a_pixel_and_not_stretched(tmp_path, caplog, height, padded):
    pytest.importorskip("imageio_ffmpeg")
    path = tmp_path / "seen.mp4"
    pictures = frames(height)
    for picture in pictures:
        picture[height // 2 :] = 255  # an edge that stretching would move
    write_video(path, pictures, 5)
    found = read(path)
    assert found.shape == (4, padded, 32, 3)
    assert found[0, height // 2 - 3].mean() < 50
    assert found[0, height // 2 + 3].mean() > 200
    assert not caplog.records


@pytest.mark.parametrize("suffix", ["gif", "GIF"])
def test_gif_has_every_frame_at_its_own_height(tmp_path, suffix):
    write_video(tmp_path / f"seen.{suffix}", frames(65), 5)
    assert read(tmp_path / f"seen.{suffix}").shape == (4, 65, 32, 3)


@pytest.mark.parametrize("suffix", ["png", "PNG", "mp4", "MP4"])
def test_upper_case_is_as_good_as_lower_case(tmp_path, suffix):
    path = tmp_path / f"seen.{suffix}"
    demand_video(path, None)
    write_video(path, frames(64), 5)
    found = read(path)
    assert (found if suffix.lower() == "png" else found[-1]).mean() == pytest.approx(180, abs=5)


@pytest.mark.parametrize("name", ["seen", "seen.avi", "gif"])
def test_file_of_another_kind_is_refused_by_its_flag(tmp_path, name):
    with pytest.raises(ValueError, match=r"^--video must end in one of \.gif, \.mp4, \.png, got "):
        demand_video(tmp_path / name, None)


def test_gif_is_no_faster_than_it_can_count(tmp_path):
    demand_video(tmp_path / "seen.gif", 100)
    demand_video(tmp_path / "seen.mp4", 101)
    with pytest.raises(ValueError, match=r"^--fps must be at most 100 for a \.gif"):
        demand_video(tmp_path / "seen.gif", 101)


@pytest.mark.parametrize(("longest", "steps"), [(300, 6), (4, 3)])
def test_of_long_episodes_the_beginning_is_filmed(longest, steps, monkeypatch):
    monkeypatch.setattr(recording, "FILM_LENGTH", longest)
    played = []

    def play(envs, show):
        envs.reset(seed=0)
        show(envs.unwrapped.view())
        for step in range(6):
            envs.step(envs.action_space.sample())
            played.append(step)
            show(envs.unwrapped.view())

    pictures, fps = film(ExperimentConfig(env="CatchBall-v0"), play)
    assert len(played) == steps
    assert len(pictures) == steps + 1
    assert pictures[0].shape[0] == recording.FILM_SIZE
    assert (pictures[0] != pictures[-1]).any()
    assert fps > 0


def test_a_faster_world_is_as_fast_as_a_gif_can_be(tmp_path):
    write_video(tmp_path / "seen.gif", frames(64), 125)
    assert imageio.immeta(tmp_path / "seen.gif")["duration"] == 10
