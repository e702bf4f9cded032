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

from agents.experiment.run_folder import MODEL, write_whole
from agents.experiment.settings import AnySettings, ExperimentConfig

FORMAT = 2  # 1 had its settings in one group
PARTS = re.compile(r"collections OrderedDict|torch\._utils _rebuild_tensor_v2|torch \w+Storage")  # all it may name
FOLDER = 0x10  # the bit of a ZIP entry's attributes
MADE_BY = {
    "an agent": "train_ram.py goes on with it, evaluate_ram.py scores it.",
    "a classifier": "train_classifier.py goes on with it, result.json beside it has its scores.",
}
"""What a checkpoint holds -> what to do with it."""


def save_checkpoint(path: Path, state: dict[str, Any], holds: str) -> None:
    """Writes the state to `path`: whoever reads finds the old checkpoint or the new one, whole.

    Args:
        path: the file.
        state: tensors and primitives, and the settings as JSON under "config".
        holds: what it is, one of `MADE_BY`.
    """
    buffer = io.BytesIO()
    torch.save({"format": FORMAT, "holds": holds, **state}, buffer)
    write_whole(path, buffer.getbuffer())


def load_checkpoint(path: Path, settings: type[AnySettings], holds: str) -> dict[str, Any]:
    """The state in a checkpoint, with its "config" as settings.

    Args:
        path: the file.
        settings: class of the settings.
        holds: what is asked for, one of `MADE_BY`.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is not a checkpoint of this format, or holds something else.
    """
    try:
        file = path.open("rb")
    except FileNotFoundError:
        stock = f" ({MODEL} there is of Stable-Baselines3: evaluate_sb3.py scores it)" * (path.parent / MODEL).exists()
        raise FileNotFoundError(f"No checkpoint at {path}{stock}.") from None
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
    if (found := state.get("holds")) != holds:
        advice = MADE_BY[found] if isinstance(found, str) and found in MADE_BY else "it is of no use here."
        raise ValueError(f"{path} holds {found}, not {holds}: {advice}")
    try:
        return {**state, "config": settings.from_dict(json.loads(state["config"]))}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"{path} holds settings that cannot be used: {first_line(error)}") from None


@contextmanager
def restoring(
    path: Path, state: Mapping[str, Any], config: ExperimentConfig, optimizer: torch.optim.Optimizer
) -> Iterator[None]:
    """Whatever does not fit while a run goes back to a checkpoint is told as such.

    Raises:
        ValueError: if the checkpoint is one of other settings, or of networks of other shapes.
    """
    demand_settings(path, state["config"], config)
    try:
        yield
        for parameter, moments in optimizer.state.items():  # fused kernels would write beyond moments of other shapes
            like = (parameter.shape, parameter.stride())
            for name, moment in moments.items():
                if name != "step" and (moment.shape, moment.stride()) != like:
                    raise ValueError(f"{name} of the optimiser has another shape than its parameter.")
    except Exception as error:
        raise ValueError(f"{path} does not fit this run: {first_line(error)}") from None


def demand_settings(path: Path, before: ExperimentConfig, config: ExperimentConfig) -> None:
    """A ValueError, unless a run goes on with the settings that its checkpoint was written with, but for the device and the environment's module."""
    place = {"env": config.env} if before.env_id == config.env_id else {}
    if before.but(run={"device": config.run.device}, **place) != config:
        raise ValueError(f"{path} was written with other settings: go on with those, or name another folder.")


def demand_device(path: Path, state: Mapping[str, Any], config: ExperimentConfig, device: torch.device) -> bool:
    """Whether a run goes on where it was; it goes on elsewhere only if that was asked for.

    Args:
        path: of the checkpoint.
        state: in the checkpoint, with the "devices" of the run so far.
        config: of the run that goes on.
        device: where it goes on.

    Raises:
        ValueError: if it is to go on elsewhere and nobody asked for that.
    """
    devices = state.get("devices")
    before = str(devices[-1]).split()[0] if isinstance(devices, list) and devices else device.type
    if before == device.type:
        return True
    if state["config"].run.device == config.run.device:
        raise ValueError(
            f"{path} is of a run on {before}, and here it would go on on {device.type}, with other numbers than there: "
            f"add --device {device.type} to go on all the same."
        )
    print(
        f"This run was on {before} and goes on on {device.type}: its numbers are not those of a run that stays where it is."
    )
    return False


def first_line(error: Exception) -> str:
    """What went wrong, in one line; with the next where the first only announces it, as PyTorch's do."""
    line, *more = f"{type(error).__name__}: {error}".splitlines()
    return f"{line} {more[0].strip()}" if line.endswith(":") and more else line


def _unpack(file: IO[bytes]) -> Any:
    """What `torch.save` wrote, if every part has its checksum; runs no code and believes no size that the file names."""
    with zipfile.ZipFile(file) as archive:
        if "policy.pth" in archive.namelist():
            raise ValueError("it is a model of Stable-Baselines3, which evaluate_sb3.py scores.")
        if sum(part.file_size for part in archive.infolist()) > file.seek(0, io.SEEK_END):
            raise ValueError("it claims to hold more than its size.")
        # PyTorch does not read what says so, and takes what memory holds.
        if any(part.external_attr & FOLDER for part in archive.infolist()):
            raise ValueError("a part of it says that it is a folder.")
        if damaged := archive.testzip():
            raise ValueError(f"{damaged} is damaged.")
        for pickled in (name for name in archive.namelist() if name.endswith(".pkl")):
            named = {str(name) for code, name, _ in pickletools.genops(archive.read(pickled)) if "GLOBAL" in code.name}
            if foreign := [name for name in named if not PARTS.fullmatch(name)]:
                raise ValueError(f"it names {foreign[0]}.")
    file.seek(0)
    return torch.load(file, map_location="cpu", weights_only=True)
