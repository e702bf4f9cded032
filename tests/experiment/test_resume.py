"""Resumption: a run that is killed, however often and wherever, ends with the numbers of one that was left alone."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path
from unittest.mock import MagicMock

import pytest

torch = pytest.importorskip("torch")

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # noqa: E402

from agents.experiment import board, episodes, reports, run_folder  # noqa: E402
from agents.experiment.run_folder import CHECKPOINT, METRICS, RESULT, TIMES  # noqa: E402
from agents.ram import training  # noqa: E402
from agents.ram.checkpoint import load_state, save_state  # noqa: E402
from agents.ram.presets import PRESETS  # noqa: E402
from agents.ram.training import Trainer, train  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
TINY = PRESETS["catch"].but(
    env_args=("screen_size=6",),
    network={"hidden_size": 16},
    learning={"batch_size": 4},
    run={
        "episodes": 4 * 30,
        "report_every": 2,
        "checkpoint_minutes": 0.0,
        "evaluations": 3,
        "matmul_precision": "highest",
    },
    optimizer={"weight_averaging": 0.9},
)
FEW_GAMES = {"validation": 30, "test": 40}


@pytest.fixture(autouse=True)
def few_games(monkeypatch):
    monkeypatch.setattr(episodes, "FRESH_EPISODES", FEW_GAMES)


def equal(one, other):
    """Whether two states are the same, bit for bit."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(one[name], other[name]) for name in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(equal, one, other))
    return torch.equal(one, other) if isinstance(one, torch.Tensor) else one == other


def left(folder):
    """All that a run leaves behind, less what tells of the time it took."""
    state, result = load_state(folder / CHECKPOINT), json.loads((folder / RESULT).read_text())
    timeless = {name: state[name] for name in state if name not in ("seconds", "times_bytes", "commits")}
    scores = {name: result[name] for name in result if name not in ("minutes", "date", "commit")}
    reported = [json.loads(line)["update"] for line in (folder / TIMES).read_text().splitlines()]
    return {"state": timeless, "result": scores, "reported": reported, "metrics": (folder / METRICS).read_text()}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """What a run leaves that nothing happens to."""
    folder = tmp_path_factory.mktemp("undisturbed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(episodes, "FRESH_EPISODES", FEW_GAMES)
        train(TINY, folder)
    return left(folder)


# Killed


def start(folder, die=lambda: None):
    """A process that trains in the folder, or goes on there; it is forked, so that nothing is imported again."""
    process = os.fork()
    if process == 0:
        try:
            die()
            train(TINY, folder, resume=True)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return process


def ended(process):
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def dying(module, name, after, spoil):
    """Makes a process kill itself at a later call of a function, whose work it leaves half done."""

    def arrange():
        original, calls = getattr(module, name), []

        def work(*args):
            calls.append(args)
            if len(calls) > after:
                spoil(*args)
                os.kill(os.getpid(), signal.SIGKILL)
            return original(*args)

        setattr(module, name, work)

    return arrange


def half_a_line(path, line):
    with path.open("a") as file:
        file.write(json.dumps(line)[:9])


PLACES = {
    "while the first checkpoint is written": dying(Path, "replace", 0, lambda path, _: os.truncate(path, 1000)),
    "while a checkpoint is written": dying(Path, "replace", 9, lambda path, _: os.truncate(path, 1000)),
    "while a checkpoint is moved to its place": dying(Path, "replace", 12, lambda *_: None),
    "while a line is appended": dying(run_folder, "append_line", 14, half_a_line),
    "while the run is scored": dying(training, "_result", 0, lambda _: None),
}


def kill_runs(folder):
    """Trains in `folder / "whole"` undisturbed, in others with kills: at random moments, and in the PLACES."""
    episodes.FRESH_EPISODES.update(FEW_GAMES)
    Trainer(TINY, folder)  # imports what torch imports late, once for all forks
    began = time.monotonic()
    assert ended(start(folder / "whole")) == 0
    seconds, kills = time.monotonic() - began, 0
    for run in ("one", "two"):
        while kills < (6 if run == "one" else 12):
            process = start(folder / run)
            time.sleep(random.uniform(0, seconds / 3))
            os.kill(process, signal.SIGKILL)
            if ended(process) == 0:  # too late: another run
                shutil.rmtree(folder / run)
            else:
                kills += 1
        assert ended(start(folder / run)) == 0
    for place, die in PLACES.items():
        assert ended(start(folder / place, die)) == -signal.SIGKILL, place
        assert ended(start(folder / place)) == 0, place


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")
def test_run_killed_at_any_moment_ends_with_the_numbers_of_one_left_alone(tmp_path):
    code = f"from tests.experiment.test_resume import *; kill_runs(Path({str(tmp_path)!r}))"
    env = {**os.environ, "TQDM_DISABLE": "1", "OMP_NUM_THREADS": "1"}
    killed = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True, timeout=300, check=False
    )
    assert killed.returncode == 0, killed.stderr
    expected = left(tmp_path / "whole")
    for name in ("one", "two", *PLACES):
        assert equal(left(tmp_path / name), expected), name
        assert not list((tmp_path / name).glob(".*.tmp")), name


