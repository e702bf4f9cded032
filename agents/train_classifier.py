"""Trains a classifier that sees the whole scene: what the paper measures attention against.

python agents/train_classifier.py --preset mnist-fc256
python agents/train_classifier.py --resume runs/FOLDER
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

from agents.classifier_training import train_classifier
from agents.command_line import RunFlags, choose_run, named_preset, one_sentence_errors
from agents.image_classifiers import CLASSIFIERS, ClassifierConfig


@dataclass(frozen=True, kw_only=True)
class ClassifierCommand(RunFlags):
    """Trains a network on whole scenes. `--preset` chooses good settings; every other flag overrides one."""

    config: Annotated[ClassifierConfig, tyro.conf.arg(name="")]


@one_sentence_errors
def main(argv: Sequence[str] | None = None) -> None:
    """`python agents/train_classifier.py`"""
    argv = list(sys.argv[1:] if argv is None else argv)
    default = ClassifierCommand(config=named_preset(argv, CLASSIFIERS) or ClassifierConfig())
    command = tyro.cli(ClassifierCommand, args=argv, default=default, config=(tyro.conf.FlagConversionOff,))
    config, folder = choose_run(command, command.config, argv)
    train_classifier(config, folder, resume=command.resume is not None)


if __name__ == "__main__":
    main()
