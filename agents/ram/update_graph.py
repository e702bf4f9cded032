"""An update as a CUDA graph: what a GPU is told once, and then repeats at a word.

An update of a batch of 128 is some two thousand small pieces of work, each of which takes Python longer to ask for than a GPU to do. Recorded
as a graph they are asked for together. Nothing in an update waits for the GPU and an episode's length is known, so that the same pieces
follow every time; what changes from update to update lies in tensors that are filled before: the episodes dealt, and the `Knobs`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from agents.experiment.device import send
from agents.ram.findings import Found

WARM_UP = 3  # updates that are made piece by piece before one is recorded, so that all that is made once is there


class UpdateGraph:
    """Makes a trainer's updates, and from the fourth on repeats what it recorded.

    Args:
        trainer: whose; its device is a "cuda", and its world a `DeviceWorld`.
    """

    def __init__(self, trainer: Any) -> None:
        self.trainer = trainer
        self.knobs = torch.zeros(6 + len(trainer.optimizer.param_groups), device=trainer.device)
        self._stream = torch.cuda.Stream(trainer.device)  # type: ignore[no-untyped-call]
        self._recorded: dict[bool, tuple[torch.cuda.CUDAGraph, Found]] = {}  # by whether the gaze learns
        self._made = dict.fromkeys((False, True), 0)  # updates made piece by piece

    def __call__(self, learn: Callable[[], Found]) -> Found:
        """One update, of the episodes that were dealt.

        Args:
            learn: makes it, piece by piece.
        """
        kind = bool(self.trainer.agent.gaze_learns)
        send(torch.tensor(self._numbers()), self.knobs)
        if kind not in self._recorded and self._made[kind] < WARM_UP:
            self._made[kind] += 1
            return self._aside(learn)
        if kind not in self._recorded:
            self._recorded.clear()  # and its memory: a gaze that no longer learns does not begin again
            self._recorded[kind] = self._record(learn)
        graph, found = self._recorded[kind]
        self.trainer.envs.take_dealt()
        graph.replay()
        return Found(found.demanded, found.measured, found.row.clone())  # the next repeats into the same place

    def _numbers(self) -> list[float]:
        trainer, agent = self.trainer, self.trainer.agent
        rates = [group["lr"] for group in trainer.optimizer.param_groups]
        turned = [agent.location_std, agent.anywhere, agent.return_scale, agent.trust]
        return [*turned, trainer.greedy_share, trainer.entropy_bonus, *rates]

    def _aside(self, learn: Callable[[], Found]) -> Found:
        """An update in a stream of its own, as those before a recording must be, with the arithmetic of those that follow it."""
        current = torch.cuda.current_stream(self.trainer.device)
        self._stream.wait_stream(current)
        with self._turned_by_tensors(), torch.cuda.stream(self._stream):
            found = learn()
        current.wait_stream(self._stream)
        return found

    def _record(self, learn: Callable[[], Found]) -> tuple[torch.cuda.CUDAGraph, Found]:
        """An update that is recorded and not made.

        Raises:
            RuntimeError: if something in it cannot be recorded.
        """
        graph = torch.cuda.CUDAGraph()
        graph.register_generator_state(self.trainer.generator)
        self.trainer.optimizer.zero_grad()
        try:
            with self._turned_by_tensors(), torch.cuda.graph(graph, stream=self._stream):
                return graph, learn()
        except RuntimeError as error:
            raise RuntimeError(
                f"An update cannot be recorded here ({error}): --run.cuda-graphs False does without."
            ) from error

    @contextmanager
    def _turned_by_tensors(self) -> Iterator[None]:
        """Puts the knobs in the place of the numbers that they hold."""
        trainer, agent, groups = self.trainer, self.trainer.agent, self.trainer.optimizer.param_groups
        std, anywhere, scale, trust, keen, bonus, *rates = self._numbers()
        agent.location_std, agent.anywhere, agent.return_scale, agent.trust, *tensors = self.knobs
        trainer.greedy_share, trainer.entropy_bonus, *tensors = tensors
        for group, rate in zip(groups, tensors, strict=True):
            group["lr"] = rate
            if "capturable" in group:
                group["capturable"] = True
        try:
            yield
        finally:
            agent.location_std, agent.anywhere, agent.return_scale, agent.trust = std, anywhere, scale, trust
            trainer.greedy_share, trainer.entropy_bonus = keen, bonus
            for group, before in zip(groups, rates, strict=True):
                group["lr"] = before
                if "capturable" in group:
                    group["capturable"] = False
