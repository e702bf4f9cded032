"""Several processes that share every batch of one run, each on a processor core of its own.

Each plays and learns from its lanes of the batch. What an update averages over the batch is joined before it is averaged, and gradients are
added before they are followed: so all processes make the same update, that of one process alone but for the last bits. The first process
leads: it alone writes and prints, and tells the others which of their trainer's methods to call beside its own.

Small things go through pipes, gradients through memory that all share. A pipe also tells that its other end is gone, so that no process waits
for one that has failed.
"""

from __future__ import annotations

import copyreg
import io
import multiprocessing
import os
import pickle
import signal
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from itertools import accumulate
from multiprocessing.connection import Connection
from typing import Any, TypeVar

import torch
from torch import Tensor

Part = TypeVar("Part")
Shapes = tuple[torch.Size, ...]
INTERRUPTIONS = (signal.SIGINT, signal.SIGTERM)
FAILED = b"failed: "  # before what has stopped a process; no packed thing begins so
PATIENCE = 10.0  # seconds that a process may take to notice that the run is over


class Team:
    """This process's place among those that share every batch; by default it is alone.

    As a context, it lets the other processes go at its end, whatever that is.

    Args:
        size: how many processes there are.
        rank: which of them this is; 0 leads.
    """

    def __init__(self, size: int = 1, rank: int = 0) -> None:
        self.size, self.rank = size, rank
        self._pipes: list[Connection] = []
        self._processes: list[Any] = []
        # Memory that all share, (2, size, numbers): one may still be read while the other is written, and then it is its turn.
        self._sums: Tensor | None = None
        self._turn = 0
        self._rows: dict[Shapes, list[list[list[Tensor]]]] = {}  # its parts, for tensors of such shapes

    def __enter__(self) -> Team:
        return self

    def __exit__(self, *_: object) -> None:
        for pipe in self._pipes:
            pipe.close()
        for process in self._processes:
            process.join(PATIENCE)
            process.kill()
            process.join()

    @property
    def leads(self) -> bool:
        """Whether this process writes and prints."""
        return self.rank == 0

    def lanes(self, batch: int) -> slice:
        """Which lanes of a batch are this process's: all processes have as many, or one more."""
        return slice(batch * self.rank // self.size, batch * (self.rank + 1) // self.size)

    def start(self, work: Callable[..., None], numbers: int, *args: Any) -> None:
        """Starts the other processes of a team that this one leads.

        Args:
            work: each of them calls work(team, *args), a function of a module, and ends with it.
            numbers: the most that `add` is given.
            *args: what can be sent to them.
        """
        if self.size == 1:
            return
        spawning, pipes = multiprocessing.get_context("spawn"), []
        memory = spawning.RawArray("f", 2 * self.size * numbers)
        for rank in range(1, self.size):
            pipe, other = spawning.Pipe()
            pipes.append(pipe)
            self._processes.append(
                spawning.Process(target=_work, args=(work, other, memory, rank, self.size, *args), daemon=True)
            )
            with _deaf():
                self._processes[-1].start()
            other.close()  # here, so that it closes when the process ends
        self.connect(pipes, memory)

    def connect(self, pipes: Sequence[Connection], memory: Any) -> None:
        """Joins the team.

        Args:
            pipes: to each of the others, in the order of their ranks; or one to the leader.
            memory: that all share, 2 * size * numbers of 4 bytes.
        """
        self._pipes = [*pipes]
        self._sums = torch.frombuffer(memory, dtype=torch.float32).view(2, self.size, -1)

    def order(self, method: str, *args: Any) -> None:
        """Has the others call that method, too; called by the leader at its beginning, and by them without effect."""
        if self._pipes and self.leads:
            packed = _pack((method, *args))
            for place in range(len(self._pipes)):
                self._send(place, packed)

    def obey(self, trainer: Any) -> None:
        """Calls the methods of a trainer that the leader orders, until it is gone.

        Raises:
            Over: once it is.
        """
        while True:
            method, *args = pickle.loads(self._receive(0))
            getattr(trainer, method)(*args)

    def gather(self, part: Part) -> list[Part]:
        """The parts of all processes, in the order of their ranks; tensors of the others are without gradient.

        Raises:
            ChildProcessError: if one of them was killed.
            Exception: what one of them raised.
        """
        if self.size == 1:
            return [part]
        here, others = _pack(part), range(self.size - 1)
        if self.leads:
            for place in others:
                self._send(place, here)
            found = [self._receive(place) for place in others]
            for place in others:
                for other in others:
                    if other != place:
                        self._send(place, found[other])
        else:  # listens first, or both might speak, and neither ever finish
            found = [self._receive(0)]
            self._send(0, here)
            found += [self._receive(0) for _ in range(self.size - 2)]
        parts = [pickle.loads(each) for each in found]
        return [*parts[: self.rank], part, *parts[self.rank :]]

    def fail(self, error: Exception) -> None:
        """Tells the leader what has stopped this process, which is not the leader."""
        trace = traceback.format_exc()
        try:
            packed = _pack((error, trace))
            pickle.loads(packed)
        except Exception:  # not every error can be sent
            packed = _pack((RuntimeError(repr(error)), trace))
        self._send(0, FAILED + packed)

    def add(self, tensors: list[Tensor]) -> None:
        """Makes of each tensor, without gradient, its sum over all processes: the same there to the last bit."""
        if self.size == 1:
            return
        assert self._sums is not None, "A team of several must be connected first."
        shapes = tuple(tensor.shape for tensor in tensors)
        if shapes not in self._rows:
            self._rows[shapes] = [[_split(row, shapes) for row in rows] for rows in self._sums]
        found = [*self._rows[shapes][self._turn]]
        self._turn = 1 - self._turn
        torch._foreach_copy_(found[self.rank], tensors)
        self.gather(None)  # all have written
        if self.size == 2:  # a + b is b + a
            del found[self.rank]
        else:
            torch._foreach_copy_(tensors, found.pop(0))
        for others in found:
            torch._foreach_add_(tensors, others)

    def _send(self, place: int, packed: bytes) -> None:
        try:
            self._pipes[place].send_bytes(packed)
        except OSError:  # it is gone: its last words say why
            while True:
                self._receive(place)

    def _receive(self, place: int) -> bytes:
        """What the process at the other end of a pipe sent, still packed."""
        try:
            found = self._pipes[place].recv_bytes()
        except (EOFError, OSError):
            raise (self._death(place) if self.leads else Over) from None
        if found.startswith(FAILED):
            error, trace = pickle.loads(found.removeprefix(FAILED))
            raise error from RuntimeError(f"In another process of the run:\n{trace}")
        return found

    def _death(self, place: int) -> ChildProcessError:
        process = self._processes[place]
        process.join(PATIENCE)
        code = process.exitcode
        how = f"ended (exit status {code})" if code is None or code >= 0 else f"was killed (signal {-code})"
        return ChildProcessError(
            f"One of the {self.size} processes of this run {how}, perhaps as memory ran out; its message, if any, is above. "
            "The last checkpoint is good: --resume goes on with it."
        )


class Over(Exception):
    """The leader is gone, and a process that obeys it has nothing more to do."""


class _Packer(pickle.Pickler):
    """Packs tensors as NumPy arrays, in a tenth of the time that PyTorch takes."""

    dispatch_table = {
        **copyreg.dispatch_table,
        Tensor: lambda tensor: (torch.from_numpy, (tensor.detach().numpy(),)),
    }


def _split(row: Tensor, shapes: Shapes) -> list[Tensor]:
    """Parts of a row of numbers, in those shapes."""
    ends = [*accumulate(shape.numel() for shape in shapes)]
    return [row[end - shape.numel() : end].view(shape) for shape, end in zip(shapes, ends, strict=True)]


def _pack(what: Any) -> bytes:
    packed = io.BytesIO()
    _Packer(packed, pickle.HIGHEST_PROTOCOL).dump(what)
    return packed.getvalue()


def _work(work: Callable[..., None], pipe: Connection, memory: Any, rank: int, size: int, *args: Any) -> None:
    """What a process does that does not lead: it leaves the keyboard and the terminal to the one that does."""
    for number in INTERRUPTIONS:  # where they could not be kept off before
        signal.signal(number, signal.SIG_IGN)
    with Team(size, rank) as team, open(os.devnull, "w") as nowhere, redirect_stdout(nowhere), suppress(Over):
        team.connect([pipe], memory)
        try:
            work(team, *args)
        except Over:
            raise
        except Exception as error:
            team.fail(error)


@contextmanager
def _deaf() -> Iterator[None]:
    """Processes that are started now never hear of interruptions, which are the leader's to answer; they reach it afterwards."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, INTERRUPTIONS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
