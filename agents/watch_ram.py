"""Shows a trained agent at work, in a window or in a file.

python agents/watch_ram.py --checkpoint results/catch.pt
python agents/watch_ram.py --checkpoint results/catch.pt --video catch.gif --episodes 3
python agents/watch_ram.py --checkpoint results/cluttered60-8.pt --video last_frame.png --episodes 1
"""

from __future__ import annotations

import sys
from pathlib import Path

if not __package__:  # run as a file: import from the repository, not from agents/
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from agents.ram.command_line import watch_command

if __name__ == "__main__":
    watch_command()
