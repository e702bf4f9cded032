"""What all commands share: which run to train, presets, and errors in one sentence."""

from __future__ import annotations

import json
import math
import os
import re
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import gymnasium.error

from agents.experiment.run_folder import CHECKPOINT, METRICS, MODEL, RESULT, shell_command
from agents.experiment.settings import ExperimentConfig
from ram_envs.datasets import DatasetNotFound
from ram_envs.error_places import told
from ram_envs.window import NoDisplay

if TYPE_CHECKING:
    from agents.experiment.score import Score

EXPECTED = (
    ValueError,
    OSError,
    FloatingPointError,
    MemoryError,
    DatasetNotFound,
    NoDisplay,
    gymnasium.error.Error,
)
RUNS = Path("runs")  # here, where a command is given
WITH_RESUME = ("--resume", "--device", "--env")
AnyConfig = TypeVar("AnyConfig", bound=ExperimentConfig)


@dataclass(frozen=True, kw_only=True)
class RunFlags:
    """Which run to train."""

    preset: str | None = None
    """Settings to start from, by name; an agent's default is the environment's own."""
    run_dir: Path | None = None
    """Folder of the run; the default is a new one under runs/."""


@dataclass(frozen=True, kw_only=True)
class ResumableFlags(RunFlags):
    """Which run to train, or to go on with."""

    resume: Path | None = None
    """Folder of an interrupted run to go on with, with the settings it has. Of other flags it takes --device, and --env MODULE:ID
    to name the module that registers the run's environment."""


def command(work: Callable[..., None]) -> Callable[..., None]:
    """A command: it finds modules in the working directory, and an error that was foreseen ends it in one sentence.

    It says something before it loads PyTorch, which takes seconds: modules of commands load that where they first need it.
    """

    @wraps(work)
    def run(*args: Sequence[str]) -> None:
        if os.getcwd() not in sys.path:
            sys.path.append(os.getcwd())
        try:
            work(*args)
        except expected() as error:
            sys.exit(f"error: {told(error)}")
        except KeyboardInterrupt:
            sys.exit(130)

    return run


def expected() -> tuple[type[Exception], ...]:
    """The errors that were foreseen; PyTorch's, where it has been loaded."""
    torch = sys.modules.get("torch")
    return EXPECTED if torch is None else (*EXPECTED, torch.OutOfMemoryError)


def say(text: str) -> None:
    """Prints a line that is seen at once, in a file too."""
    print(text, flush=True)


def say_next(result: Mapping[str, Any], folder: Path, *scripts: str) -> None:
    """Says, after a training, where its result is, and the commands that come next, to be copied; one that was interrupted ends the command as Ctrl-C does.

    Args:
        result: of the training; empty if it was interrupted.
        folder: of the run.
        scripts: that take a `--checkpoint`.
    """
    if not result:
        raise KeyboardInterrupt
    commands = [shell_command(script, "--checkpoint", folder) for script in scripts]
    commands.append(f"tensorboard --logdir {shlex.quote(str(folder))}")
    say("\n  ".join([f"All scores are in {folder / RESULT}. Next:", *commands]))


def tell_score(score: Score, config: ExperimentConfig, split: str, file: Path | None) -> None:
    """Prints a score of somebody who was trained, and writes it to a file if there is to be one."""
    print(f"{config.env}, {score.episodes} {split} episodes: {score}")
    if file is not None:
        file.write_text(json.dumps(score.to_dict(), indent=1) + "\n")


def arguments(argv: Sequence[str] | None) -> list[str]:
    """The words of the command line, unless others are given."""
    return list(sys.argv[1:] if argv is None else argv)


@contextmanager
def new_run(run_dir: Path | None, config: ExperimentConfig, origin: ExperimentConfig) -> Iterator[Path]:
    """The folder of a new run, which is announced; one under runs/ that is still empty in the end is removed, runs/ with it.

    Args:
        run_dir: the folder, if one was chosen.
        config: the run's settings.
        origin: the preset that they began as.

    Raises:
        ValueError: if the folder is taken.
    """
    first = not RUNS.exists()
    folder = run_dir or new_folder(config)
    if any((folder / name).exists() for name in (CHECKPOINT, METRICS, MODEL)):
        resume = "go on with it by --resume, or " * any((folder / name).exists() for name in (CHECKPOINT, MODEL))
        raise ValueError(f"{folder} holds a run already: {resume}name another --run-dir.")
    try:
        say("\n".join(announcement(config, origin, folder)))
        yield folder
    finally:
        if run_dir is None:
            with suppress(OSError):
                folder.rmdir()
                if first:
                    RUNS.rmdir()


