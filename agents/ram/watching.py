"""Episodes of a trained agent as the data of pictures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from agents.experiment.device import prepare_torch
from agents.experiment.episodes import make_split
from agents.experiment.score import Score
from agents.ram.agent import Decision
from agents.ram.checkpoint import load_agent, load_state
from agents.ram.config import Config
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
    """Lets an agent play, greedily, on episodes that it has not seen.

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
    envs = make_split(config, 1, "test", render_mode="rgb_array")
    agent = load_agent(checkpoint, envs)

    def see(decision: Decision) -> None:
        bars = {name: torch.softmax(logits, -1).numpy() for name, logits in decision.logits.items()}
        envs.unwrapped.annotate(**bars, value=decision.baseline.clamp(0, 1)[:, None].numpy())
        show(envs.unwrapped.view())

    rollouts = []
    with torch.no_grad():
        for episode in range(episodes):
            rollouts.append(collect_rollout(agent, envs, seed=seed + episode, greedy=True, prices=price, watch=see))
            show(envs.unwrapped.view())
    envs.close()
    glimpses = np.concatenate([rollout.num_glimpses.numpy() for rollout in rollouts])
    if not any(rollout.tells_success for rollout in rollouts):
        return Score.of_returns(np.array([float(rollout.rewards.sum()) for rollout in rollouts]), glimpses)
    return Score.of(np.concatenate([rollout.successes.numpy() for rollout in rollouts]), glimpses)