# Every kind of run


DIGITS = PRESETS["mnist-6"].but(
    network={"hidden_size": 16}, learning={"batch_size": 8}, run={"episodes": 80, "matmul_precision": "highest"}
)


@pytest.mark.parametrize(
    "config",
    [
        DIGITS,
        DIGITS.but(optimizer={"method": "sgd"}, gaze={"policy": "random"}, run={"matmul_precision": "bfloat16"}),
        DIGITS.but(
            network={"core": "lstm"}, gaze={"pathway": "separate"}, stopping={}, learning={"answer": "reinforce"}
        ),
        DIGITS.but(stopping={"sees_answer": True, "price_range": (0.01, 0.1)}, network={"baseline_hidden": 4}),
        DIGITS.but(env_args=("canvas_size=40", "clutter_pieces=2")),
        PRESETS["cluttered60-8"].but(
            env="GlimpseMNIST-v0",
            env_args=(),
            network={"hidden_size": 16},
            learning={"batch_size": 8},
            run={"episodes": 80, "scored_glimpses": ()},
        ),
        DIGITS.but(train_env_args=("distortion=0.15",), network={"convolutions": (6, 10)}),
        TINY.but(env_args=("screen_size=6", "num_balls=2"), network={"previous_action": True}),
    ],
    ids=["digits", "sgd", "stop", "prices", "clutter", "wide", "convolutional", "balls"],
)
def test_what_a_checkpoint_holds_is_all_that_the_rest_of_the_run_depends_on(fake_mnist, tmp_path, config):
    whole, first = Trainer(config, tmp_path), Trainer(config, tmp_path)
    for _ in range(8):
        whole.step()
    for _ in range(5):
        first.step()
    first.save()
    then = Trainer(config, tmp_path)
    torch.manual_seed(99)  # what no checkpoint holds must not matter
    then.restore(load_state(tmp_path / CHECKPOINT))
    for _ in range(3):
        then.step()
    one, other = whole.state(), then.state()
    assert equal({**one, "seconds": 0}, {**other, "seconds": 0})
    assert then.window == whole.window
    assert then.report() == whole.report()


def test_what_an_attempt_without_a_checkpoint_left_is_not_mixed_in(tmp_path, undisturbed):
    for name in (METRICS, TIMES):
        (tmp_path / name).write_text('{"update": 2}\n{"upda')
    train(TINY, tmp_path, resume=True)
    assert equal(left(tmp_path), undisturbed)


def test_resuming_a_finished_run_changes_nothing(tmp_path, undisturbed):
    for resume in (False, True):
        train(TINY, tmp_path, resume)
        assert equal(left(tmp_path), undisturbed)


def test_checkpoint_of_other_settings_is_not_gone_on_with(tmp_path):
    Trainer(TINY, tmp_path).save()
    with pytest.raises(ValueError, match="other settings"):
        train(TINY.but(optimizer={"learning_rate": TINY.optimizer.learning_rate / 2}), tmp_path, resume=True)


# Told on the way


