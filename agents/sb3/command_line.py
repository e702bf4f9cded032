"""The command behind `train_sb3.py`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import tyro

from agents.experiment.command_line import RunFlags, arguments, command, flag_value, named_preset, new_run, say_next
from agents.sb3.config import Sb3Config
from agents.sb3.hyperparams import over, tuned
from agents.sb3.presets import PRESETS


@dataclass(frozen=True, kw_only=True)
class TrainCommand(RunFlags):
    """Trains by Stable-Baselines3, with the settings in hyperparams/ unless others are given, and scores the model as `evaluate_ram.py` scores
    our agent."""

    config: Annotated[Sb3Config, tyro.conf.arg(name="")]


@command
def train_command(argv: Sequence[str] | None = None) -> None:
    """`python agents/train_sb3.py`"""
    argv = arguments(argv)
    plain, preset = Sb3Config(), named_preset(argv, PRESETS)
    origin = preset or tuned(flag_value(argv, "--algo") or plain.algo, flag_value(argv, "--env") or plain.env)
    default = TrainCommand(config=origin)
    flags = tyro.cli(TrainCommand, args=argv, default=default, config=(tyro.conf.FlagConversionOff,), compact_help=True)
    config = flags.config
    if preset is None:
        config = config.but(
            env_args=over(origin.env_args, config.env_args, "env_args"),
            algo_args=over(origin.algo_args, config.algo_args, "algo_args"),
        )
    with new_run(flags.run_dir, config, origin) as folder:
        from agents.sb3.training import train

        say_next(train(config, folder), folder)
