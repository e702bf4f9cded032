"""Pictures into a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import imageio.v3 as imageio
import numpy as np

from ram_envs.rendering import Pixels

SUFFIXES = (".gif", ".mp4", ".png")


def demand_video(path: Path, fps: float | None) -> None:
    """A ValueError that names the flag, unless `write_video` can write such a file: found out before anything is played."""
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"--video must end in one of {', '.join(SUFFIXES)}, got {path}.")
    if path.suffix.lower() == ".gif" and fps is not None and fps > 100:
        raise ValueError(f"--fps must be at most 100 for a .gif, which counts in hundredths of a second, got {fps}.")


def write_video(path: Path, frames: Sequence[Pixels], fps: float) -> None:
    """Writes frames as a .gif, an .mp4, or the last of them as a .png."""
    suffix = path.suffix.lower()
    if suffix == ".png":
        imageio.imwrite(path, frames[-1], extension=".png")
    elif suffix == ".gif":
        imageio.imwrite(path, list(frames), duration=1000 / fps, loop=0, extension=".gif")
    else:
        imageio.imwrite(
            path, np.stack([_even(frame) for frame in frames]), fps=fps, macro_block_size=2, extension=".mp4"
        )


def gif(frames: list[Pixels], fps: float) -> bytes:
    """Frames as the content of a .gif."""
    written: bytes = imageio.imwrite("<bytes>", frames, duration=1000 / fps, loop=0, extension=".gif")
    return written


def _even(frame: Pixels) -> Pixels:
    """The frame with even sides, as video wants them: a last row or column twice."""
    height, width = frame.shape[:2]
    return np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
