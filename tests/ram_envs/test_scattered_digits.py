"""Several digits on a canvas: where they lie, which they are, what is laid over them."""

import numpy as np
import pytest

from ram_envs.scattered_digits import MARK_SIZE, NUM_MARKS, Scatterer, ScatterRecipe, make_marks, place_apart
from ram_envs.sprites import Sprites, draw_canvases

LABELS = np.arange(40) % 4
DIGITS = np.full((40, 5, 6, 1), 9, np.uint8) + LABELS[:, None, None, None].astype(np.uint8)


def scatter(count=200, seed=0, labels=LABELS, **kwargs):
    recipe = ScatterRecipe(**{"canvas": (30, 40), **kwargs})
    return Scatterer(DIGITS, labels, recipe).draw(np.random.default_rng(seed).random((count, recipe.num_draws)))


@pytest.mark.parametrize("canvas", [(30, 40), (15, 12), (10, 18)])
@pytest.mark.parametrize("digits", [(2, 2), (1, 5)])
def test_no_two_digits_overlap_and_all_lie_on_the_canvas_however_tight_it_is(canvas, digits):
    found = scatter(canvas=canvas, digits=digits)
    for scene, canvas_drawn in zip(range(200), draw_canvases(found.sprites, canvas), strict=True):
        assert (canvas_drawn > 0).sum() == 30 * found.counts[scene]
    assert set(found.counts) == set(range(digits[0], digits[1] + 1))


def test_two_digits_are_at_every_pair_of_free_places_about_as_often():
    draws = np.random.default_rng(0).random((20_000, 2, 16, 2))
    corners = place_apart(draws, np.ones((20_000, 2), bool), (2, 2), (3, 4))
    pairs, counts = np.unique(corners.reshape(-1, 4), axis=0, return_counts=True)
    assert len(pairs) == sum(abs(a - b) >= 2 for a in range(3) for b in range(3)) * 2 * 2  # only beside each other
    assert counts.min() > 0.9 * counts.max()


def test_digits_are_named_from_left_to_right_and_their_middles_begin_again_where_there_are_fewer():
    found = scatter(digits=(1, 4))
    for scene in range(50):
        count = found.counts[scene]
        x = found.middles[scene, :count, 0]
        assert (np.diff(x) >= 0).all()
        assert (found.labels[scene, count:] == -1).all()
        assert (found.labels[scene, :count] >= 0).all()
        np.testing.assert_array_equal(
            found.middles[scene, count:], np.resize(found.middles[scene, :count], (4, 2))[count:]
        )


def test_the_middle_is_where_the_digit_of_that_class_is():
    found = scatter(digits=(3, 3))
    scenes = draw_canvases(found.sprites, (30, 40))[..., 0]
    for scene, labels, middles in zip(scenes, found.labels, found.middles, strict=True):
        for label, (x, y) in zip(labels, middles, strict=True):
            assert (scene[int(y - 2.5) : int(y + 2.5), int(x - 3) : int(x + 3)] == 9 + label).all()


@pytest.mark.parametrize("digits", [3, 5, 6])
def test_a_majority_is_of_one_class_each_as_often_and_the_others_are_of_others(digits):
    found = scatter(4000, digits=(digits, digits), majority=True, labels=np.sort(LABELS**2))
    counts = (found.labels[:, :, None] == np.array([0, 1, 4, 9])).sum(1)
    assert (counts.max(1) == digits // 2 + 1).all()
    assert np.bincount(counts.argmax(1)).min() > 900


def test_any_digit_of_the_split_may_be_shown():
    assert len(np.unique(scatter(digits=(2, 2)).sprites[0].which)) == 40
    assert len(np.unique(scatter(2000, digits=(3, 3), majority=True).sprites[0].which)) == 40


def test_scenes_depend_on_their_own_draws_alone():
    recipe = ScatterRecipe((12, 15), (1, 4), clutter_pieces=2, clutter_size=3)
    scatterer, draws = Scatterer(DIGITS, LABELS, recipe), np.random.default_rng(0).random((60, recipe.num_draws))
    together = draw_canvases(scatterer.draw(draws).sprites, (12, 15))
    for scene, row in zip(together, draws, strict=True):
        np.testing.assert_array_equal(draw_canvases(scatterer.draw(row[None]).sprites, (12, 15))[0], scene)


def test_marks_are_fifty_crosses_of_bright_lines_with_a_margin_around_them():
    marks = make_marks()
    assert marks.shape == (NUM_MARKS, MARK_SIZE, MARK_SIZE, 1)
    lit = marks[marks > 0]
    assert 204 <= lit.min() < lit.max() <= 255
    assert 28 < (marks > 0).sum((1, 2, 3)).mean() < 80
    laid = scatter(canvas=(90, 100), marks=7).sprites[-1]
    assert laid.corners.min() == 28
    assert (laid.corners.max((0, 1)) <= [100 - 57, 90 - 57]).all()


def test_marks_hide_what_is_below_them_and_of_digits_the_brighter_pixel_is_seen():
    pool = np.array([[[0, 50], [60, 0]], [[9, 9], [70, 9]]], np.uint8)[..., None]
    here = np.zeros((1, 1, 2), int)
    below, above, none = (Sprites(pool, np.array([[which]]), here) for which in (1, 0, -1))
    np.testing.assert_array_equal(draw_canvases([below, above], (2, 2))[0, ..., 0], [[9, 50], [70, 9]])
    hiding = Sprites(pool, np.array([[0, -1]]), here.repeat(2, 1), covers=True)
    np.testing.assert_array_equal(draw_canvases([below, hiding], (2, 2))[0], pool[0])
    assert not draw_canvases([none], (2, 2)).any()


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"canvas": (9, 11)}, "canvas_size"),
        ({"digits": (2, 50)}, "canvas_size"),
        ({"clutter_pieces": 1, "clutter_size": 6}, "clutter_size"),
        ({"marks": 1}, "canvas_size"),
        ({"majority": True, "labels": np.zeros(40, int)}, "labels"),
    ],
)
def test_a_recipe_that_cannot_be_is_refused_by_name(kwargs, message):
    with pytest.raises(ValueError, match=message):
        scatter(**kwargs)
