"""Scores a Stable-Baselines3 model on the episodes that our agent is scored on.

Axes: B lanes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from gymnasium import spaces

from agents.experiment.episodes import (
    FRESH_SEEDS,
    Batch,
    HeldOutEpisodes,
    told_successes,
    told_targets,
    warn_of_no_end,
)
from agents.experiment.score import Score, count_looks
from agents.experiment.settings import ExperimentConfig
from agents.sb3.vec_env import read_hybrid, with_gaze
from ram_envs.rendering import View


class Predicts(Protocol):
    """What every model of Stable-Baselines3 can do: batches of observations in, actions and its memory out."""

    def predict(
        self, observation: Any, state: Any = None, episode_start: Any = None, deterministic: bool = False
    ) -> tuple[Any, Any]:
        """See `stable_baselines3.common.base_class.BaseAlgorithm.predict`."""


def evaluate(
    model: Predicts,
    config: ExperimentConfig,
    split: str = "test",
    *,
    episodes: int | None = None,
    lanes: int | None = None,
    gaze: str = "learned",
) -> Score:
    """Plays every image of the split once, or the split's fresh episodes, as our agent is scored.

    Args:
        model: who plays, with its likeliest actions.
        config: whose environment; in the action mode "dict" the model's actions are those of `hybrid_space`.
        split: "validation" or "test".
        episodes: how many; None for all, see `HeldOutEpisodes`.
        lanes: episodes at a time; None for as many as fit, see `HeldOutEpisodes`.
        gaze: in the action mode "dict", who looks, see `with_gaze`.
    """
    held_out = HeldOutEpisodes(config, split, episodes, lanes)
    looks = count_looks(np.zeros((0, 2)))
    successes: list[bool] = []
    returns: list[float] = []
    told = False
    glimpses: list[int] = []
    distances: list[list[float]] = []  # of each step, of the lanes still playing
    generator = np.random.default_rng(0)
    for batch in held_out:
        right, tells, earned, taken, steps, seen_from = _play(model, held_out.envs, batch, gaze, generator)
        looks += count_looks(seen_from)
        told |= tells
        successes += right.tolist()
        returns += earned.tolist()
        glimpses += taken.tolist()
        held_out.glimpses += int(taken.sum())
        distances += [[] for _ in range(len(steps) - len(distances))]
        for known, found in zip(distances, steps, strict=False):
            known += found.tolist()
    held_out.envs.close()
    if not told:
        return Score.of_returns(np.array(returns), np.array(glimpses), looks)
    means = [float(np.mean(step)) for step in distances if step]
    return Score.of(np.array(successes), np.array(glimpses), means or None, looks)


def play_episodes(model: Predicts, envs: Any, gaze: str, show: Callable[[View], None], episodes: int) -> None:
    """Plays that many validation episodes, one after the other.

    Args:
        model: who plays, with its likeliest actions.
        envs: of the validation split with one lane, drawn.
        gaze: who looks, see `evaluate`.
        show: called with what there is to see at every step, and once more when an episode is over.
        episodes: how many.
    """
    generator = np.random.default_rng(0)
    for seed in range(episodes):
        one = Batch(FRESH_SEEDS["validation"] + seed, None, np.ones(1, np.bool_))
        _play(model, envs, one, gaze, generator, lambda: show(envs.unwrapped.view()))
        show(envs.unwrapped.view())


def _play(
    model: Predicts,
    envs: Any,
    batch: Batch,
    gaze: str,
    generator: np.random.Generator,
    see: Callable[[], None] = lambda: None,
) -> tuple[Any, bool, Any, Any, Any, Any]:
    """One episode per lane; of the lanes counted: successes, and whether the world tells of any; returns, glimpses taken, per step the
    distances of the gaze (playing,), and where all glimpses were taken (glimpses, 2)."""
    observation, info = envs.reset(seed=batch.seed, options=batch.options)
    space = envs.single_action_space
    state, over = None, np.zeros(envs.num_envs, np.bool_)
    start, right, told, returns = ~over, over.copy(), False, np.zeros(envs.num_envs)
    distances, looks, steps = [], [], 0
    while not over.all():
        see()
        playing, locations = batch.counted & ~over, envs.unwrapped.locations
        looks.append(locations[playing])
        targets = told_targets(envs, info)
        if targets is not None:
            off = np.linalg.norm(locations[:, None] - targets.reshape(len(targets), -1, 2), axis=2).min(1)
            distances.append(off[playing])
        actions, state = model.predict(observation, state, start, deterministic=True)
        if isinstance(space, spaces.Dict):
            actions = with_gaze(gaze, read_hybrid(actions, space), generator, envs)
        observation, rewards, terminated, truncated, info = envs.step(actions)
        was_over, over = over, terminated | truncated
        returns += rewards
        if (successes := told_successes(info)) is not None:
            told, right = True, right | successes & over & ~was_over
        warn_of_no_end(steps := steps + 1)
        start = np.zeros_like(over)
    taken = info["num_glimpses"][batch.counted]
    return right[batch.counted], told, returns[batch.counted], taken, distances, np.concatenate(looks)
