"""Trains a classifier: scenes drawn, a step down the cross entropy, again; with reports, checkpoints and exact resumption."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from agents.classifiers.config import ClassifierConfig
from agents.classifiers.evaluation import evaluate
from agents.classifiers.networks import make_network
from agents.classifiers.scenes import TrainingScenes
from agents.experiment.checkpoint import demand_device, load_checkpoint, restoring, save_checkpoint
from agents.experiment.device import autocast, device_name, prepare_torch
from agents.experiment.episodes import demand_splits, scored_splits
from agents.experiment.run_folder import (
    CHECKPOINT,
    Saved,
    begin,
    carry_out,
    current_commit,
    cut_logs,
    demand_finite,
    log_sizes,
    nobody,
    provenance,
    reserved,
)
from agents.experiment.score import Score
from agents.experiment.updates import make_updates
from ram_envs.rendering import Pixels

save_state = partial(save_checkpoint, holds="a classifier")
load_state = partial(load_checkpoint, settings=ClassifierConfig, holds="a classifier")
MUST_BE_FINITE = ("The loss", "The gradient", "The norm of the weights after the step")
REPORTED = ("loss", "gradient_norm", "weights_norm", "success")  # what a step finds


class ClassifierTrainer:
    """One training run in its folder.

    What is drawn depends on the seed and the number of the update alone, so a resumed run ends with the same numbers. A GPU is waited for
    at reports alone.

    Args:
        config: the run's settings.
        folder: the run's folder; it must exist.

    Raises:
        ValueError: if the environment's scenes are not labelled digits or images, or too few of them.
    """

    def __init__(self, config: ClassifierConfig, folder: Path) -> None:
        self.device = prepare_torch(config)
        self.config, self.folder = config, folder
        self.commits, self.devices = [current_commit()], [device_name(self.device)]
        torch.manual_seed(config.seed)
        self.scenes = TrainingScenes(config, self.device)
        self.network = make_network(config.network, self.scenes.shape, self.scenes.num_classes).to(self.device)
        settings = config.optimizer
        self.scored = copy.deepcopy(self.network) if settings.weight_averaging else self.network  # the average
        self.weights: list[Tensor] = [*self.network.parameters()]
        self.averages, self.averaged = (  # with the means and variances of batch norms
            [value for value in network.state_dict().values() if value.is_floating_point()]
            for network in (self.scored, self.network)
        )
        self.optimizer = torch.optim.AdamW(
            self.weights, settings.learning_rate, weight_decay=settings.weight_decay, fused=True
        )
        self.batch_size, self.success_word = settings.batch_size, self.scenes.world.verdicts[True]
        self.update, self.seconds = 0, 0.0
        self.found: list[tuple[int, Tensor]] = []  # by updates that were not settled yet
        self.window: dict[str, float] = {}  # sums since the last report
        self.curve: list[dict[str, float]] = []  # validation scores so far

    @property
    def frames(self) -> int:
        """Scenes seen so far."""
        return self.update * self.batch_size

    @property
    def episodes(self) -> int:
        """The same, by the name that it has where a scene takes several frames."""
        return self.frames

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds: tensors and primitives.

        Raises:
            FloatingPointError: if anything was not finite that should be; the last checkpoint is still good.
        """
        self._settle()
        return {
            "config": self.config.to_json(),
            "network": self.scored.state_dict(),
            **({"learner": self.network.state_dict()} if self.scored is not self.network else {}),
            "optimizer": self.optimizer.state_dict(),
            "update": self.update,
            "seconds": self.seconds,
            "window": self.window,
            "curve": self.curve,
            "commits": self.commits,
            "devices": self.devices,
            **log_sizes(self.folder),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Goes back to where a checkpoint was written; what was reported since is taken back.

        Raises:
            ValueError: if the checkpoint is one of other settings, or of a network of other shapes.
        """
        demand_device(self.folder / CHECKPOINT, state, self.config, self.device)
        with restoring(self.folder / CHECKPOINT, state, self.config, self.optimizer):
            self.scored.load_state_dict(state["network"])
            if self.scored is not self.network:
                self.network.load_state_dict(state["learner"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.window = state.get("window", {})  # older checkpoints were written between two windows
            for name in ("update", "seconds", "curve"):
                setattr(self, name, state[name])
            self.commits = [*dict.fromkeys([*state["commits"], *self.commits])]
            self.devices = [*(name for name in state["devices"] if name not in self.devices), *self.devices]
        cut_logs(self.folder, state)

    def save(self) -> None:
        """Writes a checkpoint."""
        save_state(self.folder / CHECKPOINT, self.state())

    def step(self) -> Tensor:
        """One update; returns its loss, the norms of gradient and of weights after it, and the share of scenes named rightly.

        They stay on the device: nothing here waits for a GPU.
        """
        progress = self.update / self.config.total_updates
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.optimizer.learning_rate * 0.5 * (1 + math.cos(math.pi * progress))
        scenes, labels = self.scenes.of(self.update)
        with autocast(self.config, self.device):
            logits = self.network(scenes)
        loss = nn.functional.cross_entropy(logits.float(), labels)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        gradient = _norm([weight.grad for weight in self.weights if weight.grad is not None])
        self.optimizer.step()
        self.update += 1
        self._average()
        success = (logits.argmax(1) == labels).float().mean()
        found = torch.stack([loss.detach(), gradient, _norm(self.weights), success])
        self.found.append((self.update - 1, found))
        return found

    def _average(self) -> None:
        """Brings the average a step nearer to the weights, and its batch norms' means and variances to theirs."""
        if self.scored is self.network:
            return
        # The first weights are soon forgotten.
        keep = min(self.config.optimizer.weight_averaging, self.update / (self.update + 10))
        with torch.no_grad():
            torch._foreach_lerp_(self.averages, self.averaged, 1 - keep)

    def _settle(self) -> None:
        """Adds what updates found to the sums of the next report."""
        found, self.found = self.found, []
        rows = torch.stack([row for _, row in found]).cpu() if found else ()
        for (number, _), row in zip(found, rows, strict=True):
            for what, value in zip(MUST_BE_FINITE, row, strict=False):
                demand_finite(what, value, number, self.folder)
            for name, number_found in zip(REPORTED, row.tolist(), strict=True):
                self.window[name] = self.window.get(name, 0.0) + number_found

    def report(self) -> dict[str, float]:
        """Means since the last report, a line for `metrics.jsonl`.

        Raises:
            FloatingPointError: if anything was not finite that should be; the last checkpoint is still good.
        """
        self._settle()
        every = self.config.run.report_every
        since = self.update - every * ((self.update - 1) // every)
        means = {name: total / since for name, total in self.window.items()}
        self.window = {}
        seen = {"update": self.update, "episodes": self.frames, "frames": self.frames}
        return {**seen, **means, "learning_rate": self.optimizer.param_groups[0]["lr"]}

    def score(self, split: str, *, episodes: int | None = None) -> Score:
        """Scores the network as it is, or the average of its weights, on every scene of a split or on the first few."""
        return evaluate(self.scored, self.config, split, episodes)

    def film(self) -> tuple[list[Pixels], float]:
        """Nothing: a network that sees the whole scene at once has no episodes to show."""
        return [], 1.0


def train(config: ClassifierConfig, folder: Path, resume: bool = False, saved: Saved = nobody) -> dict[str, Any]:
    """Trains to the end, or until Ctrl-C, which saves first; returns the result, or nothing if interrupted.

    Args:
        config: the run's settings.
        folder: the run's folder.
        resume: go on from the folder's checkpoint, if there is one.
        saved: told after every checkpoint.

    Raises:
        OSError: if another process trains in the folder, or it cannot be written to; the last checkpoint is still good.
        FloatingPointError: see `ClassifierTrainer.report`.
    """
    demand_splits(config)
    with reserved(folder):
        trainer = ClassifierTrainer(config, folder)
        begin(trainer, resume, load_state)
        return carry_out(trainer, partial(make_updates, saved=saved), _result)


def _norm(values: Sequence[Tensor]) -> Tensor:
    """The norm of all values together."""
    norm: Tensor = torch.stack(torch._foreach_norm([*values])).norm()
    return norm


def _result(trainer: ClassifierTrainer) -> dict[str, Any]:
    """The same record as an agent's run leaves."""
    run = trainer.config.run
    scores = {split: trainer.score(split) for split in scored_splits(trainer.config)}
    for split, score in scores.items():
        print(f"{split}: {score}")
    return {
        "config": trainer.config.to_dict(),
        **{split: score.to_dict() for split, score in scores.items()},
        "curve": trainer.curve,
        "frames": trainer.frames,
        **provenance(trainer.seconds, trainer.commits, trainer.devices, run),
    }
