"""Two at once: runs and downloads that start together do not damage what the other one writes."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from agents.experiment.command_line import new_folder  # noqa: E402
from agents.experiment.run_folder import CHECKPOINT, reserved  # noqa: E402
from agents.ram.presets import PRESETS  # noqa: E402
from agents.ram.training import Trainer, train  # noqa: E402
from ram_envs.datasets import FILES  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
TINY = PRESETS["catch"].but(
    env_args=("screen_size=6",), network={"hidden_size": 16}, learning={"batch_size": 4}, run={"episodes": 8}
)
needs_locks = pytest.mark.skipif(sys.platform == "win32", reason="there is no such lock on Windows")


@needs_locks
def test_second_resume_is_refused_in_a_sentence_and_touches_nothing(tmp_path):
    Trainer(TINY, tmp_path).save()
    before = (tmp_path / CHECKPOINT).read_bytes()
    command = [sys.executable, str(ROOT / "agents" / "train_ram.py"), "--resume", str(tmp_path)]
    with reserved(tmp_path):
        second = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert second.returncode == 1
    assert second.stderr == f"error: Another process is training in {tmp_path}: wait for it, or stop it first.\n"
    assert (tmp_path / CHECKPOINT).read_bytes() == before


@needs_locks
def test_run_that_another_has_begun_in_the_same_folder_is_refused(tmp_path):
    with reserved(tmp_path / "run"), pytest.raises(OSError, match="Another process is training"):
        train(TINY, tmp_path / "run")
    assert [path.name for path in (tmp_path / "run").iterdir()] == [".lock"]


def test_folder_is_free_again_after_a_run_that_failed(tmp_path):
    with pytest.raises(ZeroDivisionError), reserved(tmp_path):
        _ = 1 / 0
    with reserved(tmp_path):
        pass


def test_file_system_without_locks_is_trained_on_all_the_same(tmp_path, monkeypatch):
    fcntl = pytest.importorskip("fcntl")

    def unsupported(*args):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", unsupported)
    with reserved(tmp_path):
        pass


def test_what_a_killed_process_was_writing_is_swept_up(tmp_path):
    (tmp_path / f".{CHECKPOINT}.123.tmp").write_bytes(b"half")
    with reserved(tmp_path):
        assert [path.name for path in tmp_path.iterdir()] == [".lock"]


def test_runs_started_in_the_same_second_have_folders_of_their_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with ThreadPoolExecutor(16) as together:
        folders = list(together.map(lambda _: new_folder(TINY), range(64)))
    assert len(set(folders)) == 64


FETCH = """
import os, signal, sys, time
from dataclasses import replace
from pathlib import Path
from ram_envs import datasets

served, cache = Path(sys.argv[1]), Path(sys.argv[2])
source = datasets.DATASETS["mnist"]
hashes = tuple(datasets.hashlib.sha256((served / file).read_bytes()).hexdigest() for file in datasets.FILES)
datasets.DATASETS["mnist"] = replace(source, sha256=hashes, origins=("slow",))
datasets._cache_folder = lambda: cache

def slow(origin, missing, scratch):
    for file in missing:
        with (scratch / file).open("wb") as copy:
            for byte in (served / file).read_bytes().partition(b"\\x08"):
                copy.write(byte)
                copy.flush()
                time.sleep(0.02)
        yield scratch / file

datasets._download = slow
processes = [os.fork()]
while processes[0] and not list(cache.glob("mnist/.fetch-*/*")):
    time.sleep(0.001)  # until the first has begun
while len(processes) < 6 and 0 not in processes:
    processes.append(os.fork())
if 0 in processes:
    os._exit(len(datasets.load_dataset("mnist", "test")) != 20)
os.kill(processes[0], signal.SIGKILL)
codes = [os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) for process in processes]
assert codes[1:] == [0] * 5, codes
datasets._load_splits.cache_clear()
datasets.load_dataset("mnist", "test")  # and sweeps up after the one that was killed
"""


@needs_locks
def test_processes_that_fetch_together_all_get_the_data_even_if_one_is_killed(fake_mnist_folder, tmp_path):
    env = {"PATH": "", "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)}
    fetched = subprocess.run(
        [sys.executable, "-c", FETCH, str(fake_mnist_folder), str(tmp_path)],
        env=env, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert fetched.returncode == 0, fetched.stderr
    assert sorted(path.name for path in (tmp_path / "mnist").iterdir()) == sorted(FILES)
    for file in FILES:
        assert (tmp_path / "mnist" / file).read_bytes() == (fake_mnist_folder / file).read_bytes()
