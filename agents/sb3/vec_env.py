"""Our native vector environments as Stable-Baselines3 takes them: its VecEnv, without a Python loop over the lanes.

Axes: N lanes, C choices that an action makes beside the location.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices, VecEnvStepReturn

import ram_envs  # noqa: F401  registers the environments
from agents.experiment.episodes import demand_finite_rewards
from ram_envs.action_modes import CONTROL


def hybrid_space(action_space: spaces.Dict) -> spaces.Box:
    """The space of the action mode "dict" as one Box: x, y, then the number of each option chosen."""
    last = [int(space.n) - 1 for space in action_space.values() if isinstance(space, spaces.Discrete)]
    return spaces.Box(np.array([-1.0, -1.0, *(0 for _ in last)], np.float32), np.array([1.0, 1.0, *last], np.float32))


def read_hybrid(actions: NDArray[Any], action_space: spaces.Dict) -> dict[str, NDArray[Any]]:
    """Members (N, 2 + C) of the `hybrid_space` as actions of the mode "dict"."""
    names = [name for name in action_space if name != "location"]
    chosen = np.rint(actions[:, 2:]).astype(np.int64).T
    return {"location": actions[:, :2], **dict(zip(names, chosen, strict=True))}


def with_gaze(
    gaze: str, action: dict[str, NDArray[Any]], generator: np.random.Generator, envs: Any
) -> dict[str, NDArray[Any]]:
    """An action of the mode "dict" with the gaze that measures what looking is worth: "learned" as it is, always the "center", or "random"."""
    if gaze == "learned":
        return action
    shape = action["location"].shape
    places = np.zeros(shape) if gaze == "center" else generator.uniform(-1, 1, shape)
    return {**action, "location": envs.unwrapped.actions_to(places).astype(action["location"].dtype)}


class NativeVecEnv(VecEnv):
    """A native vector environment behind Stable-Baselines3's interface.

    Gives what `VecMonitor(DummyVecEnv(...))` gives: `terminal_observation`, `TimeLimit.truncated` and `episode` (return r,
    length l, seconds t) in the info of a lane whose episode ended, beside the environment's own last info. All lanes
    are one object: an attribute is the same in all of them, and a method is called once.

    Args:
        env_id: id of the environment; it must have a vector entry point that takes `autoreset_mode`.
        num_envs: number of lanes.
        hybrid: present the action mode "dict" as a Box, for the policies of `agents.sb3.hybrid_policy`.
        gaze: with `hybrid`, who looks, see `with_gaze`.
        **kwargs: keywords of the environment.

    Raises:
        ValueError: if `hybrid` is asked for in another action mode than "dict" or where actions hold real numbers beside the location, or the
            actions are a Dict without it.
    """

    def __init__(
        self, env_id: str, num_envs: int, *, hybrid: bool = False, gaze: str = "learned", **kwargs: Any
    ) -> None:
        if hybrid and kwargs.setdefault("action_mode", "dict") != "dict":
            raise ValueError(f'A hybrid policy takes action_mode="dict", got {kwargs["action_mode"]!r}.')
        self.envs = gym.make_vec(env_id, num_envs=num_envs, **{**kwargs, "autoreset_mode": AutoresetMode.SAME_STEP})
        self._start = time.time()
        self._dict_space: spaces.Dict | None = None
        self._gaze, self._generator = gaze, np.random.default_rng(0)
        action_space: Any = self.envs.single_action_space
        if hybrid:
            if CONTROL in action_space.spaces:
                raise ValueError(
                    "A hybrid policy takes a location and choices; this environment takes real numbers too: "
                    'leave the policy as it is and use action_mode="box".'
                )
            self._dict_space, action_space = action_space, hybrid_space(action_space)
        elif isinstance(action_space, spaces.Dict):
            raise ValueError("Stable-Baselines3 takes no Dict of actions: use hybrid=True, or another action_mode.")
        self._returns, self._lengths = np.zeros(num_envs), np.zeros(num_envs, np.int64)
        super().__init__(num_envs, self.envs.single_observation_space, action_space)
        self.metadata = self.envs.metadata

    def reset(self) -> Any:
        """Begins an episode in every lane, with the seeds of `seed` and the options of `set_options`, which hold once."""
        seeds = None if all(seed is None for seed in self._seeds) else list(self._seeds)
        observation, info = self.envs.reset(seed=seeds, options=self._stacked_options())  # type: ignore[arg-type]
        self._reset_seeds()
        self._reset_options()
        self._returns[:] = 0
        self._lengths[:] = 0
        self.reset_infos = _lane_infos(info, np.arange(self.num_envs))
        return observation

    def step_async(self, actions: NDArray[Any]) -> None:
        """Keeps the actions for `step_wait`."""
        self._actions: Any = actions
        if self._dict_space is not None:
            self._actions = with_gaze(self._gaze, read_hybrid(actions, self._dict_space), self._generator, self.envs)

    def step_wait(self) -> VecEnvStepReturn:
        """Plays the actions; every array and dict that is returned is the caller's to keep."""
        observation, rewards, terminated, truncated, info = self.envs.step(self._actions)
        demand_finite_rewards(rewards)
        self._returns += rewards
        self._lengths += 1
        infos = _lane_infos(info, np.arange(self.num_envs))
        dones = terminated | truncated
        if dones.any():
            self._end(np.flatnonzero(dones), info, infos)
        # What somebody else calls so Stable-Baselines3 would take for its own, of an episode that ended.
        for lane in np.flatnonzero(~dones).tolist():
            infos[lane].pop("episode", None)
        for own, cut in zip(infos, (truncated & ~terminated).tolist(), strict=True):
            own["TimeLimit.truncated"] = cut
        return observation, rewards.astype(np.float32), dones, infos

    def _end(self, lanes: NDArray[np.int64], info: dict[str, Any], infos: list[dict[str, Any]]) -> None:
        """Puts the last info of the lanes whose episodes ended where so far the first one of their next episodes is."""
        seconds = round(time.time() - self._start, 6)
        for lane, last in zip(lanes.tolist(), _lane_infos(info["final_info"], lanes), strict=True):
            self.reset_infos[lane] = infos[lane]
            infos[lane] = {
                **last,
                "terminal_observation": info["final_obs"][lane],
                "episode": {"r": float(self._returns[lane]), "l": int(self._lengths[lane]), "t": seconds},
            }
        self._returns[lanes] = 0
        self._lengths[lanes] = 0

    def _stacked_options(self) -> dict[str, Any] | None:
        """The options of all lanes as the vector environment takes them: an array per name."""
        names = set(self._options[0])
        if any(set(options) != names for options in self._options):
            raise ValueError("set_options must name the same options for every lane.")
        return {name: np.array([options[name] for options in self._options]) for name in names} or None

    def close(self) -> None:
        """Closes the environment."""
        self.envs.close()

    def get_images(self) -> list[Any]:
        """One frame per lane, where the render mode is "rgb_array"."""
        return list(self.envs.render() or [None] * self.num_envs)

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """An attribute of the environment, once per lane; the spaces are those of a lane."""
        own = self if attr_name in ("observation_space", "action_space") else self.envs.unwrapped
        return [getattr(own, attr_name)] * len(list(self._get_indices(indices)))

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Sets an attribute of the environment.

        Raises:
            ValueError: if only some lanes are to have it.
        """
        if len(set(self._get_indices(indices))) < self.num_envs:
            raise ValueError(f"The lanes are one environment: {attr_name} can only be set in all of them.")
        setattr(self.envs.unwrapped, attr_name, value)

    def env_method(
        self, method_name: str, *method_args: Any, indices: VecEnvIndices = None, **method_kwargs: Any
    ) -> list[Any]:
        """What one call of a method of the environment returns, once per lane; of `render`, each lane's frame."""
        chosen = list(self._get_indices(indices))
        found = getattr(self.envs, method_name)(*method_args, **method_kwargs)
        return [found[lane] for lane in chosen] if method_name == "render" and found else [found] * len(chosen)

    def env_is_wrapped(
        self, wrapper_class: type[gym.Wrapper[Any, Any, Any, Any]], indices: VecEnvIndices = None
    ) -> list[bool]:
        """No lane is wrapped, but each counts its returns as a `Monitor` would."""
        return [wrapper_class is Monitor for _ in self._get_indices(indices)]


def _lane_infos(info: Mapping[str, Any], lanes: NDArray[np.int64]) -> list[dict[str, Any]]:
    """The parts of a vector info that are of these lanes, as single environments would give them: Python numbers, arrays."""
    found: list[dict[str, Any]] = [{} for _ in lanes]
    mine: Any
    for name, values in info.items():
        having = info.get("_" + name)
        if having is None or name.startswith("final_"):
            continue
        if isinstance(values, Mapping):
            mine = _lane_infos(values, lanes)
        else:
            mine = values[lanes].tolist() if values.ndim == 1 else values[lanes]  # a copy
        for own, has, value in zip(found, having[lanes], mine, strict=True):
            if has:
                own[name] = value
    return found
