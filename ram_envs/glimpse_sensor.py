"""The retina: square patches around a location, each twice as wide and half as sharp as the last.

Mnih et al. 2014, section 3.1, "Sensor". This module is the one place that says what a location means.

Axes: N batch, H and W the image's sides, C channels, k scales, g patch size, w width of a patch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ram_envs.arguments import as_array, check_channels_last, one_of, whole_number

POOLINGS = ("mean", "sum")
MOST_SCALES = 12


def to_pixels(locations: NDArray[Any], height: int, width: int) -> NDArray[np.float64]:
    """Where locations (..., 2) in [-1, 1] lie in an image, as (x, y) in pixels from its top left corner."""
    pixels: NDArray[np.float64] = (np.asarray(locations, np.float64) + 1.0) / 2.0 * np.array([width, height])
    return pixels


def to_location(pixels: NDArray[Any], height: int, width: int) -> NDArray[np.float64]:
    """The locations (..., 2) of points given as (x, y) in pixels: the inverse of `to_pixels`."""
    locations: NDArray[np.float64] = np.asarray(pixels, np.float64) * 2.0 / np.array([width, height]) - 1.0
    return locations


class GlimpseSensor:
    """Sees `num_scales` square patches centred at a location, each averaged down to `patch_size`.

    Scale s covers `patch_size * 2**s` pixels a side, and each of its pixels is the mean over a square of
    `2**s` image pixels a side. A location is (x, y) in [-1, 1]: (0, 0) is the image's centre, (-1, -1) its top
    left corner. A patch of width w begins at `round((l + 1) / 2 * side) - w // 2`; whatever lies outside
    the image is zero.

    A pixel of any scale is the difference of four entries of a summed-area table (Crow, SIGGRAPH 1984), so a
    glimpse costs `num_scales * (patch_size + 1)**2` look-ups, whatever the image's size. Outside the image the
    look-up stops at its edge, which is the same as padding with zeros. The tables hold integers that wrap
    around, and so do their differences: each mean is exact as long as one pixel covers less than 2**32 / 255
    image pixels.

    Args:
        patch_size: side of a patch as the agent sees it, in pixels, at least 1.
        num_scales: number of patches, at least 1.
        pooling: "mean", or "sum": instead of its mean a pixel is the sum over its square, at most 1, so that an image
            pixel that is lit is as bright at every scale.

    Raises:
        ValueError: if a number is not a whole one of at least 1, or there is no such pooling.
    """

    def __init__(self, patch_size: int, num_scales: int = 1, pooling: str = "mean") -> None:
        one_of("pooling", pooling, POOLINGS)
        self.pooling = pooling
        self.patch_size = whole_number("patch_size", patch_size, 1)
        self.num_scales = whole_number("num_scales", num_scales, 1)
        if num_scales > MOST_SCALES:
            widest = 2 ** (MOST_SCALES - 1)
            raise ValueError(
                f"num_scales must be at most {MOST_SCALES} (a pixel of {widest} x {widest}), got {num_scales}."
            )
        pixel = 2 ** np.arange(self.num_scales)  # (k,) image pixels a side of one glimpse pixel
        self.widths = self.patch_size * pixel  # (k,)
        self._steps = np.arange(self.patch_size + 1) * pixel[:, None] - self.widths[:, None] // 2  # (k, g + 1)
        inside = self._steps + self.widths[-1] // 2  # (k, g + 1) edges within the widest patch
        self._within = inside[:, :, None] * (self.widths[-1] + 1) + inside[:, None, :]  # (k, g + 1, g + 1) in its table
        full = pixel**2 if pooling == "mean" else np.ones(self.num_scales)
        self._white = (255.0 * full).astype(np.float32)[:, None, None, None]  # (k, 1, 1, 1): the sum that is shown as 1

    def glimpse_shape(self, channels: int = 1) -> tuple[int, int, int]:
        """Shape of one glimpse: (scales * channels, patch_size, patch_size)."""
        return (self.num_scales * channels, self.patch_size, self.patch_size)

    @staticmethod
    def integrate(images: NDArray[np.uint8]) -> NDArray[np.uint32]:
        """Summed-area tables (N, H + 1, W + 1, C) of images (N, H, W, C): entry (i, j) sums the pixels above and left."""
        count, height, width, channels = images.shape
        tables = np.zeros((count, height + 1, width + 1, channels), np.uint32)
        inner = tables[:, 1:, 1:]
        np.cumsum(images, axis=2, dtype=np.uint32, out=inner)
        if count < 16 and width * channels < 1024:
            np.cumsum(inner.copy(), axis=1, dtype=np.uint32, out=inner)
        else:  # of many or wide images, adding whole rows is many times faster than cumsum along them
            for row in range(1, height):
                inner[:, row] += inner[:, row - 1]
        return tables

    def glimpse(
        self, tables: NDArray[np.uint32], locations: NDArray[Any], rows: NDArray[Any] | None = None
    ) -> NDArray[np.float32]:
        """What is seen at each location.

        Args:
            tables: summed-area tables (N, H + 1, W + 1, C) from `integrate`.
            locations: (M, 2) in [-1, 1].
            rows: (M,) the table that each location looks into; by default M = N and each into its own.

        Returns:
            Glimpses (M, scales * channels, patch_size, patch_size), float32 in [0, 1], finest scale first.
        """
        _, table_height, table_width, channels = tables.shape
        if rows is None:
            rows = np.arange(len(tables))
        edges = self._edges(locations, table_height - 1, table_width - 1)  # (M, k, 2, g + 1)
        np.clip(edges, 0, np.array([[table_width - 1], [table_height - 1]]), out=edges)
        y = (rows[:, None, None] * table_height + edges[:, :, 1]) * table_width  # (M, k, g + 1)
        return self._from_corners(tables.reshape(-1, channels).take(y[..., :, None] + edges[:, :, 0, None, :], axis=0))

    def glimpse_once(self, images: Sequence[NDArray[np.uint8]], locations: NDArray[Any]) -> NDArray[np.float32]:
        """The same without tables: sums nothing but the widest patch, which is cheaper for an image that is looked at once.

        Args:
            images: M arrays (H, W, C) of one shape, one for each location.
            locations: (M, 2) in [-1, 1].

        Returns:
            Glimpses as of `glimpse`, the same to the last bit.
        """
        height, width, channels = images[0].shape
        side = int(self.widths[-1])
        corners = (
            np.rint(to_pixels(locations, height, width)).astype(np.int64) - side // 2
        )  # (M, 2) of the widest patch
        patches = np.zeros((len(images), side, side, channels), np.uint8)
        for patch, image, (x, y) in zip(patches, images, corners.tolist(), strict=True):
            top, left = max(y, 0), max(x, 0)
            inside = image[top : y + side, left : x + side]
            patch[top - y : top - y + inside.shape[0], left - x : left - x + inside.shape[1]] = inside
        tables = self.integrate(patches).reshape(len(images), -1, channels)
        return self._from_corners(tables.take(self._within, axis=1))

    def _from_corners(self, corners: NDArray[np.uint32]) -> NDArray[np.float32]:
        """Glimpses (M, k * C, g, g) of the entries of tables at every corner of every pixel, (M, k, g + 1, g + 1, C)."""
        strips = corners[:, :, 1:] - corners[:, :, :-1]  # (M, k, g, g + 1, C)
        return self.pixels(strips[:, :, :, 1:] - strips[:, :, :, :-1])

    def pixels(self, sums: NDArray[Any]) -> NDArray[np.float32]:
        """Glimpses (M, k * C, g, g), as of `glimpse`, of the sums (M, k, g, g, C) over what each of their pixels covers: whole numbers."""
        pixels: NDArray[np.float32] = np.divide(sums, self._white, dtype=np.float32, casting="unsafe")
        if self.pooling == "sum":
            np.minimum(pixels, 1.0, out=pixels)
        if (channels := sums.shape[-1]) > 1:
            pixels = pixels.transpose(0, 1, 4, 2, 3)  # (M, k, C, g, g)
        return pixels.reshape(len(sums), *self.glimpse_shape(channels))

    def footprints(self, locations: ArrayLike, height: int, width: int) -> NDArray[np.int64]:
        """The squares seen at locations (M, 2): (M, scales, 4) as x0, y0, x1, y1 in pixels, ends excluded."""
        edges = self._edges(np.asarray(locations), height, width)
        return np.concatenate([edges[..., 0], edges[..., -1]], axis=-1)

    def __call__(self, images: ArrayLike, locations: ArrayLike) -> NDArray[np.float32]:
        """Glimpses of uint8 images (N, H, W) or (N, H, W, C), channels last, at locations (N, 2) in [-1, 1], one of each."""
        images, locations = as_array("images", images), as_array("locations", locations)
        if images.dtype != np.uint8 or images.ndim not in (3, 4):
            raise ValueError(
                f"images must be uint8 of shape (N, H, W) or (N, H, W, C), got {images.dtype} of shape {images.shape}."
            )
        check_channels_last(images.shape)
        if locations.shape != (len(images), 2):
            raise ValueError(f"locations must have shape ({len(images)}, 2), got {locations.shape}.")
        if locations.dtype.kind not in "iuf" or not (np.abs(locations) <= 1).all():  # NaN fails this too
            raise ValueError("locations must be numbers in [-1, 1].")
        return self.glimpse(self.integrate(images if images.ndim == 4 else images[..., None]), locations)

    def _edges(self, locations: NDArray[Any], height: int, width: int) -> NDArray[np.int64]:
        """Pixel edges (M, k, 2, g + 1) of every patch along x and y, before any clipping."""
        centres = np.rint(to_pixels(locations, height, width)).astype(np.int64)  # (M, 2)
        return centres[:, None, :, None] + self._steps[:, None, :]
