"""The only loop of agent and environment: one episode in every lane, for training, evaluation and pictures.

Axes: T steps of the longest episode, B lanes, K options of a choice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from agents.ram.agent import AgentState, Decision, RecurrentAttentionAgent
from agents.ram.layers import Activations

GAZES = ("agent", "center", "random", "oracle")


@dataclass(frozen=True)
class Rollout:
    """One episode per lane, time first, without gradient. Steps after a lane's end have `active` 0 and reward 0.

    Attributes:
        glimpses: (T, B, scales * channels, g, g), and where they were taken: `seen_from` (T, B, 2).
        rewards: (T, B).
        active: (T, B), 1 where the lane was playing.
        last: (T, B), 1 at each lane's last step: its answer counted, and its location was never looked at.
        locations: (T, B, 2) as sampled, before any clipping.
        explored: (T, B), 1 where the location was sampled, 0 where it is the mean or not the agent's own.
        choices: name -> (T, B); "control" -> (T, B, K).
        candidates: (T, K, B, 2) places that were compared, and what would be known after each: `candidate_scores` (T, K, B);
            None where the gaze does not learn so.
        prices: of a glimpse, as they were told.
        labels: (B,), as told; or what was answered at the end, where outcomes teach; None where nothing does.
        label_holds: (B,) bool, whether that is the right answer, where outcomes teach: where it is not it is ruled out.
        successes: (B,) bool; and whether the world tells of success: `tells_success`.
        num_glimpses: (B,).
        target_distances: (T, B), from each glimpse to the middle of the (nearest) digit or to the ball, in half image sides; NaN in
            a world that does not tell.
        budget: the most steps that an episode can have.
    """

    glimpses: Tensor
    seen_from: Tensor
    rewards: Tensor
    active: Tensor
    last: Tensor
    locations: Tensor
    explored: Tensor
    choices: dict[str, Tensor]
    candidates: Tensor | None
    candidate_scores: Tensor | None
    prices: Tensor | float | None
    labels: Tensor | None
    label_holds: Tensor | None
    successes: Tensor
    tells_success: bool
    num_glimpses: Tensor
    target_distances: Tensor
    budget: int


@torch.no_grad()
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
    keen: Tensor | None = None,
    watch: Callable[[Decision], None] | None = None,
    activations: Mapping[str, Activations] | None = None,
) -> Rollout:
    """Plays one episode in every lane, to the end. `RecurrentAttentionAgent.unroll` sees it again, with gradient.

    Args:
        agent: who plays.
        envs: a vector environment of the action mode "dict" and the autoreset mode DISABLED, or its twin on the agent's device.
        seed: as in `envs.reset`.
        options: as in `envs.reset`.
        greedy: the mean location and the likeliest options instead of samples.
        generator: source of the agent's samples.
        gaze: who looks: the "agent"; or to measure what its gaze is worth, always the "center", a "random"
            place, or an "oracle" that knows where digit or ball is, and looks at several in turn.
        prices: of a glimpse, told to an agent with a `price_range` and taken from the reward; for all lanes or for each (B,).
        keen: (B,) bool, the episodes that look where a greedy agent would, where others explore.
        watch: called with every decision before it is played.
        activations: from `agent.start_activations`, kept for `unroll`.
    """
    device = agent.device
    observation, info = envs.reset(seed=seed, options=options)
    state = agent.initial_state(envs.num_envs, prices, keen)
    twin = isinstance(observation["location"], Tensor)  # such a world takes tensors, and knows when all must be over
    tape = _Tape(device, envs.num_envs, twin, info.get("label"))
    with agent.autocast():
        while not (envs.all_over if twin else tape.over.all()):
            glimpse, seen = (torch.as_tensor(observation[name], device=device) for name in ("glimpse", "location"))
            decision, state = agent.act(glimpse, seen, state, greedy, generator, activations)
            targets = _targets(info, seen)
            tape.see(glimpse, seen, targets)
            location = _look(gaze, decision.location, targets, len(tape.locations), generator)
            if watch is not None:
                watch(decision)
            action: Any = {"location": location, **agent.actions(decision.choices)}
            action = action if twin else {name: each.cpu().numpy() for name, each in action.items()}
            observation, reward, terminated, truncated, info = envs.step(action)
            tape.act(decision, location, reward, terminated, truncated, info)
            if decision.candidates is not None:
                tape.compare(envs, decision.candidates, state)
    return tape.rollout(
        agent,
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
    twin: bool  # whether the world is on the device
    labels: Any  # (B,) or None
    glimpses: list[Tensor] = field(default_factory=list)
    seen_from: list[Tensor] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    locations: list[Tensor] = field(default_factory=list)
    targets: list[Tensor] = field(default_factory=list)
    rewards: list[Any] = field(default_factory=list)
    active: list[Any] = field(default_factory=list)
    last: list[Any] = field(default_factory=list)
    elsewhere: list[Tensor] = field(default_factory=list)
    states: list[AgentState] = field(default_factory=list)
    successes: Any = False  # (B,)

    def __post_init__(self) -> None:
        self.tells_success = False
        self.over: Any = np.zeros(self.lanes, np.bool_)  # (B,) whose episodes are
        if self.twin:
            self.over = torch.zeros(self.lanes, dtype=torch.bool, device=self.device)

    def see(self, glimpse: Tensor, seen_from: Tensor, targets: Tensor) -> None:
        """A glimpse (B, ...), where it was taken, and the places (B, D, 2) where there was something to see."""
        self.glimpses.append(glimpse)
        self.seen_from.append(seen_from)
        self.targets.append(targets)

    def act(
        self, decision: Decision, location: Tensor, reward: Any, terminated: Any, truncated: Any, info: dict[str, Any]
    ) -> None:
        """What was decided then, where the agent looked, and what came of it."""
        self.decisions.append(decision)
        self.locations.append(location)
        self.rewards.append(reward)
        self.active.append(~self.over)
        self.last.append((terminated | truncated) & ~self.over)
        self.over = terminated | truncated
        if "is_success" in info:
            self.tells_success = True
            self.successes = self.successes | info["is_success"] & info["_is_success"]

    def compare(self, envs: Any, candidates: Tensor, state: AgentState) -> None:
        """What the candidates of the step would have seen (K, B, ...), and the agent's state before the look."""
        elsewhere = envs.unwrapped.look(candidates if self.twin else candidates.cpu().numpy())
        self.elsewhere.append(torch.as_tensor(elsewhere, device=self.device))
        self.states.append(state)

    def rollout(
        self,
        agent: RecurrentAttentionAgent,
        prices: Tensor | float | None,
        own_gaze: bool,
        num_glimpses: Any,
        budget: int,
    ) -> Rollout:
        """All steps, stacked."""
        active, last, rewards = (self._stack(arrays) for arrays in (self.active, self.last, self.rewards))
        if prices is not None:
            rewards = rewards - prices * (active - last)
        decisions, seen_from = self.decisions, torch.stack(self.seen_from)
        choices = {name: torch.stack([d.choices[name] for d in decisions]) for name in decisions[0].choices}
        labels = None if self.labels is None else torch.as_tensor(self.labels, device=self.device)
        holds = None
        if agent.teacher == "outcome":
            labels, holds = (choices["answer"] * last.long()).sum(0), (rewards * last).sum(0) > 0
        compared, candidates, scores = [d.candidates for d in decisions if d.candidates is not None], None, None
        if self.states:
            candidates = torch.stack(compared)
            looks = agent.config.counterfactual
            by = labels if looks is not None and looks.judge == "answer" else None
            scores = agent.judge(torch.stack(self.elsewhere), candidates, self.states, by, holds)
        return Rollout(
            glimpses=torch.stack(self.glimpses),
            seen_from=seen_from,
            rewards=rewards,
            active=active,
            last=last,
            locations=torch.stack(self.locations),
            explored=torch.stack([decision.explored for decision in decisions]).float() * own_gaze,
            choices=choices,
            candidates=candidates,
            candidate_scores=scores,
            prices=prices,
            labels=labels,
            label_holds=holds,
            successes=torch.as_tensor(self.successes).expand(self.lanes),
            tells_success=self.tells_success,
            num_glimpses=torch.as_tensor(num_glimpses),
            target_distances=(seen_from[:, :, None] - torch.stack(self.targets)).norm(dim=3).amin(2),
            budget=budget,
        )

    def _stack(self, arrays: list[Any]) -> Tensor:
        if isinstance(arrays[0], Tensor):
            return torch.stack(arrays).float()
        return torch.from_numpy(np.stack(arrays).astype(np.float32)).to(self.device)


def _targets(info: dict[str, Any], like: Tensor) -> Tensor:
    """The places in each lane where there is something to see (B, D, 2), as `like`; one and NaN where the world does not tell."""
    if "target_locations" in info:
        return torch.as_tensor(info["target_locations"]).to(like)
    if "target_location" in info:
        return torch.as_tensor(info["target_location"]).to(like)[:, None]
    return torch.full_like(like, torch.nan)[:, None]


def _look(gaze: str, location: Tensor, targets: Tensor, step: int, generator: torch.Generator | None) -> Tensor:
    if gaze == "oracle":
        target = targets[:, step % targets.shape[1]]
        if target.isnan().any():
            raise ValueError('An oracle\'s gaze needs a world that tells where to look: "target_location" in its info.')
        return target
    if gaze == "center":
        return torch.zeros_like(location)
    if gaze == "random":
        return 2 * torch.rand(location.shape, generator=generator, device=location.device) - 1
    return location
