"""What a larger image costs the retina and its agent, and what it costs a convolutional network: measured.

python agents/analysis/image_sizes.py            # writes results/image_sizes.json; nothing else should run meanwhile
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

if not __package__:  # run as a file: import from the repository, not from agents/
    sys.path[0] = str(Path(__file__).resolve().parents[2])

import numpy as np
import torch
import tyro

from agents.analysis.tables import SIZES, write_pages
from agents.classifiers.networks import make_network
from agents.classifiers.presets import PRESETS as CLASSIFIERS
from agents.experiment.command_line import command, demand_at_least, demand_file
from agents.experiment.run_folder import current_commit, provenance
from agents.experiment.settings import RunConfig
from agents.ram.agent import RecurrentAttentionAgent
from agents.ram.presets import PRESETS
from ram_envs.glimpse_sensor import GlimpseSensor

LANES = 8


@dataclass(frozen=True)
class SizesCommand:
    """Measures time and parameters over image sizes."""

    sides: tuple[int, ...] = (28, 60, 100, 400, 1600, 4000)
    """Sides of the images in pixels."""
    rounds: int = 20
    """Every measurement is the median of so many, taken in turns over all sizes."""
    out: Path = SIZES
    """File to write."""


def measurements(side: int) -> tuple[dict[str, Callable[[], Any]], dict[str, int]]:
    """What is timed at that size, each for LANES images at once; and numbers of parameters."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (LANES, side, side, 1), np.uint8)
    locations = rng.uniform(-1, 1, (LANES, 2)).astype(np.float32)
    sensor = GlimpseSensor(12, 3)
    table = sensor.integrate(images)
    agent = RecurrentAttentionAgent(PRESETS["cluttered60-8"], sensor.glimpse_shape(1), 3, {"answer": 10, "stop": 2})
    glimpse, where = torch.from_numpy(sensor.glimpse(table, locations)), torch.from_numpy(locations)
    with torch.device("meta"):  # 4000 pixels a side make 1.3 billion weights, whose values do not matter here
        network = make_network(CLASSIFIERS["cluttered60-conv"].network, (1, side, side), 10)
    network.to_empty(device="cpu")
    for parameter in network.parameters():
        parameter.data.zero_()
    scenes = torch.from_numpy(images).permute(0, 3, 1, 2)
    timed = {
        "new_scene": lambda: sensor.integrate(images),
        "sensor_glimpse": lambda: sensor.glimpse(table, locations),
        "agent_glimpse": lambda: agent.act(glimpse, where, agent.initial_state(LANES), greedy=True),
        "convolution": lambda: network(scenes.float() / 255),
    }
    counts = {
        "agent": sum(p.numel() for p in agent.parameters()),
        "convolution": sum(p.numel() for p in network.parameters()),
    }
    return timed, counts


@command
def main() -> None:
    """`python agents/analysis/image_sizes.py`"""
    flags = tyro.cli(SizesCommand)
    demand_at_least(10, sides=min(flags.sides, default=0))  # of the convolution's kernel
    demand_at_least(1, rounds=flags.rounds)
    demand_file("--out", flags.out)
    torch.set_num_threads(1)
    started = time.monotonic()
    rows = {side: measurements(side) for side in flags.sides}
    times: dict[tuple[int, str], list[float]] = {}
    with torch.no_grad():
        for _ in range(flags.rounds):
            for side, (timed, _) in rows.items():
                for name, run in timed.items():
                    before = time.perf_counter()
                    run()
                    times.setdefault((side, name), []).append(time.perf_counter() - before)
    found = [
        {
            "side": side,
            **{f"{name}_microseconds": 1e6 * statistics.median(times[side, name]) / LANES for name in timed},
            **{f"{name}_parameters": count for name, count in counts.items()},
        }
        for side, (timed, counts) in rows.items()
    ]
    record = {
        "lanes": LANES,
        "rows": found,
        **provenance(time.monotonic() - started, [current_commit()], ["cpu"], RunConfig()),
    }
    flags.out.write_text(json.dumps(record, indent=1) + "\n")
    write_pages()
    print(f"Wrote {flags.out}")


if __name__ == "__main__":
    main()
