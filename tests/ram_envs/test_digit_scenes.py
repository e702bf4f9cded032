"""Scenes from draws written by hand and from many random ones."""

import numpy as np
import pytest

from ram_envs.digit_scenes import SceneRecipe, clutter_corners, distort, draw_scenes

LAST = np.nextafter(1, 0)  # the greatest draw that there can be


def flat(*values: int, height: int = 4, width: int = 4, channels: int = 1) -> np.ndarray:
    """Digits (M, height, width, channels) of one brightness each."""
    return np.tile(np.array(values, np.uint8)[:, None, None, None], (1, height, width, channels))


def random_draws(count: int, recipe: SceneRecipe, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((count, recipe.num_draws))


def test_a_scene_of_the_digits_own_size_is_the_digit() -> None:
    digits = np.arange(2 * 3 * 5, dtype=np.uint8).reshape(2, 3, 5, 1)
    recipe = SceneRecipe((3, 5))
    scenes, centers = draw_scenes(digits, np.array([1, 0, 1]), random_draws(3, recipe), recipe)
    np.testing.assert_array_equal(scenes, digits[[1, 0, 1]])
    assert centers.tolist() == [[2.5, 1.5]] * 3


def test_a_digit_reaches_every_place_of_the_canvas_and_no_other() -> None:
    recipe = SceneRecipe((5, 6))
    ticks = np.append(np.linspace(0, 1, 50, endpoint=False), LAST)
    draws = np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2)
    scenes, centers = draw_scenes(flat(9, height=2, width=3), np.zeros(len(draws), int), draws, recipe)
    places = {tuple(np.argwhere(scene[..., 0])[0]) for scene in scenes}
    assert places == {(top, left) for top in range(4) for left in range(4)}
    assert (scenes == 9).sum(axis=(1, 2, 3)).tolist() == [6] * len(draws)  # never cut off
    assert {tuple(center) for center in centers} == {(left + 1.5, top + 1) for top in range(4) for left in range(4)}


def test_a_digit_that_may_hang_over_is_moved_about_and_cut_off_at_the_border() -> None:
    recipe = SceneRecipe((3, 3), overhang=1)
    digit = np.arange(1, 10, dtype=np.uint8).reshape(1, 3, 3, 1)
    ticks = [0, 0.5, LAST]  # up to the left, in its place, down to the right
    scenes, centers = draw_scenes(digit, np.zeros(3, int), np.array([[t, t] for t in ticks]), recipe)
    assert scenes[..., 0].tolist() == [
        [[5, 6, 0], [8, 9, 0], [0, 0, 0]],
        [[1, 2, 3], [4, 5, 6], [7, 8, 9]],
        [[0, 0, 0], [0, 1, 2], [0, 4, 5]],
    ]
    assert centers.tolist() == [[0.5, 0.5], [1.5, 1.5], [2.5, 2.5]]


@pytest.mark.parametrize(
    ("draws", "top", "bottom"),
    [
        ([0.5, 0.5, 0.5, 0.5], [0, 8, 0, 0], [4, 0, 0, 0]),  # as it is
        ([0.5, 0.5, 0.5, 0], [6, 6, 2, 0], [1, 0, 0, 0]),  # twice as wide
        ([0.5, 0.5, 0.5, 1], [0, 6, 0, 0], [1, 1, 0, 0]),  # narrower: what is beyond the border is dark
        ([0, 0.5, 0.5, 0.5], [0, 2, 0, 0], [1, 0, 0, 0]),  # twice as high
        ([0.5, 0.5, 1, 0.5], [0, 2, 6, 0], [1, 0, 0, 0]),  # slanted
    ],
)
def test_a_digit_is_distorted_about_its_middle(draws: list[float], top: list[int], bottom: list[int]) -> None:
    image = np.zeros((1, 4, 4, 1), np.uint8)
    image[0, 0, 1], image[0, 3, 0] = 8, 4
    found = distort(image, np.array([draws]), 0.5)[0, ..., 0]
    assert found.tolist() == [top, [0] * 4, [0] * 4, bottom]


