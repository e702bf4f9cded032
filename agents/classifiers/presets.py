"""The networks without attention in the paper's tables, as settings."""

from __future__ import annotations

from agents.classifiers.config import ClassifierConfig

EPOCH = 55_000  # training digits of MNIST


def _rows() -> dict[str, ClassifierConfig]:
    """One preset per row of the paper's tables that a network without attention is in."""
    mnist = ClassifierConfig()
    wide = mnist.but(run={"episodes": 100 * EPOCH})
    translated = wide.but(env="GlimpseMNIST-Translated60-v0")
    cluttered = wide.but(env="GlimpseMNIST-Cluttered60-v0")
    large = wide.but(env="GlimpseMNIST-Cluttered100-v0")
    small, convolution = {"hidden_sizes": (64, 64)}, {"filters": 8, "hidden_sizes": (256,)}
    rows = {
        "mnist-fc256": mnist,
        "mnist-conv": mnist.but(network=convolution),
        "translated60-fc64": translated.but(network=small),
        "translated60-fc256": translated,
        "translated60-conv": translated.but(network={"filters": 16, "hidden_sizes": (256,)}),
        "cluttered60-fc64": cluttered.but(network=small),
        "cluttered60-fc256": cluttered,
        "cluttered60-conv": cluttered.but(network=convolution),
        "cluttered100-conv": large.but(network={"filters": 8, "hidden_sizes": (86,)}),
    }
    return {name: config.but(name=name) for name, config in rows.items()}


PRESETS: dict[str, ClassifierConfig] = _rows()
"""Name -> settings."""
