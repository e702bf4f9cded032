"""What a search draws its settings from, as the command line says it: `gaze.std=loguniform(0.03,0.5)`."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from agents.experiment.settings import ExperimentConfig, keywords

WORD = re.compile(r"(?P<name>[\w.]+)=(?P<how>\w+)\((?P<among>.*)\)")
RANGES = ("uniform", "loguniform", "randint", "lograndint")
WAYS = (*RANGES, "choice")


@dataclass(frozen=True)
class Draw:
    """One setting, and what it is drawn from.

    Args:
        name: of the setting, as flags have it.
        how: "uniform" or "loguniform" between two numbers, "randint" or "lograndint" of whole numbers below the second, or "choice".
        among: the two numbers, or what is chosen among.

    Raises:
        ValueError: if nothing can be drawn so.
    """

    name: str
    how: str
    among: tuple[Any, ...]

    def __post_init__(self) -> None:
        if self.how == "choice":
            return
        if len(self.among) != 2 or not all(isinstance(number, int | float) for number in self.among):
            raise ValueError(f"--space {self.name}: {self.how} takes two numbers, got {self.among!r}.")
        low, high = self.among
        if not low < high or (self.logarithmic and low <= 0):
            least = "0 < lowest < highest" if self.logarithmic else "lowest < highest"
            raise ValueError(f"--space {self.name}: {self.how} wants {least}, got {low} and {high}.")

    @property
    def logarithmic(self) -> bool:
        """Whether equal ratios are equally likely."""
        return self.how.startswith("log")

    @property
    def extremes(self) -> tuple[Any, ...]:
        """Values that must all be possible."""
        low_and_below = (self.among[0], self.among[1] - 1) if self.how.endswith("randint") else self.among
        return self.among if self.how == "choice" else low_and_below

    def domain(self) -> Any:
        """The same for Ray Tune."""
        from ray import tune

        draw = getattr(tune, self.how)
        return draw([*self.among]) if self.how == "choice" else draw(*self.among)


def draws(words: Sequence[str], config: ExperimentConfig) -> tuple[Draw, ...]:
    """The draws that the words of `--space` ask for.

    Raises:
        ValueError: if a word cannot be read, or names a setting that there is not, or a value that it cannot have.
    """
    found = []
    for word in words:
        if (parts := WORD.fullmatch(word)) is None or parts["how"] not in WAYS:
            example = '"gaze.std=loguniform(0.03,0.5)"'
            raise ValueError(f"--space takes words such as {example}, with {', '.join(WAYS)}; got {word!r}.")
        draw = Draw(parts["name"], parts["how"], _among(parts["among"]))
        if draw.how.endswith("uniform") and type(_present(config, draw.name)) is int:
            raise ValueError(f"--space {word}: {draw.name} is a whole number, which randint and lograndint draw.")
        for value in draw.extremes:
            try:
                config.with_values({draw.name: value})
            except (ValueError, TypeError) as error:
                raise ValueError(f"--space {word}: {error}") from None
        found.append(draw)
    if len({draw.name for draw in found}) < max(1, len(found)):
        raise ValueError("--space must name at least one setting, and none twice.")
    return tuple(found)


def _among(text: str) -> tuple[Any, ...]:
    """What is between the brackets, as Python has it; bare words are strings."""
    try:
        return tuple(ast.literal_eval(f"[{text}]"))
    except (ValueError, SyntaxError):
        return tuple(keywords([f"value={part.strip()}"], "space")["value"] for part in text.split(","))


def _present(config: ExperimentConfig, name: str) -> Any:
    """What a setting is now; None where it is none by itself, as the words of `algo_args`."""
    value: Any = config
    for part in name.split("."):
        value = getattr(value, part, None)
    return value
