"""GlimpseImages: a folder of images of different sizes behind the retina, and the capabilities of such an environment."""

import copy
import json
import os
import pickle
import tracemalloc

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode, SyncVectorEnv

Image = pytest.importorskip("PIL.Image")

from ram_envs import OWN_IMAGES, glimpse_images  # noqa: E402
from ram_envs.action_modes import ACTION_MODES  # noqa: E402
from ram_envs.command_line import main  # noqa: E402
from ram_envs.glimpse_images import TableCache, scales_to_cover, tables_within  # noqa: E402
from ram_envs.glimpse_sensor import GlimpseSensor  # noqa: E402
from ram_envs.image_folder import Reading  # noqa: E402

SIZES = [(40, 30), (24, 60), (33, 33), (90, 20)]  # width, height
LOOK = {"answer": 0, "stop": 0}


def noise(seed, size):
    return np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Three classes of eight images in four sizes, as PNG, so that no pixel changes."""
    folder = tmp_path_factory.mktemp("all") / "my photos=1"
    for label, name in enumerate(["cat", "dog", "hen"]):
        (folder / name).mkdir(parents=True)
        for number in range(8):
            pixels = noise(8 * label + number, SIZES[number % 4])
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return folder


def make(photos, **kwargs):
    return gym.make(OWN_IMAGES, images=str(photos), **kwargs)


def make_vec(photos, num_envs=3, **kwargs):
    return gym.make_vec(OWN_IMAGES, num_envs=num_envs, images=str(photos), **kwargs)


def equal(one, other):
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, np.ndarray) and one.dtype == object:
        return all(a is b is None or equal(a, b) for a, b in zip(one, other, strict=True))
    return np.array_equal(one, other)


@pytest.mark.parametrize("action_mode", ACTION_MODES)
@pytest.mark.parametrize("obs_mode", ["dict", "flat"])
@pytest.mark.filterwarnings("ignore:.*not symmetric|.*normalized")  # about a Box that may be any
def test_gymnasiums_checker_is_content(photos, action_mode, obs_mode):
    env = make(photos, action_mode=action_mode, obs_mode=obs_mode, render_mode="rgb_array")
    check_env(env.unwrapped)


def test_stable_baselines3s_checker_is_content(photos):
    checker = pytest.importorskip("stable_baselines3.common.env_checker")
    checker.check_env(make(photos, obs_mode="flat").unwrapped)


@pytest.mark.parametrize("mode", list(AutoresetMode)[:2])
@pytest.mark.parametrize("cache_megabytes", [0, 100])
def test_vector_environment_is_gymnasiums_vector_of_single_ones(photos, mode, cache_megabytes):
    kwargs = {"action_mode": "discrete", "location_grid": 3, "cache_megabytes": cache_megabytes}
    native = make_vec(photos, autoreset_mode=mode, **kwargs)
    single = SyncVectorEnv([lambda: make(photos, **kwargs)] * 3, autoreset_mode=mode)
    native.action_space.seed(0)
    assert all(map(equal, native.reset(seed=1), single.reset(seed=1)))
    for _ in range(30):
        actions = native.action_space.sample()
        assert all(map(equal, native.step(actions), single.step(actions)))


def test_each_image_is_whole_at_its_own_size_and_locations_are_relative_to_it(photos):
    env = make(photos, action_mode="dict", num_scales=2, patch_size=8)
    lane, sensor = env.unwrapped.lane, GlimpseSensor(8, 2)
    seen = set()
    for index in range(env.unwrapped.num_images):
        path, size = lane.files.paths[index], lane.files.sizes[index]
        with Image.open(path) as image:
            whole = np.asarray(image)
        assert whole.shape[:2] == tuple(size)
        np.testing.assert_array_equal(lane.image(index), whole)
        first, info = env.reset(seed=0, options={"index": index})
        assert lane.class_names[info["label"]] == path.parent.name
        assert first["location"].tolist() == [0, 0]
        observation = env.step({"location": [0.5, -0.75], **LOOK})[0]
        np.testing.assert_array_equal(observation["glimpse"], sensor(whole[None], [[0.5, -0.75]])[0])
        seen.add(whole.shape)
    assert len(seen) == 4


def test_what_it_can_do_is_said_right(photos):
    single, envs = make(photos).unwrapped, make_vec(photos).unwrapped
    names = ["splits", "num_images", "tells_label", "max_glimpses", "lane_bytes", "screen_changes", "glimpse_after_end"]
    assert [getattr(single, name) for name in names] == [getattr(envs, name) for name in names]
    assert single.splits == ("train", "validation", "test")
    assert (single.tells_label, single.max_glimpses, single.screen_changes) == (True, 8, False)
    assert [make(photos, split=split).unwrapped.num_images for split in single.splits] == [18, 3, 3]
    assert not make(photos, privileged_info=False).unwrapped.tells_label
    assert single.class_names == ("cat", "dog", "hen")
    assert single.lane.sensor.widths[-1] >= 90 > single.lane.sensor.widths[-2]  # the coarsest covers them all
    assert make(photos, split="test").unwrapped.lane.sensor.num_scales == single.lane.sensor.num_scales
    with pytest.raises(ValueError, match="index"):
        single.reset(options={"index": 18})


@pytest.mark.parametrize(
    ("side", "patch", "scales"), [(16, 16, 1), (17, 16, 2), (32, 16, 2), (600, 16, 7), (4000, 16, 9), (3, 8, 1)]
)
def test_scales_are_as_many_as_cover_the_image(side, patch, scales):
    assert scales_to_cover(side, patch) == scales
    assert patch * 2 ** (scales - 1) >= side


@pytest.mark.filterwarnings("ignore:.*has one class")
def test_a_picture_wider_than_scales_can_be_has_as_many_as_there_can_be(tmp_path):
    for number in range(3):
        (tmp_path / "wide").mkdir(exist_ok=True)
        Image.new("L", (20_000, 2)).save(tmp_path / "wide" / f"{number}.png")
    assert make(tmp_path, patch_size=4).observation_space["glimpse"].shape == (3 * 12, 4, 4)


@pytest.mark.filterwarnings("ignore:.*has one class")
def test_lanes_take_no_more_bytes_than_they_say(tmp_path):
    for number in range(40):
        (tmp_path / "cat").mkdir(exist_ok=True)
        Image.fromarray(noise(number, (200, 150))).save(tmp_path / "cat" / f"{number}.png")
    lanes = 20
    tables_within.cache_clear()
    make_vec(tmp_path, 1, cache_megabytes=99).close()
    tracemalloc.start()
    try:
        envs = make_vec(tmp_path, lanes, cache_megabytes=99)
        envs.reset(seed=0, options={"index": np.arange(lanes)})
        for _ in range(5):
            envs.step(envs.action_space.sample())
        peak = tracemalloc.get_traced_memory()[1] / lanes
    finally:
        tracemalloc.stop()
    assert 0.5 * envs.unwrapped.lane_bytes < peak < 1.6 * envs.unwrapped.lane_bytes


@pytest.mark.filterwarnings("ignore:.*has one class")
def test_more_images_than_memory_take_no_more_than_the_cache_may(tmp_path):
    (tmp_path / "cat").mkdir()
    for number in range(30):
        Image.fromarray(noise(number, (400, 300))).save(tmp_path / "cat" / f"{number}.png")
    megabytes = 5  # of 30 tables with 1.4 each
    envs = make_vec(tmp_path, 8, cache_megabytes=megabytes, autoreset_mode="SameStep")
    tracemalloc.start()
    try:
        envs.reset(seed=0)
        for _ in range(10):
            envs.step(envs.action_space.sample())
            assert envs.unwrapped.cache.bytes <= megabytes * 10**6
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < (megabytes + 3) * 10**6


def test_the_cache_drops_what_was_used_least_recently(tmp_path):
    reading, paths = Reading(), []
    for number in range(3):
        paths.append(tmp_path / f"{number}.png")
        Image.fromarray(noise(number, (300, 200))).save(paths[-1])
    cache = TableCache(2)  # room for two of 0.73
    keys = [(path, (200, 300), reading, 0) for path in paths]
    tables = [cache.table(keys[i]) for i in (0, 1, 0, 2)]
    assert [key in cache for key in keys] == [True, False, True]
    assert tables[0] is tables[2]
    assert cache.bytes == 2 * tables[0].nbytes
    nothing = TableCache(0)
    assert equal(nothing.table(keys[0]), tables[0])  # one at a time there always is


def test_environments_share_a_cache_and_copies_and_pickles_go_on_with_the_same_episodes(photos):
    env = make(photos, action_mode="discrete").unwrapped
    env.reset(seed=0)
    assert env.lane.cache is make(photos, split="test").unwrapped.lane.cache
    assert env.lane.cache is not make(photos, cache_megabytes=7).unwrapped.lane.cache
    for twin in (copy.deepcopy(env), pickle.loads(pickle.dumps(env))):
        assert twin.lane.cache is env.lane.cache
        twin.lane._generators[0].bit_generator.state = env.lane._generators[0].bit_generator.state
        assert all(map(equal, copy.deepcopy(env).reset(), twin.reset()))


def test_look_sees_what_a_look_there_would_see(photos):
    envs = make_vec(photos, action_mode="dict", autoreset_mode="Disabled")
    envs.reset(seed=5)
    places = np.random.default_rng(0).uniform(-1, 1, (4, 3, 2)).astype(np.float32)
    seen = envs.unwrapped.look(places)
    for place, glimpses in zip(places, seen, strict=True):
        found = envs.step({"location": place, "answer": [0] * 3, "stop": [0] * 3})[0]
        np.testing.assert_array_equal(found["glimpse"], glimpses)


def test_all_pictures_have_one_shape_and_name_the_classes(photos):
    env = make(photos, render_mode="rgb_array", action_mode="dict")
    shapes = set()
    for index in range(8):
        label = env.reset(seed=0, options={"index": index})[1]["label"]
        shapes.add(env.render().shape)
        env.step({"location": [1, 1], "answer": (label + 1) % 3, "stop": 1})
        shapes.add(env.render().shape)
        view = env.unwrapped.lane.view()
        assert view.scene.shape[:2] == tuple(env.unwrapped.lane.files.sizes[index])
        caption = dict(view.caption)
        assert (caption["label"], caption["answer"]) == ("cat" if label == 0 else "dog", ["dog", "hen"][label])
        assert view.fixations[-1].tolist() == [view.scene.shape[1] / 2, view.scene.shape[0] / 2]
    assert len(shapes) == 1
    assert len({frame.shape for frame in make_drawn(photos)}) == 1


def make_drawn(photos):
    envs = make_vec(photos, render_mode="rgb_array")
    envs.reset(seed=0)
    return envs.render()


def test_it_tells_the_sides_of_the_images_that_its_lanes_show(photos):
    envs = gym.make_vec("GlimpseImages-v0", num_envs=2, images=photos)
    envs.reset(options={"index": np.array([0, 1])})
    lane = envs.unwrapped
    assert lane.scene_sides.tolist() == [list(lane.image(i).shape[:2]) for i in (0, 1)]


def test_the_player_is_told_which_key_is_which_class(photos):
    env = make(photos, action_mode="dict").unwrapped
    assert env.lane.rules()[-1] == "Press a digit key to answer: 0 cat, 1 dog, 2 hen."
    assert env.lane.keys()[(ord("2"),)] == {"answer": 2, "stop": 1}


def test_what_is_left_out_is_told_once(photos, tmp_path, monkeypatch):
    monkeypatch.setattr(glimpse_images, "_warned", set())
    for number in range(3):
        (tmp_path / "cat").mkdir(exist_ok=True)
        Image.fromarray(noise(number, (9, 9))).save(tmp_path / "cat" / f"{number}.png")
    (tmp_path / "cat" / "x.jpg").write_bytes(b"")
    with pytest.warns(UserWarning, match=r"(?s)1 of what is in .* is left out:.*1 empty: cat/x\.jpg"):
        env = make(tmp_path)
    make(tmp_path, split="test")  # warnings are errors
    assert env.unwrapped.folder.left_out == {"cat/x.jpg": "empty"}


@pytest.mark.parametrize(
    ("kwargs", "said"),
    [
        ({"images": None}, "needs a folder"),
        ({"images": "/nowhere"}, "must name a folder"),
        ({"split": "dev"}, "split"),
        ({"channels": 4}, "channels"),
        ({"cache_megabytes": -1}, "cache_megabytes"),
        ({"largest_side": "big"}, "largest_side"),
        ({"patch_size": 0}, "patch_size"),
        ({"num_scales": 0}, "num_scales"),
        ({"validation_share": 0, "split": "validation"}, "no images of the split 'validation'"),
    ],
)
def test_bad_argument_is_refused_by_name(photos, kwargs, said):
    with pytest.raises(ValueError, match=said):
        gym.make(OWN_IMAGES, **{"images": str(photos), **kwargs})


def test_grey_and_shrunk_where_that_is_asked_for(photos):
    env = make(photos, channels=1, largest_side=30)
    observation, _ = env.reset(seed=0)
    assert observation["glimpse"].shape == (2, 16, 16)
    assert env.unwrapped.lane.image(0).shape[2] == 1
    assert max(env.unwrapped.lane.image(3).shape) == 30


def test_whole_images_come_as_one_array_where_they_are_of_one_size(photos):
    envs = make_vec(photos).unwrapped
    same = [i for i in range(envs.num_images) if envs.image(i).shape == envs.image(0).shape]
    images, labels = envs.whole_scenes(np.array(same), np.zeros((len(same), 0)))
    np.testing.assert_array_equal(images, [envs.image(i) for i in same])
    np.testing.assert_array_equal(labels, envs.labels[same])
    with pytest.raises(ValueError, match="must be of one size"):
        envs.whole_scenes(np.arange(envs.num_images), np.zeros((envs.num_images, 0)))


def test_its_specification_is_data(photos):
    env = make(photos)
    assert json.loads(env.spec.to_json())["kwargs"]["images"] == str(photos)


def test_the_command_tells_what_is_in_a_folder(photos, tmp_path, capsys):
    main(["images", str(photos), "--env-args", "test_share=0.25"])
    said = capsys.readouterr().out
    assert [line.split() for line in said.splitlines()[:2]] == [["train", "validation", "test"], ["cat", "5", "1", "2"]]
    assert "24 images, 24 to 90 pixels wide and 20 to 60 high." in said
    with pytest.raises(SystemExit, match=r"error: .*no subfolders with images"):
        main(["images", str(tmp_path)])
    with pytest.raises(SystemExit, match=r"error: .*unexpected keyword"):
        main(["images", str(photos), "--env-args", "seed=2"])


def test_an_image_that_was_painted_over_is_shown_anew_by_the_next_environment(tmp_path):
    for name in "ab":
        for number in range(10):
            (tmp_path / name).mkdir(exist_ok=True)
            Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / name / f"{number}.png")
    assert make(tmp_path).unwrapped.lane.image(0).max() == 0
    for path in tmp_path.glob("*/*.png"):
        Image.fromarray(np.full((8, 8), 255, np.uint8)).save(path)
        os.utime(path, ns=(1, 2))  # as if some time had passed
    assert make(tmp_path).unwrapped.lane.image(0).min() == 255
