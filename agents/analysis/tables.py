"""The files of results, and the table that is made of them."""

from __future__ import annotations

import json
import re
import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from agents.ram.config import Config
from agents.ram.presets import PRESETS
from agents.scaling.search_record import trials_table

RESULTS = Path(__file__).resolve().parents[2] / "results"
PAGES = tuple(
    RESULTS.parent / page for page in ("README.md", "docs/experiments.md", "docs/scaling.md", "docs/training.md")
)
SIZES = RESULTS / "image_sizes.json"
TIMES = RESULTS / "time_table.json"
GPU = RESULTS / "gpu_table.json"
RAY_COSTS = RESULTS / "ray_costs.json"
MARK = re.compile(
    r"<!-- (results|image sizes|times|gpu|comparison|ablations \S+|stopping \S+|search \S+|ray \S+): begin -->\n.*?<!-- \1: end -->",
    re.DOTALL,
)

PAPER: dict[str, float | None] = {
    "mnist-fc256": 1.69, "mnist-conv": 1.21,
    "mnist-2": 3.79, "mnist-3": 1.51, "mnist-4": 1.54, "mnist-5": 1.34, "mnist-6": 1.12, "mnist-7": 1.07,
    "translated60-fc64": 6.42, "translated60-fc256": 2.63, "translated60-conv": 1.62,
    "translated60-4": 1.54, "translated60-6": 1.22, "translated60-8": 1.2, "translated60-8-conv": 1.2,
    "translated60-stop": 1.2, "translated60-prices": 1.2,
    "cluttered60-fc64": 28.58, "cluttered60-fc256": 11.96, "cluttered60-conv": 8.09,
    "cluttered60-4": 4.96, "cluttered60-6": 4.08, "cluttered60-8": 4.04, "cluttered60-8-conv": 4.04, "cluttered60-random": 14.4,
    "cluttered60-stop": 4.04, "cluttered60-prices": 4.04,
    "cluttered100-conv": 14.35,
    "cluttered100-4": 9.41, "cluttered100-6": 8.31, "cluttered100-8": 8.11, "cluttered100-8-conv": 8.11, "cluttered100-random": 28.4,
    "mnist-6-faithful": 1.12, "catch": 15.0, "catch-faithful": 15.0,
    "catch-center": None, "catch-random": None, "catch-full-view": None,
    "catch-48": None, "catch-fast": None, "catch-two-balls": None,
}  # fmt: skip
"""Error in % of each preset's row in Mnih et al. 2014, Tables 1 and 2 and section 4.2; None where it has none."""

COMPARED = {
    "mnist-2m-ram": "RAM, hybrid loss", "mnist-2m-reward": "RAM, reward alone",
    "mnist-2m-ppo": "PPO, no memory", "mnist-2m-ppo-history": "PPO, sees all its glimpses",
    "mnist-2m-ppo-hybrid": "PPO, sees all its glimpses, looks around the middle at first", "mnist-2m-recurrent-ppo": "RecurrentPPO",
    "mnist-2m-recurrent-ppo-hybrid": "RecurrentPPO, looks around the middle at first",
    "cluttered60-2m-ram": "RAM, hybrid loss", "cluttered60-2m-reward": "RAM, reward alone",
    "catch-2m-ram": "RAM, reward alone",
    "catch-2m-ppo": "PPO, no memory", "catch-2m-recurrent-ppo": "RecurrentPPO",
    "catch-2m-recurrent-ppo-hybrid": "RecurrentPPO, looks around the middle at first",
    "catch-2m-ppo-full-view": "PPO, sees the whole screen", "catch-2m-ppo-center": "PPO, looks at the middle",
    "catch-2m-ppo-hybrid": "PPO, sees its last glimpses, looks around the middle at first", "catch-2m-dqn-center": "DQN, looks at the middle",
}  # fmt: skip
"""Preset -> what is compared at equal numbers of frames, ours and Stable-Baselines3's."""

BASES: dict[str, Config] = {
    **PRESETS,
    **{
        name: PRESETS[name].but(
            network={"initialization": "default", "glimpse_gain": 1.0},
            gaze={
                "mean": "linear",
                "std_final": 0.08,
                "exploration_share": 1.0,
                "exploration_fraction": 1.0,
                "learning_fraction": 1.0,
                "border_penalty": 0.0,
            },
            learning={"early_answer_weight": 0.0, "glance_weight": 0.0, "look_reward": "answer", "gae_lambda": 0.9},
            optimizer={"weight_averaging": 0.0, "learning_rate": 1e-3, "gaze_learning_rate": None},
            run={"matmul_precision": "medium", "scored_glimpses": ()},
        )
        for name in ("cluttered60-4", "cluttered60-8")
    },
    "mnist-6": PRESETS["mnist-6"].but(train_env_args=(), gaze={"border_penalty": 0.0}),
    "catch-2m": PRESETS["catch-2m-ram"],
    "catch-first": PRESETS["catch"].but(
        network={"glimpse_gain": 1.0}, optimizer={"weight_averaging": 0.0}, run={"matmul_precision": "medium"}
    ),
}
"""What the runs of a table of ablations are compared with: a preset, or one as it was when they were made."""


