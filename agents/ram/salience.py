"""Where a glimpse shows something new: places to look at while a gaze explores.

Axes: B lanes, m glimpses so far, k scales, g patch size.
"""

from __future__ import annotations

import torch
from torch import Tensor

from agents.ram.draws import uniform


def salient_places(
    pixels: Tensor,
    num_scales: int,
    seen: Tensor,
    pixel_size: tuple[float, float],
    count: int,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Places that a glimpse shows something at, and that were not looked at before: each is within a pixel of it, at any scale, drawn
    in proportion to its squared contrast, which is the squared difference from its patch's mean. Their finest patches would not overlap those of
    earlier glimpses ("inhibition of return"). All lie on the image.

    Args:
        pixels: (B, scales * channels, g, g), finest scale first.
        num_scales: scales among them.
        seen: (B, m, 2), where all glimpses so far were taken, this one last.
        pixel_size: of the image, as a way (x, y) between locations.
        count: of places.
        generator: source of the draws.

    Returns:
        Places (count, B, 2).
    """
    batch, _, side, _ = pixels.shape
    planes = pixels.float().view(batch, num_scales, -1, side, side)
    contrast = (planes - planes.mean((3, 4), keepdim=True)).square().sum(2)  # (B, k, g, g)
    widths = 2.0 ** torch.arange(num_scales, device=pixels.device)
    steps = (torch.arange(side, device=pixels.device) + 0.5 - side / 2) * widths[:, None]  # (k, g), in pixels
    grid = (num_scales, side, side)
    ways = [steps[:, None].expand(grid) * pixel_size[0], steps[:, :, None].expand(grid) * pixel_size[1]]
    places = seen[:, -1, None, None, None] + torch.stack(ways, dim=-1)
    away = (places[:, None] - seen[:, :, None, None, None]).abs()  # (B, m, k, g, g, 2)
    known = (away[..., 0] < side * pixel_size[0]) & (away[..., 1] < side * pixel_size[1])
    weights = (
        ((contrast.square() * ~known.any(1) + 1e-6) * (places.abs() <= 1).all(-1)).flatten(1).cumsum(1)
    )  # (B, k * g * g)
    chance = uniform((batch, count), generator, pixels.device) * weights[:, -1:]
    drawn = torch.searchsorted(weights, chance).clamp(max=weights.shape[1] - 1)
    within = uniform((batch, count, 2), generator, pixels.device) - 0.5
    width = widths[drawn // side**2]
    spread = torch.stack([width * pixel_size[0], width * pixel_size[1]], dim=-1)
    chosen = places.flatten(1, 3).gather(1, drawn[..., None].expand(-1, -1, 2))
    return (chosen + within * spread).clamp(-1, 1).transpose(0, 1)
