"""The retina between an agent and any environment that has pixels: Atari, MiniGrid, CarRacing, one's own.

Axes: N lanes, M some of them, n frames, C channels of one, k scales, g patch size.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.envs.registration import EnvSpec, WrapperSpec, load_env_creator
from gymnasium.vector.utils import batch_space, concatenate, create_empty_array
from numpy.typing import NDArray

from ram_envs.action_modes import CONTROL, Choices, Locations
from ram_envs.arguments import BadArgument, check_keywords, real_number, shown, whole_number
from ram_envs.batched_env import Lanes, RetinaEnv, RetinaVectorEnv
from ram_envs.gymnasium_versions import AutoresetMode, own_attribute
from ram_envs.rendering import View, load_pygame
from ram_envs.wrapped_spaces import OBSERVATION, RENDER, Sight, WrappedActions
from ram_envs.wrapped_worlds import SingleWorlds, make_worlds

PATH = 12  # fixations in a picture
SEEN = ("glimpse", "location")


class RetinaVectorWrapper(RetinaVectorEnv):
    """A vector environment, or single environments side by side, behind the retina.

    All that `RetinaWrapper` says of one environment holds for every lane. Lane i of a reset with seed s plays the episode of a
    `RetinaWrapper` that is reset with s + i.

    A `gymnasium.vector.SyncVectorEnv` is taken apart: its environments are stepped here, one by one, so that every autoreset
    mode works, and lanes whose episodes are over stay as they are. Any other vector environment (ale_py's own,
    `AsyncVectorEnv`) is stepped as a whole, with lanes whose episodes are over, and keeps its autoreset mode.

    Args:
        envs: a vector environment, or a list of single ones.
        image, looks_per_step, relative, frames, keep_keys, key_bindings: see `RetinaWrapper`.
        autoreset_mode: of single environments; by default that of the vector environment, for a list NEXT_STEP.
        **retina: what every environment behind the retina takes, see `ram_envs.retina_settings`.

    Raises:
        ValueError: if an argument is not what it must be, or goes with single environments alone; the message says so.
    """

    alone = False  # whether this is the lane of a single environment, which takes the info as it was given

    def __init__(
        self,
        envs: Any,
        *,
        image: str = OBSERVATION,
        looks_per_step: int = 1,
        relative: bool | float = False,
        frames: int = 1,
        keep_keys: Sequence[str] = (),
        key_bindings: Mapping[str, Any] | None = None,
        autoreset_mode: str | AutoresetMode | None = None,
        **retina: Any,
    ) -> None:
        self.looks_per_step = whole_number("looks_per_step", looks_per_step, 1)
        self.relative = float(relative) if isinstance(relative, bool) else real_number("relative", relative, 0)
        self.frames = whole_number("frames", frames, 1)
        self.screen_changes = self.looks_per_step == 1
        self.envs = envs
        self.worlds = make_worlds(envs)
        retina["autoreset_mode"] = self._mode(autoreset_mode, image, retina.get("max_episode_steps"))
        self._actions, self._sight = WrappedActions(self.worlds.single_action_space), Sight(self.worlds, image)
        if self._actions.control is not None:
            retina.setdefault("action_mode", "dict")
        height, width, channels = self._sight.shape
        super().__init__(
            self.worlds.num_envs,
            screen=(height, width, self.frames * channels),
            choices=self._actions.choices,
            control=self._actions.control,
            **retina,
        )
        if max(height, width) < self.sensor.patch_size:
            gym.logger.warn(
                f"The image is {width} x {height}, smaller than the finest patch: is it one? MiniGrid's own holds codes, RGBImgObsWrapper makes it an image."
            )
        self._keep(keep_keys)
        self._key_bindings = self._bindings(key_bindings)
        if fps := self._environments_own("metadata", {}).get("render_fps"):
            self.metadata["render_fps"] = fps

    def _mode(self, wanted: str | AutoresetMode | None, image: str, limit: int | None) -> str | AutoresetMode:
        """The autoreset mode, if the environments can have it and what else was asked for with it."""
        own = self.worlds.autoreset_mode
        if own is None:  # single environments
            metadata = getattr(self.envs, "metadata", None) or {}
            return wanted or metadata.get("autoreset_mode") or AutoresetMode.NEXT_STEP
        if wanted is not None and wanted not in (own, own.value):
            raise ValueError(
                f"autoreset_mode must be {own.value!r}, the vector environment's own, got {shown(wanted)}."
            )
        if self.looks_per_step > 1 and own is not AutoresetMode.SAME_STEP:
            raise ValueError(
                "looks_per_step above 1 needs single environments, or a vector environment of the autoreset mode SAME_STEP: "
                f"in {own.value!r} its lanes do not move on together."
            )
        if limit is not None and own is not AutoresetMode.DISABLED:
            raise ValueError(
                "max_episode_steps needs single environments, or a vector environment of the autoreset mode DISABLED: "
                f"in {own.value!r} the vector environment begins episodes itself, so limit those within it (gymnasium.wrappers.TimeLimit)."
            )
        if image == RENDER and own is AutoresetMode.SAME_STEP:
            raise ValueError(
                'image="render" needs another autoreset mode than SAME_STEP, where no last frame is drawn.'
            )
        return own

    def _keep(self, names: Sequence[str]) -> None:
        """Puts the other keys that were asked for into the observation."""
        space: Any = self.worlds.single_observation_space
        self._kept = {}
        for name in names:
            if not isinstance(space, spaces.Dict) or name not in space.spaces or name in (*SEEN, self._sight.key):
                others = set(space.spaces) - {*SEEN, self._sight.key} if isinstance(space, spaces.Dict) else set()
                raise ValueError(f"keep_keys may hold {sorted(others)}, got {shown(name)}.")
            self._kept[name] = space[name]
        if self._kept:
            if not isinstance(self.single_observation_space, spaces.Dict):
                raise ValueError('keep_keys needs obs_mode="dict".')
            self.single_observation_space = spaces.Dict({**self.single_observation_space.spaces, **self._kept})
            self.observation_space = batch_space(self.single_observation_space, self.num_envs)

    def _make_tables(self) -> None:
        """Room for the tables of all frames, where they are what is cheaper: sums of frames, or of patches."""
        height, width, channels = self._sight.shape
        area = int(self.sensor.widths[-1]) ** 2
        self._by_table = self.looks_per_step * area > height * width
        count = self.num_envs * self.frames if self._by_table else 0
        self._tables = np.zeros((count, height + 1, width + 1, channels), np.uint32)

    def _make_lanes(self, num_draws: int) -> None:
        super()._make_lanes(num_draws)
        self._images: list[list[NDArray[np.uint8]]] = [[] for _ in range(self.num_envs)]  # (H, W, C) each, newest first
        self._looks = np.zeros(self.num_envs, np.int64)  # at the present frame
        self._told = np.zeros(self.num_envs, np.bool_)  # whether the last info of a lane is of the present step
        self.returns = np.zeros(self.num_envs)  # sums of the episode's rewards
        self._seeds_given: list[int | None] = [None] * self.num_envs
        self._asked = False

    @property
    def lane_bytes(self) -> int:
        """Bytes that one lane takes: its frames, their tables where there are any, and the glimpse."""
        height, width, channels = self._sight.shape
        table = 12 * (height + 1) * (width + 1) * channels if self._by_table else 0
        return int(self.frames * (height * width * channels + table) + 2 * self._glimpse_bytes)

    # Episodes

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begins an episode in every lane, or in those of `options["reset_mask"]`; the other options are the environments'."""
        self._asked = True
        seeds = [None] * self.num_envs if seed is None else self._seed_of_each(seed)
        self._seeds_given = [None if each is None else int(each) for each in seeds]  # Gymnasium refuses NumPy's
        try:
            return super().reset(seed=seed, options=options)
        finally:
            self._asked = False

    def _unknown(self, options: Mapping[str, Any]) -> set[str]:
        return set()

    def _seed(self, seed: int | Sequence[int | None] | None, mask: NDArray[np.bool_]) -> None:
        """The first looks get generators of their own: with the seed alone they would draw what the environment draws."""
        super()._seed(seed, mask)
        for lane in np.flatnonzero(mask):
            if self._seeds_given[lane] is not None:
                self._generators[lane] = self._generators[lane].spawn(1)[0]

    def begin(self, lanes: Lanes, draws: NDArray[np.float64], options: Mapping[str, Any]) -> None:
        if self._asked:
            self._demand_in_step(lanes)
            self.worlds.reset(lanes, self._seeds_given, dict(options))
        else:
            self.worlds.autoreset(lanes)
        self._looks[lanes] = 0
        self.returns[lanes] = 0.0
        self._told[lanes] = True
        self._see(lanes, anew=True)

    def _demand_in_step(self, lanes: Lanes) -> None:
        """Refuses to begin episodes in these lanes alone while the others of a vector environment, which all move at once, are at a later look."""
        others = np.delete(self._looks, lanes)
        if self.worlds.autoreset_mode is not None and others.any():
            raise ValueError(
                "options['reset_mask'] must be all True here, or come when the environment has just moved on: "
                f"the lanes left alone have taken {others.max()} of {self.looks_per_step} looks at their frame."
            )

    def advance(self, lanes: Lanes, choices: Choices) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        rewards, terminated = np.zeros(len(lanes)), np.zeros(len(lanes), np.bool_)
        self._told[:] = False
        self._told[lanes] = True
        moving: Any = slice(None)
        if self.looks_per_step > 1:
            self._looks[lanes] += 1
            moving = self._looks[lanes] == self.looks_per_step
        moved = lanes[moving]
        if len(moved) or not len(lanes):  # a vector environment begins new episodes in a step of no lane
            actions = self._actions.of({name: each[moving] for name, each in choices.items()}, moved, self.num_envs)
            rewards[moving], terminated[moving], self.truncated[moved] = self.worlds.step(moved, actions)
            self._looks[moved] = 0
            self._see(moved)
        self.returns[lanes] += rewards
        return rewards, terminated

    def _see(self, lanes: Lanes, anew: bool = False) -> None:
        """Takes up the lanes' new frames; in a new episode the frames before the first are as the first."""
        for lane in lanes.tolist():
            image = self._sight.image(lane)
            if self.frames == 1:
                self._images[lane] = [image]
            elif anew:
                self._images[lane] = [image.copy()] * self.frames
            else:
                self._images[lane] = [image.copy(), *self._images[lane][:-1]]
        if self._by_table and len(lanes):
            tables = self._tables.reshape(self.num_envs, self.frames, *self._tables.shape[1:])
            if not anew:
                tables[lanes, 1:] = tables[lanes, :-1]
            new = self.sensor.integrate(np.stack([self._images[lane][0] for lane in lanes]))
            tables[lanes, : self.frames if anew else 1] = new[:, None]

    # Looking

    def _aim(self, locations: Locations) -> Locations:
        if not self.relative:
            return locations
        return (self._locations + self.relative * locations).clip(-1.0, 1.0)

    def _look(self, lanes: Lanes, locations: Locations, redraw: bool) -> None:
        super()._look(lanes, locations, redraw=False)
        if self.render_mode is not None:
            for lane in lanes:
                del self._fixations[lane][: -max(PATH, self.looks_per_step)]

    def _glimpse(self, lanes: Lanes, places: NDArray[np.float32]) -> NDArray[np.float32]:
        n, (height, width, channels) = self.frames, self._sight.shape
        if n > 1:
            places = places.repeat(n, axis=0)  # (M * n, 2), each frame's
        whole = len(lanes) * int(self.sensor.widths[-1]) ** 2 > self.num_envs * height * width
        if whole or self._by_table:
            images = [image for lane in self._images for image in lane]
            tables = self._tables if self._by_table else self.sensor.integrate(np.stack(images))
            seen = self.sensor.glimpse(tables, places, (lanes[:, None] * n + np.arange(n)).ravel())
        else:
            seen = self.sensor.glimpse_once([image for lane in lanes for image in self._images[lane]], places)
        if n > 1:  # a scale's frames beside one another, as channels
            seen = seen.reshape(len(lanes), n, self.sensor.num_scales, -1).swapaxes(1, 2)
        return seen.reshape(len(lanes), *self.sensor.glimpse_shape(n * channels))

    def screens(self, lanes: Lanes) -> NDArray[np.uint8]:
        return np.stack([np.concatenate(self._images[lane], axis=-1) for lane in lanes])

    def _observation(self) -> Any:
        observation = super()._observation()
        for name, space in self._kept.items():
            items = [seen[name] for seen in self.worlds.observations]
            observation[name] = concatenate(space, items, create_empty_array(space, self.num_envs))  # type: ignore[arg-type]
        return observation

    def _of_lane(self, observation: Any, lane: int) -> Any:
        if not self._kept:
            return super()._of_lane(observation, lane)
        kept = {name: deepcopy(self.worlds.observations[lane][name]) for name in self._kept}
        return super()._of_lane({name: observation[name] for name in SEEN}, lane) | kept

    def _info(self, lanes: NDArray[np.bool_], ended: NDArray[np.bool_]) -> dict[str, Any]:
        if self.alone:
            return {}
        return {**self.worlds.info(lanes & self._told, self._add_info), **super()._info(lanes, ended)}

    # Pictures and players

    def view(self, lane: int = 0) -> View:
        """What the next picture of a lane shows: of several frames, the newest."""
        view, channels = super().view(lane), self._sight.shape[2]
        side, scales = self.sensor.patch_size, self.sensor.num_scales
        glimpse = view.glimpse.reshape(scales, -1, side, side)[:, :channels][:, self._sight.shown]
        scene = self._images[lane][0][..., self._sight.shown]
        return replace(view, scene=scene, glimpse=glimpse.reshape(-1, side, side))

    def outcome(self, lane: int) -> bool | None:
        told = self.worlds.told(lane, "is_success")
        return None if told is None else bool(np.all(told))

    def caption(self, lane: int) -> list[tuple[str, str]]:
        return [*super().caption(lane), ("return", f"{self.returns[lane]:.4g}")]

    def actions_to(self, places: Locations) -> Locations:
        return ((places - self.locations) / self.relative).clip(-1.0, 1.0) if self.relative else places

    def write_action(self, location: Sequence[float], choices: Mapping[str, Any]) -> Any:
        """The action that comes nearest to a location and choices; of relative locations, from where lane 0 looks now."""
        return super().write_action(
            self.actions_to(np.asarray(location))[0].tolist() if self.relative else location, choices
        )

    def keys(self) -> dict[tuple[int, ...], dict[str, Any]]:
        """The keys that `key_bindings` names, or that the environment tells of, else a digit for each option of the first move."""
        pressed = [(tuple(sorted(map(_key_code, held))), chosen) for held, chosen in self._key_bindings]
        return dict(sorted(pressed, key=lambda entry: -len(entry[0])))  # of keys together before those alone

    def _bindings(self, given: Mapping[str, Any] | None) -> list[tuple[tuple[int | str, ...], dict[str, Any]]]:
        """What keys held together choose; () is no key."""
        if given is not None:
            return [(tuple(held.split("+")) if held else (), self._chosen(action)) for held, action in given.items()]
        table = None if self._actions.control is not None else self._environments_own("get_keys_to_action", None)
        if table is not None:
            bound = [(tuple(held), self._chosen(action)) for held, action in table().items()]
            return bound if any(not held for held, _ in bound) else [*bound, ((), {})]
        if not self._actions.choices:
            return [((), {})]
        name, size = next(iter(self._actions.choices.items()))
        return [((str(move),), {name: move}) for move in range(min(size, 10))]

    def _chosen(self, action: Any) -> dict[str, Any]:
        """An action of the environment's as choices."""
        if self._actions.control is not None:
            return {CONTROL: action}
        numbers = np.ravel(np.asarray(action) - self._actions.start).tolist()
        return dict(zip(self._actions.choices, numbers, strict=True))

    def _environments_own(self, name: str, default: Any) -> Any:
        """An attribute of the first lane's environment, where it has one of its own."""
        env = self.worlds.envs[0] if isinstance(self.worlds, SingleWorlds) else self.envs
        if isinstance(env, gym.Env):
            return own_attribute(env, name, default)
        return getattr(env, name, default)

    def rules(self) -> list[str]:
        """What mouse and keys do."""
        names = ", ".join(sorted("+".join(map(_key_name, held)) for held, _ in self._key_bindings if held))
        waits = not self.screen_changes or all(held for held, _ in self._key_bindings)
        rules = ["The mouse is where you look.", f"Keys: {names}." if names else "No keys."]
        return [*rules, "The world waits for a key."] if waits else rules

    def close_extras(self, **kwargs: Any) -> None:
        """Closes the window, if one was opened, and the environments."""
        super().close_extras(**kwargs)
        if hasattr(self, "worlds"):  # Gymnasium before 1.4 closes what was never made whole too
            self.worlds.close()


