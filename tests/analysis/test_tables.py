"""The table that is made of the files of results."""

import json

import pytest

pytest.importorskip("torch")

from agents.analysis import ablation_tables, findings, pages, preset_table, result_tables, step_speed, tables
from agents.experiment.settings import keywords
from agents.ram.checkpoint import load_state
from agents.ram.config import Config
from agents.ram.presets import PRESETS
from agents.sb3.presets import PRESETS as STOCK
from ram_envs import ENV_IDS


def score(error):
    return {"test": {"error_percent": error}}


def run(seed, error, preset="cluttered60-8", **fewer):
    fewer = {glimpses[1:]: score(error) for glimpses, error in fewer.items()}
    config = PRESETS[preset].but(seed=seed).to_dict()
    made = {"minutes": 30.0, "date": "2026-11-24", "machine": "cpu, 1 thread(s), x86_64"}
    return {**score(error), "validation": score(error)["test"], "fewer_glimpses": fewer, "config": config, **made}


def table_rows(text):
    """The cells of each row of the tables in a text, headers left out."""
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")]
    return [row for row in rows if row[0] not in ("agent", "preset", "recipe", "task") and "---" not in row[0]]


def test_a_row_has_the_mean_of_its_seeds_beside_the_papers_error_and_the_spread_below():
    rows = table_rows(result_tables.results_tables({"cluttered60-8": [run(1, 4.0), run(2, 5.0)]}))
    assert rows == [
        ["RAM, 8 glimpses", "4.04", "4.50", "2"],
        ["`cluttered60-8`", "4.00 to 5.00", "1.65 M", "30", "2026-11-24"],
    ]


def test_a_preset_that_no_list_names_falls_into_the_table_of_its_environment():
    new = [run(1, 3.0, "cluttered60-8-conv")]
    text = result_tables.results_tables(
        {"cluttered60-8": [run(1, 4.0)], "cluttered60-new": new, "mnist-6": [run(1, 1.0, "mnist-6")]}
    )
    digits, cluttered = text.split("### ")[1:]
    assert "`mnist-6`" in digits
    assert "`cluttered60-new`" not in digits
    assert ["RAM, 8 glimpses, two convolutions", "-", "3.00", "1"] in table_rows(cluttered)


def test_the_best_of_a_task_is_chosen_by_validation_and_another_world_is_another_task():
    worse = run(1, 2.0, "cluttered60-8-conv")
    worse["validation"]["error_percent"] = 9.0
    worse["test"] = {"error_percent": 0.5}
    fast = run(1, 0.1, "catch-fast")
    found = {
        "cluttered60-8": [run(1, 4.0)],
        "cluttered60-8-conv": [worse],
        "catch-fast": [fast],
        "catch": [run(1, 3.0, "catch")],
    }
    rows = table_rows(result_tables.headline_table(found))
    assert rows == [
        ["Cluttered digits, 60x60", "-", "4.04", "2.63", "**4.00**"],
        ["Catch", "-", "15", "11", "**3.00**"],
    ]


def test_another_dataset_is_a_task_of_its_own_and_the_headline_waits_for_a_gaze_that_is_learnt():
    found = {"cluttered60-8": [run(1, 4.0)], "fashion60-random": [run(1, 29.0, "fashion60-random")]}
    digits, fashion = result_tables.results_tables(found).split("### ")[1:]
    assert "29.00" not in digits
    assert fashion.startswith("Cluttered Fashion-MNIST")
    assert ["RAM, 8 glimpses, looks at random places", "-", "29.00", "1"] in table_rows(fashion)
    assert [row[0] for row in table_rows(result_tables.headline_table(found))] == ["Cluttered digits, 60x60"]
    learnt = {**found, "fashion60-8": [run(1, 12.0, "fashion60-8")]}
    assert table_rows(result_tables.headline_table(learnt))[1] == [
        "Cluttered Fashion-MNIST, 60x60",
        "-",
        "-",
        "-",
        "**12.00**",
    ]


def test_the_minutes_to_an_error_are_the_share_of_the_run_until_it_was_first_scored_so(tmp_path):
    def write(seed, errors):
        curve = [{"episodes": 1_000_000 * (i + 1), "error_percent": error} for i, error in enumerate(errors)]
        found = {"curve": curve, "minutes": 10.0 * len(errors), "machine": "cpu, 1 thread(s)"}
        (tmp_path / f"mnist-6-seed{seed}.json").write_text(json.dumps(found))

    write(1, [3.0, 1.9, 2.5, 1.5])
    write(2, [2.1, 2.2, 2.0, 1.1])
    rows = table_rows(tables.times_to_errors_table(tmp_path))
    assert rows == [
        ["`mnist-6`", "2.0", "2.50", "25.0", "2 of 2", "cpu"],
        ["`mnist-6`", "1.2", "4.00", "40.0", "1 of 2", "cpu"],
    ]


