"""The pictures: what is drawn where, and what never changes. No test needs a screen."""

import dataclasses
import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ram_envs.rendering import (
    BACKGROUND,
    OUTCOME_COLOURS,
    PATH_COLOUR,
    SCALE_COLOURS,
    View,
    draw_view,
    foveated,
    tile,
)


def view_of(height=16, width=16, channels=1, k=2, g=4, middle=(8, 8), **changes):
    """A View of a random scene, its glimpse cut, averaged and stacked as a retina would."""
    scene = np.random.default_rng(0).integers(0, 256, (height, width, channels), np.uint8)
    edge = g * 2 ** (k - 1)
    padded = np.pad(scene, ((edge, edge), (edge, edge), (0, 0))) / np.float32(255)
    squares, patches = [], []
    for s in range(k):
        side = g * 2**s
        x, y = middle[0] - side // 2, middle[1] - side // 2
        squares.append((x, y, x + side, y + side))
        patch = padded[y + edge : y + edge + side, x + edge : x + edge + side]
        patches.append(patch.reshape(g, 2**s, g, 2**s, channels).mean((1, 3)).transpose(2, 0, 1))
    view = View(
        scene=scene,
        squares=np.array(squares),
        fixations=np.array([(4.0, 12.0), middle]),
        glimpse=np.concatenate(patches).astype(np.float32),
    )
    return dataclasses.replace(view, **changes)


@pytest.fixture
def pygame():
    draw_view(view_of())  # imports it without its warnings
    return sys.modules["pygame"]


def count(frame, colour):
    return int((frame == colour).all(axis=-1).sum())


def test_foveated_is_exact_in_the_fovea():
    view = view_of()
    seen = foveated(view.glimpse, view.squares, (16, 16))
    np.testing.assert_array_equal(seen[6:10, 6:10], view.scene[6:10, 6:10])


def test_foveated_is_the_coarse_patch_around_the_fovea():
    view = view_of()
    seen = foveated(view.glimpse, view.squares, (16, 16))
    mean = view.scene[4:6, 4:6, 0].mean()
    np.testing.assert_array_equal(seen[4:6, 4:6, 0], np.rint(mean))


def test_foveated_is_black_outside_the_retina():
    view = view_of()
    seen = foveated(np.ones_like(view.glimpse), view.squares, (16, 16))
    assert (seen[4:12, 4:12] == 255).all()
    seen[4:12, 4:12] = 0
    assert not seen.any()


def test_foveated_cuts_patches_at_the_border():
    glimpse = np.arange(4, dtype=np.float32).reshape(1, 2, 2) / 255
    seen = foveated(glimpse, np.array([(-1, 2, 1, 4)]), (3, 4))
    np.testing.assert_array_equal(seen[..., 0], [[0, 0, 0, 0], [0, 0, 0, 0], [1, 0, 0, 0]])


def test_foveated_of_a_retina_beyond_the_scene_is_black():
    seen = foveated(np.ones((1, 2, 2), np.float32), np.array([(9, 9, 11, 11)]), (3, 4))
    assert seen.shape == (3, 4, 1)
    assert not seen.any()


def test_foveated_keeps_the_colours():
    view = view_of(channels=3)
    seen = foveated(view.glimpse, view.squares, (16, 16))
    np.testing.assert_array_equal(seen[6:10, 6:10], view.scene[6:10, 6:10])