def test_what_is_told_on_the_way_changes_nothing_that_is_learnt_or_recorded(tmp_path, monkeypatch, undisturbed, capsys):
    monkeypatch.setattr(reports, "EARLY", 0.0)  # scored once before the first score that is due
    monkeypatch.setattr(reports, "FILM_EVERY", 0.0)
    monkeypatch.setattr(reports, "WORTH_SAYING", 0.01)
    train(TINY, tmp_path)
    assert equal(left(tmp_path), undisturbed)
    told = capsys.readouterr().out.splitlines()
    assert "4 episodes" in told[0]
    assert "of 2 validation episodes caught" in told[0]
    assert len([line for line in told if "of 30 validation episodes caught" in line]) == 3
    assert len([line for line in told if "the first 1% caught in training episodes" in line]) == 1
    assert len([line for line in told if "frames/s" in line]) == 15
    page = EventAccumulator(str(tmp_path)).Reload()
    assert set(page.Tags()["images"]) == {"gaze/where_it_looks", "eval/episodes"}
    film = page.Images("eval/episodes")
    assert len(film) == 4
    assert film[0].encoded_image_string.startswith(b"GIF89a")
    assert {name.partition("/")[0] for name in page.Tags()["scalars"]} == {"train", "gaze", "loss", "eval", "time"}
    for name in (
        "train/learning_rate",
        "train/gradient_norm",
        "gaze/std",
        "train/move_entropy",
        "time/frames_per_second",
    ):
        assert len(page.Scalars(name)) == 15


# Disks


def at_update(monkeypatch, number, happen):
    step = Trainer.step

    def eventful(trainer):
        step(trainer)
        if trainer.update == number:
            happen()

    monkeypatch.setattr(Trainer, "step", eventful)


@pytest.mark.parametrize("room", [0, 300, 500_000])  # for no more lines; for a few; for lines, but no checkpoint
def test_full_disk_ends_the_run_in_a_sentence_and_leaves_a_checkpoint_to_go_on_from(
    tmp_path, monkeypatch, undisturbed, room
):
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    at_update(monkeypatch, 5, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1])))
    monkeypatch.setattr(board, "SummaryWriter", MagicMock())  # a thread of its own would complain too
    try:
        with pytest.raises(OSError, match=r"stopped at update \d+, .* --resume") as stopped:
            train(TINY, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "\n" not in str(stopped.value)
    assert load_state(tmp_path / CHECKPOINT)["update"] == 4
    monkeypatch.undo()
    monkeypatch.setattr(episodes, "FRESH_EPISODES", FEW_GAMES)
    train(TINY, tmp_path, resume=True)
    assert equal(left(tmp_path), undisturbed)


def test_folder_that_vanishes_ends_the_run_in_a_sentence(tmp_path, monkeypatch):
    at_update(monkeypatch, 5, lambda: shutil.rmtree(tmp_path / "run"))
    with pytest.raises(OSError, match=r"run stopped at update 6, .*: No such file or directory\.$"):
        train(TINY, tmp_path / "run")


def test_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OSError, match=r"folder .*run cannot be written to: Not a directory"):
        train(TINY, tmp_path / "file" / "run")


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs the users of Unix")
def test_folder_that_may_only_be_read_is_named_and_its_checkpoint_still_loads():
    with tempfile.TemporaryDirectory() as name:  # in `tmp_path` nobody else can look
        folder, user = Path(name), os.geteuid()
        Trainer(TINY, folder).save()
        load_state(folder / CHECKPOINT)  # imports what torch imports late
        folder.chmod(0o555)
        os.seteuid(user or 65534)  # root may write anywhere, so it is nobody for a while
        try:
            with pytest.raises(OSError, match=r"cannot be written to: Permission denied"):
                train(TINY, folder, resume=True)
            assert load_state(folder / CHECKPOINT)["update"] == 0
        finally:
            os.seteuid(user)
            folder.chmod(0o700)


def test_checkpoint_cut_off_by_a_full_disk_leaves_the_old_one_and_no_litter(tmp_path):
    resource = pytest.importorskip("resource")
    path, before = tmp_path / CHECKPOINT, resource.getrlimit(resource.RLIMIT_FSIZE)
    save_state(path, {"config": json.dumps(TINY.to_dict()), "update": 1})
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, before[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            save_state(path, {"config": json.dumps(TINY.to_dict()), "update": 2, "weights": torch.zeros(9999)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert load_state(path)["update"] == 1
    assert [file.name for file in tmp_path.iterdir()] == [CHECKPOINT]
