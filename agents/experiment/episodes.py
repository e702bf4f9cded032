"""Which environment, which split, how many episodes: the same for every family.

What an environment can do is asked of the environment (`ram_envs.batched_env.RetinaVectorEnv`), never of its id.
"""

from __future__ import annotations

import importlib
import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.envs.registration import load_env_creator
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

import ram_envs  # noqa: F401  registers the environments
from agents.experiment.progress import bar
from agents.experiment.settings import ExperimentConfig
from ram_envs.batched_env import RetinaVectorEnv
from ram_envs.retina_wrapper import RetinaVectorWrapper

FRESH_EPISODES = {"validation": 5_000, "test": 20_000}
FRESH_GLIMPSES = {"validation": 250_000, "test": 1_000_000}  # after which no more fresh episodes begin
FEWER_OF_OTHERS = 10  # times: somebody else's world may be slow
LANES_OF_OTHERS = 100  # so that long episodes, whose length is not known, are not all begun at once
FRESH_SEEDS = {"validation": 10_000_000, "test": 20_000_000}  # far from the seeds of training
MOST_LANES = 500
MANY_STEPS = 10_000  # in one episode, after which one is told that it may have no end
MOST_GLIMPSES = 500_000  # that an update learns from: with what the agent makes of them some ten gigabytes
LIMIT = "If it has no end, give the environment a limit: --env-args max_episode_steps=500"
EPOCH = 55_000  # training digits of MNIST
VARIED_DIGITS = ("overhang=2", "distortion=0.15")
"""Keywords that vary centered digits in training, which always look the same: moved about, turned, stretched and slanted a little."""
CHOSEN = ("split", "privileged_info", "autoreset_mode", "render_mode", "num_envs")
"""Keywords of an environment that training and scoring give it themselves."""


def find_spec(env_id: str) -> gym.envs.registration.EnvSpec:
    """The environment's entry in Gymnasium's registry.

    Raises:
        ValueError: if there is none; the message says how to name a module that registers it.
    """
    module, colon, name = env_id.rpartition(":")
    if colon:
        _import(module, env_id)
    try:
        return gym.spec(name)
    except gym.error.Error as error:
        unknown = isinstance(error, gym.error.UnregisteredEnv) and not module
        hint = f" If a module of yours registers it, name that too: --env MODULE:{name}" if unknown else ""
        raise ValueError(f"{error}{hint}") from None


def _import(module: str, env_id: str) -> None:
    """Imports a module, so that it registers its environments."""
    try:
        importlib.import_module(module)
    except (ImportError, TypeError, ValueError) as error:  # of a relative or an empty name the last two
        missing = isinstance(error, ModuleNotFoundError) and error.name == module.partition(".")[0]
        hint = ": run this in the folder that holds it, or name that folder in PYTHONPATH" if missing else ""
        raise ValueError(f"{env_id!r} names a module that cannot be imported ({error}){hint}.") from None


def make_envs(config: ExperimentConfig, num_envs: int, training: bool = False, **kwargs: Any) -> Any:
    """The vector environment of a configuration, in the form that our agent takes unless its keywords say otherwise.

    Args:
        config: whose environment.
        num_envs: episodes side by side.
        training: with the keywords of training alone too.
        **kwargs: keywords that replace those of the configuration.

    Raises:
        ValueError: if there is no such environment, it is not behind the retina, or it cannot have such keywords.
    """
    words = (*config.env_args, *(config.train_env_args if training else ()))
    if taken := [name for name in CHOSEN if name in config.env_kwargs(training)]:
        raise ValueError(f"env_args cannot have {taken[0]}, which training and scoring choose: got {' '.join(words)}.")
    entry_point: Any = find_spec(config.env).vector_entry_point
    maker = load_env_creator(entry_point) if isinstance(entry_point, str) else entry_point
    if maker is None or (isinstance(maker, type) and not issubclass(maker, RetinaVectorEnv)):
        raise ValueError(
            f"{config.env} is not an environment behind the retina: docs/any_environment.md says how to put it there. "
            "If its single environment is one, register its vector environment too, as vector_entry_point."
        )
    form = {"obs_mode": "dict", "action_mode": "dict", "autoreset_mode": AutoresetMode.DISABLED}
    try:
        return gym.make_vec(config.env, num_envs=num_envs, **{**form, **config.env_kwargs(training), **kwargs})
    except TypeError as error:
        if not words and "argument" not in str(error):  # a fault in there, which its traceback tells
            raise
        given = {"env_args": config.env_args, "train_env_args": config.train_env_args if training else ()}
        told = " and ".join(f"{name} {' '.join(values)}" for name, values in given.items() if values)
        how = f"does not take {told}" if told else "cannot be made without env_args"
        raise ValueError(f"{config.env} {how}: {error}") from None


