"""Plots of the files of results. At most seven lines in each, named where they end; plain numbers on logarithmic axes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from textwrap import fill
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from agents.analysis.tables import COMPARED, PAPER, RESULTS, load_results, result_path
from agents.scaling.forecast import by_gpu
from agents.scaling.search_record import draw_trials, plain_numbers

BLUE, RED, GREEN, PINK, ORANGE, SKY, BLACK = COLOURS = (
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000",
)  # fmt: skip
"""Of Okabe and Ito, without the yellow, which cannot be read on white."""
SCENES = {
    "mnist": "28x28", "translated60": "60x60 translated", "cluttered60": "60x60 cluttered",
    "cluttered100": "100x100 cluttered",
}  # fmt: skip
RAM_ROW = re.compile(r"(?P<scene>\w+)-(?P<glimpses>\d+)(?P<convolutional>-conv)?")  # a preset of the tables
WATCHED = (
    "mnist-6", "translated60-8", "translated60-8-conv", "cluttered60-8", "cluttered60-8-conv", "cluttered100-8",
    "cluttered100-8-conv",
)  # fmt: skip
"""Presets whose errors are drawn as they are trained."""
CATCH = {
    "catch": "our settings", "catch-faithful": "the paper's settings", "catch-full-view": "sees the whole screen",
    "catch-center": "always looks at the centre", "catch-random": "looks at random",
}  # fmt: skip
"""Presets of Catch -> what their lines are called."""
BY_FRAMES = {
    "mnist": (
        "mnist-2m-ram", "mnist-2m-reward", "mnist-2m-ppo", "mnist-2m-ppo-history", "mnist-2m-ppo-hybrid",
        "mnist-2m-recurrent-ppo-hybrid", "mnist-20m-ppo-hybrid",
    ),
    "catch": (
        "catch-2m-ram", "catch-2m-recurrent-ppo-hybrid", "catch-2m-ppo-hybrid", "catch-2m-ppo-center", "catch-2m-ppo-full-view",
        "catch-2m-dqn-center", "catch-20m-ppo-center",
    ),
}  # fmt: skip
"""Agents of one environment, ours and stock ones; of those that stay at chance the table tells."""
STEP_SIZES = {
    "short": "both as in the preset", "weight": "log-probability with weight 1", "baseline": "baseline's loss summed over steps",
    "both": "both of these",
}  # fmt: skip
"""Runs of the paper's recipe on 28x28, results/ablations/mnist-6-faithful-NAME.json -> the two step sizes that it had."""


def error_by_glimpses(path: Path) -> None:
    """Test error against the number of glimpses, a panel per scene; an agent scored with fewer glimpses gives a whole line."""
    lines = _lines_by_glimpses()
    figure, axes = plt.subplots(2, 2, figsize=(9, 6.4))
    for (scene, title), axis in zip(SCENES.items(), axes.flat, strict=True):
        for whose, style, colour in (("paper", "s--", BLACK), ("ours", "o-", BLUE), ("ours, convolutional", "^-", RED)):
            if points := sorted(lines.get((scene, whose), {}).items()):
                axis.plot(*zip(*points, strict=True), style, color=colour, label=whose, markersize=4)
        axis.set(xlabel="glimpses", ylabel="test error in %", title=title, xticks=range(2, 9))
        _finish(axis)
    _save(figure, path)


def _lines_by_glimpses() -> dict[tuple[str, str], dict[int, float]]:
    """Scene and whose -> glimpses -> test error in %."""
    lines: dict[tuple[str, str], dict[int, float]] = {}
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
    return lines


def error_by_minutes(path: Path) -> None:
    """Validation error of the digits' rows against the minutes of training, first seed of each."""
    figure, axis = plt.subplots(figsize=(7.5, 4.5))
    results = load_results()
    for name, colour in zip(WATCHED, COLOURS, strict=True):
        for run in results.get(name, [])[:1]:
            minutes = [run["minutes"] * point["frames"] / run["frames"] for point in run["curve"]]
            label = name + ", GPU" * by_gpu(run)
            axis.plot(minutes, [point["error_percent"] for point in run["curve"]], color=colour, label=label)
    axis.set(xlabel="minutes of training, on one thread or a GPU", ylabel="validation error in %")
    _finish(axis)
    _save(figure, path)


def reward_alone(path: Path) -> None:
    """Validation error against images seen, of agents that are told the labels and of agents that are only paid for being right."""
    figure, axis = plt.subplots(figsize=(7.5, 4))
    for scene, colour in (("mnist", BLUE), ("cluttered60", RED)):
        for name, style, teacher in (("ram", "-", "labels"), ("reward", "--", "reward alone")):
            run = result_path(f"{scene}-2m-{name}", 1, RESULTS)
            if run.exists():
                result = json.loads(run.read_text())
                images = [point["episodes"] / 1000 for point in result["curve"]]
                errors = [point["error_percent"] for point in result["curve"]]
                axis.plot(images, errors, style, color=colour, label=f"{SCENES[scene]}, {teacher}")
    if not axis.lines:
        raise FileNotFoundError("no results yet: python agents/reproduce_tables.py --rows mnist-2m-ram mnist-2m-reward")
    axis.set(xlabel="thousand images", ylabel="validation error in %")
    _finish(axis)
    _save(figure, path)


