"""Scores a classifier on the scenes that an agent is scored on.

Axes: B batch, C channels, H and W the scene's sides.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from agents.classifiers.config import ClassifierConfig
from agents.experiment.device import autocast
from agents.experiment.episodes import HeldOutEpisodes
from agents.experiment.score import Score


def held_out_scenes(
    config: ClassifierConfig, split: str, episodes: int | None = None, lanes: int | None = None
) -> Iterator[tuple[Tensor, Tensor]]:
    """Every scene of a split once, (B, C, H, W), with its labels (B,): those that an agent is scored on."""
    held_out = HeldOutEpisodes(config, split, episodes, lanes)
    world = held_out.envs.unwrapped
    for batch in held_out:
        assert batch.options is not None, "Labelled scenes are chosen by their number."
        index = batch.options["index"][batch.counted]
        scenes, labels = world.whole_scenes(index, world.held_out_draws(index)[:, 3:])
        yield torch.from_numpy(scenes).permute(0, 3, 1, 2).float() / 255, torch.from_numpy(labels)
    held_out.envs.close()


def evaluate(network: nn.Module, config: ClassifierConfig, split: str, episodes: int | None = None) -> Score:
    """Scores a network on every scene of a split or on the first few, as many at once as an update has."""
    device, training = next(network.parameters()).device, network.training
    right: list[Tensor] = []
    network.eval()
    with torch.no_grad(), autocast(config, device):
        for scenes, labels in held_out_scenes(config, split, episodes):
            named = [network(part.to(device)).argmax(1) for part in torch.split(scenes, config.optimizer.batch_size)]
            right.append(torch.cat(named).cpu() == labels)
    network.train(training)
    return Score.of(torch.cat(right).numpy())
