"""The folder of a training run, an agent's or a classifier's: its files, its logs, where its numbers come from.

It holds `metrics.jsonl`, one line per report; `times.jsonl`, when each was made; `checkpoint.pt`; curves for TensorBoard;
and at the end `result.json`. Files that are not appended to are replaced whole, and one process at a time is at work in it.
"""

from __future__ import annotations

import importlib.metadata
import json
import math
import os
import platform
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agents.experiment.settings import RunConfig

if sys.platform != "win32":
    import fcntl

if TYPE_CHECKING:
    import torch  # a command line reads this module before it has told anything

CHECKPOINT, METRICS, TIMES, RESULT = "checkpoint.pt", "metrics.jsonl", "times.jsonl", "result.json"
MODEL = "model.zip"  # of Stable-Baselines3
STOPPING = b"\nStopping after what is under way, an update or a score; once more stops at once.\n"
COMMIT_VARIABLE = "RAM_ENVS_COMMIT"  # the commit that the code is at, where it was copied without its history
Saved = Callable[[float, list[dict[str, float]]], None]
"""Told whenever a run's folder is up to date: how much of the run is done, in %, and its validation scores so far."""
LOGS = {"metrics_bytes": METRICS, "times_bytes": TIMES}


@contextmanager
def reserved(folder: Path) -> Iterator[None]:
    """Makes the folder, and keeps other processes from training in it; the system lets go of it however this one ends.

    There is no such lock on Windows, nor on file systems that have none. A run that fails before it has written anything
    leaves everything as it was.

    Raises:
        OSError: if another process has it, or it cannot be written to.
    """
    path, made = folder / ".lock", [place for place in (folder, *folder.parents) if not place.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        before = {*folder.iterdir()}
        lock = path.open("w")
    except OSError as error:
        raise OSError(f"The run's folder {folder} cannot be written to: {error.strerror}.") from None
    with lock:
        if sys.platform != "win32":
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise OSError(f"Another process is training in {folder}: wait for it, or stop it first.") from None
            except OSError:
                pass  # a file system without locks
        for stray in folder.glob(".*.tmp"):  # of a process that was killed while it wrote
            stray.unlink(missing_ok=True)
        try:
            yield
        except BaseException:
            with suppress(OSError):  # others may be at work beside it
                if {*folder.iterdir()} <= {path, *before}:
                    if path not in before:
                        path.unlink()
                    for place in made:
                        place.rmdir()
            raise


@contextmanager
def told_in_a_sentence(folder: Path, place: Callable[[], str]) -> Iterator[None]:
    """Says of a folder that can no longer be written to where its run stopped, and whether it can be gone on with.

    Raises:
        OSError: in place of the system's; that of somebody's own world as it comes.
        ChildProcessError: as it comes.
    """
    try:
        yield
    except ChildProcessError:  # has its own sentence
        raise
    except OSError as error:
        from ram_envs.error_places import place_outside  # brings Gymnasium

        if place_outside(error):
            raise
        found = (folder / CHECKPOINT).exists() or (folder / MODEL).exists()
        kept = f" Its last checkpoint is good: go on with --resume {folder}." * found
        raise OSError(
            f"The run in {folder} stopped at {place()}, as it could not write there: {error.strerror or error}.{kept}"
        ) from None


def begin(trainer: Any, resume: bool, load: Callable[[Path], dict[str, Any]]) -> None:
    """Goes on from the folder's checkpoint, if that is wanted and there is one, or begins with empty logs.

    Args:
        trainer: of an agent or of a classifier, with its `folder` and `restore`.
        resume: whether to go on.
        load: reads a checkpoint of its kind.
    """
    checkpoint = trainer.folder / CHECKPOINT
    if resume and checkpoint.exists():
        trainer.restore(load(checkpoint))
    else:
        cut_logs(trainer.folder, dict.fromkeys(LOGS, 0))  # of an attempt that left no checkpoint


def nobody(percent: float, curve: list[dict[str, float]]) -> None:
    """Is told, and does nothing."""


def carry_out(
    trainer: Any, make_updates: Callable[[Any], None], make_result: Callable[[Any], dict[str, Any]]
) -> dict[str, Any]:
    """Makes what is left of a run's updates and writes its result; returns it, or nothing if the run was interrupted.

    Args:
        trainer: of an agent or of a classifier, with its `config`, `folder` and the number of its `update`.
        make_updates: trains to the end, or until Ctrl-C.
        make_result: what is to be kept of a finished run.

    Raises:
        OSError: if the folder cannot be written to.
    """
    folder, total = trainer.folder, trainer.config.total_episodes
    with told_in_a_sentence(folder, lambda: f"update {trainer.update}"):
        make_updates(trainer)
        if trainer.episodes < total:
            going_on = shell_command(trainer.config.command, "--resume", folder)
            print(f"Stopped after {trainer.episodes:,} of {total:,} episodes. To go on:\n  {going_on}")
            return {}
        result = make_result(trainer)
        write_whole(folder / RESULT, (json.dumps(result, indent=1) + "\n").encode())
    return result


def shell_command(script: str, *words: object) -> str:
    """A command to copy, that runs one of our scripts from where this one was given."""
    path = Path(__file__).resolve().parents[1] / script
    with suppress(ValueError):  # on another drive than the working directory
        path = Path(os.path.relpath(path))
    return shlex.join(["python", str(path), *map(str, words)])


def demand_finite(what: str, values: torch.Tensor, update: int, folder: Path) -> None:
    """Stops a run before what it learnt is spoilt.

    Raises:
        FloatingPointError: if a value is not finite.
    """
    if not math.isfinite(values.detach().sum()) and not values.isfinite().all():  # a sum is quick, but may overflow
        raise not_finite(what, update, folder)


def not_finite(what: str, update: int, folder: Path) -> FloatingPointError:
    """What stops a run in whose update that was not finite."""
    return FloatingPointError(
        f"{what} of update {update} is not finite. The last good checkpoint is {folder / CHECKPOINT}; "
        "a lower learning rate may help."
    )


def write_whole(path: Path, content: bytes | memoryview) -> None:
    """Writes beside `path`, then moves it there: whoever reads finds the old file or the new one, whole."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def append_line(path: Path, line: Mapping[str, Any]) -> None:
    """Appends one line of JSON."""
    with path.open("a") as file:
        file.write(json.dumps(line) + "\n")


def record(folder: Path, line: Mapping[str, float], seconds: float) -> None:
    """Appends a report, with its "update", to the logs."""
    append_line(folder / METRICS, line)
    append_line(folder / TIMES, {"update": line["update"], "seconds": seconds})


def log_sizes(folder: Path) -> dict[str, int]:
    """Bytes of the logs so far, for a checkpoint to remember; they are on the disk before it is."""
    sizes = {}
    for key, name in LOGS.items():
        with (folder / name).open("ab") as file:
            os.fsync(file.fileno())
            sizes[key] = file.tell()
    return sizes


def cut_logs(folder: Path, sizes: Mapping[str, int]) -> None:
    """Takes back what was appended to the logs since they had these sizes.

    Raises:
        ValueError: if a log is shorter than that.
    """
    found = log_sizes(folder)
    for key, name in LOGS.items():
        if found[key] < sizes[key]:
            raise ValueError(f"{folder / name} is shorter than when the checkpoint was written: lines are missing.")
        if found[key] > sizes[key]:
            os.truncate(folder / name, sizes[key])


@contextmanager
def interruptible() -> Iterator[list[int]]:
    """A list that Ctrl-C (or a request to terminate) fills, so that the update or the score under way is finished first; another one ends it at once.

    Signals reach a process's main thread alone: in another thread the list stays empty.
    """
    caught: list[int] = []

    def catch(number: int, _: Any) -> None:
        if caught:
            raise KeyboardInterrupt
        caught.append(number)
        os.write(2, STOPPING)  # print may be what was interrupted

    main = threading.current_thread() is threading.main_thread()
    signals = (signal.SIGINT, signal.SIGTERM) if main else ()
    before = [signal.signal(number, catch) for number in signals]
    try:
        yield caught
    finally:
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)


def current_commit() -> str:
    """The commit that the code is at, with a + if there are changes on top; "unknown" without git or outside a clone."""
    if COMMIT_VARIABLE in os.environ:
        return os.environ[COMMIT_VARIABLE]
    try:
        found = subprocess.run(
            ["git", "describe", "--always", "--dirty=+"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return "unknown"
    return found.stdout.strip() or "unknown"


def provenance(seconds: float, commits: Sequence[str], devices: Sequence[str], run: RunConfig) -> dict[str, Any]:
    """Where and when a result was made, and with what: for somebody who wants to check it.

    Args:
        seconds: that it took.
        commits: that the code was at, in turn.
        devices: that it was made on, in turn, as `device_name` has them.
        run: how it was carried out.
    """
    import torch

    from agents.experiment.device import multiplies_bfloat16

    packages = ("torch", "numpy", "gymnasium")
    autocasts = run.matmul_precision == "bfloat16" and multiplies_bfloat16(devices[-1].partition(" ")[0])
    return {
        "minutes": round(seconds / 60, 2),
        "date": time.strftime("%Y-%m-%d"),
        "commit": " ".join(commits),
        "versions": {
            "python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in packages},
        },
        "matmul_precision": "bfloat16" if autocasts else torch.get_float32_matmul_precision(),
        "machine": f"{' and '.join(devices)}, {run.threads} thread(s), {platform.machine()}",
    }
