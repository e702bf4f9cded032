"""The files of results, the paper's numbers, and the tables of single studies."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agents.ram.config import Config
from agents.scaling.families import FAMILIES
from agents.scaling.forecast import by_gpu, timed
from agents.scaling.search_record import trials_table

RESULTS = Path(__file__).resolve().parents[2] / "results"
SIZES = RESULTS / "image_sizes.json"
TIMES = RESULTS / "time_table.json"
CORE_SPEED = RESULTS / "core_speed.json"
GPU = RESULTS / "gpu_table.json"
RAY_COSTS = RESULTS / "ray_costs.json"
STEP_SPEED = RESULTS / "step_speed.json"

PAPER: dict[str, float | None] = {
    "mnist-fc256": 1.69, "mnist-conv": 1.21, "mnist-convnet": None, "mnist-convnet-small": None,
    "mnist-2": 3.79, "mnist-3": 1.51, "mnist-4": 1.54, "mnist-5": 1.34, "mnist-6": 1.12, "mnist-7": 1.07,
    "translated60-fc64": 6.42, "translated60-fc256": 2.63, "translated60-conv": 1.62,
    "translated60-convnet": None, "translated60-convnet-small": None,
    "translated60-4": 1.54, "translated60-6": 1.22, "translated60-8": 1.2, "translated60-8-conv": 1.2,
    "translated60-stop": 1.2, "translated60-prices": 1.2,
    "cluttered60-fc64": 28.58, "cluttered60-fc256": 11.96, "cluttered60-conv": 8.09,
    "cluttered60-convnet": None, "cluttered60-convnet-small": None,
    "cluttered60-4": 4.96, "cluttered60-6": 4.08, "cluttered60-8": 4.04, "cluttered60-8-conv": 4.04, "cluttered60-random": 14.4,
    "cluttered60-stop": 4.04, "cluttered60-prices": 4.04,
    "cluttered100-conv": 14.35, "cluttered100-convnet": None, "cluttered100-convnet-small": None,
    "cluttered100-4": 9.41, "cluttered100-6": 8.31, "cluttered100-8": 8.11, "cluttered100-8-conv": 8.11, "cluttered100-random": 28.4,
    "fashion60-convnet": None, "fashion60-8": None, "fashion60-random": None,
    "pairs100-convnet": None, "pairs100-4": None, "pairs100-8": None, "pairs100-center": None, "pairs100-random": None,
    "sum100-convnet": None, "sum100-4": None, "sum100-8": None, "sum100-center": None, "sum100-random": None,
    "mega500-convnet": None, "mega500-16": None, "mega500-center": None, "mega500-random": None,
    "mega1500-32": None, "mega1500-center": None, "mega1500-random": None, "moving60-20": None,
    "mnist-2-faithful": 3.79, "mnist-3-faithful": 1.51, "mnist-4-faithful": 1.54, "mnist-5-faithful": 1.34,
    "mnist-6-faithful": 1.12, "mnist-7-faithful": 1.07, "translated60-8-faithful": 1.2, "cluttered60-8-faithful": 4.04,
    "catch": 15.0, "catch-faithful": 15.0,
    "catch-center": None, "catch-random": None, "catch-full-view": None,
    "catch-48": None, "catch-fast": None, "catch-two-balls": None,
}  # fmt: skip
"""Error in % of each preset's row in Mnih et al. 2014, Tables 1 and 2 and section 4.2; None where it has none."""

DIGITS = (
    "mnist", "translated60", "cluttered60", "cluttered100", "pairs100", "sum100", "mega500", "mega1500", "moving60",
)  # fmt: skip
"""Worlds of digits, as presets call them."""

