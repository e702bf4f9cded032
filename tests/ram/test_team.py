"""Several processes that share every batch of a run."""

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from multiprocessing import Pipe
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from agents.experiment import episodes  # noqa: E402
from agents.experiment.run_folder import CHECKPOINT, METRICS, STOPPING  # noqa: E402
from agents.experiment.team import Over, Team  # noqa: E402
from agents.ram.checkpoint import load_state  # noqa: E402
from agents.ram.draws import LaneGenerator, normal, uniform  # noqa: E402
from agents.ram.presets import GENERAL, PRESETS  # noqa: E402
from agents.ram.training import Trainer, train  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
SMALL = {
    "network": {"hidden_size": 16},
    "learning": {"batch_size": 5},
    "run": {"matmul_precision": "highest", "episodes": 60},
}
CATCH = PRESETS["catch"].but(env_args=("screen_size=6",), **SMALL).but(run={"report_every": 3, "evaluations": 2})
DIGITS = PRESETS["mnist-6"].but(gaze={"hidden": 8}, **SMALL)
CANVAS = GENERAL.but(env="GlimpseMNIST-Cluttered60-v0", gaze={"hidden": 8}, **SMALL)
RECIPES = {
    "catch": CATCH,
    "digits": DIGITS,
    "canvas": CANVAS,
    "canvas, convolutions": CANVAS.but(network={"convolutions": (4, 4)}),
    "canvas, reward": CANVAS.but(learning={"answer": "outcome"}),
    "catch, in parts": CATCH.but(learning={"parts": 2, "batch_size": 8}),
    "stopping at prices": DIGITS.but(
        env_args=("num_glimpses=9",), stopping={"price_range": (0.01, 0.1)}, learning={"entropy_bonus": 0.1}
    ),
}


@pytest.fixture(autouse=True)
def few_games(monkeypatch):
    monkeypatch.setattr(episodes, "FRESH_EPISODES", {"validation": 30, "test": 40})


def until_it_is_over(work, team):
    with suppress(Over):
        work(team)


@contextmanager
def beside(size, work, numbers=1):
    """The leader of a team whose other members each do work(team) in a thread."""
    pipes, memory = [Pipe() for _ in range(1, size)], bytearray(4 * 2 * size * numbers)
    with ThreadPoolExecutor(size) as threads:
        futures = []
        with Team(size) as leader:
            leader.connect([pipe for pipe, _ in pipes], memory)
            for rank, (_, pipe) in enumerate(pipes, 1):
                team = Team(size, rank)
                team.connect([pipe], memory)
                futures.append(threads.submit(until_it_is_over, work, team))
            yield leader
        for future in futures:
            future.result(timeout=60)


@pytest.mark.parametrize("draw", [uniform, normal])
@pytest.mark.parametrize("axis", [0, 1])
def test_processes_draw_together_what_one_draws_alone(draw, axis):
    shape, parts = [3, 4], []
    shape[axis] = 7
    for rank in range(3):
        generator = LaneGenerator()
        generator.batch, generator.lanes = 7, Team(3, rank).lanes(7)
        generator.manual_seed(1)
        here = [*shape]
        here[axis] = generator.lanes.stop - generator.lanes.start
        parts.append(draw(here, generator, axis=axis))
        assert parts[-1].shape[axis] in (2, 3)
    assert torch.equal(torch.cat(parts, axis), draw(shape, torch.Generator().manual_seed(1)))


def test_parts_come_in_the_order_of_ranks_and_sums_are_the_same_everywhere():
    given = [torch.randn(3, generator=torch.Generator().manual_seed(rank)) * 10.0**rank for rank in range(3)]
    found = {}

    def work(team):
        assert team.gather(f"part {team.rank}") == ["part 0", "part 1", "part 2"]
        for _ in range(2):
            total = [given[team.rank].clone(), torch.full((2, 1), float(team.rank))]
            team.add(total)
        found[team.rank] = total

    with beside(3, work, 5) as leader:
        work(leader)
    for total in found.values():
        assert torch.equal(total[0], given[0] + given[1] + given[2])
        assert torch.equal(total[1], torch.full((2, 1), 3.0))