def result_path(preset: str, seed: int, results: Path = RESULTS) -> Path:
    """Where the result of a preset's run with that seed is kept."""
    return results / f"{preset}-seed{seed}.json"


def load_results(results: Path = RESULTS) -> dict[str, list[dict[str, Any]]]:
    """Preset -> its results, by seed, in the order of the paper's tables."""
    found: dict[str, list[dict[str, Any]]] = {}
    for preset in PAPER:
        paths = sorted(results.glob(f"{preset}-seed*.json"))
        if paths:
            found[preset] = [json.loads(path.read_text()) for path in paths]
    return found


def no_better_than_random(results: dict[str, list[dict[str, Any]]]) -> list[str]:
    """A sentence for each run whose gaze, on the validation episodes, is worth no more than looks at random places."""
    found = []
    for preset, runs in results.items():
        for run in runs:
            ours, random = run["validation"]["error_percent"], run.get("other_gazes", {}).get("random")
            if random is not None and ours >= random:
                found.append(
                    f"{preset}, seed {run['config']['seed']}: {ours:.2f} % wrong on validation, {random:.2f} % with random looks."
                )
    return found


def table(results: dict[str, list[dict[str, Any]]]) -> str:
    """A Markdown table of the errors on the test episodes, beside the paper's."""
    lines = [
        "| preset | paper | test error in %, mean | spread over seeds | seeds | episodes seen | minutes | date |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for preset, label, glimpses, runs in _rows(results):
        scores = [run if glimpses is None else run["fewer_glimpses"][glimpses] for run in runs]
        errors = [score["test"]["error_percent"] for score in scores]
        spread = f"{min(errors):.2f} to {max(errors):.2f}" if len(errors) > 1 else "-"
        seen = runs[0]["config"]["run"]["episodes"]
        seeds = ", ".join(str(run["config"]["seed"]) for run in runs)
        lines.append(
            f"| {label} | {PAPER[preset] or '-'} | {statistics.mean(errors):.2f} | {spread} | {seeds} "
            f"| {seen / 1e6:.2f} M | {_minutes(runs)} | {max(run['date'] for run in runs)} |"
        )
    return "\n".join(lines)


def _minutes(runs: Sequence[dict[str, Any]]) -> str:
    """Mean minutes of a row's runs, and whether a GPU made any of them."""
    gpu = any(run["machine"].startswith("cuda") for run in runs)
    return f"{statistics.mean(run['minutes'] for run in runs):.0f}" + " (GPU)" * gpu


def _rows(
    results: dict[str, list[dict[str, Any]]],
) -> Iterator[tuple[str, str, str | None, list[dict[str, Any]]]]:
    """For each row: the preset it is compared with, its label, the number of glimpses if not the agent's own, the runs."""
    for preset in PAPER:
        if preset in results:
            stops = results[preset][0]["config"].get("stopping")
            looks = statistics.mean(run["test"].get("mean_glimpses", 0.0) for run in results[preset])
            yield preset, f"`{preset}`" + f", {looks:.2f} glimpses" * bool(stops), None, results[preset]
        scene, _, glimpses = preset.rpartition("-")
        for other, runs in results.items():
            if other.rpartition("-")[0] == scene and all(glimpses in run.get("fewer_glimpses", {}) for run in runs):
                yield preset, f"`{other}` after {glimpses} glimpses", glimpses, runs


def ablation_table(name: str, results: Path = RESULTS) -> str:
    """A Markdown table of the shorter runs that tried something else: what differs from the base, and what came of it."""
    lines = [
        "| what was different | episodes | million frames | validation error in % |",
        "|---|---|---|---|",
    ]
    longer = tuple(f"{other}-" for other in BASES if other.startswith(f"{name}-"))
    for path in sorted((results / "ablations").glob(f"{name}-*.json")):
        if path.name.startswith(longer):
            continue
        run = json.loads(path.read_text())
        settings = Config.from_dict(run["config"])  # what it does not name was at its default
        changed = [
            f"{setting} {_plain(value)}"
            for setting, value in settings.departures(BASES[name]).items()
            if setting not in ("name", "seed") and not setting.startswith("run.")
        ]
        if settings.seed != 1:
            changed.append(f"seed {settings.seed}")
        precision = settings.run.matmul_precision
        if precision != BASES[name].run.matmul_precision:
            changed.append(f"run.matmul_precision {precision}")
        lines.append(
            f"| {', '.join(changed) or 'the recipe itself'} | {settings.run.episodes:,} | {run['frames'] / 1e6:.1f} "
            f"| {run['validation']['error_percent']:.2f} |"
        )
    return "\n".join(lines)


def comparison_table(results: Path = RESULTS) -> str:
    """A Markdown table of our agent beside those of Stable-Baselines3, after equal numbers of frames."""
    lines = [
        "| environment | agent | preset | million frames | test error in % | seeds | minutes | date |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for preset, label in COMPARED.items():
        runs = [json.loads(path.read_text()) for path in sorted(results.glob(f"{preset}-seed*.json"))]
        if runs:
            errors = ", ".join(f"{run['test']['error_percent']:.2f}" for run in runs)
            seeds = ", ".join(str(run["config"]["seed"]) for run in runs)
            lines.append(
                f"| `{runs[0]['config']['env']}` | {label} | `{preset}` | {runs[0]['frames'] / 1e6:.2f} | {errors} | {seeds} "
                f"| {_minutes(runs)} | {max(run['date'] for run in runs)} |"
            )
    return "\n".join(lines)


def stopping_table(scene: str, results: Path = RESULTS) -> str:
    """A Markdown table of agents that decide when to stop, beside one that is stopped, by the number of glimpses.

    For one price each, or for every price that they are told.
    """
    lines = ["| who decides when to stop | glimpses, mean | test error in % |", "|---|---|---|"]
    rows = []
    for path in results.glob(f"{scene}-8-seed1.json"):
        run = json.loads(path.read_text())
        for scores in ({"test": run["test"]}, *run["fewer_glimpses"].values()):
            rows.append((scores["test"], "a fixed number"))
    for path in results.glob(f"{scene}-prices-seed*.json"):
        run = json.loads(path.read_text())
        for price, scores in run["prices"].items():
            rows.append(
                (scores["test"], f"the agent for every price, told {price} a glimpse, seed {run['config']['seed']}")
            )
    for path in (*results.glob(f"{scene}-stop-seed*.json"), *(results / "ablations").glob(f"{scene}-stop-*.json")):
        run = json.loads(path.read_text())
        price = Config.from_dict(run["config"]).env_kwargs()["glimpse_cost"]
        rows.append((run["test"], f"the agent, {price} a glimpse, seed {run['config']['seed']}"))
    rows.sort(key=lambda row: float(row[0]["mean_glimpses"]))
    lines += [f"| {who} | {test['mean_glimpses']:.2f} | {test['error_percent']:.2f} |" for test, who in rows]
    return "\n".join(lines)


def sizes_table(path: Path = SIZES) -> str:
    """A Markdown table of what a larger image costs, from the measurements of `image_sizes.py`."""
    record = json.loads(path.read_text())
    lines = [
        "| side in pixels | glimpse: sensor, µs | glimpse: agent, µs | agent's parameters | new scene: sums, µs "
        "| convolutional network: µs an image | its parameters |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {row['side']} | {row['sensor_glimpse_microseconds']:.1f} | {row['agent_glimpse_microseconds']:.0f} "
        f"| {row['agent_parameters']:,} | {row['new_scene_microseconds']:,.0f} "
        f"| {row['convolution_microseconds']:,.0f} | {row['convolution_parameters']:,} |"
        for row in record["rows"]
    ]
    lines += [
        "",
        f"Worlds of several digits, {record['world_lanes']} lanes at a time:",
        "",
        "| world | side in pixels | kept as | scales | new scene and first look, µs | a further look, µs | a look, scenes included, µs |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in record["worlds"]:
        scene, look, glimpses = row["new_scene_microseconds"], row["look_microseconds"], row["glimpses"]
        share = (scene + (glimpses - 1) * look) / glimpses
        lines.append(
            f"| `{row['world']}` | {row['side']} | {row['kept_as']} | {row['scales']} | {scene:,.0f} | {look:.1f} | {share:.1f} |"
        )
    return "\n".join(lines)


def search_table(name: str, results: Path = RESULTS) -> str:
    """A Markdown table of the trials of a search whose `trials.json` is kept as results/searches/NAME.json."""
    return trials_table(json.loads((results / "searches" / f"{name}.json").read_text()))


def ray_costs_table(path: Path = RAY_COSTS) -> str:
    """A Markdown table of what `ray_costs.py` measured."""
    record = json.loads(path.read_text())
    costs, trials, machines = record["costs"], record["trials"], record["machines"]
    beside = f", beside other work (load {record['load_before']})" * (record["load_before"] > 0.5)
    spared = record["by_ray_seconds"] - record["start_seconds"]
    ideal = record["one_by_one_seconds"] / machines
    rows = {
        f"{trials} trials one by one": f"{record['one_by_one_seconds']:.0f} s",
        f"{trials} trials by Ray, {machines} processors": f"{record['by_ray_seconds']:.0f} s, of it {record['start_seconds']:.0f} s until Ray ran",
        "of each trial, beyond the training, while Ray ran": f"{(spared - ideal) * machines / trials:.1f} s",
        "until Ray runs, once": f"{costs['start']:.1f} s",
        "until a processor's first run begins": f"{costs['worker']:.1f} s",
        "between two runs of a processor": f"{costs['next_run']:.2f} s",
        f"each checkpoint ({record['checkpoint_megabytes']:.1f} MB), for the run": f"{1000 * costs['report']:.0f} ms",
        "each checkpoint, of the driver's time": f"{1000 * costs['driver']:.0f} ms",
        "each checkpoint of the tables, the driver's copy of it": f"{1000 * record['copy_seconds']:.0f} ms",
    }
    lines = [
        f"| measured {record['date']}{beside} | |",
        "|---|---|",
        *(f"| {what} | {took} |" for what, took in rows.items()),
    ]
    return "\n".join(lines)


def ray_simulation_table(path: Path = RAY_COSTS) -> str:
    """A Markdown table of what the tables and a search would take on more processors, as `ray_costs.py` simulated it."""
    lines = [
        "| work | runs | processors | hours | without what Ray costs | the longest run alone | the driver is busy |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {row['work']} | {row['runs']:,} | {row['processors']:,} | {row['minutes'] / 60:.2f} "
        f"| {row['minutes_without_costs'] / 60:.2f} | {row['longest_run_minutes'] / 60:.2f} "
        f"| {100 * row['driver_busy_minutes'] / row['minutes']:.1f} % |"
        for row in json.loads(path.read_text())["simulations"]
    ]
    return "\n".join(lines)


def times_table(path: Path = TIMES) -> str:
    """A Markdown table of where the time of training goes, from the measurements of `time_table.py`."""
    rows = json.loads(path.read_text())["rows"]
    parts = [*rows[0]["microseconds"]]
    lines = [
        f"| preset | batch | {' | '.join(f'{part}, µs' for part in parts)} | episodes a second | frames a second | times as fast as before |",
        "|---" * (5 + len(parts)) + "|",
    ]
    for row in rows:
        times = " | ".join(f"{row['microseconds'][part]:.0f}" for part in parts)
        faster = f"{row['times_faster']:.2f}" if "times_faster" in row else ""
        speeds = f"{row['episodes_per_second']:,.0f} | {row['frames_per_second']:,.0f}"
        lines.append(f"| `{row['preset']}` | {row['batch_size']} | {times} | {speeds} | {faster} |")
    return "\n".join(lines)


def gpu_table(path: Path = GPU) -> str:
    """A Markdown table of how fast a GPU trains, from the measurements of `gpu_table.py`."""
    if not path.exists():
        return "Nobody has run it on a GPU yet."
    found = json.loads(path.read_text())
    lines = [
        f"Episodes a second, on {found['machine']} ({found['date']}, PyTorch {found['versions']['torch']}):",
        "",
        "| preset | batch | world in NumPy | world on the GPU | and updates repeated from a recording |",
        "|---|---|---|---|---|",
    ]
    for row in found["rows"]:
        speeds = " | ".join(f"{row[way]:,.0f}" if way in row else "" for way in ("numpy", "device", "recorded"))
        lines.append(f"| `{row['preset']}` | {row['batch_size']:,} | {speeds} |")
    return "\n".join(lines)


def write_pages(pages: tuple[Path, ...] = PAGES) -> None:
    """Puts the tables between their marks in README and docs."""

    def fill(mark: re.Match[str]) -> str:
        name = mark.group(1)
        if name == "results":
            body = table(load_results())
        elif name == "image sizes":
            body = sizes_table()
        elif name == "times":
            body = times_table()
        elif name == "gpu":
            body = gpu_table()
        elif name == "comparison":
            body = comparison_table()
        elif name.startswith("stopping "):
            body = stopping_table(name.split()[1])
        elif name.startswith("search "):
            body = search_table(name.split()[1])
        elif name.startswith("ray "):
            body = {"costs": ray_costs_table, "simulation": ray_simulation_table}[name.split()[1]]()
        else:
            body = ablation_table(name.split()[1])
        return f"<!-- {name}: begin -->\n{body}\n<!-- {name}: end -->"

    for page in pages:
        page.write_text(MARK.sub(fill, page.read_text()))


def _plain(value: Any) -> str:
    return " ".join(value) if isinstance(value, list | tuple) else str(value)
