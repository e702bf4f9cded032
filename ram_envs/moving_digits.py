"""Videos of a digit among pieces of other digits, all of which move: pure functions of the digits and of uniform random draws.

The motion is that of Kahou, Michalski and Memisevic 2015 (RATM: Recurrent Attentive Tracking Model), on a canvas of one's own.

Axes: N videos, T frames, B bodies (the digit, then the pieces), H and W the canvas's sides, h and w the digit's, C channels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ram_envs.sprites import Sprites, windows

MOTIONS = ("jumps", "drift")
_LASTING = 0.1 / np.sqrt(1 - 0.9**2)  # so fast, on average, is what drifts, in units of what is drawn
_DRAWS_PER_PIECE = 3  # which digit, from where in it (y, x)


@dataclass(frozen=True)
class MovingRecipe:
    """What a video is made of.

    Attributes:
        canvas: (height, width) in pixels.
        frames: how many there are.
        clutter_pieces: number of square pieces of other digits.
        clutter_size: side of a piece in pixels.
        speed: the fastest that a body can be, along each axis, in pixels a frame.
        motion: see `paths`.
    """

    canvas: tuple[int, int]
    frames: int = 20
    clutter_pieces: int = 0
    clutter_size: int = 8
    speed: float = 15.0
    motion: str = "jumps"

    @property
    def num_draws(self) -> int:
        """Uniform draws that one video takes: pieces, then of each body the place where it begins and its velocity at every frame."""
        return _DRAWS_PER_PIECE * self.clutter_pieces + 2 * (1 + self.clutter_pieces) * (1 + self.frames)


@dataclass(frozen=True)
class Videos:
    """Bodies and their paths.

    Attributes:
        digits: (N, h, w, C).
        pieces: (N, pieces, size, size, C).
        corners: (N, T, B, 2), where their upper left corners lie, (x, y) in pixels.
    """

    digits: NDArray[np.uint8]
    pieces: NDArray[np.uint8]
    corners: NDArray[np.int64]


def make_videos(
    digits: NDArray[np.uint8], indices: NDArray[np.int64], draws: NDArray[np.float64], recipe: MovingRecipe
) -> Videos:
    """Videos with the chosen digits.

    Args:
        digits: all digits of the split (M, h, w, C); clutter is cut from any of them but the video's own.
        indices: (N,) the digit of each video.
        draws: (N, recipe.num_draws) uniform in [0, 1).
        recipe: what a video is made of.
    """
    (_, height, width, _), size, count = digits.shape, recipe.clutter_size, recipe.clutter_pieces
    cut, moves = np.split(draws, [_DRAWS_PER_PIECE * count], axis=1)
    each = cut.reshape(-1, _DRAWS_PER_PIECE)
    other = (each[:, 0] * (len(digits) - 1)).astype(np.int64)
    other += other >= indices.repeat(count)  # never cut from the digit that is to be classified
    inner = (each[:, :0:-1] * [width - size + 1, height - size + 1]).astype(np.int64)
    _, rows, columns = windows(inner, size, size)
    pieces = digits[other[:, None, None], rows, columns]
    sides = np.array([(width, height), *[(size, size)] * count])
    room = np.array(recipe.canvas[::-1]) - sides
    along = paths(moves.reshape(len(draws), 1 + recipe.frames, 1 + count, 2), room, recipe.speed, recipe.motion)
    return Videos(
        digits[indices], pieces.reshape(len(draws), count, *pieces.shape[1:]), np.rint(along).astype(np.int64)
    )


def paths(
    draws: NDArray[np.float64], room: NDArray[np.int64], speed: float, motion: str = "jumps"
) -> NDArray[np.float64]:
    """Where bodies are at every frame: (N, T, B, 2), from 0 to the room there is.

    They begin anywhere. In "jumps" p(t + 1) = p(t) + 0.1 v(t + 1) + 0.9 v(t), where every v(t) is drawn anew, uniform in [-speed, speed]:
    Kahou et al. 2015. In "drift" v(t + 1) = 0.9 v(t) + 0.1 u(t + 1) with u drawn so, and p(t + 1) = p(t) + v(t + 1): the velocity
    lasts, and can be foreseen; it begins as fast as it is on average. Whoever would leave is reflected at the border.

    Args:
        draws: (N, 1 + T, B, 2) uniform in [0, 1): where they begin, then of every frame.
        room: (B, 2) the farthest place of each.
        speed: in pixels a frame.
        motion: "jumps" or "drift".
    """
    places = np.empty((len(draws), draws.shape[1] - 1, *draws.shape[2:]))
    places[:, 0] = draws[:, 0] * room
    drawn = speed * (2 * draws[:, 1:] - 1)  # (N, T, B, 2)
    velocity = drawn[:, 0] * (1.0 if motion == "jumps" else _LASTING)
    for frame in range(1, places.shape[1]):
        step = 0.1 * drawn[:, frame] + 0.9 * velocity
        velocity = drawn[:, frame] if motion == "jumps" else step
        straight = places[:, frame - 1] + step
        folded = straight % np.maximum(2 * room, 1e-9)
        places[:, frame] = np.minimum(folded, 2 * room - folded)
        if motion == "drift":  # who is reflected goes on in the other direction
            velocity = np.where(places[:, frame] == straight, velocity, -velocity)
    return places


def frame_of(videos: Videos, frames: NDArray[np.int64]) -> tuple[Sprites, ...]:
    """What there is to see in a frame (N,) of each video; draw it by `draw_canvases`."""
    scenes = np.arange(len(frames))
    corners, count = videos.corners[scenes, frames], videos.pieces.shape[1]
    digits = Sprites(videos.digits, scenes[:, None], corners[:, :1])
    pieces = videos.pieces.reshape(len(frames) * count, *videos.pieces.shape[2:])
    return digits, Sprites(pieces, np.arange(len(pieces)).reshape(len(frames), count), corners[:, 1:])
