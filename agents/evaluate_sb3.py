"""Scores a trained model of Stable-Baselines3 on episodes that it has not seen. Needs: ram-envs[agents,sb3].

python agents/evaluate_sb3.py --checkpoint runs/FOLDER
python agents/evaluate_sb3.py --checkpoint runs/FOLDER --split validation
"""

from __future__ import annotations

import sys
from pathlib import Path

if not __package__:  # run as a file: import from the repository, not from agents/
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from agents.sb3.command_line import evaluate_command

if __name__ == "__main__":
    evaluate_command()
