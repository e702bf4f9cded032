"""How much faster a run is on several cores: the command, and its table."""

import json

import pytest

torch = pytest.importorskip("torch")

from agents.analysis.core_speed import CoresCommand, measure  # noqa: E402
from agents.analysis.tables import core_speed_table  # noqa: E402
from agents.ram.presets import PRESETS  # noqa: E402


def test_both_ways_are_measured(monkeypatch):
    monkeypatch.setitem(
        PRESETS, "catch", PRESETS["catch"].but(env_args=("screen_size=6",), network={"hidden_size": 16})
    )
    row = measure("catch", CoresCommand(rounds=1, seconds=0.0))
    assert (row["batch_size"], row["threads"]) == (128, 2)
    assert row["times_faster"] == pytest.approx(row["together"] / row["alone"])


def test_table_says_so_where_nothing_was_measured(tmp_path):
    path = tmp_path / "cores.json"
    assert core_speed_table(path) == "Not measured yet."
    row = {"preset": "catch", "batch_size": 128, "threads": 2, "alone": 1000.4, "together": 1600.2, "times_faster": 1.6}
    path.write_text(json.dumps({"rows": [row]}))
    assert core_speed_table(path).splitlines()[-1] == "| `catch` | 128 | 1,000 | 2 | 1,600 | 1.60 |"
