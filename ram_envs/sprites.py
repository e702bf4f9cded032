"""Scenes as lists of sprites: small images that lie on a large, dark canvas.

One rule says what is seen where sprites meet: the brighter pixel; but a sprite that `covers` hides all that was laid before it,
as far as it reaches, even where it is black.

Axes: N scenes, G sprites of a group, P images of a pool, h and w a sprite's sides, H and W the canvas's, C channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Sprites:
    """Sprites of one size, as many on the canvas of every scene.

    Attributes:
        pool: uint8 (P, h, w, C), the images they are taken from.
        which: (N, G), the image of each; -1 for none.
        corners: (N, G, 2), where the upper left corner lies on the canvas, (x, y) in pixels; all of a sprite is within it.
        covers: whether each hides what was laid before it; else the brighter pixel is seen.
    """

    pool: NDArray[np.uint8]
    which: NDArray[np.int64]
    corners: NDArray[np.int64]
    covers: bool = False

    @property
    def middles(self) -> NDArray[np.float64]:
        """The middle of each sprite (N, G, 2) as (x, y) in pixels."""
        height, width = self.pool.shape[1:3]
        middles: NDArray[np.float64] = self.corners + np.array([width, height]) / 2
        return middles

    def images(self, sprite: int) -> NDArray[np.uint8]:
        """One sprite of every scene (N, h, w, C); black where there is none."""
        which = self.which[:, sprite]
        shown = self.pool[which]
        shown[which < 0] = 0
        return shown


def draw_canvases(groups: Sequence[Sprites], canvas: tuple[int, int]) -> NDArray[np.uint8]:
    """The scenes (N, H, W, C): groups, and in each the sprites, are laid down in their order."""
    count, channels = len(groups[0].which), groups[0].pool.shape[3]
    scenes = np.zeros((count, *canvas, channels), np.uint8)
    for group in groups:
        height, width = group.pool.shape[1:3]
        for sprite in range(group.which.shape[1]):
            shown = group.images(sprite)
            place = windows(group.corners[:, sprite], height, width)
            if group.covers:
                there = (group.which[:, sprite] >= 0)[:, None, None, None]
                scenes[place] = np.where(there, shown, scenes[place])
            else:
                scenes[place] = np.maximum(scenes[place], shown)
    return scenes


def windows(corners: NDArray[np.int64], height: int, width: int) -> tuple[NDArray[np.int64], ...]:
    """Index of one height x width window per scene, by its corner (N, 2): three arrays that broadcast to (N, height, width)."""
    scene = np.arange(len(corners))[:, None, None]
    rows = (corners[:, 1, None] + np.arange(height))[:, :, None]
    columns = (corners[:, 0, None] + np.arange(width))[:, None, :]
    return scene, rows, columns
