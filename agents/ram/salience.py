"""Where a glimpse shows something: places to look at while a gaze explores.

Axes: B lanes, m glimpses so far, k scales, g patch size.
"""

from __future__ import annotations

import torch
from torch import Tensor

from agents.ram.draws import uniform
from agents.ram.pixel_places import pixel_places, pixel_ways, seen_before


def salient_places(
    pixels: Tensor,
    num_scales: int,
    location: Tensor,
    size: Tensor,
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
        size: (2,) or (B, 2), of the image's pixels, as a way (x, y) between locations.
        count: of places.
        seen: (B, m, 2), where glimpses were taken whose places are of no use, such as all so far; None where what is to be seen has changed since.
        generator: source of the draws.

    Returns:
        Places (count, B, 2).
    """
    batch, _, side, _ = pixels.shape
    planes = pixels.float().view(batch, num_scales, -1, side, side)
    contrast = (planes - planes.mean((3, 4), keepdim=True)).square().sum(2)  # (B, k, g, g)
    # Columns and rows apart, and put together by products.
    here = pixel_places(pixel_ways(side, num_scales, device=pixels.device), location, size)
    inside = [(places.abs() <= 1).float() for places in here]
    salience = contrast.square()
    if seen is not None:
        salience = salience * ~seen_before(here, seen, side * size)
    shown = inside[1][..., None] * inside[0][..., None, :]
    weights = ((salience + 1e-6) * shown).flatten(1).cumsum(1)  # (B, k * g * g)
    chance = uniform((batch, count), generator, pixels.device) * weights[:, -1:]
    drawn = torch.searchsorted(weights, chance).clamp(max=weights.shape[1] - 1)
    within = uniform((batch, count, 2), generator, pixels.device) - 0.5
    scale, row, column = drawn // side**2, drawn // side % side, drawn % side
    chosen = [
        here[axis].flatten(1).gather(1, scale * side + at)
        + within[..., axis] * 2.0**scale * size[..., axis].view(-1, 1)
        for axis, at in enumerate((column, row))
    ]
    return torch.stack(chosen, dim=-1).clamp(-1, 1).transpose(0, 1)
