"""Networks that see the whole scene at once: those of the paper, and a small convolutional one as it is built today.

Axes: B batch, C channels, H and W the scene's sides.
"""

from __future__ import annotations

import torch
from torch import nn

from agents.classifiers.config import NetworkConfig

KERNEL, STRIDE = 10, 5


def make_network(config: NetworkConfig, scene_shape: tuple[int, int, int], num_classes: int) -> nn.Sequential:
    """Scenes (B, C, H, W) in [0, 1] -> logits (B, num_classes)."""
    if config.stages:
        return _modern(config, scene_shape[0], num_classes)
    return _of_the_paper(config, scene_shape, num_classes)


def _of_the_paper(config: NetworkConfig, scene_shape: tuple[int, int, int], num_classes: int) -> nn.Sequential:
    """Mnih et al. 2014, section 4.1, "Models"; the first weights are those of He et al. 2015."""
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
    network = nn.Sequential(*layers, nn.Linear(size, num_classes))
    for layer in network:  # PyTorch's own weights begin 2.4 times as small, and large canvases are then slow to learn
        if isinstance(layer, nn.Linear | nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return network


def _modern(config: NetworkConfig, channels: int, num_classes: int) -> nn.Sequential:
    """Stages of two convolutions of 3x3, the first with stride 2, each with batch norm and rectifiers; then the mean over places."""
    layers: list[nn.Module] = []
    for width in config.stages:
        for stride in (2, 1):
            convolution = nn.Conv2d(channels, width, 3, stride, padding=1, bias=False)  # batch norm has a bias
            layers += [convolution, nn.BatchNorm2d(width), nn.ReLU()]
            channels = width
    network = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, num_classes))
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # as scenes lie in memory: fastest
    return network
