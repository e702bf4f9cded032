"""Every setting of a training by Stable-Baselines3, and which algorithm takes which actions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from agents.config import Config, Settings

ACTION_MODES = {
    "ppo": ("multidiscrete", "box", "discrete"),
    "recurrent_ppo": ("multidiscrete", "box", "discrete"),
    "a2c": ("multidiscrete", "box", "discrete"),
    "dqn": ("discrete",),
    "sac": ("box",),
}
"""The action modes that an algorithm's own policies take, the one chosen unless `env_args` says otherwise first."""
HYBRID = ("ppo", "recurrent_ppo", "a2c")


@dataclass(frozen=True)
class Sb3Config(Settings):
    """Settings of a training by Stable-Baselines3."""

    algo: Literal["ppo", "recurrent_ppo", "a2c", "dqn", "sac"] = "recurrent_ppo"
    """Algorithm; RecurrentPPO is sb3-contrib's, and the only one that remembers earlier glimpses."""
    env: str = "GlimpseMNIST-v0"
    """Id of the environment."""
    env_args: tuple[str, ...] = ()
    """Keywords of the environment, such as num_glimpses=4 action_mode=box."""
    algo_args: tuple[str, ...] = ()
    """Keywords of the algorithm, such as n_steps=32 learning_rate=1e-3 policy_kwargs={'location_std':0.2}."""
    policy: Literal["default", "hybrid"] = "default"
    """The algorithm's own policy, or a Normal on the location and a Categorical on every choice."""
    name: str = ""
    """Name for the run's folder and results."""
    frames: int = 1_000_000
    """Steps of all lanes together; rounded up to whole rollouts."""
    num_envs: int = 64
    """Episodes side by side."""
    seed: int = 1
    """Seed of the weights, the episodes and the sampling."""
    evaluations: int = 10
    """How often the model is scored on held-out episodes during training."""
    score_test: bool = True
    """Whether a finished run is scored on the test episodes too; turn it off while choosing settings."""
    report_every: int = 20_000
    """Frames between two reports."""
    device: str = "cpu"
    """"cpu", "cuda", or "auto": a GPU if there is one; networks this small are faster without."""
    threads: int = 1
    """CPU threads."""

    def __post_init__(self) -> None:
        for name in ("frames", "num_envs", "report_every", "threads"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above 0, got {getattr(self, name)!r}.")
        if self.policy == "hybrid" and self.algo not in HYBRID:
            raise ValueError(
                f"policy hybrid is for {', '.join(HYBRID)}: {self.algo} cannot draw a location and choices."
            )
        allowed = ("dict",) if self.policy == "hybrid" else ACTION_MODES[self.algo]
        mode = self.shared().env_kwargs()["action_mode"]
        if mode not in allowed:
            whose = f"{self.algo} with policy {self.policy}"
            raise ValueError(f"{whose} takes action_mode {' or '.join(allowed)}, got {mode!r}.")
        self.algo_kwargs()  # complains of what it cannot read

    def shared(self) -> Config:
        """The settings that an agent's run has too, with the forms of observation and action that this run takes."""
        mode = "dict" if self.policy == "hybrid" else ACTION_MODES[self.algo][0]
        policy = "-hybrid" if self.policy == "hybrid" else ""
        return Config(
            env=self.env,
            env_args=("obs_mode=flat", f"action_mode={mode}", *self.env_args),
            name=self.name or f"{self.algo}{policy}-{self.env}",
            seed=self.seed,
            device=self.device,
            threads=self.threads,
            matmul_precision="highest",  # as Stable-Baselines3 leaves it
        )

    def algo_kwargs(self) -> dict[str, Any]:
        """Keywords of the algorithm: SB3's defaults, but for what many lanes ask for, and what `algo_args` says."""
        try:
            given = Config(env_args=self.algo_args).env_kwargs()
        except ValueError as error:
            raise ValueError(str(error).replace("env_args", "algo_args")) from None
        if self.algo in ("ppo", "recurrent_ppo"):
            return {"n_steps": 64, "batch_size": 512, "n_epochs": 4, **given}
        if self.algo in ("dqn", "sac"):  # as many updates per frame as with one lane
            per_step = max(1, self.num_envs // 4) if self.algo == "dqn" else self.num_envs
            return {"buffer_size": 200_000, "train_freq": 1, "gradient_steps": per_step, **given}
        return given


# One LSTM for policy and value, as our agent has one core for both; sb3-contrib's default of two takes twice as long.
_ONE_CORE = ("policy_kwargs={'enable_critic_lstm':False,'shared_lstm':True}",)

SB3_PRESETS: dict[str, Sb3Config] = {
    f"{game}-2m-{algo.replace('_', '-')}": Sb3Config(
        algo=algo,
        policy="hybrid",
        env=env,
        algo_args=_ONE_CORE if algo == "recurrent_ppo" else (),
        frames=2_000_000,
        name=f"{game}-2m-{algo.replace('_', '-')}",
    )
    for game, env in (("mnist", "GlimpseMNIST-v0"), ("catch", "CatchBall-v0"))
    for algo in ("ppo", "recurrent_ppo")
}
"""Name -> settings of what our agent is compared with at equal numbers of frames (`mnist-2m-ram`, `catch-2m-ram`)."""
