"""The retina against a plain pad, crop and average, and its conventions by hand."""

import numpy as np
import pytest

from ram_envs.glimpse_sensor import GlimpseSensor, to_location, to_pixels

CORNERS = np.array([[-1, -1], [1, -1], [-1, 1], [1, 1]], float)
BORDERS = np.array([[-1, 0], [1, 0], [0, -1], [0, 1]], float)


def plain_glimpse(
    image: np.ndarray, location: np.ndarray, patch_size: int, num_scales: int, pooling: str = "mean"
) -> np.ndarray:
    """One glimpse of one image (H, W, C), as the definition says it: pad with zeros, cut out, average or add up."""
    height, width, channels = image.shape
    patches = []
    for scale in range(num_scales):
        pixel = 2**scale
        side = patch_size * pixel
        padded = np.pad(image.astype(float), ((side, side), (side, side), (0, 0)))
        x = int(np.rint((location[0] + 1) / 2 * width)) - side // 2 + side
        y = int(np.rint((location[1] + 1) / 2 * height)) - side // 2 + side
        crop = padded[y : y + side, x : x + side]
        blocks = crop.reshape(patch_size, pixel, patch_size, pixel, channels)
        pooled = blocks.mean(axis=(1, 3)) / 255 if pooling == "mean" else np.minimum(blocks.sum(axis=(1, 3)) / 255, 1)
        patches.append(pooled.transpose(2, 0, 1))
    return np.concatenate(patches)


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize("channels", [1, 2, 3])
@pytest.mark.parametrize("sides", [(28, 28), (27, 27), (9, 14), (15, 8), (1, 1)])
@pytest.mark.parametrize(("patch_size", "num_scales"), [(8, 1), (6, 3), (5, 2), (1, 4), (12, 3), (7, 1)])
@pytest.mark.parametrize("pooling", ["mean", "sum"])
def test_a_glimpse_is_a_padded_crop_averaged_or_added_up(
    pooling: str, patch_size: int, num_scales: int, sides: tuple[int, int], channels: int
) -> None:
    random = np.random.default_rng(1).uniform(-1, 1, (12, 2))
    locations = np.concatenate([CORNERS, BORDERS, [[0, 0]], random])
    images = noise(len(locations), *sides, channels)
    if pooling == "sum":
        images //= 16  # so that not all is clipped
    seen = GlimpseSensor(patch_size, num_scales, pooling)(images, locations)
    expected = [
        plain_glimpse(image, location, patch_size, num_scales, pooling)
        for image, location in zip(images, locations, strict=True)
    ]
    assert seen.dtype == np.float32
    np.testing.assert_allclose(seen, expected, rtol=1e-6, atol=1e-7)


def test_at_the_centre_the_finest_patch_is_the_middle_of_the_image() -> None:
    image = noise(1, 6, 6)
    np.testing.assert_array_equal(GlimpseSensor(2)(image, [[0, 0]])[0, 0], (image[0, 2:4, 2:4] / 255).astype("f4"))


def test_minus_one_minus_one_is_the_top_left_corner_and_x_comes_first() -> None:
    image = np.zeros((1, 4, 8), np.uint8)
    image[0, 0, 0], image[0, 0, -1] = 255, 51
    top_left = [[0, 0], [0, 1]]
    top_right = [[0, 0], [0.2, 0]]
    np.testing.assert_allclose(GlimpseSensor(2)(image, [[-1, -1]])[0, 0], top_left)
    np.testing.assert_allclose(GlimpseSensor(2)(image, [[1, -1]])[0, 0], top_right)


def test_beyond_the_border_there_is_zero() -> None:
    white = np.full((4, 5, 5), 255, np.uint8)
    seen = GlimpseSensor(4)(white, CORNERS)
    assert seen.sum(axis=(1, 2, 3)).tolist() == [4, 4, 4, 4]  # a quarter of each patch lies inside
    assert GlimpseSensor(4)(white[:1], [[-1, -1]])[0, 0].tolist() == [[0, 0, 0, 0]] * 2 + [[0, 0, 1, 1]] * 2


def test_a_coarser_pixel_is_the_mean_of_its_square() -> None:
    image = np.zeros((1, 4, 4), np.uint8)
    image[0, :2, :2] = [[0, 100], [50, 250]]
    seen = GlimpseSensor(2, 2)(image, [[0, 0]])[0]
    np.testing.assert_allclose(seen[1], [[400 / 4 / 255, 0], [0, 0]], rtol=1e-6)


