"""The search's flags, what it draws, and what it says of what it found; nothing is trained here."""

import json
import re
import shlex
from argparse import Namespace

import pytest

pytest.importorskip("torch")

from agents.ram.presets import PRESETS, preset_for
from agents.sb3.config import Sb3Config
from agents.sb3.hyperparams import tuned
from agents.sb3.presets import PRESETS as STOCK
from agents.scaling import cluster, search
from agents.scaling.families import FAMILIES
from agents.scaling.search_record import best, draw_trials, trials_table
from agents.scaling.space import Draw, draws

RATE, STD = "optimizer.learning_rate=loguniform(1e-3,1e-1)", "gaze.std=uniform(0.03,0.5)"
FOUND = [
    ({"optimizer.learning_rate": 0.01, "gaze.std": 0.1}, 100.0, 2.0, ""),
    ({"optimizer.learning_rate": 0.02, "gaze.std": 0.2}, 30.0, 1.0, ""),
    (
        {"optimizer.learning_rate": 0.09, "gaze.std": 0.3},
        0.0,
        None,
        "FloatingPointError: The loss of update 3 is not finite.",
    ),
    ({"optimizer.learning_rate": 0.012345, "gaze.std": 0.4}, 100.0, 1.5, ""),
]
RECORD = {
    "space": [RATE, STD],
    "outcomes": [
        {
            "trial": f"trial-0000{number}",
            "values": values,
            "percent": percent,
            "error_percent": error,
            "minutes": 3.0,
            "failed": failed,
        }
        for number, (values, percent, error, failed) in enumerate(FOUND)
    ],
}


def ends(argv):
    with pytest.raises(SystemExit) as ended:
        search.search_command(argv)
    return str(ended.value)


def test_words_are_read_as_draws():
    space = draws(
        [RATE, "run.matmul_precision=choice(medium, highest)", "env_args.overhang=randint(0,3)"], PRESETS["mnist-6"]
    )
    assert space == (
        Draw("optimizer.learning_rate", "loguniform", (1e-3, 1e-1)),
        Draw("run.matmul_precision", "choice", ("medium", "highest")),
        Draw("env_args.overhang", "randint", (0, 3)),
    )
    assert [draw.extremes for draw in space] == [(1e-3, 1e-1), ("medium", "highest"), (0, 2)]


def test_draws_of_the_same_seed_are_the_same_whatever_draws_them():
    tune = pytest.importorskip("ray.tune")
    domain = draws([RATE], PRESETS["mnist-6"])[0].domain()
    assert isinstance(domain, tune.search.sample.Float)
    assert all(1e-3 <= value <= 1e-1 for value in domain.sample(size=100))


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("gaze.std", "--space takes words such as"),
        ("gaze.std=normal(0,1)", "with uniform, loguniform, randint, lograndint, choice; got"),
        ("gaze.std=loguniform(0,1)", "loguniform wants 0 < lowest < highest, got 0 and 1"),
        ("gaze.std=uniform(0.5,0.1)", "uniform wants lowest < highest"),
        ("gaze.std=uniform(0.5)", "uniform takes two numbers"),
        ("learning.batch_size=uniform(16,64)", "learning.batch_size is a whole number, which randint"),
        ("gaze.sdt=uniform(0.1,0.5)", "There is no setting sdt: std is one"),
        ("gaze.std=uniform(-1,0.5)", "std must be"),
        ("optimizer.method=choice(adam,adams)", "method must be one of sgd, adam, got 'adams'"),
    ],
)
def test_what_cannot_be_drawn_is_told_before_anything_is_trained(word, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        draws([word], PRESETS["mnist-6"])


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--preset", "nope", "--space", RATE], "preset must be one of"),
        (["--preset", "mnist-6", "--space", RATE, "--trials", "0"], "--trials must be at least 1, got 0"),
        (["--preset", "mnist-6", "--space", RATE, RATE], "none twice"),
        (
            ["--preset", "mnist-6", "--space", RATE, "--scheduler", "asha", "--run.evaluations", "0"],
            "--run.evaluations above 0",
        ),
        (["--preset", "mnist-6", "--space", RATE, "--ray", "one", "two"], "--ray takes one address, got one two"),
        (["--preset", "mnist-6", "--space", RATE, "--ray", "ray://there:10001"], "--ray takes HOST:PORT"),
        (["--preset", "mnist-6", "--space", RATE, "--ray", "127.0.0.1:1"], "--ray 127.0.0.1:1: nothing answers there"),
    ],
)
def test_flags_that_make_no_sense(argv, said, tmp_path, monkeypatch):
    pytest.importorskip("ray")
    monkeypatch.chdir(tmp_path)
    assert said in ends(argv)
    assert not [*tmp_path.iterdir()]


def test_without_ray_one_is_told_how_to_get_it(monkeypatch):
    monkeypatch.setattr(cluster, "importlib", Namespace(util=Namespace(find_spec=lambda _: None)))
    assert ends(["--preset", "mnist-6", "--space", RATE]) == 'error: this needs Ray: pip install -e ".[agents,ray]"'