def interrupted_run(
    folder: Path, argv: Sequence[str], load: Callable[[Path], dict[str, Any]], file: str = CHECKPOINT
) -> Any:
    """The settings of the run that `--resume` names, on the device that `--device` names and with the module of `--env`.

    Args:
        folder: of the run.
        argv: words of the command line.
        load: reads the checkpoint of such a run.
        file: the name of the checkpoint.

    Raises:
        ValueError: if the run was to have other settings.
    """
    others = [word for word in argv if word.startswith("--") and word.split("=")[0] not in WITH_RESUME]
    if others:
        raise ValueError(
            f"--resume goes on with the run's settings: it takes no other flag but --device and --env, got {others[0]}."
        )
    if folder.is_file():
        raise ValueError(f"--resume takes the folder of a run, got the file {folder}.")
    config = load(folder / file)["config"]
    device, env = flag_value(argv, "--device"), flag_value(argv, "--env")
    resumed = config.but(env=env or config.env, run={"device": device or config.run.device})
    if resumed.env_id != config.env_id:
        raise ValueError(f"--resume goes on in {config.env_id}: --env can only add its module, got {env}.")
    say(f"Going on with {config.title} in {folder}")
    return resumed


def announcement(config: ExperimentConfig, origin: ExperimentConfig, folder: Path) -> list[str]:
    """What a run says first: its recipe, what that departs in from the defaults, and what was changed here."""
    recipe = f"preset {origin.name}" if origin.name else "the default settings"
    if origin.name.startswith("general"):
        recipe = f"the recipe {origin.name} (no preset fits this environment)"
    plain = {"env", "env_args", "train_env_args", "name"}
    departures = {k: v for k, v in origin.departures(type(origin)()).items() if k not in plain}
    lines = [f"Training {recipe} in {config.env}, folder {folder}"]
    if departures:
        lines.append(f"  departs from the defaults in {len(departures)}: {_listed(departures)}")
    if changes := config.departures(origin):
        lines.append(f"  changed for this run: {_listed(changes)}")
    return lines


def _listed(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {_plain(value)}" for name, value in settings.items())


def _plain(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def checkpoint_path(path: Path) -> Path:
    """The checkpoint itself, where the folder of a run was given."""
    return path / CHECKPOINT if path.is_dir() else path


def named_preset(argv: Sequence[str], presets: Mapping[str, AnyConfig]) -> AnyConfig | None:
    """The settings to start from that `--preset` names, if it is given.

    Raises:
        ValueError: if there is no such preset.
    """
    preset = flag_value(argv, "--preset")
    if preset is not None and preset not in presets:
        raise ValueError(f"preset must be one of {sorted(presets)}, got {preset!r}.")
    return None if preset is None else presets[preset]


def new_folder(config: ExperimentConfig) -> Path:
    """Makes and returns a folder under runs/ that no other run has, even one started in the same second."""
    title = re.sub(r"[^\w.-]+", "-", config.title)  # a name that every file system takes
    stem = f"{title}-seed{config.seed}-{time.strftime('%Y%m%d-%H%M%S')}"
    for attempt in range(1, 1000):
        folder = RUNS / (stem if attempt == 1 else f"{stem}-{attempt}")
        try:
            folder.mkdir(parents=True)
            return folder
        except FileExistsError:
            continue
    raise OSError(f"No free folder like {RUNS / stem}.")


def demand_at_least(least: float, **flags: float | None) -> None:
    """A ValueError that names the flag, unless each is absent or at least that."""
    for name, value in flags.items():
        if value is not None and not least <= value < math.inf:
            raise ValueError(f"--{name.replace('_', '-')} must be at least {least}, got {value}.")


def demand_presets(names: Sequence[str], presets: Mapping[str, Any]) -> None:
    """Stops a command whose flag --presets names one that there is not.

    Raises:
        ValueError: if it does.
    """
    if unknown := [name for name in names if name not in presets]:
        raise ValueError(f"--presets must name some of {', '.join(presets)}, got {' '.join(unknown)}.")


def demand_file(flag: str, path: Path) -> None:
    """A ValueError that names the flag, unless a file can be written there: found out before anything is played or trained."""
    if not path.parent.is_dir():
        raise ValueError(f"{flag} {path}: there is no folder {path.parent}.")
    if path.is_dir():
        raise ValueError(f"{flag} {path}: that is a folder.")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise ValueError(f"{flag} {path}: it may not be written.")


def flag_value(argv: Sequence[str], name: str) -> str | None:
    """The value of a flag, read before the others because their defaults depend on it."""
    for place, word in enumerate(argv):
        if word == name and place + 1 < len(argv):
            return argv[place + 1]
        if word.startswith(name + "="):
            return word.partition("=")[2]
    return None
