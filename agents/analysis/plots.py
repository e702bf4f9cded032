"""Every picture of the documentation, from the shipped agents and the files of results.

python agents/analysis/plots.py                        # all of them, into docs/
python agents/analysis/plots.py --only catch learning
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

if not __package__:  # run as a file: import from the repository, not from agents/
    sys.path[0] = str(Path(__file__).resolve().parents[2])

import tyro

from agents.analysis.curves import (
    catch_learning,
    error_by_glimpses,
    error_by_minutes,
    errors_by_frames,
    paper_recipe,
    reward_alone,
    search_trials,
    step_sizes,
)
from agents.analysis.episode_pictures import (
    agents_at_work,
    episode_gif,
    fixation_paths,
    oracle_gif,
    photograph,
    stopping_paths,
)
from agents.analysis.tables import RESULTS
from agents.experiment.command_line import command
from agents.ram.presets import DEFAULTS
from ram_envs import ENV_IDS
from ram_envs.rendering import PATH_COLOUR, SCALE_COLOURS

DOCS = RESULTS.parent / "docs"
LAVA = "examples.minigrid_lava:RetinaLavaGap-v0"


def logo(path: Path) -> None:
    """The squares of a retina, one in the other, and the point that it looks at."""
    squares = [
        f'<rect x="{x}" y="{x}" width="{64 - 2 * x}" height="{64 - 2 * x}" rx="3" stroke="rgb{colour}"/>'
        for x, colour in zip((4, 15, 24), reversed(SCALE_COLOURS[:3]), strict=True)
    ]
    lines = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64" fill="none" stroke-width="5">', *squares]
    path.write_text("\n".join([*lines, f'<circle cx="32" cy="32" r="4" fill="rgb{PATH_COLOUR}"/>', "</svg>", ""]))


PICTURES: dict[str, Callable[[Path], None]] = {
    "logo.svg": logo,
    "headline.gif": episode_gif("GlimpseMNIST-Cluttered60-v0", "cluttered60-stop", 8, seed=0, fps=1.5, size=400),
    "at-work.png": agents_at_work,
    **{f"{env_id.removesuffix('-v0')}.gif": episode_gif(env_id) for env_id in DEFAULTS},
    **{f"{env_id.removesuffix('-v0')}.gif": oracle_gif(env_id) for env_id in ENV_IDS if env_id not in DEFAULTS},
    "CatchBall.gif": episode_gif("CatchBall-v0", fps=10),
    "RetinaLavaGap.gif": episode_gif(LAVA, "worlds/lava3-learned", episodes=3, seed=0, fps=3),  # needs minigrid
    "photograph.png": photograph,  # needs the folder found/
    "GlimpseMNIST-Moving60.gif": oracle_gif("GlimpseMNIST-Moving60-v0", episodes=2, fps=4),
    "figure3-cluttered60.png": fixation_paths("GlimpseMNIST-Cluttered60-v0"),
    "figure3-cluttered100.png": fixation_paths("GlimpseMNIST-Cluttered100-v0"),
    "stopping-cluttered60.png": stopping_paths,
    "stopping-cluttered60.gif": episode_gif("GlimpseMNIST-Cluttered60-v0", "cluttered60-stop", episodes=6, seed=10),
    "error-by-glimpses.png": error_by_glimpses,
    "error-by-minutes.png": error_by_minutes,
    "catch-learning.png": catch_learning,
    "reward-alone.png": reward_alone,
    "mnist-by-frames.png": errors_by_frames("mnist"),
    "catch-by-frames.png": errors_by_frames("catch"),
    "step-sizes.png": step_sizes,
    "paper-recipe.png": paper_recipe,
    "search-mnist-6-faithful.png": search_trials("mnist-6-faithful"),
}
"""File in docs/ -> what makes it."""


@dataclass(frozen=True)
class PlotsCommand:
    """Makes the pictures of the documentation."""

    only: tuple[str, ...] = ()
    """Make only the pictures whose names contain one of these; by default all."""
    out: Path = DOCS
    """Where they go."""


@command
def main() -> None:
    """`python agents/analysis/plots.py`"""
    flags = tyro.cli(PlotsCommand)
    chosen = [name for name in PICTURES if not flags.only or any(word in name for word in flags.only)]
    if not chosen:
        raise ValueError(f"--only must name some of {', '.join(PICTURES)}, got {' '.join(flags.only)}.")
    if flags.out.exists() and not flags.out.is_dir():
        raise ValueError(f"--out must be a folder, got {flags.out}.")
    flags.out.mkdir(parents=True, exist_ok=True)
    for name in chosen:
        try:
            PICTURES[name](flags.out / name)
            print(f"Wrote {flags.out / name}")
        except FileNotFoundError as error:
            print(f"Left out {name}: {error}")


if __name__ == "__main__":
    main()