def make_split(config: ExperimentConfig, num_envs: int, split: str, training: bool = False, **kwargs: Any) -> Any:
    """`make_envs`, of one split where the environment is divided into some."""
    (splits,) = _ask(make_envs(config, 1, training), "splits")
    return make_envs(config, num_envs, training, **({"split": split} if split in splits else {}), **kwargs)


def scored_splits(config: ExperimentConfig) -> tuple[str, ...]:
    """The splits that a finished run is scored on."""
    return ("validation", *(["test"] if config.run.score_test else []))


def demand_splits(config: ExperimentConfig) -> None:
    """Complains of splits that a run could not be scored on, now and not after the training.

    Raises:
        ValueError: if the environment cannot be made of one of them.
    """
    (splits,) = _ask(make_envs(config, 1), "splits")
    for split in scored_splits(config):
        if split in splits:
            try:
                make_envs(config, 1, split=split).close()
            except ValueError as error:
                without = ". --run.score-test False trains without a final test" * (split == "test")
                raise ValueError(f"{str(error).rstrip('.')}{without or '.'}") from None


def told_success(found: Any) -> bool | None:
    """Whether one episode was a success, of what its info calls so: of several parts all must be; None and a dict tell nothing."""
    return None if found is None or isinstance(found, dict) else bool(np.all(found))


def told_successes(info: dict[str, Any]) -> Any:
    """Which lanes' last step was a success (N,) bool, as their infos tell it; None where they tell nothing.

    It counts where an episode ends.
    """
    found = info.get("is_success")
    if isinstance(found, np.ndarray) and found.dtype == object:
        each = [told_success(one) for one in found]
        found = None if all(one is None for one in each) else np.array([bool(one) for one in each])
    elif isinstance(found, np.ndarray):
        found = (found.reshape(len(found), -1) > 0).all(1)
    elif isinstance(found, dict):
        found = None
    return None if found is None else (found > 0) & info.get("_is_success", True)


def warn_of_no_end(steps: int) -> None:
    """Warns once an episode has so many steps that it may have no end."""
    if steps == MANY_STEPS:
        warnings.warn(f"An episode goes on after {steps:,} steps, and is played to its end. {LIMIT}", stacklevel=3)


def warn_of_more_glimpses(envs: Any, num_glimpses: NDArray[np.int64]) -> None:
    """Warns if an episode had more glimpses than the environment says that one can have."""
    said, most = envs.unwrapped.max_glimpses, int(num_glimpses.max())
    if said is not None and most > said:
        warnings.warn(
            f"The environment says that an episode has at most max_glimpses={said} glimpses, and one had {most}. The first counts, before any step, "
            "and where glimpse_after_end is True (the default) the one after the last step too.",
            stacklevel=3,
        )


def demand_finite_rewards(rewards: NDArray[Any], step: int | None = None) -> None:
    """A ValueError if a reward is no finite number, with the step of the episodes where that is known."""
    if not np.isfinite(rewards).all():
        where = "" if step is None else f" in step {step}"
        raise ValueError(f"The environment's rewards must be finite, got {rewards[~np.isfinite(rewards)][0]}{where}.")


