"""Cores: what an agent makes of its glimpses so far.

Axes: T steps, K looks that are compared, B lanes, F features, H hidden units, m glimpses that are remembered, d units of a head.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from agents.ram.layers import (
    Activations,
    LSTMSteps,
    RectifierSteps,
    Start,
    linear,
    lstm_after,
    lstm_step,
    rectified,
)

State = tuple[Tensor, ...]
"""What a core remembers of each lane; the first entry is h_t (B, H)."""


class Core(nn.Module):
    """A core of H units: features and the state before -> the state after; `unroll` for all steps at once, with gradient."""

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.hidden_size = hidden_size

    def after(self, features: Tensor, states: list[State]) -> Tensor:
        """What h would be after each of K looks, without gradient: features (T, K, B, F) and the T states before -> (T, K, B, H)."""
        steps, count, batch = features.shape[:3]
        before = (
            torch.stack(parts)[:, None].expand(steps, count, batch, -1).flatten(0, 2)
            for parts in zip(*states, strict=True)
        )
        hidden: Tensor = self(features.flatten(0, 2), tuple(before))[0]
        return hidden.view(steps, count, batch, -1)


class RectifierCore(Core):
    """h_t = Rect(Linear(h_{t-1}) + Linear(g_t)): the core for classification."""

    def __init__(self, feature_size: int, hidden_size: int) -> None:
        super().__init__(hidden_size)
        self.recurrent = nn.Linear(hidden_size, hidden_size)
        self.input = nn.Linear(feature_size, hidden_size)

    def initial_state(self, batch: int, device: torch.device) -> tuple[Tensor, ...]:
        """A state of zeros."""
        return (torch.zeros(batch, self.hidden_size, device=device),)

    def forward(
        self, features: Tensor, state: tuple[Tensor, ...], activations: Activations | None = None
    ) -> tuple[Tensor, ...]:
        """Features (B, feature_size) and the state before -> the state after; its first entry is h_t (B, H)."""
        hidden = rectified((features, self.input), (state[0], self.recurrent))
        if activations is not None:
            activations.keep(hidden=hidden)
        return (hidden,)

    def unroll(self, features: Tensor, activations: Activations | None = None) -> Tensor:
        """Features (T, B, feature_size) of all steps, from a state of zeros -> h_t (T, B, H)."""
        known = activations and activations.known("hidden")
        bias = self.input.bias + self.recurrent.bias
        hidden: Tensor = RectifierSteps.apply(known, features, self.input.weight, self.recurrent.weight, bias)  # type: ignore[no-untyped-call]
        return hidden


class LSTMCore(Core):
    """A layer of LSTM units: the core for dynamic environments."""

    def __init__(self, feature_size: int, hidden_size: int) -> None:
        super().__init__(hidden_size)
        self.cell = nn.LSTMCell(feature_size, hidden_size)

    def initial_state(self, batch: int, device: torch.device) -> tuple[Tensor, ...]:
        """A state of zeros."""
        zeros = torch.zeros(batch, self.hidden_size, device=device)
        return (zeros, zeros)

    @torch.no_grad()
    def forward(
        self, features: Tensor, state: tuple[Tensor, ...], activations: Activations | None = None
    ) -> tuple[Tensor, ...]:
        """Features (B, feature_size) and the state before -> the state after, without gradient; its first entry is h_t (B, H)."""
        gates, cell, shown, hidden = lstm_step(features, state[0], state[1], self.cell)
        if activations is not None:
            activations.keep(gates=gates, cell=cell, shown=shown, hidden=hidden)
        return (hidden, cell)

    @torch.no_grad()
    def after(self, features: Tensor, states: list[State]) -> Tensor:
        """As `Core.after`."""
        hidden, cell = (torch.stack(parts) for parts in zip(*states, strict=True))
        return lstm_after(features, hidden, cell, self.cell)

    def unroll(
        self,
        features: Tensor,
        activations: Activations | None = None,
        state: State | None = None,
        stays: Tensor | None = None,
    ) -> Tensor:
        """Features (T, B, feature_size) of all steps -> h_t (T, B, H), from a state of zeros or from another, a constant, with `stays` (T, B) 0
        where an episode begins, 1 elsewhere."""
        cell = self.cell
        known = activations and activations.steps("gates", "cell", "shown", "hidden")
        bias = cell.bias_ih + cell.bias_hh
        start = None if state is None or stays is None else Start(state[0], state[1], stays[..., None])
        hidden: Tensor = LSTMSteps.apply(known, start, features, cell.weight_ih, cell.weight_hh, bias)  # type: ignore[no-untyped-call]
        return hidden


class AttentionCore(Core):
    """Attends to its glimpses so far: a block of a transformer (Vaswani et al. 2017), without recurrence. A departure from the paper.

    a_t = g_t + Linear(sum_s w_ts value_s), with w_t the softmax over s <= t of how well key_s fits query_t, all three linear in Norm(g), for
    each head; h_t = Norm(a_t + Linear(Rect(Linear(Norm(a_t))))).

    Where glimpses have to be compared with each other, it learns in tens of thousands of episodes what recurrent cores do not
    learn in hundreds of thousands (docs/experiments/general_recipe.md). A head's weights fall with a glimpse's age (Press et al. 2022), by a factor of
    its own. What lies further back than `WINDOW` glimpses is forgotten.

    Args:
        feature_size: F, of g_t and the last move, in that order; at least H.
        hidden_size: H, a multiple of `HEADS`.

    Raises:
        ValueError: if there are more hidden units than features, or they cannot be divided among the heads.
    """

    HEADS, WINDOW = 4, 64

    def __init__(self, feature_size: int, hidden_size: int) -> None:
        super().__init__(hidden_size)
        if hidden_size % self.HEADS or hidden_size > feature_size:
            raise ValueError(
                f'The core "attention" needs a hidden_size that is a multiple of {self.HEADS} and at most {feature_size}, got {hidden_size}.'
            )
        self.norm_features = nn.LayerNorm(feature_size)
        self.project = nn.Linear(feature_size, 3 * hidden_size)
        self.join = nn.Linear(hidden_size, hidden_size)
        self.norm_found = nn.LayerNorm(hidden_size)
        self.think = nn.Linear(hidden_size, hidden_size)
        self.conclude = nn.Linear(hidden_size, hidden_size)
        self.norm = nn.LayerNorm(hidden_size)
        self.slopes: Tensor
        self.register_buffer("slopes", 0.25 ** torch.arange(1.0, self.HEADS + 1), persistent=False)

    def initial_state(self, batch: int, device: torch.device) -> State:
        """Nothing seen: zeros (B, H), and keys and values (B, heads, 0, d)."""
        nothing = torch.zeros(batch, self.HEADS, 0, self.hidden_size // self.HEADS, device=device)
        return (torch.zeros(batch, self.hidden_size, device=device), nothing, nothing)

    @torch.no_grad()
    def forward(self, features: Tensor, state: State, activations: Activations | None = None) -> State:
        """Features (B, F) and the state before -> the state after, without gradient."""
        looks = features[None]
        query, key, value = self._project(looks, activations)
        hidden = self._joined(looks, self._attend(query, key, value, state), activations)[0]
        memory = (torch.cat([old, new[0, :, :, None]], 2) for old, new in zip(state[1:], (key, value), strict=True))
        return (hidden, *(part[:, :, -self.WINDOW :] for part in memory))

    @torch.no_grad()
    def after(self, features: Tensor, states: list[State]) -> Tensor:
        """As `Core.after`."""
        queries, keys, values = self._project(features)
        found = [self._attend(*looks) for looks in zip(queries, keys, values, states, strict=True)]
        return self._joined(features, torch.stack(found))

    def unroll(self, features: Tensor, activations: Activations | None = None) -> Tensor:
        """Features (T, B, F) of all steps -> h_t (T, B, H)."""
        projected = self._project(features, activations)
        query, key, value = (part.permute(1, 2, 0, 3) for part in projected)  # (B, heads, T, d)
        blocks = [self._attend_block(query, key, value, first) for first in range(0, len(features), self.WINDOW)]
        return self._joined(features, torch.cat(blocks, 2).permute(2, 0, 1, 3).flatten(2), activations)

    def _attend_block(self, query: Tensor, key: Tensor, value: Tensor, first: int) -> Tensor:
        """What the steps from the first on, `WINDOW` of them or what is left, find in those that they reach: (B, heads, T, d) of all steps -> of these."""
        ask, reach = slice(first, first + self.WINDOW), slice(max(0, first - self.WINDOW + 1), first + self.WINDOW)
        times = torch.arange(query.shape[2], device=query.device)
        age = times[ask, None] - times[reach]
        bias = (-self.slopes[:, None, None] * age).masked_fill((age < 0) | (age >= self.WINDOW), -math.inf)
        query, key, value = query[:, :, ask], key[:, :, reach], value[:, :, reach]
        return functional.scaled_dot_product_attention(query, key, value, bias.to(query.dtype))

    def _project(self, features: Tensor, activations: Activations | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Features (..., F) -> query, key and value (..., heads, d); `activations` keeps what is made, or knows it."""
        kept = Activations() if activations is None else activations
        made = linear(self.norm_features(features), self.project, kept.known("projected"))
        kept.keep(projected=made.flatten(0, -2))
        query, key, value = made.view(*made.shape[:-1], 3, self.HEADS, -1).unbind(-3)
        return query, key, value

    def _attend(self, query: Tensor, key: Tensor, value: Tensor, state: State) -> Tensor:
        """Of K looks (K, B, heads, d), each with itself and what is remembered -> (K, B, H)."""
        keys, values = (part[:, :, 1 - self.WINDOW :] for part in state[1:])
        remembered = keys.shape[2]
        scale = query.shape[-1] ** -0.5
        asked = query.permute(1, 2, 0, 3) * scale  # (B, heads, K, d)
        ages = torch.arange(remembered, 0, -1, device=query.device)
        fits = asked @ keys.transpose(2, 3) - self.slopes[:, None, None] * ages
        own = (asked * key.permute(1, 2, 0, 3)).sum(-1, keepdim=True)
        weights = torch.cat([fits, own.to(fits)], -1).softmax(-1)
        found = weights[..., :-1] @ values.to(weights) + weights[..., -1:] * value.permute(1, 2, 0, 3)
        return found.permute(2, 0, 1, 3).flatten(2)

    def _joined(self, features: Tensor, found: Tensor, activations: Activations | None = None) -> Tensor:
        """Features (..., F) and what was found (..., H) -> h (..., H); `activations` as in `_project`."""
        kept = Activations() if activations is None else activations
        joined = linear(found.to(features), self.join, kept.known("joined"))
        known = features[..., : self.hidden_size] + joined
        between = rectified((self.norm_found(known).flatten(0, -2), self.think), known=kept.known("between"))
        concluded = linear(between, self.conclude, kept.known("concluded"))
        kept.keep(joined=joined.flatten(0, -2), between=between, concluded=concluded)
        hidden: Tensor = self.norm(known + concluded.view_as(known))
        return hidden


