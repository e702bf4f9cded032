"""A gaze that points at what it sees: where to look next, as one of the pixels of the last glimpse.

Axes: N glimpses, K places, k scales, g patch size, c = min(g, MOST), C = k * c * c pixels of a glimpse in a row, H hidden units, m earlier glimpses.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from agents.ram.draws import normal, uniform
from agents.ram.networks import head
from agents.ram.pixel_places import pixel_places, pixel_ways, seen_before

MOST = 16  # pixels along a side that are told apart: of larger patches blocks of them, as wide as it takes
FEATURES = 16  # of a pixel and those around it
WIDTH = 0.6  # standard deviation of where to look around a pixel, in its widths
NEVER = -1e9  # logit of what is not pointed at


class Pointer(nn.Module):
    """A location policy with a Gaussian around each pixel of the last glimpse, as wide as the pixel is: near the middle exact, far out coarse.

    A pixel's logit is the sum of one that depends on the core's state alone, and of a product of what that asks for with features of the
    pixels around it and of whether the agent has looked there. So what was learnt of a thing in one place holds wherever it shows, and several things
    to look at next are several peaks, where the mean of one Gaussian lies between them. A departure from the paper.

    Pixels that a finer scale shows, and those off the image, are not pointed at.

    Args:
        planes: scales * channels of a glimpse.
        num_scales: scales among them.
        side: g.
        hidden_size: H.
        between: rectifiers between the core and what it asks for; 0 for none.
    """

    ways: Tensor
    steps: Tensor
    widths: Tensor
    covered: Tensor

    def __init__(self, planes: int, num_scales: int, side: int, hidden_size: int, between: int) -> None:
        super().__init__()
        self.num_scales, self.reach, self.side = num_scales, side / 2, min(side, MOST)
        self.content = nn.Conv2d(planes // num_scales + 1, FEATURES, 3, padding=1)
        self.asks = head(hidden_size, num_scales * (FEATURES + self.side**2), between)
        for parameter in [*self.asks.parameters()][-2:]:  # begins by pointing at all alike
            nn.init.zeros_(parameter)
        # In pixels of the image: of columns and rows (k, c), and of all pixels (C, 2) and (C,).
        ways, halves = pixel_ways(side, num_scales, self.side), side / 2 * 2.0 ** torch.arange(num_scales)
        grid = torch.stack([ways[:, None].expand(-1, self.side, -1), ways[:, :, None].expand(-1, -1, self.side)], -1)
        widths = 2 * halves / self.side
        # Of each scale but the finest, how far its pixels reach from the middle of the next finer one, which covers those that do not leave it.
        reach = (grid[1:] - ways.mean(1)[:-1, None, None, None]).abs().amax(-1) + widths[1:, None, None] / 2
        covered = torch.cat([torch.zeros_like(grid[:1, ..., 0], dtype=torch.bool), reach <= halves[:-1, None, None]])
        self.register_buffer("ways", ways, persistent=False)
        self.register_buffer("steps", grid.reshape(-1, 2), persistent=False)
        self.register_buffer("widths", widths.repeat_interleave(self.side**2), persistent=False)
        self.register_buffer("covered", covered.flatten(), persistent=False)

    def forward(self, hidden: Tensor, pixels: Tensor, locations: Tensor, size: Tensor, seen: Tensor | None) -> Tensor:
        """The logits (N, C) of the pixels of glimpses.

        Args:
            hidden: (N, H), the core's state.
            pixels: (N, k * channels, g, g), finest scale first.
            locations: (N, 2), where the glimpses were taken.
            size: (2,) or (N, 2), of the image's pixels, as a way (x, y) between locations.
            seen: (N, m, 2), where the agent has looked before; None where that says nothing.
        """
        count = len(hidden)
        if pixels.shape[-1] > self.side:
            pixels = functional.adaptive_avg_pool2d(pixels, self.side)
        planes = pixels.float().view(count, self.num_scales, -1, self.side, self.side)
        known, here = torch.zeros_like(planes[:, :, :1]), pixel_places(self.ways, locations, size)
        if seen is not None:
            known = seen_before(here, seen, self.reach * size)[:, :, None].to(planes)
        found = torch.relu(self.content(torch.cat([planes, known], 2).flatten(0, 1))).view(
            count, self.num_scales, FEATURES, -1
        )
        asked, alone = self.asks(hidden).split([self.num_scales * FEATURES, len(self.steps)], -1)
        logits = (asked.view(count, self.num_scales, 1, FEATURES) @ found).view(count, -1) + alone
        halves = self.widths.view(self.num_scales, -1)[:, :1] / 2
        off = [place.abs() > 1 + halves * size[..., axis].view(-1, 1, 1) for axis, place in enumerate(here)]
        masked: Tensor = logits.masked_fill((off[1][..., None] | off[0][:, :, None]).flatten(1) | self.covered, NEVER)
        return masked

    def sample(
        self, count: int, logits: Tensor, locations: Tensor, size: Tensor, generator: torch.Generator | None = None
    ) -> Tensor:
        """Places (count, N, 2) drawn from the policy, before any clipping; arguments as of `forward`."""
        weights = logits.softmax(-1).cumsum(-1)
        chance = uniform((len(logits), count), generator, logits.device) * weights[:, -1:]
        drawn = torch.searchsorted(weights, chance).clamp(max=len(self.steps) - 1)
        noise = normal((len(logits), count, 2), generator, logits.device) * WIDTH * self.widths[drawn, None]
        return (locations[:, None] + (self.steps[drawn] + noise) * size[..., None, :]).transpose(0, 1)

    def best(self, logits: Tensor, locations: Tensor, size: Tensor) -> Tensor:
        """Where a greedy agent looks (N, 2): at the likeliest pixel, between it and those beside it as these are likely."""
        top, beside = logits.argmax(-1, keepdim=True), torch.arange(-1, 2, device=logits.device)
        scale, cell = top // self.side**2, top % self.side**2
        around = torch.cartesian_prod(beside, beside)
        near = torch.stack([cell % self.side, cell // self.side], -1) + around  # (N, 9, 2)
        inside = ((near >= 0) & (near < self.side)).all(-1)
        column, row = near.clamp(0, self.side - 1).unbind(-1)
        where = scale * self.side**2 + row * self.side + column  # (N, 9)
        shares = logits.gather(1, where).masked_fill(~inside, NEVER).softmax(-1)
        way = (self.steps[where] * shares[..., None]).sum(1)
        return (locations + way * size).clamp(-1, 1)

    def log_prob(self, places: Tensor, logits: Tensor, locations: Tensor, size: Tensor) -> Tensor:
        """The logarithm of the policy's density at places (N, K, 2), before any clipping: (N, K)."""
        way = (places - locations[:, None]) / size[..., None, :]
        spread = WIDTH * self.widths.view(self.num_scales, -1)[:, :1]  # (k, 1)
        off = ((way[..., None, None] - self.ways) / spread).square() / 2  # (N, K, 2, k, c)
        heights = logits.log_softmax(-1) - (2 * math.pi * (WIDTH * self.widths).square()).log()
        heights = heights.view(-1, 1, self.num_scales, self.side, self.side)
        fits = heights - off[:, :, 1, :, :, None] - off[:, :, 0, :, None]  # (N, K, k, c, c)
        return fits.flatten(2).logsumexp(-1) - size.log().sum(-1)[..., None]
