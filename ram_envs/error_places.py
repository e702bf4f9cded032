"""Where an error comes from, for commands that end with one sentence: a fault in somebody's own world is to be found by it."""

from __future__ import annotations

import sys
import traceback

OURS = ("ram_envs", "agents")  # packages


def told(error: BaseException) -> str:
    """What an error says and, where it was raised in or below somebody's own code, the file and line of that."""
    return f"{error}{place_outside(error)}"


def place_outside(error: BaseException) -> str:
    """The last place that an error went through in code of nobody known: not of this project, of Python, or of what is installed; "" if there is none."""
    place = ""
    for frame, line in traceback.walk_tb(error.__traceback__):
        file, module = frame.f_code.co_filename, frame.f_globals.get("__name__", "")
        installed = file.startswith((sys.prefix, sys.base_prefix, "<")) or "site-packages" in file
        if not installed and module.partition(".")[0] not in OURS:
            place = f" ({file}, line {line}, in {frame.f_code.co_name})"
    return place
