"""Flags that make no sense end in one sentence that names them, before anything is trained, played or written."""

import sys

import pytest

torch = pytest.importorskip("torch")

from agents.analysis import catch_ceiling, catch_misses, image_sizes, plots, stopping_habits, time_table  # noqa: E402
from agents.analysis.reproduction import reproduce_command  # noqa: E402
from agents.classifiers import command_line as classifier_commands  # noqa: E402
from agents.experiment.command_line import command, demand_file  # noqa: E402
from agents.experiment.run_folder import CHECKPOINT  # noqa: E402
from agents.ram import command_line as ram_commands  # noqa: E402
from agents.ram.presets import PRESETS  # noqa: E402
from agents.ram.training import Trainer  # noqa: E402
from ram_envs.batched_env import RetinaVectorEnv  # noqa: E402

CATCH = PRESETS["catch"].but(
    env_args=("screen_size=6",), network={"hidden_size": 8}, learning={"batch_size": 4}, run={"episodes": 8}
)
PRICES = PRESETS["mnist-6"].but(stopping={"price_range": (0.01, 0.1)}, network={"hidden_size": 8})


@pytest.fixture
def here(fake_mnist, tmp_path, monkeypatch):
    """A working directory with an agent for Catch and one for digits that is told prices; nobody may play."""
    monkeypatch.chdir(tmp_path)
    for name, config in (("catch", CATCH), ("prices", PRICES)):
        (tmp_path / name).mkdir()
        Trainer(config, tmp_path / name).save()
    monkeypatch.setattr(RetinaVectorEnv, "step", lambda *_: pytest.fail("something was played"))
    return tmp_path


def ends(command, argv, monkeypatch, capsys):
    """What a command says as it ends, with the words as its arguments or on its command line."""
    monkeypatch.setattr(sys, "argv", ["command", *argv])
    with pytest.raises(SystemExit) as ended:
        command()
    assert ended.value.code
    return f"{ended.value} {capsys.readouterr().err}"


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--episodes", "0"], "--episodes must be at least 1, got 0"),
        (["--episodes", "-5"], "--episodes must be at least 1, got -5"),
        (["--price", "0.02"], "--price 0.02: this agent is not told prices"),
        (["--env-args", "privileged_info=False"], "env_args cannot have privileged_info"),
        (["--env-args", "split=train"], "env_args cannot have split"),
        (["--env-args", "screen_size"], "env_args must be of the form KEY=VALUE"),
        (["--env-args", "patch_size=3"], "does not fit the glimpses or choices"),
        (["--env", "Acrobot-v1"], "Acrobot-v1 is not an environment behind the retina"),
        (["--env", "CartPole-v1"], "CartPole-v1 is not an environment behind the retina"),
        (["--env", "nowhere:Mine-v0"], "names a module that cannot be imported"),
    ],
)
@pytest.mark.parametrize("command", [ram_commands.evaluate_command, ram_commands.watch_command])
def test_of_scoring_and_watching(here, monkeypatch, capsys, command, argv, said):
    assert said in ends(command, ["--checkpoint", "catch", *argv], monkeypatch, capsys)


@pytest.mark.parametrize("price", ["0", "0.2", "-1", "nan"])
@pytest.mark.parametrize("command", [ram_commands.evaluate_command, ram_commands.watch_command, stopping_habits.main])
def test_price_that_the_agent_was_not_trained_for(here, monkeypatch, capsys, command, price):
    found = ends(command, ["--checkpoint", "prices", "--price", price], monkeypatch, capsys)
    assert "--price must lie in the range of the training, 0.01 to 0.1, got" in found


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--fps", "-3"], "--fps must be above 0 and at most 1000, got -3.0"),
        (["--fps", "nan"], "--fps must be above 0"),
        (["--seed", "-1"], "--seed must be at least 0, got -1"),
        (["--size", "10"], "--size must be at least 256, got 10"),
        (["--video", "seen.avi"], "--video must end in one of"),
        (["--video", "nowhere/seen.gif"], "--video nowhere/seen.gif: there is no folder nowhere"),
        (["--video", "folder.gif"], "--video folder.gif: that is a folder"),
        (["--video", "seen.gif", "--fps", "200"], "--fps must be at most 100 for a .gif"),
    ],
)
def test_of_watching(here, monkeypatch, capsys, argv, said):
    (here / "folder.gif").mkdir()
    assert said in ends(ram_commands.watch_command, ["--checkpoint", "catch", *argv], monkeypatch, capsys)
    assert {path.name for path in here.iterdir()} == {"catch", "prices", "folder.gif"}


@pytest.mark.parametrize(
    ("path", "said"), [("nowhere/score.json", "there is no folder nowhere"), ("catch", "that is a folder")]
)
def test_file_of_a_score_that_could_not_be_written(here, monkeypatch, capsys, path, said):
    found = ends(ram_commands.evaluate_command, ["--checkpoint", "catch", "--json", path], monkeypatch, capsys)
    assert f"--json {path}: {said}" in found


def test_file_that_may_not_be_written_is_refused(tmp_path, monkeypatch):
    from agents.experiment import command_line

    demand_file("--json", tmp_path / "score.json")
    monkeypatch.setattr(command_line.os, "access", lambda *_: False)  # root may write anywhere
    with pytest.raises(ValueError, match=r"^--json .*score\.json: it may not be written\.$"):
        demand_file("--json", tmp_path / "score.json")


