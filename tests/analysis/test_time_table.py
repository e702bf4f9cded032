"""Where the time of training goes."""

import json
import time

import pytest

torch = pytest.importorskip("torch")

from agents.analysis.tables import times_table  # noqa: E402
from agents.analysis.time_table import PARTS, TimesCommand, Watch, parts_of  # noqa: E402


@pytest.fixture
def clock(monkeypatch):
    """Processor time that goes on by a second whenever somebody looks."""
    seconds = iter(range(1000))
    monkeypatch.setattr(time, "process_time", lambda: float(next(seconds)))


def test_a_part_within_another_is_not_booked_twice(clock):
    watch = Watch()
    with watch.part("rest"):  # from 0
        with watch.part("environment"), watch.part("retina"):  # from 1, from 2 to 3
            pass
        with watch.part("backward"):  # the environment was left at 4; from 5 to 6
            pass
    assert {part: seconds for part, seconds in watch.seconds.items() if seconds} == {
        "rest": 3.0,  # 0 to 1, 4 to 5, 6 to 7
        "environment": 2.0,  # 1 to 2, 3 to 4
        "retina": 1.0,
        "backward": 1.0,
    }


def test_every_part_of_an_update_is_measured():
    plain = torch.Tensor.backward
    row = parts_of("catch", TimesCommand(rounds=1, seconds=0.0))
    assert torch.Tensor.backward is plain
    assert [*row["microseconds"]] == [*PARTS]
    assert all(time > 0 for time in row["microseconds"].values())
    assert row["frames_per_second"] == pytest.approx(23 * row["episodes_per_second"])
    whole = sum(row["microseconds"].values())
    assert whole == pytest.approx(1e6 / row["episodes_per_second"])


def test_tables_of_parts_and_of_speeds_have_a_row_for_every_preset(tmp_path):
    parts = dict.fromkeys(PARTS, 10.0)
    row = {"preset": "catch", "batch_size": 128, "microseconds": parts, "episodes_per_second": 1000.4}
    rows = [{**row, "frames_per_second": 23000.0}, {**row, "frames_per_second": 1.0, "times_faster": 1.5}]
    (tmp_path / "times.json").write_text(json.dumps({"rows": rows}))
    lines = times_table(tmp_path / "times.json").splitlines()
    between = lines.index("")
    for table in (lines[:between], lines[between + 1 :]):
        assert len(table) == 2 + len(rows)
        assert len({line.count("|") for line in table}) == 1
    assert lines[-2].endswith("| 1,000 | 23,000 | - |")
    assert lines[-1].endswith("| 1 | 1.50 |")
