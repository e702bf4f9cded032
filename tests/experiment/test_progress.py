"""What a run tells on its way, and what it says comes next."""

import io
import shlex
import sys
import time
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from agents.experiment.board import tag  # noqa: E402
from agents.experiment.command_line import say_next  # noqa: E402
from agents.experiment.progress import Progress, duration  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]


class Terminal(io.StringIO):
    """A terminal."""

    def isatty(self):
        return True


def three_reports():
    with Progress("training catch", 300) as progress:
        for _ in range(3):
            progress.advance(100)
            progress.report("50.0% caught")


def test_in_a_file_every_report_is_a_line_and_there_is_no_bar(capsys):
    three_reports()
    out, err = capsys.readouterr()
    assert err == ""
    assert [line.split(",")[0] for line in out.splitlines()] == [
        f"{share}% training catch" for share in (" 33.3", " 66.7", "100.0")
    ]
    assert all("50.0% caught" in line for line in out.splitlines())
    assert out.endswith("0:00 left\n")


def test_a_minute_without_a_report_is_a_line_too(capsys, monkeypatch):
    seconds = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: seconds[0])
    told = {}
    with Progress("training slow", 300) as progress:
        for now in (59, 61, 62, 120, 122):
            seconds[0] = float(now)
            progress.advance(10)
            told[now] = capsys.readouterr().out
    assert [now for now, line in told.items() if line] == [61, 122]
    assert told[61] == "  6.7% training slow, 1:01: 14:14 left\n"


def test_how_long_it_takes_is_not_said_before_anything_is_done(capsys, monkeypatch):
    seconds = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: seconds[0])
    with Progress("training long", 300, done=30) as progress:
        for now, count in ((70, 0), (140, 30)):
            seconds[0] = float(now)
            progress.advance(count)
    assert capsys.readouterr().out.splitlines() == [
        " 10.0% training long, 1:10: 30 ep so far",
        " 20.0% training long, 2:20: 18:40 left",
    ]


def test_on_a_terminal_a_bar_says_what_is_done_and_what_was_found_last(monkeypatch):
    out, err = Terminal(), Terminal()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    three_reports()
    last = err.getvalue().rstrip("\n").split("\r")[-1]
    assert last.startswith("training catch: 100%")
    assert "300/300" in last
    assert "50.0% caught" in last
    assert out.getvalue() == ""


def test_durations_are_minutes_or_hours():
    assert [duration(seconds) for seconds in (0.2, 61, 3600 + 125)] == ["0:00", "1:01", "1:02:05"]


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("success", "train/success"),
        ("answer_loss", "loss/answer_loss"),
        ("loss", "loss/loss"),
        ("gaze_distance", "gaze/distance"),
        ("gaze_learning_rate", "train/gaze_learning_rate"),
        ("gaze_std", "gaze/std"),
        ("validation_gaze_distance", "eval/gaze_distance"),
        ("frames", "time/frames"),
    ],
)
def test_numbers_are_in_groups(name, group):
    assert tag(name) == group


def test_command_that_comes_next_can_be_copied(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    say_next({"validation": {}}, Path("runs/a b"), "watch_ram.py")
    line = next(line for line in capsys.readouterr().out.splitlines() if "watch" in line)
    python, script, *flags = shlex.split(line)
    assert python == "python"
    assert (tmp_path / script).resolve() == ROOT / "agents" / "watch_ram.py"
    assert flags == ["--checkpoint", "runs/a b"]
    with pytest.raises(KeyboardInterrupt):  # after Ctrl-C, which is not success
        say_next({}, Path("runs/a b"), "watch_ram.py")
    assert capsys.readouterr().out == ""
