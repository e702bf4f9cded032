"""The memory of `obs_mode="history"`: the last glimpses of an episode, and what was done before each, in one vector.

Axes: N lanes, M some of them, h glimpses that are kept, w numbers of one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from ram_envs.action_modes import CONTROL, Choices

LONGEST = 32  # glimpses, unless more are asked for


class GlimpseHistory:
    """The last h glimpses of every lane, oldest first, zeros before them for those not taken yet.

    A glimpse is followed by its location, and by what the action before it chose beside that location: of each choice a one
    among zeros, then the numbers of a control. Of the first glimpse these are zeros.

    Args:
        num_envs: number of lanes.
        glimpse_size: numbers of one glimpse.
        length: h.
        choices: name and number of options of each choice that is kept.
        control: numbers that an action holds beside its choices.

    Attributes:
        space: the vectors of one lane, (h * w,).
    """

    def __init__(
        self,
        num_envs: int,
        glimpse_size: int,
        length: int,
        choices: Mapping[str, int],
        control: spaces.Box | None = None,
    ) -> None:
        self.size, self.length = glimpse_size, length
        self._choices, self._control = dict(choices), control is not None
        low, high = np.zeros(0), np.zeros(0)
        if control is not None:
            low, high = control.low.ravel().clip(max=0), control.high.ravel().clip(min=0)  # zeros before the first
        chosen = sum(choices.values())
        lowest = np.concatenate([np.zeros(glimpse_size), [-1, -1], np.zeros(chosen), low]).astype(np.float32)
        highest = np.concatenate([np.ones(glimpse_size + 2 + chosen), high]).astype(np.float32)
        self.space = spaces.Box(np.tile(lowest, length), np.tile(highest, length))
        self._glimpses = np.zeros((num_envs, length, len(lowest)), np.float32)  # a ring: the oldest is overwritten
        self._taken = np.zeros(num_envs, np.int64)  # glimpses of the episode
        self._acted = np.zeros((num_envs, chosen + len(low)), np.float32)

    @property
    def lane_bytes(self) -> int:
        """Bytes that one lane takes, what is shown of it included."""
        return 8 * int(np.prod(self._glimpses.shape[1:]))

    def begin(self, lanes: NDArray[np.int64]) -> None:
        """Forgets what the lanes (M,) saw and did."""
        self._glimpses[lanes] = self._acted[lanes] = 0.0
        self._taken[lanes] = 0

    def act(self, choices: Choices) -> None:
        """What every lane chose, name -> (N,), before the glimpse that comes next."""
        parts = [choices[name][:, None] == np.arange(size) for name, size in self._choices.items()]
        if self._control:
            parts.append(choices[CONTROL].reshape(len(self._acted), -1))
        if parts:
            self._acted[:] = np.concatenate(parts, axis=1)

    def see(self, lanes: NDArray[np.int64], glimpses: NDArray[Any], locations: NDArray[Any]) -> None:
        """A new glimpse (M, ...) at its location (M, 2) in each of the lanes (M,)."""
        frames = [glimpses.reshape(len(lanes), self.size), locations, self._acted[lanes]]
        self._glimpses[lanes, self._taken[lanes] % self.length] = np.concatenate(frames, axis=1)
        self._taken[lanes] += 1

    def vectors(self) -> NDArray[np.float32]:
        """What all lanes show: (N, h * w), the newest glimpse last."""
        count = len(self._taken)
        order = (self._taken[:, None] + np.arange(self.length)) % self.length  # (N, h) the oldest first
        shown: NDArray[np.float32] = self._glimpses[np.arange(count)[:, None], order].reshape(count, -1)
        return shown
