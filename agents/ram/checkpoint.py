"""The agent in a checkpoint: to save, to load, to ship, to begin with."""

from __future__ import annotations

import lzma
import math
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import torch

from agents.experiment.checkpoint import first_line, load_checkpoint, save_checkpoint
from agents.experiment.run_folder import CHECKPOINT
from agents.ram.agent import RecurrentAttentionAgent, make_agent
from agents.ram.config import Config

save_state = partial(save_checkpoint, holds="an agent")
# A packed weight is whole numbers, with what its rows are multiplied by and its shape beside it under these endings of its name.
SCALE, SHAPE = " scale", " shape"
LARGE = 1024  # entries from which a weight is packed
LARGEST = 2**26  # entries that one may have when it is read
# Whole numbers are so far apart, in root mean squares of a row: the first with which all of an agent is no larger than this, in bytes, or the last.
STEPS, SHIPPED = (0.05, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.8), 960_000
# Weights with fewer entries have steps a quarter as large, as an error in them weighs more; those of the gaze's core twice as large.
WIDE = 2**16


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
        return {**state, "agent": _unpacked(weights)}
    except (AttributeError, KeyError, TypeError, ValueError, RuntimeError, lzma.LZMAError) as error:
        raise ValueError(f"{path} holds weights that cannot be used: {first_line(error)}") from None


def export_agent(source: Path, path: Path) -> None:
    """Writes the trained agent of a run's checkpoint without what only training needs: large weights in steps as coarse as 1 MB asks for."""
    state = load_checkpoint(source, settings=Config, holds="an agent")
    tried = (_packed(state["agent"], step) for step in STEPS)
    fitting = (packed for packed in tried if sum(part.nbytes for part in packed.values()) <= SHIPPED)
    state["config"] = state["config"].to_json()
    state["agent"] = next(fitting, None) or _packed(state["agent"], STEPS[-1])
    save_state(
        path, {name: state[name] for name in ("config", "class_names", "agent", "update", "frames") if name in state}
    )


def _packed(weights: Mapping[str, torch.Tensor], step: float) -> dict[str, torch.Tensor]:
    """Each large weight as whole numbers, compressed, with its shape and what its rows are to be multiplied by; what is packed already stays so."""
    packed = {}
    for name, weight in weights.items():
        if not (weight.is_floating_point() and weight.dim() > 1 and weight.numel() >= LARGE):
            packed[name] = weight
            continue
        share = 0.25 if weight.numel() < WIDE else 2.0 if name.startswith("cores.where") else 1.0
        rows = weight.flatten(1)
        scale = torch.maximum(share * step * rows.square().mean(1).sqrt(), rows.abs().amax(1) / 127).clamp(min=1e-12)
        numbers = (rows / scale[:, None]).round().to(torch.int8).numpy().tobytes()
        packed[name] = torch.frombuffer(bytearray(lzma.compress(numbers)), dtype=torch.uint8)
        packed[name + SCALE], packed[name + SHAPE] = scale, torch.tensor(weight.shape)
    return packed


def _unpacked(packed: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The inverse of `_packed`, but for what was rounded; also of what earlier versions wrote, which did not compress.

    Raises:
        ValueError: if a weight is not what it says that it is.
    """
    weights = {}
    for name, weight in packed.items():
        if name.endswith((SCALE, SHAPE)):
            continue
        if name + SHAPE in packed:
            shape = packed[name + SHAPE].tolist()
            if not 0 < math.prod(shape) <= LARGEST:
                raise ValueError(f"{name} claims to have the shape {shape}.")
            numbers = lzma.LZMADecompressor().decompress(weight.numpy().tobytes(), math.prod(shape))
            rows = torch.frombuffer(bytearray(numbers), dtype=torch.int8).view(shape[0], -1)
            weight = (rows * packed[name + SCALE][:, None]).view(shape)
        elif name + SCALE in packed:
            weight = weight * packed[name + SCALE]
        weights[name] = weight
    return weights


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
    with suppress(ValueError):  # of what only matters in training
        agent.find_teacher(envs.unwrapped.tells_label, envs.unwrapped.one_answer)
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
        "network.input": network.input,
        "network.glimpse_scaling": network.glimpse_scaling,
        "network.glimpse_gain": network.glimpse_gain,
        "gaze.pathway": gaze.pathway,
        "gaze.mean": gaze.mean,
    }


def _shapes(tensors: Mapping[Any, torch.Tensor]) -> dict[Any, torch.Size]:
    return {name: tensor.shape for name, tensor in tensors.items()}
