"""The retina and the canvas in PyTorch, on any device: twins of `GlimpseSensor` and `draw_canvases`, the same to the last bit.

Everything is whole numbers, but for three roundings that IEEE 754 settles: of a location to a pixel, of a sum to float32, and of its
quotient. Nothing asks the device for a value, so that a GPU is never waited for.

Axes: N scenes, K places in each, G sprites of a layer, H and W the canvas's sides, h and w a sprite's, C channels, k scales, g patch size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ram_envs.glimpse_sensor import GlimpseSensor

CHUNK = 2**26  # pixels that are drawn and summed at once


class TorchSensor:
    """Sees scenes on a device as a `GlimpseSensor` does.

    Args:
        sensor: what it sees as.
        screen: (H, W, C) of the scenes.
        device: where they are.
    """

    def __init__(self, sensor: GlimpseSensor, screen: tuple[int, int, int], device: torch.device) -> None:
        height, width, self.channels = screen
        scales, size = sensor.num_scales, sensor.patch_size
        self.shape, self.pooling = sensor.glimpse_shape(self.channels), sensor.pooling
        self._row = width + 1
        self._entries = (height + 1) * (width + 1)
        self._half = torch.tensor([width / 2, height / 2], dtype=torch.float64, device=device)
        edges = sensor.footprints(np.full((1, 2), -1.0), height, width)[0, :, 0]  # (k,), of patches around (0, 0)
        steps = torch.arange(size + 1) * 2 ** torch.arange(scales)[:, None] + torch.from_numpy(edges)[:, None]
        self._steps = steps.to(device)  # (k, g + 1)
        self._last = torch.tensor([width, height], device=device)[:, None, None]
        full = [4.0**scale if sensor.pooling == "mean" else 1.0 for scale in range(scales)]
        self._white = 255 * torch.tensor(full, device=device)[:, None, None, None]

    def tables(self, scenes: Tensor, out: Tensor) -> None:
        """Writes the summed-area tables of scenes (N, H, W, C), whole numbers, to `out` (N, H + 1, W + 1, C), int32, whose first row and
        column are 0 and stay so."""
        out[:, 1:, 1:].copy_(scenes.cumsum(2, dtype=torch.int32).cumsum(1, dtype=torch.int32))

    def glimpse(self, tables: Tensor, locations: Tensor) -> Tensor:
        """What is seen in each scene, at one place or at several.

        Args:
            tables: (N, H + 1, W + 1, C) of `tables`.
            locations: (N, 2) or (K, N, 2) in [-1, 1], float32.

        Returns:
            Glimpses (N, k * C, g, g) or (K, N, k * C, g, g), float32 in [0, 1], finest scale first.
        """
        centres = (
            ((locations.double() + 1) * self._half).round().long()
        )  # halves of whole numbers: exact before the rounding
        edges = torch.minimum(
            (centres[..., None, None] + self._steps).clamp(min=0), self._last
        )  # (..., N, 2, k, g + 1)
        first = torch.arange(len(tables), device=tables.device)[:, None, None] * self._entries
        rows = edges[..., 1, :, :] * self._row + first  # (..., N, k, g + 1)
        corners = tables.view(-1, self.channels)[rows[..., :, None] + edges[..., 0, :, None, :]]
        strips = corners[..., 1:, :, :] - corners[..., :-1, :, :]
        sums = strips[..., 1:, :] - strips[..., :-1, :]  # (..., N, k, g, g, C)
        pixels = sums.float() / self._white
        if self.pooling == "sum":
            pixels = pixels.clamp(max=1.0)
        return pixels.movedim(-1, -3).reshape(*locations.shape[:-1], *self.shape)


@dataclass(frozen=True)
class Layer:
    """Sprites of one size to be drawn, as many in every scene: parts of the images of a pool.

    Attributes:
        pool: uint8 (P, h', w', C).
        size: (h, w) of the parts.
        which: (N, G) the image of each; below 0 for none.
        corners: (N, G, 2), where the upper left corner lies on the canvas, (x, y) in pixels; all of a sprite is within it.
        sources: (N, G, 2), where it lies in the image, likewise; None for the image's own.
        covers: whether each hides what was laid before it; else the brighter pixel is seen. Layers that cover come last.
    """

    pool: Tensor
    size: tuple[int, int]
    which: Tensor
    corners: Tensor
    sources: Tensor | None = None
    covers: bool = False

    def part(self, scenes: slice) -> Layer:
        """Those of some of the scenes."""
        sources = None if self.sources is None else self.sources[scenes]
        return Layer(self.pool, self.size, self.which[scenes], self.corners[scenes], sources, self.covers)


def draw_layers(layers: Sequence[Layer], canvas: tuple[int, int]) -> Tensor:
    """The scenes (N, H, W, C), int32 in 0 to 255, as `ram_envs.sprites.draw_canvases` draws them.

    Each pixel is the greatest of what is laid there: its brightness, and above that, of what covers, how late it was laid.
    """
    count, channels = len(layers[0].which), layers[0].pool.shape[3]
    height, width = canvas
    device = layers[0].pool.device
    scenes = torch.zeros(count * height * width * channels, dtype=torch.int32, device=device)
    number = torch.arange(count, device=device)[:, None, None, None]
    for layer in layers:
        _, high, wide, _ = layer.pool.shape
        rows = torch.arange(layer.size[0], device=device)[:, None]
        columns = torch.arange(layer.size[1], device=device)
        which = layer.which[:, :, None, None]
        inside = rows * wide + columns
        if layer.sources is not None:
            inside = inside + (layer.sources[..., 1] * wide + layer.sources[..., 0])[..., None, None]
        seen = layer.pool.view(-1, channels)[which.clamp(min=0) * (high * wide) + inside].int()  # (N, G, h, w, C)
        if layer.covers:
            late = torch.arange(1, layer.which.shape[1] + 1, dtype=torch.int32, device=device) * 256
            seen = seen + late[:, None, None, None]
        seen = seen * (which >= 0)[..., None]
        x, y = layer.corners[..., 0, None, None], layer.corners[..., 1, None, None]
        places = ((number * height + y + rows) * width + x + columns)[..., None] * channels
        places = places + torch.arange(channels, device=device)
        scenes.scatter_reduce_(0, places.flatten(), seen.flatten(), "amax")
    return (scenes & 255).view(count, height, width, channels)
