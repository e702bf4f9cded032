"""Every picture of the documentation, from the shipped agents and the files of results.

python agents/analysis/plots.py                        # all of them, into docs/
python agents/analysis/plots.py --only catch learning
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

if not __package__:  # run as a file: import from the repository, not from agents/
    sys.path[0] = str(Path(__file__).resolve().parents[2])

import gymnasium as gym
import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import tyro
from matplotlib import ticker

from agents.analysis.tables import PAPER, RESULTS, load_results, result_path
from agents.experiment.command_line import command
from agents.experiment.recording import write_video
from agents.ram.checkpoint import load_state
from agents.ram.presets import DEFAULTS
from agents.ram.watching import watch_episodes
from agents.scaling.search_record import draw_trials
from ram_envs import ENV_IDS
from ram_envs.rendering import PATH_COLOUR, SCALE_COLOURS, Pixels, View, draw_view, foveated

DOCS = RESULTS.parent / "docs"
ORANGE = tuple(channel / 255 for channel in PATH_COLOUR)
COLOURS = [tuple(channel / 255 for channel in colour) for colour in SCALE_COLOURS]
SCENES = {
    "mnist": "28x28", "translated60": "60x60 translated", "cluttered60": "60x60 cluttered",
    "cluttered100": "100x100 cluttered",
}  # fmt: skip
RAM_ROW = re.compile(r"(?P<scene>\w+)-(?P<glimpses>\d+)(?P<convolutional>-conv)?")  # a preset of the tables


def episode_gif(
    env_id: str, preset: str | None = None, episodes: int = 3, seed: int = 1, fps: int = 2
) -> Callable[[Path], None]:
    """The trained agent of an environment at work, of its default preset or another."""

    def write(path: Path) -> None:
        frames: list[Pixels] = []

        def show(view: View) -> None:
            frames.extend([draw_view(view, 320)] * (1 if view.outcome is None else round(1.5 * fps)))

        watch_episodes(shipped_agent(env_id, preset), show, episodes=episodes, seed=seed)
        write_video(path, frames, fps)

    return write


def oracle_gif(env_id: str, episodes: int = 3, seed: int = 1, fps: int = 2) -> Callable[[Path], None]:
    """An environment that has no trained agent yet, as an eye sees it that is told where to look, at one digit after the other."""

    def write(path: Path) -> None:
        env = gym.make(env_id, split="test", action_mode="dict", render_mode="rgb_array", render_size=320)
        frames: list[Pixels] = []
        for episode in range(episodes):
            over, (_, info) = False, env.reset(seed=seed + episode)
            while not over:
                targets = info["target_locations"] if "target_locations" in info else info["target_location"][None]
                frames.append(env.render())  # type: ignore[arg-type]
                step = info["num_glimpses"] - 1
                stop = "target_locations" in info and step == len(targets)  # all were seen; a video is seen to its end
                action = {"location": targets[step % len(targets)], "answer": info["label"], "stop": int(stop)}
                *_, over, _, info = env.step(action)
            frames += [env.render()] * round(1.5 * fps)  # type: ignore[list-item]
        env.close()
        write_video(path, frames, fps)

    return write


def last_look(env_id: str, seed: int = 0) -> Callable[[Path], None]:
    """The last glimpse of an episode, with the whole path and what the agent makes of it."""

    def write(path: Path) -> None:
        views: list[View] = []
        watch_episodes(shipped_agent(env_id), views.append, seed=seed)
        write_video(path, [draw_view(views[-1], 512)], 1)

    return write


def fixation_paths(env_id: str, scenes: int = 4) -> Callable[[Path], None]:
    """Figure 3 of Mnih et al. 2014: a scene with the fixation path, the first glimpse a filled circle and the last an
    empty one, then what each glimpse tells of the scene."""

    def write(path: Path) -> None:
        _draw_paths([views for views, _ in _episodes(shipped_agent(env_id), scenes)], path)

    return write


def stopping_paths(path: Path) -> None:
    """The same for an agent that may stop: of sixty digits those it was right about soonest, and those latest."""
    checkpoint = shipped_agent("GlimpseMNIST-Cluttered60-v0", "cluttered60-stop")
    right = sorted((views for views, succeeded in _episodes(checkpoint, 60) if succeeded), key=len)
    _draw_paths([*right[:3], *right[-3:]], path)


def _episodes(checkpoint: Path, count: int) -> list[tuple[list[View], bool]]:
    """What an agent sees at each glimpse of an episode, and whether it was right."""
    found: list[tuple[list[View], bool]] = []
    views: list[View] = []

    def show(view: View) -> None:
        if view.outcome is None:
            views.append(view)
        else:  # the answer takes no glimpse
            found.append((views.copy(), view.outcome))
            views.clear()

    watch_episodes(checkpoint, show, episodes=count)
    return found


def _draw_paths(rows: list[list[View]], path: Path) -> None:
    """A row per episode: the scene with the fixation path, then a panel per glimpse."""
    columns = 1 + max(len(views) for views in rows)
    figure, axes = plt.subplots(len(rows), columns, figsize=(1.5 * columns, 1.5 * len(rows)), squeeze=False)
    for line, views in zip(axes, rows, strict=True):
        scene, x, y = views[-1].scene, *views[-1].fixations.T
        height, width = scene.shape[:2]
        line[0].imshow(scene[..., 0], cmap="gray", extent=(0, width, height, 0))
        line[0].plot(x, y, color=ORANGE, linewidth=1.5)
        line[0].plot(x[0], y[0], "o", color=ORANGE, markersize=5)
        line[0].plot(x[-1], y[-1], "o", color=ORANGE, markersize=7, fillstyle="none", markeredgewidth=1.5)
        for panel, view in zip(line[1:], views, strict=False):
            panel.imshow(foveated(view.glimpse, view.squares, (height, width))[..., 0], cmap="gray", vmin=0, vmax=255)
        for panel in line:
            panel.set(xticks=[], yticks=[])
        for panel in line[1 + len(views) :]:
            panel.axis("off")
        line[0].set(xlim=(0, width), ylim=(height, 0))
    figure.tight_layout(pad=0.2)
    figure.savefig(path, dpi=100)
    plt.close(figure)


def error_by_glimpses(path: Path) -> None:
    """Test error against the number of glimpses, ours and the paper's; an agent scored with fewer glimpses gives the whole line."""
    lines: dict[tuple[str, str], dict[int, float]] = {}  # scene and whose -> glimpses -> error
    for name, error in PAPER.items():
        if (row := RAM_ROW.fullmatch(name)) and error is not None:
            lines.setdefault((row["scene"], "paper"), {})[int(row["glimpses"])] = error
    for name, runs in load_results().items():
        if row := RAM_ROW.fullmatch(name):
            whose = "ours, convolutional" if row["convolutional"] else "ours"
            line = lines.setdefault((row["scene"], whose), {})
            line[int(row["glimpses"])] = _mean_test_error(runs)
            for glimpses in runs[0].get("fewer_glimpses", {}):
                line.setdefault(int(glimpses), _mean_test_error([run["fewer_glimpses"][glimpses] for run in runs]))
    figure, axis = plt.subplots(figsize=(7.5, 4))
    for (scene, title), colour in zip(SCENES.items(), COLOURS, strict=False):
        for whose, style in (("paper", "--"), ("ours", "o-"), ("ours, convolutional", "^:")):
            if points := sorted(lines.get((scene, whose), {}).items()):
                axis.plot(*zip(*points, strict=True), style, color=colour, label=f"{title}, {whose}")
    axis.set(xlabel="glimpses", ylabel="test error in %", yscale="log")
    axis.legend(fontsize=7, loc="upper left", bbox_to_anchor=(1, 1))
    _save(figure, path)


