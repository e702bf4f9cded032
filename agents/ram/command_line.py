"""The commands behind `train_ram.py`, `evaluate_ram.py` and `watch_ram.py`: flags in, a line or two out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from agents.experiment.command_line import (
    ResumableFlags,
    arguments,
    checkpoint_path,
    command,
    demand_at_least,
    demand_file,
    flag_value,
    interrupted_run,
    named_preset,
    new_run,
    say,
    say_next,
    tell_score,
)
from agents.experiment.episodes import make_envs
from agents.experiment.recording import demand_video, write_video
from agents.ram.config import Config
from agents.ram.presets import PRESETS, preset_for
from ram_envs import OWN_IMAGES
from ram_envs.rendering import View, draw_view
from ram_envs.window import Window

NEXT = ("watch_ram.py", "evaluate_ram.py")  # after a training
PAUSE = 2.0  # seconds for which the end of an episode stays


@dataclass(frozen=True, kw_only=True)
class TrainCommand(ResumableFlags):
    """Trains the Recurrent Attention Model. `--env` or `--preset` chooses good settings; every other flag overrides one."""

    config: Annotated[Config, tyro.conf.arg(name="")]
    images: Path | None = None
    """Folder of your own images to train on, in place of --env: one subfolder per class, see docs/own_images.md."""


@dataclass(frozen=True)
class EvaluateCommand:
    """Scores a checkpoint: every image of the split once, or fresh episodes; greedy location and action."""

    checkpoint: Path
    """The checkpoint, or the folder of a run."""
    env: str | None = None
    """Another environment than that of the training, with the same retina and choices; or MODULE:ID where a module registers it."""
    split: Literal["validation", "test"] = "test"
    """Which episodes."""
    gaze: Literal["agent", "center", "random", "oracle"] = "agent"
    """Whose gaze: the agent's, or another in its place, which measures what the agent's is worth."""
    episodes: int | None = None
    """How many; by default all images of the split, or 20,000 fresh test episodes (5,000 of validation), of an environment behind `RetinaWrapper` a tenth."""
    env_args: tuple[str, ...] = ()
    """Keywords of the environment that replace those of the training, such as num_glimpses=4."""
    price: float | None = None
    """Price of a glimpse that the agent is told, where it was trained for a range of them."""
    sample: bool = False
    """Sampled locations and actions instead of the likeliest."""
    json: Path | None = None
    """File to write the score to."""


@dataclass(frozen=True)
class WatchCommand:
    """Shows a trained agent at work: greedy, on episodes it has not seen."""

    checkpoint: Path
    """The checkpoint, or the folder of a run."""
    env: str | None = None
    """Another environment than that of the training, with the same retina and choices; or MODULE:ID where a module registers it."""
    video: Path | None = None
    """File to write instead of opening a window: .gif, .mp4, or .png for the last frame."""
    episodes: int = 3
    """How many episodes."""
    seed: int = 0
    """Seed of the first episode; the same seed shows the same ones."""
    size: int = 512
    """Height of the picture in pixels."""
    fps: float | None = None
    """Frames a second; by default the environment's own."""
    env_args: tuple[str, ...] = ()
    """Keywords of the environment that replace those of the training."""
    price: float | None = None
    """Price of a glimpse that the agent is told, where it was trained for a range of them."""


@command
def train_command(argv: Sequence[str] | None = None) -> None:
    """`python agents/train_ram.py`"""
    argv = arguments(argv)
    origin = named_preset(argv, PRESETS)
    if origin is None:
        env = flag_value(argv, "--env") if flag_value(argv, "--images") is None else OWN_IMAGES
        origin = PRESETS["mnist-6"] if env is None else preset_for(env)
    switches = (tyro.conf.FlagConversionOff, tyro.conf.AvoidSubcommands)
    flags = tyro.cli(TrainCommand, args=argv, default=TrainCommand(config=origin), config=switches, compact_help=True)
    if flags.resume is not None:
        say(f"Reading {flags.resume}")
        from agents.ram.checkpoint import load_state
        from agents.ram.training import train

        resumed = train(interrupted_run(flags.resume, argv, load_state), flags.resume, resume=True)
        say_next(resumed, flags.resume, *NEXT)
        return
    config = flags.config if flags.images is None else with_images(flags.config, flags.images)
    with new_run(flags.run_dir, config, origin) as folder:
        from agents.ram.training import train

        say_next(train(config, folder), folder, *NEXT)


