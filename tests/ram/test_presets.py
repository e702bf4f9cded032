"""Which preset an environment gets, and what a run says of it."""

import gymnasium as gym
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from agents.experiment.command_line import announcement  # noqa: E402
from agents.ram.config import Config  # noqa: E402
from agents.ram.presets import DEFAULTS, GENERAL, GENERAL_MOVES, PRESETS, preset_for  # noqa: E402
from ram_envs.batched_env import RetinaVectorEnv  # noqa: E402

WIDE = [
    name
    for name, config in PRESETS.items()
    if name.partition("-")[0] in ("translated60", "cluttered60", "cluttered100")
    and config.stopping is None
    and "-2m-" not in name
    and "-faithful" not in name
]
"""Presets of single digits on wide canvases, but for those that learn to stop and those of the paper's own recipe."""


@pytest.fixture
def register(monkeypatch):
    """Registers an id for one test: a class of this package with keywords."""
    monkeypatch.setattr(gym.envs.registration, "registry", dict(gym.registry))

    def made(env_id, maker, **kwargs):
        gym.register(
            env_id, entry_point=f"ram_envs.{maker}Env", vector_entry_point=f"ram_envs.{maker}VectorEnv", kwargs=kwargs
        )
        return env_id

    return made


@pytest.mark.parametrize(("env_id", "preset"), DEFAULTS.items())
def test_an_id_finds_its_preset_also_behind_a_module(env_id, preset):
    assert preset_for(env_id) == PRESETS[preset]
    behind = preset_for(f"ram_envs:{env_id}")
    assert behind == PRESETS[preset].but(env=f"ram_envs:{env_id}")


@pytest.mark.parametrize("name", WIDE)
def test_agents_of_wide_canvases_have_the_general_recipe_and_at_most_three_departures(name):
    place = ("name", "seed", "env", "env_args", "train_env_args")
    changed = [setting for setting in PRESETS[name].departures(GENERAL) if setting not in place]
    changed = [setting for setting in changed if not setting.startswith("run.")]
    assert len(changed) <= 3, changed


def test_another_version_and_a_variant_find_the_preset_of_the_bare_id(register):
    wide = {"patch_size": 12, "num_glimpses": 8, "num_scales": 3, "canvas_size": 60}
    for env_id, preset in (
        (register("CatchBall-v7", "catch_ball:CatchBall"), "catch"),
        (register("FastBall-v0", "catch_ball:CatchBall", ball_speed=1.5), "catch"),
        (register("Flat-v0", "glimpse_mnist:GlimpseMNIST", **wide, clutter_pieces=4, obs_mode="flat"), "cluttered60-8"),
        (register("Fashion-v0", "glimpse_mnist:GlimpseMNIST", **wide, dataset="fashion-mnist"), "translated60-8"),
    ):
        assert preset_for(env_id) == PRESETS[preset].but(env=env_id)


def test_an_id_that_no_preset_fits_gets_the_general_recipe_and_the_run_says_so(register, tmp_path):
    own = {"images": np.zeros((4, 9, 9), np.uint8), "labels": np.arange(4), "num_glimpses": 3}
    config = preset_for(register("Own-v0", "glimpse_mnist:GlimpseMNIST", **own))
    assert config == GENERAL.but(env="Own-v0")
    first = announcement(config, config, tmp_path)[0]
    assert first == f"Training the recipe general (no preset fits this environment) in Own-v0, folder {tmp_path}"


@pytest.mark.parametrize("choice", ["move", "answer"])
def test_a_world_whose_choices_only_rewards_teach_gets_the_recipe_for_moves(choice, monkeypatch):
    monkeypatch.setattr(gym.envs.registration, "registry", dict(gym.registry))

    class Chase(RetinaVectorEnv):
        def __init__(self, num_envs=1, **retina):
            super().__init__(num_envs, screen=(9, 9, 1), choices={choice: 2}, num_draws=1, **retina)

        begin = advance = lambda self, *_: None

        def screens(self, lanes):
            return np.zeros((len(lanes), 9, 9, 1), np.uint8)

    gym.register("Chase-v0", vector_entry_point=Chase)
    assert preset_for("Chase-v0") == GENERAL_MOVES.but(env="Chase-v0")


def test_an_id_that_nobody_registered_is_refused_with_how_to_name_its_module():
    with pytest.raises(ValueError, match="--env MODULE:Nowhere-v0"):
        preset_for("Nowhere-v0")
    with pytest.raises(ValueError, match="'no_such_module:Nowhere-v0' names a module that cannot be imported"):
        preset_for("no_such_module:Nowhere-v0")


def test_a_run_says_what_its_preset_departs_in_and_what_was_changed(tmp_path):
    preset = PRESETS["mnist-6-faithful"]
    lines = announcement(preset.but(seed=3, gaze={"std": 0.2}), preset, tmp_path)
    assert lines[0].startswith("Training preset mnist-6-faithful in GlimpseMNIST-v0")
    assert "gaze.std 0.15" in lines[1]
    assert lines[2] == "  changed for this run: seed 3, gaze.std 0.2"
    assert len(announcement(Config(), Config(), tmp_path)) == 1