COMPARED = {
    **{f"{scene}-2m-ram": "RAM, hybrid loss" for scene in DIGITS},
    **{f"{scene}-2m-center": "RAM, hybrid loss, always looks at the centre" for scene in DIGITS},
    **{f"{scene}-2m-random": "RAM, hybrid loss, looks at random places" for scene in DIGITS},
    "mnist-2m-reward": "RAM, reward alone",
    "mnist-2m-ppo": "PPO, no memory", "mnist-2m-ppo-history": "PPO, sees all its glimpses",
    "mnist-2m-ppo-hybrid": "PPO, sees all its glimpses, looks around the middle at first", "mnist-2m-recurrent-ppo": "RecurrentPPO",
    "mnist-2m-recurrent-ppo-hybrid": "RecurrentPPO, looks around the middle at first",
    "mnist-20m-ppo-hybrid": "PPO, sees all its glimpses, looks around the middle at first", "catch-20m-ppo-center": "PPO, looks at the middle",
    "cluttered60-2m-reward": "RAM, reward alone",
    "catch-2m-ram": "RAM, reward alone",
    "catch-20m-ram": "RAM, reward alone",
    "catch-2m-ppo": "PPO, no memory", "catch-2m-recurrent-ppo": "RecurrentPPO",
    "catch-2m-recurrent-ppo-hybrid": "RecurrentPPO, looks around the middle at first",
    "catch-2m-ppo-full-view": "PPO, sees the whole screen", "catch-2m-ppo-center": "PPO, looks at the middle",
    "catch-2m-ppo-hybrid": "PPO, sees its last glimpses, looks around the middle at first", "catch-2m-dqn-center": "DQN, looks at the middle",
}  # fmt: skip
"""Preset -> what it is called where agents are compared after equal numbers of frames; another is called after its settings."""


def result_path(preset: str, seed: int, results: Path = RESULTS) -> Path:
    """Where the result of a preset's run with that seed is kept."""
    return results / f"{preset}-seed{seed}.json"


def load_results(results: Path = RESULTS) -> dict[str, list[dict[str, Any]]]:
    """Preset -> its results by seed, of every preset that has one: classifiers, our agent, stock agents, each in the paper's order."""
    papers, families = [*PAPER], [FAMILIES[name].presets for name in ("classifiers", "ram", "sb3")]
    presets = [name for family in families for name in family]

    def place(preset: str) -> tuple[int, ...]:
        """Its family's, then in the paper's tables, then among the presets."""
        family = next((number for number, family in enumerate(families) if preset in family), len(families))
        return family, *((names.index(preset) if preset in names else len(names)) for names in (papers, presets))

    found: dict[str, list[dict[str, Any]]] = {}
    for path in sorted(results.glob("*-seed*.json")):
        found.setdefault(path.stem.rpartition("-seed")[0], []).append(json.loads(path.read_text()))
    return {preset: found[preset] for preset in sorted(found, key=place)}


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


def minutes(runs: Sequence[dict[str, Any]]) -> str:
    """Mean minutes of a row's runs on a processor, or of all where a GPU made all."""
    mean = statistics.mean(run["minutes"] for run in timed(runs))
    return f"{mean:.{int(mean < 3)}f}" + " (GPU)" * all(by_gpu(run) for run in runs)


def paper_recipe_table(results: Path = RESULTS) -> str:
    """A Markdown table of the rows of the paper's own recipe, with what its gaze is worth on the validation episodes."""
    lines = [
        "| preset | paper, % | ours, % | seeds | with random looks, % (validation) | episodes | minutes |",
        "|---|---|---|---|---|---|---|",
    ]
    for preset, runs in load_results(results).items():
        if preset.endswith("-faithful"):
            ours = statistics.mean(run["test"]["error_percent"] for run in runs)
            random = statistics.mean(run["other_gazes"]["random"] for run in runs)
            episodes = runs[0]["curve"][-1]["episodes"] / 1e6
            lines.append(
                f"| `{preset}` | {PAPER[preset]:g} | {ours:.2f} | {len(runs)} | {random:.1f} | {episodes:.1f} M | {minutes(runs)} |"
            )
    return "\n".join(lines)


