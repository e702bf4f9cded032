"""Where the pixels of a glimpse lie.

Axes: N glimpses, m earlier ones, k scales, g patch size, c pixels or blocks of pixels along a side.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def pixel_ways(side: int, num_scales: int, blocks: int | None = None, device: torch.device | None = None) -> Tensor:
    """How far the middle of each column (or row) of a glimpse is from where that was taken, in pixels of the image: (k, c), finest scale first.

    As in `GlimpseSensor` a patch begins w // 2 pixels before there: the middle of one whose width w is odd lies half a pixel beyond.

    Args:
        side: g.
        num_scales: k.
        blocks: c, as many as a side is divided into; None for g.
        device: where they are made, so that none waits for another.
    """
    count, scales = blocks or side, 2.0 ** torch.arange(num_scales, device=device)
    beyond = (side * scales / 2) % 1
    places = torch.arange(count, device=device) + 0.5 - count / 2
    return places * (side / count * scales)[:, None] + beyond[:, None]


def pixel_places(ways: Tensor, locations: Tensor, size: Tensor) -> list[Tensor]:
    """Where the columns and the rows lie: x and y (N, k, c) each.

    Args:
        ways: (k, c) of `pixel_ways`.
        locations: (N, 2), where the glimpses were taken.
        size: (2,) or (N, 2), of the image's pixels, as a way (x, y) between locations.
    """
    return [locations[:, axis, None, None] + ways * size[..., axis].view(-1, 1, 1) for axis in (0, 1)]


def seen_before(here: Sequence[Tensor], seen: Tensor, reach: Tensor) -> Tensor:
    """Which pixels of glimpses lie near where the agent has looked.

    Args:
        here: of `pixel_places`.
        seen: (N, m, 2), where glimpses were taken.
        reach: (2,) or (N, 2), how far from there is near, in x and in y, as a way between locations.

    Returns:
        (N, k, c, c) bool.
    """
    near = [  # (N, k, c, m)
        ((places[..., None] - seen[:, None, None, :, axis]).abs() < reach[..., axis].view(-1, 1, 1, 1)).float()
        for axis, places in enumerate(here)
    ]
    return near[1] @ near[0].transpose(2, 3) > 0
