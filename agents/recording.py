"""Episodes of a trained agent as pictures, or as the data of pictures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from agents.checkpoint import load_agent, load_checkpoint
from agents.evaluation import make_envs, prepare_torch
from agents.ram_agent import Decision
from agents.rollout import collect_rollout
from ram_envs.rendering import View


def watch_episodes(
    checkpoint: Path,
    show: Callable[[View], None],
    *,
    episodes: int = 1,
    seed: int = 0,
    env: str | None = None,
    env_args: tuple[str, ...] = (),
    price: float | None = None,
) -> int:
    """Lets an agent play, greedily, on episodes that it has not seen; returns how many ended in success.

    Args:
        checkpoint: of the agent.
        show: called with what there is to see at every step, and once more when an episode is over.
        episodes: how many.
        seed: of the first; the same seed shows the same ones.
        env: another environment than that of the training.
        env_args: keywords of the environment that replace those of the training.
        price: of a glimpse, told to an agent with a `price_range`.

    Raises:
        ValueError: if the environment's glimpses or choices are not those that the agent was trained with.
    """
    config = load_checkpoint(checkpoint)["config"]
    config = replace(config, env=env or config.env, env_args=(*config.env_args, *env_args))
    prepare_torch(config)
    split = {"split": "test"} if "MNIST" in config.env else {}
    envs = make_envs(config, 1, render_mode="rgb_array", **split)
    agent = load_agent(checkpoint, envs)

    def see(decision: Decision) -> None:
        bars = {name: torch.softmax(logits, -1).numpy() for name, logits in decision.logits.items()}
        envs.unwrapped.annotate(**bars, value=decision.baseline.clamp(0, 1)[:, None].numpy())
        show(envs.unwrapped.view())

    succeeded = 0
    with torch.no_grad():
        for episode in range(episodes):
            rollout = collect_rollout(agent, envs, seed=seed + episode, greedy=True, prices=price, watch=see)
            succeeded += int(rollout.successes.sum())
            show(envs.unwrapped.view())
    envs.close()
    return succeeded
