"""Searches for good settings, by the error on the validation episodes. Needs: pip install -e ".[agents,ray]"

python agents/search.py --preset mnist-6-faithful --trials 32 \\
    --space "optimizer.learning_rate=loguniform(1e-3,1e-1)" "gaze.std=loguniform(0.03,0.5)" --run.episodes 110000
"""

from __future__ import annotations

import sys
from pathlib import Path

if not __package__:  # run as a file: import from the repository, not from agents/
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from agents.scaling.search import search_command

if __name__ == "__main__":
    search_command()
