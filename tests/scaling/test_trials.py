"""Trials on two raylets: workers, machines and drivers are killed, and all numbers are those of runs left alone."""

import json
import math
import os
import signal
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("ray")

import torch
from ray.cluster_utils import Cluster

from agents.analysis import reproduction
from agents.experiment.run_folder import METRICS, RESULT
from agents.ram.presets import PRESETS
from agents.ram.training import train
from agents.sb3.presets import PRESETS as STOCK
from agents.scaling import trials
from agents.scaling.search import search_command

pytestmark = pytest.mark.filterwarnings("ignore")  # Ray's own affairs
SMALL = {"num_cpus": 1, "object_store_memory": 80_000_000, "include_dashboard": False}
FLAGS = [
    "--env-args", "screen_size=6", "--network.hidden-size", "16", "--learning.batch-size", "4", "--run.episodes", "80",
    "--run.report-every", "2", "--run.checkpoint-minutes", "0", "--run.evaluations", "1", "--run.matmul-precision", "highest",
    "--gaze.policy", "random",
]  # fmt: skip
TINY = PRESETS["catch"].but(
    env_args=("screen_size=6",),
    network={"hidden_size": 16},
    gaze={"policy": "random"},  # or it would be scored with other gazes, too
    learning={"batch_size": 4},
    run={
        "episodes": 80, "report_every": 2, "checkpoint_minutes": 0.0, "evaluations": 1, "matmul_precision": "highest",
        "score_test": False,
    },
)  # fmt: skip
TIMES_AND_PLACES = ("minutes", "date")


@pytest.fixture(scope="module")
def cluster():
    """Two machines with a processor each, as far as Ray can tell; the second one is killed in a test."""
    found = Cluster(initialize_head=True, head_node_args=SMALL)
    found.second = found.add_node(**SMALL)
    yield found
    found.shutdown()


def numbers(path):
    """A result, less what tells of the time it took."""
    return {name: value for name, value in json.loads(path.read_text()).items() if name not in TIMES_AND_PLACES}


def files(folder):
    """What a run leaves, less what tells of the time it took."""
    return numbers(folder / RESULT), (folder / METRICS).read_text()


def test_trials_of_a_world_that_tells_of_no_success_are_told_why_they_cannot_be_compared():
    assert trials.last_error([]) == math.inf
    assert trials.last_error([{"error_percent": 3.0}, {"error_percent": 2.0}]) == 2.0
    with pytest.raises(ValueError, match="tells of no success: give its info `is_success`"):
        trials.last_error([{"mean_return": 0.5}])


