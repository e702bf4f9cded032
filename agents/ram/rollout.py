"""The only loop of agent and environment, for training, evaluation and pictures: one episode in every lane, or what an update learns from.

Axes: T steps of the longest episode, B lanes, K options of a choice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from agents.experiment.episodes import (
    demand_end,
    demand_finite_rewards,
    told_successes,
    told_targets,
    warn_of_more_glimpses,
    warn_of_no_end,
)
from agents.experiment.team import Team
from agents.ram.agent import RecurrentAttentionAgent
from agents.ram.decisions import AgentState, Decision, Outputs
from agents.ram.draws import uniform
from agents.ram.layers import Activations
from agents.ram.ongoing import Moment, Ongoing, pixel_sizes

GAZES = ("agent", "center", "random", "oracle")


@dataclass(frozen=True)
class Rollout:
    """One episode per lane, time first, without gradient. Steps after a lane's end have `active` 0 and reward 0.

    Or a part of the episodes that go on in each lane, see `Ongoing`: then all steps are active, and what the baseline expects, discounted, is added
    to the reward of a step after which an episode goes on unseen.

    Attributes:
        glimpses: (T, B, scales * channels, g, g), and where they were taken: `seen_from` (T, B, 2).
        rewards: (T, B).
        active: (T, B), 1 where the lane was playing.
        last: (T, B), 1 at each episode's last step: its answer counted, and its location was never looked at.
        locations: (T, B, 2) as sampled, before any clipping.
        explored: (T, B), 1 where the location was sampled, 0 where it is the mean or not the agent's own.
        choices: name -> (T, B); "control" -> (T, B, K).
        candidates: (T, K, B, 2) places that were compared, and what would be known after each: `candidate_scores` (T, K, B);
            None where the gaze does not learn so.
        prices: of a glimpse, as they were told.
        pixel_sizes: (T, B, 2) of the images, as a way (x, y) between locations, where they differ; else None.
        labels: (B,), as told; or what was answered at the end, where outcomes teach; None where nothing does.
        label_holds: (B,) bool, whether that is the right answer, where outcomes teach: where it is not it is ruled out.
        judged: (B,) bool, likewise, whether there was an outcome: an episode that was truncated has none.
        returns: (B,), sums of rewards.
        successes: (B,) bool; and whether the world tells of success: `tells_success`.
        num_glimpses: (B,); of ongoing episodes these three are the last whole ones'.
        target_distances: (T, B), from each glimpse to the middle of the (nearest) digit or to the ball, in half image sides; NaN in
            a world that does not tell.
        budget: the most steps that an episode can have.
        changes: whether a place ever looked different after a step; None where that was not looked into.
        made: what the agent made of each step as it played, where an update makes several gradient steps; else None.
        start: the agent's state before the first step, where not all episodes begin there, or others follow them; else None.
        stays: (T, B), likewise, 0 where an episode begins and 1 elsewhere.
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
    pixel_sizes: Tensor | None
    labels: Tensor | None
    label_holds: Tensor | None
    judged: Tensor | None
    returns: Tensor
    successes: Tensor
    tells_success: bool
    num_glimpses: Tensor
    target_distances: Tensor
    budget: int
    changes: bool | None = None
    made: Outputs | None = None
    start: AgentState | None = None
    stays: Tensor | None = None

    def of(self, lanes: slice) -> Rollout:
        """What was played in these lanes."""
        axes = {each.name: LANES_AXIS.get(each.name, 1) for each in fields(self)}
        return Rollout(**{name: _of(getattr(self, name), lanes, axis) for name, axis in axes.items()})


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
    longest: Callable[[int], int] = int,
    ongoing: Ongoing | None = None,
    keep: bool = True,
    look_again: bool = False,
) -> Rollout:
    """Plays one episode in every lane, to the end, or a part of ongoing ones. `RecurrentAttentionAgent.unroll` sees it again, with gradient.

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
        keen: (B,) bool, the episodes that look where a greedy agent would, where others explore; of ongoing ones, those that begin.
        watch: called with every decision before it is played.
        activations: from `agent.start_activations`, kept for `unroll`.
        longest: told the steps of the longest episode here, answers with those of the longest of the batch, of which others may play lanes.
        ongoing: the episodes to go on with, of which no lane is told a price.
        keep: whether what was seen and made of it is kept, to learn from; without, `glimpses` are of the last step alone.
        look_again: whether, where looks are compared, it is looked into whether what was seen before a step still looks so after it.
    """
    here = None if ongoing is None else ongoing.moment
    if here is None:
        here = _begin(agent, envs, seed, options, prices, keen)
    tape = _Tape(agent.device, envs.num_envs, here, envs.unwrapped.tells_label, ongoing is None, keep, look_again)
    how = _How(greedy, generator, gaze, watch, activations)

    def over() -> bool:
        return tape.all_over(envs)

    with agent.autocast():
        lanes = envs.num_envs if agent.training and not greedy else 0  # to learn from
        for playing in _steps(over, longest, lanes) if ongoing is None else ongoing.until(over):
            if ongoing is not None:
                here = ongoing.before(agent, envs, here, keen)
                tape.over = here.over
            here = _step(agent, envs, here, tape, how, playing)
            if ongoing is not None:
                tape.rewards[-1] = ongoing.after(agent, here, tape.rewards[-1], tape.last[-1])
    if not tape.twin:
        warn_of_more_glimpses(envs, here.info["num_glimpses"])
    rollout = tape.rollout(agent, prices, gaze == "agent", here.info["num_glimpses"], envs.unwrapped.max_glimpses)
    return rollout if ongoing is None else replace(rollout, **ongoing.finish(here))


