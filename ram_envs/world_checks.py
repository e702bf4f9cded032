"""What a world hands on is checked where it begins, so that an error names what the world said and not what stumbled over it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np

from ram_envs.arguments import shown, whole_number

OURS = ("location", "control")  # names that an action has for something else


def check_screen_and_choices(screen: Any, choices: Any) -> None:
    """A ValueError unless the screen is (height, width, channels) and the choices are names with a number of options each."""
    if not isinstance(screen, tuple | list) or len(screen) != 3:
        raise ValueError(f"screen must be (height, width, channels), got {shown(screen)}.")
    for name, side in zip(("height", "width", "number of channels"), screen, strict=True):
        whole_number(f"The {name} of the screen", side, 1)
    if not isinstance(choices, Mapping):
        raise ValueError(f"choices must name choices and their numbers of options, got {shown(choices)}.")
    for name, size in choices.items():
        if not isinstance(name, str) or name in OURS:
            raise ValueError(f"A choice must have a name other than {' and '.join(OURS)}, got {shown(name)}.")
        whole_number(f"The number of options of the choice {name!r}", size, 1)


def check_facts(world: Any, facts: Mapping[str, Any], choices: Mapping[str, int]) -> None:
    """A ValueError unless facts are arrays with a row for each lane, and the label, where the world tells it, is an option of its answer."""
    place = f"{type(world).__name__}.facts"
    for name, values in facts.items():
        if not isinstance(values, np.ndarray) or not values.ndim or len(values) != world.num_envs:
            got = shown(values) if getattr(values, "shape", ()) else f"{type(values).__name__} {shown(values)}"
            raise ValueError(
                f"{place} must give {name!r} an array with a row for each of {world.num_envs} lanes, got {got}."
            )
    if not world.tells_label:
        if "label" in facts and "answer" in choices and "tells_label" not in vars(world):
            gym.logger.warn(
                f"{place} gives a 'label' that no agent will learn from: with self.tells_label = True, after super().__init__, it is the right answer."
            )
        return
    if "label" not in facts or "answer" not in choices:
        raise ValueError(
            f'With tells_label the world needs a choice "answer", and {place} its right option as "label".'
        )
    labels, options = facts["label"], choices["answer"]
    if labels.shape != (world.num_envs,) or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(f"{place} must give 'label' whole numbers of shape ({world.num_envs},), got {shown(labels)}.")
    if labels.min() < 0 or labels.max() >= options:
        raise ValueError(
            f"{place} must give 'label' options of the choice answer, 0 to {options - 1}, got {labels.min()} to {labels.max()}."
        )
