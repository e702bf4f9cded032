"""Checks of arguments: an error names the argument, says what is allowed and what came, and stays short."""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Iterable, Sequence
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 80


class BadArgument(TypeError):
    """An argument is of the wrong type, or there is none of its name.

    `gymnasium.make` raises a TypeError of the constructor anew, with every keyword's value behind its text. Where these are
    images, nobody can read that: such an addition is dropped.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text.partition(" was raised from the environment creator for ")[0])


def shown(value: Any) -> str:
    """How an error shows what came: an array by its type and shape, anything else in few characters."""
    if getattr(value, "shape", ()) and hasattr(value, "dtype"):
        return f"{type(value).__name__} of {value.dtype}, shape {tuple(value.shape)}"
    text = _SHORT.repr(value)
    return text if len(text) <= 120 else f"{text[:116]} ..."


def whole_number(name: str, value: Any, least: int) -> int:
    """The value as an int, or a ValueError that names the argument."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise ValueError(f"{name} must be a whole number of at least {least}, got {shown(value)}.")
    return int(value)


def two_sides(name: str, value: Any, height: int, width: int) -> tuple[int, int]:
    """A side, or (height, width), each at least as long as said; or a ValueError that names the argument."""
    sides = value if isinstance(value, tuple | list | np.ndarray) and len(value) == 2 else (value, value)
    return whole_number(name, sides[0], height), whole_number(name, sides[1], width)


def real_number(name: str, value: Any, least: float, below: float = np.inf) -> float:
    """The value as a float, or a ValueError that names the argument."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not least <= value < below:
        raise ValueError(f"{name} must be a number of at least {least} and below {below}, got {shown(value)}.")
    return float(value)


def one_of(name: str, value: Any, allowed: Sequence[Any]) -> None:
    """A ValueError that names the argument, unless the value is one of those allowed."""
    if not isinstance(value, str | Enum) or value not in allowed:
        raise ValueError(f"{name} must be one of {list(allowed)}, got {shown(value)}.")


def as_array(name: str, value: Any) -> NDArray[Any]:
    """The value as an array, or a ValueError that names the argument."""
    try:
        return np.asarray(value)
    except Exception as error:  # rows of different lengths, a tensor with gradient, ...
        raise ValueError(f"{name} must form an array: {error}") from None


def check_channels_last(shape: tuple[int, ...]) -> None:
    """Refuses images that look like channels first, PyTorch's order: few along the second axis, many along the last."""
    if len(shape) == 4 and shape[1] <= 4 < shape[3]:
        raise ValueError(
            f"images must have their channels last, (N, H, W, C), got shape {shape}, which looks like channels first: "
            "give images.transpose(0, 2, 3, 1)"
        )


def check_keywords(caller: str, given: Iterable[str], accepted: Sequence[str]) -> None:
    """A BadArgument that names a keyword which is not accepted, the nearest that is, and all of them."""
    for name in given:
        if name not in accepted:
            near = difflib.get_close_matches(name, accepted, 1)
            instead = f": did you mean {near[0]!r}?" if near else "."
            raise BadArgument(
                f"{caller} got an unexpected keyword argument {name!r}{instead} It takes {', '.join(accepted)}."
            )
