"""Scenes as lists of sprites: small images that lie on a large, dark canvas.

One rule says what is seen where sprites meet: the brighter pixel; but a sprite that `covers` hides all that was laid before it,
as far as it reaches, even where it is black.

`draw_canvases` draws such scenes. `SpriteTables` sees them without: each sprite has a small summed-area table, and a pixel of a glimpse
is the sum over the sprites that it touches, so that neither a scene nor a look costs more on a larger canvas. Where
sprites meet, the pixels that are not seen are black in these tables, so that the sums are exact.

Axes: N scenes or lanes, M some of them, G sprites of a group, S sprites of all groups, P images of a pool, h and w a sprite's sides, H and W
the canvas's, C channels, k scales, g patch size.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ram_envs.glimpse_sensor import GlimpseSensor


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


def windows(corners: NDArray[np.integer], height: int, width: int) -> tuple[NDArray[np.int64], ...]:
    """Index of one height x width window per scene, by its corner (N, 2): three arrays that broadcast to (N, height, width)."""
    scene = np.arange(len(corners))[:, None, None]
    rows = (corners[:, 1, None] + np.arange(height))[:, :, None]
    columns = (corners[:, 0, None] + np.arange(width))[:, None, :]
    return scene, rows, columns


class SpriteTables:
    """What there is to see in N lanes, each a list of sprites with a small summed-area table.

    Args:
        lanes: how many there are.
        groups: the sprites of any scenes; those that `lay` gets must be as many of the same sizes. A group that covers comes last, and its pool
            is always the same.
        canvas: (H, W).
    """

    def __init__(self, lanes: int, groups: Sequence[Sprites], canvas: tuple[int, int]) -> None:
        self.canvas, self.channels = canvas, groups[0].pool.shape[3]
        sides = [group.pool.shape[2:0:-1] for group in groups for _ in range(group.which.shape[1])]
        self.sides = np.array(sides, np.int64)  # (S, 2) widths and heights
        self.sizes = (self.sides + 1).prod(1)  # (S,) entries of a table
        self.below = len(sides) - sum(group.which.shape[1] for group in groups if group.covers)
        self.shared = groups[-1].pool.shape[0] * int(self.sizes[-1]) if groups[-1].covers else 0
        self.offsets = np.cumsum(self.sizes) - self.sizes  # (S,) where in a lane's own entries a table begins
        self.entries = np.zeros((self.shared + lanes * int(self.sizes.sum()), self.channels), np.uint32)
        if self.shared:
            self.entries[: self.shared] = GlimpseSensor.integrate(groups[-1].pool).reshape(-1, self.channels)
        self._kinds = [
            (sides, np.flatnonzero((self.sides == sides).all(1))) for sides in np.unique(self.sides, axis=0)
        ]  # sprites of one size
        self.corners = np.zeros((2, lanes, len(sides)), np.int32)  # x and y
        self.tables = np.zeros((lanes, len(sides)), np.int64)  # where in `entries` each sprite's table begins

    @property
    def lane_bytes(self) -> int:
        """Bytes that one lane takes: the tables of its sprites, and twice those of a new scene while it is made."""
        entries = int(self.sizes.sum()) + 2 * int(self.sizes[: self.below].sum())
        return int(4 * entries * self.channels)

    @property
    def _own(self) -> NDArray[np.uint32]:
        """The lanes' own tables (lanes, entries, C), a view: kept, it would be an array of its own in a copy."""
        return self.entries[self.shared :].reshape(len(self.tables), -1, self.channels)

    def lay(self, lanes: NDArray[np.int64], groups: Sequence[Sprites]) -> None:
        """Puts scenes, as many as lanes (M,), into these."""
        corners = np.concatenate([group.corners for group in groups], axis=1, dtype=np.int32).transpose(2, 0, 1)
        lower = [group for group in groups if not group.covers]
        shown = [np.stack([group.images(i) for i in range(group.which.shape[1])], axis=1) for group in lower]
        pixels = np.ascontiguousarray(  # so that its pixels can be written to by their numbers
            np.concatenate([images.reshape(len(lanes), -1, self.channels) for images in shown], axis=1)
        )
        self._hide(pixels, corners)
        images = np.split(pixels, np.cumsum([each[0, ..., 0].size for each in shown]), axis=1)
        tables = [
            GlimpseSensor.integrate(part.reshape(-1, *each.shape[2:])).reshape(len(lanes), -1, self.channels)
            for part, each in zip(images, shown, strict=False)
        ]
        self._own[lanes, : self.offsets[self.below - 1] + self.sizes[self.below - 1]] = np.concatenate(tables, axis=1)
        self.corners[:, lanes] = corners
        self.tables[lanes] = self._begin(lanes[:, None], np.arange(len(self.sides)))
        if self.shared:
            self._cover(lanes, groups[-1], corners[:, :, self.below :])

    def _begin(self, lanes: NDArray[np.int64], sprites: NDArray[np.int64]) -> NDArray[np.int64]:
        """Where the tables begin that the lanes keep for these sprites."""
        begin: NDArray[np.int64] = self.shared + lanes * self._own.shape[1] + self.offsets[sprites]
        return begin

    def _hide(self, pixels: NDArray[np.uint8], corners: NDArray[np.int32]) -> None:
        """Makes black what is not seen of the sprites that cover nothing, all pixels (M, ..., C) of which are given."""
        first = np.cumsum(self.sides.prod(1)) - self.sides.prod(1)  # (S,) pixels before each sprite
        lit = pixels.reshape(-1, self.channels)

        def places(met: _Meetings, sprites: NDArray[np.int64]) -> NDArray[np.int64]:
            begin = met.scene * pixels.shape[1] + first[sprites]
            return met.places(begin, corners[:, met.scene, sprites], self.sides[sprites, 0])

        among = _meet(corners, self.sides, slice(self.below), slice(self.below))
        one, other = places(among, among.one), places(among, among.other)
        duller = np.where(lit[other] > lit[one], one[:, None], other[:, None])  # (pixels, C)
        lit[duller, np.arange(self.channels)] = 0
        covered = _meet(corners, self.sides, slice(self.below), slice(self.below, None))
        lit[places(covered, covered.one)] = 0

    def _cover(self, lanes: NDArray[np.int64], group: Sprites, corners: NDArray[np.int32]) -> None:
        """Finds the tables of the sprites that cover: those of the pool, but where one is covered itself one of its own."""
        size = int(self.sizes[-1])
        tables = group.which * size  # (M, G)
        met = _meet(corners, self.sides[self.below :], slice(None), slice(None))
        if len(met.scene):
            (scene, sprite), which = np.unique(np.stack([met.scene, met.one]), axis=1, return_inverse=True)
            images = group.pool[group.which[scene, sprite]]
            first = which.ravel() * images[0, ..., 0].size
            widths = np.full(len(first), images.shape[2])
            images.reshape(-1, self.channels)[met.places(first, corners[:, met.scene, met.one], widths)] = 0
            tables[scene, sprite] = begin = self._begin(lanes[scene], self.below + sprite)
            self.entries[begin[:, None] + np.arange(size)] = GlimpseSensor.integrate(images).reshape(
                len(begin), size, -1
            )
        self.tables[lanes, self.below :] = tables

    def canvases(self, lanes: NDArray[np.int64]) -> NDArray[np.uint8]:
        """The scenes of the lanes, drawn (M, H, W, C)."""
        scenes = np.zeros((len(lanes), *self.canvas, self.channels), np.uint8)
        for sprite, (width, height) in enumerate(self.sides.tolist()):
            entries = self.tables[lanes, sprite, None] + np.arange((width + 1) * (height + 1))
            sums = self.entries[entries].reshape(len(lanes), height + 1, width + 1, -1)
            images = np.diff(np.diff(sums, axis=1), axis=2).astype(np.uint8)  # uint32, which wraps around
            scenes[windows(self.corners[:, lanes, sprite].T, height, width)] += images
        return scenes

    def glimpse(self, sensor: GlimpseSensor, locations: NDArray[Any], lanes: NDArray[np.int64]) -> NDArray[np.float32]:
        """What the retina sees at locations (M, 2) in the lanes (M,): as `GlimpseSensor.glimpse`, the same to the last bit."""
        size, scales = sensor.patch_size, sensor.num_scales
        patches = sensor.footprints(locations, *self.canvas)[:, :, :2].astype(np.int32).transpose(2, 1, 0)  # (2, k, M)
        pixels, sums = [], []
        for sides, sprites in self._kinds:
            corners = self.corners[:, lanes][:, :, sprites]  # (2, M, S)
            offset = corners - patches[:, -1, :, None]
            look, sprite = _near(offset, sides, size << (scales - 1)).nonzero()
            tables = self.tables[lanes[look], sprites[sprite]]
            corners, offset = corners[:, look, sprite], offset[:, look, sprite]
            touched = [(offset, look, tables)]  # of each scale, the coarsest first
            for finer in reversed(range(scales - 1)):  # each patch lies within the last
                offset = corners - patches[:, finer, look]  # (2, Q)
                near = _near(offset, sides, size << finer).nonzero()[0]
                look, tables, corners = look[near], tables[near], corners[:, near]
                touched.append((offset[:, near], look, tables))
            scale = np.repeat(np.arange(scales), [len(each[1]) for each in reversed(touched)])
            offset, look, tables = (np.concatenate(each[::-1], axis=-1) for each in zip(*touched, strict=True))
            spans = _spans(sides, scales, size)
            for alike in (spans <= 2, (spans > 2) & (spans <= 5), spans > 5):  # few touch many pixels, many touch few
                if alike.any():
                    some = slice(*np.searchsorted(scale, np.flatnonzero(alike)[[0, -1]] + [0, 1]))
                    span = int(spans[alike].max())
                    pixel, found = self._sums(offset[:, some], tables[some], sides, scale[some], size, span)
                    pixels.append((pixel + (look[some] * scales + scale[some]) * size**2).ravel())
                    sums.append(found.reshape(-1, self.channels))
        shape = (len(locations), scales, size, size)
        where, what = np.concatenate(pixels), np.concatenate(sums)
        each = [np.bincount(where, what[:, channel], math.prod(shape)) for channel in range(self.channels)]  # exact
        return sensor.pixels(np.array(each).T.reshape(*shape, self.channels))

    def _sums(
        self,
        offset: NDArray[np.int32],
        tables: NDArray[np.int64],
        sides: NDArray[np.int64],
        scale: NDArray[np.int64],
        size: int,
        span: int,
    ) -> tuple[NDArray[Any], NDArray[np.uint32]]:
        """What sprites give to the pixels of the patches that they touch.

        Args:
            offset: (2, Q) of the sprites from the patch's corner, as (x, y) in pixels.
            tables: (Q,) where their tables begin.
            sides: (2,) their width and height.
            scale: (Q,) of the patch, whose pixels are 2**scale wide.
            size: pixels a side of a patch.
            span: the most pixels a side that any of them touches.

        Returns:
            Which pixels of the patch (span, span, Q), and the sums (span, span, Q, C).
        """
        doubled = scale.astype(np.int32)
        first = np.minimum(np.maximum(offset >> doubled, 0), size - span)  # (2, Q)
        edges = (first[:, None] + np.arange(span + 1, dtype=np.int32)[:, None]) << doubled  # (2, span + 1, Q)
        edges -= offset[:, None]
        x, y = np.minimum(np.maximum(edges, 0), sides.astype(np.int32)[:, None, None])
        entries = self.entries.take((y * (sides[0] + 1) + tables)[:, None] + x, axis=0)
        strips = entries[1:] - entries[:-1]
        inner = np.arange(span, dtype=np.int32)[:, None] * size + np.arange(span, dtype=np.int32)
        return inner[:, :, None] + (first[1] * size + first[0]), strips[:, 1:] - strips[:, :-1]


