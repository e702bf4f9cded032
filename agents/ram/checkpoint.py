"""The agent in a checkpoint: to save, to load, to ship, to begin with."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch

from agents.experiment.checkpoint import first_line, load_checkpoint, save_checkpoint
from agents.experiment.run_folder import CHECKPOINT
from agents.ram.agent import RecurrentAttentionAgent, make_agent
from agents.ram.config import Config

save_state = partial(save_checkpoint, holds="an agent")
SCALE = " scale"  # of a weight's name: what its bytes are multiplied by, row by row
LARGE = 1024  # entries from which a weight is shipped in bytes


def load_state(path: Path) -> dict[str, Any]:
    """The state in an agent's checkpoint, see `load_checkpoint`; of a shipped one with its weights as numbers again.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is not such a checkpoint.
    """
    state = load_checkpoint(path, settings=Config, holds="an agent")
    weights = state.get("agent")
    if not isinstance(weights, dict) or not any(str(name).endswith(SCALE) for name in weights):
        return state
    try:
        return {**state, "agent": _from_bytes(weights)}
    except (AttributeError, TypeError, RuntimeError) as error:
        raise ValueError(f"{path} holds weights that cannot be used: {first_line(error)}") from None


def export_agent(source: Path, path: Path) -> None:
    """Writes the trained agent of a run's checkpoint without what only training needs, a quarter of its size: large weights as bytes."""
    state = load_state(source)
    state["config"], state["agent"] = state["config"].to_json(), _as_bytes(state["agent"])
    save_state(
        path, {name: state[name] for name in ("config", "class_names", "agent", "update", "frames") if name in state}
    )


def _as_bytes(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Each large weight as int8, and what its rows are to be multiplied by: off by at most 1/254 of the largest in its row."""
    packed = {}
    for name, weight in weights.items():
        if weight.is_floating_point() and weight.dim() > 1 and weight.numel() >= LARGE:
            scale = (weight.flatten(1).abs().amax(1) / 127).clamp(min=1e-12).view(-1, *[1] * (weight.dim() - 1))
            packed[name], packed[name + SCALE] = (weight / scale).round().to(torch.int8), scale
        else:
            packed[name] = weight
    return packed


def _from_bytes(packed: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {
        name: weight * packed[name + SCALE] if name + SCALE in packed else weight
        for name, weight in packed.items()
        if not name.endswith(SCALE)
    }


def load_agent(path: Path, envs: Any) -> RecurrentAttentionAgent:
    """The trained agent in a checkpoint, for an environment like the one it was trained in.

    Raises:
        ValueError: if the environment's glimpses, choices or classes are not those the agent was trained with.
    """
    state = load_state(path)
    try:
        with torch.device("meta"):  # takes no memory, whatever sizes the settings claim
            fitting = _shapes(make_agent(state["config"], envs).state_dict())
        fits = _shapes(state["agent"]) == fitting
    except (RuntimeError, AttributeError, KeyError):
        fits = False
    if not fits:
        raise ValueError(
            f"{path} holds an agent for {state['config'].env}, which does not fit the glimpses or choices of this environment."
        )
    learnt, asked = state.get("class_names"), class_names(envs)
    if isinstance(learnt, list) and asked is not None and learnt != asked:
        raise ValueError(f"{path} holds an agent that tells {_listed(learnt)} apart, not {_listed(asked)}.")
    agent = make_agent(state["config"], envs)
    agent.load_state_dict(state["agent"])
    agent.location_std = agent.final_std
    return agent.eval()


def class_names(envs: Any) -> list[str] | None:
    """The names of the classes that are told apart there, single environment or vector, if any."""
    names: Any = getattr(getattr(envs.unwrapped, "lane", envs.unwrapped), "class_names", None)
    known = isinstance(names, tuple | list) and all(isinstance(name, str) for name in names)
    return [*names] if known else None  # whoever calls something else so means something else


def _listed(names: list[str], most: int = 10) -> str:
    return ", ".join(map(str, names[:most])) + f" and {len(names) - most} more" * (len(names) > most)


def begin_with(agent: RecurrentAttentionAgent, checkpoint: str) -> None:
    """Gives an agent the weights in a checkpoint (or a run's folder), found from here or from the repository; what these lack it keeps.

    The baseline begins afresh: it may have been one of other rewards.

    Raises:
        FileNotFoundError: if there is no such checkpoint.
        ValueError: if it cannot be read, or holds weights that this agent does not have.
    """
    path = Path(checkpoint)
    path = path if path.exists() else Path(__file__).resolve().parents[2] / path
    path = path / CHECKPOINT if path.is_dir() else path
    state, own = load_state(path), agent.state_dict()
    weights = {name: value for name, value in state["agent"].items() if not name.startswith("baseline_network.")}
    alike = _beyond_shapes(state["config"]) == _beyond_shapes(agent.config)
    if not alike or _shapes(weights) != _shapes({name: own[name] for name in weights if name in own}):
        raise ValueError(
            f"warm_start: the agent in {path} has other networks than these settings: "
            f"{', '.join(_beyond_shapes(agent.config))} and all sizes must be the same."
        )
    agent.load_state_dict(weights, strict=False)


def _beyond_shapes(config: Config) -> dict[str, Any]:
    """The settings of networks that the shapes of their weights do not tell."""
    network, gaze = config.network, config.gaze
    return {
        "network.core": network.core,
        "network.glimpse_scaling": network.glimpse_scaling,
        "network.glimpse_gain": network.glimpse_gain,
        "gaze.pathway": gaze.pathway,
        "gaze.mean": gaze.mean,
    }


def _shapes(tensors: Mapping[Any, torch.Tensor]) -> dict[Any, torch.Size]:
    return {name: tensor.shape for name, tensor in tensors.items()}
