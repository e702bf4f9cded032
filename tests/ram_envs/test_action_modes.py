"""What each action space means, and what it refuses."""

import numpy as np
import pytest
from gymnasium import spaces

from ram_envs.action_modes import make_action_mode

CHOICES = {"answer": 4, "stop": 2}


class CellOfTheRemainder:
    """Thirteen numbers, each an answer, at the cell that is left when whole grids are taken away."""

    def size(self, num_cells):
        return num_cells + 4

    def read(self, numbers, cells):
        return cells[numbers % len(cells)], {"answer": numbers, "stop": numbers}


def mode(name, grid=3, choices=CHOICES):
    return make_action_mode(name, choices, grid, CellOfTheRemainder())


def test_multidiscrete_counts_cells_row_by_row_from_the_top_left():
    found = mode("multidiscrete")
    assert found.space == spaces.MultiDiscrete([9, 4, 2])
    locations, choices = found.read(np.array([[0, 3, 0], [2, 1, 1], [4, 0, 0]]), 3)
    np.testing.assert_allclose(locations, [[-2 / 3, -2 / 3], [2 / 3, -2 / 3], [0, 0]])
    np.testing.assert_array_equal(choices["answer"], [3, 1, 0])
    np.testing.assert_array_equal(choices["stop"], [0, 1, 0])


def test_dict_takes_its_keys_as_they_are_and_lists_for_arrays():
    locations, choices = mode("dict").read({"location": [[0.5, -0.25]], "answer": [3], "stop": [True]}, 1)
    np.testing.assert_array_equal(locations, [[0.5, -0.25]])
    assert (choices["answer"][0], choices["stop"][0]) == (3, 1)


def test_box_takes_the_highest_score_and_stops_above_zero():
    found = mode("box")
    assert found.space.shape == (2 + 4 + 1,)
    actions = np.array([[0.1, 0.2, 0, 0.3, 0.9, 0, -0.5], [0, 0, 1, 0, 0, 0, 0.5]])
    locations, choices = found.read(actions, 2)
    np.testing.assert_allclose(locations, actions[:, :2])
    np.testing.assert_array_equal(choices["answer"], [2, 0])
    np.testing.assert_array_equal(choices["stop"], [0, 1])


def test_discrete_is_read_by_the_environment():
    locations, choices = mode("discrete").read(np.array([4]), 1)
    np.testing.assert_array_equal(locations, [[0, 0]])
    assert choices["answer"][0] == 4


@pytest.mark.parametrize("name", ["multidiscrete", "dict", "box"])
@pytest.mark.parametrize("chosen", [{"answer": 3, "stop": 1}, {"answer": 0, "stop": 0}, {"stop": 1}])
def test_what_is_written_is_read_again(name, chosen):
    found = mode(name)
    action = found.write((2 / 3, 0), chosen)
    assert action in found.space
    batch = {key: [value] for key, value in action.items()} if name == "dict" else [action]
    locations, choices = found.read(batch, 1)
    np.testing.assert_allclose(locations, [[2 / 3, 0]], rtol=1e-6)
    assert {key: value[0] for key, value in choices.items()} == {"answer": 0, **chosen}


def test_discrete_writes_the_number_whose_choices_agree_before_its_place():
    found = mode("discrete")
    assert found.write((0, 0), {"answer": 7}) == 7
    assert found.write((2 / 3, 2 / 3), {}) == 8


def test_location_beyond_the_border_is_moved_to_it():
    locations, _ = mode("dict").read({"location": [[7.0, -1.5]], "answer": [0], "stop": [0]}, 1)
    np.testing.assert_array_equal(locations, [[1, -1]])


def action(**changes):
    return {"location": [[0.0, 0.0]], "answer": [0], "stop": [0], **changes}


@pytest.mark.parametrize(
    ("name", "bad", "message"),
    [
        ("dict", action(location=[[np.nan, 0]]), "location.*finite"),
        ("dict", action(location=[[np.inf, 0]]), "location.*finite"),
        ("dict", action(location=[[0, 0, 0]]), "location.*shape"),
        ("dict", action(location=[["a", "b"]]), "location.*numbers"),
        ("dict", action(answer=[4]), "answer.*0 to 3"),
        ("dict", action(answer=[-1]), "answer.*0 to 3"),
        ("dict", action(answer=[1.0]), "answer.*whole"),
        ("dict", action(stop=[[0]]), "stop.*shape"),
        ("dict", {"location": [[0.0, 0.0]]}, "keys"),
        ("dict", [0, 0], "dict"),
        ("dict", action(other=[0]), "keys"),
        ("multidiscrete", [[9, 0, 0]], "action.*0 to"),
        ("multidiscrete", [[0, 0]], "shape"),
        ("multidiscrete", [[0.0, 0.0, 0.0]], "whole"),
        ("box", [[0.0] * 6], "shape"),
        ("box", [[np.nan] * 7], "finite"),
        ("discrete", [13], "0 to 12"),
    ],
)
def test_what_is_not_in_the_space_is_refused_by_name(name, bad, message):
    with pytest.raises(ValueError, match=message):
        mode(name).read(bad, 1)


@pytest.mark.parametrize(
    "arguments", [{"name": "continuous"}, {"name": "dict", "grid": 0}, {"name": "dict", "grid": 2.5}]
)
def test_unknown_mode_and_empty_grid_are_refused_by_name(arguments):
    with pytest.raises(ValueError, match=r"action_mode|location_grid"):
        mode(**arguments)


CONTROL_SPACE = spaces.Box(np.array([[0, -2], [-1, 5]], np.float32), np.array([[1, 2], [1, 9]], np.float32))


@pytest.mark.parametrize("choices", [{}, {"move": 3, "fire": 2}])
@pytest.mark.parametrize("name", ["dict", "box"])
def test_a_control_is_read_within_its_bounds_and_written_as_it_was_chosen(name, choices):
    mode = make_action_mode(name, choices, grid=3, control=CONTROL_SPACE)
    chosen = {"control": [[0.5, -7], [0, 6]], **dict.fromkeys(choices, 1)}
    action = mode.write((0.25, -0.5), chosen)
    assert action in mode.space
    given = {key: [value] for key, value in action.items()} if name == "dict" else [action]
    locations, found = mode.read(given, 1)
    assert locations.tolist() == [[0.25, -0.5]]
    assert found["control"].tolist() == [[[0.5, -2], [0, 6]]]
    assert [found[choice].tolist() for choice in choices] == [[1]] * len(choices)
    rest = mode.read(
        {k: [v] for k, v in mode.write((0, 0), {}).items()} if name == "dict" else [mode.write((0, 0), {})], 1
    )
    assert rest[1]["control"].tolist() == [[[0, 0], [0, 5]]]  # what comes nearest to none


@pytest.mark.parametrize("wrong", [[[[0, 0], [0, np.nan]]], [[0, 0, 0, 6]], [[["a", "b"], ["c", "d"]]]])
def test_a_control_of_another_shape_or_kind_is_named(wrong):
    mode = make_action_mode("dict", {}, grid=3, control=CONTROL_SPACE)
    with pytest.raises(ValueError, match=r"action\['control'\] must"):
        mode.read({"location": [[0, 0]], "control": wrong}, 1)


def test_a_control_has_no_place_in_the_discrete_modes():
    for name in ("multidiscrete", "discrete"):
        with pytest.raises(
            ValueError, match='action_mode must be "dict" or "box" where a world is controlled by a Box'
        ):
            make_action_mode(name, {}, grid=3, control=CONTROL_SPACE)
