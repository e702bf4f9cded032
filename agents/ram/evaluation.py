"""Scores an agent: greedy, one rollout per episode, every image of a split exactly once."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from agents.experiment.device_worlds import on_device
from agents.experiment.episodes import HeldOutEpisodes
from agents.experiment.score import Score, count_looks
from agents.ram.agent import RecurrentAttentionAgent
from agents.ram.config import Config
from agents.ram.rollout import collect_rollout


def evaluate(
    agent: RecurrentAttentionAgent,
    config: Config,
    split: str = "test",
    *,
    episodes: int | None = None,
    gaze: str = "agent",
    greedy: bool = True,
    price: float | None = None,
    lanes: int | None = None,
    tells_success: bool = False,
) -> Score:
    """Plays every image of the split once, or the split's fresh episodes.

    Args:
        agent: who plays; its state is left as it is.
        config: whose environment.
        split: "validation" or "test".
        episodes: how many; None for all, see `HeldOutEpisodes`.
        gaze: see `collect_rollout`.
        greedy: the mean location and the likeliest options instead of samples.
        price: of a glimpse, told to an agent with a `price_range`.
        lanes: episodes at a time; None for as many as fit, see `HeldOutEpisodes`.
        tells_success: whether the world is known to tell of success, which it may do of successes alone: here there may be none.
    """
    held_out = HeldOutEpisodes(config, split, episodes, lanes)
    envs = on_device(held_out.envs, agent.device)
    generator = torch.Generator(agent.device).manual_seed(0)
    successes, returns, glimpses, told = [], [], [], tells_success
    how: dict[str, Any] = {"greedy": greedy, "generator": generator, "gaze": gaze, "prices": price}
    looks = count_looks(np.zeros((0, 2)))
    distances = np.zeros((2, 0))  # sums over the episodes that had such a glimpse, and how many these were
    with torch.no_grad():
        for batch in held_out:
            rollout = collect_rollout(agent, envs, seed=batch.seed, options=batch.options, keep=False, **how)
            successes.append(rollout.successes.cpu().numpy()[batch.counted])
            told |= rollout.tells_success
            returns.append(rollout.rewards.double().sum(0).cpu().numpy()[batch.counted])
            glimpses.append(rollout.num_glimpses.cpu().numpy()[batch.counted])
            held_out.glimpses += int(glimpses[-1].sum())
            playing = rollout.active * torch.from_numpy(batch.counted).to(rollout.active)
            looks += count_looks(rollout.seen_from.cpu().numpy()[playing.cpu().numpy() > 0])
            known = playing * ~rollout.target_distances.isnan()
            found = torch.stack([(rollout.target_distances.nan_to_num() * known).sum(1), known.sum(1)]).cpu().numpy()
            longest = max(distances.shape[1], found.shape[1])
            before, found = (np.pad(part, ((0, 0), (0, longest - part.shape[1]))) for part in (distances, found))
            distances = before + found
    held_out.envs.close()
    distances = distances[:, distances[1] > 0]  # a world on a device goes on after all have stopped
    means = distances[0] / distances[1]
    if not told:
        return Score.of_returns(np.concatenate(returns), np.concatenate(glimpses), looks)
    return Score.of(np.concatenate(successes), np.concatenate(glimpses), means.tolist() or None, looks)
