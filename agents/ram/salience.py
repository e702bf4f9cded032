"""Where a glimpse shows something: places to look at while a gaze explores.

Axes: B lanes, m glimpses so far, k scales, g patch size.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from agents.ram.draws import uniform


def seen_before(here: Sequence[Tensor], seen: Tensor, reach: Sequence[float | Tensor]) -> Tensor:
    """Which pixels of glimpses lie near where the agent has looked.

    Args:
        here: where their columns and rows are: x and y (B, k, g) each.
        seen: (B, m, 2), where glimpses were taken.
        reach: how far from there is near, in x and in y, as a way between locations; or of each lane (B, 1, 1, 1).

    Returns:
        (B, k, g, g) bool.
    """
    near = [  # (B, k, g, m)
        ((places[..., None] - seen[:, None, None, :, axis]).abs() < reach[axis]).float()
        for axis, places in enumerate(here)
    ]
    return near[1] @ near[0].transpose(2, 3) > 0


def salient_places(
    pixels: Tensor,
    num_scales: int,
    location: Tensor,
    pixel_size: tuple[float, float] | Tensor,
    count: int,
    seen: Tensor | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Places that a glimpse shows something at: each is within a pixel of it, at any scale, drawn in proportion to its squared contrast, which is
    the squared difference from its patch's mean. Their finest patches would not overlap those of glimpses that show the same still
    ("inhibition of return"). All lie on the image.

    Args:
        pixels: (B, scales * channels, g, g), finest scale first.
        num_scales: scales among them.
        location: (B, 2), where it was taken.
        pixel_size: of the image, as a way (x, y) between locations; or of each lane's (B, 2).
        count: of places.
        seen: (B, m, 2), where glimpses were taken whose places are of no use, such as all so far; None where what is to be seen has changed since.
        generator: source of the draws.

    Returns:
        Places (count, B, 2).
    """

    def size(axis: int, axes: int) -> float | Tensor:
        """Of a pixel along an axis, to go with tensors that have so many axes more than lanes."""
        return pixel_size[:, axis].view(-1, *[1] * axes) if isinstance(pixel_size, Tensor) else pixel_size[axis]

    batch, _, side, _ = pixels.shape
    planes = pixels.float().view(batch, num_scales, -1, side, side)
    contrast = (planes - planes.mean((3, 4), keepdim=True)).square().sum(2)  # (B, k, g, g)
    widths = 2.0 ** torch.arange(num_scales, device=pixels.device)
    steps = (torch.arange(side, device=pixels.device) + 0.5 - side / 2) * widths[:, None]  # (k, g), in pixels
    # Columns and rows apart, and put together by products: x and y of the pixels are (B, k, g) each.
    here = [location[:, axis, None, None] + steps * size(axis, 2) for axis in (0, 1)]
    inside = [(places.abs() <= 1).float() for places in here]
    salience = contrast.square()
    if seen is not None:
        salience = salience * ~seen_before(here, seen, [side * size(axis, 3) for axis in (0, 1)])
    shown = inside[1][..., None] * inside[0][..., None, :]
    weights = ((salience + 1e-6) * shown).flatten(1).cumsum(1)  # (B, k * g * g)
    chance = uniform((batch, count), generator, pixels.device) * weights[:, -1:]
    drawn = torch.searchsorted(weights, chance).clamp(max=weights.shape[1] - 1)
    within = uniform((batch, count, 2), generator, pixels.device) - 0.5
    scale, row, column = drawn // side**2, drawn // side % side, drawn % side
    chosen = [
        here[axis].flatten(1).gather(1, scale * side + at) + within[..., axis] * widths[scale] * size(axis, 1)
        for axis, at in enumerate((column, row))
    ]
    return torch.stack(chosen, dim=-1).clamp(-1, 1).transpose(0, 1)