def test_distortion_changes_the_digit_and_neither_its_place_nor_the_clutter() -> None:
    plain, distorted = (SceneRecipe((12, 12), clutter_pieces=1, clutter_size=2, distortion=d) for d in (0, 0.3))
    digits, draws = flat(9, 5), random_draws(50, distorted)
    indices = np.zeros(50, int)
    before, places = draw_scenes(digits, indices, draws[:, : plain.num_draws], plain)
    after, same_places = draw_scenes(digits, indices, draws, distorted)
    np.testing.assert_array_equal(places, same_places)
    assert (before != after).any(axis=(1, 2, 3)).mean() > 0.5
    np.testing.assert_array_equal(clutter_corners(draws, distorted), clutter_corners(draws, plain))


def test_every_place_is_equally_likely() -> None:
    recipe = SceneRecipe((4, 4))
    _, centers = draw_scenes(flat(9, height=2, width=2), np.zeros(9000, int), random_draws(9000, recipe), recipe)
    _, counts = np.unique(centers, axis=0, return_counts=True)
    assert len(counts) == 9
    assert counts.min() > 850
    assert counts.max() < 1150


def test_corners_tell_where_the_clutter_lies() -> None:
    recipe = SceneRecipe((9, 8), clutter_pieces=2, clutter_size=2)
    draws = random_draws(50, recipe)
    scenes, _ = draw_scenes(flat(0, 5), np.zeros(50, int), draws, recipe)  # clutter is cut from the other digit
    lit = np.zeros_like(scenes)
    for scene, corners in zip(lit, clutter_corners(draws, recipe), strict=True):
        for x, y in corners:
            scene[y : y + 2, x : x + 2] = 5
    np.testing.assert_array_equal(scenes, lit)


def test_the_center_is_the_middle_of_the_digit() -> None:
    recipe = SceneRecipe((12, 9))
    scenes, centers = draw_scenes(flat(7, height=4, width=3), np.zeros(50, int), random_draws(50, recipe), recipe)
    for scene, (x, y) in zip(scenes[..., 0], centers, strict=True):
        rows, columns = np.nonzero(scene)
        assert (x, y) == (columns.mean() + 0.5, rows.mean() + 0.5)


@pytest.mark.parametrize("own", [0, 1, 2, 3])
def test_clutter_is_never_cut_from_the_scenes_own_digit(own: int) -> None:
    digits = flat(*(200 if number == own else 0 for number in range(4)))  # every other digit is dark
    recipe = SceneRecipe((16, 16), clutter_pieces=6, clutter_size=2)
    scenes, _ = draw_scenes(digits, np.full(500, own), random_draws(500, recipe), recipe)
    assert ((scenes == 200).sum(axis=(1, 2, 3)) == 16).all()  # the digit and nothing more


def test_clutter_is_cut_from_every_other_digit() -> None:
    recipe = SceneRecipe((30, 30), clutter_pieces=3, clutter_size=2)
    scenes, _ = draw_scenes(flat(10, 20, 30, 40), np.full(100, 2), random_draws(100, recipe), recipe)
    assert set(np.unique(scenes)) == {0, 10, 20, 30, 40}


def test_clutter_is_cut_from_every_place_of_a_digit_and_put_at_every_place_of_the_canvas() -> None:
    other = np.arange(1, 17, dtype=np.uint8).reshape(1, 4, 4, 1)  # the pixel says where it was
    digits = np.concatenate([flat(0), other])
    recipe = SceneRecipe((5, 6), clutter_pieces=1, clutter_size=3)
    scenes, _ = draw_scenes(digits, np.zeros(2000, int), random_draws(2000, recipe), recipe)
    corners = {
        (scene.ravel()[scene.ravel() > 0][0], *np.argwhere(scene[..., 0])[0]) for scene in scenes
    }  # from where, to which row and column
    assert corners == {(source, row, column) for source in (1, 2, 5, 6) for row in range(3) for column in range(4)}


