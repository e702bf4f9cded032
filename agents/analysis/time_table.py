"""Where the time of training goes: environment, retina, the networks there and back, optimiser, and what is left to Python.

python agents/analysis/time_table.py                        # writes results/time_table.json and the table in docs/training.md
python agents/analysis/time_table.py --against ../before    # and how much faster this is than another checkout, in turns
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

if not __package__:  # run as a file: import from the repository, not from agents/
    sys.path[0] = str(Path(__file__).resolve().parents[2])

import torch
import tyro

from agents.analysis.pages import write_pages
from agents.analysis.tables import TIMES
from agents.experiment.command_line import command, demand_at_least, demand_file, demand_presets
from agents.experiment.run_folder import current_commit, provenance
from agents.experiment.settings import RunConfig
from agents.ram.presets import PRESETS
from agents.ram.training import Trainer

PARTS = ("environment", "retina", "networks", "backward", "optimizer", "rest")

WORKER = """
import sys, time
from pathlib import Path
from agents.ram.presets import PRESETS
from agents.ram.training import Trainer
preset, precision, folder = sys.argv[1:]
trainer = Trainer(PRESETS[preset].but(run={"matmul_precision": precision, "device": "cpu"}), Path(folder))
for line in sys.stdin:
    before = time.process_time()
    for _ in range(int(line)):
        trainer.step()
    print(time.process_time() - before, flush=True)
"""  # run in another checkout, so it knows nothing but what every checkout has


@dataclass(frozen=True)
class TimesCommand:
    """Measures where the time of an update goes, in processor time of one thread."""

    presets: tuple[str, ...] = ("mnist-6", "mnist-6-faithful", "cluttered60-8", "cluttered60-8-conv", "catch")
    """What is trained."""
    precision: str = "highest"
    """The `--run.matmul-precision` of all of them."""
    rounds: int = 15
    """Every number is the median of so many."""
    seconds: float = 0.5
    """Processor time of a round, about."""
    against: Path | None = None
    """Another checkout, which trains in turns with this one."""
    out: Path = TIMES
    """File to write."""


class Watch:
    """Processor time by part: what runs inside another part is taken from that one's time."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(PARTS, 0.0)
        self._inside: list[str] = []
        self._since = 0.0

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """What runs within is that part's."""
        self._book()
        self._inside.append(name)
        try:
            yield
        finally:
            self._book()
            self._inside.pop()

    def _book(self) -> None:
        now = time.process_time()
        if self._inside:
            self.seconds[self._inside[-1]] += now - self._since
        self._since = now

    def watch(self, owner: Any, method: str, part: str) -> None:
        """Books every call of a method as that part."""
        plain: Callable[..., Any] = getattr(owner, method)

        def watched(*args: Any, **kwargs: Any) -> Any:
            with self.part(part):
                return plain(*args, **kwargs)

        setattr(owner, method, watched)


def watched_step(trainer: Trainer) -> Callable[[], dict[str, float]]:
    """A function that makes one update and tells its seconds by part."""
    watch, envs = Watch(), trainer.envs.unwrapped
    for method in ("reset", "step", "look"):
        watch.watch(envs, method, "environment")
    for method in ("glimpse", "integrate"):
        watch.watch(envs.sensor, method, "retina")
    for method in ("act", "unroll", "judge"):
        watch.watch(trainer.agent, method, "networks")
    watch.watch(trainer.optimizer, "step", "optimizer")

    def step() -> dict[str, float]:
        watch.seconds = dict.fromkeys(PARTS, 0.0)
        backward = torch.Tensor.backward
        watch.watch(torch.Tensor, "backward", "backward")
        try:
            with watch.part("rest"):
                trainer.step()
        finally:
            torch.Tensor.backward = backward  # type: ignore[method-assign]
        return watch.seconds

    return step


def parts_of(preset: str, flags: TimesCommand) -> dict[str, Any]:
    """Microseconds of an episode by part, and episodes and frames a second."""
    config = PRESETS[preset].but(run={"matmul_precision": flags.precision, "device": "cpu"})
    batch = config.learning.batch_size
    with TemporaryDirectory() as folder:
        trainer = Trainer(config, Path(folder))
        step = watched_step(trainer)
        begun = time.process_time()
        step()
        step()
        updates = max(1, round(flags.seconds / max(time.process_time() - begun, 1e-6) * 2))
        before, rounds = trainer.frames, []
        for _ in range(flags.rounds):
            made = [step() for _ in range(updates)]
            rounds.append({part: sum(each[part] for each in made) / updates for part in PARTS})
        frames = (trainer.frames - before) / (flags.rounds * updates)
    whole = statistics.median(sum(each.values()) for each in rounds)
    parts = {part: 1e6 * statistics.median(each[part] for each in rounds) / batch for part in PARTS}
    speed = {"episodes_per_second": batch / whole, "frames_per_second": frames / whole}
    return {"preset": preset, "batch_size": batch, "microseconds": parts, **speed}


def times_faster(preset: str, flags: TimesCommand) -> float:
    """Median of how much longer the other checkout takes than this one, round by round, each of the two first in turn."""
    assert flags.against is not None
    here = Path(__file__).resolve().parents[2]
    with TemporaryDirectory() as folder:
        workers = [_worker(checkout, preset, flags.precision, folder) for checkout in (here, flags.against)]
        for worker in workers:
            _seconds(worker, 3)  # the first updates take longer
        updates = max(1, round(3 * flags.seconds / _seconds(workers[0], 3)))
        ratios = []
        for turn in range(flags.rounds):
            order = (0, 1) if turn % 2 else (1, 0)
            took = {place: _seconds(workers[place], updates) for place in order}
            ratios.append(took[1] / took[0])
        for worker in workers:
            worker.communicate()
    return statistics.median(ratios)


def _worker(checkout: Path, preset: str, precision: str, folder: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(checkout.resolve()), "OMP_NUM_THREADS": "1"}
    arguments = [sys.executable, "-c", WORKER, preset, precision, folder]
    pipe = subprocess.PIPE
    return subprocess.Popen(arguments, stdin=pipe, stdout=pipe, text=True, env=environment, cwd=checkout)


def _seconds(worker: subprocess.Popen[str], updates: int) -> float:
    assert worker.stdin is not None
    assert worker.stdout is not None
    worker.stdin.write(f"{updates}\n")
    worker.stdin.flush()
    told = worker.stdout.readline()
    if not told:
        raise ValueError(
            "--against must be a checkout of this repository that has these presets; see its message above."
        )
    return float(told)


@command
def main() -> None:
    """`python agents/analysis/time_table.py`"""
    flags = tyro.cli(TimesCommand)
    demand_presets(flags.presets, PRESETS)
    demand_at_least(1, rounds=flags.rounds)
    demand_at_least(0, seconds=flags.seconds)
    demand_file("--out", flags.out)
    if flags.against is not None and not (flags.against / "agents" / "ram").is_dir():
        raise ValueError(f"--against must be a checkout of this repository, got {flags.against}.")
    started, rows = time.monotonic(), []
    for preset in flags.presets:
        row = parts_of(preset, flags)
        if flags.against is not None:
            row["times_faster"] = times_faster(preset, flags)
        rows.append(row)
        print(json.dumps(row))
    record = {
        "precision": flags.precision,
        "rows": rows,
        **provenance(time.monotonic() - started, [current_commit()], ["cpu"], RunConfig()),
    }
    flags.out.write_text(json.dumps(record, indent=1) + "\n")
    if flags.out == TIMES:
        write_pages()
    print(f"Wrote {flags.out}")


if __name__ == "__main__":
    main()
