"""Trains the Recurrent Attention Model.

python agents/train_ram.py --env CatchBall-v0
python agents/train_ram.py --preset cluttered60-8 --seed 2
"""

from __future__ import annotations

import sys
from pathlib import Path

if not __package__:  # run as a file: import from the repository, not from agents/
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from agents.ram.command_line import train_command

if __name__ == "__main__":
    train_command()