def stopping_table(scene: str, results: Path = RESULTS) -> str:
    """A Markdown table of agents that decide when to stop, beside one that is stopped, by the number of glimpses.

    For one price each, or for every price that they are told.
    """
    lines = ["| what decides when to stop | glimpses, mean | test error in % |", "|---|---|---|"]
    rows = []
    for path in results.glob(f"{scene}-8-seed1.json"):
        run = json.loads(path.read_text())
        for scores in ({"test": run["test"]}, *run["fewer_glimpses"].values()):
            rows.append((scores["test"], "fixed"))
    for path in results.glob(f"{scene}-prices-seed*.json"):
        run = json.loads(path.read_text())
        for price, scores in run["prices"].items():
            rows.append((scores["test"], f"agent for every price, told {price} (seed {run['config']['seed']})"))
    for path in (*results.glob(f"{scene}-stop-seed*.json"), *(results / "ablations").glob(f"{scene}-stop-*.json")):
        run = json.loads(path.read_text())
        price = Config.from_dict(run["config"]).env_kwargs()["glimpse_cost"]
        rows.append((run["test"], f"agent for the price {price} (seed {run['config']['seed']})"))
    rows.sort(key=lambda row: float(row[0]["mean_glimpses"]))
    lines += [f"| {who} | {test['mean_glimpses']:.2f} | {test['error_percent']:.2f} |" for test, who in rows]
    return "\n".join(lines)


def sizes_table(path: Path = SIZES) -> str:
    """A Markdown table of what a larger image costs, from the measurements of `image_sizes.py`."""
    record = json.loads(path.read_text())
    lines = [
        "| image side | retina, µs | agent, µs | new scene, µs | CNN, µs | CNN, parameters |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {row['side']} | {row['sensor_glimpse_microseconds']:.1f} | {row['agent_glimpse_microseconds']:.0f} "
        f"| {row['new_scene_microseconds']:,.0f} "
        f"| {row['convolution_microseconds']:,.0f} | {row['convolution_parameters']:,} |"
        for row in record["rows"]
    ]
    lines += [
        "",
        f"The agent has {record['rows'][0]['agent_parameters']:,} parameters at every size. Worlds of several digits, {record['world_lanes']} lanes at a time:",
        "",
        "| side, scene kept as | scales | new scene, µs | later look, µs | mean look, µs |",
        "|---|---|---|---|---|",
    ]
    for row in record["worlds"]:
        scene, look, glimpses = row["new_scene_microseconds"], row["look_microseconds"], row["glimpses"]
        share = (scene + (glimpses - 1) * look) / glimpses
        lines.append(f"| {row['side']}, {row['kept_as']} | {row['scales']} | {scene:,.0f} | {look:.1f} | {share:.1f} |")
    return "\n".join(lines)


