"""Worlds of labelled images that live on a device: what a GPU trains in, with the episodes of the NumPy worlds to the last bit.

NumPy draws what decides an episode, with the same generators and seeds: a row of numbers a lane. They go to the device in one copy; scenes, tables,
glimpses, answers and rewards are made and stay there. Neither `reset` nor `step` nor `look` waits for the device, so that the processor
deals the next episodes while it is still at work.

Axes: N lanes, K places in each, D targets, G sprites of a layer, H and W the canvas's sides, C channels.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray
from torch import Tensor

from agents.experiment.device import send
from agents.experiment.torch_sensor import CHUNK, Layer, TorchSensor, draw_layers
from ram_envs.classification import ClassificationVectorEnv
from ram_envs.digit_scenes import clutter_corners, clutter_sources, digit_corners, digit_middles, distorted
from ram_envs.glimpse_digits import GlimpseDigitsVectorEnv, right_answers
from ram_envs.glimpse_mnist import GlimpseMNISTVectorEnv
from ram_envs.glimpse_sensor import to_location

World = TypeVar("World", bound=ClassificationVectorEnv)
Numbers = dict[str, NDArray[Any]]  # name -> (N, ...) numbers that float64 holds exactly
Pixels = dict[str, NDArray[np.uint8]]  # name -> images that NumPy made
FACTS = ("index", "label", "target_location", "target_locations")


def on_device(envs: Any, device: torch.device) -> Any:
    """The vector environment's twin on a GPU; the environment itself on a processor, or where it has no twin.

    A twin takes the action mode "dict", the observations "dict", the autoreset mode DISABLED and tables that fit in half of the GPU's memory.
    """
    if device.type == "cpu" or not has_twin(envs):
        return envs
    if device.type == "cuda":
        height, width, channels = envs.screen
        tables = 4 * (height + 1) * (width + 1) * channels * envs.num_envs
        if 2 * tables > torch.cuda.get_device_properties(device).total_memory:
            return envs
    return DeviceWorld(envs, device)


def has_twin(envs: Any) -> bool:
    """Whether `DeviceWorld` can play the vector environment's episodes."""
    if type(envs) not in SCENES or getattr(envs, "sequence", False):
        return False
    return (
        envs.obs_mode == "dict"
        and {*envs.single_action_space} == {"location", "answer", "stop"}
        and envs.autoreset_mode is AutoresetMode.DISABLED
        and envs.render_mode is None
    )


class Scenes(ABC, Generic[World]):
    """What one kind of world shows: its numbers made by NumPy, its pixels on the device."""

    def __init__(self, envs: World, device: torch.device) -> None:
        self.envs, self.device = envs, device

    @abstractmethod
    def deal(self, indices: NDArray[np.int64], draws: NDArray[np.float64]) -> tuple[Numbers, Pixels]:
        """What `draw` needs for scenes of images (N,) and draws (N, num_draws), and the `FACTS` of them but "index"."""

    @abstractmethod
    def draw(self, numbers: Mapping[str, Tensor], pixels: Mapping[str, Tensor]) -> Tensor:
        """Scenes (N, H, W, C), whole numbers, of what was dealt for them."""


class DigitScenes(Scenes[GlimpseMNISTVectorEnv]):
    """One image and clutter, as `ram_envs.digit_scenes.draw_scenes` draws them."""

    def __init__(self, envs: GlimpseMNISTVectorEnv, device: torch.device) -> None:
        super().__init__(envs, device)
        self.images = torch.tensor(envs.data.images, device=device)

    def deal(self, indices: NDArray[np.int64], draws: NDArray[np.float64]) -> tuple[Numbers, Pixels]:
        images, recipe = self.envs.data.images, self.envs.recipe
        size = images.shape[1:3]
        others, cuts = clutter_sources(draws, indices, images.shape[:3], recipe)
        numbers = {
            "label": self.envs.labels[indices],
            "target_location": to_location(digit_middles(draws, size, recipe), *recipe.canvas),
            "which": indices[:, None],
            "corners": digit_corners(draws, size, recipe)[:, None] + recipe.overhang,
            "others": others,
            "cuts": cuts,
            "places": clutter_corners(draws, recipe) + recipe.overhang,
        }
        if recipe.distortion:
            numbers["which"] = np.arange(len(indices))[:, None]
            return numbers, {"images": distorted(images[indices], draws, recipe)}
        return numbers, {}

    def draw(self, numbers: Mapping[str, Tensor], pixels: Mapping[str, Tensor]) -> Tensor:
        recipe, pool = self.envs.recipe, pixels.get("images", self.images)
        (height, width), over = recipe.canvas, recipe.overhang
        if not (over or recipe.clutter_pieces) and (height, width) == pool.shape[1:3]:
            return pool[numbers["which"][:, 0].long()]
        layers = [Layer(pool, (pool.shape[1], pool.shape[2]), numbers["which"].long(), numbers["corners"].long())]
        if recipe.clutter_pieces:
            others, places, cuts = (numbers[name].long() for name in ("others", "places", "cuts"))
            layers.append(Layer(self.images, (recipe.clutter_size,) * 2, others, places, cuts))
        wide = draw_layers(layers, (height + 2 * over, width + 2 * over))
        return wide[:, over : over + height, over : over + width]


