"""Trains an agent: rollout, loss, update, again; with reports, checkpoints and exact resumption."""

from __future__ import annotations

import copy
import json
import math
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from agents import losses
from agents.checkpoint import begin_with, load_checkpoint, restoring, save_checkpoint
from agents.config import Config
from agents.evaluation import Score, evaluate, make_envs, prepare_torch
from agents.ram_agent import RecurrentAttentionAgent, make_agent
from agents.rollout import GAZES, Rollout, collect_rollout
from agents.run_folder import (
    CHECKPOINT,
    LOGS,
    carry_out,
    current_commit,
    cut_logs,
    demand_finite,
    interruptible,
    log_sizes,
    provenance,
    record,
    reserved,
)


def training_loss(
    rollout: Rollout, agent: RecurrentAttentionAgent, entropy_bonus: float
) -> tuple[Tensor, dict[str, Tensor]]:
    """The loss whose gradient is one update's, and its parts.

    The hybrid loss of Mnih et al. 2014, section 3: cross entropy where labels teach the answer, REINFORCE for everything
    that was sampled, squared error for the baseline.
    """
    config, active = agent.config, rollout.active
    rewards = rollout.rewards
    if (
        config.dense_reward or config.glance_reward
    ):  # the answer's reward is paid look by look; what looking costs stays
        logits = rollout.logits["answer"] if config.dense_reward else _glances(rollout)
        pay = losses.probability_gains if config.dense_reward else losses.glance_rewards
        rewards = rewards * (1 - rollout.last) + pay(logits, _labels(rollout), active)
    advantages, returns = losses.advantages_and_returns(
        rewards, rollout.baselines, active, config.discount, config.gae_lambda
    )
    baseline = losses.baseline_loss(rollout.baselines, returns, active)
    parts = {"baseline_loss": baseline}
    total = baseline
    if config.leave_one_out:
        advantages = losses.leave_one_out(returns, config.rollouts)
    variance_left = ((returns - rollout.baselines.detach()).square() * active).sum()
    spread = ((returns - (returns * active).sum() / active.sum()).square() * active).sum()
    parts["baseline_explains"] = 1 - variance_left / spread.clamp(min=1e-8)
    looked = active * (1 - rollout.last) * rollout.explored  # the last location is never used
    if config.normalize_advantages:
        only_looks = agent.supervised and "stop" not in rollout.logits  # were sampled
        advantages = losses.normalize(advantages, looked if only_looks else active)

    if agent.gaze_learns:
        log_probs = losses.gaussian_log_prob(rollout.locations, rollout.location_means, agent.location_std)
        total = total + config.location_weight * losses.reinforce_loss(log_probs, advantages, looked)
        parts["border_penalty"] = losses.border_penalty(rollout.location_means, active * (1 - rollout.last))
        total = total + config.border_penalty * parts["border_penalty"]
    if config.glance_weight:
        parts["glance_loss"] = losses.answer_loss(_glances(rollout), _labels(rollout), active)
        total = total + config.glance_weight * parts["glance_loss"]
    for name, logits in rollout.logits.items():
        if name == "answer":
            mask = rollout.last  # only the last answer counts
        elif name == "stop":  # at the last glimpse the episode ends anyway
            mask = active * (torch.arange(1, len(active) + 1, device=active.device) < rollout.budget)[:, None]
        else:
            mask = active
        if name == "answer" and agent.supervised:
            labels = _labels(rollout)
            parts["answer_loss"] = losses.answer_loss(logits, labels, mask)
            total = total + parts["answer_loss"]
            if config.early_answer_weight:
                parts["early_answer_loss"] = losses.answer_loss(logits, labels, active - mask)
                total = total + config.early_answer_weight * parts["early_answer_loss"]
        else:
            log_probs = losses.categorical_log_prob(rollout.choices[name], logits)
            entropy = (losses.categorical_entropy(logits) * mask).sum() / mask.shape[1]
            parts[f"{name}_entropy"] = entropy / mask.sum() * mask.shape[1]
            total = total + losses.reinforce_loss(log_probs, advantages, mask) - entropy_bonus * entropy
    return total, {name: part.detach() for name, part in parts.items()}


def _labels(rollout: Rollout) -> Tensor:
    assert rollout.labels is not None, "The hybrid loss needs an environment that tells the label."
    return rollout.labels


