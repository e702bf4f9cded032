"""What a larger image costs the retina and its agent, and what it costs a convolutional network: measured.

python agents/analysis/image_sizes.py            # writes results/image_sizes.json
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

if not __package__:  # run as a file: import from the repository, not from agents/
    sys.path[0] = str(Path(__file__).resolve().parents[2])

import gymnasium as gym
import numpy as np
import torch
import tyro

from agents.analysis.pages import write_pages
from agents.analysis.tables import SIZES
from agents.classifiers.networks import make_network
from agents.classifiers.presets import PRESETS as CLASSIFIERS
from agents.experiment.command_line import command, demand_at_least, demand_file
from agents.experiment.run_folder import current_commit, provenance
from agents.experiment.settings import RunConfig
from agents.ram.agent import RecurrentAttentionAgent
from agents.ram.presets import PRESETS
from ram_envs import sprite_world
from ram_envs.glimpse_images import scales_to_cover
from ram_envs.glimpse_sensor import GlimpseSensor
from ram_envs.sprite_world import LARGEST_TABLE

LANES = 8
SMALL_WORLD, HUGE_WORLD = "GlimpseMNIST-Pairs100-v0", "GlimpseMNIST-Mega1500-v0"
SMALL_SIDES, SMALL_SCALES = (60, 100), 4
WORLD_LANES = 64


@dataclass(frozen=True)
class SizesCommand:
    """Measures time and parameters over image sizes."""

    sides: tuple[int, ...] = (28, 60, 100, 400, 1500)
    """Sides of the images in pixels."""
    sprite_sides: tuple[int, ...] = (500, 1500, 10_000)
    """Sides of the scenes of sprites in pixels."""
    rounds: int = 20
    """Every measurement is the median of so many, in processor time, taken in turns over all sizes."""
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
    with torch.device("meta"):  # 1500 pixels a side make 180 million weights, whose values do not matter here
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
        "side": side,
        "agent_parameters": sum(p.numel() for p in agent.parameters()),
        "convolution_parameters": sum(p.numel() for p in network.parameters()),
    }
    return timed, counts


def world_measurements(
    world: str, side: int, scales: int, largest_table: int = LARGEST_TABLE
) -> tuple[dict[str, Callable[[], Any]], dict[str, Any]]:
    """What is timed of a world of several digits on a canvas of that size, for WORLD_LANES scenes at once, and what is known of it.

    Canvases of at most `largest_table` pixels are drawn, larger ones are sprites.
    """
    rng = np.random.default_rng(0)
    own: dict[str, Any] = {"images": rng.integers(0, 256, (1000, 28, 28), np.uint8), "labels": np.arange(1000) % 10}
    own |= {"canvas_size": side, "num_scales": scales, "action_mode": "dict", "autoreset_mode": "Disabled"}
    with mock.patch.object(sprite_world, "LARGEST_TABLE", largest_table):
        envs: Any = gym.make_vec(world, num_envs=WORLD_LANES, **own)
    envs.reset(seed=0)
    nothing = np.zeros(WORLD_LANES, np.int64)

    def look() -> None:
        envs.step({"location": rng.uniform(-1, 1, (WORLD_LANES, 2)), "answer": nothing, "stop": nothing})

    known = {"world": world, "side": side, "scales": scales, "glimpses": envs.unwrapped.max_glimpses}
    known["kept_as"] = "a canvas" if side**2 <= largest_table else "sprites"
    return {"new_scene": envs.reset, "look": look}, known


def median_times(
    rows: Sequence[tuple[dict[str, Callable[[], Any]], dict[str, Any]]], rounds: int, lanes: int
) -> list[dict[str, Any]]:
    """The median time of everything that is timed in each row, in microseconds for one of so many lanes, and what else is known."""
    times: dict[tuple[int, str], list[float]] = {}
    with torch.no_grad():
        for _ in range(rounds):
            for row, (timed, _) in enumerate(rows):
                for name, run in timed.items():
                    before = time.process_time()
                    run()
                    times.setdefault((row, name), []).append(time.process_time() - before)
    return [
        known | {f"{name}_microseconds": 1e6 * statistics.median(times[row, name]) / lanes for name in timed}
        for row, (timed, known) in enumerate(rows)
    ]


@command
def main() -> None:
    """`python agents/analysis/image_sizes.py`"""
    flags = tyro.cli(SizesCommand)
    demand_at_least(10, sides=min(flags.sides, default=0))  # of the convolution's kernel
    demand_at_least(
        84, sprite_sides=min(flags.sprite_sides, default=84)
    )  # of five digits, and of marks with their margin
    demand_at_least(1, rounds=flags.rounds)
    demand_file("--out", flags.out)
    torch.set_num_threads(1)
    started = time.monotonic()
    found = median_times([measurements(side) for side in flags.sides], flags.rounds, LANES)
    compared = [
        world_measurements(SMALL_WORLD, side, SMALL_SCALES, table)
        for side in SMALL_SIDES
        for table in (LARGEST_TABLE, 0)
    ]
    compared += [
        world_measurements(HUGE_WORLD, side, scales)
        for side in flags.sprite_sides
        for scales in (SMALL_SCALES, scales_to_cover(side, 12))
    ]
    worlds = median_times(compared, flags.rounds, WORLD_LANES)
    record = {
        "lanes": LANES,
        "rows": found,
        "world_lanes": WORLD_LANES,
        "worlds": worlds,
        **provenance(time.monotonic() - started, [current_commit()], ["cpu"], RunConfig()),
    }
    flags.out.write_text(json.dumps(record, indent=1) + "\n")
    write_pages()
    print(f"Wrote {flags.out}")


if __name__ == "__main__":
    main()