@pytest.mark.parametrize(
    ("height", "width", "channels", "k", "g"),
    [(24, 24, 1, 3, 6), (28, 28, 1, 1, 8), (100, 100, 1, 4, 12), (64, 96, 3, 3, 8)],
)
@pytest.mark.parametrize("size", [256, 512])
def test_every_scale_and_the_path_are_drawn(height, width, channels, k, g, size):
    view = view_of(height, width, channels, k, g, middle=(width // 2, height // 2))
    frame = draw_view(view, size)
    assert frame.dtype == np.uint8
    assert frame.shape[0] == size
    assert frame.shape[1] % 16 == 0
    assert count(frame, PATH_COLOUR) > 20
    for colour in SCALE_COLOURS[:k]:
        assert count(frame, colour) > 40


def test_path_begins_with_a_disc_and_ends_in_a_ring():
    black = np.zeros((16, 16, 1), np.uint8)
    frame = draw_view(view_of(scene=black, fixations=np.array([(4.0, 12.0), (12.0, 4.0)])))
    x, y, zoom = 14, 14, 26  # 16 pixels in 420, centred
    first, last = (y + 12 * zoom, x + 4 * zoom), (y + 4 * zoom, x + 12 * zoom)
    np.testing.assert_array_equal(frame[first], PATH_COLOUR)
    np.testing.assert_array_equal(frame[last[0], last[1] + 9], PATH_COLOUR)
    assert tuple(frame[last[0], last[1] + 4]) != PATH_COLOUR


def test_scene_is_exact_in_the_retina_and_veiled_outside():
    white = np.full((16, 16, 1), 255, np.uint8)
    frame = draw_view(view_of(scene=white, fixations=np.zeros((0, 2))))
    inside, outside = frame[14 + 26 * 5, 14 + 26 * 5], frame[14 + 26 * 2, 14 + 26 * 2]
    np.testing.assert_array_equal(inside, 255)
    assert (outside < 160).all()


def test_shape_does_not_depend_on_caption_bars_or_outcome():
    plain = draw_view(view_of())
    full = view_of(
        caption=[(f"a long name {i}", "a value that is far too long") for i in range(9)],
        bars={"class": np.linspace(-1, 2, 50), "value": np.array([np.nan])},
        outcome=True,
    )
    assert draw_view(full).shape == plain.shape
    assert (draw_view(full) != plain).any()


@pytest.mark.parametrize("outcome", [True, False])
def test_outcome_colours_the_strip(outcome):
    assert count(draw_view(view_of(outcome=outcome))[444:], OUTCOME_COLOURS[outcome]) > 720
    assert count(draw_view(view_of())[444:], OUTCOME_COLOURS[outcome]) == 0


def test_outcome_is_told_by_a_sign_and_a_word_as_well():
    strips = [draw_view(view_of(outcome=outcome))[444:].min(axis=-1) > 200 for outcome in (True, False, None)]
    success, failure, going_on = strips  # where the light letters are
    assert (success != failure).sum() > 100
    assert not going_on.any()
    named = draw_view(view_of(outcome=True, verdict="caught"))[444:].min(axis=-1) > 200
    assert (named != success).any()


def test_of_words_only_the_likeliest_are_written_and_each_has_its_bar():
    probabilities = [0.05, 0.6, 0.05, 0.3, *[0.0] * 6]
    names = [f"a{chr(97 + i)}{chr(97 + i)}" for i in range(10)]
    shown = draw_view(view_of(bars={"answer": probabilities}, names={"answer": names}))
    assert count(shown[444:], PATH_COLOUR) > 100
    for place, seen in ((1, True), (3, True), (9, False)):
        others = [*names[:place], "zzz", *names[place + 1 :]]
        frame = draw_view(view_of(bars={"answer": probabilities}, names={"answer": others}))
        assert (frame != shown).any() == seen


def test_names_may_be_fewer_than_bars():
    draw_view(view_of(bars={"answer": [0.2, 0.3, 0.5]}, names={"answer": ["cat"]}))


def test_notebooks_show_a_picture_and_its_parts_as_numbers(pygame):
    for picture in (draw_view(view_of()), tile([draw_view(view_of())])):
        shown = pygame.image.load(io.BytesIO(picture._repr_png_()), "picture.png")
        np.testing.assert_array_equal(pygame.surfarray.array3d(shown).transpose(1, 0, 2), picture)
        assert picture[..., 0]._repr_png_() is None
        assert type(picture / 255) is np.ndarray
        assert isinstance(picture.mean(), float)


def test_longest_bar_has_the_path_colour():
    frame = draw_view(view_of(bars={"class": [0.2, 0.8]}))
    assert count(frame[444:], PATH_COLOUR) > 100
    assert count(draw_view(view_of())[444:], PATH_COLOUR) == 0


def test_drawing_changes_nothing_that_was_handed_in():
    view = view_of(bars={"value": np.array([0.5])}, caption=[("step", "1/6")])
    arrays = [view.scene, view.squares, view.fixations, view.glimpse, view.bars["value"]]
    before = [array.copy() for array in arrays]
    for array in arrays:
        array.setflags(write=False)
    first, second = draw_view(view), draw_view(view)
    np.testing.assert_array_equal(first, second)
    assert not np.shares_memory(first, second)
    for array, copy in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(array, copy)


def test_drawing_survives_pygame_quit(pygame):
    view = view_of(caption=[("step", "1/6")])
    before = draw_view(view)
    pygame.quit()
    np.testing.assert_array_equal(draw_view(view), before)
    draw_view(dataclasses.replace(view, caption=[("letters", "not drawn before")]))


def test_picture_below_256_pixels_is_refused():
    with pytest.raises(ValueError, match="256"):
        draw_view(view_of(), 100)


def test_tile_fills_row_by_row():
    frames = [np.full((2, 3, 3), i, np.uint8) for i in range(3)]
    grid = tile(frames)
    assert grid.shape == (4, 6, 3)
    assert grid.dtype == np.uint8
    np.testing.assert_array_equal(grid[::2, ::3, 0], [[0, 1], [2, BACKGROUND[0]]])


def test_tile_of_nothing_is_refused():
    with pytest.raises(ValueError, match="no frame"):
        tile([])


def test_import_does_not_import_pygame():
    code = "import sys, ram_envs.rendering; sys.exit('pygame' in sys.modules)"
    root = Path(__file__).resolve().parents[2]
    subprocess.run([sys.executable, "-c", code], check=True, cwd=root)
