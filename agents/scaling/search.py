"""Random search for settings, by the error on the validation episodes: the command behind `search.py`."""

from __future__ import annotations

import hashlib
import json
import math
import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Generic, Literal

import tyro

from agents.experiment.command_line import (
    RUNS,
    AnyConfig,
    RunFlags,
    arguments,
    command,
    demand_at_least,
    flag_value,
    named_preset,
    say,
)
from agents.experiment.run_folder import reserved, write_whole
from agents.ram.presets import preset_for
from agents.sb3.hyperparams import over_origin, tuned
from agents.scaling.cluster import RayFlag, connected, demand_ray, ray_address
from agents.scaling.families import FAMILIES, PRESETS, Family
from agents.scaling.forecast import announced, expected_minutes
from agents.scaling.search_record import RECORD, best, draw_trials, trials_table
from agents.scaling.space import Draw, draws

SPEC = "search.json"  # what a search was begun as
CARRIED_OUT = {
    f"run.{name}"
    for name in (
        "episodes",
        "frames",
        "evaluations",
        "score_test",
        "report_every",
        "checkpoint_minutes",
        "evaluation_memory",
        "device",
        "threads",
    )
}
"""Settings that the best command leaves out unless they were drawn: how long a run is and how it is watched, not what it learns."""


@dataclass(frozen=True, kw_only=True)
class SearchCommand(RunFlags, Generic[AnyConfig]):
    """Draws settings, trains with each, and prints those with the lowest validation error; the test split is not touched.

    The same command typed again goes on with what was interrupted.
    """

    space: tuple[str, ...]
    """Settings and what they are drawn from, such as "optimizer.learning_rate=loguniform(1e-3,1e-1)"; there are uniform, loguniform,
    randint, lograndint and choice."""
    config: Annotated[AnyConfig, tyro.conf.arg(name="")]
    family: Literal["ram", "classifiers", "sb3"] | None = None
    """What is trained: our agent, classifiers or stock agents; by default what the preset is for."""
    trials: int = 32
    """Number of trials: each draws the settings and trains with them."""
    scheduler: Literal["none", "asha"] = "none"
    """Whether trials with a high validation error are stopped early (Li et al. 2020): two of three at 10 %, 30 % and 90 % of the training."""
    ray: RayFlag = None
    """Address of a Ray cluster; by default this machine, as many trials at once as it has processors."""


@dataclass(frozen=True)
class Search:
    """What a search was begun as.

    Attributes:
        family: of what is trained.
        preset: whose settings it departs from; "" for none.
        space: the words of `--space`.
        trials: how many.
        scheduler: "none" or "asha".
        settings: that all trials share.
    """

    family: str
    preset: str
    space: tuple[str, ...]
    trials: int
    scheduler: str
    settings: dict[str, Any]

    @property
    def folder(self) -> Path:
        """Where it is kept unless another folder is named: the same for the same search."""
        digest = hashlib.sha256(json.dumps(asdict(self)).encode()).hexdigest()[:8]
        return RUNS / f"search-{self.preset or self.family}-{digest}"

    def demand_same(self, folder: Path) -> None:
        """A ValueError in one sentence if another search was begun in the folder.

        Ray Tune cannot change the space of what has begun, nor go on with trials that have ended.
        """
        path = folder / SPEC
        if path.exists() and path.read_text() != self.text():
            raise ValueError(
                f"{folder} holds another search, and Ray Tune can neither change the settings or the space of one that has begun nor "
                "revive trials that have ended: repeat the command that began it, or name another --run-dir."
            )

    def text(self) -> str:
        """As its folder keeps it."""
        return json.dumps(asdict(self), indent=1) + "\n"