def test_a_gaze_that_is_worth_no_more_than_random_looks_is_named():
    def looked(seed, error, random):
        gazes = {"other_gazes": {} if random is None else {"random": random}}
        return {"config": {"seed": seed}, "validation": {"error_percent": error}, **gazes}

    found = {"catch": [looked(1, 1.0, 92.0), looked(2, 90.5, 90.5)], "catch-center": [looked(1, 23.0, None)]}
    assert tables.no_better_than_random(found) == [
        "catch, seed 2: 90.50 % wrong on validation, 90.50 % with random looks."
    ]


def test_a_row_that_a_gpu_made_says_so_and_minutes_are_a_processors_where_it_made_one_of_the_runs():
    on_gpu = {**run(2, 4.0), "machine": "cuda (NVIDIA H200), 1 thread(s), x86_64", "minutes": 6.0}
    for runs, said in (([on_gpu], "6 (GPU)"), ([run(1, 4.0), on_gpu], "30")):
        assert table_rows(result_tables.results_tables({"cluttered60-8": runs}))[-1][-2] == said


def test_an_agent_scored_with_fewer_glimpses_stands_beside_the_papers_row_of_that_number():
    found = {"cluttered60-8": [run(1, 4.0, g4=6.0, g5=5.0), run(2, 4.2, g4=6.5)]}
    assert table_rows(result_tables.results_tables(found))[:2] == [
        ["RAM, 4 of its 8 glimpses", "4.96", "6.25", "2"],
        ["RAM, 8 glimpses", "4.04", "4.10", "2"],
    ]


def test_a_row_of_ablations_says_in_words_what_differs_from_its_base():
    table = ablation_tables.ablation_table("mnist-6")
    assert "| lambda 0.9, normalised advantages, standard deviation 0.2 throughout | 4.9 |" in table
    assert "| nothing: the recipe itself | 29.7 |" in table


def test_ablations_that_differ_in_their_seed_alone_are_one_row_with_its_spread(tmp_path):
    (tmp_path / "ablations").mkdir()
    for seed, error in ((1, 3.0), (2, 5.0)):
        made = {**run(seed, error, "catch"), "frames": 6_000_000}
        (tmp_path / "ablations" / f"catch-base-{seed}.json").write_text(json.dumps(made))
    row = ablation_tables.ablation_table("catch", tmp_path).splitlines()[2]
    assert row == "| nothing: the recipe itself | 6.0 | 4.00 (3.00 to 5.00) | 1, 2 |"


def test_settings_read_as_words_and_units_do_not_count_as_changes():
    base = PRESETS["catch"]
    changed = base.but(env_args=("screen_size=48",), gaze={"std": 0.2, "std_final": None, "weight": 1.0})
    words = ablation_tables.departures_in_words(changed, base)
    assert words == ["a screen of 48x48", "standard deviation 0.2 throughout"]  # 1 x 0.2**2 is 0.04 / 0.3**2 x 0.3**2
    louder = base.but(gaze={"weight": 10 * base.gaze.weight}, learning={"entropy_bonus": 0.0})
    assert ablation_tables.departures_in_words(louder, base) == ["no entropy bonus", "location loss times 10"]


def test_a_finding_stands_between_its_files_and_one_without_files_is_an_error(tmp_path):
    for finding in findings.FINDINGS:
        if finding.topic == "memory":
            for pattern, error in ((finding.without, 2.0), (finding.with_it, 1.0)):
                (tmp_path / f"{pattern.replace('*', '1')}.json").write_text(json.dumps(run(1, error)))
    assert findings.findings_table("memory", tmp_path).splitlines()[2].endswith("| 2.00 | 1.00 | 1, 1 |")
    with pytest.raises(FileNotFoundError, match="cluttered60-2m-random"):
        findings.findings_table("gaze", tmp_path)


def test_a_mark_without_a_table_is_refused_by_name():
    with pytest.raises(ValueError, match="no table 'weather'"):
        pages.table_of("weather")


def test_all_kinds_of_environment_are_timed_over_whole_episodes(monkeypatch):
    seconds = iter(range(1000))
    monkeypatch.setattr(step_speed.time, "process_time", lambda: float(next(seconds)))
    flags = step_speed.SpeedCommand(lanes=(1, 2), sync_lanes=2, rounds=1, seconds=1.0)
    row = step_speed.measure("CatchBall-v0", flags)  # an episode of 23 steps each, in a second
    assert row["steps_per_second"] == {"single": {1: 23}, "native": {1: 23, 2: 46}, "sync": {2: 46}}


@pytest.mark.parametrize("kind", ["single", "native", "sync"])
def test_speed_is_measured_on_episodes_of_full_length_one_after_the_other(kind):
    play = step_speed.episode_of("GlimpseMNIST-Moving60-v0", kind, 1 if kind == "single" else 3)
    assert play() == play() == 20 * (1 if kind == "single" else 3)


