"""Trainings as trials of Ray Tune: a trial is a run in its folder, and its checkpoint is that folder, wherever it goes on."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ray import tune
from ray.tune.schedulers import ASHAScheduler
from ray.tune.search import BasicVariantGenerator

from agents.experiment.checkpoint import first_line
from agents.experiment.run_folder import CHECKPOINT, RESULT, write_whole
from agents.experiment.settings import ExperimentConfig
from agents.scaling.families import FAMILIES

FAILURES = 20  # lost workers and machines that one trial outlives


def trial_space(
    family: str, config: ExperimentConfig, values: Mapping[str, Any], title: str = "", folder: Path | None = None
) -> dict[str, Any]:
    """What Tune hands to a trial: plain values, and what is drawn for each; no data set is among them, each worker loads it.

    Args:
        family: of what is trained.
        config: settings that all trials share.
        values: names of other settings, as flags have them, and what Tune draws them from.
        title: of the trial; by default trials are numbered.
        folder: of the run on a file system that all machines see, where an earlier attempt may have left a checkpoint.
    """
    begun = None if folder is None else str(folder.absolute())
    return {"family": family, "settings": config.to_dict(), "values": dict(values), "title": title, "begun": begun}


def grid(spaces: Sequence[Mapping[str, Any]]) -> Any:
    """One trial for each of what `trial_space` made."""
    return tune.grid_search([dict(space) for space in spaces])


def trial_settings(run: Mapping[str, Any]) -> Any:
    """The settings of a trial."""
    config = FAMILIES[run["family"]].config.from_dict(dict(run["settings"]))
    return config.with_values({name: _plain(value) for name, value in run["values"].items()})


def train_trial(trial: dict[str, Any]) -> None:
    """The work of one trial, in a worker: begins, or goes on from its checkpoint, and reports each checkpoint that it makes.

    It trains in a folder of its own on the worker's disk. A mistake that would be made again ends the trial with a sentence.
    """
    run = trial["run"]
    with TemporaryDirectory(prefix="ram_envs-") as scratch:
        folder = Path(scratch) / "run"
        folder.mkdir()
        if (checkpoint := tune.get_checkpoint()) is not None:
            checkpoint.to_directory(str(folder))
        elif run["begun"] is not None and (Path(run["begun"]) / CHECKPOINT).exists():
            copy_run(Path(run["begun"]), folder)

        def saved(percent: float, curve: list[dict[str, float]]) -> None:
            error = last_error(curve)
            files = any((folder / name).exists() for name in (CHECKPOINT, RESULT))
            found = tune.Checkpoint.from_directory(str(folder)) if files else None
            tune.report({"percent": percent, "error_percent": error, "failed": ""}, checkpoint=found)

        try:
            result = FAMILIES[run["family"]].train(trial_settings(run), folder, resume=True, saved=saved)
            saved(100.0, [result["validation"]])
        except OSError:  # of a disk or a network; a worker that is lost raises nothing here
            raise
        except Exception as error:  # the same again next time
            tune.report({"percent": 0.0, "error_percent": math.inf, "failed": first_line(error)})


def last_error(curve: list[dict[str, float]]) -> float:
    """The last validation error of a curve, in %; infinite if there is none.

    Raises:
        ValueError: if the world tells of no success.
    """
    if not curve:
        return math.inf
    if "error_percent" not in curve[-1]:
        raise ValueError(
            "Trials are compared by their validation error, and this environment tells of no success: give its info `is_success`."
        )
    return curve[-1]["error_percent"]


def copy_run(source: Path, folder: Path) -> None:
    """Copies a run's folder to another: each file whole, and the logs before the checkpoint that remembers their sizes."""
    files = [path for path in source.iterdir() if path.is_file() and not path.name.startswith(".")]
    for path in sorted(files, key=lambda path: (path.name == RESULT, path.name == CHECKPOINT)):
        write_whole(folder / path.name, path.read_bytes())


