"""Scores a trained agent on episodes that it has not seen.

python agents/evaluate_ram.py --checkpoint results/catch.pt
"""

from __future__ import annotations

import sys
from pathlib import Path

if not __package__:  # run as a file: import from the repository, not from agents/
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from agents.ram.command_line import evaluate_command

if __name__ == "__main__":
    evaluate_command()