class LSTMAttentionCore(Core):
    """An LSTM and, beside it, attention to all glimpses so far: h_t is the sum of what they make. A departure from the paper.

    The LSTM adds up what single glimpses say, which it learns sooner; attention compares glimpses (docs/experiments/general_recipe.md).

    Args:
        feature_size: F, as for `AttentionCore`.
        hidden_size: H, likewise.

    Raises:
        ValueError: likewise.
    """

    def __init__(self, feature_size: int, hidden_size: int) -> None:
        super().__init__(hidden_size)
        self.recurrent = LSTMCore(feature_size, hidden_size)
        self.attention = AttentionCore(feature_size, hidden_size)
        nn.init.constant_(self.attention.norm.weight, 0.25)  # what the LSTM says counts first

    def initial_state(self, batch: int, device: torch.device) -> State:
        """Zeros (B, H); h and c of the LSTM; the state of attention."""
        recurrent, attention = (core.initial_state(batch, device) for core in (self.recurrent, self.attention))
        return (recurrent[0], *recurrent, *attention)

    def forward(self, features: Tensor, state: State, activations: Activations | None = None) -> State:
        """Features (B, F) and the state before -> the state after, without gradient."""
        recurrent = self.recurrent(features, state[1:3], activations)
        attention = self.attention(features, state[3:], activations)
        return (recurrent[0] + attention[0], *recurrent, *attention)

    def after(self, features: Tensor, states: list[State]) -> Tensor:
        """As `Core.after`."""
        recurrent = self.recurrent.after(features, [state[1:3] for state in states])
        return recurrent + self.attention.after(features, [state[3:] for state in states])

    def unroll(self, features: Tensor, activations: Activations | None = None) -> Tensor:
        """Features (T, B, F) of all steps -> h_t (T, B, H)."""
        return self.recurrent.unroll(features, activations) + self.attention.unroll(features, activations)


CORES = {
    "rectifier": RectifierCore,
    "lstm": LSTMCore,
    "attention": AttentionCore,
    "lstm+attention": LSTMAttentionCore,
}
"""Kind -> core."""
