"""For every test: four tiny files that stand in for MNIST, the real ones where they are at hand, and a thread to work in."""

import dataclasses
import gzip
import hashlib
import os
import secrets
import struct
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tqdm import tqdm

from ram_envs import datasets

if "PYTEST_XDIST_WORKER" in os.environ:  # cores are shared by processes, not by the threads of one
    os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("SDL_VIDEODRIVER", "dummy")  # no test opens a window
os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
os.environ.update(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=secrets.token_hex(32))  # Ray listens to the tests alone
os.environ.update(RAY_worker_niceness="0")  # or its workers would wait for everything else here

NUM_TRAIN, NUM_HELD_OUT, NUM_TEST = 40, 10, 20


def fake_digits(first: int, count: int) -> np.ndarray:
    """Images (count, 28, 28): noise in the middle, dark at the border as in MNIST; no two are alike."""
    digits = np.zeros((count, 28, 28), np.uint8)
    for number, digit in enumerate(digits, first):
        digit[4:24, 4:24] = np.random.default_rng(number).integers(0, 256, (20, 20))
    return digits


def _idx(array: np.ndarray) -> bytes:
    sizes = struct.pack(f">{array.ndim}I", *array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.astype(np.uint8).tobytes()


@pytest.fixture(scope="session")
def fake_mnist_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with four files of MNIST's form: 40 training images, 10 of them held out, and 20 test images."""
    folder = tmp_path_factory.mktemp("fake_mnist")
    arrays = (
        fake_digits(0, NUM_TRAIN),
        np.arange(NUM_TRAIN) % 10,
        fake_digits(NUM_TRAIN, NUM_TEST),
        np.arange(NUM_TEST) % 10,
    )
    for name, array in zip(datasets.FILES, arrays, strict=True):
        (folder / name).write_bytes(_idx(array))
    return folder


@pytest.fixture(scope="session")
def fake_source(fake_mnist_folder: Path) -> datasets.DataSource:
    """The entry of `datasets.DATASETS` that the files of `fake_mnist_folder` satisfy; it asks no mirror."""
    contents = [(fake_mnist_folder / name).read_bytes() for name in datasets.FILES]
    return dataclasses.replace(
        datasets.DATASETS["mnist"],
        sha256=tuple(hashlib.sha256(content).hexdigest() for content in contents),
        gzip_sha256=tuple(hashlib.sha256(gzip.compress(content, mtime=0)).hexdigest() for content in contents),
        origins=(),
        held_out=NUM_HELD_OUT,
    )


@pytest.fixture
def fake_mnist(
    fake_mnist_folder: Path, fake_source: datasets.DataSource, monkeypatch: pytest.MonkeyPatch
) -> datasets.DataSource:
    """Makes the fake files the data set "mnist" for one test, so that `gym.make(id)` needs no arguments."""
    monkeypatch.setitem(datasets.DATASETS, "mnist", fake_source)
    monkeypatch.setenv(datasets.FOLDER_VARIABLE, str(fake_mnist_folder))
    return fake_source


def pytest_configure(config: pytest.Config) -> None:
    """Files are tested in their order: pytest-xdist would put those of few tests last, which are the longest."""
    if hasattr(config.option, "loadscopereorder"):
        config.option.loadscopereorder = False


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skips what is marked `mnist` where the real files are not on this machine; never downloads them."""
    if item.get_closest_marker("mnist") is None:
        return
    source = datasets.DATASETS["mnist"]
    datasets.DATASETS["mnist"] = dataclasses.replace(source, origins=())
    try:
        datasets.fetch("mnist")
    except (datasets.DatasetNotFound, datasets.BadDataFile) as error:
        pytest.skip(f"needs the real MNIST files: {str(error).splitlines()[0]}")
    finally:
        datasets.DATASETS["mnist"] = source


@pytest.fixture
def in_a_thread() -> Callable[[Callable[[], Any]], Any]:
    """What a piece of work returns that is done in a thread of its own."""

    def do(work: Callable[[], Any]) -> Any:
        tqdm.set_lock(threading.RLock())  # a full disk, in an earlier test, leaves tqdm's own lock taken
        with ThreadPoolExecutor(1) as threads:
            return threads.submit(work).result(timeout=60)

    return do