def test_an_odd_patch_begins_half_its_width_rounded_down_before_the_centre() -> None:
    image = np.arange(25, dtype=np.uint8).reshape(1, 5, 5)
    seen = GlimpseSensor(3)(image, to_location(np.array([[2.0, 2.0]]), 5, 5))
    np.testing.assert_allclose(seen[0, 0], image[0, 1:4, 1:4] / 255, rtol=1e-6)


@pytest.mark.parametrize("sides", [(9, 14), (8, 8)])
@pytest.mark.parametrize(("patch_size", "num_scales"), [(4, 3), (5, 2)])
def test_footprints_are_the_squares_that_are_seen(patch_size: int, num_scales: int, sides: tuple[int, int]) -> None:
    sensor = GlimpseSensor(patch_size, num_scales)
    locations = np.concatenate([CORNERS, BORDERS, np.random.default_rng(2).uniform(-1, 1, (8, 2))])
    squares = sensor.footprints(locations, *sides)
    assert squares.shape == (len(locations), num_scales, 4)
    lit = np.eye(sides[0] * sides[1], dtype=np.uint8).reshape(-1, *sides) * 255  # image i: pixel i alone is lit
    for location, footprint in zip(locations, squares, strict=True):
        seen = sensor(lit, np.tile(location, (len(lit), 1)))  # (pixels, k, g, g)
        for scale, (x0, y0, x1, y1) in enumerate(footprint):
            inside = np.zeros(sides, bool)
            inside[max(y0, 0) : max(y1, 0), max(x0, 0) : max(x1, 0)] = True
            assert x1 - x0 == y1 - y0 == patch_size * 2**scale
            np.testing.assert_array_equal(seen[:, scale].any(axis=(1, 2)).reshape(sides), inside)


def test_sums_that_wrap_around_still_give_exact_means() -> None:
    images = noise(1, 40, 60, 1)
    sensor = GlimpseSensor(6, 3)
    tables = sensor.integrate(images)
    wrapped = tables + np.uint32(2**32 - 1000)  # as if there were much light above and to the left
    assert (wrapped < tables).any()
    locations = np.array([[0.3, -0.2]])
    np.testing.assert_array_equal(sensor.glimpse(wrapped, locations), sensor.glimpse(tables, locations))


def test_a_huge_white_image_does_not_overflow() -> None:
    white = np.full((1, 4200, 4200, 1), 255, np.uint8)  # sums to more than 2**32
    tables = GlimpseSensor.integrate(white)
    assert 4200 * 4200 * 255 > 2**32 > int(tables[0, -1, -1, 0])
    seen = GlimpseSensor(4, 3).glimpse(tables, np.array([[0.9, 0.9]]))
    np.testing.assert_allclose(seen, 1, rtol=1e-6)


def test_rows_say_which_image_each_location_looks_into() -> None:
    images, sensor = noise(3, 10, 10, 1), GlimpseSensor(4)
    locations, rows = np.array([[0.1, 0.2], [0.5, 0], [-1, 1]]), np.array([2, 0, 2])
    seen = sensor.glimpse(sensor.integrate(images), locations, rows)
    np.testing.assert_array_equal(seen, sensor(images[rows], locations))


def test_scales_come_before_channels_in_the_order_of_planes() -> None:
    image = np.zeros((1, 8, 8, 3), np.uint8)
    image[..., 1], image[..., 2] = 51, 255
    means = GlimpseSensor(2, 2)(image, [[0, 0]]).mean(axis=(0, 2, 3))
    np.testing.assert_allclose(means, [0, 0.2, 1] * 2, rtol=1e-6)
    assert GlimpseSensor(2, 2).glimpse_shape(3) == (6, 2, 2)
    assert GlimpseSensor(2, 2).glimpse_shape() == (2, 2, 2)


def test_pixels_and_locations_are_inverse_to_each_other() -> None:
    points = np.random.default_rng(3).uniform(0, 9, (5, 2))
    np.testing.assert_allclose(to_pixels(to_location(points, 7, 9), 7, 9), points)
    assert to_pixels(np.array([[-1, 1], [0, 0]]), 6, 10).tolist() == [[0, 6], [5, 3]]


def test_locations_and_points_of_half_precision_neither_lose_it_nor_overflow() -> None:
    values = np.random.default_rng(4).uniform(-40_000, 40_000, (20, 2)).astype(np.float16)
    for convert in (to_pixels, to_location):
        converted = convert(values, 77, 91)
        assert converted.dtype == np.float64
        np.testing.assert_array_equal(converted, convert(values.astype(np.float64), 77, 91))


