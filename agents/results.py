"""The files of results, and the table that is made of them."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parents[1] / "results"
README = RESULTS.parent / "README.md"
BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"

PAPER: dict[str, float | None] = {
    "mnist-2": 3.79, "mnist-3": 1.51, "mnist-4": 1.54, "mnist-5": 1.34, "mnist-6": 1.12, "mnist-7": 1.07,
    "translated60-4": 1.54, "translated60-6": 1.22, "translated60-8": 1.2,
    "cluttered60-4": 4.96, "cluttered60-6": 4.08, "cluttered60-8": 4.04, "cluttered60-random": 14.4,
    "cluttered100-4": 9.41, "cluttered100-6": 8.31, "cluttered100-8": 8.11, "cluttered100-random": 28.4,
    "mnist-6-faithful": 1.12, "catch": 15.0, "catch-faithful": 15.0,
    "catch-center": None, "catch-random": None, "catch-full-view": None,
    "catch-48": None, "catch-fast": None, "catch-two-balls": None,
}  # fmt: skip
"""Error in % of each preset's row in Mnih et al. 2014, Tables 1 and 2 and section 4.2; None where it has none."""


def result_path(preset: str, seed: int, results: Path = RESULTS) -> Path:
    """Where the result of a preset's run with that seed is kept."""
    return results / f"{preset}-seed{seed}.json"


def load_results(results: Path = RESULTS) -> dict[str, list[dict[str, Any]]]:
    """Preset -> its results, by seed, in the order of the paper's tables."""
    found: dict[str, list[dict[str, Any]]] = {}
    for preset in PAPER:
        paths = sorted(results.glob(f"{preset}-seed*.json"))
        if paths:
            found[preset] = [json.loads(path.read_text()) for path in paths]
    return found


def table(results: dict[str, list[dict[str, Any]]]) -> str:
    """A Markdown table of the errors on the test episodes, beside the paper's."""
    lines = [
        "| preset | paper | test error in %, mean | spread over seeds | seeds | episodes seen | minutes | date |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for preset, runs in results.items():
        errors = [run["test"]["error_percent"] for run in runs]
        spread = f"{min(errors):.2f} to {max(errors):.2f}" if len(errors) > 1 else "-"
        seen = runs[0]["config"]["total_episodes"]
        minutes = statistics.mean(run["minutes"] for run in runs)
        seeds = ", ".join(str(run["config"]["seed"]) for run in runs)
        lines.append(
            f"| `{preset}` | {PAPER[preset] or '-'} | {statistics.mean(errors):.2f} | {spread} | {seeds} "
            f"| {seen / 1e6:.2f} M | {minutes:.0f} | {max(run['date'] for run in runs)} |"
        )
    return "\n".join(lines)


def write_readme(readme: Path = README) -> None:
    """Puts the table between the README's two marks.

    Raises:
        ValueError: if the marks are not there.
    """
    text = readme.read_text()
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{readme} has no {BEGIN} ... {END} to put the table between.")
    readme.write_text(f"{before}{BEGIN}\n{table(load_results())}\n{END}{after}")
