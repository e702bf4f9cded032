"""One canonical action, a location and a few choices, exposed as four Gymnasium action spaces.

Axes: N lanes. An action mode turns a batch of any of the spaces below into locations (N, 2) and one array (N,)
of whole numbers per choice, and refuses what is not in the space. Where a world is controlled by numbers rather than
choices, these are one more entry, "control", of the shape of a Box.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from ram_envs.arguments import as_array, one_of, whole_number

ACTION_MODES = ("multidiscrete", "dict", "box", "discrete")

Locations = NDArray[np.float64]  # (N, 2)
Choices = dict[str, NDArray[Any]]  # name -> (N,) whole numbers; "control" -> (N, *shape) numbers of a Box
CONTROL = "control"
MOST = 2**31 - 1  # numbers that the mode "discrete" may have


class ActionMode(ABC):
    """How one action space is read and written.

    Attributes:
        space: the space of a single lane.
    """

    space: spaces.Space[Any]

    @abstractmethod
    def read(self, actions: Any, lanes: int) -> tuple[Locations, Choices]:
        """A batch of members of the space -> locations (N, 2) in [-1, 1], choices {name: (N,)}."""

    @abstractmethod
    def write(self, location: Sequence[float], chosen: Mapping[str, int]) -> Any:
        """A location (x, y) and some of the choices -> the member that comes nearest; what is not named is 0."""


class DiscreteMeaning(Protocol):
    """What the numbers of the mode "discrete" mean in one world."""

    def size(self, num_cells: int) -> int:
        """How many numbers there are, where the location grid has that many cells."""
        ...

    def read(self, numbers: NDArray[np.int64], cells: Locations) -> tuple[Locations, Choices]:
        """Locations (N, 2) and choices {name: (N,)} of numbers (N,), given the grid's locations, cells (grid * grid, 2)."""
        ...


def nearest_cell(location: Sequence[float], cells: Locations) -> int:
    """Which of the cells (grid * grid, 2) a location (x, y) is nearest to."""
    return int(np.square(cells - np.asarray(location)).sum(1).argmin())


@dataclass(frozen=True)
class EveryCombination:
    """One number for each cell of the grid with each option of each choice."""

    choices: dict[str, int]

    def size(self, num_cells: int) -> int:
        return num_cells * math.prod(self.choices.values())

    def read(self, numbers: NDArray[np.int64], cells: Locations) -> tuple[Locations, Choices]:
        cell, *options = np.unravel_index(numbers, (len(cells), *self.choices.values()))
        return cells[cell], dict(zip(self.choices, options, strict=True))

    def write(self, location: Sequence[float], chosen: Mapping[str, int], cells: Locations) -> int:
        numbers = (nearest_cell(location, cells), *(int(chosen.get(name, 0)) for name in self.choices))
        return int(np.ravel_multi_index(numbers, (len(cells), *self.choices.values())))


def make_action_mode(
    mode: str,
    choices: Mapping[str, int],
    grid: int,
    discrete: DiscreteMeaning | None = None,
    control: spaces.Box | None = None,
) -> ActionMode:
    """The action mode of that name.

    Args:
        mode: "multidiscrete": a cell of the location grid, then one number per choice.
            "dict": keys "location", a Box, and one Discrete per choice.
            "box": a Box in [-1, 1] of x, y, then per choice one score per option, the highest wins
            (a choice of two options has a single score, and is taken when that is above zero).
            "discrete": one number; what it means is the environment's, by default a cell of the grid and an option of each choice.
        choices: name of each choice and its number of options.
        grid: the location grid has grid * grid cells, numbered row by row from the top left; a cell's location is its centre.
        discrete: the meaning of the mode "discrete".
        control: numbers that an action holds beside the location: under "control" in the mode "dict", behind all others in the
            mode "box", both within this Box's bounds. The other modes have no place for them.

    Raises:
        ValueError: if the mode is unknown or cannot be, or the grid is not at least 1.
    """
    one_of("action_mode", mode, ACTION_MODES)
    if control is not None and mode not in ("dict", "box"):
        raise ValueError(
            f'action_mode must be "dict" or "box" where a world is controlled by a Box, got {mode!r} (for libraries that take no Dict: "box").'
        )
    ticks = (2 * np.arange(whole_number("location_grid", grid, 1)) + 1) / grid - 1
    cells = np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2)  # (grid * grid, 2)
    if mode == "multidiscrete":
        return MultiDiscreteMode(choices, cells)
    if mode == "discrete":
        return DiscreteMode(discrete or EveryCombination(dict(choices)), cells)
    return DictMode(choices, control) if mode == "dict" else BoxMode(choices, control)