def make_team(stack, config, folder, size):
    """The trainer of a team's leader; the others obey it."""
    lock = threading.Lock()  # the weights are drawn from a generator that all threads have in common

    def work(team):
        with lock:
            trainer = Trainer(config, folder, team)
        team.gather(None)
        team.obey(trainer)

    numbers = sum(weight.numel() for weight in Trainer(config, folder).weights)
    leader = stack.enter_context(beside(size, work, numbers))
    leader.gather(None)
    return Trainer(config, folder, leader)


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("size", [2, 3])
def test_updates_of_a_team_are_those_of_one_process(recipe, size, fake_mnist, tmp_path):
    # Adam makes whole steps of gradients that are nothing but rounding.
    config = RECIPES[recipe].but(optimizer={"method": "sgd", "learning_rate": 0.01})
    with ExitStack() as stack:
        together, alone = make_team(stack, config, tmp_path, size), Trainer(config, tmp_path)
        for _ in range(4):
            together.step()
            alone.step()
        one, other = alone.state(), together.state()
    assert one["lanes"] == other["lanes"]
    assert torch.equal(one["sampling"], other["sampling"])
    assert one["frames"] == other["frames"]
    assert other["window"] == pytest.approx(one["window"], rel=1e-4, abs=1e-5)
    for name, weight in one["agent"].items():
        torch.testing.assert_close(other["agent"][name], weight, rtol=1e-5, atol=1e-6, msg=name)


def test_team_goes_on_from_the_checkpoint_of_one_process_and_back(tmp_path):
    alone = Trainer(CATCH, tmp_path)
    alone.step()
    alone.save()
    with ExitStack() as stack:
        together = make_team(stack, CATCH, tmp_path, 2)
        together.restore(load_state(tmp_path / CHECKPOINT))
        alone.step()
        together.step()
        assert together.lane_states() == alone.lane_states()
        for one, other in zip(alone.weights, together.weights, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def left(folder):
    state = load_state(folder / CHECKPOINT)
    weights = {name: weight.tolist() for name, weight in state["agent"].items()}
    return weights, state["lanes"], state["sampling"].tolist(), (folder / METRICS).read_text()


def test_interrupted_run_of_two_processes_ends_with_the_numbers_of_another_that_was_not(tmp_path, monkeypatch):
    config, step = CATCH.but(run={"threads": 2}), Trainer.step
    whole = train(config, tmp_path / "whole")
    assert whole["test"]["episodes"] == 40
    assert "2 thread(s)" in whole["machine"]

    def interrupted(trainer):
        step(trainer)
        if trainer.update == 4:
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "step", interrupted)
        assert train(config, tmp_path / "parts") == {}
    assert load_state(tmp_path / "parts" / CHECKPOINT)["update"] == 4
    train(config, tmp_path / "parts", resume=True)
    assert left(tmp_path / "whole") == left(tmp_path / "parts")


def stumble(team):
    raise FloatingPointError("The loss of update 7 is not finite.")


def stumble_over_what_cannot_be_sent(team):
    raise type("Local", (Exception,), {})("here")


def fall(team):
    os.kill(os.getpid(), signal.SIGKILL)


def leave(team):
    team.gather(None)


@pytest.mark.parametrize(
    ("work", "error", "message"),
    [
        (stumble, FloatingPointError, "update 7"),
        (stumble_over_what_cannot_be_sent, RuntimeError, "Local.*here"),
        (fall, ChildProcessError, r"killed \(signal 9\).*--resume"),
    ],
)
def test_error_in_another_process_is_raised_by_the_leader(work, error, message):
    with Team(2) as team:
        team.start(work, 1)
        with pytest.raises(error, match=message):
            team.gather(None)


def test_others_end_when_the_leader_fails(monkeypatch):
    monkeypatch.setattr("agents.experiment.team.PATIENCE", 120.0)  # on a busy machine it takes long to begin
    team = Team(2)

    def lead():
        with team:
            team.start(leave, 1)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        lead()
    assert [process.exitcode for process in team._processes] == [0]


@pytest.mark.skipif(sys.platform == "win32", reason="signals of a terminal are others there")
def test_ctrl_c_in_the_terminal_reaches_all_processes_and_ends_the_run_with_a_checkpoint(tmp_path):
    flags = ["--env", "CatchBall-v0", "--run.threads", "2", "--network.hidden-size", "8", "--run-dir", "run"]
    flags += ["--env-args", "screen_size=6", "--run.report-every", "2"]
    command = [sys.executable, str(ROOT / "agents" / "train_ram.py"), *flags]
    run = subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    metrics, patience = tmp_path / "run" / METRICS, time.monotonic() + 60
    while not (metrics.exists() and metrics.read_text()) and time.monotonic() < patience:
        time.sleep(0.05)
    os.killpg(run.pid, signal.SIGINT)
    told, errors = run.communicate(timeout=60)
    assert (run.returncode, errors.strip()) == (130, STOPPING.decode().strip())
    assert "Stopped after" in told
    assert load_state(tmp_path / "run" / CHECKPOINT)["update"] > 0


def test_more_processes_than_lanes_are_refused():
    with pytest.raises(
        ValueError, match="threads must be at most 2, as each takes a share of every part of a batch of 5"
    ):
        CATCH.but(learning={"parts": 2}, run={"threads": 3})
    with pytest.raises(
        ValueError, match="threads must be at most 5, as each takes a share of every part of a batch of 5"
    ):
        CATCH.but(run={"threads": 6})
