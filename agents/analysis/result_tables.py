"""The tables of results: one per task, one of the best of each task for the README, one of agents after equal numbers of steps.

A row's task is its environment, with the keywords that change the world. So a new preset that has a result falls into its table by itself.
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import gymnasium as gym

from agents.analysis.setting_words import setting_words
from agents.analysis.tables import COMPARED, PAPER, minutes
from agents.experiment.settings import keywords
from ram_envs import ENV_IDS

PUBLIC = {
    "GlimpseMNIST-v0": 0.85,  # Element-Research's Torch implementation, 7 glimpses, up to 2,000 epochs
    "GlimpseMNIST-Translated60-v0": 0.94,  # slundqui/tfRAM, 8 glimpses
    "GlimpseMNIST-Cluttered60-v0": 2.63,  # the same
    "GlimpseMNIST-Cluttered100-v0": 5.9,  # the same, three scales
    "CatchBall-v0": 11.0,  # samrudhdhirangrej, after some 360 million frames
}
"""Task -> the lowest test error in % that others report with hard attention."""

TITLES = {
    "GlimpseMNIST-v0": "Digits, 28x28",
    "GlimpseMNIST-Translated60-v0": "Translated digits, 60x60",
    "GlimpseMNIST-Cluttered60-v0": "Cluttered digits, 60x60",
    "GlimpseMNIST-Cluttered100-v0": "Cluttered digits, 100x100",
    "GlimpseMNIST-Pairs100-v0": "Two digits, 100x100: which?",
    "GlimpseMNIST-Sum100-v0": "Two digits, 100x100: their sum",
    "GlimpseMNIST-Mega500-v0": "Majority of five digits, 500x500",
    "GlimpseMNIST-Mega1500-v0": "Majority of five digits, 1500x1500",
    "GlimpseMNIST-Moving60-v0": "A moving digit, 60x60",
    "GlimpseMNIST-Cluttered60-v0 dataset=fashion-mnist": "Cluttered Fashion-MNIST, 60x60",
    "CatchBall-v0": "Catch",
}
"""Task -> its heading; another's is its id."""

LOOKING = ("num_glimpses", "initial_location", "glimpse_cost", "patch_size", "num_scales")
"""Keywords of an environment that change how it is looked at, not the task."""

BUDGET = re.compile(r"-\d+m-")
"""In the name of a preset whose run has so many million frames, to be compared with others after as many: catch-2m-ppo."""

MOST_ROWS = 10
HEADER = "| agent | paper | ours | seeds |\n|---|---|---|---|"
COSTS_HEADER = "| preset | spread | episodes | minutes | date |\n|---|---|---|---|---|"


@dataclass(frozen=True)
class Row:
    """One row of a task's table.

    Attributes:
        preset: its name.
        runs: the results of its seeds.
        glimpses: after how many the agent was asked for its answer, if not after its own number.
    """

    preset: str
    runs: list[dict[str, Any]]
    glimpses: str | None = None

    @property
    def config(self) -> dict[str, Any]:
        """Settings of the first seed."""
        config: dict[str, Any] = self.runs[0]["config"]
        return config

    @property
    def task(self) -> str:
        """Id of the environment, and the dataset where it is another than its own."""
        dataset = self.given.get("dataset")
        return self.env_id if dataset is None else f"{self.env_id} dataset={dataset}"

    @property
    def env_id(self) -> str:
        """Id of the environment."""
        return str(self.config["env"]).rpartition(":")[2]

    @property
    def given(self) -> dict[str, Any]:
        """Keywords of the environment."""
        return keywords(self.config["env_args"], "env_args")

    @property
    def other_world(self) -> dict[str, Any]:
        """Keywords that make the task another one than that of the id alone."""
        return {key: value for key, value in self.given.items() if key not in (*LOOKING, "dataset")}

    @property
    def sees_everything(self) -> bool:
        """Whether it is a network without attention: a classifier, or an agent whose glimpse is the whole screen."""
        if "gaze" in self.config:
            return self.config["gaze"]["policy"] == "center" and "patch_size" in self.given
        return "algo" not in self.config

    @property
    def learns_to_look(self) -> bool:
        """Whether it is an agent of ours whose gaze is learnt."""
        return not self.sees_everything and self.config.get("gaze", {}).get("policy") == "learned"

    @property
    def paper(self) -> float | None:
        """The paper's error in %, where it has such a row."""
        if self.glimpses is None:
            return PAPER.get(self.preset)
        return PAPER.get(f"{self.preset.rpartition('-')[0]}-{self.glimpses}")

    def errors(self, split: str = "test") -> list[float]:
        """Error in % of each seed."""
        scores = [run if self.glimpses is None else run["fewer_glimpses"][self.glimpses] for run in self.runs]
        return [score[split]["error_percent"] for score in scores]

    @property
    def words(self) -> str:
        """What is in the row, for somebody who does not know the presets."""
        if self.glimpses is not None:
            return f"RAM, {self.glimpses} of its {self.given['num_glimpses']} glimpses"
        if "algo" in self.config:
            return COMPARED.get(self.preset, str(self.config["algo"]))
        if "gaze" not in self.config:
            others = (setting_words(key, value) for key, value in self.other_world.items())
            return ", ".join([_classifier_words(self.config["network"]), *others])
        return ", ".join(_agent_words(self))


def rows_of(results: Mapping[str, list[dict[str, Any]]]) -> Iterator[Row]:
    """Every row but those of agents that are compared after equal numbers of frames, task by task in the order of the environments."""
    rows = [Row(preset, runs) for preset, runs in results.items() if not BUDGET.search(preset)]
    order = {env_id: place for place, env_id in enumerate(ENV_IDS)}
    for row in sorted(rows, key=lambda row: (order.get(row.env_id, len(order)), row.task)):
        fewer = set.intersection(*(set(run.get("fewer_glimpses", {})) for run in row.runs))
        for glimpses in sorted(fewer, key=int):
            if (shorter := Row(row.preset, row.runs, glimpses)).paper is not None:
                yield shorter
        yield row


