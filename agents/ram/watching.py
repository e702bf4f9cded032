"""Episodes of a trained agent as the data of pictures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from agents.experiment.device import prepare_torch
from agents.experiment.episodes import make_split
from agents.experiment.score import Score
from agents.ram.agent import RecurrentAttentionAgent
from agents.ram.checkpoint import load_agent, load_state
from agents.ram.config import Config
from agents.ram.decisions import Decision
from agents.ram.rollout import collect_rollout
from ram_envs.rendering import View


def watch_episodes(
    checkpoint: Path,
    show: Callable[[View], None],
    config: Config | None = None,
    *,
    episodes: int = 1,
    seed: int = 0,
    price: float | None = None,
) -> Score:
    """Lets an agent play, greedily, on validation episodes, which it did not learn from.

    Args:
        checkpoint: of the agent.
        show: called with what there is to see at every step, and once more when an episode is over.
        config: whose environment; None for the agent's own.
        episodes: how many.
        seed: of the first; the same seed shows the same ones.
        price: of a glimpse, told to an agent with a `price_range`.

    Raises:
        ValueError: if the environment's glimpses or choices are not those that the agent was trained with.
    """
    config = config or load_state(checkpoint)["config"].but(run={"device": "cpu"})
    prepare_torch(config)
    envs = make_split(config, 1, "validation", render_mode="rgb_array")
    return play_episodes(load_agent(checkpoint, envs), envs, show, episodes, seed, price)


def play_episodes(
    agent: RecurrentAttentionAgent,
    envs: Any,
    show: Callable[[View], None],
    episodes: int = 1,
    seed: int = 0,
    price: float | None = None,
) -> Score:
    """Lets an agent play, greedily, in the one lane of an environment, which is closed then.

    Args:
        agent: who plays.
        envs: with one lane, drawn.
        show: see `watch_episodes`.
        episodes: how many.
        seed: of the first.
        price: see `watch_episodes`.
    """

    def see(decision: Decision) -> None:
        bars = {"value": decision.baseline.clamp(0, 1)[:, None].cpu().numpy()}
        bars |= {name: torch.softmax(logits, -1).cpu().numpy() for name, logits in decision.logits.items()}
        envs.unwrapped.annotate(**bars)
        show(envs.unwrapped.view())

    rollouts = []
    with torch.no_grad():
        for episode in range(episodes):
            rollouts.append(collect_rollout(agent, envs, seed=seed + episode, greedy=True, prices=price, watch=see))
            show(envs.unwrapped.view())
    envs.close()
    glimpses = np.concatenate([rollout.num_glimpses.cpu().numpy() for rollout in rollouts])
    if not any(rollout.tells_success for rollout in rollouts):
        return Score.of_returns(np.array([float(rollout.rewards.sum()) for rollout in rollouts]), glimpses)
    return Score.of(np.concatenate([rollout.successes.cpu().numpy() for rollout in rollouts]), glimpses)
