"""What our agent is compared with at equal numbers of frames (`mnist-2m-ram`, `catch-2m-ram`): defaults, hyperparams/, and hybrid policies.
The best of PPO's also learn for ten times as long."""

from __future__ import annotations

from typing import Any

from agents.sb3.config import FramesRun, Sb3Config
from agents.sb3.hyperparams import over, tuned, words

# One LSTM for policy and value, as our agent has one core for both; sb3-contrib's default of two takes twice as long.
_ONE_CORE = {"enable_critic_lstm": False, "shared_lstm": True}
# A gaze that begins in the middle and strays little, its mean in units of that, so that its gradient does not drown the choices'.
_NARROW = {"location_std": 0.15, "learn_std": False, "mean_scale": 0.15}
_LOOK_ON = {"stop_logit": -3.0}  # at first few answers come before the last glimpse


def _hybrid(tuned_for_all: Sb3Config, env_args: tuple[str, ...], **settings: Any) -> Sb3Config:
    """Settings of hyperparams/ with a Normal on the location in place of a grid."""
    algo_args = over(tuned_for_all.algo_args, words(settings), "algo_args")
    return tuned_for_all.but(policy="hybrid", env_args=env_args, algo_args=algo_args)


def _rows() -> dict[str, Sb3Config]:
    """Name -> settings, of two million frames each, and of twenty."""
    rows = {
        f"{game}-2m-{algo.replace('_', '-')}": Sb3Config(
            algo=algo,
            policy="hybrid",
            env=env,
            algo_args=words({"policy_kwargs": _ONE_CORE}) if algo == "recurrent_ppo" else (),
            run=FramesRun(frames=2_000_000),
        )
        for game, env in (("mnist", "GlimpseMNIST-v0"), ("catch", "CatchBall-v0"))
        for algo in ("ppo", "recurrent_ppo")
    }
    digits, catch = tuned("ppo", "GlimpseMNIST-v0"), tuned("ppo", "CatchBall-v0")
    whole_screen = ("patch_size=24", "num_scales=1", "initial_location=center", "history=2")
    with_last_move = ("obs_mode=history", "history=1", "pooling=sum")
    free = {"policy_kwargs": {"net_arch": [256, 256], **_NARROW, **_LOOK_ON}, "batch_size": 768}
    bright = {**_NARROW, "features_extractor_kwargs": {"gain": 10.0}}
    lstm = {"net_arch": [], "lstm_hidden_size": 128, **_ONE_CORE}
    core_of_digits, core_of_catch = tuned("recurrent_ppo", "GlimpseMNIST-v0"), tuned("recurrent_ppo", "CatchBall-v0")
    rows |= {
        "mnist-2m-ppo-history": digits,
        "mnist-2m-ppo-hybrid": _hybrid(digits, ("obs_mode=history",), **free),
        "mnist-2m-recurrent-ppo-hybrid": _hybrid(
            core_of_digits, ("obs_mode=flat",), policy_kwargs={**lstm, **_NARROW, **_LOOK_ON}, batch_size=768
        ),
        "catch-2m-recurrent-ppo-hybrid": _hybrid(
            core_of_catch, with_last_move, policy_kwargs={**lstm, **bright}, ent_coef=0.05
        ),
        "catch-2m-ppo-center": catch,
        "catch-2m-ppo-full-view": catch.but(env_args=over(catch.env_args, whole_screen, "env_args")),
        "catch-2m-ppo-hybrid": _hybrid(
            catch,
            ("obs_mode=history", "history=3", "pooling=sum"),
            policy_kwargs={"net_arch": [128, 128], **bright},
            ent_coef=0.05,
            batch_size=736,
        ),
        "catch-2m-dqn-center": tuned("dqn", "CatchBall-v0"),
    }
    for name in ("mnist-2m-ppo-hybrid", "catch-2m-ppo-center"):
        rows[name.replace("2m", "20m")] = rows[name].but(run={"frames": 20_000_000})
    return rows


PRESETS: dict[str, Sb3Config] = {name: config.but(name=name) for name, config in _rows().items()}
"""Name -> settings."""
