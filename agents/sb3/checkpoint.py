"""Models in files: Stable-Baselines3's own zip, which `PPO.load` and its like read, with the run's settings beside what that puts there.

Such a file holds pickled objects, which may run any code while they are read: load only files that you trust.
"""

from __future__ import annotations

import io
import json
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from sb3_contrib import RecurrentPPO
from stable_baselines3 import A2C, DQN, PPO, SAC
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.save_util import recursive_getattr

from agents.experiment.checkpoint import first_line
from agents.experiment.run_folder import CHECKPOINT, MODEL, write_whole
from agents.sb3.config import OFF_POLICY, Sb3Config

ALGORITHMS: dict[str, type[BaseAlgorithm]] = {
    "ppo": PPO, "recurrent_ppo": RecurrentPPO, "a2c": A2C, "dqn": DQN, "sac": SAC,
}  # fmt: skip
SETTINGS, PAST = "settings.json", "past.json"  # in the zip
OF_TRAINING = (
    "_last_obs", "_last_original_obs", "_last_episode_starts", "_last_lstm_states", "ep_info_buffer", "ep_success_buffer",
    "learning_rate", "lr_schedule", "replay_buffer_class", "replay_buffer_kwargs", "system_info.txt",
)  # fmt: skip
"""Attributes and parts of the file that a model which only plays does not need; a schedule may be a function of one version of Python."""
NO_STEPS = "`n_steps=.*` is ignored because a custom `replay_buffer_class`"
"""What a DQN of several steps says of itself when it is loaded; its replay buffer has them."""


def save_model(
    model: BaseAlgorithm,
    config: Sb3Config,
    path: Path,
    leave_out: Sequence[str] = (),
    past: Mapping[str, Any] | None = None,
) -> None:
    """Writes a model and its settings: whoever reads finds the old file or the new one, whole.

    Args:
        model: to be kept.
        config: how it was trained.
        path: the file.
        leave_out: attributes of the model and parts of the file that are not written.
        past: what the run had come to, for `load_run`; nothing in a model that is shipped.
    """
    written, buffer = io.BytesIO(), io.BytesIO()
    model.save(written, exclude=leave_out)
    with zipfile.ZipFile(written) as parts, zipfile.ZipFile(buffer, "w") as archive:
        for name in parts.namelist():
            if name not in leave_out:
                archive.writestr(name, parts.read(name))
        archive.writestr(SETTINGS, json.dumps(config.to_dict()))
        if past is not None:
            archive.writestr(PAST, json.dumps(past))
    write_whole(path, buffer.getbuffer())


def load_model(path: Path) -> tuple[BaseAlgorithm, Sb3Config]:
    """A model on the CPU, to play with, and its settings.

    Args:
        path: the file, or the folder of a run.

    Raises:
        FileNotFoundError: if there is no model.
        ValueError: if it is no model that `train_sb3.py` left.
    """
    file, settings, _ = _read(path)
    try:
        config = Sb3Config.from_dict(json.loads(settings)).but(run={"device": "cpu"})
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", NO_STEPS, UserWarning)
            smaller: dict[str, Any] = {"buffer_size": 1} if config.algo in OFF_POLICY else {}  # it only plays
            return ALGORITHMS[config.algo].load(file, device="cpu", **smaller), config
    except Exception as error:  # a model of another version makes its library stumble in any way
        raise ValueError(f"{file} holds a model that cannot be used: {first_line(error)}") from None


def load_run(path: Path) -> dict[str, Any]:
    """What a run had come to when its model was saved, and its settings under "config".

    Args:
        path: the file, or the folder of the run.

    Raises:
        FileNotFoundError: if there is no model.
        ValueError: if it is no model that `train_sb3.py` left, or one that it cannot go on with.
    """
    file, settings, past = _read(path)
    try:
        config = Sb3Config.from_dict(json.loads(settings))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"{file} holds settings that cannot be used: {first_line(error)}") from None
    if config.algo in OFF_POLICY:
        raise ValueError(
            f"{file} is of {config.algo}, which learns from many thousand earlier steps, and these are not kept: train anew in another --run-dir."
        )
    if past is None:
        raise ValueError(f"{file} does not tell how far its run was: it was shipped, or is of an earlier version.")
    return {**json.loads(past), "config": config}


def _read(path: Path) -> tuple[Path, str, str | None]:
    """The file of a model, its settings, and what its run had come to if it tells that."""
    file = path / MODEL if path.is_dir() else path
    if not file.exists():
        other = " (checkpoint.pt there is of another training: evaluate_ram.py scores agents)"
        raise FileNotFoundError(f"No model at {file}{other * (file.parent / CHECKPOINT).exists()}.")
    try:
        with zipfile.ZipFile(file) as archive:
            told = {name: archive.read(name).decode() for name in (SETTINGS, PAST) if name in archive.namelist()}
    except Exception as error:  # a damaged or hostile file makes zipfile stumble in any way
        raise ValueError(
            f"{file} cannot be read as a model (damaged, or another kind of file): {first_line(error)}"
        ) from None
    if SETTINGS not in told:
        raise ValueError(f"{file} holds no {SETTINGS}: it is not a model that train_sb3.py left.")
    return file, told[SETTINGS], told.get(PAST)


def export_model(run: Path, path: Path) -> None:
    """Writes the model of a run as it is shipped: what it needs to play, without the state of its optimisers.

    Args:
        run: the folder of the run.
        path: the file that is written.
    """
    model, config = load_model(run)
    for name in model._get_torch_save_params()[0]:
        if isinstance(kept := recursive_getattr(model, name), torch.optim.Optimizer):
            kept.state.clear()
    save_model(model, config, path, leave_out=OF_TRAINING)
