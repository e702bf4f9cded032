"""Pictures of episodes, and into a file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import imageio.v3 as imageio
import numpy as np

from agents.experiment.episodes import make_split
from agents.experiment.settings import ExperimentConfig
from ram_envs.rendering import Pixels, View, draw_view

SUFFIXES = (".gif", ".mp4", ".png")
FASTEST_GIF = 100  # frames a second
FILM_SIZE = 256  # pixels of height
FILM_LENGTH = 300  # pictures at most: episodes may be long


class _FilmIsFull(Exception):
    """Ends what is filmed."""


def film(config: ExperimentConfig, play: Callable[[Any, Callable[[View], None]], Any]) -> tuple[list[Pixels], float]:
    """The first pictures of validation episodes, and how many are shown a second.

    Args:
        config: whose environment.
        play: plays them, in the environment with one lane that it is given, and calls what it is given with what there is to see at every step.
    """
    envs, frames = make_split(config, 1, "validation", render_mode="rgb_array"), list[Pixels]()

    def take(view: View) -> None:
        frames.append(draw_view(view, FILM_SIZE))
        if len(frames) == FILM_LENGTH:
            raise _FilmIsFull

    with closing(envs), suppress(_FilmIsFull):
        play(envs, take)
    return frames, float(envs.metadata["render_fps"])


def demand_video(path: Path, fps: float | None) -> None:
    """A ValueError that names the flag, unless `write_video` can write such a file: found out before anything is played."""
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"--video must end in one of {', '.join(SUFFIXES)}, got {path}.")
    if path.suffix.lower() == ".gif" and fps is not None and fps > FASTEST_GIF:
        raise ValueError(
            f"--fps must be at most {FASTEST_GIF} for a .gif, which counts in hundredths of a second, got {fps}."
        )


def write_video(path: Path, frames: Sequence[Pixels], fps: float) -> None:
    """Writes frames as a .gif, an .mp4, or the last of them as a .png."""
    suffix = path.suffix.lower()
    if suffix == ".png":
        imageio.imwrite(path, frames[-1], extension=".png")
    elif suffix == ".gif":
        path.write_bytes(gif(list(frames), fps))
    else:
        imageio.imwrite(
            path, np.stack([_even(frame) for frame in frames]), fps=fps, macro_block_size=2, extension=".mp4"
        )


def gif(frames: list[Pixels], fps: float) -> bytes:
    """Frames as the content of a .gif, which shows at most `FASTEST_GIF` a second: faster worlds go slower there."""
    duration = 1000 / min(fps, FASTEST_GIF)
    written: bytes = imageio.imwrite("<bytes>", frames, duration=duration, loop=0, extension=".gif")
    return written


def _even(frame: Pixels) -> Pixels:
    """The frame with even sides, as video wants them: a last row or column twice."""
    height, width = frame.shape[:2]
    return np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
