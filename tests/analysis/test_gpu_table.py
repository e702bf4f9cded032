"""How fast a GPU trains: the command, on the processor."""

import json

import pytest

torch = pytest.importorskip("torch")

from agents.analysis import gpu_table  # noqa: E402
from agents.analysis.gpu_table import GpuCommand, measure, settings, trainer_of  # noqa: E402
from agents.analysis.tables import gpu_table as as_table  # noqa: E402
from agents.experiment.device_worlds import DeviceWorld  # noqa: E402
from agents.ram import training  # noqa: E402


def test_processor_has_the_way_by_numpy_alone(fake_mnist):
    (row,) = measure(GpuCommand(presets=("mnist-2",), batch_sizes=(8,), device="cpu", seconds=0.0))
    assert {*row} == {"preset", "batch_size", "numpy"}
    assert row["numpy"] > 0


def test_every_way_has_its_own_world(fake_mnist, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "on_device", DeviceWorld)
    config = settings("general", 4, "cpu")
    ways = {way: trainer_of(way, config, tmp_path) for way in gpu_table.WAYS}
    assert ways["recorded"] is None  # for want of a GPU
    assert isinstance(ways["device"].envs, DeviceWorld)
    assert not isinstance(ways["numpy"].envs, DeviceWorld)
    ways["numpy"].step()


def test_table_leaves_blank_what_was_not_measured(tmp_path):
    path = tmp_path / "gpu.json"
    assert (
        as_table(path)
        == "Not measured yet. Rows that a GPU trained, beside other runs, say so in the [results](results.md)."
    )
    rows = [{"preset": "mnist-6", "batch_size": 1024, "numpy": 1000.4, "device": 20000.0}]
    path.write_text(json.dumps({"rows": rows, "machine": "x", "date": "today", "versions": {"torch": "2"}}))
    assert as_table(path).splitlines()[-1] == "| `mnist-6` | 1,024 | 1,000 | 20,000 |  |"
