"""Other people's environments as lanes that the retina can begin and step: a list of single ones, or a vector of them.

Axes: N lanes, M some of them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import SyncVectorEnv
from gymnasium.vector.utils import iterate
from numpy.typing import NDArray

from ram_envs.arguments import shown
from ram_envs.gymnasium_versions import AutoresetMode, VectorEnv

Outcome = tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_]]  # rewards, terminated, truncated: (M,) each
AddInfo = Callable[[dict[str, Any], dict[str, Any], int], dict[str, Any]]  # of `gymnasium.vector.VectorEnv`


class Worlds(ABC):
    """N episodes of somebody's environment.

    Attributes:
        observations: what each lane shows, as the environment gave it.
        autoreset_mode: the only one that the lanes can have; None where they can have any.
    """

    num_envs: int
    single_observation_space: gym.Space[Any]
    single_action_space: gym.Space[Any]
    observations: list[Any]
    autoreset_mode: AutoresetMode | None = None

    @abstractmethod
    def reset(self, lanes: NDArray[np.int64], seeds: Sequence[int | None], options: Mapping[str, Any]) -> None:
        """Begins an episode in each of the lanes (M,) because somebody asked for it; `seeds` has one for each of all N."""

    @abstractmethod
    def autoreset(self, lanes: NDArray[np.int64]) -> None:
        """Begins an episode in each of the lanes (M,), whose last one is over."""

    @abstractmethod
    def step(self, lanes: NDArray[np.int64], actions: NDArray[Any]) -> Outcome:
        """Steps the lanes (M,) by their rows of the actions (N, ...)."""

    @abstractmethod
    def frame(self, lane: int) -> Any:
        """The picture that a lane renders."""

    @abstractmethod
    def info(self, lanes: NDArray[np.bool_], add: AddInfo) -> dict[str, Any]:
        """The last info of the lanes (N,), as a vector environment has it."""

    @abstractmethod
    def told(self, lane: int, name: str) -> Any:
        """What the last info of a lane has under that name; None if nothing."""

    @abstractmethod
    def close(self) -> None:
        """Closes the environments."""


class SingleWorlds(Worlds):
    """Single environments side by side: each begins and steps when it is its turn, whatever the others do."""

    def __init__(self, envs: Iterable[gym.Env[Any, Any]]) -> None:
        self.envs = [*envs] if isinstance(envs, Iterable) else []
        self.num_envs = len(self.envs)
        if not self.envs or not all(isinstance(env, gym.Env) for env in self.envs):
            raise ValueError(f"envs must be a vector environment or a list of single ones, got {shown(envs)}.")
        if len({id(env) for env in self.envs}) < self.num_envs:
            raise ValueError("envs must be different environments, one for each lane: there is one more than once.")
        first = self.envs[0]
        self.single_observation_space, self.single_action_space = first.observation_space, first.action_space
        for env in self.envs:
            if env.observation_space != self.single_observation_space or env.action_space != self.single_action_space:
                raise ValueError("envs must all have the same spaces.")
        self.observations: list[Any] = [None] * self.num_envs
        self.infos: list[dict[str, Any]] = [{} for _ in self.envs]

    def reset(self, lanes: NDArray[np.int64], seeds: Sequence[int | None], options: Mapping[str, Any]) -> None:
        for lane in lanes.tolist():
            self.observations[lane], self.infos[lane] = self.envs[lane].reset(
                seed=seeds[lane], options={**options} or None
            )

    def autoreset(self, lanes: NDArray[np.int64]) -> None:
        self.reset(lanes, [None] * self.num_envs, {})

    def step(self, lanes: NDArray[np.int64], actions: NDArray[Any]) -> Outcome:
        rewards = np.zeros(len(lanes))
        terminated, truncated = np.zeros(len(lanes), np.bool_), np.zeros(len(lanes), np.bool_)
        for i, lane in enumerate(lanes.tolist()):
            self.observations[lane], reward, terminated[i], truncated[i], self.infos[lane] = self.envs[lane].step(
                actions[lane]
            )
            try:
                if reward is None or isinstance(reward, str):  # NumPy takes these
                    raise TypeError
                rewards[i] = reward
            except (TypeError, ValueError):
                raise ValueError(f"The environment's reward must be a number, got {shown(reward)}.") from None
        return rewards, terminated, truncated

    def frame(self, lane: int) -> Any:
        return self.envs[lane].render()

    def info(self, lanes: NDArray[np.bool_], add: AddInfo) -> dict[str, Any]:
        info: dict[str, Any] = {}
        for lane in np.flatnonzero(lanes).tolist():
            info = add(info, self.infos[lane], lane)
        return info

    def told(self, lane: int, name: str) -> Any:
        return self.infos[lane].get(name)

    def close(self) -> None:
        for env in self.envs:
            env.close()


class VectorWorlds(Worlds):
    """A vector environment: all lanes step together, and it begins new episodes in its own way."""

    def __init__(self, envs: VectorEnv[Any, Any, Any]) -> None:
        self.envs, self.num_envs = envs, envs.num_envs
        self.single_observation_space, self.single_action_space = (
            envs.single_observation_space,
            envs.single_action_space,
        )
        mode = (envs.metadata or {}).get("autoreset_mode")
        if mode is None:
            raise ValueError('The vector environment must say its autoreset mode in metadata["autoreset_mode"].')
        self.autoreset_mode = AutoresetMode(mode)
        self.observations: list[Any] = [None] * self.num_envs
        self._batch: Any = None  # the observations of all lanes, new episodes' where some began
        self._info: dict[str, Any] = {}
        self._next_info: dict[str, Any] = {}  # the info that goes with `_batch`
        self._frames: Any = None  # rendered since the last step

    def reset(self, lanes: NDArray[np.int64], seeds: Sequence[int | None], options: Mapping[str, Any]) -> None:
        given, first = dict(options), seeds[0]
        if len(lanes) < self.num_envs:
            given["reset_mask"] = np.isin(np.arange(self.num_envs), lanes)
        if all(seed is None for seed in seeds):
            found = self.envs.reset(options=given or None)
        elif first is not None and list(seeds) == [first + lane for lane in range(self.num_envs)] and not given:
            found = self.envs.reset(seed=first)
        else:
            try:
                found = self.envs.reset(seed=list(seeds), options=given or None)  # type: ignore[arg-type]
            except TypeError:  # ale_py's takes an array, of the lanes that are reset
                found = self.envs.reset(seed=np.array([seeds[lane] for lane in lanes]), options=given or None)  # type: ignore[arg-type]
        self._batch, self._info = found
        self._frames = None
        self._show(lanes, self._batch)

    def autoreset(self, lanes: NDArray[np.int64]) -> None:
        self._info = self._next_info
        self._show(lanes, self._batch)

    def step(self, lanes: NDArray[np.int64], actions: NDArray[Any]) -> Outcome:
        if len(lanes) == 0 and self.autoreset_mode is AutoresetMode.DISABLED:
            return np.zeros(0), np.zeros(0, np.bool_), np.zeros(0, np.bool_)
        self._batch, rewards, terminated, truncated, info = self.envs.step(actions)
        self._frames = None
        over = np.flatnonzero(terminated | truncated)
        final = {name: info[name] for name in ("final_obs", "final_info") if name in info}
        self._next_info = {name: value for name, value in info.items() if name.removeprefix("_") not in final}
        self._info = self._next_info
        if self.autoreset_mode is AutoresetMode.SAME_STEP and len(over):
            self._info = final.get("final_info", {})
            self._show(np.setdiff1d(lanes, over), self._batch)
            for lane in over.tolist():
                self.observations[lane] = final["final_obs"][lane]
        else:
            self._show(lanes, self._batch)
        return np.asarray(rewards, np.float64)[lanes], terminated[lanes], truncated[lanes]

    def frame(self, lane: int) -> Any:
        if self._frames is None:
            self._frames = self.envs.render()
        return None if self._frames is None else self._frames[lane]

    def info(self, lanes: NDArray[np.bool_], add: AddInfo) -> dict[str, Any]:
        return dict(self._info)

    def told(self, lane: int, name: str) -> Any:
        has = self._info.get("_" + name)
        return self._info[name][lane] if has is not None and has[lane] else None

    def close(self) -> None:
        self.envs.close()

    def _show(self, lanes: NDArray[np.int64], batch: Any) -> None:
        seen = list(iterate(self.envs.observation_space, batch))
        for lane in lanes.tolist():
            self.observations[lane] = seen[lane]


def make_worlds(envs: Any) -> Worlds:
    """The worlds of a vector environment or of single ones; the lanes of a `SyncVectorEnv` are single ones."""
    if isinstance(envs, SyncVectorEnv):
        return SingleWorlds(envs.envs)
    return VectorWorlds(envs) if isinstance(envs, VectorEnv) else SingleWorlds(envs)
