"""Pictures of trained agents: the same seed gives the same frames, and docs/ holds only what `plots.py` makes."""

import dataclasses
import json
import shutil
from pathlib import Path

import imageio.v3 as imageio
import numpy as np
import pytest
from matplotlib.colors import to_rgb

torch = pytest.importorskip("torch")

from agents.analysis import curves, episode_pictures, plots  # noqa: E402
from agents.experiment.run_folder import CHECKPOINT  # noqa: E402
from agents.ram import command_line  # noqa: E402
from agents.ram.checkpoint import export_agent  # noqa: E402
from agents.ram.presets import PRESETS  # noqa: E402
from agents.ram.training import Trainer  # noqa: E402
from agents.ram.watching import watch_episodes  # noqa: E402
from ram_envs.rendering import BACKGROUND, PATH_COLOUR, draw_view  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]


def untrained(preset, folder, **changes):
    """The path of an agent that has learnt nothing."""
    folder.mkdir(exist_ok=True)
    Trainer(PRESETS[preset].but(learning={"batch_size": 4}, network={"hidden_size": 8}, **changes), folder).save()
    return folder / CHECKPOINT


@pytest.fixture
def catch_agent(tmp_path):
    return untrained("catch", tmp_path / "run", env_args=("screen_size=6",))


def frames_of(checkpoint, **kwargs):
    views = []
    watch_episodes(checkpoint, views.append, **kwargs)
    return [draw_view(view, 256) for view in views]


def test_episodes_are_the_same_for_a_seed_and_others_for_another(catch_agent):
    one, again, other = (frames_of(catch_agent, seed=seed, episodes=2) for seed in (3, 3, 4))
    assert len(one) == 2 * 6  # five steps, and the end
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, other)


def test_frames_show_path_thoughts_and_outcome(catch_agent):
    views = []
    watch_episodes(catch_agent, views.append)
    assert [view.outcome is None for view in views] == [True] * 5 + [False]
    assert [len(view.fixations) for view in views] == [1, 2, 3, 4, 5, 6]
    assert {name: np.shape(bar) for name, bar in views[0].bars.items()} == {"move": (3,), "value": (1,)}
    frame = draw_view(views[-1], 256)
    assert (frame == PATH_COLOUR).all(2).any()
    assert (frame == BACKGROUND).all(2).any()


UNCLOSED = "ignore::pytest.PytestUnraisableExceptionWarning"  # imageio-ffmpeg leaves its pipes to the garbage collector


@pytest.mark.parametrize("suffix", [".gif", pytest.param(".mp4", marks=pytest.mark.filterwarnings(UNCLOSED)), ".png"])
def test_watching_writes_a_file(catch_agent, tmp_path, monkeypatch, capsys, suffix):
    path = tmp_path / f"video{suffix}"
    arguments = ["--checkpoint", catch_agent.parent, "--video", path, "--episodes", "1", "--size", "256", "--fps", "2"]
    monkeypatch.setattr("sys.argv", ["watch_ram.py", *map(str, arguments)])
    command_line.watch_command()
    assert "of 1 episodes" in capsys.readouterr().out
    frames = imageio.imread(path)
    assert frames.shape[-3] == 256


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--video", "film.avi"], "must end in one of .gif, .mp4, .png"),
        (["--env", "GlimpseMNIST-v0", "--video", "film.gif"], "does not take env_args screen_size=6"),
        (["--env-args", "patch_size=4", "--video", "film.gif"], "does not fit"),
        (["--env", "NoSuch-v0", "--video", "film.gif"], "NoSuch"),
        ([], "Cannot open a window"),
    ],
)
def test_bad_input_ends_in_one_sentence(catch_agent, fake_mnist, monkeypatch, flags, message):
    monkeypatch.setenv("SDL_VIDEODRIVER", "no such driver")
    monkeypatch.setattr("sys.argv", ["watch_ram.py", "--checkpoint", str(catch_agent), *flags])
    with pytest.raises(SystemExit, match=message):
        command_line.watch_command()


def test_window_shows_the_episodes(catch_agent, monkeypatch):
    shown = []
    monkeypatch.setattr(command_line.Window, "show", lambda window, frame, fps: shown.append(frame.shape))
    monkeypatch.setattr("sys.argv", ["watch_ram.py", "--checkpoint", str(catch_agent), "--episodes", "2"])
    command_line.watch_command()
    assert len(shown) == 12