def demand_end(steps: int, lanes: int) -> None:
    """Refuses to keep more glimpses for an update than memory may hold, of episodes that are played to their ends.

    Raises:
        ValueError: if there are so many after these steps in each of the lanes.
    """
    if steps * lanes > MOST_GLIMPSES:
        raise ValueError(
            f"After {steps:,} steps an episode goes on, and an update learns from whole ones, {lanes} at a time: too many glimpses to keep. {LIMIT}"
        )


def told_targets(envs: Any, info: dict[str, Any]) -> Any:
    """The places in each lane where there is something to see, (N, D, 2) or (N, 2) as the world tells them in `info`; None where it does not.

    What an environment behind the retina calls so is something of its own.
    """
    if isinstance(envs.unwrapped, RetinaVectorWrapper):
        return None
    return info.get("target_locations", info.get("target_location"))


def _ask(envs: Any, *questions: str) -> list[Any]:
    """What an environment says of itself before it is let go, with the images that it may have a copy of."""
    envs.close()
    return [getattr(envs.unwrapped, question) for question in questions]


@dataclass(frozen=True)
class Batch:
    """Episodes that are played side by side.

    Attributes:
        seed: for `envs.reset`.
        options: for `envs.reset`.
        counted: (B,) bool; the others fill up the last batch and do not count.
    """

    seed: int
    options: dict[str, Any] | None
    counted: NDArray[np.bool_]


class HeldOutEpisodes:
    """The episodes that every family is scored on: each image of a split once, or fresh episodes of seeds kept for that.

    Iterates over batches of as many as fit, and shows on a terminal how far that is.

    Args:
        config: whose environment, and how much memory it may take.
        split: "validation" or "test".
        episodes: how many; None for all images of the split, or as many fresh ones as `FRESH_EPISODES` has, of
            somebody else's world a tenth; of long ones fewer: no more begin once `FRESH_GLIMPSES` were taken.
        lanes: episodes side by side; None for as many as there are, up to `MOST_LANES` (`LANES_OF_OTHERS`), and as fit in
            `config.run.evaluation_memory`.
        **kwargs: keywords of the environment.

    Attributes:
        envs: the vector environment to play them in.
        total: how many there are.
        glimpses: taken so far; whoever plays counts them.

    Raises:
        ValueError: if there is nothing to play.
    """

    def __init__(
        self,
        config: ExperimentConfig,
        split: str,
        episodes: int | None = None,
        lanes: int | None = None,
        **kwargs: Any,
    ) -> None:
        if episodes is not None and episodes < 1:
            raise ValueError(f"episodes must be at least 1, got {episodes}.")
        probe = make_split(config, 1, split, **kwargs)
        others = isinstance(probe.unwrapped, RetinaVectorWrapper)
        images, lane_bytes, longest = _ask(probe, "num_images", "lane_bytes", "max_glimpses")
        fresh = episodes or -(-FRESH_EPISODES[split] // (FEWER_OF_OTHERS if others else 1))
        self.total = fresh if images is None else min(episodes or images, images)
        self.split, self._by_image = split, images is not None
        self.glimpses, self._most = 0, math.inf if episodes or self._by_image else FRESH_GLIMPSES[split]
        fit = config.run.evaluation_memory * 10**6 // lane_bytes
        brief = int(min(self._most / (longest or 1), MOST_LANES))
        self.lanes = lanes or max(1, min(LANES_OF_OTHERS if others else brief, self.total, fit))
        self.envs = make_split(config, self.lanes, split, **kwargs)

    def __iter__(self) -> Iterator[Batch]:
        with bar(f"scoring {self.split}", self.total, leave=False) as progress:
            for first in range(0, self.total, self.lanes):
                index = np.arange(first, first + self.lanes)
                options = {"index": np.minimum(index, self.total - 1)} if self._by_image else None
                yield Batch(FRESH_SEEDS[self.split] + first, options, index < self.total)
                progress.update(min(self.lanes, self.total - first))
                if self.glimpses >= self._most:
                    break