def test_another_search_in_the_same_folder_is_told_that_ray_cannot_change_a_space(tmp_path):
    pytest.importorskip("ray")
    begun = search.Search("ram", "mnist-6", (RATE,), 4, "none", {})
    (tmp_path / search.SPEC).write_text(begun.text())
    begun.demand_same(tmp_path)
    said = ends(["--preset", "mnist-6", "--space", STD, "--trials", "4", "--run-dir", str(tmp_path)])
    assert "Ray Tune can neither change the settings or the space of one that has begun nor revive trials" in said


def test_the_same_search_has_the_same_folder_and_another_has_another():
    one, again, other = (search.Search("ram", "mnist-6", (word,), 4, "none", {}) for word in (RATE, RATE, STD))
    assert one.folder == again.folder != other.folder


def test_every_family_is_found_by_its_preset_or_by_its_name():
    found = [
        search._family(argv).name
        for argv in (["--preset", "mnist-conv"], ["--preset=catch-2m-ppo"], ["--family", "sb3"], [])
    ]
    assert found == ["classifiers", "sb3", "sb3", "ram"]


def test_keywords_in_words_are_drawn_too():
    config = STOCK["catch-2m-ppo"].with_values({"algo_args.learning_rate": 0.003})
    assert config.algo_kwargs()["learning_rate"] == 0.003


def test_table_has_the_best_first_then_what_was_stopped_then_what_failed():
    lines = trials_table(RECORD).splitlines()[2:]
    assert lines == [
        "| 00003 | 0.0123 | 0.4 | 1.50 | 3.0 |  |",
        "| 00000 | 0.01 | 0.1 | 2.00 | 3.0 |  |",
        "| 00001 | 0.02 | 0.2 | 1.00 | 3.0 | stopped at 30 % |",
        "| 00002 | 0.09 | 0.3 | - | 3.0 | The loss of update 3 is not finite. |",
    ]
    assert trials_table(RECORD, 1).splitlines()[2:] == lines[:1]


def test_best_is_printed_as_the_command_that_trains_with_it():
    values = best(RECORD)["values"]
    assert values == FOUND[3][0]
    origin = PRESETS["mnist-6"]
    config = origin.but(run={"episodes": 99}, env_args=("num_glimpses=6", "overhang=2")).with_values(values)
    words = shlex.split(search._command_line(config, FAMILIES["ram"], values))
    assert words[:4] == ["python", "agents/train_ram.py", "--preset", "mnist-6"]
    assert words[4:] == [
        "--env-args", "num_glimpses=6", "overhang=2", "--gaze.std", "0.4", "--optimizer.learning-rate", "0.012345",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("env", "preset"), [("GlimpseMNIST-Pairs100-v0", "general"), ("ram_envs:CatchBall-v0", "catch")]
)
def test_the_command_names_the_environment_where_it_is_not_the_presets(env, preset):
    config = preset_for(env).but(gaze={"std": 0.7})
    words = shlex.split(search._command_line(config, FAMILIES["ram"], {"gaze.std": 0.7}))
    assert words[2:] == ["--preset", preset, "--env", env, "--gaze.std", "0.7"]


@pytest.mark.parametrize(
    ("family", "argv", "same"),
    [
        ("ram", [], PRESETS["mnist-6"]),
        ("sb3", ["--algo", "ppo", "--env", "CatchBall-v0"], tuned("ppo", "CatchBall-v0")),
        ("classifiers", [], FAMILIES["classifiers"].config()),
    ],
)
def test_without_a_preset_trials_start_where_training_does(family, argv, same):
    assert search._default(FAMILIES[family], argv) == same


def test_the_best_command_has_what_is_learnt_from_and_not_how_long():
    config = STOCK["mnist-2m-ppo-hybrid"].but(run={"num_envs": 16, "frames": 99, "evaluations": 1})
    assert "--run.num-envs 16" in (line := search._command_line(config, FAMILIES["sb3"], {}))
    assert "frames" not in line
    assert "evaluations" not in line


def test_choices_may_be_lists():
    config = FAMILIES["classifiers"].config()
    (draw,) = draws(["network.hidden_sizes=choice((64,64),(256,))"], config)
    assert draw.among == ((64, 64), (256,))


def test_nothing_finished_has_no_best():
    assert best({"outcomes": RECORD["outcomes"][1:3]}) is None


@pytest.mark.parametrize("names", [("optimizer.learning_rate", "gaze.std"), ("gaze.std",)])
def test_picture_of_the_trials_is_drawn(names, tmp_path):
    record = json.loads(json.dumps(RECORD))
    for trial in record["outcomes"]:
        trial["values"] = {name: trial["values"][name] for name in names}
    record["outcomes"][1]["error_percent"] = 0.0  # has a place on a logarithmic axis too
    draw_trials(record, tmp_path / "trials.png")
    assert (tmp_path / "trials.png").stat().st_size > 5000


def test_the_command_says_what_would_otherwise_be_the_tuned_settings_or_cannot_be_a_flag():
    plain = Sb3Config(algo="ppo", env="CatchBall-v0")
    assert plain.run.num_envs != tuned("ppo", "CatchBall-v0").run.num_envs
    assert f"--run.num-envs {plain.run.num_envs}" in search._command_line(plain, FAMILIES["sb3"], {})
    words = search._command_line(PRESETS["mnist-2m-ram"].but(counterfactual=None), FAMILIES["ram"], {})
    assert words.endswith("--preset mnist-2m-ram --counterfactual.candidates 1")
