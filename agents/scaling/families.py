"""The families of what is trained: their settings, presets and trainings, found by the name of a preset."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import agents.classifiers.presets
import agents.ram.presets
import agents.sb3.presets
from agents.classifiers.config import ClassifierConfig
from agents.experiment.settings import ExperimentConfig
from agents.ram.config import Config
from agents.sb3.config import Sb3Config


@dataclass(frozen=True)
class Family:
    """What is trained in one way.

    Attributes:
        name: of the family, and of its room.
        config: class of its settings.
        presets: name -> settings.
    """

    name: str
    config: type[ExperimentConfig]
    presets: Mapping[str, Any]

    @property
    def train(self) -> Callable[..., dict[str, Any]]:
        """Its training: settings and a folder in, a result out. Loaded when it is asked for: Stable-Baselines3 is an extra."""
        found: Callable[..., dict[str, Any]] = importlib.import_module(f"agents.{self.name}.training").train
        return found


FAMILIES = {
    family.name: family
    for family in (
        Family("ram", Config, agents.ram.presets.PRESETS),
        Family("classifiers", ClassifierConfig, agents.classifiers.presets.PRESETS),
        Family("sb3", Sb3Config, agents.sb3.presets.PRESETS),
    )
}
PRESETS = {name: family for family in FAMILIES.values() for name in family.presets}
"""Preset -> its family."""


def preset_settings(preset: str) -> Any:
    """The settings of a preset of any family."""
    return PRESETS[preset].presets[preset]
