"""Episodes that go on from one rollout to the next, in worlds where they are long or of several lengths.

Axes: T steps, B lanes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from agents.experiment.episodes import told_successes, warn_of_no_end
from agents.ram.agent import RecurrentAttentionAgent
from agents.ram.decisions import AgentState


class Moment(NamedTuple):
    """Where the lanes are between two steps.

    Attributes:
        observation, info: as the environment gave them last.
        state: of the agent, before it sees that.
        terminated, truncated: (B,) bool, whose episodes are.
    """

    observation: Any
    info: dict[str, Any]
    state: AgentState
    terminated: Any
    truncated: Any

    @property
    def over(self) -> Any:
        """(B,) bool, whose episodes are over."""
        return self.terminated | self.truncated


class Ongoing:
    """The episodes in all lanes, from rollout to rollout: where one is over the next begins.

    Where all are over together a rollout ends, so that where all are equally long it is one of whole episodes.

    Args:
        steps: of a rollout at most.
        everywhere: told whether all episodes here are over, answers whether all of the batch are, of which others may play lanes.

    Attributes:
        moment: to go on from; None where all episodes are to begin.
    """

    def __init__(self, steps: int, everywhere: Callable[[bool], bool] = bool) -> None:
        self.steps, self._everywhere = steps, everywhere
        self.moment: Moment | None = None
        self._start: AgentState | None = None  # of the agent, before the rollout
        self._begun: list[NDArray[np.bool_]] = []  # for each of its steps, where an episode began (B,)
        self._so_far = np.zeros(0)  # the returns of the episodes that go on
        # Of the last episode in each lane that is over, or of the first as far as it is.
        self._any_over = self._successes = np.zeros(0, np.bool_)
        self._tells_success = False
        self._returns, self._num_glimpses = np.zeros(0), np.zeros(0, np.int64)
        self._lengths = np.zeros(0, np.int64)  # of the episodes that go on, in steps

    def until(self, over: Callable[[], bool]) -> Iterator[bool]:
        """True for each step of a rollout."""
        self._start, self._begun = None, []
        for _ in range(self.steps):
            yield True
            if self._everywhere(over()):
                return

    def before(self, agent: RecurrentAttentionAgent, envs: Any, here: Moment, keen: Tensor | None) -> Moment:
        """Before a step: the next episode begins in the lanes where one is over; `keen` as in `collect_rollout`, of those that begin."""
        over = here.over
        if over.any():
            observation, info = envs.reset(options={"reset_mask": over})
            state = agent.begin_again(here.state, torch.as_tensor(over, device=agent.device), keen)
            state = replace(state, pixel_size=pixel_sizes(envs, agent.device))
            self._so_far[over] = 0.0
            none = np.zeros_like(over)
            here = Moment(observation, _merged(over, info, here.info), state, none, none)
        self._start = self._start or here.state
        self._begun.append(over)
        return here

    def after(
        self, agent: RecurrentAttentionAgent, here: Moment, reward: NDArray[np.float64], ended: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        """After a step that was paid so (B,) and with which episodes ended (B,): its reward and what the baseline expects of episodes of which no more
        is seen, since they were cut short or go on in the next rollout."""
        self._count(reward, ended, here.info)
        unseen = here.truncated & ~here.terminated
        if len(self._begun) == self.steps:
            unseen = unseen | ~ended
        if not unseen.any():
            return reward
        glimpse, seen = (
            torch.as_tensor(here.observation[name], device=agent.device) for name in ("glimpse", "location")
        )
        expected = agent.expects(glimpse, seen, here.state).cpu().numpy()
        return reward + agent.config.learning.discount * np.where(unseen, expected, 0.0)

    def _count(self, reward: NDArray[np.float64], ended: NDArray[np.bool_], info: dict[str, Any]) -> None:
        if not len(self._returns):
            self._returns, self._so_far = np.zeros(len(ended)), np.zeros(len(ended))
            self._successes, self._any_over = np.zeros_like(ended), np.zeros_like(ended)
            self._num_glimpses, self._lengths = np.zeros(len(ended), np.int64), np.zeros(len(ended), np.int64)
        self._so_far += reward
        told = ended | ~self._any_over
        self._returns[told], self._num_glimpses[told] = self._so_far[told], info["num_glimpses"][told]
        successes = told_successes(info)
        self._successes[told] = False if successes is None else successes[told]
        self._tells_success |= successes is not None
        self._any_over |= ended
        self._lengths = np.where(ended, 0, self._lengths + 1)
        warn_of_no_end(int(self._lengths.max()))

    def finish(self, here: Moment) -> dict[str, Any]:
        """What a rollout that ends here has to say of ongoing episodes, by its attributes' names; the next goes on from here."""
        together = self.moment is None and not np.any(self._begun)
        self.moment = here
        if self._everywhere(bool(here.over.all())):
            self.moment, self._so_far = None, np.zeros_like(self._so_far)
        found: dict[str, Any] = {
            "returns": torch.from_numpy(self._returns.astype(np.float32)),
            "successes": torch.from_numpy(self._successes.copy()),
            "tells_success": self._tells_success,
            "num_glimpses": torch.from_numpy(self._num_glimpses.copy()),
        }
        if not together and self._start is not None:
            stays = torch.from_numpy(~np.stack(self._begun)).to(self._start.cores["what"][0])
            found |= {"start": self._start, "stays": stays}
        return found


def pixel_sizes(envs: Any, device: torch.device) -> Tensor | None:
    """Of the lanes' scenes (B, 2), as a way (x, y) between locations, where they differ."""
    sides = envs.unwrapped.scene_sides
    return None if sides is None else torch.as_tensor(2 / sides[:, ::-1], dtype=torch.float32, device=device)


def _merged(lanes: NDArray[np.bool_], new: dict[str, Any], old: dict[str, Any]) -> dict[str, Any]:
    """What infos say of each lane: the new one of these, the old one of the others."""
    merged = {**old, **new}
    for name, values in new.items():
        before = old.get(name)
        if isinstance(values, np.ndarray) and isinstance(before, np.ndarray) and before.shape == values.shape:
            merged[name] = np.where(lanes.reshape(-1, *[1] * (values.ndim - 1)), values, before)
    return merged
