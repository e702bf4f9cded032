"""The scenes of each update of a classifier's training; threads prepare them ahead where a GPU waits for them.

NumPy draws what decides a scene. A GPU makes the pixels of it itself, where its world has a twin there (`agents.experiment.device_worlds`).

Axes: B batch, C channels, H and W the scene's sides.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from agents.classifiers.config import ClassifierConfig
from agents.experiment.device_worlds import SCENES, has_twin
from agents.experiment.episodes import make_split

AHEAD = 8  # updates that are prepared before they are asked for


class TrainingScenes:
    """Training scenes by the number of the update: what is drawn depends on that and the seed alone.

    Args:
        config: the run's settings; with a GPU, `run.threads` threads prepare scenes.
        device: where the scenes are needed.

    Attributes:
        world: the environment whose scenes these are.
        shape: (C, H, W).
        num_classes: how many answers there are.

    Raises:
        ValueError: if the environment's scenes are not labelled digits or images, or too few of them.
    """

    def __init__(self, config: ClassifierConfig, device: torch.device) -> None:
        envs = make_split(config, 1, "train", training=True).unwrapped
        if not (hasattr(envs, "whole_scenes") and envs.tells_label):
            raise ValueError(
                f"A classifier needs whole scenes with labels, as GlimpseMNIST has them: {config.env} has none."
            )
        self.seed, self.batch_size, self.device = config.seed, config.optimizer.batch_size, device
        if self.batch_size > envs.num_images:
            raise ValueError(
                f"There are {envs.num_images} training images: a batch can be no larger, --optimizer.batch-size {envs.num_images}, got {self.batch_size}."
            )
        self.world = envs
        self.shape: tuple[int, int, int] = (envs.screen[2], *envs.screen[:2])
        self.num_classes = len(envs.class_names)
        self.twin = SCENES[type(envs)](envs, device) if device.type != "cpu" and has_twin(envs) else None
        self.threads = ThreadPoolExecutor(config.run.threads) if device.type == "cuda" else None
        self.ahead: deque[tuple[int, Future[dict[str, Tensor]]]] = deque()

    def of(self, update: int) -> tuple[Tensor, Tensor]:
        """The scenes (B, C, H, W) of an update, in [0, 1], and their labels (B,), on the device."""
        dealt = self._deal(update) if self.threads is None else self._dealt_ahead(update, self.threads)
        parts = {name: part.to(self.device, non_blocking=True) for name, part in dealt.items()}
        scenes = parts["scenes"] if self.twin is None else self.twin.draw(parts, parts)
        return scenes.permute(0, 3, 1, 2).float() / 255, parts["label"]

    def _dealt_ahead(self, update: int, threads: ThreadPoolExecutor) -> dict[str, Tensor]:
        if self.ahead and self.ahead[0][0] != update:  # of a run that went back to a checkpoint
            self.ahead.clear()
        for number in range(update + len(self.ahead), update + AHEAD):
            self.ahead.append((number, threads.submit(self._deal, number)))
        return self.ahead.popleft()[1].result()

    def _deal(self, update: int) -> dict[str, Tensor]:
        """The "label" of each scene of an update, and the "scenes" (B, H, W, C) in bytes, or what a twin draws them of.

        Every epoch has an order of its own.
        """
        count, size = self.world.num_images, self.batch_size
        epoch, place = divmod(update, count // size)
        index = order(count, self.seed, epoch)[place * size : (place + 1) * size]
        if self.world.fixed_scenes:
            draws = self.world.held_out_draws(index)[:, 3:]
        else:
            draws = np.random.default_rng((self.seed, update, 1)).random((size, self.world.scene_draws))
        parts: dict[str, NDArray[Any]]
        if self.twin is None:
            scenes, labels = self.world.whole_scenes(index, draws)
            parts = {"scenes": scenes, "label": labels}
        else:
            numbers, pixels = self.twin.deal(index, draws)
            parts = {**numbers, **pixels}
        dealt = {name: torch.from_numpy(np.ascontiguousarray(part)) for name, part in parts.items()}
        pinned = self.device.type == "cuda"  # so that a copy to the GPU waits for nothing
        return {name: part.pin_memory() if pinned else part for name, part in dealt.items()}


@lru_cache(maxsize=2)
def order(count: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """In which order an epoch walks through the training images."""
    return np.random.default_rng((seed, epoch, 2)).permutation(count)
