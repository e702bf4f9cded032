"""Several digits on a canvas, none over another: pure functions of the digits and of uniform random draws.

*Pairs* and *sum* are the tasks of Ba, Mnih and Kavukcuoglu 2014 (Multiple Object Recognition with Visual Attention), *majority* is that
of Katharopoulos and Fleuret 2019 (Processing Megapixel Images with Deep Attention-Sampling Models).

Axes: N scenes, D digits (the most that a scene has), H and W the canvas's sides, h and w the digit's, C channels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ram_envs.sprites import Sprites, windows

TRIES = 16  # places that one digit may be put at, until one is free
_DRAWS_PER_PIECE = 5  # which digit, from where in it (y, x), to where on the canvas (y, x)
_DRAWS_PER_MARK = 3  # which mark, to where on the canvas (y, x)
_RESTARTS = 100
NUM_MARKS, MARK_SIZE, MARK_MARGIN = 50, 28, 28


@dataclass(frozen=True)
class ScatterRecipe:
    """What a scene is made of.

    Attributes:
        canvas: (height, width) of the scene in pixels.
        digits: the fewest and the most digits; how many there are is drawn, each number as often.
        majority: whether more than half of the digits are of one class, drawn first, and the others of any other class; else each
            is any digit.
        clutter_pieces: number of square pieces of digits strewn over the canvas.
        clutter_size: side of a piece in pixels.
        marks: number of marks laid over everything, see `make_marks`.
    """

    canvas: tuple[int, int]
    digits: tuple[int, int] = (2, 2)
    majority: bool = False
    clutter_pieces: int = 0
    clutter_size: int = 8
    marks: int = 0

    @property
    def num_draws(self) -> int:
        """Uniform draws that one scene takes: how many digits, which class, which digits, their places, clutter, marks."""
        places = self.digits[1] * (1 + 2 * TRIES)
        return 2 + places + _DRAWS_PER_PIECE * self.clutter_pieces + _DRAWS_PER_MARK * self.marks


@dataclass(frozen=True)
class Scattered:
    """Scenes as they were drawn.

    Attributes:
        sprites: digits, then clutter, then marks; draw them by `draw_canvases`.
        labels: (N, D) classes of the digits, from left to right (of those in one column the upper first), then -1 where there are
            fewer.
        middles: (N, D, 2) of the digits, in that order, (x, y) in pixels; where there are fewer, they begin again.
        counts: (N,) how many digits there are.
    """

    sprites: tuple[Sprites, ...]
    labels: NDArray[np.int64]
    middles: NDArray[np.float64]
    counts: NDArray[np.int64]


class Scatterer:
    """Draws scenes of a split.

    Args:
        digits: all digits of the split (M, h, w, C).
        labels: (M,) their classes.
        recipe: what a scene is made of.

    Raises:
        ValueError: if the recipe cannot be: too many digits for the canvas, pieces larger than the digits, a majority of digits that
            are all of one class.
    """

    def __init__(self, digits: NDArray[np.uint8], labels: NDArray[np.int64], recipe: ScatterRecipe) -> None:
        self.digits, self.labels, self.recipe = digits, labels, recipe
        self.by_class = np.argsort(labels, kind="stable")  # (M,) the digits in the order of their classes
        self.classes, self.first, self.members = np.unique(labels[self.by_class], return_index=True, return_counts=True)
        self.marks = make_marks(digits.shape[3]) if recipe.marks else None
        self._check()

    def __deepcopy__(self, memo: object) -> Scatterer:
        return self  # never changes

    def _check(self) -> None:
        height, width = self.digits.shape[1:3]
        canvas, most = self.recipe.canvas, self.recipe.digits[1]
        if (canvas[0] // height) * (canvas[1] // width) < most:
            raise ValueError(
                f"canvas_size must have room for {most} images of {height} x {width}, got {canvas[0]} x {canvas[1]}."
            )
        if self.recipe.clutter_pieces and self.recipe.clutter_size > min(height, width):
            side = min(height, width)
            raise ValueError(f"clutter_size must be at most {side}, the images' side, got {self.recipe.clutter_size}.")
        if self.recipe.marks and min(canvas) < MARK_SIZE + 2 * MARK_MARGIN:
            raise ValueError(f"canvas_size must be at least {MARK_SIZE + 2 * MARK_MARGIN} with marks, got {canvas}.")
        if self.recipe.majority and len(self.classes) < 2:
            raise ValueError("labels must be of two classes or more where one is to be in the majority.")

    def draw(self, draws: NDArray[np.float64]) -> Scattered:
        """Scenes of draws (N, recipe.num_draws), uniform in [0, 1)."""
        recipe = self.recipe
        fewest, most = recipe.digits
        ends = np.cumsum([2, most, 2 * TRIES * most, _DRAWS_PER_PIECE * recipe.clutter_pieces])
        first, chosen, places, pieces, marks = np.split(draws, ends, axis=1)
        counts = fewest + _below(first[:, 0], most - fewest + 1)
        indices = self._choose(first[:, 1], chosen)  # (N, D)
        there = np.arange(most) < counts[:, None]
        corners = place_apart(places.reshape(-1, most, TRIES, 2), there, self.digits.shape[1:3], recipe.canvas)

        rank = np.where(there, corners[..., 0] * (recipe.canvas[0] + 1) + corners[..., 1], np.iinfo(np.int64).max)
        order = np.argsort(rank, axis=1, kind="stable")
        indices = np.take_along_axis(np.where(there, indices, -1), order, 1)
        corners = np.take_along_axis(corners, order[..., None], 1)
        digits = Sprites(self.digits, indices, corners)
        again = np.arange(most) % counts[:, None]
        return Scattered(
            sprites=(digits, *self._clutter(pieces), *self._laid_over(marks)),
            labels=np.where(indices < 0, -1, self.labels[indices]),
            middles=np.take_along_axis(digits.middles, again[..., None], 1),
            counts=counts,
        )

    def _choose(self, class_draws: NDArray[np.float64], draws: NDArray[np.float64]) -> NDArray[np.int64]:
        """Which digits (N, D)."""
        if not self.recipe.majority:
            return _below(draws, len(self.digits))
        chosen = _below(class_draws, len(self.classes))[:, None]
        first, members, most = self.first[chosen], self.members[chosen], draws.shape[1]
        same = first + _below(draws, members)
        other = _below(draws, len(self.digits) - members)
        other += members * (other >= first)
        return self.by_class[np.where(np.arange(most) <= most // 2, same, other)]

    def _clutter(self, draws: NDArray[np.float64]) -> tuple[Sprites, ...]:
        pieces, size = self.recipe.clutter_pieces, self.recipe.clutter_size
        if not pieces:
            return ()
        (height, width), (canvas_height, canvas_width) = self.digits.shape[1:3], self.recipe.canvas
        each = draws.reshape(-1, _DRAWS_PER_PIECE)
        which = _below(each[:, 0], len(self.digits))
        inner = np.stack([_below(each[:, 2], width - size + 1), _below(each[:, 1], height - size + 1)], axis=-1)
        _, rows, columns = windows(inner, size, size)
        outer = [_below(each[:, 4], canvas_width - size + 1), _below(each[:, 3], canvas_height - size + 1)]
        cut = self.digits[which[:, None, None], rows, columns]
        return (Sprites(cut, np.arange(len(each)).reshape(-1, pieces), np.stack(outer, -1).reshape(-1, pieces, 2)),)

    def _laid_over(self, draws: NDArray[np.float64]) -> tuple[Sprites, ...]:
        if self.marks is None:
            return ()
        which, y, x = np.moveaxis(draws.reshape(len(draws), -1, _DRAWS_PER_MARK), -1, 0)
        room = np.array(self.recipe.canvas) - MARK_SIZE - MARK_MARGIN
        corners = np.stack([_below(x, room[1] - MARK_MARGIN), _below(y, room[0] - MARK_MARGIN)], axis=-1) + MARK_MARGIN
        return (Sprites(self.marks, _below(which, NUM_MARKS), corners, covers=True),)


def place_apart(
    draws: NDArray[np.float64], there: NDArray[np.bool_], size: tuple[int, int], canvas: tuple[int, int]
) -> NDArray[np.int64]:
    """Corners (N, D, 2) as (x, y), so that no two digits overlap: each place is drawn again as long as it is over an earlier digit.

    Where no free place comes up, the scene is begun again, and at last the digits are put in rows and columns.

    Args:
        draws: (N, D, TRIES, 2) uniform in [0, 1), the places (y, x) to try.
        there: (N, D) which digits there are.
        size: (height, width) of a digit.
        canvas: (height, width).
    """
    corners, free = _first_free(draws, there, size, canvas)
    for scene in np.flatnonzero(~free):
        rng = np.random.default_rng(int(draws[scene].flat[0] * 2**53))
        more = rng.random((_RESTARTS, *draws.shape[1:]))
        found, good = _first_free(more, np.tile(there[scene], (_RESTARTS, 1)), size, canvas)
        cells = rng.permutation((canvas[0] // size[0]) * (canvas[1] // size[1]))[: draws.shape[1]]
        rows, columns = np.divmod(cells, canvas[1] // size[1])
        packed = np.stack([columns * size[1], rows * size[0]], axis=-1)
        corners[scene] = found[good.argmax()] if good.any() else packed
    return corners


def _first_free(
    draws: NDArray[np.float64], there: NDArray[np.bool_], size: tuple[int, int], canvas: tuple[int, int]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Of the places drawn (N, D, T, 2) the first for each digit that is free (N, D, 2), and whether there was always one (N,)."""
    room, reach = np.array([canvas[1] - size[1] + 1, canvas[0] - size[0] + 1]), np.array([size[1], size[0]])
    tried = _below(draws[..., ::-1], room)  # (N, D, T, 2) as (x, y)
    corners = tried[:, :, 0].copy()
    scenes, fits = np.arange(len(draws)), np.ones(len(draws), np.bool_)
    for digit in range(1, draws.shape[1]):
        apart = np.abs(tried[:, digit, :, None] - corners[:, None, :digit]) >= reach  # (N, T, digit, 2)
        free = (apart.any(-1) | ~there[:, None, :digit]).all(-1)
        corners[:, digit] = tried[scenes, digit, free.argmax(1)]
        fits &= free.any(1) | ~there[:, digit]
    return corners, fits