@dataclass(frozen=True)
class _How:
    """How the agent plays, see `collect_rollout`."""

    greedy: bool
    generator: torch.Generator | None
    gaze: str
    watch: Callable[[Decision], None] | None
    activations: Mapping[str, Activations] | None


def _begin(
    agent: RecurrentAttentionAgent,
    envs: Any,
    seed: int | Sequence[int | None] | None,
    options: dict[str, Any] | None,
    prices: Tensor | float | None,
    keen: Tensor | None,
) -> Moment:
    """All lanes at the beginning of an episode."""
    observation, info = envs.reset(seed=seed, options=options)
    state = agent.initial_state(envs.num_envs, prices, keen, pixel_sizes(envs, agent.device))
    over: Any = np.zeros(envs.num_envs, np.bool_)
    if isinstance(observation["location"], Tensor):
        over = torch.zeros(envs.num_envs, dtype=torch.bool, device=agent.device)
    return Moment(observation, info, state, over, over)


def _step(agent: RecurrentAttentionAgent, envs: Any, here: Moment, tape: _Tape, how: _How, playing: bool) -> Moment:
    """One glimpse in every lane, what is decided then, and where the lanes are after that; kept on the tape."""
    observation, info, state, terminated, truncated = here
    glimpse, seen = (torch.as_tensor(observation[name], device=agent.device) for name in ("glimpse", "location"))
    decision, state = agent.act(glimpse, seen, state, how.greedy, how.generator, how.activations)
    location = _look(how.gaze, decision.location, told_targets(envs, info), len(tape.locations), how.generator)
    tape.see(glimpse, seen, told_targets(envs, info), state.pixel_size)
    if how.watch is not None:
        how.watch(decision)
    reward, reached = np.zeros(envs.num_envs), decision.candidates
    if not tape.twin and reached is not None:  # from here, not from where the step leads
        reached = torch.as_tensor(envs.unwrapped.reach(reached.cpu().numpy())).to(location)
    if playing:
        action = {"location": location, **agent.actions(decision.choices)}
        observation, reward, terminated, truncated, info = envs.step(action if tape.twin else _to_world(envs, action))
    tape.act(decision, location, reward, terminated, truncated, info)
    tape.compare(envs, reached, state)
    return Moment(observation, info, state, terminated, truncated)


def _to_world(envs: Any, action: Mapping[str, Tensor]) -> dict[str, Any]:
    """An action that looks at a place (B, 2), as NumPy's world takes it."""
    taken = {name: each.cpu().numpy() for name, each in action.items()}
    return {**taken, "location": envs.unwrapped.actions_to(taken["location"]).astype(np.float32)}


def _steps(over: Callable[[], bool], longest: Callable[[int], int], learning: int) -> Iterator[bool]:
    """Whether a lane here still plays, step by step, until none does, here or wherever else there are lanes of the batch; so many of them to learn from."""
    steps = 0
    while not over():
        yield True
        steps += 1
        warn_of_no_end(steps)
        demand_end(steps, learning)
    yield from [False] * (longest(steps) - steps)


LANES_AXIS = {
    "candidates": 2,
    "candidate_scores": 2,
    "prices": 0,
    "labels": 0,
    "label_holds": 0,
    "judged": 0,
    "returns": 0,
    "successes": 0,
    "num_glimpses": 0,
    "start": 0,
}
"""Which axis of a rollout's tensors counts the lanes, where that is not the second."""


