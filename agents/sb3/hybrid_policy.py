"""A policy for Stable-Baselines3 that acts as ours does: a Normal on the location, a Categorical on every choice.

Its actions are members of `agents.sb3.vec_env.hybrid_space`. Axes: B batch, C choices, K options of all choices together.

Where there is one answer, given at the end, what an action says in vain is kept out of its probability: an answer before the end, a
location at the end. Both would only be noise in the gradient.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from gymnasium import spaces
from sb3_contrib.common.recurrent.policies import RecurrentActorCriticPolicy
from stable_baselines3.common.distributions import DiagGaussianDistribution
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.torch_layers import CombinedExtractor, FlattenExtractor
from torch import Tensor, nn
from torch.distributions import Categorical


class HybridDistribution(DiagGaussianDistribution):
    """Location and choices, each drawn on its own.

    A subclass of SB3's Gaussian, which is the location's part, and because its policies ask what kind they have.

    Args:
        sizes: number of options of each choice.
        mean_scale: factor of the mean location that the layer gives. About as large as the standard deviation it keeps the location's
            gradient, which grows as that shrinks, from drowning the choices'.

    Attributes:
        last: (B,) whether the action is the episode's last whatever it chooses; None where all that an action says counts. The
            choices are then an answer, and 1 to end the episode with it.
    """

    def __init__(self, sizes: Sequence[int], mean_scale: float = 1.0) -> None:
        super().__init__(2)
        self.mean_scale = mean_scale
        self.sizes = list(sizes)
        self.logits: list[Tensor] = []  # (B, options) of each choice
        self.last: Tensor | None = None

    def proba_distribution_net(self, latent_dim: int, log_std_init: float = 0.0) -> tuple[nn.Module, nn.Parameter]:
        """The layer that gives mean location and logits (B, 2 + K), and the logarithm of the standard deviation (2,)."""
        return nn.Linear(latent_dim, 2 + sum(self.sizes)), nn.Parameter(torch.full((2,), log_std_init))

    def proba_distribution(self, mean_actions: Tensor, log_std: Tensor) -> HybridDistribution:
        """Takes what the layer gave (B, 2 + K); returns itself."""
        mean, *self.logits = torch.split(mean_actions, [2, *self.sizes], dim=1)
        super().proba_distribution(self.mean_scale * mean, log_std)
        return self

    def log_prob(self, actions: Tensor) -> Tensor:
        """Of actions (B, 2 + C) as they were sampled, before any clipping, as far as they count: (B,)."""
        chosen = actions[:, 2:].round().long().unbind(1)
        choices = [Categorical(logits=logits) for logits in self.logits]
        terms = [choice.log_prob(option) for choice, option in zip(choices, chosen, strict=True)]  # type: ignore[no-untyped-call]
        location = super().log_prob(actions[:, :2])
        if self.last is not None:
            (answer, stop), ends = terms, self.last | (chosen[1] == 1)
            location, terms = location * ~ends, [answer * ends, stop * ~self.last]
        return torch.stack([location, *terms]).sum(0)

    def entropy(self) -> Tensor:
        """The sum of the choices' entropies, as far as they count: (B,). A bonus on the location's could only widen its Normal."""
        terms = [Categorical(logits=logits).entropy() for logits in self.logits]  # type: ignore[no-untyped-call]
        if self.last is not None:
            (answer, stop), ends = terms, self.logits[1].softmax(1)[:, 1]
            terms = [answer * torch.where(self.last, 1.0, ends), stop * ~self.last]
        none = torch.zeros_like(self.distribution.mean[:, 0])  # of who may only look
        return torch.stack([none, *terms]).sum(0)

    def sample(self) -> Tensor:
        """A location and options (B, 2 + C)."""
        return self._join(super().sample(), [torch.multinomial(logits.softmax(1), 1) for logits in self.logits])

    def mode(self) -> Tensor:
        """The mean location and the likeliest options (B, 2 + C)."""
        return self._join(super().mode(), [logits.argmax(1, keepdim=True) for logits in self.logits])

    def _join(self, location: Tensor, options: list[Tensor]) -> Tensor:
        return torch.cat([location, *(option.to(location) for option in options)], dim=1)


class Brightened(FlattenExtractor):
    """A flat observation, brighter: `policy_kwargs={"features_extractor_kwargs": {"gain": 10.0}}`.

    A single lit pixel among hundreds that are dark moves a network's first layer little; brighter, it is learned from sooner.

    Args:
        observation_space: of flat observations.
        gain: factor of every number.
    """

    def __init__(self, observation_space: spaces.Box, gain: float = 1.0) -> None:
        super().__init__(observation_space)
        self.gain = gain

    def forward(self, observations: Tensor) -> Tensor:
        """(B, ...) -> (B, numbers of one)."""
        return self.gain * super().forward(observations)


class _Hybrid(ActorCriticPolicy):
    """What the two policies below share.

    Args:
        location_std: initial standard deviation of the location, in half image sides.
        final_std: where it is given, the standard deviation falls there in a straight line, if `anneal` is called; it is not learned.
        mean_scale: see `HybridDistribution`.
        learn_std: whether it is learned; otherwise it stays as it is.
        stop_logit: what the logit of the last choice's last option begins at, where it is to stop: below 0, episodes are long at first.
        glimpse_width: numbers of one glimpse in observations that show all glimpses of the episode, the first ones zeros until the last is
            taken (`obs_mode="history"`); it makes known which action is the last. 0 where all that an action says counts.
        **kwargs: as SB3's policies take them.
    """

    def __init__(
        self,
        *args: Any,
        location_std: float = 0.3,
        final_std: float | None = None,
        mean_scale: float = 1.0,
        learn_std: bool = True,
        stop_logit: float = 0.0,
        glimpse_width: int = 0,
        **kwargs: Any,
    ) -> None:
        self.location_std, self.final_std = location_std, final_std
        self.learn_std = learn_std and final_std is None
        self.mean_scale, self.stop_logit, self.glimpse_width = mean_scale, stop_logit, glimpse_width
        space = kwargs.get("observation_space", args[0] if args else None)
        kwargs.setdefault(
            "features_extractor_class", CombinedExtractor if isinstance(space, spaces.Dict) else Brightened
        )
        super().__init__(*args, **{"log_std_init": math.log(location_std), **kwargs})

    def _build(self, lr_schedule: Any) -> None:
        """Puts the hybrid distribution where SB3 has made a Gaussian for the Box, then makes the layers."""
        assert isinstance(self.action_space, spaces.Box), "A hybrid policy needs NativeVecEnv(hybrid=True)."
        self.action_dist = HybridDistribution([int(last) + 1 for last in self.action_space.high[2:]], self.mean_scale)
        super()._build(lr_schedule)
        self.log_std.requires_grad_(self.learn_std)
        assert isinstance(self.action_net, nn.Linear)
        self.action_net.bias.data[-1] += self.stop_logit

    def extract_features(self, obs: Any, *args: Any) -> Any:
        """As SB3 has it, which begins every forward pass here."""
        self._tell_last(obs)
        return super().extract_features(obs, *args)

    def get_distribution(self, obs: Any, *args: Any) -> Any:
        """As SB3 has it, which passes by the method above here."""
        self._tell_last(obs)
        return super().get_distribution(obs, *args)

    def _tell_last(self, obs: Any) -> None:
        """Tells the distribution whose action is the last: where no glimpse of the history is missing."""
        if self.glimpse_width:
            assert isinstance(self.action_dist, HybridDistribution)
            self.action_dist.last = obs[:, : self.glimpse_width].any(1)

    def anneal(self, remaining: float) -> None:
        """Sets the standard deviation, where it falls in a straight line; `remaining` of the training goes from 1 to 0."""
        if self.final_std is not None:
            self.log_std.data.fill_(math.log(self.final_std + remaining * (self.location_std - self.final_std)))

    def _get_constructor_parameters(self) -> dict[str, Any]:
        own = ("location_std", "final_std", "mean_scale", "learn_std", "stop_logit", "glimpse_width")
        return {**super()._get_constructor_parameters(), **{name: getattr(self, name) for name in own}}


class HybridPolicy(_Hybrid):
    """For PPO and A2C: no memory, so that each decision rests on the glimpse at hand."""


class RecurrentHybridPolicy(_Hybrid, RecurrentActorCriticPolicy):
    """For RecurrentPPO of sb3-contrib: an LSTM remembers the glimpses before."""