def _spans(sides: NDArray[np.int64], scales: int, size: int) -> NDArray[np.int64]:
    """The most pixels of a patch that a sprite touches on its longer side, at each scale (k,): ever fewer."""
    pixel = 1 << np.arange(scales)
    spans: NDArray[np.int64] = np.minimum((int(sides.max()) + pixel - 2) // pixel + 1, size)
    return spans


@dataclass(frozen=True)
class _Meetings:
    """Where two sprites overlap.

    Attributes:
        scene, one, other: (Q,) of which scene, the sprite that was laid first, and the other.
        low: (2, Q) the corner of what they share, as (x, y) on the canvas.
        inside: (Q, rows, columns) whether a place at and beyond that corner is shared.
    """

    scene: NDArray[np.int64]
    one: NDArray[np.int64]
    other: NDArray[np.int64]
    low: NDArray[np.int32]
    inside: NDArray[np.bool_]

    def places(
        self, first: NDArray[np.int64], corners: NDArray[np.int32], widths: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Numbers of the shared pixels, in all meetings one after the other, of sprites with corners (2, Q) whose
        pixels begin at `first` (Q,)."""
        x, y = (self.low - corners)[:, :, None, None]
        rows, columns = (np.arange(side) for side in self.inside.shape[1:])
        places = first[:, None, None] + (y + rows[:, None]) * widths[:, None, None] + x + columns
        shared: NDArray[np.int64] = places[self.inside]
        return shared


def _meet(corners: NDArray[np.int32], sides: NDArray[np.int64], one: slice, other: slice) -> _Meetings:
    """Which of the sprites `one` lie below which of the `other`, in the order of their numbers; all their corners are (2, N, S)."""
    before = np.arange(len(sides))[one, None] < np.arange(len(sides))[None, other]
    meets = np.broadcast_to(before, (corners.shape[1], *before.shape))
    for each, side in zip(corners, sides.T.astype(np.int32), strict=True):
        apart = each[:, one, None] - each[:, None, other]  # (N, A, B)
        meets = meets & (apart < side[other]) & (apart > -side[one, None])
    scene, first, second = meets.nonzero()
    first, second = first + (one.start or 0), second + (other.start or 0)
    low = np.maximum(corners[:, scene, first], corners[:, scene, second])  # (2, Q)
    ends = corners + sides.T[:, None]
    width, height = np.minimum(ends[:, scene, first], ends[:, scene, second]) - low
    rows, columns = np.arange(height.max(initial=0)), np.arange(width.max(initial=0))
    inside = (rows[:, None] < height[:, None, None]) & (columns < width[:, None, None])
    return _Meetings(scene, first, second, low, inside)


def _near(offset: NDArray[np.int32], sides: NDArray[np.int64], width: int) -> NDArray[np.bool_]:
    """Which of the sprites that lie so far (2, ...) from a patch's corner touch the patch of that width."""
    (x, y), (across, down) = offset, sides.tolist()
    near: NDArray[np.bool_] = (x > -across) & (x < width) & (y > -down) & (y < width)
    return near
