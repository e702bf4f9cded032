"""Settings as frozen dataclasses in groups: kept in checkpoints and results, changed by name, printed as departures."""

from __future__ import annotations

import ast
import difflib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Annotated, Any, ClassVar, Literal, TypeVar, get_args, get_origin, get_type_hints

import tyro

AnySettings = TypeVar("AnySettings", bound="Settings")
Device = Annotated[str, tyro.conf.arg(prefix_name=False)]  # a flag without its group: --device


@dataclass(frozen=True)
class Settings:
    """Settings, some of which are groups of settings or an absent group (None). No number is below 0, a word is one of those listed."""

    def __post_init__(self) -> None:
        hints = get_type_hints(type(self))
        for setting in fields(self):
            value, hint = getattr(self, setting.name), hints[setting.name]
            if get_origin(hint) is Literal and value not in get_args(hint):
                raise ValueError(f"{setting.name} must be one of {', '.join(get_args(hint))}, got {value!r}.")
            for number in value if isinstance(value, tuple) else (value,):
                if isinstance(number, int | float) and not 0 <= number < math.inf:
                    raise ValueError(f"{setting.name} must be at least 0 and finite, got {value!r}.")

    @classmethod
    def groups(cls) -> dict[str, type[Settings]]:
        """Name -> class of every field that is a group."""
        found = {}
        for name, hint in get_type_hints(cls).items():
            for kind in get_args(hint) or (hint,):
                if isinstance(kind, type) and issubclass(kind, Settings):
                    found[name] = kind
        return found

    def to_dict(self) -> dict[str, Any]:
        """The settings as JSON takes them, a dict per group."""
        return asdict(self)

    def to_json(self) -> str:
        """The settings as a checkpoint keeps them."""
        return json.dumps(self.to_dict())

    @classmethod
    def from_dict(cls: type[AnySettings], settings: dict[str, Any]) -> AnySettings:
        """The inverse of `to_dict`.

        Raises:
            ValueError: if there are settings that do not exist.
        """
        if unknown := set(settings) - {setting.name for setting in fields(cls)}:
            raise ValueError(f"Unknown settings {sorted(unknown)}: written by another version of ram_envs?")
        groups, found = cls.groups(), dict[str, Any]()
        for name, value in settings.items():
            if name in groups and value is not None:
                found[name] = groups[name].from_dict(value)
            else:
                found[name] = tuple(value) if isinstance(value, list) else value
        return cls(**found)

    def but(self: AnySettings, **changes: Any) -> AnySettings:
        """A copy with other settings; those of a group as a dict: `config.but(seed=2, gaze={"std": 0.1})`."""
        groups, changed = self.groups(), {}
        for name, value in changes.items():
            if name in groups and isinstance(value, dict):
                before = getattr(self, name)
                value = groups[name](**value) if before is None else before.but(**value)
            changed[name] = value
        return replace(self, **changed)

    def with_values(self: AnySettings, values: Mapping[str, Any]) -> AnySettings:
        """A copy with other settings by the names that `flat` gives them: `config.with_values({"gaze.std": 0.1})`.

        A setting of words KEY=VALUE takes another word: "env_args.glimpse_cost" is the environment's glimpse_cost.

        Raises:
            ValueError: if there is no such setting, or a value that it cannot have.
        """
        changed, hints = self, get_type_hints(type(self))
        for name, value in values.items():
            first, _, rest = name.partition(".")
            before = getattr(changed, first, None) if first in hints else None
            if isinstance(before, Settings) and rest:
                value = before.with_values({rest: value})
            elif isinstance(before, tuple) and rest:
                value = (*before, f"{rest}={value!r}")
            elif rest or first not in dict(self.flat()):
                near = difflib.get_close_matches(name, dict(self.flat()), 1)
                raise ValueError(f"There is no setting {name}{f': {near[0]} is one' if near else ''}.")
            changed = changed.but(**{first: value})
        return changed

    def departures(self, base: Settings) -> dict[str, Any]:
        """Settings that differ from those of `base`: their names ("gaze.std"), as flags have them, and their values here."""
        before = dict(base.flat())
        return {name: value for name, value in self.flat() if name not in before or before[name] != value}

    def flat(self, prefix: str = "") -> Iterator[tuple[str, Any]]:
        """All settings, those of a group under names with a dot."""
        for setting in fields(self):
            value = getattr(self, setting.name)
            if isinstance(value, Settings):
                yield from value.flat(f"{prefix}{setting.name}.")
            else:
                yield f"{prefix}{setting.name}", value