def error_by_minutes(path: Path) -> None:
    """Validation error of the digits' rows against the minutes of training, first seed of each."""
    figure, axis = plt.subplots(figsize=(6, 4))
    axis.set_prop_cycle(color=plt.colormaps["tab20"](np.arange(20)))  # there are more rows than the usual ten
    for name, runs in load_results().items():
        run = runs[0]
        begun_afresh = not run["config"]["run"].get("warm_start")
        if name.partition("-")[0] in SCENES and "gaze" in run["config"] and begun_afresh:
            minutes = [run["minutes"] * point["frames"] / run["frames"] for point in run["curve"]]
            axis.plot(minutes, [point["error_percent"] for point in run["curve"]], label=name, linewidth=1.2)
    axis.set(xlabel="minutes on one core", ylabel="validation error in %", yscale="log")
    axis.legend(fontsize=6, ncol=2)
    _save(figure, path)


def reward_alone(path: Path) -> None:
    """Validation error against images seen, of agents that are told the labels and of agents that are only paid for being right."""
    figure, axis = plt.subplots(figsize=(6, 4))
    for scene, colour in zip(("mnist", "cluttered60"), (COLOURS[0], COLOURS[2]), strict=True):
        for name, style, teacher in (("ram", "-", "labels"), ("reward", "--", "reward alone")):
            run = result_path(f"{scene}-2m-{name}", 1, RESULTS)
            if run.exists():
                result = json.loads(run.read_text())
                images = [
                    point["episodes"] / result["config"]["learning"]["rollouts"] / 1000 for point in result["curve"]
                ]
                errors = [point["error_percent"] for point in result["curve"]]
                axis.plot(images, errors, style, color=colour, label=f"{SCENES[scene]}, {teacher}")
    if not axis.lines:
        raise FileNotFoundError("no results yet: python agents/reproduce_tables.py --rows mnist-2m-ram mnist-2m-reward")
    axis.set(xlabel="thousand images", ylabel="validation error in %", yscale="log")
    axis.legend(fontsize=7)
    _save(figure, path)


