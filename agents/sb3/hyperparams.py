"""Settings by algorithm and environment: the files of `hyperparams/`, in the form of RL Baselines3 Zoo, which reads them too."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from agents.experiment.episodes import make_envs
from agents.experiment.settings import keywords
from agents.sb3.config import ACTION_MODES, FramesRun, Sb3Config
from ram_envs.action_modes import CONTROL

FOLDER = Path(__file__).resolve().parents[2] / "hyperparams"


def tuned(algo: str, env: str) -> Sb3Config:
    """The settings of an algorithm for an environment, or its `default` where the file does not name that.

    Args:
        algo: "ppo", "recurrent_ppo", "dqn", "sac"; another has no file, and gets the defaults of `Sb3Config`.
        env: id of the environment, perhaps behind a module.
    """
    path = FOLDER / f"{algo}.yml"
    if algo not in ACTION_MODES or not path.exists():
        return Sb3Config()
    found = yaml.safe_load(path.read_text(encoding="utf-8"))
    settings = dict(found.get(env.rpartition(":")[2]) or found["default"])
    settings.pop("policy")  # follows from the observations
    env_kwargs = settings.pop("env_kwargs", {})
    run = FramesRun(frames=int(settings.pop("n_timesteps")), num_envs=int(settings.pop("n_envs")))
    return Sb3Config(algo=algo, env=env, env_args=words(env_kwargs), algo_args=words(settings), run=run)  # type: ignore[arg-type]


def fitted(config: Sb3Config, env: str) -> Sb3Config:
    """The same with actions in a Box where the world takes real numbers, which the algorithm's usual form has no place for."""
    if "box" not in ACTION_MODES[config.algo][1:]:
        return config
    try:
        envs = make_envs(config.but(env=env), 1, action_mode="dict")
    except Exception:  # whatever an environment may raise that wants keywords: making it for the run will tell
        return config
    envs.close()
    in_a_box = config.but(env_args=(*config.env_args, "action_mode=box"))
    return in_a_box if CONTROL in envs.single_action_space.spaces else config


def words(settings: Mapping[str, Any]) -> tuple[str, ...]:
    """Settings as words of the form KEY=VALUE: the inverse of `keywords`."""
    return tuple(f"{name}={value if isinstance(value, str) else repr(value)}" for name, value in settings.items())


def over(tuned_words: tuple[str, ...], given: tuple[str, ...], setting: str) -> tuple[str, ...]:
    """The tuned words, but for those that others were given for, and for the length of a history that others do without."""
    before, after = keywords(tuned_words, setting), keywords(given, setting)
    if after.get("obs_mode", "history") != "history":
        before.pop("history", None)
    return words({**before, **after})


def over_origin(config: Sb3Config, origin: Sb3Config) -> Sb3Config:
    """Settings whose words go on top of those that they began as; but a preset's `env_args` are replaced, as everywhere."""
    env_args = config.env_args if origin.name else over(origin.env_args, config.env_args, "env_args")
    return config.but(env_args=env_args, algo_args=over(origin.algo_args, config.algo_args, "algo_args"))