def test_where_clutter_and_digit_overlap_the_brighter_pixel_wins() -> None:
    recipe = SceneRecipe((4, 5), clutter_pieces=1, clutter_size=2)
    draws = np.array([[0, 0, 0, 0, 0, 0.5, LAST]])  # digit at the left, its piece at row 1, columns 3 and 4
    bright, _ = draw_scenes(flat(100, 200), np.array([0]), draws, recipe)
    dark, _ = draw_scenes(flat(200, 100), np.array([0]), draws, recipe)
    assert bright[0, ..., 0].tolist() == [
        [100, 100, 100, 100, 0],
        [100, 100, 100, 200, 200],
        [100, 100, 100, 200, 200],
        [100, 100, 100, 100, 0],
    ]
    assert dark[0, ..., 0].tolist() == [
        [200, 200, 200, 200, 0],
        [200, 200, 200, 200, 100],
        [200, 200, 200, 200, 100],
        [200, 200, 200, 200, 0],
    ]


def test_where_pieces_overlap_the_brighter_pixel_wins_whatever_their_order() -> None:
    recipe = SceneRecipe((4, 4), clutter_pieces=2, clutter_size=2)
    first, second = [0, 0, 0, 0, 0], [LAST, 0, 0, 0, 0]  # of digit 1 and of digit 2, both to the top left corner
    for pieces in (first + second, second + first):
        scenes, _ = draw_scenes(flat(0, 50, 60), np.array([0]), np.array([[0, 0, *pieces]]), recipe)
        assert (scenes[0, :2, :2] == 60).all()


def test_without_digits_light_a_scene_shows_just_its_number_of_pieces() -> None:
    recipe = SceneRecipe((100, 100), clutter_pieces=8, clutter_size=8)
    digits = flat(0, 255, height=28, width=28)
    scenes, _ = draw_scenes(digits, np.zeros(200, int), random_draws(200, recipe), recipe)
    lit = (scenes > 0).sum(axis=(1, 2, 3))
    assert lit.max() == 8 * 64
    assert lit.min() > 4 * 64


def test_a_scene_is_a_function_of_its_digit_and_its_draws_alone() -> None:
    digits = np.random.default_rng(0).integers(0, 256, (10, 6, 6, 3), dtype=np.uint8)
    recipe = SceneRecipe((15, 13), clutter_pieces=4, clutter_size=3)
    indices, draws = np.arange(10), random_draws(10, recipe)
    kept_digits, kept_draws = digits.copy(), draws.copy()
    scenes, centers = draw_scenes(digits, indices, draws, recipe)
    again, _ = draw_scenes(digits, indices[::-1], draws[::-1], recipe)
    np.testing.assert_array_equal(scenes, again[::-1])
    for row in range(10):  # alone or among others
        alone, center = draw_scenes(digits, indices[[row]], draws[[row]], recipe)
        np.testing.assert_array_equal(alone[0], scenes[row])
        np.testing.assert_array_equal(center[0], centers[row])
    np.testing.assert_array_equal(digits, kept_digits)
    np.testing.assert_array_equal(draws, kept_draws)


def test_scenes_share_no_memory_with_the_digits() -> None:
    digits, recipe = flat(1, 2), SceneRecipe((4, 4))
    scenes, _ = draw_scenes(digits, np.array([0]), random_draws(1, recipe), recipe)
    assert not np.shares_memory(scenes, digits)


@pytest.mark.parametrize("draw", [0.0, LAST])
def test_the_least_and_the_greatest_draw_stay_inside(draw: float) -> None:
    recipe = SceneRecipe((9, 7), clutter_pieces=3, clutter_size=4)
    scenes, _ = draw_scenes(flat(5, 6, 7), np.array([1]), np.full((1, recipe.num_draws), draw), recipe)
    assert scenes.shape == (1, 9, 7, 1)
