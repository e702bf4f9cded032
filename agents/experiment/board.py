"""A run's page in TensorBoard: curves in groups, settings, where the agent looked, and films of its episodes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tensorboard.compat.proto.summary_pb2 import Summary
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams

from agents.experiment.recording import gif
from agents.experiment.settings import ExperimentConfig
from ram_envs.rendering import Pixels

GROUPS = {
    "update": "time/update", "episodes": "time/episodes", "frames": "time/frames",
    "border_penalty": "loss/border_penalty", "looks_differ": "gaze/looks_differ", "std": "gaze/std",
}  # fmt: skip
"""Name in `metrics.jsonl` -> name here, where the name itself does not say its group."""
CELL = 4  # pixels of a cell of the heat map


def tag(name: str) -> str:
    """What TensorBoard calls a number of `metrics.jsonl`: its group, and its name there."""
    if name in GROUPS:
        return GROUPS[name]
    for prefix, group in (("validation_", "eval"), ("gaze_", "gaze")):
        if name.startswith(prefix) and not name.endswith("learning_rate"):
            return f"{group}/{name.removeprefix(prefix)}"
    return f"loss/{name}" if name.endswith("loss") else f"train/{name}"


class Board:
    """Writes a run's page.

    Args:
        folder: of the run.
        config: its settings, which the page lists.
        frames: seen before; what was written of later ones is taken back.
        seconds: that the run took before.
    """

    def __init__(self, folder: Path, config: ExperimentConfig, frames: int = 0, seconds: float = 0.0) -> None:
        self.writer: Any = SummaryWriter(str(folder), purge_step=frames)
        self.frames, self.seconds = frames, seconds
        settings = {name: _plain(value) for name, value in config.flat()}
        experiment, begun, _ = hparams(settings, {"eval/error_percent": None})  # type: ignore[no-untyped-call]
        for summary in (experiment, begun):
            self._write(summary)
        rows = "\n".join(f"| {name} | {value} |" for name, value in settings.items())
        self.writer.add_text("settings", f"| setting | value |\n|---|---|\n{rows}", frames)

    def __enter__(self) -> Board:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.writer.close()

    def add(self, line: Mapping[str, float], seconds: float) -> None:
        """A report, as `metrics.jsonl` has it, and the seconds that the run has taken."""
        frames = int(line["frames"])
        pace = (frames - self.frames) / max(seconds - self.seconds, 1e-9)
        self.frames, self.seconds = frames, seconds
        for name, value in line.items():
            self.writer.add_scalar(tag(name), value, frames)
        self.writer.add_scalar("time/seconds", seconds, frames)
        self.writer.add_scalar("time/frames_per_second", pace, frames)

    def add_looks(self, looks: NDArray[np.int64], frames: int) -> None:
        """How many glimpses were taken in each cell of the scene (G, G), as a picture: black none, white most."""
        heat = np.sqrt(looks / max(looks.max(), 1)).repeat(CELL, 0).repeat(CELL, 1)[..., None]
        colours = (255 * (3 * heat - [0, 1, 2]).clip(0, 1)).astype(np.uint8)  # black, red, yellow, white
        self.writer.add_image("gaze/where_it_looks", colours, frames, dataformats="HWC")

    def add_film(self, film: list[Pixels], fps: float, frames: int) -> None:
        """Frames (h, w, 3) of episodes, if there are any, as a picture that moves."""
        if not film:
            return
        height, width = film[0].shape[:2]
        image = Summary.Image(height=height, width=width, colorspace=3, encoded_image_string=gif(film, fps))
        self._write(Summary(value=[Summary.Value(tag="eval/episodes", image=image)]), frames)

    def _write(self, summary: Any, frames: int | None = None) -> None:
        self.writer.file_writer.add_summary(summary, frames)


def _plain(value: Any) -> bool | float | int | str:
    """A setting as TensorBoard takes it."""
    return value if isinstance(value, bool | float | int | str) else str(value)