class Progress(tune.Callback):  # type: ignore[misc]
    """Tells of every trial that ends, and copies every checkpoint to the run's folder, where it has one.

    Args:
        total: how many trials there are.
        ended: is told the title of every trial that has ended well.
    """

    def __init__(self, total: int, ended: Callable[[str], None] | None = None) -> None:
        self.total, self.ended = total, ended

    def on_checkpoint(self, iteration: int, trials: list[Any], trial: Any, checkpoint: Any, **info: Any) -> None:
        """Copies a checkpoint to the run's folder."""
        if (begun := trial.config["run"]["begun"]) is not None:
            copy_run(Path(checkpoint.path), Path(begun))

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Says how a trial ended."""
        self._tell(trials, trial, Outcome.of(trial.last_result))
        if self.ended is not None and not trial.last_result["failed"]:
            self.ended(trial_title(trial))

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Says that a trial has been given up."""
        self._tell(trials, trial, f"given up after {FAILURES} failures, see {trial.local_path}")

    def _tell(self, trials: list[Any], trial: Any, what: object) -> None:
        over = 1 + sum(other.is_finished() for other in trials if other is not trial)
        print(f"{time.strftime('%H:%M:%S')}  {over} of {self.total}: {trial_title(trial)}, {what}", flush=True)


@dataclass(frozen=True)
class Outcome:
    """How far a trial has come.

    Attributes:
        trial: its name, and its folder's.
        values: settings that were drawn for it.
        percent: of its training that is done.
        error_percent: its last score on the validation episodes; infinite if there is none.
        minutes: that it took.
        failed: what stopped it for good, in a sentence; "" for nothing.
    """

    trial: str
    values: dict[str, Any]
    percent: float
    error_percent: float
    minutes: float
    failed: str

    @classmethod
    def of(cls, metrics: Mapping[str, Any]) -> Outcome:
        """From what a trial reported last."""
        return cls(
            _title(metrics["config"], metrics["trial_id"]),
            {name: _plain(value) for name, value in metrics["config"]["run"]["values"].items()},
            metrics["percent"],
            metrics["error_percent"],
            round(metrics["time_total_s"] / 60, 2),
            metrics["failed"],
        )

    def __str__(self) -> str:
        if self.failed:
            return self.failed
        stopped = "" if self.percent >= 100 else f" when it was stopped at {self.percent:.0f} %"
        return f"validation error {self.error_percent:.2f} %{stopped}, {self.minutes:.1f} min"


def run_trials(
    space: Mapping[str, Any],
    folder: Path,
    progress: Progress,
    *,
    samples: int = 1,
    seed: int = 1,
    threads: int = 1,
    scheduler: Any = None,
) -> list[Outcome] | None:
    """Runs all trials, or those that are left of a folder where this was begun before; Ray must be connected.

    Args:
        space: what `trial_space` made, or a grid of such.
        folder: of the trials, on a file system that all machines see.
        progress: is told how it goes.
        samples: how many times everything is drawn.
        seed: of the draws.
        threads: of each trial.
        scheduler: Tune's, if trials are to be stopped early.

    Returns:
        What came of the trials, by name; None if it was interrupted, by Ctrl-C.
    """
    logging.getLogger("ray.tune").setLevel(logging.ERROR)
    folder = folder.absolute()
    trainable = tune.with_resources(train_trial, {"cpu": threads})
    if tune.Tuner.can_restore(str(folder)):
        tuner = tune.Tuner.restore(str(folder), trainable, resume_unfinished=True, resume_errored=True)
    else:
        tuner = tune.Tuner(
            trainable,
            param_space={"run": space},
            tune_config=tune.TuneConfig(
                metric="error_percent",
                mode="min",
                num_samples=samples,
                scheduler=scheduler,
                search_alg=BasicVariantGenerator(random_state=seed),
                trial_dirname_creator=trial_title,
                reuse_actors=True,  # a worker takes seconds to begin
            ),
            run_config=tune.RunConfig(
                name=folder.name,
                storage_path=str(folder.parent),
                failure_config=tune.FailureConfig(max_failures=FAILURES),
                checkpoint_config=tune.CheckpointConfig(num_to_keep=2),
                callbacks=[progress],
                verbose=0,
            ),
        )
    results = [*tuner.fit()]
    done = [Outcome.of(result.metrics) for result in results if result.error is None and result.metrics.get("done")]
    return sorted(done, key=lambda outcome: outcome.trial) if len(done) == progress.total else None


def asha() -> Any:
    """Stops two trials of three at 10 %, 30 % and 90 % of the training, the worse ones on the validation curve."""
    return ASHAScheduler(time_attr="percent", grace_period=10, reduction_factor=3, max_t=101)


def trial_title(trial: Any) -> str:
    """What a trial and its folder are called."""
    return _title(trial.config, trial.trial_id)


def _title(config: Mapping[str, Any], trial_id: str) -> str:
    return str(config["run"]["title"] or f"trial-{trial_id.rpartition('_')[2]}")


def _plain(value: Any) -> Any:
    """A drawn value, as settings have them."""
    return value.item() if hasattr(value, "item") else value