def keywords(words: Sequence[str], setting: str) -> dict[str, Any]:
    """Words of the form KEY=VALUE as keywords; a value is a Python literal, or else a string.

    Raises:
        ValueError: if a word has another form; the message names the setting that holds it.
    """
    found: dict[str, Any] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key.isidentifier():
            raise ValueError(f"{setting} must be of the form KEY=VALUE, got {word!r}.")
        try:
            found[key] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            found[key] = value  # a bare word is a string
    return found


def demand_positive(settings: Settings, *names: str) -> None:
    """A ValueError that names the setting, unless all of these are above 0."""
    for name in names:
        if not getattr(settings, name) > 0:
            raise ValueError(f"{name} must be above 0, got {getattr(settings, name)!r}.")


def demand_share(settings: Settings, *names: str) -> None:
    """A ValueError that names the setting, unless all of these lie in [0, 1]."""
    for name in names:
        if not 0 <= getattr(settings, name) <= 1:
            raise ValueError(f"{name} must lie in [0, 1], got {getattr(settings, name)!r}.")


@dataclass(frozen=True)
class RunConfig(Settings):
    """How a run is carried out, whatever it trains."""

    THREADS_SHARE_BATCHES: ClassVar[bool] = False  # whether threads are processes, each with lanes of every batch

    evaluations: int = 10
    """How often the agent is scored on validation episodes during training, at most once a report; 0 for never."""
    score_test: bool = True
    """Whether a finished run is scored on the test episodes too; turn it off while choosing settings."""
    report_every: int = 100
    """Updates between two reports; with Stable-Baselines3 frames."""
    evaluation_memory: int = 1024
    """Megabytes that the environments of an evaluation may take: fewer episodes side by side where images are large."""
    device: Device = "auto"
    """"cpu", "cuda", or "auto": a GPU if there is one."""
    threads: int = 1
    """CPU threads; networks this small are fastest with one."""
    matmul_precision: Literal["highest", "high", "medium", "bfloat16"] = "highest"
    """PyTorch's float32 matmul precision, or "bfloat16" for autocast; "highest" on machines without bfloat16 products."""

    def __post_init__(self) -> None:
        demand_positive(self, "report_every", "evaluation_memory", "threads")
        super().__post_init__()


@dataclass(frozen=True)
class EpisodesRun(RunConfig):
    """How long a run is, in episodes, and how it is carried out."""

    episodes: int = 55_000 * 100
    """Episodes of the whole training; an epoch of MNIST has 55,000."""
    checkpoint_minutes: float = 2.0
    """Minutes between two checkpoints; one is always written with a score on the way, at the end and on Ctrl-C."""

    def __post_init__(self) -> None:
        demand_positive(self, "episodes")
        super().__post_init__()


@dataclass(frozen=True)
class ExperimentConfig(Settings):
    """What every family's settings begin with: the environment with its keywords, a name, a seed, a run."""

    command: ClassVar[str]  # the script that trains by such settings

    env: str = "GlimpseMNIST-v0"
    """Id of the environment, as Gymnasium has it: "module:Id" imports the module that registers it."""
    env_args: tuple[str, ...] = ()
    """Keywords of the environment, such as num_glimpses=4 glimpse_cost=0.01."""
    train_env_args: tuple[str, ...] = ()
    """Further keywords of the environment in training only, such as overhang=2, which moves the digits by up to two pixels."""
    name: str = ""
    """Name of the preset, for the run's folder and results."""
    seed: int = 1
    """Seed of the weights, the episodes and the sampling."""
    run: RunConfig = RunConfig()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.seed >= 2**32:
            raise ValueError(f"seed must be below 2**32, got {self.seed!r}.")
        keywords(self.env_args, "env_args")  # complains of what it cannot read
        keywords(self.train_env_args, "train_env_args")

    @property
    def env_id(self) -> str:
        """Id of the environment, without the module that registers it."""
        return self.env.rpartition(":")[2]

    @property
    def title(self) -> str:
        """What the run is called."""
        return self.name or self.env

    def env_kwargs(self, training: bool = False) -> dict[str, Any]:
        """Keywords of the environment, with those of training alone or without."""
        return keywords((*self.env_args, *(self.train_env_args if training else ())), "env_args")