def with_images(config: Config, folder: Path) -> Config:
    """The settings on a folder of images, named so that the run finds it from anywhere."""
    if config.env != OWN_IMAGES:
        raise ValueError(f"--images goes with {OWN_IMAGES} alone, not with {config.env}: leave --env and --preset out.")
    return config.but(env_args=(f"images={folder.expanduser().absolute()}", *config.env_args))


@command
def evaluate_command(argv: Sequence[str] | None = None) -> None:
    """`python agents/evaluate_ram.py`"""
    flags = tyro.cli(EvaluateCommand, args=arguments(argv))
    demand_at_least(1, episodes=flags.episodes)
    if flags.json is not None:
        demand_file("--json", flags.json)
    path = checkpoint_path(flags.checkpoint)
    say(f"Scoring {path}")
    from agents.experiment.device import prepare_torch
    from agents.ram.checkpoint import load_agent, load_state
    from agents.ram.evaluation import evaluate

    config = _config_here(path, flags)
    prepare_torch(config)
    envs = make_envs(config, 1)
    agent = load_agent(path, envs)
    envs.close()
    score = evaluate(
        agent,
        config,
        flags.split,
        episodes=flags.episodes,
        gaze=flags.gaze,
        greedy=not flags.sample,
        tells_success=load_state(path).get("tells_success", False),
        price=flags.price,
    )
    tell_score(score, config, flags.split, flags.json)


@command
def watch_command(argv: Sequence[str] | None = None) -> None:
    """`python agents/watch_ram.py`"""
    flags = tyro.cli(WatchCommand, args=arguments(argv))
    demand_at_least(1, episodes=flags.episodes)
    demand_at_least(0, seed=flags.seed)
    demand_at_least(256, size=flags.size)
    if flags.fps is not None and not 0 < flags.fps <= 1000:
        raise ValueError(f"--fps must be above 0 and at most 1000, got {flags.fps}.")
    if flags.video is not None:
        demand_video(flags.video, flags.fps)
        demand_file("--video", flags.video)
    path = checkpoint_path(flags.checkpoint)
    say(f"Playing {flags.episodes} episodes with {path}")
    from agents.ram.watching import watch_episodes

    config = _config_here(path, flags)
    window, frames = Window(f"ram_envs: {config.env}"), []
    probe = make_envs(config, 1)
    fps = flags.fps or float(probe.metadata["render_fps"])
    probe.close()

    def show(view: View) -> None:
        frame = draw_view(view, flags.size)
        if flags.video is None:
            window.show(frame, 1 / PAUSE if view.over else fps)
        else:
            frames.extend([frame] * (max(1, round(PAUSE * fps)) if view.over else 1))

    try:
        score = watch_episodes(path, show, config, episodes=flags.episodes, seed=flags.seed, price=flags.price)
    finally:
        window.close()
    if score.success is None:
        print(f"{flags.episodes} episodes: {score}")
    else:
        print(f"{round(score.success * flags.episodes)} of {flags.episodes} episodes ended in success.")
    if flags.video is not None:
        write_video(flags.video, frames, fps)
        print(f"Wrote {flags.video}")


def demand_price(config: Config, price: float | None) -> None:
    """A ValueError that names the flag, unless the agent can be told such a price."""
    if price is None:
        return
    if not config.price_range:
        raise ValueError(f"--price {price}: this agent is not told prices, it was trained without a price_range.")
    low, high = config.price_range
    if not low <= price <= high:
        raise ValueError(f"--price must lie in the range of the training, {low} to {high}, got {price}.")


def _config_here(path: Path, flags: EvaluateCommand | WatchCommand) -> Config:
    """The settings in a checkpoint, for what the flags ask of the agent on this machine."""
    from agents.ram.checkpoint import load_state

    config: Config = load_state(path)["config"]
    demand_price(config, flags.price)
    return config.but(env=flags.env or config.env, env_args=(*config.env_args, *flags.env_args), run={"device": "cpu"})