AGENT = [
    "--seed -1",
    "--seed 4294967296",
    "--run.evaluations -1",
    "--run.report-every 0",
    "--run.checkpoint-minutes -1",
    "--run.checkpoint-minutes nan",
    "--run.threads 0",
    "--run.episodes 0",
    "--run.evaluation-memory 0",
    "--run.scored-glimpses 0",
    "--network.baseline-hidden -1",
    "--network.glimpse-gain inf",
    "--gaze.hidden -1",
    "--gaze.std-final 0",
    "--gaze.weight nan",
    "--learning.entropy-bonus -1",
    "--optimizer.max-grad-norm -1",
]


@pytest.mark.parametrize("words", AGENT)
def test_of_training_an_agent(here, monkeypatch, capsys, words):
    flag, value = words.split()
    name = flag.rpartition(".")[2].lstrip("-").replace("-", "_").replace("scored_glimpses", "num_glimpses")
    argv = ["--env", "GlimpseMNIST-v0", flag, value, "--run-dir", "run"]
    assert f"{name} must be " in ends(ram_commands.train_command, argv, monkeypatch, capsys)
    assert not (here / "run").exists()


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--preset", "cluttered60-stop", "--stopping.price-range", "0.1", "0.1"], "price_range must be two prices"),
        (["--preset", "catch", "--run.scored-glimpses", "3"], "unexpected keyword argument 'num_glimpses'"),
        (["--resume", "catch", "--seed", "2"], "takes no other flag but --device and --env, got --seed"),
        (["--preset", "nope"], "preset must be one of"),
        (["--env", "NoSuchEnv-v0"], "NoSuchEnv"),
        (["--resume", "nowhere"], "No checkpoint at nowhere"),
        (["--resume", "catch/checkpoint.pt"], "--resume takes the folder of a run, got the file catch/checkpoint.pt"),
        (["--preset", "catch", "--run-dir", "catch"], "catch holds a run already"),
    ],
)
def test_what_only_the_end_of_a_training_would_find(here, monkeypatch, capsys, argv, said):
    assert said in ends(ram_commands.train_command, argv, monkeypatch, capsys)
    assert {path.name for path in here.iterdir()} == {"catch", "prices"}


@pytest.mark.parametrize(
    "words", ["--seed -1", "--run.evaluations -1", "--optimizer.weight-decay nan", "--optimizer.learning-rate inf"]
)
def test_of_training_a_classifier(here, monkeypatch, capsys, words):
    flag, value = words.split()
    name = flag.rpartition(".")[2].lstrip("-").replace("-", "_")
    assert f"{name} must be " in ends(classifier_commands.train_command, [flag, value], monkeypatch, capsys)
    assert not (here / "runs").exists()


@pytest.mark.parametrize(
    ("command", "argv", "said"),
    [
        (reproduce_command, ["--rows", "catch", "--seeds", "1", "-1"], "--seeds must be at least 0, got -1"),
        (catch_ceiling.main, ["--screen-size", "0"], "--screen-size must be at least 4, got 0"),
        (catch_ceiling.main, ["--speeds", "0"], "--speeds must be at least 1, got 0"),
        (catch_ceiling.main, ["--ball-speed", "-1"], "--ball-speed must be at least 0, got -1"),
        (catch_misses.main, ["--checkpoint", "catch", "--games", "0"], "--games must be at least 1, got 0"),
        (catch_misses.main, ["--checkpoint", "catch", "--seed", "-1"], "--seed must be at least 0, got -1"),
        (catch_misses.main, ["--checkpoint", "prices", "--games", "5"], "holds no agent for Catch with one ball"),
        (stopping_habits.main, ["--checkpoint", "catch"], "holds no agent of digits that learnt when to stop"),
        (image_sizes.main, ["--sides", "5"], "--sides must be at least 10, got 5"),
        (image_sizes.main, ["--sides"], "--sides must be at least 10"),
        (image_sizes.main, ["--rounds", "0"], "--rounds must be at least 1, got 0"),
        (image_sizes.main, ["--out", "nowhere/sizes.json"], "--out nowhere/sizes.json: there is no folder nowhere"),
        (time_table.main, ["--presets", "nope"], "--presets must name some of"),
        (time_table.main, ["--against", "nowhere"], "--against must be a checkout of this repository, got nowhere"),
        (plots.main, ["--only", "nope"], "--only must name some of"),
        (plots.main, ["--out", f"catch/{CHECKPOINT}"], "--out must be a folder, got catch/"),
    ],
)
def test_of_what_is_made_of_results(here, monkeypatch, capsys, command, argv, said):
    assert said in ends(command, argv, monkeypatch, capsys)


def test_interrupted_command_ends_without_a_traceback():
    @command
    def work():
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as ended:
        work()
    assert ended.value.code == 130


def test_what_does_not_fit_into_memory_ends_in_a_sentence():
    @command
    def work():
        raise MemoryError("Unable to allocate 4 PiB")

    with pytest.raises(SystemExit, match=r"^error: Unable to allocate 4 PiB \(.*test_flags\.py, line \d+, in work\)$"):
        work()


@pytest.mark.parametrize("command", [ram_commands.train_command, classifier_commands.train_command])
def test_help_of_a_training_fits_on_two_screens_and_says_where_there_is_more(monkeypatch, capsys, command):
    monkeypatch.setenv("COLUMNS", "120")
    pages = {}
    for flag in ("--help", "--help-verbose"):
        with pytest.raises(SystemExit):
            command([flag])
        pages[flag] = capsys.readouterr().out
    assert len(pages["--help"].splitlines()) <= 100
    for section in ("run options", "network options", "optimizer options"):
        assert all(section in page for page in pages.values())
    assert "--help-verbose" in pages["--help"]
    assert "Initial learning rate" in pages["--help-verbose"]
