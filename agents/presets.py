"""Settings that are known to train well, each named for what it reproduces."""

from __future__ import annotations

from dataclasses import replace

from agents.config import Config

_DIGITS = Config(
    location_hidden=128, location_std=0.05, optimizer="adam", learning_rate=1e-3, annealing="cosine", batch_size=128,
    total_episodes=55_000 * 90,
)  # fmt: skip
_CATCH = Config(
    env="CatchBall-v0", name="catch", core="lstm", previous_action=True, glimpse_scaling="sum", supervised=False,
    location_std=0.2, discount=0.99, gae_lambda=0.95, normalize_advantages=True, entropy_bonus=0.005,
    reinforce_into_core=1.0, baseline_into_core=1.0, optimizer="adam", learning_rate=1e-3, annealing="linear",
    max_grad_norm=1.0, batch_size=128, total_episodes=8_000_000 // 23,
)  # fmt: skip
_CLUTTERED = replace(
    _DIGITS, env="GlimpseMNIST-Cluttered60-v0", env_args=("initial_location=center",), pathways="separate",
    normalize_advantages=True, gae_lambda=0.9, location_std=0.4, location_std_final=0.08,
)  # fmt: skip

PRESETS: dict[str, Config] = {
    "mnist": replace(_DIGITS, name="mnist"),
    "catch": _CATCH,
    "cluttered60-8": replace(_CLUTTERED, name="cluttered60-8"),
}
"""Name -> settings."""

DEFAULTS = {"GlimpseMNIST-v0": "mnist", "CatchBall-v0": "catch"}
"""Id of an environment -> name of the preset that `--env` alone takes."""
