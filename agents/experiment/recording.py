"""Pictures into a file."""

from __future__ import annotations

from pathlib import Path

import imageio.v3 as imageio
import numpy as np

from ram_envs.rendering import Pixels

SUFFIXES = (".gif", ".mp4", ".png")


def check_video(path: Path) -> None:
    """Complains of a file that `write_video` could not write, before anything is played.

    Raises:
        ValueError: if the suffix is none of `SUFFIXES`, or the folder is not there.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"--video must end in one of {', '.join(SUFFIXES)}, got {path}.")
    if not path.parent.is_dir():
        raise ValueError(f"--video {path}: there is no folder {path.parent}.")


def write_video(path: Path, frames: list[Pixels], fps: float) -> None:
    """Writes frames as a .gif, an .mp4, or the last of them as a .png."""
    suffix = path.suffix.lower()
    if suffix == ".png":
        imageio.imwrite(path, frames[-1], extension=".png")
    elif suffix == ".gif":
        imageio.imwrite(path, frames, duration=1000 / fps, loop=0, extension=".gif")
    else:
        imageio.imwrite(
            path, np.stack([_even(frame) for frame in frames]), fps=fps, macro_block_size=2, extension=".mp4"
        )


def _even(frame: Pixels) -> Pixels:
    """The frame with even sides, as video wants them: a last row or column twice."""
    height, width = frame.shape[:2]
    return np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
