"""Lanes, seeding, autoreset, observations: what every environment behind the retina shares.

`RetinaVectorEnv` runs any number of lanes at once; `RetinaEnv` is one lane of it, so that a single environment and a
vector environment give the same episodes for the same seed. A world (digits, Catch, one's own) fills in three methods or more.

Axes: N lanes, M some of them, C channels, k scales, g patch size.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, Any, ClassVar

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from ram_envs.action_modes import Choices, DiscreteMeaning, Locations, make_action_mode
from ram_envs.arguments import BadArgument, as_array, check_keywords, shown, whole_number
from ram_envs.glimpse_history import LONGEST, GlimpseHistory
from ram_envs.glimpse_sensor import GlimpseSensor, to_pixels
from ram_envs.gymnasium_versions import AutoresetMode, VectorEnv
from ram_envs.rendering import VERDICTS, View, draw_view, tile
from ram_envs.retina_settings import (
    RENDER_MODES,
    VECTOR_KEYWORDS,
    RetinaSettings,
    full_signature,
    with_retina_arguments,
)
from ram_envs.window import Window
from ram_envs.world_checks import check_facts, check_screen_and_choices

if TYPE_CHECKING:
    from typing_extensions import Self

Lanes = NDArray[np.int64]  # (M,) numbers of lanes
LARGE = 16  # times the widest patch: from there on, summing a patch for each look is cheaper than summing a screen once


class RetinaVectorEnv(VectorEnv[Any, Any, NDArray[Any]], ABC):
    """Any number of episodes, side by side, each seen through its own retina.

    Every lane has a random generator of its own, seeded with `seed + lane`; one row of uniform draws from it makes one
    episode. In the autoreset mode DISABLED a lane whose episode is over stays as it is, with reward 0 and
    terminated or truncated True, until it is reset, so that a loop can play one episode per lane to the end. Its `is_success` in
    `info` is told once, by the step that ended the episode, and is False from then on.

    What an environment can do is asked of it, not read off its id:

    Attributes:
        splits: the parts that its episodes divide into; where there are any, the environment takes the keyword `split`.
        num_images: how many images `reset(options={"index": i})` chooses among; None where episodes cannot be chosen.
        tells_label: whether actions have a choice named "answer", whose right option is in `info`, privileged, as "label".
        one_answer: whether the choice "answer" has one right option in each episode, and is paid for it at the end alone.
        verdicts: the words for success (True) and failure (False), as in "95 % caught".
        max_glimpses: the most glimpses that an episode can have; None where there is no such number.
        lane_bytes: memory that one lane takes.
        screen_changes: whether there is something new to see after every step.
        glimpse_after_end: whether the action that ends an episode still takes a glimpse.
        past_choices: the choices of earlier actions that `obs_mode="history"` shows; None for all.
        scene_sides: (N, 2) height and width of what each lane shows; None where all show a `screen`.
        reset_options: the keys that the `options` of `reset` may have.

    A world of one's own is a subclass. Its constructor takes `num_envs`, its own keywords and `**retina`, and hands on what is
    described below. It must define `begin`, `advance` and `screens`; it may define `facts`, `caption`, `outcome`, `keys`,
    `goal`, `rules`, `option_names`, `last_glimpse` and `rewind`, set the attributes above, and read these:

        steps: (N,) actions taken in the present episode.
        terminated, truncated: (N,) whether the episode is over.
        rewards: (N,) of the last step.
        locations: (N, 2) where each lane looks.

    A subclass of `RetinaEnv` whose `vector_class` it is makes it a single environment.

    Args:
        num_envs: number of lanes, at least 1.
        screen: (height, width, channels) of what the retina looks at.
        choices: name and number of options of each choice that an action makes beside the location.
        discrete: what the numbers of the action mode "discrete" mean; by default each is a cell of the grid and an option of
            each choice.
        num_draws: uniform draws that one episode of the world takes.
        max_glimpses: the most glimpses that the world's rules allow an episode.
        control: numbers that an action holds beside location and choices, for the action modes "dict" and "box"; `advance` has
            them under "control", (M, *shape).
        **retina: what every environment takes, see `retina_settings`; where a world has other defaults than those there, its
            `retina_defaults` says so.

    Raises:
        TypeError: if a keyword is unknown, or a method is missing that a world must define; the message names it.
        ValueError: if an argument is not what it must be; the message names it.
    """

    metadata: dict[str, Any] = {
        "render_modes": list(RENDER_MODES),
        "render_fps": 4,
        "autoreset_mode": AutoresetMode.NEXT_STEP,
    }
    splits: tuple[str, ...] = ()
    num_images: int | None = None
    tells_label: bool = False
    one_answer: bool = False
    verdicts: Mapping[bool, str] = VERDICTS
    max_glimpses: int | None = None
    screen_changes: bool = True
    glimpse_after_end: bool = True
    past_choices: tuple[str, ...] | None = None
    scene_sides: NDArray[np.int64] | None = None
    reset_options: ClassVar[frozenset[str]] = frozenset({"reset_mask"})
    retina_defaults: ClassVar[Mapping[str, Any]] = {}
    gamma: ClassVar[float] = 1.0  # of the glimpse in pictures
    _window: Window | None = None  # here, so that Gymnasium before 1.4 can close what was never made whole

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        own = [vars(base).get("retina_defaults", {}) for base in reversed(cls.__mro__)]
        cls.retina_defaults = {name: value for each in own for name, value in each.items()}
        cls.__signature__ = full_signature(cls)  # type: ignore[attr-defined]
        if VectorEnv not in cls.__bases__:  # skrl tells by the direct bases whose environment it is
            own = [issubclass(base, VectorEnv) for base in cls.__bases__]
            place = len(own) - own[::-1].index(True)
            cls.__bases__ = (*cls.__bases__[:place], VectorEnv, *cls.__bases__[place:])

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Refuses an unknown keyword before anything is loaded."""
        check_keywords(cls.__name__, kwargs, [*inspect.signature(cls).parameters])
        return super().__new__(cls)

    def __init__(
        self,
        num_envs: int = 1,
        *,
        screen: tuple[int, int, int],
        choices: Mapping[str, int],
        discrete: DiscreteMeaning | None = None,
        num_draws: int = 0,
        max_glimpses: int | None = None,
        control: spaces.Box | None = None,
        **retina: Any,
    ) -> None:
        super().__init__()
        self.num_envs = whole_number("num_envs", num_envs, 1)
        check_screen_and_choices(screen, choices)
        self.screen, self._choices = screen, choices
        self.settings = settings = RetinaSettings(**{**self.retina_defaults, **retina})
        self.sensor = GlimpseSensor(settings.patch_size, settings.num_scales, settings.pooling)
        self.privileged_info, self.obs_mode = settings.privileged_info, settings.obs_mode
        self.render_mode, self.render_size = settings.render_mode, settings.render_size
        self.autoreset_mode = AutoresetMode(settings.autoreset_mode)
        self.metadata = {**self.metadata, "autoreset_mode": self.autoreset_mode}
        self.max_episode_steps = limit = settings.max_episode_steps
        bounds = [max_glimpses, None if limit is None else limit + 1]
        self.max_glimpses = min((bound for bound in bounds if bound is not None), default=None)

        self._first_look = settings.first_look()
        self._action_mode = make_action_mode(settings.action_mode, choices, settings.location_grid, discrete, control)
        self.single_action_space = self._action_mode.space
        self.action_space = batch_space(self.single_action_space, num_envs)
        # A limit of steps does not shorten it: `gym.make` counts them outside.
        self._history = self._make_history(choices, control, max_glimpses) if self.obs_mode == "history" else None
        self.single_observation_space = self._observation_space()
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self._make_lanes(num_draws)

    def _make_history(
        self, choices: Mapping[str, int], control: spaces.Box | None, max_glimpses: int | None
    ) -> GlimpseHistory:
        """Room for the glimpses that are shown together."""
        length = self.settings.history or min(max_glimpses or LONGEST, LONGEST)
        kept = choices if self.past_choices is None else {name: choices[name] for name in self.past_choices}
        size = int(np.prod(self.sensor.glimpse_shape(self.screen[2])))
        return GlimpseHistory(self.num_envs, size, length, kept, control)

    def _observation_space(self) -> spaces.Space[Any]:
        """What a lane shows: glimpse and location, by name, in one vector, or with those before."""
        if self._history is not None:
            return self._history.space
        shape = self.sensor.glimpse_shape(self.screen[2])
        if self.obs_mode == "dict":
            glimpse = spaces.Box(0.0, 1.0, shape, np.float32)
            return spaces.Dict(glimpse=glimpse, location=spaces.Box(-1.0, 1.0, (2,), np.float32))
        low = np.zeros(int(np.prod(shape)) + 2, np.float32)
        low[-2:] = -1.0  # the last two are the location
        return spaces.Box(low, np.ones_like(low))

    def _make_lanes(self, num_draws: int) -> None:
        """Room for what every lane holds; no episode has begun."""
        count = self.num_envs
        self._make_tables()
        self._glimpses = np.zeros((count, *self.sensor.glimpse_shape(self.screen[2])), np.float32)
        self._locations = np.zeros((count, 2), np.float32)
        self.steps = np.zeros(count, np.int64)
        self.terminated, self.truncated = np.zeros(count, np.bool_), np.zeros(count, np.bool_)
        self._begun = False
        self._draws = np.zeros((count, 2 + num_draws))  # the first two place the first glimpse
        self._fixations: list[list[NDArray[np.float32]]] = [[] for _ in range(count)]
        self.rewards = np.zeros(count)  # of the last step, for the picture
        self._bars: Mapping[str, NDArray[Any]] = {}
        self._generators = [np.random.default_rng() for _ in range(count)]
        self._seeds = [-1] * count

    def __getstate__(self) -> dict[str, Any]:
        """For pickle and copy: everything but the window."""
        return {**self.__dict__, "_window": None}

    @property
    def _over(self) -> NDArray[np.bool_]:
        """Whose episodes are over (N,)."""
        return self.terminated | self.truncated

    @property
    def lane_bytes(self) -> int:
        """Bytes that one lane takes: its scene and glimpse, and its table, twice more while a new one is made, or its screen."""
        height, width, channels = self.screen
        scene = height * width * channels
        kept = 12 * (height + 1) * (width + 1) * channels if self._by_table else scene
        return scene + kept + self._glimpse_bytes

    @property
    def _glimpse_bytes(self) -> int:
        """Bytes of what one lane shows."""
        before = 0 if self._history is None else self._history.lane_bytes
        return before + 4 * int(np.prod(self.sensor.glimpse_shape(self.screen[2])))

    @property
    def locations(self) -> Locations:
        """Where each lane looks (N, 2)."""
        return self._locations.astype(np.float64)

    # What a world fills in

    @abstractmethod
    def begin(self, lanes: Lanes, draws: NDArray[np.float64], options: Mapping[str, Any]) -> NDArray[np.float64] | None:
        """Begins an episode in each of the lanes.

        Args:
            lanes: (M,) their numbers.
            draws: (M, 2 + num_draws) uniform in [0, 1); the first two place a random first glimpse, the rest is the world's.
            options: of `reset`, but for "reset_mask".

        Returns:
            The draws to place the first glimpse by, if not those given.
        """

    @abstractmethod
    def advance(self, lanes: Lanes, choices: Choices) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Plays the choices, name -> (M,), in the lanes; returns their rewards (M,) and whether their episodes terminate (M,)."""

    @abstractmethod
    def screens(self, lanes: Lanes) -> NDArray[np.uint8]:
        """What there is to see in the lanes: (M, H, W, C)."""

    def facts(self, ended: NDArray[np.bool_]) -> dict[str, NDArray[Any]]:
        """What `info` holds of every lane, (N, ...) each, always under the same names.

        A world adds its own, such as "is_success": False but in lanes that `ended` (N,), which have terminated just now.
        """
        return {"num_glimpses": self.steps + (1 if self.glimpse_after_end else ~self.terminated)}

    def rewind(self) -> None:
        """Forgets, when all lanes are seeded, whatever else tells one episode from the next."""

    def caption(self, lane: int) -> list[tuple[str, str]]:
        """What the picture of a lane says below it: (name, value) pairs."""
        return [("step", str(self.steps[lane])), ("reward", f"{self.rewards[lane]:.3g}")]

    def outcome(self, lane: int) -> bool | None:
        """Whether the episode of a lane, which has terminated, was a success: by default the fact "is_success", if there is one."""
        successes = self.facts(self.terminated).get("is_success")
        return None if successes is None else bool(successes[lane])

    def option_names(self) -> Mapping[str, Sequence[str]]:
        """Names of the options of the choices that have some, for the bars in pictures: choice -> a name per option."""
        return {}

    def keys(self) -> dict[tuple[int, ...], dict[str, Any]]:
        """Keys (of pygame) held together -> the choices they make; () for none, missing where the world waits for a key."""
        return {(): {}}

    def goal(self) -> str:
        """What a player is to do, in a sentence."""
        return "Collect as much reward as you can."

    def rules(self) -> list[str]:
        """Lines that tell a player what mouse and keys do; none where they do what they do in the worlds here."""
        return []

    def write_action(self, location: Sequence[float], choices: Mapping[str, Any]) -> Any:
        """The action of a single lane, in this environment's action mode, that comes nearest to a location and choices."""
        return self._action_mode.write(location, choices)

    def last_glimpse(self, lane: int = 0) -> bool:
        """Whether the next action of a lane is its last, so that looking is of no use."""
        return False

    # The Gymnasium interface

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begins an episode in every lane, or in those of `options["reset_mask"]`.

        Args:
            seed: seeds lane i with seed + i; or one seed (or None) per lane. Lanes with equal seeds play equal episodes.
            options: "reset_mask", bool (N,); others are the world's. An unknown key is an error.
        """
        options = self._checked(options)
        mask = options.pop("reset_mask")
        self._seed(seed, mask)
        self._start(np.flatnonzero(mask), options)
        if not self._begun:
            check_facts(self, self.facts(np.zeros_like(mask)), self._choices)
        self._begun = True
        self._draw_window()
        return self._observation(), self._info(mask, np.zeros_like(mask))

    def _checked(self, options: Mapping[str, Any] | None) -> dict[str, Any]:
        """The options of `reset`, if they are what they must be: nothing has been drawn yet. "reset_mask" is among them."""
        options = dict(options or {})
        if unknown := self._unknown(options):
            raise ValueError(f"options may hold {sorted(self.reset_options)}, got {sorted(map(str, unknown))}.")
        mask = as_array("options['reset_mask']", options.get("reset_mask", np.ones(self.num_envs, np.bool_)))
        if mask.shape != (self.num_envs,) or mask.dtype != np.bool_ or not mask.any():
            raise ValueError(
                f"options['reset_mask'] must be bool of shape ({self.num_envs},) with at least one True, "
                f"got {mask.dtype} of shape {mask.shape}."
            )
        if not self._begun and not mask.all():
            raise ValueError("options['reset_mask'] must be all True in the first reset.")
        return options | {"reset_mask": mask}

    def _unknown(self, options: Mapping[str, Any]) -> set[str]:
        """The keys of `reset`'s options that this world does not take."""
        return set(options) - self.reset_options

    def step(
        self, actions: Any
    ) -> tuple[Any, NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]:
        """One action in every lane; shapes and dtypes as Gymnasium's vector environments have them.

        With `max_episode_steps` a lane is truncated at that step whether or not it terminates there too, as by Gymnasium's
        TimeLimit and in its own vector environments.
        """
        if not self._begun:
            raise gym.error.ResetNeeded("Call reset() before step().")
        locations, choices = self._action_mode.read(actions, self.num_envs)
        if self._history is not None:
            self._history.act(choices)
        locations = self._aim(locations)
        playing = ~self._over
        lanes = np.flatnonzero(playing)
        rewards = np.zeros(self.num_envs)
        rewards[lanes], self.terminated[lanes] = self._advanced(lanes, choices)
        self.rewards = rewards.copy()  # what is returned is the caller's to keep
        self.steps[lanes] += 1
        if self.max_episode_steps is not None:
            self.truncated[lanes] |= self.steps[lanes] >= self.max_episode_steps
        looking = lanes if self.glimpse_after_end else lanes[~self.terminated[lanes]]
        self._look(looking, locations, redraw=self.screen_changes)

        if self.autoreset_mode is AutoresetMode.NEXT_STEP and not playing.all():
            self._start(np.flatnonzero(~playing), {})  # their actions were ignored
        terminated, truncated = self.terminated.copy(), self.truncated.copy()
        if self.autoreset_mode is AutoresetMode.SAME_STEP and self._over.any():
            info = self._final(self._over)
            self._start(np.flatnonzero(self._over), {})
            info |= self._info(np.ones_like(playing), np.zeros_like(playing))
        else:
            info = self._info(np.ones_like(playing), playing & terminated)
        self._draw_window()
        return self._observation(), rewards, terminated, truncated, info

    def _advanced(self, lanes: Lanes, choices: Choices) -> tuple[NDArray[Any], NDArray[Any]]:
        """What `advance` returns, if that is one reward and one termination for each lane."""
        found: Any = self.advance(lanes, {name: each[lanes] for name, each in choices.items()})
        if not isinstance(found, tuple | list) or len(found) != 2:
            raise ValueError(
                f"advance of {type(self).__name__} must return rewards and terminations, two arrays, got {shown(found)}."
            )
        rewards, terminated = found
        for name, values in (("rewards", rewards), ("terminations", terminated)):
            if np.shape(values) != lanes.shape:
                raise ValueError(
                    f"advance of {type(self).__name__} must return {name} of shape {lanes.shape}, one for each lane, got shape {np.shape(values)}."
                )
        return rewards, terminated

    def look(self, locations: NDArray[Any]) -> NDArray[np.float32]:
        """What the retina would see of the present scenes if it looked elsewhere; nothing changes.

        No agent can do this in use, where it looks at one place at a time: it is a simulator's privilege, for training.

        Args:
            locations: (K, N, 2), K for each lane, (x, y) on the image, as in an observation; beyond [-1, 1] they are moved to the border.

        Returns:
            Glimpses (K, N, scales * channels, patch_size, patch_size), as in observations.
        """
        if not self._begun:
            raise gym.error.ResetNeeded("Call reset() before look().")
        places = np.asarray(locations, np.float32)
        if places.ndim != 3 or places.shape[1:] != (self.num_envs, 2) or not np.isfinite(places).all():
            raise ValueError(
                f"locations must be finite numbers of shape (K, {self.num_envs}, 2), got {shown(locations)}."
            )
        shape = (*places.shape[:2], *self._glimpses.shape[1:])
        if not len(places):
            return np.zeros(shape, np.float32)
        lanes = np.tile(np.arange(self.num_envs), len(places))
        return self._glimpse(lanes, places.clip(-1, 1).reshape(-1, 2)).reshape(shape)

    def actions_to(self, places: Locations) -> Locations:
        """The locations (..., N, 2) that actions must hold to look at these places (..., N, 2), or as near to them as one action gets."""
        return places

    def reach(self, places: Locations) -> Locations:
        """Where such actions look (..., N, 2): at these places, or as near to them as one action gets."""
        return self._aim(self.actions_to(places).clip(-1.0, 1.0))

    def render(self) -> tuple[NDArray[np.uint8], ...] | None:
        """One frame per lane, each (height, width, 3) uint8, where the render mode is "rgb_array"."""
        if self.render_mode is None:
            gym.logger.warn('Nothing to render: make the environment with render_mode="rgb_array" or "human".')
            return None
        return self._frames() if self.render_mode == "rgb_array" else None

    def annotate(self, **bars: Any) -> None:
        """Lets an agent show what it thinks in the next pictures: bars such as `probabilities` (N, K) or `value` (N, 1)."""
        self._bars = {name: np.asarray(values) for name, values in bars.items()}

    @property  # type: ignore[misc]
    def np_random(self) -> tuple[np.random.Generator, ...]:  # type: ignore[override]
        """The random generator of each lane."""
        return tuple(self._generators)

    @property
    def np_random_seed(self) -> tuple[int, ...]:  # type: ignore[override]
        """The seed of each lane's generator, -1 where none was given."""
        return tuple(self._seeds)

    def close_extras(self, **kwargs: Any) -> None:
        """Closes the window, if one was opened."""
        if self._window is not None:
            self._window.close()
            self._window = None

    # Lanes

    def _seed(self, seed: int | Sequence[int | None] | None, mask: NDArray[np.bool_]) -> None:
        if seed is None:
            return
        seeds = self._seed_of_each(seed)
        for lane in np.flatnonzero(mask):
            if seeds[lane] is not None:
                self._generators[lane], self._seeds[lane] = gym.utils.seeding.np_random(int(seeds[lane]))
        if mask.all() and None not in seeds:
            self.rewind()

    def _seed_of_each(self, seed: int | Sequence[int | None]) -> list[Any]:
        """The seed of each lane, where there is one."""
        if isinstance(seed, int | np.integer):
            seeds: list[Any] = [int(seed) + lane for lane in range(self.num_envs)]
        else:
            seeds = list(seed) if isinstance(seed, Sequence | np.ndarray) else []
        right = (each is None or (isinstance(each, int | np.integer) and each >= 0) for each in seeds)
        if len(seeds) != self.num_envs or not all(right):
            raise ValueError(
                f"seed must be a whole number or {self.num_envs} of them, none below 0, got {shown(seed)}."
            )
        return seeds

    def _draw(self, lanes: Lanes) -> NDArray[np.float64]:
        """What decides the next episode of each of the lanes (M, 2 + num_draws)."""
        for lane in lanes:
            self._generators[lane].random(out=self._draws[lane])
        return self._draws[lanes]

    def _first_looks(self, draws: NDArray[np.float64]) -> Locations:
        """Where episodes with such draws (M, 2 or more) take their first glimpse (M, 2)."""
        return 2 * draws[:, :2] - 1 if self._first_look is None else np.tile(self._first_look, (len(draws), 1))

    def _start(self, lanes: Lanes, options: Mapping[str, Any]) -> None:
        """Begins an episode in each of the lanes and takes its first glimpse."""
        given = self._draw(lanes)
        placed = self.begin(lanes, given, options)
        draws = given if placed is None else placed
        if np.ndim(draws) != 2 or len(draws) != len(lanes):
            raise ValueError(
                f"begin of {type(self).__name__} must return nothing, or the random numbers of each of {len(lanes)} lanes, got {shown(placed)}."
            )
        self.terminated[lanes] = self.truncated[lanes] = False
        self.steps[lanes] = 0
        self.rewards[lanes] = 0.0
        if self._history is not None:
            self._history.begin(lanes)
        first = np.zeros((self.num_envs, 2))
        first[lanes] = self._first_looks(draws)
        if self.render_mode is not None:
            for lane in lanes:
                self._fixations[lane] = []
        self._look(lanes, first, redraw=True)

    def _look(self, lanes: Lanes, locations: Locations, redraw: bool) -> None:
        """Takes a glimpse in each of the lanes, at its row of locations (N, 2)."""
        if not len(lanes):
            return
        if redraw:
            self._integrate(lanes)
        self._locations[lanes] = locations[lanes]
        self._glimpses[lanes] = self._glimpse(lanes, self._locations[lanes])
        if self._history is not None:
            self._history.see(lanes, self._glimpses[lanes], self._locations[lanes])
        if self.render_mode is not None:
            for lane in lanes:
                self._fixations[lane].append(self._locations[lane].copy())

    # What the retina looks at: a table per lane, all of one size; or the screens, where they change and are large

    def _make_tables(self) -> None:
        """Room for the tables of all lanes, or for their screens."""
        height, width, channels = self.screen
        self._by_table = not self.screen_changes or height * width < LARGE * int(self.sensor.widths[-1]) ** 2
        shape = (height + 1, width + 1, channels)
        self._tables = np.zeros((self.num_envs if self._by_table else 0, *shape), np.uint32)
        self._shown = np.zeros((0 if self._by_table else self.num_envs, *self.screen), np.uint8)

    def _integrate(self, lanes: Lanes) -> None:
        """Makes the tables of what there is to see now in the lanes, or keeps it as it is."""
        screens = self._checked_screens(lanes)
        if not self._by_table:
            self._shown[lanes] = screens
        elif len(lanes) == self.num_envs:
            self._tables = self.sensor.integrate(screens)
        else:
            self._tables[lanes] = self.sensor.integrate(screens)

    def _scene(self, lane: int) -> NDArray[np.uint8]:
        """What there is to see in a lane: (H, W, C), for its picture."""
        scene: NDArray[np.uint8] = self.screens(np.array([lane]))[0]
        return scene

    def _aim(self, locations: Locations) -> Locations:
        """Where the locations (..., N, 2) of actions lie."""
        return locations

    def _glimpse(self, lanes: Lanes, places: NDArray[np.float32]) -> NDArray[np.float32]:
        """What there is to see in the lanes (M,), one or more, which may occur more than once, at places (M, 2)."""
        if self._by_table:
            return self.sensor.glimpse(self._tables, places, lanes)
        return self.sensor.glimpse_once([self._shown[lane] for lane in lanes], places)

    def _checked_screens(self, lanes: Lanes) -> NDArray[np.uint8]:
        """The screens, if they are what the world said."""
        screens = self.screens(lanes)
        if np.shape(screens) != (len(lanes), *self.screen) or getattr(screens, "dtype", None) != np.uint8:
            shape = (len(lanes), *self.screen)
            raise ValueError(f"{type(self).__name__}.screens must return uint8 of shape {shape}, got {shown(screens)}.")
        return screens

    def _observation(self) -> Any:
        if self._history is not None:
            return self._history.vectors()
        if self.obs_mode == "flat":
            return np.concatenate([self._glimpses.reshape(self.num_envs, -1), self._locations], axis=1)
        return {"glimpse": self._glimpses.copy(), "location": self._locations.copy()}

    def _of_lane(self, observation: Any, lane: int) -> Any:
        """One lane's observation, as arrays of its own."""
        if isinstance(observation, dict):
            return {key: value[lane].copy() for key, value in observation.items()}
        return observation[lane].copy()

    def _info(self, lanes: NDArray[np.bool_], ended: NDArray[np.bool_]) -> dict[str, Any]:
        """Gymnasium's vector info: each key with a mask of the lanes (N,) that it is of."""
        info: dict[str, Any] = {}
        whole = bool(lanes.all())
        for name, values in self.facts(ended).items():
            having = lanes.reshape(-1, *[1] * (values.ndim - 1))
            info[name] = values.copy() if whole else np.where(having, values, np.zeros_like(values))
            info["_" + name] = lanes.copy()
        return info

    def _final(self, ended: NDArray[np.bool_]) -> dict[str, Any]:
        """The last observation and info of the lanes that ended, before they begin anew."""
        observation = self._observation()
        final = np.full(self.num_envs, None, dtype=object)
        for lane in np.flatnonzero(ended):
            final[lane] = self._of_lane(observation, int(lane))
        return {
            "final_obs": final, "_final_obs": ended.copy(),
            "final_info": self._info(ended, self.terminated), "_final_info": ended.copy(),
        }  # fmt: skip

    # Pictures

    def view(self, lane: int = 0) -> View:
        """What the next picture of a lane shows, as data; fixations are kept only where there is a `render_mode`."""
        if not self._begun:
            raise gym.error.ResetNeeded("Call reset() before render().")
        scene = self._scene(lane)
        height, width = scene.shape[:2]
        outcome = self.outcome(lane) if self.terminated[lane] else None
        return View(
            scene=scene,
            squares=self.sensor.footprints(self._locations[[lane]], height, width)[0],
            fixations=to_pixels(np.stack(self._fixations[lane]), height, width),
            glimpse=self._glimpses[lane].copy(),
            caption=self.caption(lane),
            over=bool(self._over[lane]),
            outcome=outcome,
            verdict="" if outcome is None else self.verdicts[outcome],
            bars={name: values[lane] for name, values in self._bars.items()},
            names=self.option_names(),
            gamma=self.gamma,
            stage=self.screen[:2],
        )

    def _frames(self) -> tuple[NDArray[np.uint8], ...]:
        return tuple(draw_view(self.view(lane), self.render_size) for lane in range(self.num_envs))

    def _draw_window(self) -> None:
        if self.render_mode != "human":
            return
        if self._window is None:
            self._window = Window()
        self._window.show(tile(self._frames()), self.metadata["render_fps"])


