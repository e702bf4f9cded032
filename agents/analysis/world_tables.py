"""Tables of what agents learn in somebody else's world, and on somebody else's pictures: made of the results in results/worlds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

WORLDS = Path(__file__).resolve().parents[2] / "results" / "worlds"

ROWS: dict[str, dict[str, str]] = {
    "lava": {
        "lava3-today": "our agent, learnt gaze, three looks a step, by the recipe of today",
        "lava3-learned": "our agent, learnt gaze, three looks a step",
        "lava3-center": "our agent, always the centre, three looks a step",
        "lava3-random": "our agent, random looks, three looks a step",
        "lava-learned": "our agent, learnt gaze",
        "lava-center": "our agent, always the centre",
        "lava-random": "our agent, random looks",
        "lava-full-view": "our agent, the whole world at once",
        "lava-ppo-learned": "PPO, learnt gaze",
        "lava-ppo-center": "PPO, always the centre",
        "lava-ppo-random": "PPO, random looks",
        "lava-ppo-full-view": "PPO, the whole world at once",
    },
    "lamp": {
        "lamp-learned": "our agent, learnt gaze",
        "lamp-center": "our agent, always the centre",
        "lamp-random": "our agent, random looks",
    },
    "images": {
        "images-learned": "our agent, learnt gaze",
        "images-learned-conv": "our agent with convolutions, learnt gaze",
        "images-learned-conv-large": "the same agent, on pictures of 4000x3000 that are read as 600x450",
        "images-center-conv": "our agent with convolutions, always the centre",
        "images-random-conv": "our agent with convolutions, random looks",
        "images-conv-whole": "a convolutional network, the whole image shrunk to 150x100",
    },
}
"""Table -> name of each result -> what it is called."""


def world_table(name: str, folder: Path = WORLDS) -> str:
    """A Markdown table of one world's results on the test episodes, in the order of `ROWS`, and those not made yet have no row; "times" is the other one."""
    if name == "times":
        return times_of_images(folder / "image_times.json")
    found = {row: folder / f"{row}.json" for row in ROWS[name]}
    read = {row: json.loads(path.read_text()) for row, path in found.items() if path.exists()}
    runs = {row: run if "test" in run else {"test": run} for row, run in read.items()}  # what evaluate_ram.py wrote
    if not runs:
        return f"No results yet in results/worlds: {', '.join(ROWS[name])}."
    by_return = all("mean_return" in run["test"] for run in runs.values())
    figure = "mean return" if by_return else "test error in %"
    lines = [
        f"| agent | {figure} | episodes scored | glimpses | frames of training | minutes | date |",
        "|---|---|---|---|---|---|---|",
    ]
    return "\n".join([*lines, *(_line(ROWS[name][row], run) for row, run in runs.items())])


def times_of_images(path: Path = WORLDS / "image_times.json") -> str:
    """A Markdown table of what an image costs by its size, from the measurements of `image_times.py`."""
    if not path.exists():
        return "No results yet: python agents/analysis/image_times.py"
    lines = [
        "| image | scales | table, MB | reading it and a first look, ms | a further look, ms | an episode of our agent, ms "
        "| a convolutional network on all of it, ms |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {row['width']}x{row['height']}{', shrunk as it is read' * row['shrunk']} | {row['scales']} | {row['table_megabytes']:.1f} "
        f"| {row['read_milliseconds']:.1f} | {row['look_milliseconds']:.2f} | {row['episode_milliseconds']:.1f} "
        f"| {row['network_milliseconds']:.1f} |"
        for row in json.loads(path.read_text())["rows"]
    ]
    return "\n".join(lines)


def _line(label: str, run: dict[str, Any]) -> str:
    score = run["test"]
    shown = f"{100 - 100 * score['success']:.1f}" if "success" in score else f"{score['mean_return']:.2f}"
    error = 100 * score["standard_error"] if "success" in score else score["standard_error"]
    digits = 1 if "success" in score else 2
    glimpses = f"{score['mean_glimpses']:.1f}" if "mean_glimpses" in score else "-"
    trained = f"{run['frames']:,} | {run['minutes']:.1f} | {run['date']}" if "frames" in run else "- | - | -"
    return f"| {label} | {shown} ± {error:.{digits}f} | {score['episodes']:,} | {glimpses} | {trained} |"