def test_speeds_are_compared_at_the_same_number_of_lanes(tmp_path, monkeypatch):
    argv = ["step_speed.py", "--lanes", "1", "2", "--rounds", "1", "--seconds", "0", "--envs", "CatchBall-v0"]
    monkeypatch.setattr("sys.argv", [*argv, "--out", str(tmp_path / "speed.json")])
    with pytest.raises(SystemExit, match=r"--sync-lanes must be one of --lanes, to be compared, got 256"):
        step_speed.main()
    monkeypatch.setattr("sys.argv", [*argv, "--sync-lanes", "2", "--out", str(tmp_path / "speed.json")])
    monkeypatch.setattr(step_speed, "steps_per_second", lambda play, seconds: play() * 100)
    step_speed.main()
    assert tables.step_speed_table(tmp_path / "speed.json").splitlines() == [
        "| environment, lanes | single | native, 1 | native, 2 | `SyncVectorEnv`, 2 | native at 2, times |",
        "|---|---|---|---|---|---|",
        "| `CatchBall-v0` | 2,300 | 2,300 | 4,600 | 4,600 | 1 |",
    ]


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
        "| fixed | 3.00 | 9.00 |",
        "| agent for the price 0.02 (seed 1) | 3.25 | 4.50 |",
        "| agent for every price, told 0.01 (seed 1) | 5.00 | 4.20 |",
        "| fixed | 8.00 | 4.00 |",
    ]


def test_equal_numbers_of_frames_stand_side_by_side():
    stock = {**run(1, 40.0, "catch"), "config": STOCK["catch-2m-ppo"].to_dict(), "frames": 2_000_384}
    rows = table_rows(result_tables.comparison_tables({"catch-2m-ppo": [stock], "catch": [run(1, 1.0, "catch")]}))
    assert rows == [["PPO, no memory", "2.0", "40.00", "1"], ["`catch-2m-ppo`", "-", "-", "30", "2026-11-24"]]


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
    for name in tables.COMPARED:
        config = STOCK.get(name) or PRESETS[name]
        assert config.name == name
        steps = keywords(config.env_args, "env_args").get("num_glimpses", 23)  # of Catch
        frames = config.run.frames if name in STOCK else config.run.episodes * steps
        millions = int(name.split("-")[1].removesuffix("m"))
        assert abs(frames - 1_000_000 * millions) < 35


def test_what_a_gaze_is_worth_is_asked_in_every_world_of_digits_with_nothing_else_changed():
    worlds = {PRESETS[f"{scene}-2m-ram"].env for scene in tables.DIGITS}
    assert worlds == {env_id for env_id in ENV_IDS if "MNIST" in env_id}
    for scene in tables.DIGITS:
        learned = PRESETS[f"{scene}-2m-ram"]
        for policy in ("center", "random"):
            row = PRESETS[f"{scene}-2m-{policy}"]
            gaze = {"policy": policy, "pathway": "shared"}
            assert row == learned.but(name=row.name, env_args=row.env_args, gaze=gaze, counterfactual=None)
            assert row.env == learned.env
            assert ("initial_location=center" in row.env_args) == (policy == "center")


@pytest.mark.parametrize("path", sorted(tables.RESULTS.glob("*.pt")), ids=lambda path: path.name)
def test_an_agent_that_ships_can_be_loaded_and_has_the_settings_of_its_row(path):
    config = load_state(path)["config"]
    row = json.loads(tables.result_path(path.stem, config.seed).read_text())
    assert config == Config.from_dict(row["config"])


def test_parts_of_the_general_recipe_are_told_by_task_with_the_spread_of_their_seeds(tmp_path):
    (tmp_path / "ablations").mkdir()
    scores = {
        "cluttered60-recipe-seed1": {"error_percent": 8.0},
        "cluttered60-recipe-seed2": {"error_percent": 9.0},
        "lamp-shared-seed1": {"mean_return": 3.3},
    }
    for name, score in scores.items():
        path = tmp_path / "ablations" / f"parts-{name}.json"
        path.write_text(json.dumps({"validation": score, "minutes": 2.0}))
    lines = ablation_tables.parts_table(tmp_path).splitlines()
    assert lines[2] == "| nothing: the recipe itself | 8.5 % (8.0 to 9.0); 2.0 min | - | - |"
    shared = next(line for line in lines if line.startswith(f"| {ablation_tables.PARTS['shared']} |"))
    assert shared.endswith("| - | - | 3.3; 2.0 min |")


def test_every_preset_that_learns_to_look_has_its_recipe_and_what_it_changes(monkeypatch):
    found = {
        name: (recipe, changed)
        for recipe, changed, names in table_rows(preset_table.preset_table())
        for name in names.replace("`", "").split(", ")
    }
    assert found.keys() == {
        name for name, config in PRESETS.items() if config.gaze.policy == "learned" and not name.startswith("general")
    }
    assert found["cluttered60-2m-ram"] == ("`general`", "nothing")
    assert found["catch-48"] == ("`general-moves`", "nothing")
    assert found["mnist-6-faithful"][0] == "the paper's"
    other = PRESETS["cluttered60-2m-ram"].but(optimizer={"warm_up": 1.0})
    monkeypatch.setitem(PRESETS, "cluttered60-2m-ram", other)
    changed = "| `general` | all of the learning rate from the start | `cluttered60-2m-ram` |"
    assert changed in preset_table.preset_table()
