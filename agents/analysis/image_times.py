"""What an image of one's own costs by its size: reading it, a look, an agent's whole episode, a convolutional network on all of it; measured.

python agents/analysis/image_times.py found/ large/ --largest-side 1000            # writes results/worlds/image_times.json
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

from agents.analysis.pages import write_pages
from agents.analysis.world_tables import WORLDS
from agents.classifiers.config import NetworkConfig
from agents.classifiers.networks import make_network
from agents.experiment.command_line import command
from agents.experiment.episodes import make_split
from agents.experiment.run_folder import current_commit, provenance
from agents.experiment.settings import RunConfig
from agents.ram.agent import make_agent
from agents.ram.presets import GENERAL
from agents.ram.rollout import collect_rollout
from ram_envs import OWN_IMAGES

NETWORK = NetworkConfig(stages=(16, 32, 64))


@dataclass(frozen=True)
class TimesCommand:
    """Measures how long an image takes, folder by folder."""

    folders: tyro.conf.Positional[tuple[Path, ...]]
    """Folders of images, those of each of one size."""
    largest_side: int = 1000
    """Images with a longer side are measured shrunk to this, too."""
    rounds: int = 10
    """Every measurement is the median of so many images, in processor time."""
    out: Path = WORLDS / "image_times.json"
    """File to write."""


def row(folder: Path, largest_side: int | None, rounds: int) -> dict[str, Any]:
    """Milliseconds that an image of a folder takes, as it is or shrunk."""
    shrunk = () if largest_side is None else (f"largest_side={largest_side}",)
    config = GENERAL.but(env=OWN_IMAGES, env_args=(f"images={folder.absolute()}", "cache_megabytes=0", *shrunk))
    config = config.but(network={"convolutions": (32, 64)}, run={"matmul_precision": "highest"})
    envs = make_split(config, 1, "train")
    world, agent = envs.unwrapped, make_agent(config, envs)
    height, width, channels = world.screen
    network = make_network(NETWORK, (channels, height, width), len(world.class_names)).eval()
    scene = torch.rand(1, channels, height, width)
    kept = make_split(config.but(env_args=(*config.env_args, "cache_megabytes=4000")), 1, "train")
    kept.reset(seed=0, options={"index": np.array([0])})
    images = iter(range(1, world.num_images))

    def read() -> None:
        envs.reset(options={"index": np.array([next(images)])})

    def play() -> None:
        collect_rollout(agent, kept, options={"index": np.array([0])}, greedy=True)

    def see_all() -> None:
        with torch.no_grad():
            network(scene)

    timed: dict[str, Callable[[], Any]] = {
        "read": read,
        "look": lambda: kept.unwrapped.look(np.zeros((1, 1, 2))),
        "episode": play,
        "network": see_all,
    }
    found = {f"{name}_milliseconds": _median(work, rounds) for name, work in timed.items()}
    found |= {
        "width": width,
        "height": height,
        "shrunk": largest_side is not None,
        "table_megabytes": world.lane_bytes / 1e6,
    }
    envs.close()
    kept.close()
    return {**found, "scales": world.sensor.num_scales}


def _median(work: Callable[[], None], rounds: int) -> float:
    times = []
    for _ in range(rounds):
        started = time.process_time()
        work()
        times.append(1000 * (time.process_time() - started))
    return round(statistics.median(times), 3)


@command
def main() -> None:
    """`python agents/analysis/image_times.py`"""
    flags = tyro.cli(TimesCommand)
    torch.set_num_threads(1)
    started, rows = time.monotonic(), []
    for folder in flags.folders:
        rows.append(row(folder, None, flags.rounds))
        if max(rows[-1]["width"], rows[-1]["height"]) > flags.largest_side:
            rows.append(row(folder, flags.largest_side, flags.rounds))
    record = {
        "rows": rows,
        "rounds": flags.rounds,
        **provenance(time.monotonic() - started, [current_commit()], ["cpu"], RunConfig()),
    }
    flags.out.parent.mkdir(exist_ok=True)
    flags.out.write_text(json.dumps(record, indent=1) + "\n")
    write_pages()
    print(f"Wrote {flags.out}")


if __name__ == "__main__":
    main()
