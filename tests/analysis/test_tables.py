"""The table that is made of the files of results."""

import json

import pytest

pytest.importorskip("torch")

from agents.analysis import tables
from agents.ram.checkpoint import load_state
from agents.ram.config import Config
from agents.ram.presets import PRESETS
from agents.sb3.presets import PRESETS as STOCK


def score(error):
    return {"test": {"error_percent": error}}


def run(seed, error, **fewer):
    fewer = {glimpses[1:]: score(error) for glimpses, error in fewer.items()}
    config = {"seed": seed, "run": {"episodes": 2_200_000}}
    made = {"minutes": 30.0, "date": "2026-11-24", "machine": "cpu, 1 thread(s), x86_64"}
    return {**score(error), "fewer_glimpses": fewer, "config": config, **made}


def test_a_row_has_the_mean_and_the_spread_of_its_seeds_beside_the_papers_error():
    lines = tables.table({"cluttered60-8": [run(1, 4.0), run(2, 5.0)]}).splitlines()
    assert lines[2:] == ["| `cluttered60-8` | 4.04 | 4.50 | 4.00 to 5.00 | 1, 2 | 2.20 M | 30 | 2026-11-24 |"]


def test_a_gaze_that_is_worth_no_more_than_random_looks_is_named():
    def looked(seed, error, random):
        gazes = {"other_gazes": {} if random is None else {"random": random}}
        return {"config": {"seed": seed}, "validation": {"error_percent": error}, **gazes}

    found = {"catch": [looked(1, 1.0, 92.0), looked(2, 90.5, 90.5)], "catch-center": [looked(1, 23.0, None)]}
    assert tables.no_better_than_random(found) == [
        "catch, seed 2: 90.50 % wrong on validation, 90.50 % with random looks."
    ]


def test_a_row_says_that_a_gpu_made_it():
    on_gpu = {**run(2, 4.0), "machine": "cuda (NVIDIA H200), 1 thread(s), x86_64"}
    row = tables.table({"cluttered60-8": [run(1, 4.0), on_gpu]}).splitlines()[2]
    assert row.split(" | ")[-2] == "30 (GPU)"


def test_an_agent_scored_with_fewer_glimpses_stands_beside_the_papers_row_of_that_number():
    found = {"cluttered60-4": [run(1, 7.9)], "cluttered60-8": [run(1, 4.0, g4=6.0, g5=5.0), run(2, 4.2, g4=6.5)]}
    rows = [line.split(" | ")[:4] for line in tables.table(found).splitlines()[2:]]
    assert rows == [
        ["| `cluttered60-4`", "4.96", "7.90", "-"],
        ["| `cluttered60-8` after 4 glimpses", "4.96", "6.25", "6.00 to 6.50"],
        ["| `cluttered60-8`", "4.04", "4.10", "4.00 to 4.20"],
    ]


def test_a_row_of_ablations_names_what_differs_from_its_base():
    table = tables.ablation_table("cluttered60-4")
    assert "| learning.gae_lambda 1.0, learning.normalize_advantages False | 825,000 |" in table
    assert "| the recipe itself | 3,300,000 |" in table


def test_agents_that_stop_stand_among_fixed_numbers_in_order_of_glimpses(tmp_path):
    def scored(glimpses, error):
        return {"test": {"mean_glimpses": glimpses, "error_percent": error}}

    (tmp_path / "ablations").mkdir()
    fixed = {**scored(8.0, 4.0), "fewer_glimpses": {"3": scored(3.0, 9.0)}}
    config = Config(env_args=("glimpse_cost=0.02",)).to_dict()
    (tmp_path / "cluttered60-8-seed1.json").write_text(json.dumps(fixed))
    (tmp_path / "ablations" / "cluttered60-stop-a.json").write_text(json.dumps({**scored(3.25, 4.5), "config": config}))
    told = {**scored(4.0, 5.0), "prices": {"0.01": scored(5.0, 4.2)}, "config": config}
    (tmp_path / "cluttered60-prices-seed1.json").write_text(json.dumps(told))
    assert tables.stopping_table("cluttered60", tmp_path).splitlines()[2:] == [
        "| a fixed number | 3.00 | 9.00 |",
        "| the agent, 0.02 a glimpse, seed 1 | 3.25 | 4.50 |",
        "| the agent for every price, told 0.01 a glimpse, seed 1 | 5.00 | 4.20 |",
        "| a fixed number | 8.00 | 4.00 |",
    ]