class MultiDiscreteMode(ActionMode):
    """A cell of the grid, then one number per choice."""

    def __init__(self, choices: Mapping[str, int], cells: Locations) -> None:
        self.names, self.cells = list(choices), cells
        self.sizes = [len(cells), *choices.values()]
        self.space = spaces.MultiDiscrete(self.sizes)

    def read(self, actions: Any, lanes: int) -> tuple[Locations, Choices]:
        numbers = _whole("action", actions, (lanes, len(self.sizes)), self.sizes)
        return self.cells[numbers[:, 0]], dict(zip(self.names, numbers[:, 1:].T, strict=True))

    def write(self, location: Sequence[float], chosen: Mapping[str, int]) -> Any:
        return np.array([nearest_cell(location, self.cells), *(chosen.get(name, 0) for name in self.names)])


class DictMode(ActionMode):
    """A location and one number per choice, each under its name; and the control, if there is any."""

    def __init__(self, choices: Mapping[str, int], control: spaces.Box | None = None) -> None:
        self.choices, self.control = dict(choices), control
        parts: dict[str, spaces.Space[Any]] = {"location": spaces.Box(-1.0, 1.0, (2,), np.float32)}
        parts |= {name: spaces.Discrete(size) for name, size in choices.items()}
        self.space = spaces.Dict(parts if control is None else {**parts, CONTROL: control})
        self.names = [*parts, *([] if control is None else [CONTROL])]

    def read(self, actions: Any, lanes: int) -> tuple[Locations, Choices]:
        if not isinstance(actions, Mapping) or set(actions) != {*self.names}:
            got = sorted(map(str, actions)) if isinstance(actions, Mapping) else type(actions).__name__
            raise ValueError(f"action must be a dict with the keys {self.names}, got {got}.")
        found: Choices = {
            name: _whole(f"action[{name!r}]", actions[name], (lanes,), size) for name, size in self.choices.items()
        }
        if self.control is not None:
            given = _real(f"action[{CONTROL!r}]", actions[CONTROL], (lanes, *self.control.shape))
            found[CONTROL] = given.clip(self.control.low, self.control.high)
        return _clipped(_real("action['location']", actions["location"], (lanes, 2))), found

    def write(self, location: Sequence[float], chosen: Mapping[str, Any]) -> Any:
        numbers: dict[str, Any] = {name: np.int64(chosen.get(name, 0)) for name in self.choices}
        if self.control is not None:
            numbers[CONTROL] = _control(self.control, chosen)
        return {"location": np.asarray(location, np.float32), **numbers}


