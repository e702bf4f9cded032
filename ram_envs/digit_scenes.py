"""Centered, translated and cluttered scenes: pure functions of the digits and of uniform random draws.

Mnih et al. 2014, section 4.1. One row of draws in [0, 1) makes one scene, so a scene can be drawn again from its row.
The paper does not say how clutter and digit combine where they overlap: here the brighter pixel wins.

Axes: N scenes, H and W the canvas's sides, h and w the digit's, C channels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_DRAWS_PER_PIECE = 5  # which digit, from where in it (y, x), to where on the canvas (y, x)
_DRAWS_PER_DISTORTION = 4  # the entries of a matrix


@dataclass(frozen=True)
class SceneRecipe:
    """What a scene is made of.

    Attributes:
        canvas: (height, width) of the scene in pixels; a digit smaller than that is put at a random place.
        clutter_pieces: number of square pieces of other digits strewn over the canvas.
        clutter_size: side of a piece in pixels.
        overhang: pixels by which the digit may reach beyond the canvas, on every side.
        distortion: how much the digit may be turned, stretched and slanted about its middle, see `distort`.
    """

    canvas: tuple[int, int]
    clutter_pieces: int = 0
    clutter_size: int = 8
    overhang: int = 0
    distortion: float = 0.0

    @property
    def num_draws(self) -> int:
        """Uniform draws that one scene takes."""
        return 2 + _DRAWS_PER_PIECE * self.clutter_pieces + _DRAWS_PER_DISTORTION * (self.distortion > 0)


def demand_clutter(images: NDArray[np.uint8], pieces: int, size: int) -> None:
    """A ValueError, unless pieces of clutter of that size can be cut from images (M, h, w, C) other than the one shown."""
    side = min(images.shape[1:3])
    if pieces and (len(images) < 2 or size > side):
        raise ValueError(
            f"clutter_size must be at most {side}, the images' side, and clutter is cut from other images than the one shown: "
            f"got clutter_size={size} and {len(images)} image(s)."
        )


def draw_scenes(
    digits: NDArray[np.uint8], indices: NDArray[np.int64], draws: NDArray[np.float64], recipe: SceneRecipe
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Scenes with the chosen digits.

    Args:
        digits: all digits of the split (M, h, w, C); clutter is cut from any of them but the scene's own.
        indices: (N,) the digit of each scene.
        draws: (N, recipe.num_draws) uniform in [0, 1).
        recipe: what a scene is made of.

    Returns:
        The scenes (N, H, W, C), and the middle of each digit (N, 2) as (x, y) in pixels.
    """
    count, (_, height, width, channels) = len(indices), digits.shape
    canvas_height, canvas_width = recipe.canvas
    over = recipe.overhang
    shown = digits[indices]
    if recipe.distortion:
        shown = distorted(shown, draws, recipe)
    if (height, width) == (canvas_height, canvas_width) and not recipe.clutter_pieces and not over:
        return shown, digit_middles(draws, (height, width), recipe)
    wide = np.zeros((count, canvas_height + 2 * over, canvas_width + 2 * over, channels), np.uint8)
    left, top = digit_corners(draws, (height, width), recipe).T
    wide[_window(top + over, left + over, height, width)] = shown
    scenes = wide[:, over : over + canvas_height, over : over + canvas_width]

    size = recipe.clutter_size
    corners = clutter_corners(draws, recipe)
    others, cuts = clutter_sources(draws, indices, digits.shape[:3], recipe)
    for i in range(recipe.clutter_pieces):
        rows, columns = _window(cuts[:, i, 1], cuts[:, i, 0], size, size)[1:]
        cut = digits[others[:, i, None, None], rows, columns]  # (N, size, size, C)
        place = _window(corners[:, i, 1], corners[:, i, 0], size, size)
        scenes[place] = np.maximum(scenes[place], cut)
    return scenes, digit_middles(draws, (height, width), recipe)


def digit_corners(draws: NDArray[np.float64], size: tuple[int, int], recipe: SceneRecipe) -> NDArray[np.int64]:
    """Where the digits of (height, width) lie: (N, 2), the upper left corners as (x, y), below 0 where they reach beyond the canvas."""
    room = np.array(recipe.canvas[::-1]) + 2 * recipe.overhang - size[::-1] + 1
    corners: NDArray[np.int64] = (draws[:, 1::-1] * room).astype(np.int64) - recipe.overhang
    return corners


def digit_middles(draws: NDArray[np.float64], size: tuple[int, int], recipe: SceneRecipe) -> NDArray[np.float64]:
    """The middle of each digit (N, 2) as (x, y) in pixels."""
    middles: NDArray[np.float64] = digit_corners(draws, size, recipe) + np.array(size[::-1]) / 2
    return middles