def _glances(rollout: Rollout) -> Tensor:
    assert rollout.glances is not None, "Only an agent with a glance_weight answers from single glimpses."
    return rollout.glances


class Trainer:
    """One training run in its folder.

    A checkpoint holds everything that the rest of the run depends on, so that a resumed run ends with the same numbers as
    one that was never interrupted.

    Args:
        config: the run's settings.
        folder: the run's folder; it must exist.
    """

    def __init__(self, config: Config, folder: Path) -> None:
        self.device = prepare_torch(config)
        self.config, self.folder = config, folder
        self.commits = [current_commit()]  # that this run's code was at, read before the checkout can move on
        torch.manual_seed(config.seed)
        digits = "GlimpseMNIST" in config.env
        shown = replace(config, env_args=(*config.env_args, *config.train_env_args))
        self.envs = make_envs(shown, config.batch_size, **({"split": "train"} if digits else {}))
        self.images = len(self.envs.unwrapped.data) if digits else 0
        self.agent = make_agent(config, self.envs).to(self.device)
        if config.warm_start:
            begin_with(self.agent, config.warm_start)
        self.scored = copy.deepcopy(self.agent) if config.weight_averaging else self.agent  # the average of its weights
        self.optimizer = _make_optimizer(self.agent, config)
        self.generator = torch.Generator(self.device).manual_seed(config.seed)
        self.update, self.frames, self.seconds = 0, 0, 0.0
        self.window: dict[str, float] = {}  # sums since the last report
        self.curve: list[dict[str, float]] = []  # validation scores so far
        lanes = config.batch_size // config.rollouts
        seeds = np.random.SeedSequence(config.seed).generate_state(lanes).repeat(config.rollouts)
        self.envs.reset(seed=[int(seed) for seed in seeds])  # lanes with equal seeds show equal scenes

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds: tensors and primitives."""
        return {
            "config": json.dumps(self.config.to_dict()),
            "agent": self.scored.state_dict(),
            **({"learner": self.agent.state_dict()} if self.scored is not self.agent else {}),
            "optimizer": self.optimizer.state_dict(),
            "sampling": self.generator.get_state(),
            "lanes": [json.dumps(lane.bit_generator.state) for lane in self.envs.unwrapped.np_random],
            "update": self.update,
            "frames": self.frames,
            "seconds": self.seconds,
            "window": self.window,
            "curve": self.curve,
            "commits": self.commits,
            **log_sizes(self.folder),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Goes back to where a checkpoint was written; what was reported since is taken back.

        Raises:
            ValueError: if the checkpoint is one of other settings, or of networks of other shapes.
        """
        with restoring(self.folder / CHECKPOINT, state, self.config, self.optimizer):
            self.scored.load_state_dict(state["agent"])
            if self.scored is not self.agent:
                self.agent.load_state_dict(state["learner"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.generator.set_state(state["sampling"])
            for lane, text in zip(self.envs.unwrapped.np_random, state["lanes"], strict=True):
                lane.bit_generator.state = json.loads(text)
            for name in ("update", "frames", "seconds", "window", "curve"):
                setattr(self, name, state[name])
            self.commits = [*dict.fromkeys([*state["commits"], *self.commits])]
        cut_logs(self.folder, state)

    def save(self) -> None:
        """Writes a checkpoint."""
        save_checkpoint(self.folder / CHECKPOINT, self.state())

    def step(self) -> None:
        """One update.

        Raises:
            FloatingPointError: if anything is not finite that should be; the last checkpoint is still good.
        """
        config, progress = self.config, self.update / self.config.total_updates
        self.agent.gaze_learns = config.gaze == "learned" and progress < config.gaze_fraction
        for serves, group in zip(self.agent.parameter_groups(), self.optimizer.param_groups, strict=True):
            fraction = config.gaze_fraction if serves == "where" else 1.0
            group["lr"] = group["initial_lr"] * _annealed(config.annealing, progress, fraction)
        final = config.location_std if config.location_std_final is None else config.location_std_final
        explored = min(1.0, progress / config.exploration_fraction)
        self.agent.location_std = config.location_std + (final - config.location_std) * explored

        rollout = collect_rollout(
            self.agent,
            self.envs,
            options=self._images(),
            generator=self.generator,
            prices=self._prices(),
            watch=lambda decision: self._demand_finite("A location", decision.location),
        )
        loss, parts = training_loss(rollout, self.agent, config.entropy_bonus * (1 - progress))
        self._demand_finite("The loss", loss)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        for group in self.optimizer.param_groups:
            norm = torch.nn.utils.clip_grad_norm_(group["params"], config.max_grad_norm or math.inf)
            self._demand_finite("The gradient", norm)
        self.optimizer.step()
        norms = torch.stack(torch._foreach_norm([*self.agent.parameters()]))
        self._demand_finite("The norm of the weights after the step", norms)
        self.update += 1
        if self.scored is not self.agent:
            keep = min(
                config.weight_averaging, self.update / (self.update + 10)
            )  # the first weights are soon forgotten
            with torch.no_grad():
                torch._foreach_lerp_([*self.scored.parameters()], [*self.agent.parameters()], 1 - keep)
        self.frames += int(rollout.active.sum())
        found = {
            "success": rollout.successes.float().mean(),
            "glimpses": rollout.num_glimpses.float().mean(),
            "gaze_distance": (rollout.target_distances * rollout.last).sum() / rollout.last.sum(),
            "loss": loss.detach(),
            **parts,
        }
        for name, value in found.items():
            self.window[name] = self.window.get(name, 0.0) + float(value)

    def _prices(self) -> Tensor | None:
        """A price of a glimpse for every episode, its logarithm uniform, for an agent that is told."""
        if not self.config.price_range:
            return None
        low, high = self.config.price_range
        images = self.config.batch_size // self.config.rollouts
        shares = torch.rand(images, generator=self.generator, device=self.device)
        return (low * (high / low) ** shares).repeat_interleave(self.config.rollouts)

    def _demand_finite(self, what: str, values: Tensor) -> None:
        demand_finite(what, values, self.update, self.folder)

    def _images(self) -> dict[str, Any] | None:
        """Which digits to show: every epoch walks through the training digits once, in an order of its own."""
        if not self.images:
            return None
        lanes = self.config.batch_size // self.config.rollouts
        places = np.arange(self.update * lanes, (self.update + 1) * lanes)
        epochs = places // self.images
        order = {epoch: self._epoch(int(epoch)) for epoch in np.unique(epochs)}
        index = np.array([order[epoch][place % self.images] for epoch, place in zip(epochs, places, strict=True)])
        return {"index": index.repeat(self.config.rollouts)}

    def _epoch(self, epoch: int) -> np.ndarray[Any, Any]:
        if getattr(self, "_order", (None,))[0] != epoch:
            self._order = (epoch, np.random.default_rng((self.config.seed, epoch)).permutation(self.images))
        return self._order[1]

    def report(self) -> dict[str, float]:
        """Means since the last report; written to `metrics.jsonl`."""
        since = self.update - self.config.report_every * ((self.update - 1) // self.config.report_every)
        line = {"update": self.update, "episodes": self.update * self.config.batch_size, "frames": self.frames}
        means = {name: total / since for name, total in self.window.items()}
        self.window = {}
        return {**line, **means}

    def score(self, split: str, gaze: str = "agent", glimpses: int | None = None, price: float | None = None) -> Score:
        """Scores the agent as it is, with its own number of glimpses or another, at its own price or another."""
        config = self.config
        if glimpses is not None:
            config = replace(config, env_args=(*config.env_args, f"num_glimpses={glimpses}"))
        return evaluate(self.scored, config, split, gaze=gaze, price=price)


def train(config: Config, folder: Path, resume: bool = False) -> dict[str, Any]:
    """Trains to the end, or until Ctrl-C, which saves first; returns the result, or nothing if interrupted.

    Args:
        config: the run's settings.
        folder: the run's folder.
        resume: go on from the folder's checkpoint, if there is one.

    Raises:
        OSError: if another process trains in the folder, or it cannot be written to; the last checkpoint is still good.
        FloatingPointError: see `Trainer.step`.
    """
    with reserved(folder):
        trainer = Trainer(config, folder)
        if resume and (folder / CHECKPOINT).exists():
            trainer.restore(load_checkpoint(folder / CHECKPOINT))
        else:
            cut_logs(folder, dict.fromkeys(LOGS, 0))  # of an attempt that left no checkpoint
        return carry_out(trainer, _make_updates, _result)


def _make_updates(trainer: Trainer) -> None:
    """Makes what is left of the run's updates, with reports and checkpoints; Ctrl-C ends it after the update under way."""
    config, folder = trainer.config, trainer.folder
    trainer.save()  # before anything is reported, so that there is always a checkpoint to go on from
    total, evaluate_every = config.total_updates, max(1, config.total_updates // max(1, config.evaluations))
    started = saved = time.monotonic()
    before = trainer.seconds
    with (
        tqdm(
            total=total * config.batch_size, initial=trainer.update * config.batch_size, unit="ep", smoothing=0.05
        ) as bar,
        interruptible() as interrupted,
        SummaryWriter(str(folder), purge_step=trainer.frames) as board,
    ):
        while trainer.update < total and not interrupted:
            trainer.step()
            bar.update(config.batch_size)
            if trainer.update % config.report_every and trainer.update < total:
                continue
            line = trainer.report()
            if (trainer.update // evaluate_every) > ((trainer.update - config.report_every) // evaluate_every):
                score = trainer.score("validation")
                line |= {"validation_error_percent": score.error_percent, "validation_glimpses": score.mean_glimpses}
                line["validation_gaze_distance"] = score.gaze_distance[-1]
                trainer.curve.append(
                    {"episodes": line["episodes"], "frames": trainer.frames, "error_percent": score.error_percent}
                )
                bar.write(f"{line['episodes']:>9} episodes, {trainer.frames:>10} frames: {describe(score)}")
            trainer.seconds = before + time.monotonic() - started
            record(folder, board, line, trainer.seconds)
            speed = trainer.frames / max(trainer.seconds, 1e-9)
            bar.set_postfix_str(f"success {line['success']:.3f}, {speed / 1000:.1f}k frames/s")
            if time.monotonic() - saved > 60 * config.checkpoint_minutes:
                trainer.save()
                saved = time.monotonic()
    trainer.seconds = before + time.monotonic() - started
    trainer.save()


def _result(trainer: Trainer) -> dict[str, Any]:
    """Everything that somebody needs who wants to check the numbers of a run."""
    splits = ("validation", *(["test"] if trainer.config.score_test else []))
    scores = {split: trainer.score(split) for split in splits}
    fewer = {
        glimpses: {split: trainer.score(split, glimpses=glimpses) for split in splits}
        for glimpses in trainer.config.scored_glimpses
    }
    prices = {
        price: {split: trainer.score(split, price=price) for split in splits} for price in trainer.config.scored_prices
    }
    for split in splits:
        for score in (*(found[split] for found in (*fewer.values(), *prices.values())), scores[split]):
            print(f"{split}: {describe(score)}")
    gazes = [gaze for gaze in GAZES if gaze != "agent"] if trainer.config.gaze == "learned" else []
    return {
        "config": trainer.config.to_dict(),
        **{split: score.to_dict() for split, score in scores.items()},
        "fewer_glimpses": {
            str(glimpses): {split: score.to_dict() for split, score in found.items()}
            for glimpses, found in fewer.items()
        },
        "prices": {
            str(price): {split: score.to_dict() for split, score in found.items()} for price, found in prices.items()
        },
        "other_gazes": {gaze: trainer.score("validation", gaze).error_percent for gaze in gazes},
        "curve": trainer.curve,
        "frames": trainer.frames,
        **provenance(trainer.seconds, trainer.commits, trainer.device, trainer.config.threads),
    }


def describe(score: Score) -> str:
    """A score in one line."""
    error = f"{score.error_percent:.2f} % +- {100 * score.standard_error:.2f}"
    return f"error {error}, {score.mean_glimpses:.2f} glimpses, gaze off by {score.gaze_distance[-1]:.2f}"


def _annealed(annealing: str, progress: float, fraction: float = 1.0) -> float:
    """Factor of the learning rate of what learns for a fraction of the training."""
    if progress >= fraction:
        return 0.0
    done = progress / fraction
    return {"linear": 1 - done, "cosine": 0.5 * (1 + math.cos(math.pi * done)), "constant": 1.0}[annealing]


def _make_optimizer(agent: RecurrentAttentionAgent, config: Config) -> torch.optim.Optimizer:
    groups = []
    for name, parameters in agent.parameter_groups().items():
        rate = (name != "what" and config.location_learning_rate) or config.learning_rate
        groups.append({"params": parameters, "lr": rate, "initial_lr": rate})
    if config.optimizer == "adam":
        return torch.optim.AdamW(groups, weight_decay=config.weight_decay, fused=True)
    return torch.optim.SGD(groups, momentum=config.momentum, fused=True)
