"""Trains an agent: rollout, loss, update, again; with reports, checkpoints and exact resumption."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from agents.experiment.checkpoint import demand_device, restoring
from agents.experiment.device import device_name, find_device, prepare_torch
from agents.experiment.device_worlds import DeviceWorld, on_device
from agents.experiment.episodes import demand_splits, make_split, scored_splits, told_targets
from agents.experiment.recording import film
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
from agents.experiment.team import Team
from agents.experiment.updates import make_updates
from agents.ram.agent import SPAN, RecurrentAttentionAgent, fit_gaze, make_agent
from agents.ram.checkpoint import begin_with, class_names, load_state, save_state
from agents.ram.config import Config
from agents.ram.decisions import Decision
from agents.ram.draws import LaneGenerator, uniform
from agents.ram.evaluation import evaluate
from agents.ram.findings import Findings, Found
from agents.ram.layers import Activations
from agents.ram.objective import measure_baseline, training_loss
from agents.ram.ongoing import Ongoing
from agents.ram.rollout import GAZES, Rollout, collect_rollout, join
from agents.ram.update_graph import UpdateGraph
from agents.ram.watching import play_episodes
from ram_envs.rendering import Pixels
from ram_envs.retina_wrapper import RetinaVectorWrapper

NARROW = f"The retina spans less than {SPAN:.0%} of the image: its gaze steps (gaze.mean relative, gaze.pathway separate), where it would point."
MOMENTUM = 0.9  # of stochastic gradient descent, as in the paper
GAZE_RATE = 0.5  # of the learning rate: that of a gaze that learns by comparing looks
COUNTED = ("frames", "finished")  # of what an update finds; all else is measured
LEARNING_RATES = {"what": "learning_rate", "where": "gaze_learning_rate", "when": "stop_learning_rate"}
"""What a group of parameters serves -> its learning rate in reports."""


class Trainer:
    """One training run in its folder.

    A checkpoint holds everything that the rest of the run depends on, so that a resumed run ends with the same numbers as
    one that was never interrupted; but for episodes that are under way where an update ends in the middle of some: they begin anew.

    Args:
        config: the run's settings.
        folder: the run's folder; it must exist.
        team: the processes that share its batches.
        warm: whether it begins with the weights that the settings name, which a run that is resumed needs no more.
    """

    LOOKS_INTO = 10  # updates after which it is looked into what the answers know
    KNOWN = 0.2  # of what there is to know: from there on exploration and learning go on at their full pace
    TRUSTED = 0.05  # of the returns' spread explained: from there on what the baseline expects judges looks
    SPREADS = 0.05  # of running averages that an update makes up
    SMALLEST_SCALE = 0.01  # of returns: where there is no reward at all, nothing is to be made large
    FAR = (0.8, 0.1)  # share of the candidates that are not around the mean, at first and once exploration has ended
    GREEDY = 0.8  # share of the episodes that then look where a greedy agent would: answers and values learn from what it sees
    TELLING = 10  # answers of a batch: the mean of fewer is too much each one's own to tell what one knows

    def __init__(self, config: Config, folder: Path, team: Team | None = None, warm: bool = True) -> None:
        self.device = prepare_torch(config)
        self.folder, self.team = folder, team or Team()
        self.batch_size = config.learning.batch_size
        self.parts = min(config.learning.parts, self.batch_size)  # of a batch, each for a gradient step
        self.lanes = self.team.lanes(self.batch_size)  # that are played here
        self.commits = [current_commit()]  # that this run's code was at, read before the checkout can move on
        self.devices = [device_name(self.device)]
        torch.manual_seed(config.seed)
        here = self.lanes.stop - self.lanes.start
        self.envs = on_device(make_split(config, here, "train", training=True), self.device)
        self.config = config = fit_gaze(config, self.envs)
        self.success_word = self.envs.unwrapped.verdicts[True]
        self.images = self.envs.unwrapped.num_images or 0
        self.agent = make_agent(config, self.envs).to(self.device)
        self.agent.find_teacher(self.envs.unwrapped.tells_label, self.envs.unwrapped.one_answer)
        for glimpses in config.run.scored_glimpses:  # complains now, not after the training
            make_split(_looking(config, glimpses), 1, "validation").close()
        if config.run.warm_start and warm:
            begin_with(self.agent, config.run.warm_start)
        averaging = config.optimizer.weight_averaging
        self.scored = copy.deepcopy(self.agent) if averaging else self.agent  # the average of its weights
        self.weights: list[Tensor] = [*self.agent.parameters()]
        self.averages: list[Tensor] = [*self.scored.parameters()]
        self.serves = [*self.agent.parameter_groups()]
        self.optimizer = _make_optimizer(self.agent, config)
        self.generator = self._make_generator()
        self.findings = Findings(self.device, folder)
        self.update, self.frames, self.seconds = 0, 0, 0.0
        self.finished = 0  # episodes, where they go on from update to update
        self.greedy_share: float | Tensor = 0.0  # of the episodes, annealed
        self.explored = 0.0  # how far the exploration of looks that are compared has come, up to 1
        self.pace = 0.0  # at which it and learning go on: 1 once answers know enough
        self.known: list[float] = []  # what answers knew in each update since that was last looked into
        self.entropy_bonus: float | Tensor = 0.0  # annealed
        self.tells_success = False  # whether the world ever did
        self.return_spread: float | None = None  # running average of the returns' standard deviation
        looks = config.counterfactual  # compared by the return they are so in units of its spread, however small
        self.smallest_scale = self.SMALLEST_SCALE if looks is not None and looks.judge == "return" else 1.0
        self.explains = 0.0  # running average of the share of it that the baseline explains
        self.window: dict[str, float] = {}  # sums since the last report
        self.curve: list[dict[str, float]] = []  # validation scores so far
        info = self._seed_lanes(config.seed)
        self.tells_target = told_targets(self.envs, info) is not None
        self.ongoing = self._make_ongoing()
        # A world may not say that it stands still: it does until it is seen to change, by looking again at what was seen.
        able = config.counterfactual is not None and not isinstance(self.envs, DeviceWorld)
        self.may_change = able and self.agent.scene_changes
        if self.may_change:
            self.agent.scene_changes = False
        recorded = self.device.type == "cuda" and isinstance(self.envs, DeviceWorld) and config.run.cuda_graphs
        self.graph = UpdateGraph(self) if recorded else None

    def _seed_lanes(self, *seed: int) -> dict[str, Any]:
        """Seeds every lane here by the run's seed and whatever else; returns the info."""
        seeds = np.random.SeedSequence(seed if len(seed) > 1 else seed[0]).generate_state(self.batch_size)
        info: dict[str, Any] = self.envs.reset(seed=[int(each) for each in seeds[self.lanes]])[1]
        return info

    def _make_ongoing(self) -> Ongoing | None:
        """The episodes that go on from update to update, where they do: on a device all are equally long."""
        steps = 0 if isinstance(self.envs, DeviceWorld) else self.agent.rollout_steps
        return Ongoing(steps, lambda over: all(self.team.gather(over))) if steps else None

    def _make_generator(self) -> torch.Generator:
        """Draws for the whole batch, in every process alike."""
        if self.team.size == 1:
            return torch.Generator(self.device).manual_seed(self.config.seed)
        generator = LaneGenerator()
        generator.batch, generator.lanes = self.batch_size, self.lanes
        generator.manual_seed(self.config.seed)
        return generator

    @property
    def episodes(self) -> int:
        """Episodes played so far."""
        return self.update * self.batch_size if self.ongoing is None else self.finished

    @property
    def progress(self) -> float:
        """How far the training is, up to 1."""
        return min(1.0, self.episodes / self.config.total_episodes)

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds: tensors and primitives.

        Raises:
            FloatingPointError: if anything is not finite that should be.
        """
        self._settle()
        return {
            "config": self.config.to_json(),
            "class_names": class_names(self.envs),
            "agent": self.scored.state_dict(),
            **({"learner": self.agent.state_dict()} if self.scored is not self.agent else {}),
            "optimizer": self.optimizer.state_dict(),
            "sampling": self.generator.get_state(),
            "lanes": self.lane_states(),
            "update": self.update,
            "frames": self.frames,
            "finished": self.finished,
            "seconds": self.seconds,
            "explored": self.explored,
            "pace": self.pace,
            "known": self.known,
            "tells_success": self.tells_success,
            "return_spread": self.return_spread,
            "return_scale": float(self.agent.return_scale),
            "explains": self.explains,
            "scene_changes": self.agent.scene_changes,
            "trust": float(self.agent.trust),
            "window": self.window,
            "curve": self.curve,
            "commits": self.commits,
            "devices": self.devices,
            **log_sizes(self.folder),
        }

    def lane_states(self) -> list[str]:
        """What the generator of each lane of the batch would draw next."""
        self.team.order("lane_states")
        here = [json.dumps(lane.bit_generator.state) for lane in self.envs.unwrapped.np_random]
        return [state for states in self.team.gather(here) for state in states]

    def restore(self, state: dict[str, Any]) -> None:
        """Goes back to where a checkpoint was written; what was reported since is taken back.

        Raises:
            ValueError: if the checkpoint is one of other settings, or of networks of other shapes.
        """
        self.team.order("restore", state)
        same_device = demand_device(self.folder / CHECKPOINT, state, self.config, self.device)
        with restoring(self.folder / CHECKPOINT, state, self.config, self.optimizer):
            self.scored.load_state_dict(state["agent"])
            if self.scored is not self.agent:
                self.agent.load_state_dict(state["learner"])
            self.optimizer.load_state_dict(state["optimizer"])
            if same_device:
                self.generator.set_state(state["sampling"])
            else:  # each kind of device has generators of its own
                self.generator.manual_seed(self.config.seed + state["update"])
            # The environments behind a wrapper do not tell what they would draw.
            if isinstance(self.envs.unwrapped, RetinaVectorWrapper):
                self._seed_lanes(self.config.seed, state["update"])
            for lane, text in zip(self.envs.unwrapped.np_random, state["lanes"][self.lanes], strict=True):
                lane.bit_generator.state = json.loads(text)
            for name in ("update", "frames", "seconds", "explored", "known", "window", "curve"):
                setattr(self, name, state[name])
            self.finished, self.ongoing = state.get("finished", 0), self._make_ongoing()
            self.return_spread, self.agent.return_scale = state.get("return_spread"), state.get("return_scale", 1.0)
            self.pace, self.tells_success = state.get("pace", 1.0), state.get("tells_success", False)
            self.explains, self.agent.trust = state.get("explains", 0.0), state.get("trust", 0.0)
            self.agent.scene_changes = state.get("scene_changes", self.agent.scene_changes)
            self.commits = [*dict.fromkeys([*state["commits"], *self.commits])]
            self.graph = self.graph and UpdateGraph(self)  # moments lie elsewhere now
            self.devices = [*(name for name in state["devices"] if name not in self.devices), *self.devices]
        if self.team.leads:
            cut_logs(self.folder, state)

    def save(self) -> None:
        """Writes a checkpoint."""
        save_state(self.folder / CHECKPOINT, self.state())

    def step(self) -> None:
        """One update.

        Raises:
            FloatingPointError: if anything is not finite that should be, on a GPU at the next report; the last checkpoint is still good.
        """
        self.team.order("step")
        self._anneal(self.progress)
        if self.graph is None:
            found = self._learn(self._images())
        else:
            self.envs.deal(options=self._images())
            found = self.graph(self._learn)
        self.findings.keep(self.update, found)
        self.update += 1
        self._average()
        looking_into = self.update % self.LOOKS_INTO == 0
        if self.findings.at_once or looking_into or self.update == 1:
            self._settle()
        if looking_into:
            self._explore()
        if looking_into or self.update == 1:
            self.agent.return_scale = max(self.smallest_scale, self.return_spread or 0.0)
            self.agent.trust = min(1.0, max(0.0, self.explains / self.TRUSTED))

    def _learn(self, images: dict[str, Any] | None = None) -> Found:
        """Plays a batch of episodes, of these images or as dealt, and learns from it; no GPU is waited for."""
        twin = isinstance(self.envs, DeviceWorld)
        activations = self.agent.start_activations() if self.parts == 1 else None  # good until the first step
        rollout = collect_rollout(
            self.agent,
            self.envs,
            options=images,
            generator=self.generator,
            prices=self._prices(),
            keen=self._keen(),
            watch=None if twin else self._demand_place,
            activations=activations,
            longest=lambda steps: max(self.team.gather(steps)),
            ongoing=self.ongoing,
            look_again=self.may_change and not self.agent.scene_changes and self.update % self.LOOKS_INTO == 0,
        )
        if rollout.changes is not None:
            self.agent.scene_changes = any(self.team.gather(rollout.changes))
        if twin:
            self._demand_finite("A location", rollout.locations)
        if self.update == 0:  # nothing is known of returns yet, and one step on large ones is one too many
            largest = max(self.team.gather(float(rollout.returns.abs().max())))
            self.agent.return_scale = max(1.0, largest)
        # The lanes of a part are the same ones however many processes share the batch.
        firsts = [(part - self.lanes.start) % self.parts for part in range(self.parts)]
        steps = [self._take_step(rollout.of(slice(first, None, self.parts)), activations) for first in firsts]
        found = _together(steps, self.agent.return_scale)
        if self.config.network.input == "standardized":
            self._see(rollout)
        norms = torch.stack(torch._foreach_norm(self.weights))
        self._demand_finite("The norm of the weights after the step", norms)
        return self.findings.collect(found)

    def _take_step(self, rollout: Rollout, activations: dict[str, Activations] | None) -> dict[str, Tensor]:
        """One gradient step on what was played here and elsewhere; returns what it is to report, of all processes' episodes.

        Args:
            rollout: what was played here.
            activations: what was made meanwhile, if the weights are still the same.
        """
        with self.agent.autocast():
            outputs = self.agent.unroll(
                rollout.glimpses,
                rollout.seen_from,
                rollout.choices,
                rollout.prices,
                activations,
                rollout.start,
                rollout.stays,
                rollout.pixel_sizes,
            )
        rollout, outputs = join(self.team, rollout, outputs)
        loss, parts = training_loss(rollout, outputs, self.agent, self.entropy_bonus)
        self._demand_finite("The loss", loss)
        for weight in self.weights:
            weight.grad = None
        loss.backward()  # type: ignore[no-untyped-call]
        self.team.add([weight.grad for weight in self.weights if weight.grad is not None])
        gradient_norm = self._clip_gradients()
        self.optimizer.step()
        found = {"loss": loss.detach(), "gradient_norm": gradient_norm, **parts}
        return self._measures(found, rollout)

    def _see(self, rollout: Rollout) -> None:
        """Takes the pixels of the batch's glimpses, of which some are here, into the running statistics; those after an episode's end do not count."""
        found = self.team.gather(self.agent.standardize.measure(rollout.glimpses, rollout.active))
        self.agent.standardize.learn(torch.stack(found).sum(0))

    def _anneal(self, progress: float) -> None:
        """Sets learning rates, and how the gaze explores and whether it learns, for where the training is."""
        gaze, annealing = self.config.gaze, self.config.optimizer.annealing
        end = gaze.learning_fraction
        self.agent.gaze_learns = gaze.policy == "learned" and progress < end
        self.agent.stops = self.scored.stops = end == 1 or not self.agent.gaze_learns
        looking = progress / end if end else 1.0  # how far learning where to look has come
        choosing = progress  # and learning what to choose, such as when to stop
        if self.config.stopping is not None and end < 1:
            choosing = max(0.0, (progress - end) / (1 - end))
        explored, looks = self.explored, self.config.counterfactual
        done = {"what": progress, "where": looking, "when": choosing}
        warm_up = self.config.optimizer.warm_up
        for serves, group in zip(self.serves, self.optimizer.param_groups, strict=True):
            group["lr"] = group["initial_lr"] * _annealed(annealing, done[serves])
            if serves == "what" and self.agent.teacher != "reinforce":
                group["lr"] *= warm_up + (1 - warm_up) * self.pace
        if looks is None:
            explored = min(1.0, progress / gaze.exploration_fraction)
            self.agent.location_std = gaze.std + (self.agent.final_std - gaze.std) * explored
        else:
            self.agent.location_std = gaze.std * (self.agent.final_std / gaze.std) ** explored
            self.agent.anywhere = self.FAR[0] + (self.FAR[1] - self.FAR[0]) * explored
            self.greedy_share = self.GREEDY * explored
        self.entropy_bonus = self.config.learning.entropy_bonus * (1 - choosing)

    def _explore(self) -> None:
        """Lets the exploration of looks that are compared go on towards its end: in step with the training, but where answers
        compare them only once these know something."""
        explores = self.config.gaze.exploration_fraction
        if self.ongoing is not None:  # who knows how many updates there will be
            self.explored = min(1.0, self.progress / explores)
            return
        passed = self.LOOKS_INTO / (self.config.total_updates * explores)
        known, self.known = self.known, []
        self.pace = min(1.0, max(0.0, sum(known) / len(known) / self.KNOWN)) if known else 1.0
        self.explored = min(1.0, self.explored + passed * self.pace)

    def _clip_gradients(self) -> Tensor:
        """Brings each group's gradient to the greatest norm allowed, if there is one; all must be finite. Returns the norm before that."""
        greatest, groups = (
            self.config.optimizer.max_grad_norm,
            [group["params"] for group in self.optimizer.param_groups],
        )
        learning = [
            [weight for weight in group if weight.grad is not None] for group in groups
        ]  # a gaze may stay as it is
        if greatest:
            norms = tuple(torch.nn.utils.clip_grad_norm_(group, greatest) for group in learning if group)
        else:
            norms = torch._foreach_norm([weight.grad for weight in self.weights if weight.grad is not None])
        norm: Tensor = torch.linalg.vector_norm(torch.stack(norms))
        self._demand_finite("The gradient", norm)
        return norm

    def _average(self) -> None:
        """Brings the average of the weights a step nearer to what they are now."""
        if self.scored is self.agent:
            return
        # The first weights are soon forgotten.
        keep = min(self.config.optimizer.weight_averaging, self.update / (self.update + 10))
        with torch.no_grad():
            torch._foreach_lerp_(self.averages, self.weights, 1 - keep)
            for average, buffer in zip(self.scored.buffers(), self.agent.buffers(), strict=True):
                average.copy_(buffer)

    def _measures(self, parts: dict[str, Tensor], rollout: Rollout) -> dict[str, Tensor]:
        """What an update is to report, and how many frames it played."""
        found = {
            "frames": rollout.active.sum(),
            "finished": rollout.last.sum(),
            **({"success": rollout.successes.float().mean()} if rollout.tells_success else {}),
            "glimpses": rollout.num_glimpses.float().mean(),
            "return": rollout.returns.mean(),
            **parts,
        }
        if self.tells_target:
            counts = rollout.last if self.ongoing is None else rollout.active
            counts = counts * ~rollout.target_distances.isnan()
            found["gaze_distance"] = (rollout.target_distances.nan_to_num() * counts).sum() / counts.sum().clamp(min=1)
        return found

    def _settle(self) -> None:
        """Adds what updates found to the sums of the next report."""
        for measures in self.findings.settle():
            self.frames += int(measures.pop("frames"))
            self.finished += int(measures.pop("finished"))
            if "answers_know" in measures and self.batch_size // self.parts >= self.TELLING:
                self.known.append(measures["answers_know"])
            self.tells_success |= "success" in measures
            spread = measures["return_spread"]
            if self.batch_size == 1:  # within one episode that is paid at its end there is none
                spread = max(spread, abs(measures["return"]))
            before = spread if self.return_spread is None else self.return_spread
            self.return_spread = before + self.SPREADS * (spread - before)
            # One that is all wrong at first is soon forgotten.
            self.explains += self.SPREADS * (max(-self.TRUSTED, measures["baseline_explains"]) - self.explains)
            for name, value in measures.items():
                self.window[name] = self.window.get(name, 0.0) + value

    def _prices(self) -> Tensor | None:
        """A price of a glimpse for every episode, its logarithm uniform, for an agent that is told."""
        if not self.config.price_range:
            return None
        low, high = self.config.price_range
        shares = uniform((self.lanes.stop - self.lanes.start,), self.generator, self.device)
        prices: Tensor = low * (high / low) ** shares
        return prices

    def _keen(self) -> Tensor | None:
        """Which episodes look where a greedy agent would, while the gaze learns by counterfactual looks."""
        if self.config.counterfactual is None:
            return None
        shares = uniform((self.lanes.stop - self.lanes.start,), self.generator, self.device)
        return shares < self.greedy_share

    def _demand_place(self, decision: Decision) -> None:
        """Stops the run before NumPy's world is told to look nowhere."""
        demand_finite("A location", decision.location, self.update, self.folder)

    def _demand_finite(self, what: str, values: Tensor) -> None:
        self.findings.demand_finite(what, values, self.update)

    def _images(self) -> dict[str, Any] | None:
        """Which digits to show: every epoch walks through the training digits once, in an order of its own."""
        if not self.images or self.ongoing:
            return None
        index, first = [], self.update * self.batch_size
        while first < (self.update + 1) * self.batch_size:
            epoch, place = divmod(first, self.images)
            index.append(self._epoch(epoch)[place : place + (self.update + 1) * self.batch_size - first])
            first += len(index[-1])
        return {"index": np.concatenate(index)[self.lanes]}

    def _epoch(self, epoch: int) -> np.ndarray[Any, Any]:
        if getattr(self, "_order", (None,))[0] != epoch:
            self._order = (epoch, np.random.default_rng((self.config.seed, epoch)).permutation(self.images))
        return self._order[1]

    def report(self) -> dict[str, float]:
        """Means since the last report; written to `metrics.jsonl`."""
        self._settle()
        every = self.config.run.report_every
        since = self.update - every * ((self.update - 1) // every)
        line = {"update": self.update, "episodes": self.episodes, "frames": self.frames}
        means = {name: total / since for name, total in self.window.items()}
        self.window = {}
        rates = [float(group["lr"]) for group in self.optimizer.param_groups]
        names = (LEARNING_RATES[serves] for serves in self.serves)
        std = {} if self.agent.points else {"gaze_std": float(self.agent.location_std)}
        return {**line, **means, **dict(zip(names, rates, strict=True)), **std}

    def score(self, split: str, gaze: str = "agent", glimpses: int | None = None, **how: Any) -> Score:
        """Scores the agent as it is, with its own number of glimpses or another; `how` is told to `evaluate`."""
        config = self.config if glimpses is None else _looking(self.config, glimpses)
        score = evaluate(self.scored, config, split, gaze=gaze, tells_success=self.tells_success, **how)
        self.tells_success |= score.success is not None
        return score

    def film(self) -> tuple[list[Pixels], float]:
        """Frames of two validation episodes, or of their beginning, greedy, and how many are shown a second."""
        return film(self.config, lambda envs, show: play_episodes(self.scored, envs, show, episodes=2))


def train(config: Config, folder: Path, resume: bool = False, saved: Saved = nobody) -> dict[str, Any]:
    """Trains to the end, or until Ctrl-C, which saves first; returns the result, or nothing if interrupted.

    Args:
        config: the run's settings.
        folder: the run's folder.
        resume: go on from the folder's checkpoint, if there is one.
        saved: told after every checkpoint.

    Raises:
        OSError: if another process trains in the folder, or it cannot be written to; the last checkpoint is still good.
        FloatingPointError: see `Trainer.step`.
    """
    warm = not (resume and (folder / CHECKPOINT).exists())
    demand_splits(config)
    with reserved(folder), make_trainer(config, folder, warm) as trainer:
        if trainer.config != config:
            print(NARROW)
        begin(trainer, resume, load_state)
        return carry_out(trainer, partial(make_updates, saved=saved), _result)


@contextmanager
def make_trainer(config: Config, folder: Path, warm: bool = True) -> Iterator[Trainer]:
    """A run's trainer, with as many processes beside this one as its `threads` ask for, which end with the context."""
    on_processor = find_device(config.run.device).type == "cpu"
    with Team(config.run.threads if on_processor else 1) as team:
        trainer = Trainer(config, folder, team, warm)
        team.start(_share, sum(weight.numel() for weight in trainer.weights), config, folder, warm)
        yield trainer


def _share(team: Team, config: Config, folder: Path, warm: bool) -> None:
    """Trains beside the process that leads the team."""
    team.obey(Trainer(config, folder, team, warm))


def _result(trainer: Trainer) -> dict[str, Any]:
    """Everything that somebody needs who wants to check the numbers of a run."""
    config = trainer.config
    prices = [] if config.stopping is None else config.stopping.scored_prices

    def scored(**how: Any) -> dict[str, dict[str, Any]]:
        scores = {split: trainer.score(split, **how) for split in scored_splits(config)}
        for split, score in scores.items():
            told = ", ".join(f"{name} {value}" for name, value in how.items())
            print(f"{split}{f', {told}' if told else ''}: {score}", flush=True)
        return {split: score.to_dict() for split, score in scores.items()}

    fewer = {str(glimpses): scored(glimpses=glimpses) for glimpses in config.run.scored_glimpses}
    priced = {str(price): scored(price=price) for price in prices}
    others = [gaze for gaze in GAZES if gaze != "agent" and (gaze != "oracle" or trainer.tells_target)]
    others = others if config.gaze.policy == "learned" else []

    def of_gaze(gaze: str) -> float:
        score = trainer.score("validation", gaze)
        print(f"validation, gaze {gaze}: {score}", flush=True)
        return next(iter(score.figure().values()))

    return {
        "config": config.to_dict(),
        **scored(),
        "fewer_glimpses": fewer,
        "prices": priced,
        "other_gazes": {gaze: of_gaze(gaze) for gaze in others},
        "curve": trainer.curve,
        "frames": trainer.frames,
        **provenance(trainer.seconds, trainer.commits, trainer.devices, config.run),
    }


def _together(steps: list[dict[str, Tensor]], scale: float | Tensor) -> dict[str, Tensor]:
    """What the steps of an update found: sums of what was counted, means of what was measured, and what the baseline explains of all returns."""
    returns = torch.stack([step.pop("returns") for step in steps])
    if len(steps) == 1:
        return steps[0]
    found = {name: torch.stack([step[name] for step in steps]) for name in steps[0]}
    together = {name: each.sum(0) if name in COUNTED else each.mean(0) for name, each in found.items()}
    return together | measure_baseline(returns, scale)


def _looking(config: Config, glimpses: int) -> Config:
    """The settings with another number of glimpses."""
    return config.but(env_args=(*config.env_args, f"num_glimpses={glimpses}"))


def _annealed(annealing: str, done: float) -> float:
    """Factor of the learning rate of what has learnt for this share of its time."""
    if done >= 1:
        return 0.0
    return {"linear": 1 - done, "cosine": 0.5 * (1 + math.cos(math.pi * done)), "constant": 1.0}[annealing]


def _make_optimizer(agent: RecurrentAttentionAgent, config: Config) -> torch.optim.Optimizer:
    settings, groups = config.optimizer, []
    slower = GAZE_RATE if config.counterfactual is not None else 1.0
    for name, parameters in agent.parameter_groups().items():
        rate = settings.learning_rate * (1.0 if name == "what" else slower)
        groups.append({"params": parameters, "lr": rate, "initial_lr": rate})
        if settings.method == "adam":
            # Gradients of a Gaussian's mean are small, in units of its variance: 1e-8 would hold them back.
            groups[-1]["eps"] = 1e-8 if name == "what" or agent.points else 1e-12
    if settings.method == "adam":
        return torch.optim.Adam(groups, fused=True)
    return torch.optim.SGD(groups, momentum=MOMENTUM, fused=True)