def results_tables(results: Mapping[str, list[dict[str, Any]]]) -> str:
    """The tables of all tasks in Markdown, each under its heading: errors beside the paper's, and below what the runs took."""
    tasks: dict[str, list[Row]] = {}
    for row in rows_of(results):
        tasks.setdefault(row.task, []).append(row)
    lines = []
    for task, rows in tasks.items():
        lines += [f"### {TITLES.get(task, task)}", "", f"`{task}`: test error in %, lower is better.", "", HEADER]
        for row in rows:
            paper = "-" if row.paper is None else f"{row.paper:g}"
            lines.append(f"| {row.words} | {paper} | {statistics.mean(row.errors()):.2f} | {len(row.runs)} |")
        lines += ["", "What the runs took, in the same order:", "", COSTS_HEADER]
        lines += [_costs(row) for row in rows if row.glimpses is None]
        lines.append("")
    return "\n".join(lines).rstrip()


def headline_table(results: Mapping[str, list[dict[str, Any]]]) -> str:
    """A Markdown table of at most ten tasks that an agent of ours learnt to look in: the best network without attention, the paper's agent,
    the best public one, ours.

    What is "best" of ours was decided by the validation error.
    """
    lines = ["| task | whole image | paper | best public | ours |", "|---|---|---|---|---|"]
    tasks: dict[str, list[Row]] = {}
    for row in rows_of(results):
        if not row.other_world and row.glimpses is None:
            tasks.setdefault(row.task, []).append(row)
    looking = {task: [row for row in rows if row.learns_to_look] for task, rows in tasks.items()}
    known = [task for task in tasks if task in PUBLIC]
    learnt = [task for task in [*known, *(task for task in tasks if task not in known)] if looking[task]]
    for task in learnt[:MOST_ROWS]:
        whole = _best([row for row in tasks[task] if row.sees_everything])
        papers = [row.paper for row in rows_of(results) if row.task == task and not row.sees_everything and row.paper]
        ours = _best(looking[task])
        assert ours is not None
        cells = [
            TITLES.get(task, task),
            "-" if whole is None else f"{statistics.mean(whole.errors()):.2f}",
            f"{min(papers):g}" if papers else "-",
            f"{PUBLIC[task]:g}" if task in PUBLIC else "-",
            f"**{statistics.mean(ours.errors()):.2f}**",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def comparison_tables(results: Mapping[str, list[dict[str, Any]]]) -> str:
    """Our agent beside those of Stable-Baselines3 after equal numbers of frames: a Markdown table for each environment."""
    tasks: dict[str, list[Row]] = {}
    for preset, runs in results.items():
        if BUDGET.search(preset):
            row = Row(preset, runs)
            tasks.setdefault(row.task, []).append(row)
    lines = []
    for task, rows in tasks.items():
        lines += [f"`{task}`: test error in %, lower is better.", ""]
        lines += ["| agent | M frames | error, % | seeds |", "|---|---|---|---|"]
        for row in rows:
            label = COMPARED.get(row.preset, row.words)
            frames = row.runs[0]["frames"] / 1e6
            lines.append(f"| {label} | {frames:.1f} | {statistics.mean(row.errors()):.2f} | {len(row.runs)} |")
        lines += ["", COSTS_HEADER, *map(_costs, rows), ""]
    return "\n".join(lines).rstrip()


def _best(rows: list[Row]) -> Row | None:
    """The row with the lowest mean error on the validation episodes."""
    return min(rows, key=lambda row: statistics.mean(row.errors("validation")), default=None)


def _costs(row: Row) -> str:
    errors = row.errors()
    spread = f"{min(errors):.2f} to {max(errors):.2f}" if len(errors) > 1 else "-"
    run = row.config["run"]
    seen = f"{run['episodes'] / 1e6:.2f} M" if "episodes" in run else "-"
    date = max(run["date"] for run in row.runs)
    return f"| `{row.preset}` | {spread} | {seen} | {minutes(row.runs)} | {date} |"


def _classifier_words(network: Mapping[str, Any]) -> str:
    """A network that sees the whole scene."""
    if stages := network.get("stages"):
        return f"modern convolutional network, {'-'.join(map(str, stages))} channels"
    sizes = "-".join(str(size) for size in network.get("hidden_sizes", ()))
    filters = network.get("filters")
    return f"convolutional network, {filters} filters" if filters else f"fully connected network, {sizes} units"


def _agent_words(row: Row) -> Iterator[str]:
    """A recurrent attention model: how it looks, and what it has that the paper's has not."""
    config, policy = row.config, row.config["gaze"]["policy"]
    spec = gym.spec(row.task).kwargs if row.task in gym.registry else {}
    glimpses = row.given.get("num_glimpses", spec.get("num_glimpses"))
    if config.get("stopping"):
        looks = statistics.mean(run["test"]["mean_glimpses"] for run in row.runs)
        told = ", told the price of a glimpse" if config["stopping"]["price_range"] else ""
        yield f"RAM that learns when to stop{told}: {looks:.2f} glimpses"
    else:
        yield "RAM" if glimpses is None else f"RAM, {glimpses} glimpses"
    if row.sees_everything:
        yield "which sees the whole screen"
    elif policy != "learned":
        yield setting_words("gaze.policy", policy)
    if config["network"]["convolutions"]:
        yield "two convolutions"
    if config["optimizer"]["method"] == "sgd":
        yield "the paper's own recipe"
    yield from (setting_words(key, value) for key, value in row.other_world.items())
