"""Scores a classifier on the scenes that an agent is scored on.

Axes: B batch, C channels, H and W the scene's sides.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from agents.classifiers.config import ClassifierConfig
from agents.experiment.episodes import HeldOutEpisodes, make_envs
from agents.experiment.score import Score


def held_out_scenes(config: ClassifierConfig, split: str, lanes: int | None = None) -> Iterator[tuple[Tensor, Tensor]]:
    """Every scene of a split once, (B, C, H, W), with its labels (B,): those that an agent is scored on.

    They come from the environment itself, through a retina as wide as the scene.
    """
    side = max(make_envs(config, 1).unwrapped.screen[:2])
    whole = {"patch_size": side, "num_scales": 1, "initial_location": "center"}
    held_out = HeldOutEpisodes(config, split, lanes=lanes, **whole)
    for batch in held_out:
        observation, info = held_out.envs.reset(options=batch.options)
        scenes, labels = observation["glimpse"][batch.counted], info["label"][batch.counted]
        yield torch.from_numpy(scenes), torch.from_numpy(labels)
    held_out.envs.close()


def evaluate(network: nn.Module, config: ClassifierConfig, split: str) -> Score:
    """Scores a network on every scene of a split."""
    device = next(network.parameters()).device
    right: list[bool] = []
    with torch.no_grad():
        for scenes, labels in held_out_scenes(config, split):
            right += (network(scenes.to(device)).argmax(1).cpu() == labels).tolist()
    return Score.of(np.array(right))
