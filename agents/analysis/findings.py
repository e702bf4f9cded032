"""What single changes are worth: pairs of result files, without and with the change."""

from __future__ import annotations

import json
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents.analysis.tables import RESULTS


@dataclass(frozen=True)
class Finding:
    """One change.

    Attributes:
        topic: name of the group that a page may ask for.
        change: what was changed, and where.
        without: pattern of the result files without it, below results/.
        with_it: the same with it.
    """

    topic: str
    change: str
    without: str
    with_it: str


FINDINGS = (
    Finding("gaze", "cluttered digits 60x60, 2 M frames: a learnt gaze instead of random places", "cluttered60-2m-random-seed*", "cluttered60-2m-ram-seed*"),
    Finding("gaze", "cluttered digits 100x100: the same", "cluttered100-2m-random-seed*", "cluttered100-2m-ram-seed*"),
    Finding("gaze", "the sum of two digits, 100x100: the same", "sum100-2m-random-seed*", "sum100-2m-ram-seed*"),
    Finding("gaze", "Catch: a learnt gaze instead of the centre", "catch-center-seed*", "catch-seed*"),
    Finding("looks", "Catch, 2 M frames: the general recipe, whose looks are compared, instead of REINFORCE and the recipe of Catch", "ablations/catch-2m-base-seed*", "catch-2m-ram-seed*"),
    Finding("convolutions", "translated digits: convolutions in the glimpse network", "translated60-8-seed*", "translated60-8-conv-seed*"),
    Finding("convolutions", "cluttered digits 60x60: the same", "cluttered60-8-seed*", "cluttered60-8-conv-seed*"),
    Finding("convolutions", "cluttered digits 100x100: the same", "cluttered100-8-seed*", "cluttered100-8-conv-seed*"),
    Finding("recipe", "the paper's own recipe, 28x28, six epochs: the gaze's loss in units of its variance", "ablations/mnist-6-faithful-weight", "ablations/mnist-6-faithful-short"),
    Finding("recipe", "28x28, six glimpses: training digits moved, turned, stretched and slanted a little", "ablations/mnist-6-in-place", "mnist-6-seed*"),
    Finding("catch", "Catch, 6 M frames: an entropy bonus", "ablations/catch-e-entropy0", "ablations/catch-six-seed*"),
    Finding("catch", "Catch, 6 M frames: pixels times 10", "ablations/catch-e-gain1", "ablations/catch-six-seed*"),
    Finding("catch", "Catch, 6 M frames: lambda 0.95 instead of 1", "ablations/catch-e-lambda1", "ablations/catch-six-seed*"),
    Finding("labels", "28x28, 2 M frames: labels instead of the reward alone", "mnist-2m-reward-seed*", "mnist-2m-ram-seed*"),
    Finding("labels", "cluttered digits 60x60, 2 M frames: the same", "cluttered60-2m-reward-seed*", "cluttered60-2m-ram-seed*"),
    Finding("memory", "PPO, 28x28, 2 M frames: sees all its glimpses, settings of hyperparams/", "mnist-2m-ppo-seed*", "mnist-2m-ppo-history-seed*"),
    Finding("stock", "RecurrentPPO, 28x28, 2 M frames: whole episodes, a gaze that begins in the middle", "mnist-2m-recurrent-ppo-seed*", "mnist-2m-recurrent-ppo-hybrid-seed*"),
)  # fmt: skip


def findings_table(topic: str, results: Path = RESULTS) -> str:
    """A Markdown table of the findings of a topic, or of "all"."""
    lines = ["| change | without, % | with, % | seeds |", "|---|---|---|---|"]
    for finding in FINDINGS:
        if topic in ("all", finding.topic):
            without, with_it = (_load(pattern, results) for pattern in (finding.without, finding.with_it))
            split = "test" if all("test" in run for run in (*without, *with_it)) else "validation"
            note = "" if split == "test" else " (validation)"
            lines.append(
                f"| {finding.change}{note} | {_error(without, split):.2f} | {_error(with_it, split):.2f} | {len(without)}, {len(with_it)} |"
            )
    return "\n".join(lines)


def _load(pattern: str, results: Path) -> list[dict[str, Any]]:
    """The results that a pattern names.

    Raises:
        FileNotFoundError: if there is none.
    """
    found = [json.loads(path.read_text()) for path in sorted(results.glob(f"{pattern}.json"))]
    if not found:
        raise FileNotFoundError(f"No result file {pattern}.json in {results}.")
    return found


def _error(runs: list[dict[str, Any]], split: str) -> float:
    return float(statistics.mean(run[split]["error_percent"] for run in runs))