class ScatteredScenes(Scenes[GlimpseDigitsVectorEnv]):
    """Several images, clutter and marks, as `ram_envs.sprites.draw_canvases` draws them."""

    def __init__(self, envs: GlimpseDigitsVectorEnv, device: torch.device) -> None:
        super().__init__(envs, device)
        scatterer = envs.scatterer
        pools = [pool for pool in (scatterer.digits, scatterer.marks) if pool is not None]
        self.pools = {id(pool): torch.tensor(pool, device=device) for pool in pools}  # that are always the same
        example = scatterer.draw(np.zeros((1, envs.recipe.num_draws))).sprites
        self.kinds = [(id(group.pool), group.pool.shape[1:3], group.covers) for group in example]

    def deal(self, indices: NDArray[np.int64], draws: NDArray[np.float64]) -> tuple[Numbers, Pixels]:
        envs = self.envs
        scattered = envs.scatterer.draw(draws)
        numbers: Numbers = {
            "label": right_answers(envs.answer, scattered.labels, envs.data.num_classes)[:, 0],
            "target_locations": to_location(scattered.middles, *envs.recipe.canvas),
        }
        pixels = {}
        for place, group in enumerate(scattered.sprites):
            numbers |= {f"which{place}": group.which, f"corners{place}": group.corners}
            if id(group.pool) not in self.pools:
                pixels[f"pool{place}"] = group.pool
        return numbers, pixels

    def draw(self, numbers: Mapping[str, Tensor], pixels: Mapping[str, Tensor]) -> Tensor:
        layers = []
        for place, (pool, size, covers) in enumerate(self.kinds):
            images = pixels[f"pool{place}"] if pool not in self.pools else self.pools[pool]
            which, corners = (numbers[f"{name}{place}"].long() for name in ("which", "corners"))
            layers.append(Layer(images, size, which, corners, covers=covers))
        return draw_layers(layers, self.envs.recipe.canvas)


SCENES: dict[type[ClassificationVectorEnv], type[Scenes[Any]]] = {
    GlimpseMNISTVectorEnv: DigitScenes,
    GlimpseDigitsVectorEnv: ScatteredScenes,
}
"""Kind of world -> what it shows on a device; a subclass may have other rules, and has no twin."""


