"""Trains a classifier that sees the whole scene: what the paper measures attention against.

python agents/train_classifier.py --preset mnist-fc256
python agents/train_classifier.py --resume runs/FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

if not __package__:  # run as a file: import from the repository, not from agents/
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from agents.classifiers.command_line import train_command

if __name__ == "__main__":
    train_command()