def _of_lane(name: str) -> Any:
    """What a single environment can do is what its lane can do."""
    return property(attrgetter(f"lane.{name}"), doc=f"See `RetinaVectorEnv.{name}`.")


class RetinaEnv(gym.Env[Any, Any]):
    """One lane of a `RetinaVectorEnv`, with the interface of a single Gymnasium environment.

    Takes the keywords of its vector environment, all but `num_envs` and `autoreset_mode`.
    """

    metadata: dict[str, Any] = {"render_modes": list(RENDER_MODES), "render_fps": 4}
    vector_class: ClassVar[type[RetinaVectorEnv]]
    splits = _of_lane("splits")
    num_images = _of_lane("num_images")
    tells_label = _of_lane("tells_label")
    one_answer = _of_lane("one_answer")
    verdicts = _of_lane("verdicts")
    max_glimpses = _of_lane("max_glimpses")
    past_choices = _of_lane("past_choices")
    scene_sides = _of_lane("scene_sides")
    lane_bytes = _of_lane("lane_bytes")
    screen_changes = _of_lane("screen_changes")
    glimpse_after_end = _of_lane("glimpse_after_end")

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if not hasattr(cls, "vector_class"):
            raise TypeError(f"{cls.__name__} must name the class of its lanes as vector_class.")
        parameters = full_signature(cls.vector_class).parameters.values()
        cls.__signature__ = inspect.Signature([each for each in parameters if each.name not in VECTOR_KEYWORDS])  # type: ignore[attr-defined]
        cls.__doc__ = with_retina_arguments(cls.__doc__)

    def __init__(self, **kwargs: Any) -> None:
        for name in VECTOR_KEYWORDS:
            if name in kwargs:
                way = "gymnasium.make or make_vec" if name == "max_episode_steps" else "gymnasium.make_vec"
                raise BadArgument(f"{name} is no keyword of a single environment: use {way}.")
        check_keywords(type(self).__name__, kwargs, [*inspect.signature(type(self)).parameters])
        self._take(self.vector_class(num_envs=1, autoreset_mode=AutoresetMode.DISABLED, **kwargs))

    def _take(self, lane: RetinaVectorEnv) -> None:
        """Makes a vector environment of one lane this environment."""
        self.lane = lane
        self.metadata = {key: value for key, value in self.lane.metadata.items() if key != "autoreset_mode"}
        self.render_mode = self.lane.render_mode
        self.observation_space = self.lane.single_observation_space
        self.action_space = self.lane.single_action_space

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begins an episode; `options` as in the vector environment, less "reset_mask"."""
        super().reset(seed=seed)
        self.lane._generators[0] = self.np_random
        if seed is not None:
            self.lane.rewind()
        observation, info = self.lane.reset(options=options)
        return self.lane._of_lane(observation, 0), self._told(info)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """One action, as in Gymnasium; after the end of an episode it raises `ResetNeeded`."""
        if self.lane._over[0]:
            raise gym.error.ResetNeeded("The episode is over, or none has begun: call reset() before step().")
        batch = {name: [value] for name, value in action.items()} if isinstance(action, Mapping) else [action]
        observation, rewards, terminated, truncated, info = self.lane.step(batch)
        seen = self.lane._of_lane(observation, 0)
        return seen, float(rewards[0]), bool(terminated[0]), bool(truncated[0]), self._told(info)

    def _told(self, info: dict[str, Any]) -> dict[str, Any]:
        """The lane's info as a single environment's: Python numbers, or arrays where there are several."""
        return {
            name: values[0].item() if values.ndim == 1 else values[0].copy()
            for name, values in info.items()
            if not name.startswith("_") and info["_" + name][0]
        }

    def look(self, locations: NDArray[Any]) -> NDArray[np.float32]:
        """As `RetinaVectorEnv.look`: glimpses (K, scales * channels, patch_size, patch_size) at locations (K, 2); nothing changes."""
        places = np.asarray(locations)
        if places.ndim != 2:
            raise ValueError(f"locations must be finite numbers of shape (K, 2), got {shown(locations)}.")
        return self.lane.look(places[:, None])[:, 0]

    def render(self) -> NDArray[np.uint8] | None:
        """One frame (height, width, 3) uint8, where the render mode is "rgb_array"."""
        frames = self.lane.render()
        return None if frames is None else frames[0]

    def annotate(self, **bars: Any) -> None:
        """Lets an agent show what it thinks in the next picture: bars such as `probabilities` (K,) or `value` (1,)."""
        self.lane.annotate(**{name: np.asarray(values)[None] for name, values in bars.items()})

    def get_keys_to_action(self) -> dict[tuple[int, ...], Any]:
        """Keys (of pygame) -> action, as `gymnasium.utils.play` takes it: Q W E, A S D, Z X C say where to look.

        There the gaze cannot rest: without such a key the action looks at the centre. `ram-envs play` has the mouse.
        """
        write, actions = self.lane._action_mode.write, {}
        looks = {(): (0.0, 0.0)} | {(ord(key),): (i % 3 - 1.0, i // 3 - 1.0) for i, key in enumerate("qweasdzxc")}
        for keys, choices in self.lane.keys().items():
            for look, (x, y) in looks.items():
                if keys + look:
                    actions[keys + look] = write((0.7 * x, 0.7 * y), choices)
        return actions

    def noop_action(self) -> Any:
        """What is played while no key is pressed, the `noop` of `gymnasium.utils.play`."""
        return self.lane._action_mode.write((0.0, 0.0), self.lane.keys().get((), {}))

    def close(self) -> None:
        """Closes the window, if one was opened; twice is fine."""
        self.lane.close_extras()
