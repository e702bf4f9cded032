"""Trains an algorithm of Stable-Baselines3, to compare our agent with. Needs: ram-envs[agents,sb3].

python agents/train_sb3.py --algo recurrent_ppo --policy hybrid --env CatchBall-v0
python agents/train_sb3.py --preset catch-2m-ppo
python agents/train_sb3.py --algo dqn --env GlimpseMNIST-v0 --frames 200000
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

if not __package__:  # run as a file: import from the repository, not from agents/
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import tyro

from agents.command_line import named_preset, new_folder, one_sentence_errors
from agents.run_folder import CHECKPOINT, METRICS
from agents.sb3_config import SB3_PRESETS, Sb3Config
from agents.sb3_training import MODEL, train_model


@dataclass(frozen=True)
class Sb3Command:
    """Trains by Stable-Baselines3 and scores the model as `evaluate_ram.py` scores our agent."""

    config: Annotated[Sb3Config, tyro.conf.arg(name="")]
    preset: str | None = None
    """Settings to start from, by name."""
    run_dir: Path | None = None
    """Folder of the run; the default is a new one under runs/."""


@one_sentence_errors
def main(argv: Sequence[str] | None = None) -> None:
    """`python agents/train_sb3.py`"""
    argv = list(sys.argv[1:] if argv is None else argv)
    default = Sb3Command(config=named_preset(argv, SB3_PRESETS) or Sb3Config())
    command = tyro.cli(Sb3Command, args=argv, default=default, config=(tyro.conf.FlagConversionOff,))
    folder = command.run_dir or new_folder(command.config.shared())
    if any((folder / name).exists() for name in (MODEL, CHECKPOINT, METRICS)):
        raise ValueError(f"{folder} holds a run already: name another --run-dir.")
    print(f"Training {command.config.shared().name} in {folder}")
    train_model(command.config, folder)


if __name__ == "__main__":
    main()