def catch_learning(path: Path) -> None:
    """Balls missed against frames seen, for every run of Catch."""
    figure, axis = plt.subplots(figsize=(6, 4))
    rows = [(name, runs) for name, runs in load_results().items() if name.startswith("catch")]
    for (name, runs), colour in zip(rows, plt.colormaps["tab10"].colors, strict=False):  # type: ignore[attr-defined]
        for i, run in enumerate(runs):
            frames = [point["frames"] / 1e6 for point in run["curve"]]
            errors = [point["error_percent"] for point in run["curve"]]
            axis.plot(frames, errors, color=colour, label=name if i == 0 else None, linewidth=1.2)
    axis.axhline(15, color="gray", linestyle="--", linewidth=1, label="paper, about 15 % missed")
    axis.set(xlabel="million frames", ylabel="balls missed in %, 5,000 validation games", yscale="log")
    axis.legend(fontsize=7)
    _save(figure, path)


def search_trials(name: str) -> Callable[[Path], None]:
    """All trials of a search whose `trials.json` is kept as results/searches/NAME.json."""

    def write(path: Path) -> None:
        draw_trials(json.loads((RESULTS / "searches" / f"{name}.json").read_text()), path)

    return write


PICTURES: dict[str, Callable[[Path], None]] = {
    **{f"{env_id.removesuffix('-v0')}.gif": episode_gif(env_id) for env_id in DEFAULTS},
    **{f"{env_id.removesuffix('-v0')}.gif": oracle_gif(env_id) for env_id in ENV_IDS if env_id not in DEFAULTS},
    "CatchBall.gif": episode_gif("CatchBall-v0", fps=10),
    "GlimpseMNIST-Moving60.gif": oracle_gif("GlimpseMNIST-Moving60-v0", episodes=2, fps=4),
    "headline.png": last_look("GlimpseMNIST-Cluttered60-v0"),
    "figure3-cluttered60.png": fixation_paths("GlimpseMNIST-Cluttered60-v0"),
    "figure3-cluttered100.png": fixation_paths("GlimpseMNIST-Cluttered100-v0"),
    "stopping-cluttered60.png": stopping_paths,
    "stopping-cluttered60.gif": episode_gif("GlimpseMNIST-Cluttered60-v0", "cluttered60-stop", episodes=6),
    "error-by-glimpses.png": error_by_glimpses,
    "error-by-minutes.png": error_by_minutes,
    "catch-learning.png": catch_learning,
    "reward-alone.png": reward_alone,
    "search-mnist-6-faithful.png": search_trials("mnist-6-faithful"),
}
"""File in docs/ -> what makes it."""


def shipped_agent(env_id: str, preset: str | None = None) -> Path:
    """The shipped agent of a preset; by default the environment's own, or else the first in results/ that was trained in it.

    Raises:
        FileNotFoundError: if there is none yet.
    """
    others = sorted(RESULTS.glob("*.pt")) if preset is None else []
    for path in (RESULTS / f"{preset or DEFAULTS[env_id]}.pt", *others):
        if path.exists() and load_state(path)["config"].env == env_id:
            return path
    raise FileNotFoundError(
        f"No trained agent for {env_id} in {RESULTS}: "
        f"python agents/reproduce_tables.py --rows {preset or DEFAULTS[env_id]}"
    )


def _mean_test_error(runs: list[dict[str, Any]]) -> float:
    return float(np.mean([run["test"]["error_percent"] for run in runs]))


def _save(figure: Any, path: Path) -> None:
    for formatter in (figure.axes[0].yaxis.set_major_formatter, figure.axes[0].yaxis.set_minor_formatter):
        formatter(ticker.LogFormatter(labelOnlyBase=False, minor_thresholds=(2, 0.5)))
    figure.tight_layout()
    figure.savefig(path, dpi=110, metadata={"Software": None})  # so that the same data make the same file
    plt.close(figure)


@dataclass(frozen=True)
class PlotsCommand:
    """Makes the pictures of the documentation."""

    only: tuple[str, ...] = ()
    """Make only the pictures whose names contain one of these; by default all."""
    out: Path = DOCS
    """Where they go."""


@command
def main() -> None:
    """`python agents/analysis/plots.py`"""
    flags = tyro.cli(PlotsCommand)
    chosen = [name for name in PICTURES if not flags.only or any(word in name for word in flags.only)]
    if not chosen:
        raise ValueError(f"--only must name some of {', '.join(PICTURES)}, got {' '.join(flags.only)}.")
    if flags.out.exists() and not flags.out.is_dir():
        raise ValueError(f"--out must be a folder, got {flags.out}.")
    flags.out.mkdir(parents=True, exist_ok=True)
    for name in chosen:
        try:
            PICTURES[name](flags.out / name)
            print(f"Wrote {flags.out / name}")
        except FileNotFoundError as error:
            print(f"Left out {name}: {error}")


if __name__ == "__main__":
    main()