def test_equal_numbers_of_frames_stand_side_by_side(tmp_path):
    for seed, error in ((1, 40.0), (2, 44.0)):
        run = {
            "config": {"env": "CatchBall-v0", "seed": seed},
            "test": {"error_percent": error},
            "frames": 2_000_384,
            "minutes": 10.0 * seed,
            "date": "2026-11-24",
            "machine": "cpu, 1 thread(s), x86_64",
        }
        (tmp_path / f"catch-2m-ppo-seed{seed}.json").write_text(json.dumps(run))
    assert tables.comparison_table(tmp_path).splitlines()[2:] == [
        "| `CatchBall-v0` | PPO, no memory | `catch-2m-ppo` | 2.00 | 40.00, 44.00 | 1, 2 | 15 | 2026-11-24 |"
    ]


COSTS = {
    "trials": 8, "machines": 2, "load_before": 0.1, "one_by_one_seconds": 160.0, "by_ray_seconds": 100.0, "start_seconds": 8.0,
    "checkpoint_megabytes": 9.8, "copy_seconds": 0.03, "date": "2026-11-25",
    "costs": {"start": 8.0, "worker": 5.0, "next_run": 0.25, "report": 0.3, "driver": 0.02},
    "simulations": [
        {"work": "tables", "runs": 135, "processors": 1000, "minutes": 90.0, "minutes_without_costs": 84.0,
         "driver_busy_minutes": 0.9, "longest_run_minutes": 84.0}
    ],
}  # fmt: skip


def test_costs_of_ray_are_per_trial_what_its_training_does_not_need(tmp_path):
    path = tmp_path / "costs.json"
    path.write_text(json.dumps(COSTS))
    lines = tables.ray_costs_table(path).splitlines()
    assert lines[0] == "| measured 2026-11-25 | |"
    assert "| 8 trials by Ray, 2 processors | 100 s, of it 8 s until Ray ran |" in lines
    assert (
        "| of each trial, beyond the training, while Ray ran | 3.0 s |" in lines
    )  # (92 - 80) seconds on two processors
    assert "| each checkpoint (9.8 MB), for the run | 300 ms |" in lines
    path.write_text(json.dumps({**COSTS, "load_before": 5.0}))
    assert tables.ray_costs_table(path).startswith("| measured 2026-11-25, beside other work (load 5.0) |")
    row = tables.ray_simulation_table(path).splitlines()[2]
    assert row == "| tables | 135 | 1,000 | 1.50 | 1.40 | 1.40 | 1.0 % |"


def test_search_that_is_kept_has_a_table(tmp_path):
    outcome = {
        "trial": "trial-00007",
        "values": {"gaze.std": 0.123456},
        "percent": 100.0,
        "error_percent": 1.5,
        "minutes": 3.0,
        "failed": "",
    }
    (tmp_path / "searches").mkdir()
    (tmp_path / "searches" / "found.json").write_text(json.dumps({"outcomes": [outcome]}))
    assert tables.search_table("found", tmp_path).splitlines()[2:] == ["| 00007 | 0.123 | 1.50 | 3.0 |  |"]


def test_everything_compared_has_a_preset_of_its_own_name_and_as_many_frames():
    steps = {"GlimpseMNIST-v0": 6, "GlimpseMNIST-Cluttered60-v0": 8, "CatchBall-v0": 23}
    for name in tables.COMPARED:
        config = STOCK.get(name) or PRESETS[name]
        assert config.name == name
        frames = config.run.frames if name in STOCK else config.run.episodes * steps[config.env]
        assert abs(frames - 2_000_000) < 25


@pytest.mark.parametrize("path", sorted(tables.RESULTS.glob("*.pt")), ids=lambda path: path.name)
def test_an_agent_that_ships_can_be_loaded_and_has_the_settings_of_its_row(path):
    config = load_state(path)["config"]
    row = json.loads(tables.result_path(path.stem, config.seed).read_text())
    assert config == Config.from_dict(row["config"])
