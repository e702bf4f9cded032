"""Trains an algorithm of Stable-Baselines3, to compare our agent with. Needs: ram-envs[agents,sb3].

python agents/train_sb3.py --algo recurrent_ppo --policy hybrid --env CatchBall-v0
python agents/train_sb3.py --preset catch-2m-ppo
python agents/train_sb3.py --algo dqn --env GlimpseMNIST-v0 --run.frames 200000
"""

from __future__ import annotations

import sys
from pathlib import Path

if not __package__:  # run as a file: import from the repository, not from agents/
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from agents.sb3.command_line import train_command

if __name__ == "__main__":
    train_command()
