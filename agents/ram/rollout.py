"""The only loop of agent and environment: one episode in every lane, for training, evaluation and pictures.

Axes: T steps of the longest episode, B lanes, K options of a choice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from agents.ram.agent import Decision, RecurrentAttentionAgent

GAZES = ("agent", "center", "random", "oracle")


@dataclass(frozen=True)
class Rollout:
    """One episode per lane, time first. Steps after a lane's end have `active` 0 and reward 0.

    Attributes:
        rewards: (T, B).
        active: (T, B), 1 where the lane was playing.
        last: (T, B), 1 at each lane's last step: its answer counted, and its location was never looked at.
        locations: (T, B, 2) as sampled, without gradient; `location_means` (T, B, 2) with gradient.
        explored: (T, B), 1 where the location was sampled, 0 where it is the mean or not the agent's own.
        choices: name -> (T, B); `logits`: name -> (T, B, K) with gradient.
        baselines: (T, B) with gradient.
        glances: (T, B, K) with gradient, logits of answers from each glimpse alone; None where the agent gives none.
        labels: (B,), for worlds that have them.
        successes: (B,) bool.
        num_glimpses: (B,).
        target_distances: (T, B), from each glimpse to the middle of the digit or to the ball, in half image sides.
        budget: the most steps that an episode can have.
    """

    rewards: Tensor
    active: Tensor
    last: Tensor
    locations: Tensor
    location_means: Tensor
    explored: Tensor
    choices: dict[str, Tensor]
    logits: dict[str, Tensor]
    baselines: Tensor
    glances: Tensor | None
    labels: Tensor | None
    successes: Tensor
    num_glimpses: Tensor
    target_distances: Tensor
    budget: int


def collect_rollout(
    agent: RecurrentAttentionAgent,
    envs: Any,
    *,
    seed: int | Sequence[int | None] | None = None,
    options: dict[str, Any] | None = None,
    greedy: bool = False,
    generator: torch.Generator | None = None,
    gaze: str = "agent",
    prices: Tensor | float | None = None,
    watch: Callable[[Decision], None] | None = None,
) -> Rollout:
    """Plays one episode in every lane, to the end; keeps the graph for learning unless called under `torch.no_grad`.

    Args:
        agent: who plays.
        envs: a vector environment of the action mode "dict" and the autoreset mode DISABLED.
        seed: as in `envs.reset`.
        options: as in `envs.reset`.
        greedy: the mean location and the likeliest options instead of samples.
        generator: source of the agent's samples.
        gaze: who looks: the "agent"; or to measure what its gaze is worth, always the "center", a "random"
            place, or an "oracle" that knows where digit or ball is.
        prices: of a glimpse, told to an agent with a `price_range` and taken from the reward like the environment's
            `glimpse_cost`; for all lanes or for each (B,).
        watch: called with every decision before it is played.
    """
    device = next(agent.parameters()).device
    observation, info = envs.reset(seed=seed, options=options)
    state = agent.initial_state(envs.num_envs, prices)
    tape = _Tape(device, envs.num_envs, info.get("label"))
    over = np.zeros(envs.num_envs, np.bool_)
    with agent.autocast():
        while not over.all():
            seen = torch.from_numpy(observation["location"]).to(device)
            glimpse = torch.from_numpy(observation["glimpse"]).to(device)
            decision, state = agent.act(glimpse, seen, state, greedy, generator)
            target = torch.from_numpy(info["target_location"].astype(np.float32)).to(device)
            location = _look(gaze, decision.location, target, generator)
            if watch is not None:
                watch(decision)
            choices = {name: choice.cpu().numpy() for name, choice in decision.choices.items()}
            observation, reward, terminated, truncated, info = envs.step(
                {"location": location.cpu().numpy(), **choices}
            )
            now_over = terminated | truncated
            tape.add(decision, location, (seen - target).norm(dim=1), reward, over, now_over, info)
            over = now_over
    return tape.rollout(
        prices=prices,
        own_gaze=gaze == "agent",
        num_glimpses=info["num_glimpses"],
        budget=envs.unwrapped.max_glimpses or len(tape.decisions),
    )


@dataclass
class _Tape:
    """What is kept of each step, until the rollout is whole."""

    device: torch.device
    lanes: int
    labels: Any  # (B,) or None
    decisions: list[Decision] = field(default_factory=list)
    locations: list[Tensor] = field(default_factory=list)
    distances: list[Tensor] = field(default_factory=list)
    rewards: list[Any] = field(default_factory=list)
    active: list[Any] = field(default_factory=list)
    last: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.successes = np.zeros(self.lanes, np.bool_)

    def add(
        self, decision: Decision, location: Tensor, distance: Tensor, reward: Any, over: Any, now_over: Any, info: Any
    ) -> None:
        """A step: what was decided, where the agent then looked, what came of it, which lanes were and are over."""
        self.decisions.append(decision)
        self.locations.append(location)
        self.distances.append(distance)
        self.rewards.append(reward)
        self.active.append(~over)
        self.last.append(now_over & ~over)
        if "is_success" in info:
            self.successes |= info["is_success"] & info["_is_success"]

    def rollout(self, prices: Tensor | float | None, own_gaze: bool, num_glimpses: Any, budget: int) -> Rollout:
        """All steps, stacked."""
        active, last, rewards = (self._stack(arrays) for arrays in (self.active, self.last, self.rewards))
        if prices is not None:
            rewards = rewards - prices * (active - last)
        decisions = self.decisions
        glances = [decision.glance for decision in decisions if decision.glance is not None]
        return Rollout(
            rewards=rewards,
            active=active,
            last=last,
            locations=torch.stack(self.locations),
            location_means=torch.stack([decision.location_mean for decision in decisions]),
            explored=torch.stack([decision.explored for decision in decisions]).float() * own_gaze,
            choices={name: torch.stack([d.choices[name] for d in decisions]) for name in decisions[0].choices},
            logits={name: torch.stack([d.logits[name] for d in decisions]) for name in decisions[0].logits},
            baselines=torch.stack([decision.baseline for decision in decisions]),
            glances=torch.stack(glances) if glances else None,
            labels=None if self.labels is None else torch.from_numpy(self.labels).to(self.device),
            successes=torch.from_numpy(self.successes),
            num_glimpses=torch.from_numpy(num_glimpses),
            target_distances=torch.stack(self.distances),
            budget=budget,
        )

    def _stack(self, arrays: list[Any]) -> Tensor:
        return torch.from_numpy(np.stack(arrays).astype(np.float32)).to(self.device)


def _look(gaze: str, location: Tensor, target: Tensor, generator: torch.Generator | None) -> Tensor:
    if gaze == "oracle":
        return target
    if gaze == "center":
        return torch.zeros_like(location)
    if gaze == "random":
        return 2 * torch.rand(location.shape, generator=generator, device=location.device) - 1
    return location
