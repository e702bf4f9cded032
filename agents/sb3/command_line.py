"""The command behind `train_sb3.py`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import tyro

from agents.experiment.command_line import RunFlags, arguments, command, named_preset, new_run
from agents.sb3.config import Sb3Config
from agents.sb3.presets import PRESETS
from agents.sb3.training import train


@dataclass(frozen=True, kw_only=True)
class TrainCommand(RunFlags):
    """Trains by Stable-Baselines3 and scores the model as `evaluate_ram.py` scores our agent."""

    config: Annotated[Sb3Config, tyro.conf.arg(name="")]


@command
def train_command(argv: Sequence[str] | None = None) -> None:
    """`python agents/train_sb3.py`"""
    argv = arguments(argv)
    origin = named_preset(argv, PRESETS) or Sb3Config()
    default = TrainCommand(config=origin)
    flags = tyro.cli(TrainCommand, args=argv, default=default, config=(tyro.conf.FlagConversionOff,), compact_help=True)
    with new_run(flags.run_dir, flags.config, origin) as folder:
        train(flags.config, folder)
