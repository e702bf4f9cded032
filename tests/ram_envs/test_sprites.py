"""Scenes as lists of sprites: the glimpse of the sprites is the glimpse of the drawn canvas, to the last bit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ram_envs.glimpse_sensor import GlimpseSensor
from ram_envs.sprites import Sprites, SpriteTables, draw_canvases

SCENES = 3


def random_groups(rng, canvas, channels, covering, kinds=2):
    """Sprites of several sizes at random places, black pixels and equal ones among them; not all are there."""
    groups = []
    for kind in range(kinds + covering):
        height, width = rng.integers(1, np.array(canvas) + 1).clip(1, 9)
        pool = rng.choice(np.array([0, 0, 7, 7, 255], np.uint8), (4, height, width, channels))
        count = rng.integers(1, 7)
        which = rng.integers(0, 4, (SCENES, count))
        if kind < kinds:
            which[rng.random(which.shape) < 0.2] = -1
        room = np.array([canvas[1] - width, canvas[0] - height]) + 1
        corners = rng.integers(0, room, (SCENES, count, 2))
        groups.append(Sprites(pool, which, corners, covers=kind == kinds))
    return groups


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    canvas=st.tuples(st.integers(4, 40), st.integers(4, 40)),
    channels=st.sampled_from([1, 1, 3]),
    covering=st.booleans(),
    retina=st.tuples(st.integers(1, 6), st.integers(1, 5), st.sampled_from(["mean", "sum"])),
)
def test_the_glimpse_of_sprites_is_that_of_the_drawn_canvas(seed, canvas, channels, covering, retina):
    rng, sensor = np.random.default_rng(seed), GlimpseSensor(*retina)
    groups = random_groups(rng, canvas, channels, covering)
    drawn = draw_canvases(groups, canvas)
    tables = SpriteTables(SCENES + 2, groups, canvas)
    lanes = rng.permutation(SCENES + 2)[:SCENES]
    for _ in range(2):  # what was there before is gone
        tables.lay(lanes[::-1], groups)
        tables.lay(lanes, groups)
    np.testing.assert_array_equal(tables.canvases(lanes), drawn)
    looks = rng.integers(0, SCENES, 9)
    places = rng.uniform(-1, 1, (9, 2)).round(1)
    expected = sensor.glimpse(sensor.integrate(drawn), places, looks)
    np.testing.assert_array_equal(tables.glimpse(sensor, places, lanes[looks]), expected)


def test_lanes_that_get_no_scene_keep_theirs():
    rng, sensor = np.random.default_rng(0), GlimpseSensor(3, 3)
    groups = random_groups(rng, (20, 20), 1, True)
    tables = SpriteTables(SCENES, groups, (20, 20))
    tables.lay(np.arange(SCENES), groups)
    before = tables.canvases(np.array([0, 2]))
    tables.lay(np.array([1]), [Sprites(g.pool, g.which[:1], g.corners[:1], g.covers) for g in groups])
    np.testing.assert_array_equal(tables.canvases(np.array([0, 2])), before)
    np.testing.assert_array_equal(tables.canvases(np.array([1]))[0], before[0])
    for looks in (0, 5):
        seen = tables.glimpse(sensor, np.zeros((looks, 2)), np.zeros(looks, int))
        assert seen.shape == (looks, 3, 3, 3)


def test_where_nothing_is_touched_it_is_dark():
    groups = [Sprites(np.full((1, 2, 2, 1), 255, np.uint8), np.array([[0]]), np.array([[[0, 0]]]))]
    tables = SpriteTables(1, groups, (1000, 1000))
    tables.lay(np.array([0]), groups)
    sensor = GlimpseSensor(4, 2)
    assert not tables.glimpse(sensor, np.ones((1, 2)), np.array([0])).any()
    assert tables.glimpse(sensor, -np.ones((1, 2)), np.array([0]))[0, 0, 2:, 2:].min() == 1


@pytest.mark.parametrize("side", [100, 3000])
def test_tables_of_sprites_do_not_grow_with_the_canvas(side):
    groups = random_groups(np.random.default_rng(0), (30, 30), 1, True)
    assert SpriteTables(5, groups, (side, side)).entries.size == SpriteTables(5, groups, (30, 30)).entries.size