def test_search_that_is_interrupted_goes_on_by_the_same_command(cluster, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    argv = [
        "--preset", "catch", *FLAGS, "--ray", cluster.address, "--trials", "2", "--run-dir", "found",
        "--space", "optimizer.learning_rate=loguniform(1e-4,1e-2)", "learning.discount=uniform(0.5,1)",
    ]  # fmt: skip
    with monkeypatch.context() as patch:
        seen = []

        def interrupt(*args, **kwargs):
            seen.append(args)
            if len(seen) == 4:
                signal.raise_signal(signal.SIGINT)  # as Ctrl-C does

        patch.setattr(trials.Progress, "on_checkpoint", interrupt)
        search_command(argv)
    assert "the same command goes on" in capsys.readouterr().out
    assert not Path("found/trials.json").exists()
    search_command(argv)
    said = capsys.readouterr().out
    assert "2 of 2" in said
    assert "python agents/train_ram.py --preset catch --env-args screen_size=6" in said
    record = json.loads(Path("found/trials.json").read_text())
    assert len({json.dumps(trial["values"]) for trial in record["outcomes"]}) == 2
    for number, trial in enumerate(record["outcomes"]):
        alone = tmp_path / f"alone{number}"
        expected = train(TINY.with_values(trial["values"]), alone)
        assert trial["error_percent"] == expected["validation"]["error_percent"]
        (last,) = tmp_path.glob(f"found/trials/trial-0000{number}/*/{RESULT}")
        assert files(last.parent) == files(alone)
        assert "test" not in expected
    assert len([*tmp_path.glob(f"found/trials/*/*/{RESULT}")]) == 2
    assert [*tmp_path.glob("found/trials/trial-00000/*/events*")][1:]  # it went on in what the first driver left


@pytest.fixture
def rows(tmp_path, monkeypatch):
    """Tiny rows of the tables, and a place for their results; gives how to reproduce them."""
    pytest.importorskip("sb3_contrib")
    small = {"n_steps": 4, "batch_size": 8}
    stock = STOCK["catch-2m-ppo"].but(
        env_args=("screen_size=6",),
        algo_args=tuple(f"{name}={value}" for name, value in small.items()),
        run={"frames": 64, "num_envs": 4, "evaluations": 2, "score_test": False, "report_every": 16},
    )
    monkeypatch.setitem(PRESETS, "catch", TINY.but(name="catch"))
    monkeypatch.setitem(STOCK, "catch-2m-ppo", stock)
    monkeypatch.setattr(reproduction, "write_pages", lambda: None)
    monkeypatch.setattr(reproduction, "load_results", dict)
    monkeypatch.chdir(tmp_path)

    def reproduce(results, *more):
        monkeypatch.setattr(reproduction, "RESULTS", tmp_path / results)
        argv = ["--rows", "catch", "catch-2m-ppo", "--seeds", "1", "2", "--runs", f"runs-{results}", *more]
        reproduction.reproduce_command(argv)
        return {path.name: path for path in (tmp_path / results).iterdir()}

    return reproduce


def test_tables_by_ray_with_a_worker_and_a_machine_killed_are_those_without(cluster, rows, monkeypatch, capsys):
    alone = rows("alone")
    assert "4 runs, 1 at a time" in capsys.readouterr().out
    seen, killed = [], []
    original = trials.Progress.on_checkpoint

    def on_checkpoint(progress, iteration, trials, trial, checkpoint, **info):
        original(progress, iteration, trials, trial, checkpoint, **info)
        seen.append(trial.config["run"]["title"])
        if not killed and len(seen) == 3:
            killed.append(trial.last_result["pid"])
            os.kill(killed[0], signal.SIGKILL)
        elif len(killed) == 1 and len(seen) >= 8 and len({*seen[4:]}) == 2:
            killed.append(cluster.second)
            cluster.remove_node(cluster.second, allow_graceful=False)

    monkeypatch.setattr(trials.Progress, "on_checkpoint", on_checkpoint)
    by_ray = rows("by_ray", "--ray", cluster.address)
    assert len(killed) == 2
    assert "4 runs, 2 at a time" in capsys.readouterr().out
    if len(by_ray) < len(
        alone
    ):  # on a busy machine Ray may give up a trial that it has lost sight of: the same command goes on with it
        by_ray = rows("by_ray", "--ray", cluster.address)
    assert sorted(by_ray) == sorted(alone)
    assert len(alone) == 5  # four results, one agent
    for name in alone:
        if name.endswith(".json"):
            assert numbers(by_ray[name]) == numbers(alone[name])
            assert files(Path("runs-by_ray") / name.removesuffix(".json")) == files(
                Path("runs-alone") / name.removesuffix(".json")
            )
    one, other = (torch.load(found["catch.pt"], weights_only=True)["agent"] for found in (alone, by_ray))
    assert all(torch.equal(one[name], other[name]) for name in one)
    again = [sum(1 for _ in Path(f"runs-by_ray/catch-seed{seed}").glob("events*")) for seed in (1, 2)]
    assert sum(again) >= 2 + 1  # a second process went on in what the first had left
    assert max(seen.count(title) for title in ("catch-seed1", "catch-seed2")) <= 11 + 2  # not from the beginning
