"""The paper's fully connected and convolutional networks, which see the whole scene at once."""

from __future__ import annotations

from torch import nn

from agents.classifiers.config import NetworkConfig

KERNEL, STRIDE = 10, 5


def make_network(config: NetworkConfig, scene_shape: tuple[int, int, int], num_classes: int) -> nn.Sequential:
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
