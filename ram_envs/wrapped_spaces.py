"""Other people's spaces as the retina takes them: which array is the image, what an action chooses beside the location.

Axes: N lanes, M some of them, H and W the image's sides, C channels, S frames in a stack.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from ram_envs.action_modes import CONTROL, Choices
from ram_envs.arguments import shown
from ram_envs.wrapped_worlds import Worlds

OBSERVATION, RENDER = "observation", "render"
MOVE = "move"
FEW = 4  # channels at most, where it is not clear which axis they are


class WrappedActions:
    """The action of an environment as choices or as a control.

    Attributes:
        choices: "move" -> the size of a Discrete; "move_0", "move_1", ... -> the sizes of a MultiDiscrete or MultiBinary.
        control: a Box of real numbers; None where there are choices.

    Raises:
        ValueError: if the space is none of these.
    """

    def __init__(self, space: spaces.Space[Any]) -> None:
        self.space = space
        self.choices: dict[str, int] = {}
        self.control: spaces.Box | None = None
        self.start: Any = getattr(space, "start", 0)
        if isinstance(space, spaces.Discrete):
            self.choices = {MOVE: int(space.n)}
        elif isinstance(space, spaces.MultiDiscrete):
            self.choices = {f"{MOVE}_{i}": int(size) for i, size in enumerate(space.nvec.ravel())}
        elif isinstance(space, spaces.MultiBinary):
            self.choices = {f"{MOVE}_{i}": 2 for i in range(int(np.prod(space.shape)))}
        elif isinstance(space, spaces.Box) and space.dtype.kind == "f":
            self.control = space
        else:
            kinds = "Discrete, MultiDiscrete, MultiBinary or a Box of real numbers"
            raise ValueError(f"The environment's action_space must be {kinds}, got {shown(space)}.")

    def of(self, choices: Choices, lanes: NDArray[np.int64], num_envs: int) -> NDArray[Any]:
        """The environment's own actions (N, ...): what the lanes (M,) chose, and anything for the others.

        Args:
            choices: name -> (M,), or the control (M, ...).
            lanes: (M,).
            num_envs: N.
        """
        shape = self.space.shape or ()
        if self.control is not None:
            control = np.zeros((num_envs, *shape), self.control.dtype).clip(self.control.low, self.control.high)
            control[lanes] = choices[CONTROL]
            return control
        actions: NDArray[Any] = np.empty((num_envs, *shape), self.space.dtype)
        actions[:] = self.start
        rows = actions.reshape(num_envs, -1)
        for column, name in enumerate(self.choices):
            rows[lanes, column] += choices[name].astype(rows.dtype)
        return actions


class Sight:
    """Which pixels of an environment the retina looks at, as images (H, W, C).

    Taken as they are: (H, W); (H, W, C); a stack of frames, or channels first, (S, H, W); and a stack (S, H, W, C). The frames of a
    stack are further channels.

    Args:
        worlds: whose.
        source: "observation", "render", or a key of an observation that is a Dict.

    Attributes:
        key: of the Dict; None where there is none.
        shape: (H, W, C).
        shown: the channels that a picture shows: of a stack, the newest frame's.

    Raises:
        ValueError: if there is no such image, or it is not uint8.
    """

    def __init__(self, worlds: Worlds, source: str) -> None:
        self.worlds, self.key = worlds, None
        space: Any = worlds.single_observation_space
        if isinstance(space, spaces.Dict) and source in space.spaces:
            self.key, space = source, space[source]
        elif isinstance(space, spaces.Dict) and source != RENDER:
            raise ValueError(f"image must be {RENDER!r} or one of {sorted(space.spaces)}, got {shown(source)}.")
        elif source not in (OBSERVATION, RENDER):
            raise ValueError(f"image must be {OBSERVATION!r} or {RENDER!r}, got {shown(source)}.")
        self.rendered = source == RENDER and self.key is None
        if self.rendered:
            worlds.reset(np.arange(worlds.num_envs), [None] * worlds.num_envs, {})
            space = worlds.frame(0)
        shape, dtype = getattr(space, "shape", None) or (), getattr(space, "dtype", None)
        if dtype != np.uint8 or len(shape) not in (2, 3, 4):
            wanted = 'frames of an environment made with render_mode="rgb_array"' if self.rendered else "images"
            hint = "" if self.rendered else f' image="{RENDER}" looks at what the environment renders.'
            raise ValueError(f"image={source!r} must give {wanted}, uint8 of 2 to 4 axes, got {shown(space)}.{hint}")
        if isinstance(space, spaces.Box) and space.high.max() <= 1:
            gym.logger.warn(
                f"image={source!r} goes up to {space.high.max()}, and white is 255: what the retina sees is nearly black. "
                "A wrapper such as gymnasium.wrappers.TransformObservation can multiply it by 255."
            )
        self._read_shape(shape)

    def _read_shape(self, shape: Sequence[int]) -> None:
        axes = len(shape)
        self._stacked = axes == 4 or (axes == 3 and shape[2] > FEW and shape[0] < min(shape[1:]))
        self.shape = self._channels_last(np.zeros(shape, np.uint8)).shape
        channels, frame = self.shape[2], shape[3] if axes == 4 else 1
        newest = self._stacked and channels != 3
        self.shown = slice(channels - frame if newest or axes == 4 else 0, channels)

    def image(self, lane: int) -> NDArray[np.uint8]:
        """What there is to see in a lane, (H, W, C); mostly a view of the environment's own array."""
        found = self.worlds.frame(lane) if self.rendered else self.worlds.observations[lane]
        image = self._channels_last(np.asarray(found if self.key is None else found[self.key]))
        if image.shape != self.shape or image.dtype != np.uint8:
            raise ValueError(f"The environment's images must be uint8 of shape {self.shape}, got {shown(image)}.")
        return image

    def _channels_last(self, array: NDArray[Any]) -> NDArray[Any]:
        if array.ndim == 4:
            return np.moveaxis(array, 0, 2).reshape(*array.shape[1:3], -1)
        if array.ndim == 2:
            return array[..., None]
        return np.moveaxis(array, 0, -1) if self._stacked else array
