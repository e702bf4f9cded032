"""What a search found: its record as a table, as a picture, and the best of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

RECORD = "trials.json"
ERROR = "validation error in %"
LEAST = 0.01  # the lowest error in a picture, whose scale is logarithmic


def best(record: Mapping[str, Any]) -> dict[str, Any] | None:
    """The finished trial with the lowest error on the validation episodes; None if none was finished."""
    first: dict[str, Any] = _ranked(record)[0]
    return first if first["percent"] >= 100 and first["error_percent"] is not None else None


def trials_table(record: Mapping[str, Any], rows: int | None = None) -> str:
    """A Markdown table of the trials, the best first, or of the first rows of it."""
    names = [*record["outcomes"][0]["values"]]
    lines = [f"| trial | {' | '.join(names)} | validation, % | minutes | |", "|---" * (len(names) + 4) + "|"]
    for trial in _ranked(record)[:rows]:
        drawn = " | ".join(
            f"{value:.3g}" if isinstance(value, float) else str(value) for value in trial["values"].values()
        )
        error = "-" if trial["error_percent"] is None else f"{trial['error_percent']:.2f}"
        stopped = "" if trial["percent"] >= 100 else f"stopped at {trial['percent']:.0f} %"
        lines.append(
            f"| {trial['trial'].removeprefix('trial-')} | {drawn} | {error} | {trial['minutes']:.1f} | {trial['failed'].partition(': ')[2] or stopped} |"
        )
    return "\n".join(lines)


def draw_trials(record: Mapping[str, Any], path: Path) -> None:
    """A picture of the trials: two settings against each other, coloured by error, or else each against the error.

    Finished trials are discs, stopped ones pale triangles, failed ones crosses.
    """
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import ListedColormap, LogNorm

    logarithmic = {name: way.startswith("log") for name, _, way in (word.partition("=") for word in record["space"])}
    names = [*record["outcomes"][0]["values"]]
    pairs = [tuple(names)] if len(names) == 2 else [(name, ERROR) for name in names]
    trials = [{**trial["values"], ERROR: _drawn(trial["error_percent"]), **trial} for trial in _ranked(record)]
    errors = [trial[ERROR] for trial in trials if trial[ERROR] is not None] or [LEAST]
    no_yellow = ListedColormap(plt.colormaps["viridis"].resampled(300).colors[:256])  # type: ignore[attr-defined]
    colours = ScalarMappable(LogNorm(min(errors), 1.0001 * max(errors)), no_yellow)
    figure, axes = plt.subplots(1, len(pairs), figsize=(1.5 + 4 * len(pairs), 3.8), squeeze=False)
    for axis, (across, up) in zip(axes[0], pairs, strict=True):
        for trial in reversed(trials):  # the best on top
            if trial[ERROR] is None:
                style: dict[str, Any] = {"marker": "x", "color": "gray"}
            else:
                done = trial["percent"] >= 100
                style = {
                    "marker": "o" if done else "v",
                    "alpha": 1 if done else 0.4,
                    "color": colours.to_rgba(trial[ERROR]),
                }
            if trial[up] is not None:
                axis.scatter(trial[across], trial[up], **style)
        axis.set(xlabel=across, ylabel=up)
        for scaled, name, of in ((axis.set_xscale, across, axis.xaxis), (axis.set_yscale, up, axis.yaxis)):
            if name == ERROR or logarithmic[name]:
                scaled("log")
                plain_numbers(of)
    if len(names) == 2:
        plain_numbers(figure.colorbar(colours, ax=axes[0].tolist(), label=ERROR).ax.yaxis)
    figure.savefig(path, dpi=110, bbox_inches="tight", metadata={"Software": None})
    plt.close(figure)


def plain_numbers(axis: Any) -> None:
    """Numbers without powers along a logarithmic axis: 1, 2 and 5 of each decade, of many decades 1 alone."""
    from matplotlib import ticker

    low, high = axis.get_view_interval()
    axis.set_major_locator(ticker.LogLocator(subs=(1.0, 2.0, 5.0) if high / low < 2000 else (1.0,)))
    axis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(ticker.NullFormatter())


def _ranked(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Finished trials first, then those that were stopped, then those that failed; the lowest error first."""
    return sorted(
        record["outcomes"],
        key=lambda trial: (trial["error_percent"] is None, trial["percent"] < 100, trial["error_percent"] or 0.0),
    )


def _drawn(error: float | None) -> float | None:
    """An error as a logarithmic axis takes it."""
    return None if error is None else max(error, LEAST)
