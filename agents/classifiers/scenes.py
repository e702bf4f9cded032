"""The scenes of each update of a classifier's training, drawn ahead in threads where a GPU waits for them.

Axes: B batch, C channels, H and W the scene's sides.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from agents.classifiers.config import ClassifierConfig
from agents.experiment.episodes import make_split

AHEAD = 8  # updates whose scenes are drawn, or being drawn, before they are asked for


class TrainingScenes:
    """Training scenes by the number of the update: what is drawn depends on that and the seed alone.

    Args:
        config: the run's settings; with a GPU, `run.threads` threads draw.
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
            raise ValueError(f"batch_size must be at most {envs.num_images}, the training images.")
        self.world = envs
        self.shape: tuple[int, int, int] = (envs.screen[2], *envs.recipe.canvas)
        self.num_classes = len(envs.class_names)
        self.drawers = ThreadPoolExecutor(config.run.threads) if device.type == "cuda" else None
        self.ahead: deque[tuple[int, Future[tuple[Tensor, Tensor]]]] = deque()

    def of(self, update: int) -> tuple[Tensor, Tensor]:
        """The scenes (B, C, H, W) of an update, in [0, 1], and their labels (B,), on the device."""
        scenes, labels = self._draw(update) if self.drawers is None else self._drawn_ahead(update, self.drawers)
        pixels = scenes.to(self.device, non_blocking=True).permute(0, 3, 1, 2)
        return pixels.float() / 255, labels.to(self.device, non_blocking=True)

    def _drawn_ahead(self, update: int, drawers: ThreadPoolExecutor) -> tuple[Tensor, Tensor]:
        if self.ahead and self.ahead[0][0] != update:  # of a run that went back to a checkpoint
            self.ahead.clear()
        for number in range(update + len(self.ahead), update + AHEAD):
            self.ahead.append((number, drawers.submit(self._draw, number)))
        return self.ahead.popleft()[1].result()

    def _draw(self, update: int) -> tuple[Tensor, Tensor]:
        """The scenes of an update as bytes (B, H, W, C), and their labels (B,); every epoch has an order of its own."""
        count, size = self.world.num_images, self.batch_size
        epoch, place = divmod(update, count // size)
        index = order(count, self.seed, epoch)[place * size : (place + 1) * size]
        if self.world.fixed_scenes:
            draws = self.world.held_out_draws(index)[:, 3:]
        else:
            draws = np.random.default_rng((self.seed, update, 1)).random((size, self.world.recipe.num_draws))
        scenes, labels = (torch.from_numpy(found) for found in self.world.whole_scenes(index, draws))
        return (scenes.pin_memory(), labels.pin_memory()) if self.device.type == "cuda" else (scenes, labels)


@lru_cache(maxsize=2)
def order(count: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """In which order an epoch walks through the training images."""
    return np.random.default_rng((seed, epoch, 2)).permutation(count)
