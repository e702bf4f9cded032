"""The commands behind `train_sb3.py` and `evaluate_sb3.py`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from agents.experiment.command_line import (
    ResumableFlags,
    arguments,
    command,
    demand_at_least,
    demand_file,
    flag_value,
    interrupted_run,
    named_preset,
    new_run,
    say,
    say_next,
    tell_score,
)
from agents.experiment.run_folder import MODEL
from agents.sb3.config import Sb3Config
from agents.sb3.hyperparams import fitted, over_origin, tuned
from agents.sb3.presets import PRESETS


@dataclass(frozen=True, kw_only=True)
class TrainCommand(ResumableFlags):
    """Trains by Stable-Baselines3, with the settings in hyperparams/ unless others are given, and scores the model as `evaluate_ram.py` scores
    our agent."""

    config: Annotated[Sb3Config, tyro.conf.arg(name="")]


@dataclass(frozen=True)
class EvaluateCommand:
    """Scores a model as its training did in the end: every image of the split once, or fresh episodes; its likeliest actions."""

    checkpoint: Path
    """The folder of a run, or the model in it, which may run code while it is read: only one that you trust."""
    split: Literal["validation", "test"] = "test"
    """Which episodes."""
    episodes: int | None = None
    """How many; by default all images of the split, or 20,000 fresh test episodes (5,000 of validation), of an environment behind `RetinaWrapper` a tenth."""
    json: Path | None = None
    """File to write the score to."""


@command
def train_command(argv: Sequence[str] | None = None) -> None:
    """`python agents/train_sb3.py`"""
    argv = arguments(argv)
    plain, preset = Sb3Config(), named_preset(argv, PRESETS)
    algo, env = flag_value(argv, "--algo") or plain.algo, flag_value(argv, "--env") or plain.env
    origin = preset or fitted(tuned(algo, env), env)
    default = TrainCommand(config=origin)
    flags = tyro.cli(TrainCommand, args=argv, default=default, config=(tyro.conf.FlagConversionOff,), compact_help=True)
    if flags.resume is not None:
        say(f"Reading {flags.resume}")
        from agents.sb3.checkpoint import load_run
        from agents.sb3.training import train

        resumed = train(interrupted_run(flags.resume, argv, load_run, MODEL), flags.resume, resume=True)
        say_next(resumed, flags.resume, "evaluate_sb3.py")
        return
    config = over_origin(flags.config, origin)
    with new_run(flags.run_dir, config, origin) as folder:
        from agents.sb3.training import train

        say_next(train(config, folder), folder, "evaluate_sb3.py")


@command
def evaluate_command(argv: Sequence[str] | None = None) -> None:
    """`python agents/evaluate_sb3.py`"""
    flags = tyro.cli(EvaluateCommand, args=arguments(argv))
    demand_at_least(1, episodes=flags.episodes)
    if flags.json is not None:
        demand_file("--json", flags.json)
    say(f"Scoring {flags.checkpoint}")
    from agents.experiment.device import prepare_torch
    from agents.sb3.checkpoint import load_model
    from agents.sb3.evaluation import evaluate

    model, config = load_model(flags.checkpoint)
    prepare_torch(config)
    score = evaluate(model, config, flags.split, episodes=flags.episodes, gaze=config.gaze)
    tell_score(score, config, flags.split, flags.json)