def join(team: Team, rollout: Rollout, outputs: Outputs) -> tuple[Rollout, Outputs]:
    """The whole batch of a team: what was played in all lanes and what the agent makes of it, with gradient for the lanes that are here.

    All but what the agent was given of them: of that there is still what is here.
    """
    if team.size == 1:
        return rollout, outputs
    given = ("glimpses", "start", "stays")
    played = {each.name: getattr(rollout, each.name) for each in fields(rollout) if each.name not in given}
    parts = team.gather((played, outputs))
    whole = {name: _join([part[0][name] for part in parts], LANES_AXIS.get(name, 1)) for name in played}
    whole["tells_success"] = any(part[0]["tells_success"] for part in parts)  # a world may tell of successes alone
    return replace(rollout, **whole), _join([part[1] for part in parts], 1)


def _join(parts: list[Any], axis: int) -> Any:
    """Tensors of lanes, or such by name, as one; what is not of lanes is the same everywhere."""
    if isinstance(parts[0], Outputs):
        return Outputs(**_join([vars(part) for part in parts], axis))
    if isinstance(parts[0], dict):
        return {name: _join([part[name] for part in parts], axis) for name in parts[0]}
    return torch.cat(parts, axis) if isinstance(parts[0], Tensor) else parts[0]


def _of(value: Any, lanes: slice, axis: int) -> Any:
    """Those lanes of a tensor, or of all tensors in something; what is not of lanes is as it was."""
    if isinstance(value, Outputs | AgentState):
        return type(value)(**_of(vars(value), lanes, axis))
    if isinstance(value, dict):
        return {name: _of(each, lanes, axis) for name, each in value.items()}
    if isinstance(value, tuple):
        return tuple(_of(each, lanes, axis) for each in value)
    return value[(slice(None),) * axis + (lanes,)] if isinstance(value, Tensor) else value