def catch_learning(path: Path) -> None:
    """Balls missed against frames seen: a line is the mean over the seeds, the band around it goes from the best to the worst."""
    figure, axis = plt.subplots(figsize=(7.5, 4.5))
    results = load_results()
    for (name, title), colour in zip(CATCH.items(), COLOURS, strict=False):
        _line_of_seeds(axis, results.get(name, []), colour, title)
    axis.plot(axis.get_xlim(), (15, 15), color=BLACK, linestyle="--", linewidth=1, label="the paper, at the end")
    axis.set(xlabel="million frames", ylabel="balls missed in %, 5,000 validation games", xlim=axis.get_xlim())
    _finish(axis)
    _save(figure, path)


def errors_by_frames(game: str) -> Callable[[Path], None]:
    """Validation error against frames of all agents of a game of `BY_FRAMES`; a line and its band are as those of `catch_learning`."""

    def draw(path: Path) -> None:
        figure, axis = plt.subplots(figsize=(7.5, 4.5))
        results = load_results()
        for name, colour in zip(BY_FRAMES[game], COLOURS, strict=True):
            longer = "20 M frames: " * ("-20m-" in name)
            _line_of_seeds(axis, results.get(name, []), colour, fill(longer + COMPARED[name], 40))
        if not axis.lines:
            raise FileNotFoundError(
                f"no results yet: python agents/reproduce_tables.py --rows {' '.join(BY_FRAMES[game])}"
            )
        axis.set(xlabel="million frames", ylabel="validation error in %", xscale="log")
        plain_numbers(axis.xaxis)
        _finish(axis, 0.095)
        _save(figure, path)

    return draw


def step_sizes(path: Path) -> None:
    """Validation error of the paper's recipe, by the weight of REINFORCE and of the baseline's loss."""
    figure, axis = plt.subplots(figsize=(7.5, 4))
    for (name, title), colour in zip(STEP_SIZES.items(), COLOURS, strict=False):
        run = json.loads((RESULTS / "ablations" / f"mnist-6-faithful-{name}.json").read_text())
        _line_of_seeds(axis, [run], colour, title)
    axis.set(xlabel="million frames", ylabel="validation error in %")
    _finish(axis)
    _save(figure, path)


def paper_recipe(path: Path) -> None:
    """Validation error of the paper's own recipe against frames, by looks: a panel for centered digits and one for wide canvases."""
    rows: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for name, runs in load_results().items():
        if name.endswith("-faithful") and (row := RAM_ROW.match(name)):
            canvas = "28x28" if row["scene"] == "mnist" else "60x60"
            scene = "" if canvas == "28x28" else f"{row['scene'].removesuffix('60')}, "
            rows.setdefault(canvas, {})[f"{scene}{row['glimpses']} glimpses (paper {PAPER[name]:g})"] = runs
    figure, axes = plt.subplots(1, max(1, len(rows)), figsize=(12, 4), squeeze=False)  # also before there are results
    for (canvas, lines), axis in zip(rows.items(), axes.flat, strict=False):
        for (title, runs), colour in zip(lines.items(), COLOURS, strict=False):
            _line_of_seeds(axis, runs, colour, title)
        axis.set(xlabel="million frames", ylabel="validation error in %", title=canvas)
        _finish(axis)
    _save(figure, path)


def _line_of_seeds(axis: Any, runs: list[dict[str, Any]], colour: str, title: str) -> None:
    """Mean validation error of a preset's seeds against frames, in a band from the best to the worst; nothing where there are no runs."""
    if runs:
        frames = [point["frames"] / 1e6 for point in runs[0]["curve"]]
        errors = np.array([[point["error_percent"] for point in run["curve"]] for run in runs])
        seeds = f" ({len(runs)} seeds)" if len(runs) > 1 else ""
        axis.plot(frames, errors.mean(0), color=colour, label=title + seeds)
        axis.fill_between(frames, errors.min(0), errors.max(0), color=colour, alpha=0.2, linewidth=0)


def search_trials(name: str) -> Callable[[Path], None]:
    """All trials of a search whose `trials.json` is kept as results/searches/NAME.json."""
    return lambda path: draw_trials(json.loads((RESULTS / "searches" / f"{name}.json").read_text()), path)


def _mean_test_error(runs: list[dict[str, Any]]) -> float:
    return float(np.mean([run["test"]["error_percent"] for run in runs]))


def _finish(axis: Any, apart: float = 0.065) -> None:
    """A logarithmic axis with plain numbers, and beside it the name of each line at its end, so far apart as to be read."""
    axis.set_yscale("log")
    plain_numbers(axis.yaxis)
    axis.grid(alpha=0.3, linewidth=0.6)
    axis.spines[["top", "right"]].set_visible(False)
    to_axis = axis.transData + axis.transAxes.inverted()
    ends = [to_axis.transform(np.column_stack(line.get_data())[-1]) for line in axis.lines]
    lowest, below = -np.inf, 0.0  # the middle of the name below, and its height
    for i in sorted(range(len(ends)), key=lambda i: ends[i][1]):
        (x, y), line = ends[i], axis.lines[i]
        height = apart * (1 + 0.6 * str(line.get_label()).count("\n"))
        lowest, below = max(y, lowest + (below + height) / 2), height
        axis.annotate(
            line.get_label(), (x, y), (1.04, lowest), xycoords="axes fraction", color=line.get_color(), fontsize=8, va="center",
            arrowprops={"arrowstyle": "-", "color": line.get_color(), "linewidth": 0.5}, annotation_clip=False,
        )  # fmt: skip


def _save(figure: Any, path: Path) -> None:
    figure.tight_layout()
    metadata = {"Software": None}  # so that the same data make the same file
    figure.savefig(path, dpi=110, bbox_inches="tight", metadata=metadata)
    plt.close(figure)
