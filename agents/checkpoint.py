"""Checkpoints: plain dicts of tensors and primitives, written atomically, read with `weights_only=True`."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path
from typing import Any

import torch

from agents.config import Config, Settings
from agents.image_classifiers import ClassifierConfig
from agents.ram_agent import RecurrentAttentionAgent, make_agent
from agents.run_folder import RESULT

FORMAT = 1
FOUND: dict[type[Settings], str] = {
    Config: "an agent, not a classifier: train_ram.py goes on with it, evaluate_ram.py scores it.",
    ClassifierConfig: f"a classifier, not an agent: train_classifier.py goes on with it, {RESULT} beside it has its scores.",
}


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Writes the state beside `path`, then moves it there: whoever reads finds the old file or the new one, whole."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            torch.save({"format": FORMAT, **state}, file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def load_checkpoint(path: Path, settings: type[Settings] = Config) -> dict[str, Any]:
    """The state in a checkpoint, with its "config" as the settings that are asked for: an agent's or a classifier's.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is not a checkpoint of this format, or of the other of the two.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise FileNotFoundError(f"No checkpoint at {path}.") from None
    except (RuntimeError, pickle.UnpicklingError, EOFError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(
            f"{path} cannot be read as a checkpoint (cut short, or another kind of file): {reason}"
        ) from None
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise ValueError(
            f"{path} is not a checkpoint of format {FORMAT}: it was written by another program or version."
        )
    found = ClassifierConfig if "network" in state else Config
    if found is not settings:
        raise ValueError(f"{path} holds {FOUND[found]}")
    return {**state, "config": settings.from_dict(json.loads(state["config"]))}


def export_agent(source: Path, path: Path) -> None:
    """Writes the trained agent of a run's checkpoint without what only training needs."""
    state = torch.load(source, map_location="cpu", weights_only=True)
    save_checkpoint(path, {name: state[name] for name in ("config", "agent", "update", "frames")})


def load_agent(path: Path, envs: Any) -> RecurrentAttentionAgent:
    """The trained agent in a checkpoint, for an environment like the one it was trained in.

    Raises:
        ValueError: if the environment's glimpses or choices are not those the agent was trained with.
    """
    state = load_checkpoint(path)
    agent = make_agent(state["config"], envs)
    try:
        agent.load_state_dict(state["agent"])
    except RuntimeError:
        raise ValueError(
            f"{path} holds an agent for {state['config'].env}, which does not fit the glimpses or choices of this environment."
        ) from None
    return agent.eval()