class RetinaWrapper(RetinaEnv):
    """Any environment that has pixels, behind the retina: it shows a glimpse, and an action says where to look next too.

    The observation is the glimpse and its location as everywhere in this package; `keep_keys` adds keys of a Dict. Reward, end and
    info are the environment's; info has `num_glimpses` beside. The action is the environment's own beside a location, in
    every action mode: a Discrete is a choice named "move", a MultiDiscrete or MultiBinary are choices "move_0", "move_1", ...; in
    the mode "discrete" a number is a cell of the grid with one option of each. A Box of real numbers is the key "control" of
    the mode "dict" (the default then) and the last numbers of the mode "box", in its own bounds, to which it is clipped;
    the discrete modes have no place for it.

    `env.env` is the environment behind the retina, and `get_wrapper_attr` finds what it has; `unwrapped` is this one.

    Args:
        env: the environment.
        image: what the retina looks at, uint8: "observation", "render" (frames of an environment made with
            `render_mode="rgb_array"`), or a key of an observation that is a Dict.
        looks_per_step: looks at each frame before the environment moves on; it moves by the action of the last of them, and a
            look between has reward 0.
        relative: whether the location of an action is added to the present one; a number is how far it reaches, in half image
            sides, True stands for 1.
        frames: of how many of the last frames the glimpse is, newest first: further channels of every scale.
        keep_keys: other keys of a Dict that the observation has too.
        key_bindings: for `ram-envs play`: keys, joined by "+", and the environment's action for them; "" is no key, and without it
            the environment waits for one. By default what the environment's `get_keys_to_action` says, else a digit for each option of the first move.
        **retina: what every environment behind the retina takes, see `ram_envs.retina_settings`.

    Raises:
        TypeError: if a keyword is unknown.
        ValueError: if an argument is not what it must be, or the environment has no such image or an action that is none of the
            above; the message says which.
    """

    vector_class = RetinaVectorWrapper

    def __init__(self, env: gym.Env[Any, Any], **kwargs: Any) -> None:
        check_keywords(type(self).__name__, kwargs, [*KEYWORDS])
        if not isinstance(env, gym.Env):
            raise ValueError(f"env must be one environment, got {shown(env)}: gymnasium.make makes one of an id.")
        self.env = env
        lane = RetinaVectorWrapper([env], autoreset_mode=AutoresetMode.DISABLED, **kwargs)
        lane.alone = True
        self._take(lane)
        self.spec = self._spec(kwargs)

    def _spec(self, kwargs: dict[str, Any]) -> EnvSpec | None:
        """The environment's spec with this wrapper added, as that of a `gymnasium.Wrapper` has it."""
        if self.env.spec is None:
            return None
        spec = deepcopy(self.env.spec)
        name = type(self).__name__
        spec.additional_wrappers += (WrapperSpec(name, f"{type(self).__module__}:{name}", kwargs),)
        return spec

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begins an episode of the environment, with its options, and takes a first glimpse."""
        gym.Env.reset(self, seed=seed)
        observation, _ = self.lane.reset(seed=None if seed is None else [seed], options=options)
        return self.lane._of_lane(observation, 0), self._told({})

    def _told(self, info: dict[str, Any]) -> dict[str, Any]:
        """The environment's own info, whatever it holds, with the number of glimpses beside."""
        return {**self._world.infos[0], "num_glimpses": int(self.lane.steps[0]) + 1}

    @property
    def _world(self) -> Any:
        assert isinstance(self.lane, RetinaVectorWrapper)
        return self.lane.worlds

    def has_wrapper_attr(self, name: str) -> bool:
        """Whether this environment or the one behind it has an attribute of that name."""
        return hasattr(self, name) or own_attribute(self.env, name, missing := object()) is not missing

    def get_wrapper_attr(self, name: str) -> Any:
        """The attribute of that name, of this environment or of the one behind it."""
        return getattr(self, name) if hasattr(self, name) else self.env.get_wrapper_attr(name)

    def set_wrapper_attr(self, name: str, value: Any, *, force: bool = True) -> bool:
        """Sets an attribute where there is one of that name, here or behind; where there is none, here if `force`. Returns whether it was set."""
        if not hasattr(self, name) and self.has_wrapper_attr(name):
            self.env.set_wrapper_attr(name, value)
        elif force or hasattr(self, name):
            setattr(self, name, value)
        else:
            return False
        return True