@pytest.mark.parametrize("value", [0, -1, 2.0, "8", None, True])
def test_a_bad_patch_size_or_number_of_scales_is_named(value: object) -> None:
    with pytest.raises(ValueError, match=r"patch_size must be .* at least 1, got"):
        GlimpseSensor(value)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"num_scales must be .* at least 1, got"):
        GlimpseSensor(8, value)  # type: ignore[arg-type]


def test_scales_are_exact_up_to_the_twelfth_and_refused_beyond() -> None:
    white = np.full((1, 2048, 2048), 255, np.uint8)
    np.testing.assert_array_equal(GlimpseSensor(1, 12)(white, [[0, 0]]), np.ones((1, 12, 1, 1)))
    with pytest.raises(ValueError, match="num_scales must be at most 12"):
        GlimpseSensor(8, 13)


@pytest.mark.parametrize(
    "images", [np.zeros((1, 4, 4)), np.zeros((4, 4), np.uint8), np.zeros((1, 4, 4, 1, 1), np.uint8)]
)
def test_bad_images_are_named(images: np.ndarray) -> None:
    with pytest.raises(ValueError, match="images must be uint8"):
        GlimpseSensor(2)(images, [[0, 0]])


@pytest.mark.parametrize("location", [[np.nan, 0], [1.01, 0], [0, -np.inf], [None, 0]])
def test_locations_outside_are_named(location: list[object]) -> None:
    with pytest.raises(ValueError, match=r"^locations must be numbers in \[-1, 1\]\.$"):
        GlimpseSensor(2)(np.zeros((1, 4, 4), np.uint8), [location])


@pytest.mark.parametrize("locations", [[0, 0], [[0, 0, 0]], [[0, 0], [0, 0]]])
def test_locations_of_the_wrong_shape_are_named(locations: list[object]) -> None:
    with pytest.raises(ValueError, match=r"locations must have shape \(1, 2\)"):
        GlimpseSensor(2)(np.zeros((1, 4, 4), np.uint8), locations)


def test_images_with_their_channels_first_are_refused_with_the_transpose_to_do():
    first = np.zeros((2, 3, 32, 48), np.uint8)
    sensor = GlimpseSensor(4)
    with pytest.raises(ValueError, match=r"channels first: give images\.transpose\(0, 2, 3, 1\)"):
        sensor(first, np.zeros((2, 2)))
    assert sensor(first.transpose(0, 2, 3, 1), np.zeros((2, 2))).shape == (2, 3, 4, 4)


@pytest.mark.parametrize(("patch_size", "num_scales"), [(1, 1), (8, 3), (7, 4), (5, 1), (3, 9)])
@pytest.mark.parametrize("shape", [(40, 30, 3), (9, 11, 1), (1, 1, 2)])
def test_a_glimpse_without_tables_is_the_same(patch_size, num_scales, shape):
    sensor, random = GlimpseSensor(patch_size, num_scales), np.random.default_rng(0)
    images = random.integers(0, 256, (20, *shape), np.uint8)
    locations = np.concatenate([random.uniform(-1, 1, (16, 2)), [[-1, -1], [1, 1], [-1, 1], [0, 0]]])
    once = sensor.glimpse_once(list(images), locations)
    np.testing.assert_array_equal(once, sensor.glimpse(sensor.integrate(images), locations))
    assert once.dtype == np.float32


def test_a_single_lit_pixel_is_as_bright_at_every_scale_of_the_sum() -> None:
    image = np.zeros((1, 32, 32), np.uint8)
    image[0, 17, 13] = 200
    seen = {pooling: GlimpseSensor(4, 4, pooling)(image, [[0, 0]])[0] for pooling in ("mean", "sum")}
    np.testing.assert_allclose(seen["sum"].max(axis=(1, 2))[2:], [200 / 255] * 2, rtol=1e-6)
    np.testing.assert_allclose(seen["mean"].max(axis=(1, 2))[2:], [200 / 255 / 16, 200 / 255 / 64], rtol=1e-6)


def test_the_sum_is_at_most_one_and_exact_where_its_table_wraps_around() -> None:
    image = np.full((1, 4200, 4200), 255, np.uint8)  # sums beyond 2**32
    sensor = GlimpseSensor(2, 3, "sum")
    np.testing.assert_array_equal(sensor(image, [[1, 1]])[0], np.pad([[1.0]], (0, 1))[None].repeat(3, 0))


def test_an_unknown_pooling_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"pooling must be one of \['mean', 'sum'\], got 'max'"):
        GlimpseSensor(2, 1, "max")
