"""Every setting of a training by Stable-Baselines3, and which algorithm takes which actions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import gymnasium as gym

from agents.experiment.settings import Device, ExperimentConfig, RunConfig, demand_positive, keywords

ACTION_MODES = {
    "ppo": ("multidiscrete", "box", "discrete"),
    "recurrent_ppo": ("multidiscrete", "box", "discrete"),
    "a2c": ("multidiscrete", "box", "discrete"),
    "dqn": ("discrete",),
    "sac": ("box",),
}
"""The action modes that an algorithm's own policies take, the one chosen unless `env_args` says otherwise first."""
SCHEDULED = ("learning_rate", "clip_range")
"""Keywords of algorithms that may fall with the training."""
HYBRID = ("ppo", "recurrent_ppo", "a2c")
OFF_POLICY = ("dqn", "sac")
"""Algorithms that learn from many earlier steps, of which no file is kept."""


@dataclass(frozen=True)
class FramesRun(RunConfig):
    """How long a run is, in frames, and how it is carried out."""

    frames: int = 1_000_000
    """Steps of all lanes together; rounded up to whole rollouts."""
    num_envs: int = 64
    """Episodes side by side."""
    report_every: int = 20_000
    """Frames between two reports."""
    device: Device = "cpu"
    """"cpu", "cuda", or "auto": a GPU if there is one; networks this small are faster without."""

    def __post_init__(self) -> None:
        demand_positive(self, "frames", "num_envs")
        if self.matmul_precision == "bfloat16":
            raise ValueError(
                'matmul_precision must be "highest", "high" or "medium": Stable-Baselines3 has no autocast to bfloat16.'
            )
        super().__post_init__()


@dataclass(frozen=True)
class Sb3Config(ExperimentConfig):
    """Settings of a training by Stable-Baselines3."""

    command: ClassVar[str] = "train_sb3.py"

    algo: Literal["ppo", "recurrent_ppo", "a2c", "dqn", "sac"] = "recurrent_ppo"
    """Algorithm; RecurrentPPO is sb3-contrib's, and the only one that remembers earlier glimpses."""
    algo_args: tuple[str, ...] = ()
    """Keywords of the algorithm, such as n_steps=32 learning_rate=1e-3 "policy_kwargs={'location_std':0.2}"; lin_0.001 falls from there to 0."""
    policy: Literal["default", "hybrid"] = "default"
    """The algorithm's own policy, or a Normal on the location and a Categorical on every choice."""
    gaze: Literal["learned", "center", "random"] = "learned"
    """Where to look: as the policy says; or to measure what that is worth, always the centre, or anywhere. Needs the hybrid policy."""
    run: FramesRun = FramesRun()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.policy == "hybrid" and self.algo not in HYBRID:
            raise ValueError(
                f"policy hybrid is for {', '.join(HYBRID)}: {self.algo} cannot draw a location and choices."
            )
        if self.gaze != "learned" and self.policy != "hybrid":
            raise ValueError(f"gaze {self.gaze} needs policy hybrid, whose location is apart from its choices.")
        allowed = ("dict",) if self.policy == "hybrid" else ACTION_MODES[self.algo]
        mode = self.env_kwargs()["action_mode"]
        if mode not in allowed:
            whose = f"{self.algo} with policy {self.policy}"
            raise ValueError(f"{whose} takes action_mode {' or '.join(allowed)}, got {mode!r}.")
        self.algo_kwargs()  # complains of what it cannot read

    @property
    def title(self) -> str:
        """What the run is called."""
        return self.name or f"{self.algo}{'-hybrid' * (self.policy == 'hybrid')}-{self.env}"

    def env_kwargs(self, training: bool = False) -> dict[str, Any]:
        """Keywords of the environment, with the forms of observation and action that the algorithm takes."""
        mode = "dict" if self.policy == "hybrid" else ACTION_MODES[self.algo][0]
        spec = gym.registry.get(self.env_id)  # an id may say itself what its spaces are
        own: dict[str, Any] = {
            name: spec.kwargs[name] for name in ("obs_mode", "action_mode") if spec and name in spec.kwargs
        }
        return {"obs_mode": "flat", "action_mode": mode, **own, **super().env_kwargs(training)}

    def algo_kwargs(self) -> dict[str, Any]:
        """Keywords of the algorithm: SB3's defaults, but for what many lanes ask for, and what `algo_args` says."""
        given = keywords(self.algo_args, "algo_args")
        for name in SCHEDULED:
            if isinstance(given.get(name), str):
                falls_from(name, given[name])
        for name in ("n_steps", "n_epochs", "batch_size", "buffer_size"):
            if not isinstance(given.get(name, 1), int) or given.get(name, 1) < 1:
                raise ValueError(f"{name} in algo_args must be a whole number of at least 1, got {given[name]!r}.")
        if not isinstance(given.get("policy_kwargs", {}), dict):
            raise ValueError(
                f"policy_kwargs in algo_args must be a dict, in quotes for the shell: got {given['policy_kwargs']!r}."
            )
        if self.algo in ("ppo", "recurrent_ppo"):
            return {"n_steps": 64, "batch_size": 512, "n_epochs": 4, **given}
        if self.algo in OFF_POLICY:  # as many updates per frame as with one lane
            lanes = self.run.num_envs
            per_step = max(1, lanes // 4) if self.algo == "dqn" else lanes
            return {"buffer_size": 200_000, "train_freq": 1, "gradient_steps": per_step, **given}
        return given


def falls_from(name: str, text: str) -> float:
    """Where a number starts that falls to 0 in a straight line, as RL Baselines3 Zoo writes it: "lin_0.001".

    Raises:
        ValueError: if it is of another form.
    """
    kind, _, start = text.partition("_")
    try:
        first = float(start)
    except ValueError:
        first = 0.0
    if kind != "lin" or not first > 0:
        raise ValueError(f"{name} in algo_args must be a number, or lin_NUMBER to fall from there to 0, got {text!r}.")
    return first