@command
def search_command(argv: Sequence[str] | None = None) -> None:
    """`python agents/search.py`"""
    argv = arguments(argv)
    family = _family(argv)
    origin = named_preset(argv, family.presets) or _default(family, argv)
    kind: Any = SearchCommand[family.config]  # type: ignore[name-defined]
    flags = tyro.cli(
        kind,
        args=argv,
        default=kind(space=tyro.MISSING, config=origin),
        config=(tyro.conf.AvoidSubcommands, tyro.conf.FlagConversionOff),
        compact_help=True,
    )
    demand_at_least(1, trials=flags.trials)
    address = ray_address(flags.ray)
    demand_ray()
    given = over_origin(flags.config, origin) if family.name == "sb3" else flags.config
    config = given.but(run={"score_test": False})
    if flags.scheduler == "asha" and not config.run.evaluations:
        raise ValueError(
            "--scheduler asha stops trials by their scores on the way: it needs --run.evaluations above 0."
        )
    space = draws(flags.space, config)
    search = Search(family.name, origin.name, flags.space, flags.trials, flags.scheduler, config.to_dict())
    folder = flags.run_dir or search.folder
    with reserved(folder):
        search.demand_same(folder)
        outcomes = _run(search, config, space, folder, address)
        if outcomes is None:
            print(
                f"Not all trials have ended; the same command goes on with what is left. Trials so far: {folder / 'trials'}"
            )
            return
        record = {**asdict(search), "outcomes": outcomes}
        write_whole(folder / RECORD, (json.dumps(record, indent=1) + "\n").encode())
    table = trials_table(record)
    (folder / "trials.md").write_text(table + "\n")
    draw_trials(record, folder / "trials.png")
    print(table)
    print(f"\nTable, picture and every trial's run: {folder}")
    if (found := best(record)) is not None:
        print(f"The best of {flags.trials}: {found['error_percent']:.2f} % (validation). To train with it:\n")
        print(_command_line(config.with_values(found["values"]), family, found["values"]))


def _run(
    search: Search, config: Any, space: tuple[Draw, ...], folder: Path, address: str | None
) -> list[dict[str, Any]] | None:
    """Makes the trials that are left; what came of all, as JSON takes it, or nothing if interrupted."""
    say(f"Searching in {folder}: starting Ray")
    with connected(address) as processors:
        from agents.scaling.trials import Progress, asha, run_trials, trial_space

        write_whole(folder / SPEC, search.text().encode())
        if (at_once := processors // config.run.threads) < 1:
            raise ValueError(
                f"threads must be at most the number of processors, {processors}, got {config.run.threads}."
            )
        minutes = expected_minutes(search.preset, config)
        say(announced([minutes] * search.trials, at_once))
        found = run_trials(
            trial_space(search.family, config, {draw.name: draw.domain() for draw in space}),
            folder / "trials",
            Progress(search.trials),
            samples=search.trials,
            seed=config.seed,
            threads=config.run.threads,
            scheduler=asha() if search.scheduler == "asha" else None,
        )
    if found is None:
        return None
    return [
        {**asdict(outcome), "error_percent": outcome.error_percent if math.isfinite(outcome.error_percent) else None}
        for outcome in found
    ]


def _family(argv: Sequence[str]) -> Family:
    """The family that is asked for, by `--family` or by `--preset`."""
    preset, name = flag_value(argv, "--preset"), flag_value(argv, "--family")
    if name in FAMILIES:
        return FAMILIES[name]
    if preset is not None and preset not in PRESETS:
        raise ValueError(f"preset must be one of {sorted(PRESETS)}, got {preset!r}.")
    return FAMILIES["ram"] if preset is None else PRESETS[preset]


def _default(family: Family, argv: Sequence[str]) -> Any:
    """Settings to start from where no preset is named: those that training starts from."""
    plain: Any = family.config()
    env = flag_value(argv, "--env") or plain.env
    if family.name == "ram":
        return preset_for(env)
    return tuned(flag_value(argv, "--algo") or plain.algo, env) if family.name == "sb3" else plain


def _command_line(config: Any, family: Family, values: dict[str, Any]) -> str:
    """The command that trains with these settings, for as long as the preset does, where and as one likes."""
    words, origin = ["python", f"agents/{config.command}"], family.config()
    if config.name in family.presets:
        words, origin = [*words, "--preset", config.name], family.presets[config.name]
    departures = config.departures(origin)
    if family.name == "sb3" and config.name not in family.presets:
        start = tuned(config.algo, config.env)  # what the command starts from
        departures |= {name: value for name, value in config.departures(start).items() if name.startswith("run.")}
    if departures.pop("counterfactual", ...) is None:
        words += ["--counterfactual.candidates", "1"]
    for name, value in departures.items():
        if name in values or name not in CARRIED_OUT:
            words += [f"--{name.replace('_', '-')}", *map(str, value if isinstance(value, tuple) else (value,))]
    return shlex.join(words)
