"""Scores a Stable-Baselines3 model on the episodes that our agent is scored on.

Axes: B lanes.
"""

from __future__ import annotations

import math
from typing import Any, Protocol

import numpy as np
from gymnasium import spaces

from agents.config import Config
from agents.evaluation import CATCH_GAMES, CATCH_SEEDS, Score, make_envs
from agents.sb3_vec_env import read_hybrid


class Predicts(Protocol):
    """What every model of Stable-Baselines3 can do: batches of observations in, actions and its memory out."""

    def predict(
        self, observation: Any, state: Any = None, episode_start: Any = None, deterministic: bool = False
    ) -> tuple[Any, Any]:
        """See `stable_baselines3.common.base_class.BaseAlgorithm.predict`."""


def evaluate_model(
    model: Predicts, config: Config, split: str = "test", *, episodes: int | None = None, lanes: int = 500
) -> Score:
    """Plays every image of the split once, or the split's fresh games of Catch: `agents.evaluation.evaluate` of a model.

    Args:
        model: who plays, with its likeliest actions.
        config: whose environment; in the action mode "dict" the model's actions are those of `hybrid_space`.
        split: "validation" or "test".
        episodes: how many; None for all images of the split, or as many games as `CATCH_GAMES` has.
        lanes: episodes at a time.
    """
    digits = "GlimpseMNIST" in config.env
    envs = make_envs(config, lanes, **({"split": split} if digits else {}))
    total = len(envs.unwrapped.data) if digits else CATCH_GAMES[split]
    total = min(episodes or total, total)
    successes: list[bool] = []
    glimpses: list[int] = []
    distances: list[list[float]] = []  # of each step, of the lanes still playing
    for first in range(0, total, lanes):
        index = np.arange(first, first + lanes)
        options = {"index": np.minimum(index, total - 1)} if digits else None
        right, taken, steps = _play(model, envs, CATCH_SEEDS[split] + first, options, index < total)
        successes += right.tolist()
        glimpses += taken.tolist()
        distances += [[] for _ in range(len(steps) - len(distances))]
        for known, found in zip(distances, steps, strict=False):
            known += found.tolist()
    envs.close()
    success = float(np.mean(successes))
    return Score(
        episodes=total,
        success=success,
        standard_error=math.sqrt(success * (1 - success) / total),
        error_percent=100 * (1 - success),
        mean_glimpses=float(np.mean(glimpses)),
        gaze_distance=[round(float(np.mean(step)), 4) for step in distances if step],
    )


def _play(model: Predicts, envs: Any, seed: int, options: dict[str, Any] | None, counted: Any) -> tuple[Any, Any, Any]:
    """One episode per lane; of the lanes counted: successes, glimpses taken, and per step the distances of the gaze (playing,)."""
    observation, info = envs.reset(seed=seed, options=options)
    space = envs.single_action_space
    state, over = None, np.zeros(envs.num_envs, np.bool_)
    start, right, distances = ~over, over.copy(), []
    while not over.all():
        location = observation["location"] if isinstance(observation, dict) else observation[:, -2:]  # (B, 2)
        off = np.linalg.norm(location - info["target_location"], axis=1)
        distances.append(off[counted & ~over])
        actions, state = model.predict(observation, state, start, deterministic=True)
        actions = read_hybrid(actions, space) if isinstance(space, spaces.Dict) else actions
        observation, _, over, _, info = envs.step(actions)
        right |= info.get("is_success", False) & info.get("_is_success", False)
        start = np.zeros_like(over)
    return right[counted], info["num_glimpses"][counted], distances
