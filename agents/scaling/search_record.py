"""What a search found: its record as a table, as a picture, and the best of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

RECORD = "trials.json"


def best(record: Mapping[str, Any]) -> dict[str, Any] | None:
    """The finished trial with the lowest error on the validation episodes; None if none was finished."""
    first: dict[str, Any] = _ranked(record)[0]
    return first if first["percent"] >= 100 and first["error_percent"] is not None else None


def trials_table(record: Mapping[str, Any], rows: int | None = None) -> str:
    """A Markdown table of the trials, the best first, or of the first rows of it."""
    names = [*record["outcomes"][0]["values"]]
    lines = [f"| trial | {' | '.join(names)} | validation error in % | minutes | |", "|---" * (len(names) + 4) + "|"]
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

    Finished trials are filled, stopped ones empty, failed ones crosses.
    """
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.colors import LogNorm

    words = dict(word.split("=", 1) for word in record["space"])
    names = [*record["outcomes"][0]["values"]]
    ranked = _ranked(record)
    scored = [trial for trial in ranked if trial["error_percent"] is not None]
    failed = [trial for trial in ranked if trial["error_percent"] is None]
    errors = [max(trial["error_percent"], 1e-2) for trial in scored]
    colours = LogNorm(min(errors), max(errors) * 1.0001) if errors else None
    pairs = [(names[0], names[1])] if len(names) == 2 else [(name, "") for name in names]
    figure, axes = plt.subplots(1, len(pairs), figsize=(1.5 + 4 * len(pairs), 3.8), squeeze=False)
    for axis, (across, up) in zip(axes[0], pairs, strict=True):
        for group, style in (
            ([(t, e) for t, e in zip(scored, errors, strict=True) if t["percent"] >= 100], {"marker": "o"}),
            (
                [(t, e) for t, e in zip(scored, errors, strict=True) if t["percent"] < 100],
                {"marker": "v", "alpha": 0.5},
            ),
        ):
            points = axis.scatter(
                [t["values"][across] for t, _ in group],
                [t["values"][up] if up else e for t, e in group],
                c=[e for _, e in group], norm=colours, cmap="viridis_r", **style,
            )  # fmt: skip
        if up:
            axis.scatter([t["values"][across] for t in failed], [t["values"][up] for t in failed], marker="x", c="gray")
        axis.set(xlabel=across, ylabel=up or "validation error in %")
        axis.set_xscale("log" if words[across].startswith("log") else "linear")
        axis.set_yscale("log" if not up or words[up].startswith("log") else "linear")
    if errors:
        figure.colorbar(points, ax=axes[0].tolist(), label="validation error in %")
    figure.savefig(path, dpi=110, bbox_inches="tight", metadata={"Software": None})
    plt.close(figure)


def _ranked(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Finished trials first, then those that were stopped, then those that failed; the lowest error first."""
    return sorted(
        record["outcomes"],
        key=lambda trial: (trial["error_percent"] is None, trial["percent"] < 100, trial["error_percent"] or 0.0),
    )
