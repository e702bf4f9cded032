"""Scores an agent: greedy, one rollout per episode, every image of a split exactly once."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from gymnasium.vector import AutoresetMode

import ram_envs  # noqa: F401  registers the environments
from agents.config import Config
from agents.ram_agent import RecurrentAttentionAgent, multiplies_bfloat16
from agents.rollout import collect_rollout

CATCH_GAMES = {"validation": 5_000, "test": 20_000}
CATCH_SEEDS = {"validation": 10_000_000, "test": 20_000_000}  # far from the seeds of training


@dataclass(frozen=True)
class Score:
    """What an evaluation found.

    Attributes:
        episodes: how many were played, one rollout each.
        success: share of right answers, or of games in which every ball was caught.
        standard_error: of `success`.
        error_percent: 100 * (1 - success).
        mean_glimpses: glimpses taken per episode.
        gaze_distance: mean distance of each glimpse from the digit or the ball, first glimpse first, in half image sides.
    """

    episodes: int
    success: float
    standard_error: float
    error_percent: float
    mean_glimpses: float
    gaze_distance: list[float]

    def to_dict(self) -> dict[str, Any]:
        """As JSON takes it."""
        return asdict(self)


def prepare_torch(config: Config) -> torch.device:
    """Sets threads and precision as in the training, so that scores are the same ones; returns the device to train on."""
    torch.set_num_threads(config.threads)
    automatic = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(automatic if config.device == "auto" else config.device)
    precision = "medium" if config.matmul_precision == "bfloat16" else config.matmul_precision
    torch.set_float32_matmul_precision(precision if multiplies_bfloat16(device.type) else "highest")
    return device


def make_envs(config: Config, num_envs: int, **kwargs: Any) -> Any:
    """The vector environment of a configuration, in the form that the agent takes.

    Raises:
        ValueError: if the environment has no such keywords as `env_args` names.
    """
    form = {"obs_mode": "dict", "action_mode": "dict", "autoreset_mode": AutoresetMode.DISABLED}
    try:
        return gym.make_vec(config.env, num_envs=num_envs, **{**form, **config.env_kwargs(), **kwargs})
    except TypeError as error:
        raise ValueError(f"{config.env} does not take env_args {' '.join(config.env_args)}: {error}") from None


def evaluate(
    agent: RecurrentAttentionAgent,
    config: Config,
    split: str = "test",
    *,
    episodes: int | None = None,
    gaze: str = "agent",
    greedy: bool = True,
    price: float | None = None,
    lanes: int = 500,
) -> Score:
    """Plays every image of the split once, or the split's fresh games of Catch.

    Args:
        agent: who plays; its state is left as it is.
        config: whose environment.
        split: "validation" or "test".
        episodes: how many; None for all images of the split, or as many games as `CATCH_GAMES` has.
        gaze: see `collect_rollout`.
        greedy: the mean location and the likeliest options instead of samples.
        price: of a glimpse, told to an agent with a `price_range`.
        lanes: episodes at a time.
    """
    digits = "GlimpseMNIST" in config.env
    envs = make_envs(config, lanes, **({"split": split} if digits else {}))
    total = len(envs.unwrapped.data) if digits else CATCH_GAMES[split]
    total = min(episodes or total, total)
    generator = torch.Generator(next(agent.parameters()).device).manual_seed(0)
    successes, glimpses = [], []
    distances = np.zeros((2, 0))  # sums over the episodes that had such a glimpse, and how many these were
    with torch.no_grad():
        for first in range(0, total, lanes):
            index = np.arange(first, first + lanes)
            counted = index < total
            rollout = collect_rollout(
                agent,
                envs,
                seed=CATCH_SEEDS[split] + first,
                options={"index": np.minimum(index, total - 1)} if digits else None,
                greedy=greedy,
                generator=generator,
                gaze=gaze,
                prices=price,
            )
            successes.append(rollout.successes.numpy()[counted])
            glimpses.append(rollout.num_glimpses.numpy()[counted])
            keep = torch.from_numpy(counted).to(rollout.active)
            playing = rollout.active * keep
            found = torch.stack([(rollout.target_distances * playing).sum(1), playing.sum(1)]).cpu().numpy()  # (2, T)
            longest = max(distances.shape[1], found.shape[1])
            before, found = (np.pad(part, ((0, 0), (0, longest - part.shape[1]))) for part in (distances, found))
            distances = before + found
    envs.close()
    success = float(np.concatenate(successes).mean())
    return Score(
        episodes=total,
        success=success,
        standard_error=math.sqrt(success * (1 - success) / total),
        error_percent=100 * (1 - success),
        mean_glimpses=float(np.concatenate(glimpses).mean()),
        gaze_distance=[round(float(d), 4) for d in distances[0] / np.maximum(distances[1], 1)],
    )
