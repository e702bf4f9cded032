"""Tables of the shorter runs that tried something else: what was changed, in words, and what came of it."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

from agents.analysis.setting_words import departures_in_words
from agents.analysis.tables import RESULTS
from agents.ram.config import Config
from agents.ram.presets import PRESETS

STEPS = {"mean": "relative", "pathway": "separate", "into_core": 0.0}  # a gaze that does not point, as it was
BASES: dict[str, Config] = {
    **PRESETS,
    "recipe": PRESETS["general"].but(gaze=STEPS),
    "mnist-6": PRESETS["mnist-6"].but(train_env_args=(), gaze={"border_penalty": 0.0}),
    "catch-2m": PRESETS["catch"],
    "moves": PRESETS["general-moves"].but(  # as it was on 2026-11-26
        gaze={**STEPS, "exploration_fraction": 0.3},
        counterfactual={"judge": "value"},
        learning={"rollout_steps": 0, "parts": 1, "baseline_weight": 23.0},
        optimizer={"warm_up": 1.0},
    ),
    "catch-first": PRESETS["catch"].but(
        network={"glimpse_gain": 1.0}, optimizer={"weight_averaging": 0.0}, run={"matmul_precision": "medium"}
    ),
}
"""What the runs of a table of ablations are compared with: a preset, or one as it was when they were made."""

UNCHANGED = "nothing: the recipe itself"

TASKS = {"cluttered60": "cluttered digits, error", "odd-one-out": "odd one out, error", "lamp": "lamp, return"}
"""What the parts of the general recipe are tried on: results/ablations/parts-TASK-PART-seed*.json -> what is told of them."""
PARTS = {
    "recipe": UNCHANGED,
    "relative": "a Gaussian around a step from the last location, not a gaze that points",
    "rate": "the same, and all of the learning rate from the start",
    "reinforce": "REINFORCE in place of compared looks, standard deviation 0.3 to 0.05",
    "anywhere": "far candidates anywhere, not where there is contrast",
    "shared": "one core for answers or moves and the gaze",
    "plain": "plain pixels, not standardised ones",
    "lstm": "an LSTM alone, without attention",
}
"""Part -> what is in its place."""


def parts_table(results: Path = RESULTS) -> str:
    """A Markdown table of what becomes of the general recipe without one of its parts, by task: mean, spread and number of seeds, and minutes."""
    lines = [f"| changed | {' | '.join(TASKS.values())} |", "|---|" + "---|" * len(TASKS)]
    for part, words in PARTS.items():
        cells = []
        for task in TASKS:
            found = sorted((results / "ablations").glob(f"parts-{task}-{part}-seed*.json"))
            cells.append(_cell([json.loads(path.read_text()) for path in found]))
        lines.append(f"| {words} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(runs: list[dict[str, Any]]) -> str:
    """Mean and spread of the validation error in %, or of the return where nothing is right or wrong, and the minutes that a run took."""
    if not runs:
        return "-"
    figure, unit = ("error_percent", " %") if "error_percent" in runs[0]["validation"] else ("mean_return", "")
    values = [run["validation"][figure] for run in runs]
    minutes = statistics.mean(run["minutes"] for run in runs)
    spread = f" ({min(values):.1f} to {max(values):.1f})" if len(values) > 1 else ""
    return f"{statistics.mean(values):.1f}{unit}{spread}; {minutes:.1f} min"


def ablation_table(name: str, results: Path = RESULTS) -> str:
    """A Markdown table of the runs results/ablations/NAME-*.json, the shorter before the longer, the recipe itself first, then by
    error on the validation episodes. Runs that differ in their seed alone are one row.
    """
    longer = tuple(f"{other}-" for other in BASES if other.startswith(f"{name}-"))
    rows: dict[tuple[float, str], list[dict[str, Any]]] = {}
    for path in sorted((results / "ablations").glob(f"{name}-*.json")):
        if path.name.startswith(longer):
            continue
        run = json.loads(path.read_text())
        settings = Config.from_dict(run["config"])  # what it does not name was at its default
        changed = ", ".join(departures_in_words(settings, BASES[name])) or UNCHANGED
        rows.setdefault((round(run["frames"] / 1e6, 1), changed), []).append(run)
    lines = ["| changed | M frames | error, % | seeds |", "|---|---|---|---|"]
    for (frames, changed), runs in sorted(
        rows.items(), key=lambda row: (row[0][0], row[0][1] != UNCHANGED, _mean(row[1]))
    ):
        errors = sorted(run["validation"]["error_percent"] for run in runs)
        spread = f" ({errors[0]:.2f} to {errors[-1]:.2f})" if len(runs) > 1 else ""
        seeds = ", ".join(str(run["config"]["seed"]) for run in runs)
        lines.append(f"| {changed} | {frames} | {_mean(runs):.2f}{spread} | {seeds} |")
    return "\n".join(lines)


def _mean(runs: list[dict[str, Any]]) -> float:
    return float(statistics.mean(run["validation"]["error_percent"] for run in runs))
