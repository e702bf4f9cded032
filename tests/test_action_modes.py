"""What every action mode means, and what it refuses."""

from typing import Any

import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector.utils import batch_space

from ram_envs.action_modes import ACTION_MODES, ActionMode, make_action_mode

CHOICES = {"answer": 3, "stop": 2}
NAN, INF = float("nan"), float("inf")


def mode(name: str, grid: int = 2) -> ActionMode:
    """Two choices beside the location; a "discrete" action is a cell or, from grid * grid on, nothing."""

    def meaning(numbers: np.ndarray, cells: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        return cells[numbers % len(cells)], {"answer": numbers // len(cells), "stop": numbers * 0}

    return make_action_mode(name, CHOICES, grid, (grid * grid * 3, meaning))


def plain(read: tuple[np.ndarray, dict[str, np.ndarray]]) -> tuple[list[Any], dict[str, list[Any]]]:
    locations, choices = read
    return locations.tolist(), {name: choice.tolist() for name, choice in choices.items()}


def test_spaces_are_those_of_the_documentation() -> None:
    assert mode("multidiscrete").space == spaces.MultiDiscrete([4, 3, 2])
    assert mode("dict").space == spaces.Dict(
        location=spaces.Box(-1, 1, (2,), np.float32), answer=spaces.Discrete(3), stop=spaces.Discrete(2)
    )
    assert mode("box").space == spaces.Box(-1, 1, (6,), np.float32)
    assert mode("discrete").space == spaces.Discrete(12)


def test_multidiscrete_is_a_cell_then_the_choices() -> None:
    read = mode("multidiscrete").read(np.array([[0, 2, 0], [1, 0, 1], [2, 1, 1], [3, 1, 0]]), 4)
    assert plain(read) == (
        [[-0.5, -0.5], [0.5, -0.5], [-0.5, 0.5], [0.5, 0.5]],  # row by row from the top left
        {"answer": [2, 0, 1, 1], "stop": [0, 1, 1, 0]},
    )


def test_a_grid_of_one_cell_is_the_centre_and_of_three_has_a_cell_there() -> None:
    assert plain(mode("multidiscrete", 1).read([[0, 0, 0]], 1))[0] == [[0, 0]]
    locations = mode("multidiscrete", 3).read([[cell, 0, 0] for cell in range(9)], 9)[0]
    np.testing.assert_allclose(locations[[0, 4, 5, 8]], [[-2 / 3, -2 / 3], [0, 0], [2 / 3, 0], [2 / 3, 2 / 3]])


def test_dict_is_taken_by_its_keys() -> None:
    actions = {
        "stop": np.array([1, 0]),
        "location": np.array([[0.25, -1], [0, 0.5]], np.float32),
        "answer": np.array([2, 0]),
    }
    assert plain(mode("dict").read(actions, 2)) == ([[0.25, -1], [0, 0.5]], {"answer": [2, 0], "stop": [1, 0]})


def test_box_takes_the_highest_score_and_stops_above_zero() -> None:
    actions = [[0.5, 0.25, -1, 0.5, 0, 0.1], [0, 0, 0, 0, 0, 0], [-1, 1, -0.3, -0.2, -0.1, -0.1]]
    assert plain(mode("box").read(actions, 3)) == (
        [[0.5, 0.25], [0, 0], [-1, 1]],
        {"answer": [1, 0, 2], "stop": [1, 0, 0]},
    )


def test_discrete_means_what_the_environment_says() -> None:
    assert plain(mode("discrete").read(np.array([1, 6]), 2)) == (
        [[0.5, -0.5], [-0.5, 0.5]],
        {"answer": [0, 1], "stop": [0, 0]},
    )


@pytest.mark.parametrize("lanes", [1, 2, 7])
@pytest.mark.parametrize("name", ACTION_MODES)
def test_every_member_of_the_batched_space_is_read_into_one_action_per_lane(name: str, lanes: int) -> None:
    action_mode = mode(name)
    space = batch_space(action_mode.space, lanes)
    space.seed(0)
    for _ in range(20):
        locations, choices = action_mode.read(space.sample(), lanes)
        assert locations.shape == (lanes, 2)
        assert (np.abs(locations) <= 1).all()
        assert list(choices) == list(CHOICES)
        for choice_name, choice in choices.items():
            assert choice.shape == (lanes,)
            assert np.issubdtype(choice.dtype, np.integer)
            assert ((choice >= 0) & (choice < CHOICES[choice_name])).all()


@pytest.mark.parametrize(
    ("name", "actions"),
    [
        ("multidiscrete", [[3, 2, 1]]),
        ("dict", {"location": [[0.5, 0.5]], "answer": [2], "stop": [1]}),
        ("box", [[0.5, 0.5, 0, 0, 1, 1]]),
    ],
)
def test_lists_are_accepted(name: str, actions: Any) -> None:
    assert plain(mode(name).read(actions, 1)) == ([[0.5, 0.5]], {"answer": [2], "stop": [1]})


def test_locations_beyond_the_border_are_moved_to_it() -> None:
    assert plain(mode("box").read([[-7, 1.5, 0, 0, 0, 0]], 1))[0] == [[-1, 1]]
    actions = {"location": [[1e30, -1.01]], "answer": [0], "stop": [0]}
    assert plain(mode("dict").read(actions, 1))[0] == [[1, -1]]


@pytest.mark.parametrize("bad", [NAN, INF, -INF])
def test_what_is_not_finite_is_refused(bad: float) -> None:
    with pytest.raises(ValueError, match=r"^action must be finite, got -?(nan|inf)"):
        mode("box").read([[0, 0, 0, bad, 0, 0]], 1)
    with pytest.raises(ValueError, match=r"^action\['location'\] must be finite, got -?(nan|inf)"):
        mode("dict").read({"location": [[0, bad]], "answer": [0], "stop": [0]}, 1)


@pytest.mark.parametrize(
    ("name", "actions"),
    [
        ("multidiscrete", [0, 0, 0]),
        ("multidiscrete", [[0, 0]]),
        ("multidiscrete", [[0, 0, 0], [0, 0, 0]]),
        ("box", [[0, 0]]),
        ("box", 0.5),
        ("discrete", [[0]]),
        ("discrete", [0, 0]),
        ("discrete", None),
        ("dict", {"location": [0, 0], "answer": [0], "stop": [0]}),
        ("dict", {"location": [[0, 0]], "answer": 0, "stop": [0]}),
        ("dict", {"location": [[0, 0]], "answer": [0], "stop": [[0]]}),
    ],
)
def test_a_wrong_shape_is_refused_with_the_one_that_is_right(name: str, actions: Any) -> None:
    with pytest.raises(ValueError, match=r"^action.* must have shape \(.*\) per lane and \(.*\) in all, got \(.*\)"):
        mode(name).read(actions, 1)


@pytest.mark.parametrize(
    ("name", "actions"),
    [
        ("multidiscrete", [[0, 0, 0], [0]]),
        ("box", [[0] * 6, [0]]),
        ("dict", {"location": [[0, 0], [0]], "answer": [0, 0], "stop": [0, 0]}),
    ],
)
def test_rows_of_different_lengths_are_refused_by_name(name: str, actions: Any) -> None:
    with pytest.raises(ValueError, match=r"^action"):
        mode(name).read(actions, 2)


@pytest.mark.parametrize(
    ("name", "actions"),
    [
        ("multidiscrete", [[4, 0, 0]]),
        ("multidiscrete", [[0, 3, 0]]),
        ("multidiscrete", [[0, 0, -1]]),
        ("discrete", [12]),
        ("discrete", [-1]),
        ("dict", {"location": [[0, 0]], "answer": [3], "stop": [0]}),
        ("dict", {"location": [[0, 0]], "answer": [0], "stop": [2]}),
    ],
)
def test_a_choice_out_of_range_is_refused_with_the_range(name: str, actions: Any) -> None:
    with pytest.raises(ValueError, match=r"^action.* must lie in 0 to .*, got \["):
        mode(name).read(actions, 1)


@pytest.mark.parametrize(
    ("name", "actions"),
    [
        ("multidiscrete", [[0.0, 0.0, 0.0]]),
        ("discrete", [1.0]),
        ("discrete", ["1"]),
        ("dict", {"location": [[0, 0]], "answer": [0.0], "stop": [0]}),
    ],
)
def test_a_choice_that_is_no_whole_number_is_refused(name: str, actions: Any) -> None:
    with pytest.raises(ValueError, match=r"^action.* must hold whole numbers, got dtype"):
        mode(name).read(actions, 1)


@pytest.mark.parametrize("location", [[["a", "b"]], [[1j, 0]], [[None, 0]]])
def test_a_location_that_is_no_number_is_refused(location: Any) -> None:
    with pytest.raises(ValueError, match=r"^action\['location'\] must hold real numbers, got dtype"):
        mode("dict").read({"location": location, "answer": [0], "stop": [0]}, 1)


@pytest.mark.parametrize(
    "actions",
    [
        {"location": [[0, 0]], "answer": [0]},
        {"location": [[0, 0]], "answer": [0], "stop": [0], "jump": [0]},
        {},
        [[0, 0, 0]],
        None,
    ],
)
def test_a_dict_without_the_right_keys_is_refused_with_those_keys(actions: Any) -> None:
    with pytest.raises(ValueError, match=r"action must be a dict with the keys \['location', 'answer', 'stop'\], got"):
        mode("dict").read(actions, 1)


def test_a_bool_may_stand_for_a_choice_of_two() -> None:
    actions = {"location": [[0, 0]], "answer": [0], "stop": [True]}
    assert plain(mode("dict").read(actions, 1))[1] == {"answer": [0], "stop": [1]}


def test_an_unknown_mode_is_named() -> None:
    with pytest.raises(ValueError, match=r"action_mode must be one of \[.*'box'.*\], got 'tuple'"):
        mode("tuple")


@pytest.mark.parametrize("grid", [0, -1, 2.0, True])
def test_a_bad_grid_is_named(grid: Any) -> None:
    with pytest.raises(ValueError, match="location_grid must be a whole number of at least 1, got"):
        make_action_mode("multidiscrete", CHOICES, grid, (1, lambda numbers, cells: (cells, {})))
