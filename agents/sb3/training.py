"""Trains an algorithm of Stable-Baselines3, with the run folder, the episodes of the scores and the result of our agent."""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.utils import LinearSchedule

from agents.experiment.board import Board
from agents.experiment.checkpoint import demand_settings, first_line
from agents.experiment.device import device_name, prepare_torch
from agents.experiment.episodes import demand_splits, make_envs, scored_splits, told_success
from agents.experiment.progress import Progress
from agents.experiment.recording import film
from agents.experiment.reports import Reports
from agents.experiment.run_folder import (
    LOGS,
    MODEL,
    RESULT,
    Saved,
    current_commit,
    cut_logs,
    interruptible,
    log_sizes,
    nobody,
    provenance,
    record,
    reserved,
    shell_command,
    told_in_a_sentence,
    write_whole,
)
from agents.experiment.score import Score
from agents.sb3.checkpoint import ALGORITHMS, load_run, save_model
from agents.sb3.config import OFF_POLICY, SCHEDULED, Sb3Config, falls_from
from agents.sb3.evaluation import evaluate, play_episodes
from agents.sb3.hybrid_policy import HybridPolicy, RecurrentHybridPolicy
from agents.sb3.vec_env import NativeVecEnv
from ram_envs.rendering import Pixels


def make_model(config: Sb3Config, trained: Path | None = None) -> BaseAlgorithm:
    """A model with its environment.

    Args:
        config: the settings of its run.
        trained: file of a model of the same settings that goes on; None for an untrained one.

    Raises:
        ValueError: if environment or algorithm cannot have the keywords that `env_args` and `algo_args` give them.
    """
    make_envs(config, 1, training=True).close()  # complains of what none of ours can have
    hybrid, recurrent = config.policy == "hybrid", config.algo == "recurrent_ppo"
    words = config.env_kwargs(training=True)
    envs = NativeVecEnv(config.env, config.run.num_envs, hybrid=hybrid, gaze=config.gaze, **words)
    form = "MultiInput" if isinstance(envs.observation_space, spaces.Dict) else "Mlp"
    if trained is not None:
        model = ALGORITHMS[config.algo].load(trained, envs, device=config.run.device)
        model.set_random_seed(_seed_of_envs(config.seed, model.num_timesteps))  # other episodes than at first
        return model
    policy: Any = form + ("LstmPolicy" if recurrent else "Policy")
    kwargs = {"seed": config.seed, "device": config.run.device, **config.algo_kwargs()}
    for name in SCHEDULED:  # the library's own, so that a saved model is read where this package is not
        if isinstance(start := kwargs.get(name), str):
            kwargs[name] = LinearSchedule(falls_from(name, start), 0.0, 1.0)
    if hybrid:
        policy = RecurrentHybridPolicy if recurrent else HybridPolicy
        width = glimpse_width(envs.envs.unwrapped)
        kwargs["policy_kwargs"] = {"glimpse_width": width, **kwargs.get("policy_kwargs", {})}
    try:
        model = ALGORITHMS[config.algo](policy, envs, **kwargs)
    except Exception as error:  # an algorithm stumbles in any way over keywords that make no sense
        raise ValueError(f"algo_args of {config.algo}: {first_line(error)}") from None
    envs.seed(_seed_of_envs(config.seed))
    return model


