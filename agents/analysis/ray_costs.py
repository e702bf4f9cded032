"""What it costs to have runs made by Ray, measured on two small machines that share this one; and what that makes of a cluster, by simulation.

python agents/analysis/ray_costs.py              # writes results/ray_costs.json; nothing else should run meanwhile
python agents/analysis/ray_costs.py --simulate   # only the simulation anew, with the costs that the file has
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

if not __package__:  # run as a file: import from the repository, not from agents/
    sys.path[0] = str(Path(__file__).resolve().parents[2])

import tyro

from agents.analysis.pages import write_pages
from agents.analysis.tables import COMPARED, PAPER, RAY_COSTS, RESULTS
from agents.experiment.command_line import command, demand_at_least, demand_file
from agents.experiment.run_folder import CHECKPOINT, current_commit, provenance
from agents.experiment.settings import RunConfig
from agents.ram.config import Config
from agents.ram.presets import PRESETS
from agents.ram.training import train
from agents.scaling.cluster import OBJECT_STORE, connected, demand_ray
from agents.scaling.families import preset_settings
from agents.scaling.forecast import Costs, expected_minutes, wall_minutes

MACHINES = 2
PROCESSORS = (1, 2, 16, 100, 1000)
SEEDS = 3
CHECKPOINT_MINUTES = 2.0  # between two reports of a long run
SEARCH = ("mnist-6-faithful", 1000, 110_000)  # preset, trials, episodes of each

BRIEF = PRESETS["catch"].but(
    env_args=("screen_size=6",), run={"score_test": False, "evaluations": 2, "matmul_precision": "highest"}
)
NOTHING = BRIEF.but(run={"episodes": 128, "evaluations": 0})  # a run of one update: all of its time is what runs cost


@dataclass(frozen=True)
class CostsCommand:
    """Measures what Ray costs, and simulates what it would cost on a cluster."""

    trials: int = 8
    """Trials that are made one by one, and by Ray."""
    episodes: int = 20_000
    """Episodes of each."""
    reports: int = 100
    """Checkpoints of the runs by which the cost of one is found."""
    simulate: bool = False
    """Only simulate, with the costs that the file has."""
    out: Path = RAY_COSTS
    """File to write."""


def alone(config: Config, count: int = 1) -> float:
    """Seconds that so many runs take one by one in this process."""
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(1, count + 1):
            train(config.but(seed=seed), Path(folder) / str(seed))
    return time.monotonic() - begun


def by_ray(config: Config, count: int) -> tuple[float, float]:
    """Seconds that so many runs take by Ray, once it runs, and seconds of them that the driver computed."""
    from agents.scaling.trials import Progress, grid, run_trials, trial_space

    spaces = [trial_space("ram", config.but(seed=seed), {}, f"run-{seed}") for seed in range(1, count + 1)]
    begun, computed = time.monotonic(), time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        outcomes = run_trials(grid(spaces), Path(folder) / "trials", Progress(count))
    if outcomes is None:
        raise KeyboardInterrupt
    return time.monotonic() - begun, time.process_time() - computed


def measure(flags: CostsCommand) -> dict[str, Any]:
    """Eight trials one by one and by Ray, and what the parts of it cost."""
    demand_ray()
    from ray.cluster_utils import Cluster

    os.environ.setdefault("RAY_worker_niceness", "0")  # no politer than what is made one by one
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    trial = BRIEF.but(run={"episodes": flags.episodes})
    often = BRIEF.but(
        run={"episodes": 128 * flags.reports, "evaluations": 0, "report_every": 1, "checkpoint_minutes": 0.0}
    )
    alone(NOTHING)  # imports what is imported late
    one_by_one, nothing, reporting = alone(trial, flags.trials), alone(NOTHING), alone(often)
    begun = time.monotonic()
    machine = {"num_cpus": 1, "object_store_memory": OBJECT_STORE, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=machine)
    try:
        for _ in range(MACHINES - 1):
            cluster.add_node(**machine)
        with connected(cluster.address):
            start = time.monotonic() - begun
            first, _ = by_ray(trial, flags.trials)
            few, many = (by_ray(NOTHING, MACHINES * count)[0] for count in (1, 6))
            often_seconds, driver = by_ray(often, MACHINES)
    finally:
        cluster.shutdown()
    megabytes, copying = checkpoint_costs(flags.reports)
    next_run = max(0.0, (many - few) / 5 - nothing)
    worker = max(0.0, few - nothing - next_run)
    costs = Costs(
        start=start,
        worker=worker,
        next_run=next_run,
        report=max(0.0, (often_seconds - few - (reporting - nothing)) / flags.reports),
        driver=driver / (MACHINES * flags.reports),
    )
    return {
        "trials": flags.trials,
        "machines": MACHINES,
        "load_before": round(load, 2),
        "one_by_one_seconds": one_by_one,
        "by_ray_seconds": start + first,
        "start_seconds": start,
        "checkpoint_megabytes": megabytes,
        "copy_seconds": copying,
        "costs": asdict(costs),
    }


def simulations(costs: Costs, copying: float) -> list[dict[str, Any]]:
    """What the tables, all rows by three seeds, and a search would take on so many processors, with these costs and without.

    Args:
        costs: of a search.
        copying: seconds in which the driver copies a checkpoint to the run's folder, as it does for the tables.
    """
    rows = {row: preset_settings(row) for row in (*PAPER, *COMPARED)}
    known: list[tuple[float, Any]] = [
        (length, config) for row, config in rows.items() if (length := expected_minutes(row, config))
    ]
    preset, trials, episodes = SEARCH
    brief = PRESETS[preset].but(run={"episodes": episodes})
    works: dict[str, tuple[list[tuple[float, Any]], Costs]] = {
        "tables": (sorted(known * SEEDS, key=lambda run: -run[0]), replace(costs, driver=costs.driver + copying)),
        "search": ([(expected_minutes(preset, brief) or 0.0, brief)] * trials, costs),
    }
    found = []
    for work, (runs, cost) in works.items():
        minutes = [length for length, _ in runs]
        reports = [int(length / CHECKPOINT_MINUTES) + config.run.evaluations + 1 for length, config in runs]
        for processors in PROCESSORS:
            found.append(
                {
                    "work": work,
                    "runs": len(runs),
                    "processors": processors,
                    "minutes": wall_minutes(minutes, processors, cost, reports),
                    "minutes_without_costs": wall_minutes(minutes, processors),
                    "driver_busy_minutes": sum(reports) * cost.driver / 60,
                    "longest_run_minutes": max(minutes),
                }
            )
    return found


def agent_megabytes(names: Sequence[str] = tuple(PRESETS)) -> list[float]:
    """Sizes of the smallest and the largest shipped agent."""
    sizes = [path.stat().st_size / 1e6 for path in RESULTS.glob("*.pt") if path.stem in names]
    return [min(sizes), max(sizes)]


def checkpoint_costs(copies: int) -> tuple[float, float]:
    """Megabytes of a run's checkpoint, and the seconds in which the driver copies it to the run's folder."""
    from agents.scaling.trials import copy_run

    with tempfile.TemporaryDirectory() as name:
        run, other = Path(name) / "run", Path(name) / "other"
        train(NOTHING, run)
        other.mkdir()
        begun = time.monotonic()
        for _ in range(copies):
            copy_run(run, other)
        return (run / CHECKPOINT).stat().st_size / 1e6, (time.monotonic() - begun) / copies


@command
def main() -> None:
    """`python agents/analysis/ray_costs.py`"""
    flags = tyro.cli(CostsCommand)
    demand_at_least(1, trials=flags.trials, episodes=flags.episodes, reports=flags.reports)
    demand_file("--out", flags.out)
    begun = time.monotonic()
    if flags.simulate:
        record = json.loads(flags.out.read_text())
    else:
        record = measure(flags)
        record |= provenance(time.monotonic() - begun, [current_commit()], ["cpu"], RunConfig())
        import ray

        record["versions"]["ray"] = ray.__version__
    record["agent_megabytes"] = agent_megabytes()
    record["simulations"] = simulations(Costs(**record["costs"]), record["copy_seconds"])
    flags.out.write_text(json.dumps(record, indent=1) + "\n")
    write_pages()
    print(f"Wrote {flags.out}")


if __name__ == "__main__":
    main()