def test_every_picture_can_be_made_from_agents_and_results(tmp_path, fake_mnist, monkeypatch, capsys):
    results = tmp_path / "results"
    results.mkdir()
    for preset in ("cluttered60-stop", *{preset for _, preset in episode_pictures.AT_WORK} - {"catch"}):
        agent = untrained(preset, tmp_path / preset, run={"warm_start": ""})
        export_agent(agent, results / f"{preset}.pt")
    for preset in plots.DEFAULTS.values():
        export_agent(untrained(preset, tmp_path / preset), results / f"{preset}.pt")
    (results / "mnist-2m-reward-seed1.json").write_text(json.dumps(RUN))
    (results / "ablations").mkdir()
    for name in curves.STEP_SIZES:
        (results / "ablations" / f"mnist-6-faithful-{name}.json").write_text(json.dumps(RUN))
    shutil.copytree(curves.RESULTS / "searches", results / "searches")
    for module in (curves, episode_pictures):
        monkeypatch.setattr(module, "RESULTS", results)
    played = episode_pictures._played
    monkeypatch.setattr(
        episode_pictures, "_played", lambda agent, episodes, *seed: played(agent, -(-episodes // 6), *seed)
    )
    monkeypatch.setattr(curves, "load_results", lambda: {name: [RUN] for name in DRAWN})
    monkeypatch.setattr("sys.argv", ["plots.py", "--out", str(tmp_path / "docs")])
    plots.main()
    assert capsys.readouterr().out.count("Left out") == 2
    made = {path.name for path in (tmp_path / "docs").iterdir()}
    assert made == {*plots.PICTURES} - {"RetinaLavaGap.gif", "photograph.png"}


FAITHFUL = [f"{name}-faithful" for name in ("mnist-5", "mnist-6", "translated60-8", "cluttered60-8")]
DRAWN = (*curves.WATCHED, *curves.CATCH, *curves.BY_FRAMES["mnist"], *curves.BY_FRAMES["catch"], *FAITHFUL)
RUN = {
    "config": {"seed": 1, "gaze": {}, "learning": {}},
    "test": {"error_percent": 5.0},
    "curve": [{"frames": share, "episodes": share, "error_percent": 100.0 / share} for share in (50, 100)],
    "minutes": 1.0,
    "frames": 100,
    "machine": "cuda (a GPU), 1 thread(s), x86_64",
}


def test_plots_have_few_lines_named_where_they_end_plain_numbers_and_no_yellow(tmp_path, monkeypatch):
    figures = []
    monkeypatch.setattr(curves, "_save", lambda figure, path: figures.append(figure))
    by_frames = [curves.errors_by_frames(game) for game in curves.BY_FRAMES]
    for draw in (
        curves.error_by_glimpses,
        curves.error_by_minutes,
        curves.catch_learning,
        curves.reward_alone,
        curves.paper_recipe,
        *by_frames,
    ):
        draw(tmp_path / "plot.png")
    axes = [axis for figure in figures for axis in figure.axes]
    assert len(axes) == 11
    for axis in axes:
        assert 2 <= len(axis.lines) <= 7
        names = [text.get_text() for text in axis.texts]
        assert sorted(names) == sorted(line.get_label() for line in axis.lines)
        heights = sorted(text.xyann[1] for text in axis.texts)
        assert np.diff(heights).min() > 0.05
        axis.figure.canvas.draw()
        shown = [label.get_text() for label in axis.get_yticklabels() if label.get_text()]
        assert len(shown) > 1
        assert all(float(label) > 0 and "e" not in label for label in shown)
        for line in axis.lines:
            red, green, blue = to_rgb(line.get_color())
            assert not (red > 0.8 and green > 0.8 and blue < 0.6), "yellow on white"
        curves.plt.close(axis.figure)


def test_no_more_agents_are_compared_in_a_picture_than_it_can_name_and_all_are_in_the_table():
    for names in curves.BY_FRAMES.values():
        assert len(names) <= 7
        assert set(names) <= set(curves.COMPARED)


def test_seeds_are_one_line_in_a_band(tmp_path, monkeypatch):
    figures = []
    monkeypatch.setattr(curves, "_save", lambda figure, path: figures.append(figure))
    other = {**RUN, "curve": [{**point, "error_percent": 3 * point["error_percent"]} for point in RUN["curve"]]}
    monkeypatch.setattr(curves, "load_results", lambda: {"catch-2m-ram": [RUN, other], "catch-20m-ppo-center": [RUN]})
    curves.errors_by_frames("catch")(tmp_path / "plot.png")
    (axis,) = figures[0].axes
    one, longer = axis.lines
    assert one.get_label() == "RAM, reward alone (2 seeds)"
    assert longer.get_label().startswith("20 M frames: PPO")
    assert one.get_ydata().tolist() == [4.0, 2.0]
    assert axis.collections[0].get_paths()[0].vertices[:, 1].max() == 6.0
    curves.plt.close(figures[0])
    monkeypatch.setattr(curves, "load_results", dict)
    with pytest.raises(FileNotFoundError, match=r"no results yet: .*--rows catch-2m-ram catch-2m-recurrent-ppo-hybrid"):
        curves.errors_by_frames("catch")(tmp_path / "plot.png")


def test_heat_lies_where_the_agent_looked(catch_agent):
    views = []
    watch_episodes(catch_agent, views.append)
    heat = episode_pictures._heat(views[-1])
    assert heat.shape == views[-1].scene.shape[:2]
    one = dataclasses.replace(views[-1], fixations=np.array([[1.5, 4.5]]))
    assert np.unravel_index(episode_pictures._heat(one).argmax(), heat.shape) == (4, 1)  # row, column


def test_the_moving_picture_of_the_readme_is_at_most_two_megabytes():
    assert (ROOT / "docs" / "headline.gif").stat().st_size <= 2e6


def test_no_picture_in_docs_that_this_command_does_not_make():
    pictures = {
        path.name
        for path in (ROOT / "docs").rglob("*")
        if path.suffix in (".png", ".gif", ".jpg", ".svg") and path.parent.name != "badges"
    }
    assert pictures <= set(plots.PICTURES)


def test_unknown_picture_is_refused_by_name(monkeypatch):
    monkeypatch.setattr("sys.argv", ["plots.py", "--only", "nothing"])
    with pytest.raises(SystemExit, match=r"--only must name some of"):
        plots.main()
