"""Puts the tables between their marks in the README and in docs/."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from agents.analysis.ablation_tables import ablation_table, parts_table
from agents.analysis.findings import findings_table
from agents.analysis.preset_table import preset_table
from agents.analysis.result_tables import comparison_tables, headline_table, results_tables
from agents.analysis.tables import (
    RESULTS,
    core_speed_table,
    gpu_table,
    load_results,
    paper_recipe_table,
    ray_costs_table,
    ray_simulation_table,
    search_table,
    sizes_table,
    step_speed_table,
    stopping_table,
    times_table,
    times_to_errors_table,
)
from agents.analysis.world_tables import world_table

ROOT = RESULTS.parent
MARK = re.compile(r"<!-- ([a-z][^:]*): begin -->\n.*?<!-- \1: end -->", re.DOTALL)
TABLES: dict[str, Callable[[], str]] = {
    "headline": lambda: headline_table(load_results()),
    "results": lambda: results_tables(load_results()),
    "comparison": lambda: comparison_tables(load_results()),
    "presets": preset_table,
    "paper recipe": paper_recipe_table,
    "parts": parts_table,
    "image sizes": sizes_table,
    "times": times_table,
    "core speed": core_speed_table,
    "gpu": gpu_table,
    "step speed": step_speed_table,
    "time to accuracy": times_to_errors_table,
    "ray costs": ray_costs_table,
    "ray simulation": ray_simulation_table,
}
"""The mark of a table -> what makes it."""
TABLES_OF: dict[str, Callable[[str], str]] = {
    "findings": findings_table,
    "ablations": ablation_table,
    "stopping": stopping_table,
    "search": search_table,
    "worlds": world_table,
}
"""The first word of a mark -> what makes the table of the name that follows."""


def pages() -> tuple[Path, ...]:
    """The README, and every page of docs/."""
    return (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))


def table_of(mark: str) -> str:
    """The table of a mark in Markdown, such as "results" or "ablations catch".

    Raises:
        ValueError: if there is no such table.
    """
    if mark in TABLES:
        return TABLES[mark]()
    kind, _, name = mark.partition(" ")
    if kind not in TABLES_OF:
        raise ValueError(f"There is no table {mark!r}, only {[*TABLES]}, and {[*TABLES_OF]} with a name.")
    return TABLES_OF[kind](name)


def filled(text: str) -> str:
    """A page with its tables made anew."""
    return MARK.sub(lambda mark: f"<!-- {mark[1]}: begin -->\n{table_of(mark[1])}\n<!-- {mark[1]}: end -->", text)


def write_pages() -> None:
    """Makes the tables of all pages anew."""
    for page in pages():
        page.write_text(filled(page.read_text(encoding="utf-8")), encoding="utf-8")
