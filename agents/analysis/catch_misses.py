"""Which balls a trained agent misses: by sideways speed, by bounce, by how far the paddle had to go, and where the gaze was.

python agents/analysis/catch_misses.py --checkpoint results/catch.pt
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

if not __package__:  # run as a file: import from the repository, not from agents/
    sys.path[0] = str(Path(__file__).resolve().parents[2])

import numpy as np
import torch
import tyro
from numpy.typing import NDArray

from agents.experiment.command_line import checkpoint_path, command, demand_at_least
from agents.experiment.device import prepare_torch
from agents.experiment.episodes import make_envs
from agents.ram.checkpoint import load_agent, load_state
from agents.ram.rollout import collect_rollout
from ram_envs import catch_game
from ram_envs.catch_ball import CatchBallVectorEnv


@dataclass(frozen=True)
class MissesCommand:
    """Says which balls a trained agent misses."""

    checkpoint: Path
    """The checkpoint, or the folder of a run, of an agent for Catch with one ball."""
    games: int = 20_000
    """How many fresh games."""
    seed: int = 30_000_000
    """Seed of the first."""


@command
def main() -> None:
    """`python agents/analysis/catch_misses.py`"""
    flags = tyro.cli(MissesCommand)
    demand_at_least(1, games=flags.games)
    demand_at_least(0, seed=flags.seed)
    path = checkpoint_path(flags.checkpoint)
    config = load_state(path)["config"].but(run={"device": "cpu"})
    prepare_torch(config)
    envs = make_envs(config, flags.games)
    if not isinstance(envs.unwrapped, CatchBallVectorEnv) or envs.unwrapped.num_balls > 1:
        raise ValueError(f"{path} holds no agent for Catch with one ball.")
    agent = load_agent(path, envs)
    envs.reset(seed=flags.seed)
    paddle = envs.unwrapped._games.paddle.copy()
    with torch.no_grad():
        rollout = collect_rollout(agent, envs, seed=flags.seed, greedy=True)
    game, last = envs.unwrapped._games, envs.unwrapped.screen_size - 1
    missed = ~rollout.successes.numpy()
    landing = game.start + game.speed * last
    bounced = (landing < 0) | (landing > last)
    landing = np.abs((landing + last) % (2 * last) - last)  # folded at the sides
    print(f"missed {100 * missed.mean():.2f} % of {flags.games} games")
    print(f"  of balls that bounced {_rate(missed, bounced)}, of the others {_rate(missed, ~bounced)}")
    ball, edge = catch_game.ball_columns(game, last + 1), 3
    off = np.maximum(game.paddle - ball, ball - game.paddle - catch_game.PADDLE_WIDTH + 1)[missed]
    print(f"  by one column {100 * (off == 1).mean():.0f} % of those missed")
    moves = rollout.choices["move"].numpy() - 1
    paddles = [paddle]
    for move in moves:
        paddles.append(np.clip(paddles[-1] + move, 0, last + 1 - catch_game.PADDLE_WIDTH))
    way = np.maximum(
        np.stack(paddles) - ball, ball - np.stack(paddles) - catch_game.PADDLE_WIDTH + 1
    )  # steps + 1, games
    too_late = (way > last - np.arange(len(paddles))[:, None])[:, missed].argmax(
        0
    )  # the first step with too long a way
    print(
        f"  {100 * (too_late == last).mean():.0f} % of those missed could still have been caught by the very last move"
    )
    by_wall = (ball < edge) | (ball > last - edge)
    print(
        f"  of balls that came down within {edge} columns of a wall {_rate(missed, by_wall)}, of the others {_rate(missed, ~by_wall)}"
    )
    for name, values, edges in (
        ("sideways speed", np.abs(game.speed), np.linspace(0, config.env_kwargs().get("ball_speed", 1.0), 6)),
        ("columns for the paddle to go", np.abs(landing - paddle - 0.5), np.linspace(0, last, 6)),
    ):
        rows = [f"{a:.3g} to {b:.3g}: {_rate(missed, (a <= values) & (values < b))}" for a, b in pairwise(edges)]
        print(f"  by {name}: {', '.join(rows)}")
    for name, which in (("caught", ~missed), ("missed", missed)):
        distances = rollout.target_distances.numpy()[-4:, which].mean(1) * (last + 1) / 2
        print(
            f"  distance of the last four glimpses from the ball, {name}: {', '.join(f'{d:.1f}' for d in distances)} pixels"
        )
    outside = (rollout.locations.abs() > 1).any(-1).float().mean(1)  # the environment moves these to the border
    print(f"  looks aimed beyond the border, by step: {', '.join(f'{100 * share:.0f} %' for share in outside)}")


def _rate(missed: NDArray[np.bool_], which: NDArray[np.bool_]) -> str:
    return f"{100 * missed[which].mean():.2f} %" if which.any() else "none"


if __name__ == "__main__":
    main()