def _seed_of_envs(*numbers: int) -> int:
    """A seed far from that of neighbouring numbers: the library's own, seed + lane, are nearly the same for them."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])


def glimpse_width(envs: Any) -> int:
    """What a hybrid policy is told by that name: 0 where every action counts, or the observations do not tell which one is the last."""
    answers = [name for name in envs.single_action_space if name != "location"] == ["answer", "stop"]
    if not (envs.one_answer and answers) or envs.obs_mode != "history":
        return 0
    first = envs.settings.first_look()
    # At the middle a dark glimpse is all zeros, like one that was not taken.
    if first is not None and not np.any(first):
        return 0
    count, size = envs.max_glimpses, envs.single_observation_space.shape[0]
    width = int(np.prod(envs.sensor.glimpse_shape(envs.screen[2]))) + 2
    return width if size == count * width else 0


NEW: dict[str, Any] = {
    "frames": 0, "episodes": 0, "evaluated": 0, "seconds": 0.0, "curve": [], "commits": [], "devices": [],
}  # fmt: skip
"""What a run has come to before it begins."""


class Reporter(BaseCallback):
    """Reports and scores during the training, and ends it on Ctrl-C.

    Args:
        config: the run's settings.
        folder: the run's folder.
        progress: of the run.
        board: of the run.
        interrupted: what `interruptible` gave.
        saved: told after every score.
        past: what the run had come to before, as `load_run` gives it.
    """

    def __init__(
        self,
        config: Sb3Config,
        folder: Path,
        progress: Progress,
        board: Board,
        interrupted: list[int],
        saved: Saved = nobody,
        past: Mapping[str, Any] = NEW,
    ) -> None:
        super().__init__()
        self.saved = saved
        self.config, self.folder, self.progress, self.interrupted = config, folder, progress, interrupted
        self.curve: list[dict[str, float]] = list(past["curve"])  # validation scores so far
        self.success_word = "won"
        self.seconds, self.episodes, self.evaluated = past["seconds"], past["episodes"], past["evaluated"]
        self.num_timesteps = self.reported = past["frames"]
        self.commits = [*dict.fromkeys([*past["commits"], current_commit()])]
        self.devices = [*dict.fromkeys(past["devices"])]
        self.ended: list[dict[str, Any]] = []  # last infos of the episodes since the last report
        self.reports = Reports(self, progress, board)

    @property
    def frames(self) -> int:
        """Frames seen so far."""
        return int(self.num_timesteps)

    def score(self, split: str, *, episodes: int | None = None) -> Score:
        """Scores the model as it is."""
        return evaluate(self.model, self.config, split, episodes=episodes, gaze=self.config.gaze)

    def film(self) -> tuple[list[Pixels], float]:
        """Frames of two validation episodes, or of their beginning, and how many are shown a second."""
        return film(self.config, lambda envs, show: play_episodes(self.model, envs, self.config.gaze, show, episodes=2))

    def _on_training_start(self) -> None:
        envs: Any = self.training_env
        self.success_word = envs.envs.unwrapped.verdicts[True]

    def _on_rollout_start(self) -> None:
        demand_finite_weights(self.model)
        if isinstance(policy := self.model.policy, HybridPolicy | RecurrentHybridPolicy):
            policy.anneal(self.model._current_progress_remaining)

    def _on_step(self) -> bool:
        ended = [info for info, done in zip(self.locals["infos"], self.locals["dones"], strict=True) if done]
        self.ended, self.episodes = self.ended + ended, self.episodes + len(ended)
        self.progress.advance(self.num_timesteps - self.progress.done)
        self.reports.look_early()
        if self.num_timesteps - self.reported >= self.config.run.report_every:
            self.report()
        return not self.interrupted

    def _on_training_end(self) -> None:
        if self.ended:
            self.report()
        self.seconds = self.reports.passed

    def report(self) -> None:
        """Means since the last report; written to `metrics.jsonl`."""
        frames, updates = self.num_timesteps, getattr(self.model, "_n_updates", 0)
        line: dict[str, float] = {"update": updates, "episodes": self.episodes, "frames": frames}
        if self.ended:
            told = (told_success(info.get("is_success")) for info in self.ended)
            successes = [success for success in told if success is not None]
            if len(successes) == len(self.ended):
                line["success"] = float(np.mean(successes))
            line["glimpses"] = float(np.mean([info["num_glimpses"] for info in self.ended]))
            line["return"] = float(np.mean([info["episode"]["r"] for info in self.ended]))
        recorded = self.logger.name_to_value.items()
        line |= {name.removeprefix("train/"): float(value) for name, value in recorded if name.startswith("train/")}
        due = frames * self.config.run.evaluations // self.config.run.frames
        if scored := due > self.evaluated:
            line |= self.reports.validate()
        record(self.folder, line, self.reports.passed)
        self.reports.tell(line)
        self.ended, self.reported, self.evaluated = [], frames, due
        if scored:
            self.save()
            self.saved(min(100.0, 100 * frames / self.config.run.frames), self.curve)

    def save(self) -> None:
        """Writes the model, with what is needed to go on; see `demand_finite_weights`."""
        demand_finite_weights(self.model)
        past = {name: getattr(self, name) for name in NEW} | {"seconds": self.reports.passed} | log_sizes(self.folder)
        save_model(self.model, self.config, self.folder / MODEL, past=past)


def demand_finite_weights(model: BaseAlgorithm) -> None:
    """Stops a run that only seems to learn.

    Raises:
        FloatingPointError: if a weight is not finite.
    """
    if not all(parameter.isfinite().all() for parameter in model.policy.parameters()):
        raise FloatingPointError(
            f"The weights at frame {model.num_timesteps} are not finite: a lower learning_rate in algo_args may help."
        )


def train(config: Sb3Config, folder: Path, resume: bool = False, saved: Saved = nobody) -> dict[str, Any]:
    """Trains to the end, or until Ctrl-C; saves the model, and returns the result, or nothing if interrupted.

    Args:
        config: the run's settings.
        folder: the run's folder.
        resume: go on from the model in the folder, if there is one that knows how far its run was. Its episodes begin anew, so the numbers are
            not those of a run that was not interrupted. Algorithms that are off-policy begin anew.
        saved: told after every score.

    Raises:
        OSError: if another process trains in the folder, or it cannot be written to.
        FloatingPointError: if the weights are no longer finite.
    """
    device = prepare_torch(config)
    demand_splits(config)
    with reserved(folder):
        trained = folder / MODEL if resume and config.algo not in OFF_POLICY and (folder / MODEL).exists() else None
        past = NEW
        if trained is not None:
            past = load_run(trained)
            demand_settings(trained, past["config"], config)
        model = make_model(config, trained)
        cut_logs(folder, {**dict.fromkeys(LOGS, 0), **past})  # of what is not in the model
        with told_in_a_sentence(folder, lambda: f"frame {model.num_timesteps}"):
            return _train(model, config, folder, saved, {**past, "devices": [*past["devices"], device_name(device)]})


def _train(
    model: BaseAlgorithm, config: Sb3Config, folder: Path, saved: Saved, past: Mapping[str, Any]
) -> dict[str, Any]:
    model.set_logger(Logger(None, []))  # the reporter writes what it holds
    frames, before = config.run.frames, past["frames"]
    with (
        Progress(f"training {config.title}", frames, before, unit="fr") as progress,
        interruptible() as interrupted,
        Board(folder, config, before, past["seconds"]) as board,
    ):
        reporter = Reporter(config, folder, progress, board, interrupted, saved, past)
        try:
            how: dict[str, Any] = {"log_interval": None, "reset_num_timesteps": not before}
            model.learn(frames - before, callback=reporter, **how)
        except (ValueError, RuntimeError):  # so torch says of numbers that are not finite, at length
            demand_finite_weights(model)
            raise
    reporter.save()
    if interrupted and model.num_timesteps < frames:
        print(f"Stopped after {model.num_timesteps} of {frames} frames; {folder / MODEL} is the model so far.")
        if config.algo not in OFF_POLICY:
            print(f"To go on:\n  {shell_command(config.command, '--resume', folder)}")
        return {}
    origin = provenance(reporter.seconds, reporter.commits, reporter.devices, config.run)
    origin["versions"] |= {name: importlib.metadata.version(name) for name in ("stable-baselines3", "sb3-contrib")}
    result = {**_result(model, config, reporter.curve), **origin}
    write_whole(folder / RESULT, (json.dumps(result, indent=1) + "\n").encode())
    return result


def _result(model: BaseAlgorithm, config: Sb3Config, curve: list[dict[str, float]]) -> dict[str, Any]:
    """What an agent's run leaves, less where it comes from."""
    scores = {}
    for split in scored_splits(config):
        scores[split] = evaluate(model, config, split, gaze=config.gaze)
        print(f"{split}: {scores[split]}")
    return {
        "config": config.to_dict(),
        **{split: score.to_dict() for split, score in scores.items()},
        "curve": curve,
        "frames": model.num_timesteps,
    }
