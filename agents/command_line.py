"""The commands behind `train_ram.py` and `evaluate_ram.py`: flags in, a line or two out, errors in one sentence."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import wraps
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import gymnasium.error
import tyro

from agents.checkpoint import load_agent, load_checkpoint
from agents.config import AnySettings, Config
from agents.evaluation import evaluate, make_envs, prepare_torch
from agents.image_classifiers import ClassifierConfig
from agents.presets import DEFAULTS, PRESETS
from agents.run_folder import CHECKPOINT, METRICS
from agents.training import describe, train
from ram_envs.datasets import DatasetNotFound
from ram_envs.window import NoDisplay

EXPECTED = (ValueError, OSError, FloatingPointError, DatasetNotFound, NoDisplay, gymnasium.error.Error)
AnyConfig = TypeVar("AnyConfig", Config, ClassifierConfig)


@dataclass(frozen=True, kw_only=True)
class RunFlags:
    """Which run to train."""

    preset: str | None = None
    """Settings to start from, by name; an agent's default is the environment's own."""
    run_dir: Path | None = None
    """Folder of the run; the default is a new one under runs/."""
    resume: Path | None = None
    """Folder of an interrupted run to go on with, with the settings it has."""


@dataclass(frozen=True, kw_only=True)
class TrainCommand(RunFlags):
    """Trains the Recurrent Attention Model. `--env` or `--preset` chooses good settings; every other flag overrides one."""

    config: Annotated[Config, tyro.conf.arg(name="")]


@dataclass(frozen=True)
class EvaluateCommand:
    """Scores a checkpoint: every image of the split once, or fresh games of Catch; greedy location and action."""

    checkpoint: Path
    """The checkpoint, or the folder of a run."""
    split: Literal["validation", "test"] = "test"
    """Which episodes."""
    gaze: Literal["agent", "center", "random", "oracle"] = "agent"
    """Who looks; anything but "agent" measures what its gaze is worth."""
    episodes: int | None = None
    """How many; by default all 10,000 test images, or 20,000 games."""
    env_args: tuple[str, ...] = ()
    """Keywords of the environment that replace those of the training, such as num_glimpses=4."""
    price: float | None = None
    """Price of a glimpse that the agent is told, where it was trained for a range of them."""
    sample: bool = False
    """Sampled locations and actions instead of the likeliest."""
    json: Path | None = None
    """File to write the score to."""


def one_sentence_errors(command: Callable[..., None]) -> Callable[..., None]:
    """An error that was foreseen ends the command with its message, not with a traceback."""

    @wraps(command)
    def run(*args: Sequence[str]) -> None:
        try:
            command(*args)
        except EXPECTED as error:
            sys.exit(f"error: {error}")

    return run


@one_sentence_errors
def train_command(argv: Sequence[str] | None = None) -> None:
    """`python agents/train_ram.py`"""
    argv = list(sys.argv[1:] if argv is None else argv)
    default = TrainCommand(config=named_preset(argv, PRESETS) or default_for(flag_value(argv, "--env")))
    command = tyro.cli(TrainCommand, args=argv, default=default, config=(tyro.conf.FlagConversionOff,))
    config, folder = choose_run(command, command.config, argv)
    train(config, folder, resume=command.resume is not None)


@one_sentence_errors
def evaluate_command(argv: Sequence[str] | None = None) -> None:
    """`python agents/evaluate_ram.py`"""
    command = tyro.cli(EvaluateCommand, args=argv)
    path = checkpoint_path(command.checkpoint)
    config: Config = load_checkpoint(path)["config"]
    config = replace(config, env_args=(*config.env_args, *command.env_args))
    prepare_torch(config)
    envs = make_envs(config, 1)
    agent = load_agent(path, envs)
    envs.close()
    score = evaluate(
        agent,
        config,
        command.split,
        episodes=command.episodes,
        gaze=command.gaze,
        greedy=not command.sample,
        price=command.price,
    )
    print(f"{config.env}, {score.episodes} {command.split} episodes: {describe(score)}")
    if command.json is not None:
        command.json.write_text(json.dumps(score.to_dict(), indent=1) + "\n")


def choose_run(flags: RunFlags, config: AnyConfig, argv: Sequence[str]) -> tuple[AnyConfig, Path]:
    """The settings and the folder of the run to train: a new one, or the interrupted one that `--resume` names.

    Raises:
        ValueError: if a new run's folder is taken, or an interrupted run was to have other settings.
    """
    if flags.resume is not None:
        if len(argv) > 2:
            raise ValueError("--resume goes on with the settings of the run: it takes no other flag.")
        config, folder = load_checkpoint(flags.resume / CHECKPOINT, type(config))["config"], flags.resume
    else:
        folder = flags.run_dir or new_folder(config)
        if (folder / CHECKPOINT).exists() or (folder / METRICS).exists():
            raise ValueError(
                f"{folder} holds a run already: go on with it by --resume {folder}, or name another --run-dir."
            )
    print(f"Training {config.name or config.env} in {folder}")
    return config, folder


def checkpoint_path(path: Path) -> Path:
    """The checkpoint itself, where the folder of a run was given."""
    return path / CHECKPOINT if path.is_dir() else path


def named_preset(argv: Sequence[str], presets: Mapping[str, AnySettings]) -> AnySettings | None:
    """The settings to start from that `--preset` names, if it is given.

    Raises:
        ValueError: if there is no such preset.
    """
    preset = flag_value(argv, "--preset")
    if preset is not None and preset not in presets:
        raise ValueError(f"preset must be one of {sorted(presets)}, got {preset!r}.")
    return None if preset is None else presets[preset]


def default_for(env: str | None) -> Config:
    """The settings to start from where no preset is named: those of the environment's default preset."""
    preset = DEFAULTS.get(env or "GlimpseMNIST-v0")
    return Config(env=str(env)) if preset is None else PRESETS[preset]


def new_folder(config: Config | ClassifierConfig) -> Path:
    """Makes and returns a folder under runs/ that no other run has, even one started in the same second."""
    stem = f"{config.name or config.env}-seed{config.seed}-{time.strftime('%Y%m%d-%H%M%S')}"
    for attempt in range(1, 1000):
        folder = Path("runs") / (stem if attempt == 1 else f"{stem}-{attempt}")
        try:
            folder.mkdir(parents=True)
            return folder
        except FileExistsError:
            continue
    raise OSError(f"No free folder like runs/{stem}.")


def flag_value(argv: Sequence[str], name: str) -> str | None:
    """The value of a flag, read before the others because their defaults depend on it."""
    for place, word in enumerate(argv):
        if word == name and place + 1 < len(argv):
            return argv[place + 1]
        if word.startswith(name + "="):
            return word.partition("=")[2]
    return None
