"""The console command `ram-envs`: play, list, images, download."""

from __future__ import annotations

import argparse
import ast
import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np

from ram_envs import ENV_IDS, FORMS, OWN_IMAGES
from ram_envs.arguments import check_keywords
from ram_envs.datasets import DATASETS, BadDataFile, DatasetNotFound, fetch
from ram_envs.error_places import told
from ram_envs.image_folder import read_folder
from ram_envs.window import NoDisplay

EXPECTED = (ValueError, TypeError, OSError, DatasetNotFound, BadDataFile, NoDisplay, gym.error.Error)


def main(argv: Sequence[str] | None = None) -> None:
    """`ram-envs`; an error that was foreseen ends it in one sentence."""
    arguments = _parser().parse_args(argv)
    try:
        arguments.run(arguments)
    except EXPECTED as error:
        sys.exit(f"error: {told(error)}")
    except KeyboardInterrupt:
        sys.exit(130)


def _play(arguments: argparse.Namespace) -> None:
    from ram_envs.play import play  # pygame comes with it

    _find(arguments.env)
    play(
        arguments.env,
        games=arguments.games,
        speed=arguments.speed,
        seed=arguments.seed,
        revealed=arguments.reveal,
        size=arguments.size,
        **dict(arguments.env_args),
    )


def _find(env_id: str) -> None:
    """Makes sure that there is such an environment, in a module that is named before it or registered here."""
    module, _, name = env_id.rpartition(":")
    if module and os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())  # as `python` would have it, and this command would not
    try:
        if module:
            importlib.import_module(module)
        gym.spec(name)
    except (ImportError, gym.error.Error) as error:
        known = f"one of {', '.join((*ENV_IDS, OWN_IMAGES))}, another registered id, or MODULE:ID"
        raise ValueError(f"--env must be {known}, got {env_id!r} ({error}).") from None


def _images(arguments: argparse.Namespace) -> None:
    words = dict(arguments.env_args)
    check_keywords("ram-envs images", words, ["validation_share", "test_share", "split_seed"])
    found = read_folder(arguments.folder, **words)
    width = max(map(len, found.class_names))
    print(f"{'':{width}}  {'  '.join(found.splits)}")
    counts = {
        split: np.bincount(files.labels, minlength=len(found.class_names)) for split, files in found.splits.items()
    }
    for label, name in enumerate(found.class_names):
        print(f"{name:{width}}  {'  '.join(f'{count[label]:{len(split)}}' for split, count in counts.items())}")
    sizes = np.concatenate([files.sizes for files in found.splits.values()])
    heights, widths = (
        f"{low}" if low == high else f"{low} to {high}" for low, high in zip(sizes.min(0), sizes.max(0), strict=True)
    )
    print(f"{len(sizes)} images, {widths} pixels wide and {heights} high.")
    for path, reason in sorted(found.left_out.items(), key=lambda each: (each[1], each[0])):
        print(f"left out, {reason}: {path}")


def _list(arguments: argparse.Namespace) -> None:
    for env_id in ENV_IDS:
        settings = ", ".join(f"{name}={value}" for name, value in gym.spec(env_id).kwargs.items())
        print(f"{env_id:<31}{settings}".rstrip())
    print(f"{OWN_IMAGES:<31}images=FOLDER, with one subfolder per class")
    print("For code that passes no keywords, beside each but the last:")
    for form, kwargs in FORMS.items():
        print(f"{f'...-{form}-v0':<31}{', '.join(f'{name}={value}' for name, value in kwargs.items())}")


def _download(arguments: argparse.Namespace) -> None:
    print(f"{arguments.dataset} is in {fetch(arguments.dataset)}, every file with the right SHA-256.")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("ram-envs", description="Hard visual attention as Gymnasium environments.")
    commands = parser.add_subparsers(required=True, metavar="{play,list,images,download}")

    about = "play in a window: the mouse is the gaze, and you see what the retina sees"
    play = commands.add_parser("play", help=about, description=about)
    play.add_argument(
        "--env",
        default="CatchBall-v0",
        help="id of any registered environment, MODULE:ID for your own (default: %(default)s)",
    )
    play.add_argument("--games", type=_at_least_one, default=10, help="games of a session (default: %(default)s)")
    play.add_argument("--speed", type=_speed, default=4.0, help="steps a second in Catch (default: %(default)s)")
    play.add_argument("--seed", type=int, help="the same seed gives the same games")
    play.add_argument("--reveal", action="store_true", help="show the whole scene (Tab does so while playing)")
    play.add_argument("--size", type=int, default=512, help="height of the picture in pixels (default: %(default)s)")
    play.add_argument(
        "--env-args", nargs="*", type=_keyword, default=[], metavar="KEY=VALUE", help="keywords of the environment"
    )
    play.set_defaults(run=_play)

    commands.add_parser("list", help="the environments and their settings").set_defaults(run=_list)

    about = "what a folder of your own images holds: classes, splits, sizes, and everything that is left out"
    images = commands.add_parser("images", help=about, description=about)
    images.add_argument(
        "folder", type=Path, help="has one subfolder per class, or train/, validation/ and test/ above them"
    )
    images.add_argument(
        "--env-args",
        nargs="*",
        type=_keyword,
        default=[],
        metavar="KEY=VALUE",
        help="validation_share, test_share, split_seed, as the environment has them",
    )
    images.set_defaults(run=_images)

    download = commands.add_parser("download", help="fetch and check the digits, so that they are there later")
    download.add_argument("--dataset", choices=sorted(DATASETS), default="mnist")
    download.set_defaults(run=_download)
    return parser


def _keyword(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise argparse.ArgumentTypeError(f"must be KEY=VALUE, got {text!r}")
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return name, value  # a bare word is a string


def _at_least_one(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, got {text!r}")
    return int(text)


def _speed(text: str) -> float:
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed <= 60:
        raise argparse.ArgumentTypeError(f"must be a number above 0 and at most 60, got {text!r}")
    return speed


if __name__ == "__main__":
    main()
