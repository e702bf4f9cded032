"""Trains a classifier: scenes drawn, a step down the cross entropy, again; with reports, checkpoints and exact resumption.

Axes: B batch, C channels, H and W the scene's sides.
"""

from __future__ import annotations

import math
import time
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from agents.classifiers.config import ClassifierConfig
from agents.classifiers.evaluation import evaluate
from agents.classifiers.networks import make_network
from agents.experiment.checkpoint import demand_device, load_checkpoint, restoring, save_checkpoint
from agents.experiment.device import prepare_torch
from agents.experiment.episodes import make_split
from agents.experiment.run_folder import (
    CHECKPOINT,
    Saved,
    begin,
    carry_out,
    current_commit,
    cut_logs,
    demand_finite,
    device_name,
    interruptible,
    log_sizes,
    nobody,
    provenance,
    record,
    reserved,
)
from agents.experiment.score import Score

save_state = partial(save_checkpoint, holds="a classifier")
load_state = partial(load_checkpoint, settings=ClassifierConfig, holds="a classifier")


class ClassifierTrainer:
    """One training run in its folder.

    What is drawn depends on the seed and the number of the update alone, so a resumed run ends with the same numbers.

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
        envs = make_split(config, 1, "train", training=True).unwrapped
        if not (hasattr(envs, "whole_scenes") and envs.tells_label):
            raise ValueError(
                f"A classifier needs whole scenes with labels, as GlimpseMNIST has them: {config.env} has none."
            )
        self.world, self.recipe = envs, envs.recipe
        self.batch_size = config.optimizer.batch_size
        if self.batch_size > envs.num_images:
            raise ValueError(f"batch_size must be at most {envs.num_images}, the training images.")
        shape = (envs.screen[2], *self.recipe.canvas)
        self.network = make_network(config.network, shape, len(envs.class_names)).to(self.device)
        settings = config.optimizer
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), settings.learning_rate, weight_decay=settings.weight_decay, fused=True
        )
        self.update, self.seconds = 0, 0.0
        self.curve: list[dict[str, float]] = []  # validation scores so far

    @property
    def frames(self) -> int:
        """Scenes seen so far."""
        return self.update * self.batch_size

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds: tensors and primitives."""
        return {
            "config": self.config.to_json(),
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "update": self.update,
            "seconds": self.seconds,
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
            self.network.load_state_dict(state["network"])
            self.optimizer.load_state_dict(state["optimizer"])
            for name in ("update", "seconds", "curve"):
                setattr(self, name, state[name])
            self.commits = [*dict.fromkeys([*state["commits"], *self.commits])]
            self.devices = [*(name for name in state["devices"] if name not in self.devices), *self.devices]
        cut_logs(self.folder, state)

    def save(self) -> None:
        """Writes a checkpoint."""
        save_state(self.folder / CHECKPOINT, self.state())

    def draw(self) -> tuple[Tensor, Tensor]:
        """The training scenes (B, C, H, W) of this update, and their labels (B,); every epoch has an order of its own."""
        size, seed = self.batch_size, self.config.seed
        count = self.world.num_images
        epoch, place = divmod(self.update, count // size)
        index = _order(count, seed, epoch)[place * size : (place + 1) * size]
        draws = np.random.default_rng((seed, self.update, 1)).random((size, self.recipe.num_draws))
        if self.world.fixed_scenes:
            draws = self.world.held_out_draws(index)[:, 3:]
        scenes, labels = self.world.whole_scenes(index, draws)
        pixels = torch.from_numpy(scenes).to(self.device).permute(0, 3, 1, 2)
        return pixels.float() / 255, torch.from_numpy(labels).to(self.device)

    def step(self) -> tuple[Tensor, Tensor]:
        """One update; returns the loss, and the share of scenes named rightly before it.

        Raises:
            FloatingPointError: if anything is not finite that should be; the last checkpoint is still good.
        """
        progress = self.update / self.config.total_updates
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.optimizer.learning_rate * 0.5 * (1 + math.cos(math.pi * progress))
        scenes, labels = self.draw()
        logits = self.network(scenes)
        loss = nn.functional.cross_entropy(logits, labels)
        self._demand_finite("The loss", loss)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        parameters = [*self.network.parameters()]
        self._demand_finite("The gradient", *(parameter.grad for parameter in parameters))
        self.optimizer.step()
        self._demand_finite("The norm of the weights after the step", *parameters)
        self.update += 1
        return loss.detach(), (logits.argmax(1) == labels).float().mean()

    def _demand_finite(self, what: str, *values: Tensor | None) -> None:
        norms = torch.stack(torch._foreach_norm([value for value in values if value is not None]))
        demand_finite(what, norms, self.update, self.folder)

    def report(self, updates: int) -> dict[str, float]:
        """Makes so many updates; returns a line for `metrics.jsonl` with their means."""
        losses, successes = zip(*(self.step() for _ in range(updates)), strict=True)
        loss, success = (float(torch.stack(found).mean()) for found in (losses, successes))
        seen = {"episodes": self.frames, "frames": self.frames}
        return {"update": self.update, **seen, "success": success, "loss": loss}

    def score(self, split: str) -> Score:
        """Scores the network as it is on every scene of a split."""
        return evaluate(self.network, self.config, split)


def train(config: ClassifierConfig, folder: Path, resume: bool = False, saved: Saved = nobody) -> dict[str, Any]:
    """Trains to the end, or until Ctrl-C, which saves first; returns the result, or nothing if interrupted.

    Args:
        config: the run's settings.
        folder: the run's folder.
        resume: go on from the folder's checkpoint, if there is one.
        saved: told after every checkpoint.

    Raises:
        OSError: if another process trains in the folder, or it cannot be written to; the last checkpoint is still good.
        FloatingPointError: see `ClassifierTrainer.step`.
    """
    with reserved(folder):
        trainer = ClassifierTrainer(config, folder)
        begin(trainer, resume, load_state)
        return carry_out(trainer, partial(_make_updates, saved=saved), _result)


def _make_updates(trainer: ClassifierTrainer, saved: Saved = nobody) -> None:
    """Makes what is left of the run's updates; Ctrl-C ends it after the report under way."""
    run, folder, total = trainer.config.run, trainer.folder, trainer.config.total_updates
    trainer.save()  # so that there is always a checkpoint to go on from
    evaluate_every = max(1, total // run.evaluations) if run.evaluations else total + 1
    started, before = time.monotonic(), trainer.seconds
    with (
        tqdm(total=total * trainer.batch_size, initial=trainer.frames, unit="img", unit_scale=True) as bar,
        interruptible() as interrupted,
        SummaryWriter(str(folder), purge_step=trainer.frames) as board,
    ):
        while trainer.update < total and not interrupted:
            first = trainer.update
            line = trainer.report(min(run.report_every, total - first))
            evaluating = trainer.update // evaluate_every > first // evaluate_every
            if evaluating:
                score = trainer.score("validation")
                line["validation_error_percent"] = error = score.error_percent
                trainer.curve.append({"episodes": trainer.frames, "frames": trainer.frames, "error_percent": error})
                bar.write(f"{trainer.frames:>9} images: {score}")
            trainer.seconds = before + time.monotonic() - started
            record(folder, board, line, trainer.seconds)
            bar.update((trainer.update - first) * trainer.batch_size)
            bar.set_postfix_str(f"success {line['success']:.3f}")
            if evaluating:
                trainer.save()
                saved(100 * trainer.update / total, trainer.curve)
    trainer.seconds = before + time.monotonic() - started
    trainer.save()


@lru_cache(maxsize=1)
def _order(count: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """In which order an epoch walks through the training images."""
    return np.random.default_rng((seed, epoch, 2)).permutation(count)


def _result(trainer: ClassifierTrainer) -> dict[str, Any]:
    """The same record as an agent's run leaves."""
    run = trainer.config.run
    scores = {split: trainer.score(split) for split in ("validation", *(["test"] if run.score_test else []))}
    for split, score in scores.items():
        print(f"{split}: {score}")
    return {
        "config": trainer.config.to_dict(),
        **{split: score.to_dict() for split, score in scores.items()},
        "curve": trainer.curve,
        "frames": trainer.frames,
        **provenance(trainer.seconds, trainer.commits, trainer.devices, run),
    }
