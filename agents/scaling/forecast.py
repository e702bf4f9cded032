"""How long runs will take on so many processors: by what earlier ones took, and by what Ray was measured to cost."""

from __future__ import annotations

import heapq
import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parents[2] / "results"


@dataclass(frozen=True)
class Costs:
    """What it costs to have runs made by Ray, in seconds.

    Attributes:
        start: until Ray runs.
        worker: until a processor's first run begins.
        next_run: between two runs of a processor.
        report: that a run stands still for each checkpoint.
        driver: of it, what the driver is busy with, which has to do with one run at a time.
    """

    start: float = 0.0
    worker: float = 0.0
    next_run: float = 0.0
    report: float = 0.0
    driver: float = 0.0


def by_gpu(run: dict[str, Any]) -> bool:
    """Whether a GPU made the run."""
    return str(run["machine"]).startswith("cuda")


def timed(runs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The runs of a row whose minutes can be compared: those that a processor made, or all where a GPU made all."""
    return [run for run in runs if not by_gpu(run)] or [*runs]


def expected_minutes(preset: str, config: Any, results: Path = RESULTS) -> float | None:
    """Minutes that a run takes by what earlier ones of its preset took, whatever their length; None if there are none."""
    found = [json.loads(path.read_text()) for path in results.glob(f"{preset}-seed*.json")]
    if not found:
        return None
    unit = "frames" if hasattr(config.run, "frames") else "episodes"
    pace = statistics.mean(run["minutes"] / run["config"]["run"][unit] for run in timed(found))
    return float(pace * getattr(config.run, unit))


def wall_minutes(
    minutes: Sequence[float], processors: int, costs: Costs = Costs(), reports: Sequence[int] = ()
) -> float:
    """Minutes until all runs are made, each processor taking the next one when it is free.

    Args:
        minutes: of each run, in the order in which they begin.
        processors: how many there are.
        costs: what Ray costs.
        reports: how many each run makes; by default none.
    """
    left = [*zip(minutes, reports or [0] * len(minutes), strict=True)]
    free = [(costs.start + costs.worker, number, 0, 0.0) for number in range(min(processors, len(left)))]
    driver, end = 0.0, 0.0  # when the driver is free, and when the last run ended
    while free:  # time of a processor's next event, its number, reports left of its run, seconds between them
        now, number, still, pause = heapq.heappop(free)
        if still:
            driver = max(driver, now) + costs.driver
            now = driver + costs.report - costs.driver
            heapq.heappush(free, (now + pause, number, still - 1, pause))
            continue
        end = max(end, now)
        if left:
            length, count = left.pop(0)
            pause = 60 * length / (count + 1)
            heapq.heappush(free, (now + costs.next_run + pause, number, count, pause))
    return end / 60


def announced(minutes: Sequence[float | None], processors: int) -> str:
    """What is said before runs begin: how many, on how many processors, how long by what earlier ones took."""
    known = [length for length in minutes if length is not None]
    runs = f"{len(minutes)} run{'s' * (len(minutes) != 1)}, {processors} at a time"
    if not known:
        return f"{runs}; no earlier result tells how long they take."
    guess = statistics.mean(known)
    wall = wall_minutes([guess if length is None else length for length in minutes], processors)
    unknown = len(minutes) - len(known)
    beside = f" ({unknown} of them without an earlier result, at the mean of the others)" * bool(unknown)
    return f"{runs}: about {_spoken(wall)} by what earlier ones took{beside}."


def _spoken(minutes: float) -> str:
    if minutes < 1:
        return "a minute"
    return f"{minutes:.0f} minutes" if minutes < 120 else f"{minutes / 60:.0f} hours"
