"""Which recipe each preset has, and what it changes of it."""

from __future__ import annotations

from agents.analysis.setting_words import departures_in_words
from agents.ram.config import Config
from agents.ram.presets import GENERAL, GENERAL_MOVES, PRESETS

RECIPES = {"`general`": GENERAL, "`general-moves`": GENERAL_MOVES, "the paper's": Config()}


def preset_table() -> str:
    """A Markdown table of the recipes, and of the presets that change the same of one: as far as they learn to look, without the length of training
    and the environment's keywords."""
    rows: dict[tuple[str, str], list[str]] = {}
    for name, config in PRESETS.items():
        if config.gaze.policy == "learned" and name not in (GENERAL.name, GENERAL_MOVES.name):
            rows.setdefault(_recipe(config), []).append(f"`{name}`")
    order = sorted(rows, key=lambda row: ([*RECIPES].index(row[0]), len(row[1])))
    lines = [f"| {recipe} | {changed or 'nothing'} | {', '.join(rows[recipe, changed])} |" for recipe, changed in order]
    return "\n".join(["| recipe | changed | presets |", "|---|---|---|", *lines])


def _recipe(config: Config) -> tuple[str, str]:
    """The recipe that differs least from these settings, and the differences in words."""
    anywhere = config.but(env=Config.env, env_args=(), train_env_args=())
    found = {name: departures_in_words(anywhere, recipe) for name, recipe in RECIPES.items()}
    nearest = min(found, key=lambda name: len(found[name]))
    return nearest, ", ".join(found[nearest])