def search_table(name: str, results: Path = RESULTS) -> str:
    """A Markdown table of the ten best trials of a search whose `trials.json` is kept as results/searches/NAME.json."""
    return trials_table(json.loads((results / "searches" / f"{name}.json").read_text()), rows=10)


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
    lines = [f"| µs an episode | {' | '.join(parts)} |", "|---" * (1 + len(parts)) + "|"]
    for row in rows:
        times = " | ".join(f"{row['microseconds'][part]:.0f}" for part in parts)
        lines.append(f"| `{row['preset']}` | {times} |")
    lines += [
        "",
        "| preset | batch | episodes a second | frames a second | times as fast as before |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        faster = f"{row['times_faster']:.2f}" if "times_faster" in row else "-"
        speeds = f"{row['episodes_per_second']:,.0f} | {row['frames_per_second']:,.0f}"
        lines.append(f"| `{row['preset']}` | {row['batch_size']} | {speeds} | {faster} |")
    return "\n".join(lines)


def core_speed_table(path: Path = CORE_SPEED) -> str:
    """A Markdown table of how much faster a run is on several processor cores, from the measurements of `core_speed.py`."""
    if not path.exists():
        return "Not measured yet."
    found = json.loads(path.read_text())
    lines = ["| preset | batch | one core | cores | together | times as fast |", "|---|---|---|---|---|---|"]
    for row in found["rows"]:
        one, several = (f"{row[which]:,.0f}" for which in ("alone", "together"))
        lines.append(
            f"| `{row['preset']}` | {row['batch_size']} | {one} | {row['threads']} | {several} | {row['times_faster']:.2f} |"
        )
    return "\n".join(lines)


KINDS = {"single": "single", "native": "native", "sync": "`SyncVectorEnv`"}
"""Kinds of environment in a table's header."""


def step_speed_table(path: Path = STEP_SPEED) -> str:
    """A Markdown table of steps a second, by kind and number of lanes, from the measurements of `step_speed.py`."""
    rows = json.loads(path.read_text())["rows"]
    columns = [(kind, lanes) for kind, speeds in rows[0]["steps_per_second"].items() for lanes in speeds]
    titles = [KINDS[kind] + f", {lanes}" * (kind != "single") for kind, lanes in columns]
    same = max(rows[0]["steps_per_second"]["sync"], key=int)  # lanes of both kinds
    lines = [
        f"| environment, lanes | {' | '.join(titles)} | native at {same}, times |",
        "|---" * (2 + len(columns)) + "|",
    ]
    for row in rows:
        speeds = row["steps_per_second"]
        cells = " | ".join(f"{speeds[kind][lanes]:,}" for kind, lanes in columns)
        lines.append(f"| `{row['env']}` | {cells} | {speeds['native'][same] / speeds['sync'][same]:.0f} |")
    return "\n".join(lines)


REACHED = {
    "mnist-6": (2.0, 1.2), "mnist-2m-ram": (5.0, 2.5), "cluttered60-8": (5.0, 3.0), "cluttered60-2m-ram": (10.0, 7.0),
    "catch": (5.0, 1.0), "catch-2m-ram": (5.0,), "catch-20m-ram": (1.0,),
}  # fmt: skip
"""Preset -> validation errors in % that it is asked how soon it reaches."""


def times_to_errors_table(results: Path = RESULTS) -> str:
    """A Markdown table of the minutes that a preset's runs took to bring the validation error down, by their curves."""
    lines = [
        "| preset | validation error, % | millions of episodes | minutes | seeds | processor |",
        "|---|---|---|---|---|---|",
    ]
    for preset, errors in REACHED.items():
        runs = timed([json.loads(path.read_text()) for path in sorted(results.glob(f"{preset}-seed*.json"))])
        for error in errors:
            when = [(_reached(run, error), run) for run in runs]
            reached = [(episodes, run) for episodes, run in when if episodes is not None]
            if reached:
                episodes = statistics.mean(each for each, _ in reached)
                took = statistics.mean(each / run["curve"][-1]["episodes"] * run["minutes"] for each, run in reached)
                lines.append(
                    f"| `{preset}` | {error} | {episodes / 1e6:.2f} | {took:.1f} | {len(reached)} of {len(runs)} "
                    f"| {runs[0]['machine'].split(',')[0]} |"
                )
    return "\n".join(lines)


def _reached(run: dict[str, Any], error: float) -> float | None:
    """The episodes after which a run was first scored at most so wrong on validation episodes."""
    return next((float(point["episodes"]) for point in run["curve"] if point["error_percent"] <= error), None)


def gpu_table(path: Path = GPU) -> str:
    """A Markdown table of how fast a GPU trains, from the measurements of `gpu_table.py`."""
    if not path.exists():
        return "Not measured yet. Rows that a GPU trained, beside other runs, say so in the [results](results.md)."
    found = json.loads(path.read_text())
    lines = [
        f"Episodes a second, higher is better, on {found['machine']} ({found['date']}, PyTorch {found['versions']['torch']}); the environment in NumPy, on the GPU, or there with updates replayed from a CUDA graph:",
        "",
        "| preset | batch | NumPy | GPU | replayed |",
        "|---|---|---|---|---|",
    ]
    for row in found["rows"]:
        speeds = " | ".join(f"{row[way]:,.0f}" if way in row else "" for way in ("numpy", "device", "recorded"))
        lines.append(f"| `{row['preset']}` | {row['batch_size']:,} | {speeds} |")
    return "\n".join(lines)