class BoxMode(ActionMode):
    """x, y, then a score per option of each choice, of which the highest wins; of two options one score, above zero or not.

    Where there is a control, its numbers come last, row by row and in their own bounds.
    """

    def __init__(self, choices: Mapping[str, int], control: spaces.Box | None = None) -> None:
        self.choices, self.control = dict(choices), control
        self.widths = [size if size > 2 else 1 for size in choices.values()]
        low = np.zeros(0) if control is None else control.low.ravel()
        high = np.zeros(0) if control is None else control.high.ravel()
        self.ends = np.cumsum([2, *self.widths, len(low)])
        ones = np.ones(int(self.ends[-2]), np.float32)
        self.space = spaces.Box(
            np.concatenate([-ones, low]).astype(np.float32), np.concatenate([ones, high]).astype(np.float32)
        )

    def read(self, actions: Any, lanes: int) -> tuple[Locations, Choices]:
        values = _real("action", actions, (lanes, int(self.ends[-1])))
        *scores, numbers = np.split(values, self.ends[:-1], axis=1)[1:]
        found: Choices = {
            name: (score[:, 0] > 0) * 1 if size == 2 else score.argmax(1)
            for (name, size), score in zip(self.choices.items(), scores, strict=True)
        }
        if self.control is not None:
            given = numbers.reshape(lanes, *self.control.shape)
            found[CONTROL] = given.clip(self.control.low, self.control.high)
        return _clipped(values[:, :2]), found

    def write(self, location: Sequence[float], chosen: Mapping[str, Any]) -> Any:
        scores = [
            2.0 * (np.arange(size)[-width:] == chosen.get(name, 0)) - 1
            for (name, size), width in zip(self.choices.items(), self.widths, strict=True)
        ]
        numbers = [] if self.control is None else [_control(self.control, chosen).ravel()]
        return np.concatenate([location, *scores, *numbers]).astype(np.float32)


class DiscreteMode(ActionMode):
    """One number, whose meaning is the world's."""

    def __init__(self, meaning: DiscreteMeaning, cells: Locations) -> None:
        self.meaning, self.cells = meaning, cells
        self.size = meaning.size(len(cells))
        if self.size > MOST:
            raise ValueError(
                f'action_mode "discrete" would have {self.size:,} numbers here, and may have {MOST:,}: take "multidiscrete".'
            )
        self.space = spaces.Discrete(self.size)

    def read(self, actions: Any, lanes: int) -> tuple[Locations, Choices]:
        return self.meaning.read(_whole("action", actions, (lanes,), self.size), self.cells)

    def write(self, location: Sequence[float], chosen: Mapping[str, int]) -> Any:
        if isinstance(self.meaning, EveryCombination):  # which may be too many to read them all
            return np.int64(self.meaning.write(location, chosen, self.cells))
        locations, found = self.meaning.read(np.arange(self.size), self.cells)
        wrong = sum((found[name] != option).astype(float) for name, option in chosen.items())
        far = np.square(locations - np.asarray(location)).sum(1)
        return np.int64((10 * wrong + far).argmin())  # choices before places


def _control(space: spaces.Box, chosen: Mapping[str, Any]) -> NDArray[Any]:
    """The control that was chosen, or what comes nearest to none."""
    given = np.broadcast_to(np.asarray(chosen.get(CONTROL, 0.0)), space.shape)
    return given.clip(space.low, space.high).astype(space.dtype)


def _real(name: str, value: Any, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Finite numbers of that shape."""
    array = _array(name, value, shape)
    if array.dtype.kind not in "iuf":
        raise ValueError(f"{name} must hold real numbers, got dtype {array.dtype}.")
    array = array.astype(np.float64)
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite, got {array[~np.isfinite(array)][0]}.")
    return array


def _clipped(locations: Locations) -> Locations:
    """Locations within [-1, 1]: a Gaussian policy samples beyond the borders."""
    return locations.clip(-1.0, 1.0)


def _whole(name: str, value: Any, shape: tuple[int, ...], sizes: int | list[int]) -> NDArray[np.int64]:
    """Whole numbers of that shape, each from 0 to below its size."""
    array = _array(name, value, shape)
    if array.dtype.kind not in "iub":
        raise ValueError(f"{name} must hold whole numbers, got dtype {array.dtype}.")
    array = array.astype(np.int64)
    wrong = (array < 0) | (array >= np.asarray(sizes))
    if wrong.any():
        first = array[np.argwhere(wrong)[0][0]].tolist()
        raise ValueError(f"{name} must lie in 0 to {np.asarray(sizes) - 1} (ends included), got {first}.")
    return array


def _array(name: str, value: Any, shape: tuple[int, ...]) -> NDArray[Any]:
    array = as_array(name, value)
    if array.shape != shape:
        raise ValueError(f"{name} must have shape {shape[1:]} per lane and {shape} in all, got {array.shape}.")
    return array
