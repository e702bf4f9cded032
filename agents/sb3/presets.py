"""What our agent is compared with at equal numbers of frames (`mnist-2m-ram`, `catch-2m-ram`): defaults, and hyperparams/."""

from __future__ import annotations

from agents.sb3.config import FramesRun, Sb3Config
from agents.sb3.hyperparams import tuned

# One LSTM for policy and value, as our agent has one core for both; sb3-contrib's default of two takes twice as long.
_ONE_CORE = ("policy_kwargs={'enable_critic_lstm':False,'shared_lstm':True}",)

PRESETS: dict[str, Sb3Config] = {
    f"{game}-2m-{algo.replace('_', '-')}": Sb3Config(
        algo=algo,
        policy="hybrid",
        env=env,
        algo_args=_ONE_CORE if algo == "recurrent_ppo" else (),
        run=FramesRun(frames=2_000_000),
        name=f"{game}-2m-{algo.replace('_', '-')}",
    )
    for game, env in (("mnist", "GlimpseMNIST-v0"), ("catch", "CatchBall-v0"))
    for algo in ("ppo", "recurrent_ppo")
}
PRESETS["mnist-2m-ppo-history"] = tuned("ppo", "GlimpseMNIST-v0").but(name="mnist-2m-ppo-history")
"""Name -> settings."""
