"""Glimpse network and heads of the Recurrent Attention Model (Mnih et al. 2014, section 4, "Design choices").

Axes: B batch, k scales, C channels, g patch size, H hidden units. Layers keep PyTorch's default initialisation.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor, nn

from agents.ram.draws import normal
from agents.ram.layers import Activations, convolved, rectified


class Standardize(nn.Module):
    """Glimpse pixels of mean 0 and standard deviation 1, scale by scale, by the running statistics of training.

    A departure from the paper: whatever the images' brightness, the first layer sees numbers near 1. In the coarse patches of dark
    scenes pixels are dim, so each scale (and channel) has statistics of its own.

    Args:
        planes: scales * channels.
    """

    FORGETS = 1000  # updates that the running average reaches back

    def __init__(self, planes: int) -> None:
        super().__init__()
        self.mean: Tensor
        self.square: Tensor
        self.updates: Tensor
        self.register_buffer("mean", torch.zeros(planes))
        self.register_buffer("square", torch.ones(planes))
        self.register_buffer("updates", torch.zeros((), dtype=torch.long))

    @staticmethod
    def measure(glimpses: Tensor, counts: Tensor) -> Tensor:
        """How many glimpses (T, B, planes, g, g) count (T, B), and sums over these of the mean pixel and of the mean squared one: (3, planes)."""
        means = [each.mean((3, 4)) for each in (glimpses, glimpses.square())]  # (T, B, planes)
        return torch.stack([(each * counts[..., None]).sum((0, 1)) for each in (torch.ones_like(means[0]), *means)])

    def learn(self, found: Tensor) -> None:
        """Takes what `measure` found (3, planes) into the statistics."""
        self.updates += 1
        share = (1 / self.updates.clamp(max=self.FORGETS).double()).to(self.mean)
        for running, total in zip((self.mean, self.square), found[1:], strict=True):
            running.lerp_(total / found[0], share)

    def forward(self, glimpses: Tensor) -> Tensor:
        """Glimpses (N, planes, g, g) -> the same, standardised."""
        std = (self.square - self.mean.square()).clamp(min=1e-6).sqrt()
        return (glimpses - self.mean[:, None, None]) / std[:, None, None]


class GlimpseNetwork(nn.Module):
    """What is seen, and where, as one feature vector.

    g = Rect(Linear(h_g) + Linear(h_l)), h_g = Rect(Linear(glimpse)), h_l = Rect(Linear(location)). With
    `convolutions`, a departure from the paper, h_g is two convolutions of 3x3, the second of stride 2, with the scales as channels.

    Args:
        glimpse_shape: (scales * channels, g, g).
        num_scales: scales among the first axis, finest first.
        glimpse_scaling: "mean" takes the glimpse as the sensor gives it; "sum" multiplies scale s by 4**s, so that one lit
            pixel is as bright in a coarse patch as in a fine one (a departure from the paper, which Catch needs).
        glimpse_gain: factor of all pixels.
        hidden_size: units of h_g and of h_l.
        feature_size: units of g.
        convolutions: filters of the two convolutions of h_g, if it has them.

    Raises:
        ValueError: if a patch is too small for the convolutions.
    """

    def __init__(
        self,
        glimpse_shape: tuple[int, int, int],
        num_scales: int,
        glimpse_scaling: str = "mean",
        glimpse_gain: float = 1.0,
        hidden_size: int = 128,
        feature_size: int = 256,
        convolutions: tuple[int, ...] = (),
    ) -> None:
        super().__init__()
        planes, side, _ = glimpse_shape
        factor = 4.0 if glimpse_scaling == "sum" else 1.0
        brightness = glimpse_gain * (factor ** torch.arange(num_scales)).repeat_interleave(
            planes // num_scales * side * side
        )
        self.brightens = glimpse_gain != 1 or factor != 1
        self.brightness: Tensor
        self.register_buffer("brightness", brightness, persistent=False)
        self.what: nn.Module = nn.Linear(planes * side * side, hidden_size)
        what_size = hidden_size
        if convolutions:
            first, second = convolutions
            if side < 5:
                raise ValueError(
                    f"The convolutions of a glimpse network need patches of at least 5x5, got {side}x{side}."
                )
            layers = nn.Sequential(
                nn.Unflatten(1, glimpse_shape),
                nn.Conv2d(planes, first, 3),
                nn.ReLU(),
                nn.Conv2d(first, second, 3, stride=2),
                nn.Flatten(),
            )
            # Channels last take a third less time; PyTorch's types do not know that a module can be told so.
            self.what = layers.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
            what_size = second * ((side - 3) // 2) ** 2
        self.where = nn.Linear(2, hidden_size)
        self.what_to_feature = nn.Linear(what_size, feature_size)
        self.where_to_feature = nn.Linear(hidden_size, feature_size)

    def forward(self, glimpse: Tensor, location: Tensor, activations: Activations | None = None) -> Tensor:
        """Glimpses (B, k * C, g, g) at locations (B, 2) -> features (B, feature_size); `activations` keeps what is made, or knows it."""
        kept = Activations() if activations is None else activations
        pixels = glimpse.flatten(1)
        if self.brightens:
            pixels = pixels * self.brightness
        if isinstance(self.what, nn.Linear):
            seen = rectified((pixels, self.what), known=kept.known("seen"))
            kept.keep(seen=seen)
        else:
            seen = self._convolve(pixels, kept)
        placed = rectified((location, self.where), known=kept.known("placed"))
        features = rectified(
            (seen, self.what_to_feature), (placed, self.where_to_feature), known=kept.known("features")
        )
        kept.keep(placed=placed, features=features)
        return features

    def _convolve(self, pixels: Tensor, kept: Activations) -> Tensor:
        """Pixels (B, k * C * g * g) -> h_g by two convolutions."""
        layers: list[Any] = [*self.what.children()]
        unflatten, first, _, second, flatten = layers
        edges = convolved(unflatten(pixels), first, kept.known("edges"))
        shapes = convolved(edges, second, kept.known("shapes"))
        kept.keep(edges=edges, shapes=shapes)
        seen: Tensor = flatten(shapes)
        return seen


class Head(nn.Sequential):
    """A head on the core with one layer of rectifiers: (..., H) -> (..., outputs)."""

    def __init__(self, hidden_size: int, between: int, outputs: int) -> None:
        super().__init__(nn.Linear(hidden_size, between), nn.ReLU(), nn.Linear(between, outputs))

    def forward(self, hidden: Tensor) -> Tensor:
        """As the layers one after the other."""
        first, _, last = self
        assert isinstance(first, nn.Linear)
        rows = rectified((hidden.flatten(0, -2), first))
        made: Tensor = last(rows.view(*hidden.shape[:-1], -1))
        return made


class ControlHead(nn.Module):
    """Real numbers to act with: a Gaussian, its mean linear in the core's state, its standard deviations learned and the same in every state.

    Between two bounds the numbers are in units in which these are -1 and 1; elsewhere as they are. A departure from the paper, whose actions are choices.

    Args:
        hidden_size: H, of the core.
        box: the numbers that the environment takes, K of them.
    """

    FIRST, LEAST, GREATEST = 0.5, 0.02, 1.0  # standard deviations

    def __init__(self, hidden_size: int, box: spaces.Box) -> None:
        super().__init__()
        self.shape = box.shape
        low, high = box.low.ravel().astype(np.float64), box.high.ravel().astype(np.float64)
        with np.errstate(invalid="ignore"):
            bounded = np.abs(high - low) < np.finfo(np.float32).max  # wider is as good as none
        self.middle: Tensor
        self.reach: Tensor
        with np.errstate(invalid="ignore"):
            middle, half = np.where(bounded, (low + high) / 2, 0.0), np.where(bounded, (high - low) / 2, 1.0)
        self.register_buffer("middle", torch.from_numpy(middle).float(), persistent=False)
        self.register_buffer("reach", torch.from_numpy(half).float(), persistent=False)
        self.mean = nn.Linear(hidden_size, len(low))
        self.log_std = nn.Parameter(torch.full((len(low),), math.log(self.FIRST)))

    @property
    def std(self) -> Tensor:
        """Standard deviations (K,). What learning took beyond the bounds is moved back to them, from where it can return."""
        with torch.no_grad():
            self.log_std.clamp_(math.log(self.LEAST), math.log(self.GREATEST))
        return self.log_std.exp()

    def forward(self, hidden: Tensor) -> Tensor:
        """The core's states (..., H) -> means (..., K)."""
        mean: Tensor = self.mean(hidden)
        return mean

    def sample(self, mean: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Numbers (B, K) around means (B, K), without gradient."""
        noise = normal(mean.shape, generator, mean.device)
        return mean.detach() + self.std.detach() * noise

    def in_own_units(self, control: Tensor) -> Tensor:
        """Numbers (B, K) as the environment takes them, (B, *shape); it clips them."""
        return (self.middle + self.reach * control).view(len(control), *self.shape)


def head(hidden_size: int, outputs: int, between: int = 0) -> nn.Module:
    """A head on the core: linear as in the paper, or with one layer of `between` rectifiers."""
    return Head(hidden_size, between, outputs) if between else nn.Linear(hidden_size, outputs)
