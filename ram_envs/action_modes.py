"""One canonical action, a location and a few choices, exposed as four Gymnasium action spaces.

Axes: N lanes. An action mode turns a batch of any of the spaces below into locations (N, 2) and one array (N,)
of whole numbers per choice, and refuses what is not in the space.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

ACTION_MODES = ("multidiscrete", "dict", "box", "discrete")

Locations = NDArray[np.float64]  # (N, 2)
Choices = dict[str, NDArray[np.int64]]  # name -> (N,)


@dataclass(frozen=True)
class ActionMode:
    """How one action space is read.

    Attributes:
        space: the space of a single lane.
        read: a batch of its members -> locations (N, 2) in [-1, 1], choices {name: (N,)}.
        write: a location (x, y) and some of the choices -> the member that comes nearest; what is not named is 0.
    """

    space: spaces.Space[Any]
    read: Callable[[Any, int], tuple[Locations, Choices]]
    write: Callable[[Sequence[float], Mapping[str, int]], Any]


def make_action_mode(
    mode: str,
    choices: Mapping[str, int],
    grid: int,
    discrete: tuple[int, Callable[[NDArray[np.int64], Locations], tuple[Locations, Choices]]],
) -> ActionMode:
    """The action mode of that name.

    Args:
        mode: "multidiscrete": a cell of the location grid, then one number per choice.
            "dict": keys "location", a Box, and one Discrete per choice.
            "box": a Box in [-1, 1] of x, y, then per choice one score per option, the highest wins
            (a choice of two options has a single score, and is taken when that is above zero).
            "discrete": one number; what it means is the environment's.
        choices: name of each choice and its number of options.
        grid: the location grid has grid * grid cells, numbered row by row from the top left; a cell's location is its centre.
        discrete: size of the "discrete" space, and the function that reads it, given the grid's locations (grid * grid, 2).

    Raises:
        ValueError: if the mode is unknown or the grid is not at least 1.
    """
    if isinstance(grid, bool) or not isinstance(grid, int | np.integer) or grid < 1:
        raise ValueError(f"location_grid must be a whole number of at least 1, got {grid!r}.")
    ticks = (2 * np.arange(grid) + 1) / grid - 1
    cells = np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2)  # (grid * grid, 2)
    names, sizes = list(choices), list(choices.values())

    if mode == "dict":
        location = spaces.Box(-1.0, 1.0, (2,), np.float32)
        space: spaces.Space[Any] = spaces.Dict(
            {"location": location, **{name: spaces.Discrete(size) for name, size in choices.items()}}
        )

        def read(actions: Any, lanes: int) -> tuple[Locations, Choices]:
            if not isinstance(actions, Mapping) or set(actions) != {"location", *names}:
                got = sorted(map(str, actions)) if isinstance(actions, Mapping) else type(actions).__name__
                raise ValueError(f"action must be a dict with the keys {['location', *names]}, got {got}.")
            found = {name: _whole(f"action[{name!r}]", actions[name], (lanes,), size) for name, size in choices.items()}
            return _clipped(_real("action['location']", actions["location"], (lanes, 2))), found

        def write(location: Sequence[float], chosen: Mapping[str, int]) -> Any:
            return {
                "location": np.asarray(location, np.float32),
                **{name: np.int64(chosen.get(name, 0)) for name in names},
            }

    elif mode == "multidiscrete":
        space = spaces.MultiDiscrete([len(cells), *sizes])

        def read(actions: Any, lanes: int) -> tuple[Locations, Choices]:
            numbers = _whole("action", actions, (lanes, 1 + len(sizes)), [len(cells), *sizes])
            return cells[numbers[:, 0]], dict(zip(names, numbers[:, 1:].T, strict=True))

        def write(location: Sequence[float], chosen: Mapping[str, int]) -> Any:
            cell = np.square(cells - np.asarray(location)).sum(1).argmin()
            return np.array([cell, *(chosen.get(name, 0) for name in names)])

    elif mode == "box":
        widths = [size if size > 2 else 1 for size in sizes]
        ends = np.cumsum([2, *widths])
        space = spaces.Box(-1.0, 1.0, (int(ends[-1]),), np.float32)

        def read(actions: Any, lanes: int) -> tuple[Locations, Choices]:
            values = _real("action", actions, (lanes, int(ends[-1])))
            scores = np.split(values, ends[:-1], axis=1)[1:]
            found = {
                name: (score[:, 0] > 0) * 1 if size == 2 else score.argmax(1)
                for name, size, score in zip(names, sizes, scores, strict=True)
            }
            return _clipped(values[:, :2]), found

        def write(location: Sequence[float], chosen: Mapping[str, int]) -> Any:
            scores = [
                2.0 * (np.arange(size)[-width:] == chosen.get(name, 0)) - 1
                for name, size, width in zip(names, sizes, widths, strict=True)
            ]
            return np.concatenate([location, *scores]).astype(np.float32)

    elif mode == "discrete":
        size, meaning = discrete
        space = spaces.Discrete(size)

        def read(actions: Any, lanes: int) -> tuple[Locations, Choices]:
            return meaning(_whole("action", actions, (lanes,), size), cells)

        def write(location: Sequence[float], chosen: Mapping[str, int]) -> Any:
            locations, found = meaning(np.arange(size), cells)
            wrong = sum((found[name] != option).astype(float) for name, option in chosen.items())
            return np.int64(
                (10 * wrong + np.square(locations - np.asarray(location)).sum(1)).argmin()
            )  # choices before places

    else:
        raise ValueError(f"action_mode must be one of {list(ACTION_MODES)}, got {mode!r}.")
    return ActionMode(space, read, write)


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
    if ((array < 0) | (array >= np.asarray(sizes))).any():
        raise ValueError(f"{name} must lie in 0 to {np.asarray(sizes) - 1} (ends included), got {array.tolist()}.")
    return array


def _array(name: str, value: Any, shape: tuple[int, ...]) -> NDArray[Any]:
    try:
        array = np.asarray(value)
    except Exception as error:  # rows of different lengths, a tensor with gradient, ...
        raise ValueError(f"{name} must form an array of shape {shape}: {error}") from None
    if array.shape != shape:
        raise ValueError(f"{name} must have shape {shape[1:]} per lane and {shape} in all, got {array.shape}.")
    return array
