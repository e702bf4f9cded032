"""The command behind `train_classifier.py`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import tyro

from agents.classifiers.config import ClassifierConfig
from agents.classifiers.presets import PRESETS
from agents.experiment.command_line import (
    ResumableFlags,
    arguments,
    command,
    interrupted_run,
    named_preset,
    new_run,
    say,
    say_next,
)


@dataclass(frozen=True, kw_only=True)
class TrainCommand(ResumableFlags):
    """Trains a network on whole scenes. `--preset` chooses good settings; every other flag overrides one."""

    config: Annotated[ClassifierConfig, tyro.conf.arg(name="")]


@command
def train_command(argv: Sequence[str] | None = None) -> None:
    """`python agents/train_classifier.py`"""
    argv = arguments(argv)
    origin = named_preset(argv, PRESETS) or ClassifierConfig()
    default = TrainCommand(config=origin)
    flags = tyro.cli(TrainCommand, args=argv, default=default, config=(tyro.conf.FlagConversionOff,), compact_help=True)
    if flags.resume is not None:
        say(f"Reading {flags.resume}")
        from agents.classifiers.training import load_state, train

        say_next(train(interrupted_run(flags.resume, argv, load_state), flags.resume, resume=True), flags.resume)
        return
    with new_run(flags.run_dir, flags.config, origin) as folder:
        from agents.classifiers.training import train

        say_next(train(flags.config, folder), folder)
