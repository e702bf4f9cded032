"""Checkpoints: plain dicts of tensors and primitives, written atomically, read with `weights_only=True`."""

from __future__ import annotations

import io
import json
import pickletools
import re
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import torch

from agents.config import Config, Settings
from agents.image_classifiers import ClassifierConfig
from agents.ram_agent import RecurrentAttentionAgent, make_agent
from agents.run_folder import RESULT, write_whole

FORMAT = 1
SAME_NETWORKS = ("core", "pathways", "location_mean", "glimpse_scaling", "glimpse_gain")  # that shapes do not tell
PARTS = re.compile(r"collections OrderedDict|torch\._utils _rebuild_tensor_v2|torch \w+Storage")  # all it may name
FOUND: dict[type[Settings], str] = {
    Config: "an agent, not a classifier: train_ram.py goes on with it, evaluate_ram.py scores it.",
    ClassifierConfig: f"a classifier, not an agent: train_classifier.py goes on with it, {RESULT} beside it has its scores.",
}


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Writes the state to `path`: whoever reads finds the old checkpoint or the new one, whole."""
    buffer = io.BytesIO()
    torch.save({"format": FORMAT, **state}, buffer)
    write_whole(path, buffer.getbuffer())


def load_checkpoint(path: Path, settings: type[Settings] = Config) -> dict[str, Any]:
    """The state in a checkpoint, with its "config" as the settings that are asked for: an agent's or a classifier's.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is not a checkpoint of this format, or of the other of the two.
    """
    try:
        file = path.open("rb")
    except FileNotFoundError:
        raise FileNotFoundError(f"No checkpoint at {path}.") from None
    with file:
        try:
            state = _unpack(file)
        except Exception as error:  # a hostile file makes zipfile and the unpickler stumble in any way
            raise ValueError(
                f"{path} cannot be read as a checkpoint (damaged, or another kind of file): {first_line(error)}"
            ) from None
    version = state.get("format") if isinstance(state, dict) else None
    if not isinstance(version, int) or version != FORMAT:
        raise ValueError(
            f"{path} is not a checkpoint of format {FORMAT}: it was written by another program or version."
        )
    found = ClassifierConfig if "network" in state else Config
    if found is not settings:
        raise ValueError(f"{path} holds {FOUND[found]}")
    try:
        return {**state, "config": settings.from_dict(json.loads(state["config"]))}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"{path} holds settings that cannot be used: {first_line(error)}") from None


@contextmanager
def restoring(
    path: Path, state: Mapping[str, Any], config: Settings, optimizer: torch.optim.Optimizer
) -> Iterator[None]:
    """Whatever does not fit while a run goes back to a checkpoint is told as such.

    Raises:
        ValueError: if the checkpoint is one of other settings, or of networks of other shapes.
    """
    if state["config"] != config:
        raise ValueError(f"{path} was written with other settings: go on with those, or name another folder.")
    try:
        yield
        for parameter, moments in optimizer.state.items():  # fused kernels would write beyond moments of other shapes
            like = (parameter.shape, parameter.stride())
            for name, moment in moments.items():
                if name != "step" and (moment.shape, moment.stride()) != like:
                    raise ValueError(f"{name} of the optimiser has another shape than its parameter.")
    except Exception as error:
        raise ValueError(f"{path} does not fit this run: {first_line(error)}") from None


def first_line(error: Exception) -> str:
    """What went wrong, in one line."""
    return f"{type(error).__name__}: {error}".splitlines()[0]


def _unpack(file: IO[bytes]) -> Any:
    """What `torch.save` wrote, if every part has its checksum; runs no code and believes no size that the file names."""
    with zipfile.ZipFile(file) as archive:
        if sum(part.file_size for part in archive.infolist()) > file.seek(0, io.SEEK_END):
            raise ValueError("it claims to hold more than its size.")
        if damaged := archive.testzip():
            raise ValueError(f"{damaged} is damaged.")
        for pickled in (name for name in archive.namelist() if name.endswith(".pkl")):
            named = {str(name) for code, name, _ in pickletools.genops(archive.read(pickled)) if "GLOBAL" in code.name}
            if foreign := [name for name in named if not PARTS.fullmatch(name)]:
                raise ValueError(f"it names {foreign[0]}.")
    file.seek(0)
    return torch.load(file, map_location="cpu", weights_only=True)


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
    try:
        with torch.device("meta"):  # takes no memory, whatever sizes the settings claim
            fitting = shapes(make_agent(state["config"], envs).state_dict())
        fits = shapes(state["agent"]) == fitting
    except (RuntimeError, AttributeError, KeyError):
        fits = False
    if not fits:
        raise ValueError(
            f"{path} holds an agent for {state['config'].env}, which does not fit the glimpses or choices of this environment."
        )
    agent = make_agent(state["config"], envs)
    agent.load_state_dict(state["agent"])
    return agent.eval()


def begin_with(agent: RecurrentAttentionAgent, checkpoint: str) -> None:
    """Gives an agent the weights in a checkpoint, found from here or from the repository; what these lack it keeps.

    The baseline begins afresh: it may have been one of other rewards.

    Raises:
        FileNotFoundError: if there is no such checkpoint.
        ValueError: if it cannot be read, or holds weights that this agent does not have.
    """
    path = Path(checkpoint)
    path = path if path.exists() else Path(__file__).resolve().parents[1] / path
    state, own = load_checkpoint(path), agent.state_dict()
    weights = {name: value for name, value in state["agent"].items() if not name.startswith("baseline_network.")}
    config = state["config"]
    alike = all(getattr(config, name) == getattr(agent.config, name) for name in SAME_NETWORKS)
    if not alike or shapes(weights) != shapes({name: own[name] for name in weights if name in own}):
        raise ValueError(
            f"warm_start: the agent in {path} has other networks than these settings: "
            f"{', '.join(SAME_NETWORKS)} and all sizes must be the same."
        )
    agent.load_state_dict(weights, strict=False)


def shapes(tensors: Mapping[Any, torch.Tensor]) -> dict[Any, torch.Size]:
    """The shape of each tensor."""
    return {name: tensor.shape for name, tensor in tensors.items()}
