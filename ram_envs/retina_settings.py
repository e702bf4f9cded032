"""The keywords that every environment behind the retina takes: what they mean, what they are by default, what is allowed."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ram_envs.arguments import as_array, one_of, shown, whole_number
from ram_envs.gymnasium_versions import AutoresetMode

OBS_MODES = ("dict", "flat", "history")
RENDER_MODES = ("human", "rgb_array")
VECTOR_KEYWORDS = ("num_envs", "autoreset_mode", "max_episode_steps")  # that a single environment does not take

ARGUMENTS = """
- `patch_size`, `num_scales`: the retina; scale s is `patch_size * 2**s` pixels wide.
- `pooling`: what a pixel of a coarser scale shows of the image pixels that it covers: their "mean", or their "sum", at most 1, so that a
  single lit pixel is as bright at every scale.
- `initial_location`: location of the first glimpse: "random" (uniform), "center", or (x, y) in [-1, 1].
- `obs_mode`: "dict", "flat" or "history"; `action_mode`: "multidiscrete", "dict", "box" or "discrete", as described above.
- `history`: how many of the last glimpses `obs_mode="history"` holds; None for as many as an episode can have, at most 32.
- `location_grid`: cells along each side of the grid of locations in the discrete action modes.
- `privileged_info`: whether `info` holds the privileged entries, which the agent must not see.
- `render_mode`: None, "human" or "rgb_array"; `render_size`: height of a frame in pixels, at least 256.
- `max_episode_steps`, of `gymnasium.make` and `make_vec`: an episode is truncated after that many steps; None for no limit.
- `autoreset_mode`, of `make_vec` alone: NEXT_STEP, SAME_STEP or DISABLED, as in Gymnasium.
"""


@dataclass(frozen=True)
class RetinaSettings:
    """What `ARGUMENTS` describes; a ValueError names what is not as it must be."""

    patch_size: int = 8
    num_scales: int = 1
    pooling: str = "mean"
    initial_location: str | Sequence[float] = "random"
    obs_mode: str = "dict"
    history: int | None = None
    action_mode: str = "multidiscrete"
    location_grid: int = 7
    privileged_info: bool = True
    autoreset_mode: str | AutoresetMode = AutoresetMode.NEXT_STEP
    max_episode_steps: int | None = None
    render_mode: str | None = None
    render_size: int = 512

    def __post_init__(self) -> None:
        one_of("obs_mode", self.obs_mode, OBS_MODES)
        if self.history is not None:
            whole_number("history", self.history, 1)
            if self.obs_mode != "history":
                raise ValueError(f'history goes with obs_mode="history", got obs_mode={self.obs_mode!r}.')
        one_of("autoreset_mode", self.autoreset_mode, [*AutoresetMode, *(mode.value for mode in AutoresetMode)])
        if self.max_episode_steps is not None:
            whole_number("max_episode_steps", self.max_episode_steps, 1)
        if self.render_mode is not None:
            one_of("render_mode", self.render_mode, RENDER_MODES)
        whole_number("render_size", self.render_size, 256)
        self.first_look()

    def first_look(self) -> NDArray[np.float64] | None:
        """The initial location as a point; None stands for a random one."""
        location = self.initial_location
        if isinstance(location, str):
            one_of("initial_location", location, ("random", "center"))
            return None if location == "random" else np.zeros(2)
        point = as_array("initial_location", location)
        if point.shape != (2,) or point.dtype.kind not in "iuf" or not (np.abs(point) <= 1).all():
            allowed = '"random", "center" or two numbers in [-1, 1]'
            raise ValueError(f"initial_location must be {allowed}, got {shown(location)}.")
        return point.astype(np.float64)


def full_signature(cls: type) -> inspect.Signature:
    """What a class of environments takes: the keywords of its own constructor, then those that `**retina` stands for."""
    own = [*inspect.signature(cls.__init__).parameters.values()][1:]  # type: ignore[misc]
    named = {parameter.name: parameter for parameter in own if parameter.kind is not parameter.VAR_KEYWORD}
    if len(named) < len(own):
        defaults = getattr(cls, "retina_defaults", {})
        inherited = next(
            (vars(base)["__signature__"] for base in cls.__mro__[1:] if "__signature__" in vars(base)), _RETINA
        )
        for name, parameter in inherited.parameters.items():
            named.setdefault(name, parameter.replace(default=defaults.get(name, parameter.default)))
    return inspect.Signature([*named.values()])


def with_retina_arguments(docstring: str | None) -> str | None:
    """The docstring of an environment with the retina's arguments below its own."""
    before, version, after = inspect.cleandoc(docstring or "").rpartition("\n## Version History")
    return before.rstrip() + ARGUMENTS + version + after if version else docstring


_RETINA = inspect.Signature(
    [each.replace(kind=each.KEYWORD_ONLY) for each in inspect.signature(RetinaSettings).parameters.values()]
)