class DeviceWorld:
    """Lanes of a world on a device: `reset`, `step` and `look` of its NumPy world, with tensors for arrays.

    Episodes that are over stay as they are, as in the autoreset mode DISABLED. Actions are not checked, which would take
    waiting: what is not finite comes back in the next observation. All else it is asked, its NumPy world says.

    Args:
        envs: the NumPy world, which deals the episodes.
        device: where they are played.
    """

    def __init__(self, envs: ClassificationVectorEnv, device: torch.device) -> None:
        self.envs, self.device = envs, device
        self.scenes = SCENES[type(envs)](envs, device)
        self.retina = TorchSensor(envs.sensor, envs.screen, device)
        height, width, channels = envs.screen
        self.tables = torch.zeros(envs.num_envs, height + 1, width + 1, channels, dtype=torch.int32, device=device)
        self.longest = min(envs.num_glimpses, envs.max_episode_steps or envs.num_glimpses)
        self._all = torch.ones(envs.num_envs, dtype=torch.bool, device=device)
        self._dealt: Tensor | None = None  # (N, numbers of a lane)
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._pixels: dict[str, Tensor] = {}
        self._steps_taken, self._waiting = 0, False

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name == "envs":
            raise AttributeError(name)
        return getattr(self.envs, name)

    @property
    def unwrapped(self) -> DeviceWorld:
        """Itself."""
        return self

    @property
    def all_over(self) -> bool:
        """Whether every episode is over for want of glimpses; whether all were stopped before, nobody asks the device."""
        return self._steps_taken >= self.longest

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Begins an episode in every lane: those that were dealt, or else as in the NumPy world, but without "reset_mask"."""
        if not self._waiting:
            self.deal(seed, options)
        self.take_dealt()
        return self.begin()

    def take_dealt(self) -> None:
        """The episodes that were dealt have begun: the next `reset` deals others."""
        self._waiting = False

    def deal(self, seed: int | Sequence[int | None] | None = None, options: Mapping[str, Any] | None = None) -> None:
        """Sends what decides the next episodes to the device, always to the same place there; `reset` begins them."""
        indices, draws, first = self.envs.deal(seed, options)
        numbers, pixels = self.scenes.deal(indices, draws)
        numbers |= {"index": indices, "first": first.astype(np.float32)}
        count = self.envs.num_envs
        self._shapes = {name: each.shape[1:] for name, each in numbers.items()}
        rows = np.concatenate([each.reshape(count, -1) for each in numbers.values()], axis=1, dtype=np.float64)
        self._dealt = self._send(rows, self._dealt)
        self._pixels = {name: self._send(each, self._pixels.get(name)) for name, each in pixels.items()}
        self._waiting = True

    def _send(self, array: NDArray[Any], place: Tensor | None) -> Tensor:
        """The array on the device, at that place if there is one."""
        source = torch.from_numpy(np.ascontiguousarray(array))
        return send(source, torch.empty_like(source, device=self.device) if place is None else place)

    def begin(self) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Begins the episodes that were dealt: observation and info, as of `reset`."""
        assert self._dealt is not None
        sizes = [int(np.prod(shape)) for shape in self._shapes.values()]
        parts = zip(self._shapes.items(), torch.split(self._dealt, sizes, 1), strict=True)
        numbers = {name: part.reshape(len(part), *shape) for (name, shape), part in parts}
        self._draw(numbers)
        self.facts = {name: numbers[name] for name in FACTS if name in numbers}
        self.facts |= {name: self.facts[name].long() for name in ("index", "label")}
        self._steps_taken, count = 0, self.envs.num_envs
        self.steps = torch.zeros(count, dtype=torch.long, device=self.device)
        self.terminated, self.truncated = ~self._all, ~self._all
        self.locations = numbers["first"].float()
        self.glimpses = self.retina.glimpse(self.tables, self.locations)
        return self._observation(), self._info(~self._all)

    def _draw(self, numbers: Mapping[str, Tensor]) -> None:
        """Makes the tables of the scenes, of as many at a time as `CHUNK` allows."""
        height, width, channels = self.envs.screen
        count = self.envs.num_envs
        chunk = max(1, CHUNK // (height * width * channels))
        for first in range(0, count, chunk):
            lanes = slice(first, first + chunk)
            scenes = self.scenes.draw({name: each[lanes] for name, each in numbers.items()}, self._pixels)
            self.retina.tables(scenes, self.tables[lanes])

    def step(
        self, actions: Mapping[str, Tensor]
    ) -> tuple[dict[str, Tensor], Tensor, Tensor, Tensor, dict[str, Tensor]]:
        """One action in every lane: "location" (N, 2), "answer" (N,), "stop" (N,); what comes back is as in the NumPy world."""
        envs, playing = self.envs, ~(self.terminated | self.truncated)
        over = (actions["stop"] == 1) | (self.steps + 1 >= envs.num_glimpses)
        right = over & (actions["answer"] == self.facts["label"])
        rewards = (right.double() - envs.glimpse_cost * (~over).double()) * playing
        self.steps = self.steps + playing
        self._steps_taken += 1
        self.terminated = self.terminated | (playing & over)
        if envs.max_episode_steps is not None:
            self.truncated = self.truncated | (playing & (self.steps >= envs.max_episode_steps))
        if self._steps_taken < envs.num_glimpses:  # or nobody looks again
            looking = (playing & ~self.terminated)[:, None]
            self.locations = torch.where(looking, actions["location"].clamp(-1, 1), self.locations)
            self.glimpses = self.retina.glimpse(self.tables, self.locations)
        return self._observation(), rewards, self.terminated, self.truncated, self._info(playing & right)

    def look(self, locations: Tensor) -> Tensor:
        """What the retina would see at places (K, N, 2): (K, N, scales * channels, patch_size, patch_size); nothing changes."""
        return self.retina.glimpse(self.tables, locations.clamp(-1, 1))

    def _observation(self) -> dict[str, Tensor]:
        return {"glimpse": self.glimpses, "location": self.locations}

    def _info(self, successes: Tensor) -> dict[str, Tensor]:
        told = self.facts if self.envs.privileged_info else {"index": self.facts["index"]}
        info = {"num_glimpses": self.steps + ~self.terminated, "is_success": successes, **told}
        return info | {f"_{name}": self._all for name in info}
