"""Trains every row of the paper's tables that has no result yet, resumes what was interrupted, and prints the table.

python agents/reproduce_tables.py                        # everything: days on one core
python agents/reproduce_tables.py --rows mnist-6 catch --seeds 1 2 3
python agents/reproduce_tables.py --device cuda          # every row on a GPU
python agents/reproduce_tables.py --ray                  # as many at once as there are processors; or --ray ADDRESS
python agents/reproduce_tables.py --rows                 # trains nothing; writes the tables into README and docs
"""

from __future__ import annotations

import sys
from pathlib import Path

if not __package__:  # run as a file: import from the repository, not from agents/
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from agents.analysis.reproduction import reproduce_command

if __name__ == "__main__":
    reproduce_command()
