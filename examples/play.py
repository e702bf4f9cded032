"""Play by hand, through the retina; needs a display. `ram-envs play` does the same.

python examples/play.py --env CatchBall-v0
python examples/play.py --env GlimpseMNIST-Cluttered60-v0 --games 5
"""

import sys

from ram_envs.command_line import main

main(["play", *sys.argv[1:]])
