"""When an agent that decides to stop does so: by distractors near the digit, by the first look's distance from it, by class.

python agents/analysis/stopping_habits.py --checkpoint results/cluttered60-stop.pt
python agents/analysis/stopping_habits.py --checkpoint results/cluttered60-prices.pt --price 0.02
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

if not __package__:  # run as a file: import from the repository, not from agents/
    sys.path[0] = str(Path(__file__).resolve().parents[2])

import numpy as np
import torch
import tyro
from numpy.typing import NDArray

from agents.experiment.command_line import checkpoint_path, command
from agents.experiment.device import prepare_torch
from agents.experiment.episodes import HeldOutEpisodes
from agents.ram.checkpoint import load_agent, load_state
from agents.ram.command_line import demand_price
from agents.ram.rollout import collect_rollout
from ram_envs.digit_scenes import clutter_corners
from ram_envs.glimpse_mnist import GlimpseMNISTVectorEnv
from ram_envs.glimpse_sensor import to_pixels


@dataclass(frozen=True)
class HabitsCommand:
    """Says how many glimpses an agent takes for which test digits, and how often it errs on them."""

    checkpoint: Path
    """The checkpoint, or the folder of a run, of an agent that may stop."""
    price: float | None = None
    """Price of a glimpse that the agent is told, where it was trained for a range of them."""


@dataclass(frozen=True)
class Habits:
    """What happened on each test digit; all of shape (N,).

    Attributes:
        glimpses: taken.
        right: whether the answer was.
        labels: the digit.
        first_distance: from the first glimpse to the digit's middle, in half image sides.
        distractors: pieces of clutter that reach into the square of the digit.
    """

    glimpses: NDArray[np.int64]
    right: NDArray[np.bool_]
    labels: NDArray[np.int64]
    first_distance: NDArray[np.float32]
    distractors: NDArray[np.int64]


def habits(checkpoint: Path, price: float | None = None, lanes: int | None = None) -> Habits:
    """Lets an agent that may stop look at every test digit once, greedily.

    Raises:
        ValueError: if it is not an agent of digits that may stop, or is not told such a price.
    """
    config = load_state(checkpoint)["config"].but(run={"device": "cpu"})
    prepare_torch(config)
    held_out = HeldOutEpisodes(config, "test", lanes=lanes)
    envs = held_out.envs
    if config.stopping is None or not isinstance(envs.unwrapped, GlimpseMNISTVectorEnv):
        raise ValueError(f"{checkpoint} holds no agent of digits that learnt when to stop.")
    demand_price(config, price)
    world, agent, columns = envs.unwrapped, load_agent(checkpoint, envs), []
    for batch in held_out:
        assert batch.options is not None, "Digits are chosen by their number."
        index = batch.options["index"]
        _, info = envs.reset(options=batch.options)  # a held-out image has the same scene every time
        with torch.no_grad():
            rollout = collect_rollout(agent, envs, options=batch.options, greedy=True, prices=price)
        pieces = clutter_corners(world.held_out_draws(index)[:, 3:], world.recipe) + world.recipe.clutter_size / 2
        digits = to_pixels(info["target_location"], *world.recipe.canvas)
        reach = (np.array(world.data.images.shape[2:0:-1]) + world.recipe.clutter_size) / 2
        columns.append(
            (
                rollout.num_glimpses.numpy(),
                rollout.successes.numpy(),
                info["label"],
                rollout.target_distances[0].numpy(),
                (np.abs(pieces - digits[:, None]) < reach).all(-1).sum(1),
            )
        )
    envs.close()
    return Habits(*(np.concatenate(parts)[: held_out.total] for parts in zip(*columns, strict=True)))


def habits_table(found: Habits) -> str:
    """A Markdown table: glimpses and error of the digits that have something in common."""
    groups: list[tuple[str, NDArray[np.bool_]]] = [("all", np.ones_like(found.right))]
    if found.distractors.any():
        most = int(found.distractors.max())
        groups += [(f"distractors at the digit: {n}", found.distractors == n) for n in range(most + 1)]
    edges = np.quantile(found.first_distance, (0, 0.25, 0.5, 0.75, 1))
    for i, (near, far) in enumerate(pairwise(edges)):
        within = (found.first_distance >= near) & ((found.first_distance < far) | (i == 3))
        groups.append((f"first look {near:.2f} to {far:.2f} off", within))
    groups += [(f"class {label}", found.labels == label) for label in np.unique(found.labels)]
    groups += [(f"answered after {n}", found.glimpses == n) for n in np.unique(found.glimpses)]
    lines = ["| digits | how many | glimpses, mean | test error in % |", "|---|---|---|---|"]
    lines += [
        f"| {name} | {which.sum():,} | {found.glimpses[which].mean():.2f} | {100 * (1 - found.right[which].mean()):.2f} |"
        for name, which in groups
        if which.any()
    ]
    return "\n".join(lines)


@command
def main() -> None:
    """`python agents/analysis/stopping_habits.py`"""
    flags = tyro.cli(HabitsCommand)
    print(habits_table(habits(checkpoint_path(flags.checkpoint), flags.price)))


if __name__ == "__main__":
    main()
