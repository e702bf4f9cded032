"""The paper's fully connected and convolutional networks, which see the whole scene at once: settings, networks, scores.

Axes: B batch, C channels, H and W the scene's sides.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from agents.config import Config, Settings
from agents.evaluation import make_envs
from agents.presets import EPOCH

KERNEL, STRIDE = 10, 5


@dataclass(frozen=True)
class ClassifierConfig(Settings):
    """Settings of a classifier's training."""

    env: str = "GlimpseMNIST-v0"
    """Id of the environment whose scenes are classified."""
    name: str = ""
    """Name of the preset, for the run's folder and results."""
    filters: int = 0
    """Filters of a convolution of 10x10 with stride 5 that comes first; 0 for none."""
    hidden_sizes: tuple[int, ...] = (256, 256)
    """Rectifiers of each fully connected layer."""
    seed: int = 1
    """Seed of the weights and the scenes."""
    learning_rate: float = 1e-3
    """Initial learning rate of Adam; it falls to 0 as a cosine."""
    weight_decay: float = 0.0
    """Decoupled weight decay of Adam."""
    batch_size: int = 128
    """Scenes of one update."""
    total_episodes: int = 60 * EPOCH
    """Scenes of the whole training; an epoch of MNIST has 55,000."""
    evaluations: int = 10
    """How often the network is scored on the validation scenes during training; a checkpoint is written each time."""
    score_test: bool = True
    """Whether a finished run is scored on the test scenes too; turn it off while choosing settings."""
    report_every: int = 100
    """Updates between two reports."""
    device: str = "auto"
    """"cpu", "cuda", or "auto": a GPU if there is one."""
    threads: int = 1
    """CPU threads."""
    matmul_precision: Literal["highest", "high", "medium"] = "highest"
    """PyTorch's float32 matmul precision; bfloat16 ("medium") is no faster in networks this small."""

    def __post_init__(self) -> None:
        if "GlimpseMNIST" not in self.env:
            raise ValueError(f"env must be one of the GlimpseMNIST environments, got {self.env!r}.")
        for name in ("learning_rate", "batch_size", "total_episodes", "report_every", "threads"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above 0, got {getattr(self, name)!r}.")
        if self.filters < 0 or any(size < 1 for size in self.hidden_sizes):
            raise ValueError(f"A layer cannot have {min(self.filters, *self.hidden_sizes)} units.")

    @property
    def total_updates(self) -> int:
        """Updates of the whole training."""
        return max(1, self.total_episodes // self.batch_size)

    def shared(self) -> Config:
        """The settings that an agent's run has too."""
        names = {setting.name for setting in fields(Config)}
        return Config(**{name: value for name, value in asdict(self).items() if name in names})


def _rows() -> dict[str, ClassifierConfig]:
    """One preset per row of the paper's tables that a network without attention is in."""
    mnist = ClassifierConfig()
    wide = replace(mnist, total_episodes=100 * EPOCH)
    translated = replace(wide, env="GlimpseMNIST-Translated60-v0")
    cluttered = replace(wide, env="GlimpseMNIST-Cluttered60-v0")
    large = replace(wide, env="GlimpseMNIST-Cluttered100-v0")
    rows = {
        "mnist-fc256": mnist,
        "mnist-conv": replace(mnist, filters=8, hidden_sizes=(256,)),
        "translated60-fc64": replace(translated, hidden_sizes=(64, 64)),
        "translated60-fc256": translated,
        "translated60-conv": replace(translated, filters=16, hidden_sizes=(256,)),
        "cluttered60-fc64": replace(cluttered, hidden_sizes=(64, 64)),
        "cluttered60-fc256": cluttered,
        "cluttered60-conv": replace(cluttered, filters=8, hidden_sizes=(256,)),
        "cluttered100-conv": replace(large, filters=8, hidden_sizes=(86,)),
    }
    return {name: replace(config, name=name) for name, config in rows.items()}


CLASSIFIERS: dict[str, ClassifierConfig] = _rows()
"""Name -> settings."""


def make_network(config: ClassifierConfig, scene_shape: tuple[int, int, int], num_classes: int) -> nn.Sequential:
    """Scenes (B, C, H, W) in [0, 1] -> logits (B, num_classes): Mnih et al. 2014, section 4.1, "Models"."""
    channels, height, width = scene_shape
    layers: list[nn.Module] = []
    if config.filters:
        layers += [nn.Conv2d(channels, config.filters, KERNEL, STRIDE), nn.ReLU()]
        height, width = ((side - KERNEL) // STRIDE + 1 for side in (height, width))
        channels = config.filters
    layers.append(nn.Flatten())
    size = channels * height * width
    for hidden_size in config.hidden_sizes:
        layers += [nn.Linear(size, hidden_size), nn.ReLU()]
        size = hidden_size
    return nn.Sequential(*layers, nn.Linear(size, num_classes))


def held_out_scenes(config: ClassifierConfig, split: str, lanes: int = 500) -> Iterator[tuple[Tensor, Tensor]]:
    """Every scene of a split once, (B, C, H, W), with its labels (B,): those that an agent is scored on.

    They come from the environment itself, through a retina as wide as the scene.
    """
    side = make_envs(config.shared(), 1, split=split).unwrapped.recipe.canvas[0]
    envs = make_envs(config.shared(), lanes, split=split, patch_size=side, num_scales=1, initial_location="center")
    total = len(envs.unwrapped.data)
    for first in range(0, total, lanes):
        index = np.arange(first, first + lanes)
        observation, info = envs.reset(options={"index": np.minimum(index, total - 1)})
        scenes, labels = observation["glimpse"][index < total], info["label"][index < total]
        yield torch.from_numpy(scenes), torch.from_numpy(labels)
    envs.close()


def score_classifier(network: nn.Module, config: ClassifierConfig, split: str) -> dict[str, float]:
    """Scores a network on every scene of a split."""
    device = next(network.parameters()).device
    right: list[bool] = []
    with torch.no_grad():
        for scenes, labels in held_out_scenes(config, split):
            right += (network(scenes.to(device)).argmax(1).cpu() == labels).tolist()
    success = sum(right) / len(right)
    return {
        "episodes": len(right),
        "success": success,
        "standard_error": math.sqrt(success * (1 - success) / len(right)),
        "error_percent": 100 * (1 - success),
    }


def describe(score: dict[str, float]) -> str:
    """A score in one line."""
    return f"error {score['error_percent']:.2f} % +- {100 * score['standard_error']:.2f}"