def _key_code(key: int | str) -> int:
    """pygame's number of a key: a character, or such a name as "left" or "space"."""
    if isinstance(key, int):
        return key
    code = ord(key) if len(key) == 1 else getattr(load_pygame(), f"K_{key.upper()}", None)
    if code is None:
        raise ValueError(f'key_bindings may hold characters and names such as "left" or "space", got {key!r}.')
    return int(code)


def _key_name(key: int | str) -> str:
    """The name of a key that may be given by its number."""
    known = ((name[2:].lower(), code) for name, code in vars(load_pygame()).items() if name.startswith("K_"))
    return next((name for name, code in known if code == _key_code(key)), str(key))


def _signature() -> inspect.Signature:
    """That of the vector wrapper, less what is of vectors alone."""
    parameters = inspect.signature(RetinaVectorWrapper).parameters.values()
    env = inspect.Parameter("env", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    alone = [each for each in parameters if each.name not in ("envs", "autoreset_mode", "max_episode_steps")]
    return inspect.Signature([env, *alone])


RetinaWrapper.__signature__ = _signature()  # type: ignore[attr-defined]
KEYWORDS = [*_signature().parameters][1:]


def register_retina(
    id: str,
    env_id: str,
    *,
    env_wrappers: Sequence[Any] = (),
    env_kwargs: Mapping[str, Any] | None = None,
    **retina: Any,
) -> None:
    """Registers an environment behind the retina, so that `gymnasium.make(id)` and `make_vec(id)` give it.

    The vector environment has single environments as lanes, in every autoreset mode; it takes the same keywords.

    ```python
    ram_envs.register_retina("RetinaPong-v0", "ale_py:ALE/Pong-v5", patch_size=16, num_scales=3)
    ```

    Args:
        id: the new id.
        env_id: the environment behind it; "module:id" where a module registers it.
        env_wrappers: between it and the retina, innermost first: "module:Class", or ("module:Class", keywords).
        env_kwargs: keywords of the environment behind it.
        **retina: keywords of `RetinaWrapper`.

    Raises:
        TypeError: if `RetinaWrapper` has no such keyword.
    """
    if "max_episode_steps" in retina:
        steps = {"max_episode_steps": retina["max_episode_steps"]}
        raise BadArgument(f"register_retina: a limit is one of the environment behind the retina, env_kwargs={steps}.")
    check_keywords("register_retina", retina, KEYWORDS)
    behind = {"env_id": env_id, "env_wrappers": [*env_wrappers], "env_kwargs": {**(env_kwargs or {})}}
    here = f"{__name__}:make_retina"
    gym.register(id, entry_point=here, vector_entry_point=f"{here}_vec", kwargs={**behind, **retina})


def make_retina(
    env_id: str, env_wrappers: Sequence[Any] = (), env_kwargs: Mapping[str, Any] | None = None, **retina: Any
) -> RetinaWrapper:
    """The single environment of a registered id, see `register_retina`."""
    return RetinaWrapper(_behind(env_id, env_wrappers, env_kwargs, retina), **retina)


make_retina.metadata = RetinaEnv.metadata  # type: ignore[attr-defined]  # what `gymnasium.make` reads render modes from


def make_retina_vec(
    env_id: str,
    num_envs: int = 1,
    env_wrappers: Sequence[Any] = (),
    env_kwargs: Mapping[str, Any] | None = None,
    **retina: Any,
) -> RetinaVectorWrapper:
    """The vector environment of a registered id, see `register_retina`."""
    lanes = range(whole_number("num_envs", num_envs, 1))
    return RetinaVectorWrapper([_behind(env_id, env_wrappers, env_kwargs, retina) for _ in lanes], **retina)


def _behind(
    env_id: str, env_wrappers: Sequence[Any], env_kwargs: Mapping[str, Any] | None, retina: Mapping[str, Any]
) -> gym.Env[Any, Any]:
    """One environment as the retina is to see it."""
    drawn = {"render_mode": "rgb_array"} if retina.get("image") == RENDER else {}
    env = gym.make(env_id, **{**drawn, **(env_kwargs or {})})
    for entry in env_wrappers:
        try:
            name, keywords = (entry, {}) if isinstance(entry, str) else entry
            wrapper: Any = load_env_creator(name)
        except (ImportError, AttributeError, ValueError, TypeError) as error:
            forms = '"module:Class" or ("module:Class", keywords)'
            raise ValueError(f"env_wrappers must hold {forms}, got {shown(entry)} ({error}).") from None
        env = wrapper(env, **keywords)
    return env