def distorted(images: NDArray[np.uint8], draws: NDArray[np.float64], recipe: SceneRecipe) -> NDArray[np.uint8]:
    """Digits (N, h, w, C) as scenes of these draws (N, recipe.num_draws) show them."""
    return distort(images, draws[:, -_DRAWS_PER_DISTORTION:], recipe.distortion)


def distort(images: NDArray[np.uint8], draws: NDArray[np.float64], distortion: float) -> NDArray[np.uint8]:
    """Images turned, stretched and slanted about their middle: pixel (y, x) of the result is what lies at A (y, x) of the image.

    The entries of A are those of the identity, each off by up to `distortion`, uniformly; 0.15 turns by up to 9 degrees and
    stretches by up to 18 %. Between pixels bilinear, beyond the border dark.

    Args:
        images: (N, h, w, C).
        draws: (N, 4) uniform in [0, 1): the entries of A, row by row.
        distortion: at least 0.
    """
    _, height, width, channels = images.shape
    matrices = np.eye(2) + distortion * (2 * draws.reshape(-1, 2, 2) - 1)
    middle = np.array([height - 1, width - 1])[:, None, None] / 2
    source = np.tensordot(matrices, np.indices((height, width)) - middle, axes=1) + middle  # (N, 2, h, w)
    source = np.clip(source, -1, np.array([height, width])[:, None, None]).astype(np.float32)
    whole = np.floor(source).astype(np.int32)
    far = (source - whole)[..., None]  # how far on the way to the next row or column
    dark = np.pad(images, ((0, 0), (1, 2), (1, 2), (0, 0)))
    first = ((np.arange(len(images))[:, None, None] * (height + 3) + whole[:, 0] + 1) * (width + 3)) + whole[:, 1] + 1
    pixels = dark.reshape(-1, channels)
    upper, lower = (pixels[row] * (1 - far[:, 1]) + pixels[row + 1] * far[:, 1] for row in (first, first + width + 3))
    distorted: NDArray[np.uint8] = np.rint(upper + (lower - upper) * far[:, 0]).astype(np.uint8)
    return distorted


def clutter_corners(draws: NDArray[np.float64], recipe: SceneRecipe) -> NDArray[np.int64]:
    """Where the pieces of clutter lie that `draw_scenes` makes of these draws: (N, pieces, 2), the upper left corners as (x, y)."""
    height, width = recipe.canvas
    size, places = recipe.clutter_size, _pieces(draws, recipe)[:, :, 3:]
    y, x = _below(places[..., 0], height - size + 1), _below(places[..., 1], width - size + 1)
    return np.stack([x, y], axis=-1).swapaxes(0, 1)


def clutter_sources(
    draws: NDArray[np.float64], indices: NDArray[np.int64], digits: tuple[int, int, int], recipe: SceneRecipe
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where these pieces are cut from.

    Args:
        draws: (N, recipe.num_draws).
        indices: (N,) the digit of each scene, which nothing is cut from.
        digits: how many there are, and their height and width.
        recipe: what a scene is made of.

    Returns:
        The digits (N, pieces), and the upper left corners in them (N, pieces, 2) as (x, y).
    """
    count, height, width = digits
    pieces, size = _pieces(draws, recipe).swapaxes(0, 1), recipe.clutter_size
    others = _below(pieces[..., 0], count - 1)
    others += others >= indices[:, None]  # never cut from the digit that is to be classified
    y, x = _below(pieces[..., 1], height - size + 1), _below(pieces[..., 2], width - size + 1)
    return others, np.stack([x, y], axis=-1)


def _pieces(draws: NDArray[np.float64], recipe: SceneRecipe) -> NDArray[np.float64]:
    """The draws of each piece of clutter, (pieces, N, _DRAWS_PER_PIECE)."""
    used = draws[:, 2 : 2 + _DRAWS_PER_PIECE * recipe.clutter_pieces]
    return used.reshape(len(draws), recipe.clutter_pieces, _DRAWS_PER_PIECE).swapaxes(0, 1)


def _below(draws: NDArray[np.float64], size: int) -> NDArray[np.int64]:
    """Uniform draws as whole numbers from 0 to below `size`."""
    return (draws * size).astype(np.int64)


def _window(top: NDArray[np.int64], left: NDArray[np.int64], height: int, width: int) -> tuple[NDArray[np.int64], ...]:
    """Index of one height x width window per scene: three arrays that broadcast to (N, height, width)."""
    scene = np.arange(len(top))[:, None, None]
    rows = (top[:, None] + np.arange(height))[:, :, None]
    columns = (left[:, None] + np.arange(width))[:, None, :]
    return scene, rows, columns