def make_marks(channels: int = 1) -> NDArray[np.uint8]:
    """Fifty marks (50, 28, 28, C), each of two crossed lines, always the same.

    As Katharopoulos and Fleuret have them: a line from a corner, its slope the tangent of up to 72 degrees, and over it the line of another
    mark, turned over in x and in y one time in three; every lit pixel has 0.8 to 1 of the brightness.
    """
    rng = np.random.default_rng(0)
    slopes = np.tan(rng.random(NUM_MARKS) * np.pi / 2.5)
    lines = np.zeros((NUM_MARKS, MARK_SIZE, MARK_SIZE), np.bool_)
    for line, slope in zip(lines, slopes, strict=True):
        end = MARK_SIZE - 0.51
        across = np.linspace(0, min(end, end / slope), 2 * MARK_SIZE)
        line[np.rint(across).astype(int), np.rint(slope * across).astype(int)] = True
    others = rng.permutation(lines)
    for axis in (2, 1):
        turned = rng.random(NUM_MARKS) < 0.33
        others[turned] = np.flip(others[turned], axis)
    bright = 0.8 + 0.2 * rng.random(lines.shape)
    marks = np.rint(255 * bright * (lines | others)).astype(np.uint8)
    return np.repeat(marks[..., None], channels, axis=-1)


def _below(draws: NDArray[np.float64], size: int | NDArray[np.int64]) -> NDArray[np.int64]:
    """Uniform draws as whole numbers from 0 to below `size`."""
    below: NDArray[np.int64] = (draws * size).astype(np.int64)
    return below
