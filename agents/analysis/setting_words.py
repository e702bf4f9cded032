"""Settings in words, for the rows of tables: "pixels times 10", "no entropy bonus", "8 glimpses"."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agents.experiment.settings import Settings, keywords

WORDS: dict[str, str | dict[Any, str]] = {
    "env": "`{}`",
    "seed": "seed {}",
    "network.core": "{} core",
    "network.convolutions": {(): "no convolutions", ...: "two convolutions"},
    "network.glimpse_scaling": {"mean": "coarse pixels are means", "sum": "coarse pixels are sums"},
    "network.glimpse_gain": "pixels times {:g}",
    "network.previous_action": {True: "sees its last action", False: "does not see its last action"},
    "network.input": {"standardized": "standardised pixels", "plain": "plain pixels"},
    "gaze.policy": {"center": "always looks at the centre", "random": "looks at random places"},
    "gaze.pathway": {"shared": "one core for answer and location", "separate": "a separate pathway for the location"},
    "gaze.hidden": "location network with {} hidden units",
    "gaze.mean": {"relative": "relative locations", "linear": "absolute locations", "pointed": "a gaze that points"},
    "gaze.learning_fraction": "the gaze learns for {:.0%} of the training",
    "gaze.border_penalty": {0.0: "no border penalty", 1.0: "border penalty"},
    "gaze.into_core": {1.0: "location gradient into the core", 0.0: "no location gradient into the core"},
    "counterfactual": {None: "looks are not compared"},
    "counterfactual.salient": {0.0: "far candidates anywhere"},
    "stopping.sees_answer": {True: "stopping sees the answer"},
    "stopping.price_range": {(): "one price of a look", ...: "prices of a look from {0[0]:g} to {0[1]:g}"},
    "learning.answer": {"outcome": "answers learn from the outcome", "reinforce": "answers learn by REINFORCE"},
    "learning.look_reward": {"gain": "the reward of a look is what it adds to the probability of the right class"},
    "learning.discount": {1.0: "undiscounted"},
    "learning.gae_lambda": "lambda {:g}",
    "learning.normalize_advantages": {True: "normalised advantages", False: "advantages not normalised"},
    "learning.entropy_bonus": {0.0: "no entropy bonus"},
    "learning.baseline_into_core": {1.0: "baseline gradient into the core", 0.0: "no baseline gradient into the core"},
    "learning.batch_size": "batches of {}",
    "optimizer.method": {"adam": "Adam", "sgd": "stochastic gradient descent"},
    "optimizer.annealing": "{} annealing of the learning rate",
    "optimizer.warm_up": {1.0: "all of the learning rate from the start", ...: "{:g} of the learning rate at first"},
    "optimizer.max_grad_norm": {0.0: "gradients not clipped", ...: "gradients clipped at {:g}"},
    "run.matmul_precision": {"highest": "float32 products", "medium": "float32 products", "bfloat16": "bfloat16 products"},
    "num_glimpses": "{} glimpses",
    "initial_location": {"center": "first glimpse at the centre", None: "first glimpse at a random place"},
    "overhang": "training digits moved by up to {} pixels",
    "distortion": "training digits distorted by {}",
    "ball_angles": "{} balls only",
    "ball_speed": "balls up to {} columns a step",
    "num_balls": "{} balls in turn",
    "canvas_size": "a canvas of {0}x{0}",
    "digits": "{} digits",
    "screen_size": "a screen of {0}x{0}",
    "paddle_start": {"center": "the paddle starts at the centre"},
    "patch_size": "glimpses of {0}x{0} pixels",
    "num_scales": "{} scale(s)",
}  # fmt: skip
"""A setting, or a keyword of the environment -> how it reads: a template, or the words for single values, and `...` for all others."""


def setting_words(name: str, value: Any) -> str:
    """One setting in words; what has none in `WORDS` is called by its name."""
    words = WORDS.get(name)
    if isinstance(words, dict):
        words = words.get(value, words.get(...))
    if words is None:
        return f"{name.rpartition('.')[2].replace('_', ' ')} {value}"
    return words.format(value)


def departures_in_words(settings: Settings, base: Settings) -> list[str]:
    """What differs from `base`, in words, but for the length of the run and its name.

    The standard deviation and its end are one phrase. The weight of the location's loss is in units of the first variance; where it
    was changed it is compared in absolute units, which tells a smaller loss from the same loss in other units.
    """
    now, before = dict(settings.flat()), dict(base.flat())
    changed = [] if now["env"] == before["env"] else [setting_words("env", now["env"])]
    changed += [*_keyword_words(now, before, "env_args"), *_keyword_words(now, before, "train_env_args")]
    deviation = ("gaze.std", "gaze.std_final")
    for name, value in settings.departures(base).items():
        if name in ("name", "seed", "env", "env_args", "train_env_args", "gaze.weight", *deviation):
            continue
        if name.startswith("run.") and name != "run.matmul_precision":
            continue
        words = setting_words(name, value)
        changed += [words] if name != "run.matmul_precision" or words != setting_words(name, before[name]) else []
    if any(now.get(name) != before.get(name) for name in deviation):
        first, last = (now[name] for name in deviation)
        changed.append(f"standard deviation {first:g}" + (" throughout" if last is None else f" to {last:g}"))
    ours, theirs = (flat["gaze.weight"] * flat["gaze.std"] ** 2 for flat in (now, before))
    if now["gaze.weight"] != before["gaze.weight"] and abs(ours / theirs - 1) > 0.02:
        changed.append(f"location loss times {ours / theirs:.2g}")
    return changed


def _keyword_words(now: Mapping[str, Any], before: Mapping[str, Any], setting: str) -> list[str]:
    """Keywords of the environment that differ, in words; one that is no longer given is at its default."""
    ours, theirs = (keywords(flat[setting], setting) for flat in (now, before))
    changed = [setting_words(key, value) for key, value in ours.items() if key not in theirs or theirs[key] != value]
    return changed + [f"{key.replace('_', ' ')} at its default" for key in theirs if key not in ours]