@dataclass
class _Tape:
    """What is kept of each step, until the rollout is whole."""

    device: torch.device
    lanes: int
    first: Moment  # before the first step
    tells_label: bool
    whole: bool  # whether episodes end with the rollout
    keep: bool  # whether what was seen and made of it is
    look_again: bool  # whether to see if what was seen still looks so
    glimpses: list[Tensor] = field(default_factory=list)
    seen_from: list[Tensor] = field(default_factory=list)
    pixel_sizes: list[Tensor | None] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    locations: list[Tensor] = field(default_factory=list)
    targets: list[Any] = field(default_factory=list)
    rewards: list[Any] = field(default_factory=list)
    active: list[Any] = field(default_factory=list)
    last: list[Any] = field(default_factory=list)
    reached: list[Tensor] = field(default_factory=list)
    elsewhere: list[Tensor] = field(default_factory=list)
    states: list[AgentState] = field(default_factory=list)
    successes: Any = False  # (B,)
    judged: Any = False  # (B,) whether the episode terminated
    changes: bool = False  # whether what was seen ever looked different after a step

    def __post_init__(self) -> None:
        # A world on the device takes tensors, and knows when all must be over.
        self.twin = isinstance(self.first.observation["location"], Tensor)
        self.labels = self.first.info.get("label") if self.tells_label else None  # (B,)
        self.tells_success = False
        self.over: Any = self.first.over  # (B,)

    def see(self, glimpse: Tensor, seen_from: Tensor, targets: Any, pixel_size: Tensor | None) -> None:
        """A glimpse (B, ...), where it was taken, the places where there was something to see, see `told_targets`, and the sizes of pixels."""
        if not self.keep:
            self.glimpses.clear()
        self.glimpses.append(glimpse)
        self.seen_from.append(seen_from)
        self.targets.append(targets)
        self.pixel_sizes.append(pixel_size)

    def act(
        self, decision: Decision, location: Tensor, reward: Any, terminated: Any, truncated: Any, info: dict[str, Any]
    ) -> None:
        """What was decided then, where the agent looked, and what came of it.

        Raises:
            ValueError: if a reward is no finite number.
        """
        if not self.twin:
            demand_finite_rewards(reward, len(self.rewards) + 1 if self.whole else None)
        self.decisions.append(decision if self.keep else replace(decision, pointing=None))
        self.locations.append(location)
        self.rewards.append(reward)
        self.active.append(~self.over)
        self.last.append((terminated | truncated) & ~self.over)
        self.judged = self.judged | terminated & ~self.over
        self.over = terminated | truncated
        if (successes := told_successes(info)) is not None:
            self.tells_success = True
            self.successes = self.successes | successes & self.last[-1]

    def all_over(self, envs: Any) -> bool:
        """Whether no lane plays any more."""
        return bool(envs.all_over if self.twin else self.over.all())

    def compare(self, envs: Any, places: Tensor | None, state: AgentState) -> None:
        """What the looks that are compared, if there are any, would have seen at their places (K, B, 2), and the agent's state before the look;
        no look follows the last step."""
        if places is None or (self.whole and self.all_over(envs)):
            return
        asked = torch.cat([places, self.seen_from[-1][None]]) if self.look_again else places
        seen = torch.as_tensor(envs.unwrapped.look(asked if self.twin else asked.cpu().numpy()), device=self.device)
        self.reached.append(places)
        self.elsewhere.append(seen[: len(places)])
        self.states.append(state)
        if self.look_again and not self.changes:
            plays_on = torch.as_tensor(self.active[-1] & ~self.last[-1], device=self.device)
            self.changes = bool(((seen[-1] != self.glimpses[-1]).flatten(1).any(1) & plays_on).any())

    def rollout(
        self,
        agent: RecurrentAttentionAgent,
        prices: Tensor | float | None,
        own_gaze: bool,
        num_glimpses: Any,
        budget: int | None,
    ) -> Rollout:
        """All steps, stacked."""
        active, last, rewards = (self._stack(arrays) for arrays in (self.active, self.last, self.rewards))
        if prices is not None:
            rewards = rewards - prices * (active - last)
        decisions, seen_from = self.decisions, torch.stack(self.seen_from)
        choices = _stacked([decision.choices for decision in decisions])
        labels = None if self.labels is None else torch.as_tensor(self.labels, device=self.device).long()
        holds, judged = None, None
        if agent.teacher == "outcome":
            labels, holds = (choices["answer"] * last.long()).sum(0), (rewards * last).sum(0) > 0
            judged = torch.as_tensor(self.judged, device=self.device)
        compared, candidates, scores = [d.candidates for d in decisions if d.candidates is not None], None, None
        if compared:
            candidates = torch.stack(compared)
            looks = agent.config.counterfactual
            by = labels if looks is not None and looks.judge == "answer" else None
            scores = torch.zeros(candidates.shape[:3], device=self.device)
            if taken := len(self.states):  # no look follows the last decision
                places, seen = torch.stack(self.reached), torch.stack(self.elsewhere)
                scores[:taken] = agent.judge(seen, places, self.states, by, holds)
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
            pixel_sizes=_stacked(self.pixel_sizes),
            labels=labels,
            label_holds=holds,
            judged=judged,
            returns=rewards.sum(0),
            successes=torch.as_tensor(self.successes).expand(self.lanes),
            tells_success=self.tells_success,
            num_glimpses=torch.as_tensor(num_glimpses),
            target_distances=self._distances(seen_from),
            budget=budget or len(decisions),
            changes=self.changes if self.look_again else None,
            made=_made(decisions) if agent.training and agent.config.learning.parts > 1 else None,
        )

    def _distances(self, seen_from: Tensor) -> Tensor:
        """How far each glimpse (T, B) was from the nearest place where there was something to see; NaN where the world does not tell, or there was nothing."""
        if self.targets[0] is None:
            return torch.full_like(seen_from[..., 0], torch.nan)
        stacked = np.stack(self.targets) if isinstance(self.targets[0], np.ndarray) else torch.stack(self.targets)
        targets = torch.as_tensor(stacked).to(seen_from).view(*seen_from.shape[:2], -1, 2)
        nearest: Tensor = (seen_from[:, :, None] - targets).norm(dim=3).nan_to_num(nan=torch.inf).amin(2)
        return nearest.masked_fill(nearest.isinf(), torch.nan)

    def _stack(self, arrays: list[Any]) -> Tensor:
        if isinstance(arrays[0], Tensor):
            return torch.stack(arrays).float()
        return torch.from_numpy(np.stack(arrays).astype(np.float32)).to(self.device)


def _made(decisions: list[Decision]) -> Outputs:
    """What the agent made of all steps."""
    return Outputs(
        **{each.name: _stacked([getattr(made, each.name) for made in decisions]) for each in fields(Outputs)}
    )


def _stacked(steps: list[Any]) -> Any:
    """Tensors, or such by name, with the steps first."""
    if isinstance(steps[0], dict):
        return {name: _stacked([step[name] for step in steps]) for name in steps[0]}
    return None if steps[0] is None else torch.stack(steps)


def _look(gaze: str, location: Tensor, targets: Any, step: int, generator: torch.Generator | None) -> Tensor:
    """Where the agent looks (B, 2), or somebody else in its place."""
    if gaze == "agent":
        return location
    if gaze == "oracle":
        if targets is None:
            raise ValueError('An oracle\'s gaze needs a world that tells where to look: "target_location" in its info.')
        places = torch.as_tensor(targets).to(location).view(len(location), -1, 2)
        place = places[:, step % places.shape[1]]
        return torch.where(place.isnan(), location, place)  # where there is nothing now, as the agent does
    if gaze == "center":
        return torch.zeros_like(location)
    return 2 * uniform(location.shape, generator, location.device) - 1
