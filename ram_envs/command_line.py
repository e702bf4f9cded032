"""The console command `ram-envs`: play, list, download."""

from __future__ import annotations

import argparse
import ast
import importlib
import sys
from collections.abc import Sequence
from typing import Any

import gymnasium as gym

from ram_envs import ENV_IDS
from ram_envs.datasets import DATASETS, BadDataFile, DatasetNotFound, fetch
from ram_envs.window import NoDisplay

EXPECTED = (ValueError, TypeError, OSError, DatasetNotFound, BadDataFile, NoDisplay, gym.error.Error)


def main(argv: Sequence[str] | None = None) -> None:
    """`ram-envs`; an error that was foreseen ends it in one sentence."""
    arguments = _parser().parse_args(argv)
    try:
        arguments.run(arguments)
    except EXPECTED as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


def _play(arguments: argparse.Namespace) -> None:
    from ram_envs.play import play  # pygame comes with it

    module, _, name = arguments.env.rpartition(":")
    try:
        if module:
            importlib.import_module(module)
        gym.spec(name)
    except (ImportError, gym.error.Error) as error:
        raise ValueError(
            f"--env must be one of {', '.join(ENV_IDS)}, or another environment as MODULE:ID, got {arguments.env!r} ({error})."
        ) from None
    play(
        arguments.env,
        games=arguments.games,
        speed=arguments.speed,
        seed=arguments.seed,
        revealed=arguments.reveal,
        size=arguments.size,
        **dict(arguments.env_args),
    )


def _list(arguments: argparse.Namespace) -> None:
    for env_id in ENV_IDS:
        settings = ", ".join(f"{name}={value}" for name, value in gym.spec(env_id).kwargs.items())
        print(f"{env_id:<31}{settings}".rstrip())


def _download(arguments: argparse.Namespace) -> None:
    print(f"{arguments.dataset} is in {fetch(arguments.dataset)}, every file with the right SHA-256.")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("ram-envs", description="Hard visual attention as Gymnasium environments.")
    commands = parser.add_subparsers(required=True, metavar="{play,list,download}")

    about = "play in a window: the mouse is the gaze, and you see what the retina sees"
    play = commands.add_parser("play", help=about, description=about)
    play.add_argument("--env", default="CatchBall-v0", help="id of the environment (default: %(default)s)")
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
