"""How long runs take on so many processors, by hand."""

import json

import pytest

pytest.importorskip("torch")

from agents.ram.presets import PRESETS
from agents.scaling.forecast import Costs, announced, expected_minutes, wall_minutes


def test_each_processor_takes_the_next_run_when_it_is_free():
    assert wall_minutes([4, 3, 2, 1], 1) == pytest.approx(10)
    assert wall_minutes([4, 3, 2, 1], 2) == pytest.approx(5)  # 4 and 1; 3 and 2
    assert wall_minutes([4, 3, 2, 1], 100) == pytest.approx(4)


def test_what_ray_costs_is_paid_by_each_run():
    costs = Costs(start=10, worker=5, next_run=1)
    assert 60 * wall_minutes([1, 1], 1, costs) == pytest.approx(10 + 5 + 2 * (1 + 60))
    assert 60 * wall_minutes([1, 1], 2, costs) == pytest.approx(10 + 5 + 1 + 60)


def test_the_driver_takes_one_report_at_a_time():
    costs = Costs(report=0.5, driver=0.2)
    assert 60 * wall_minutes([1], 1, costs, [3]) == pytest.approx(60 + 3 * 0.5)
    together = 60 * wall_minutes([1] * 10, 10, costs, [1] * 10)
    assert together == pytest.approx(60 + 10 * 0.2 + 0.3)  # the tenth waits for nine others


def test_runs_as_long_as_earlier_ones_of_their_preset_for_their_length(tmp_path):
    catch = PRESETS["catch"]
    for seed, minutes in ((1, 30.0), (2, 50.0)):
        kept = {"minutes": minutes, "config": catch.but(seed=seed).to_dict(), "machine": "cpu, 1 thread(s), x86_64"}
        (tmp_path / f"catch-seed{seed}.json").write_text(json.dumps(kept))
    assert expected_minutes("catch", catch, tmp_path) == pytest.approx(40)
    half = catch.but(run={"episodes": catch.run.episodes // 2})
    assert expected_minutes("catch", half, tmp_path) == pytest.approx(20, rel=1e-3)
    assert expected_minutes("mnist-6", PRESETS["mnist-6"], tmp_path) is None


@pytest.mark.parametrize(
    ("minutes", "processors", "said"),
    [
        ([60.0, 60.0, 60.0], 2, "3 runs, 2 at a time: about 2 hours by what earlier ones took."),
        ([60.0, None], 2, "2 runs, 2 at a time: about 60 minutes by what earlier ones took (1 of them without"),
        ([None], 8, "1 run, 8 at a time; no earlier result tells how long they take."),
    ],
)
def test_what_is_said_before_runs_begin(minutes, processors, said):
    assert announced(minutes, processors).startswith(said)
