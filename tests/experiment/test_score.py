"""The record of a score: of successes, or where a world tells of none, of returns."""

import numpy as np
import pytest

from agents.experiment.score import Score


def test_successes_make_an_error_in_percent():
    score = Score.of(np.array([True, True, False, True]), np.array([2, 2, 4, 4]))
    assert score.figure() == {"error_percent": 25.0}
    assert str(score) == "error 25.00 % +- 21.65, 3.00 glimpses"
    assert "mean_return" not in score.to_dict()


def test_returns_make_a_mean_and_no_error():
    score = Score.of_returns(np.array([1.0, -1.0, 3.0, 1.0]), np.array([2, 2, 4, 4]))
    assert score.figure() == {"mean_return": 1.0}
    assert score.standard_error == pytest.approx(np.sqrt(2) / 2)
    assert str(score) == "return 1 +- 0.71, 3.00 glimpses"
    assert not {"success", "error_percent"} & score.to_dict().keys()


def test_returns_that_are_far_from_0_are_told_apart():
    score = Score.of_returns(np.array([4e6, 4e6 + 1], np.float32), np.array([1, 1]))
    assert score.mean_return == 4_000_000.5
    assert score.standard_error == pytest.approx(0.5 / np.sqrt(2))
