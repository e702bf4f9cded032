"""A policy for Stable-Baselines3 that acts as ours does: a Normal on the location, a Categorical on every choice.

Its actions are members of `agents.sb3.vec_env.hybrid_space`. Axes: B batch, C choices, K options of all choices together.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from gymnasium import spaces
from sb3_contrib.common.recurrent.policies import RecurrentActorCriticPolicy
from stable_baselines3.common.distributions import DiagGaussianDistribution, sum_independent_dims
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.torch_layers import CombinedExtractor, FlattenExtractor
from torch import Tensor, nn
from torch.distributions import Categorical


class HybridDistribution(DiagGaussianDistribution):
    """Location and choices, each drawn on its own.

    A subclass of SB3's Gaussian, which is the location's part, and because its policies ask what kind they have.

    Args:
        sizes: number of options of each choice.
    """

    def __init__(self, sizes: Sequence[int]) -> None:
        super().__init__(2)
        self.sizes = list(sizes)
        self.logits: list[Tensor] = []  # (B, options) of each choice

    def proba_distribution_net(self, latent_dim: int, log_std_init: float = 0.0) -> tuple[nn.Module, nn.Parameter]:
        """The layer that gives mean location and logits (B, 2 + K), and the logarithm of the standard deviation (2,)."""
        return nn.Linear(latent_dim, 2 + sum(self.sizes)), nn.Parameter(torch.full((2,), log_std_init))

    def proba_distribution(self, mean_actions: Tensor, log_std: Tensor) -> HybridDistribution:
        """Takes what the layer gave (B, 2 + K); returns itself."""
        mean, *self.logits = torch.split(mean_actions, [2, *self.sizes], dim=1)
        super().proba_distribution(mean, log_std)
        return self

    def log_prob(self, actions: Tensor) -> Tensor:
        """Of actions (B, 2 + C) as they were sampled, before any clipping: (B,)."""
        chosen = actions[:, 2:].round().long().unbind(1)
        choices = [Categorical(logits=logits) for logits in self.logits]
        terms = [choice.log_prob(option) for choice, option in zip(choices, chosen, strict=True)]  # type: ignore[no-untyped-call]
        return torch.stack([super().log_prob(actions[:, :2]), *terms]).sum(0)

    def entropy(self) -> Tensor:
        """The sum of all parts' entropies: (B,)."""
        terms = [Categorical(logits=logits).entropy() for logits in self.logits]  # type: ignore[no-untyped-call]
        return torch.stack([sum_independent_dims(self.distribution.entropy()), *terms]).sum(0)  # type: ignore[no-untyped-call]

    def sample(self) -> Tensor:
        """A location and options (B, 2 + C)."""
        return self._join(super().sample(), [torch.multinomial(logits.softmax(1), 1) for logits in self.logits])

    def mode(self) -> Tensor:
        """The mean location and the likeliest options (B, 2 + C)."""
        return self._join(super().mode(), [logits.argmax(1, keepdim=True) for logits in self.logits])

    def _join(self, location: Tensor, options: list[Tensor]) -> Tensor:
        return torch.cat([location, *(option.to(location) for option in options)], dim=1)


class _Hybrid(ActorCriticPolicy):
    """What the two policies below share.

    Args:
        location_std: initial standard deviation of the location, in half image sides.
        learn_std: whether it is learned; otherwise it stays as it is.
        **kwargs: as SB3's policies take them.
    """

    def __init__(self, *args: Any, location_std: float = 0.3, learn_std: bool = True, **kwargs: Any) -> None:
        self.learn_std = learn_std
        space = kwargs.get("observation_space", args[0] if args else None)
        kwargs.setdefault(
            "features_extractor_class", CombinedExtractor if isinstance(space, spaces.Dict) else FlattenExtractor
        )
        super().__init__(*args, **{"log_std_init": math.log(location_std), **kwargs})

    def _build(self, lr_schedule: Any) -> None:
        """Puts the hybrid distribution where SB3 has made a Gaussian for the Box, then makes the layers."""
        assert isinstance(self.action_space, spaces.Box), "A hybrid policy needs NativeVecEnv(hybrid=True)."
        self.action_dist = HybridDistribution([int(last) + 1 for last in self.action_space.high[2:]])
        super()._build(lr_schedule)
        self.log_std.requires_grad_(self.learn_std)

    def _get_constructor_parameters(self) -> dict[str, Any]:
        return {**super()._get_constructor_parameters(), "learn_std": self.learn_std}


class HybridPolicy(_Hybrid):
    """For PPO and A2C: no memory, so that each decision rests on the glimpse at hand."""


class RecurrentHybridPolicy(_Hybrid, RecurrentActorCriticPolicy):
    """For RecurrentPPO of sb3-contrib: an LSTM remembers the glimpses before."""
