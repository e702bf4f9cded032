"""GlimpseMNIST: which image is shown, what an episode is worth, what is fixed and what is drawn anew."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode

import ram_envs  # noqa: F401  registers the environments
from ram_envs.datasets import DatasetNotFound, as_labelled_images

WAYS_IN = {
    "entry_point": "ram_envs.glimpse_mnist:GlimpseMNISTEnv",
    "vector_entry_point": "ram_envs.glimpse_mnist:GlimpseMNISTVectorEnv",
}

LABELS = np.array([2, 0, 1, 2, 0, 1, 2, 0])
DIGITS = np.random.default_rng(0).integers(1, 256, (8, 6, 6), np.uint8)  # no pixel is dark
OWN = {"images": DIGITS, "labels": LABELS, "patch_size": 4}
WHOLE_SCENE = {"patch_size": 20, "num_scales": 1, "initial_location": "center", "canvas_size": 20}


def make(**changes):
    return gym.make("GlimpseMNIST-v0", **{**OWN, "action_mode": "dict", **changes}).unwrapped


def make_vec(num_envs, **changes):
    return gym.make_vec("GlimpseMNIST-v0", num_envs=num_envs, **{**OWN, "action_mode": "dict", **changes})


def look(answer=0, stop=0, x=0.0, y=0.0):
    return {"location": [x, y], "answer": answer, "stop": stop}


def whole_scenes(env, indices):
    """The scene of each index, seen at once through a patch as large as it is."""
    return np.stack([env.reset(options={"index": i})[0]["glimpse"][0] for i in indices])


# What an episode is worth


@pytest.mark.parametrize("num_glimpses", [1, 2, 5])
def test_the_action_at_the_last_glimpse_ends_the_episode(num_glimpses):
    env = make(num_glimpses=num_glimpses)
    label = env.reset(seed=0)[1]["label"]
    for taken in range(2, num_glimpses + 1):
        _, reward, over, _, info = env.step(look())
        assert (reward, over, info["num_glimpses"]) == (0.0, False, taken)
    _, reward, terminated, truncated, info = env.step(look(label))
    assert (reward, terminated, truncated) == (1.0, True, False)
    assert info["num_glimpses"] == num_glimpses


def test_an_answer_counts_only_with_the_stop_or_at_the_end():
    env = make(num_glimpses=3)
    label = env.reset(seed=0)[1]["label"]
    wrong = (label + 1) % 3
    assert env.step(look(label))[1] == 0
    _, reward, over, _, info = env.step(look(wrong, stop=1))
    assert (reward, over, info["is_success"]) == (0.0, True, False)


@pytest.mark.parametrize(("glimpses", "right", "expected"), [(1, 1, 1.0), (1, 0, 0.0), (4, 1, 0.7), (4, 0, -0.3)])
def test_the_sum_of_rewards_is_the_answer_less_the_price_of_each_glimpse_after_the_first(glimpses, right, expected):
    env = make(num_glimpses=4, glimpse_cost=0.1)
    label = env.reset(seed=0)[1]["label"]
    rewards = [env.step(look())[1] for _ in range(glimpses - 1)]
    _, reward, over, _, info = env.step(look(label if right else (label + 1) % 3, stop=1))
    assert over
    assert info["num_glimpses"] == glimpses
    assert rewards == [-0.1] * (glimpses - 1)
    assert sum(rewards) + reward == pytest.approx(expected)


def test_the_location_of_the_action_that_ends_the_episode_is_not_looked_at():
    env = make(num_glimpses=2)
    env.reset(seed=0)
    seen, *_ = env.step(look(x=0.5))
    for action in (look(x=-1, stop=1), look(x=-1)):
        env.reset(seed=0)
        env.step(look(x=0.5))
        last, _, over, _, _ = env.step(action)
        assert over
        np.testing.assert_array_equal(last["location"], seen["location"])
        np.testing.assert_array_equal(last["glimpse"], seen["glimpse"])


def test_in_discrete_mode_a_number_looks_at_a_cell_or_answers_and_stops():
    env = make(action_mode="discrete", location_grid=2, num_glimpses=3)
    assert env.action_space == gym.spaces.Discrete(2 * 2 + 3)
    label = env.reset(seed=0)[1]["label"]
    assert env.step(1)[0]["location"].tolist() == [0.5, -0.5]
    assert env.step(4 + label)[1:3] == (1.0, True)
    env.reset(seed=0)
    for cell in (2, 3):
        assert env.step(cell)[2] is False
    _, reward, over, _, info = env.step(0)  # the last action must answer; it looked on
    assert (reward, over, info["is_success"]) == (0.0, True, False)


def test_of_two_classes_the_box_has_one_score():
    env = make(labels=LABELS % 2, action_mode="box")
    assert env.action_space.shape == (2 + 1 + 1,)
    for index in range(4):
        label = env.reset(options={"index": index})[1]["label"]
        assert env.step([0, 0, 0.3 if label else -0.3, 1])[1:3] == (1.0, True)


def test_a_single_class_is_always_right():
    env = make(labels=LABELS * 0, action_mode="box")
    env.reset(seed=0)
    assert env.step([0, 0, 1, 1])[1] == 1


# Which image is shown


def test_an_index_chooses_the_image_for_one_lane_or_all():
    env, envs = make(patch_size=6, initial_location="center"), make_vec(3, patch_size=6, initial_location="center")
    for index in range(8):
        observation, info = env.reset(options={"index": index})
        assert (info["index"], info["label"]) == (index, LABELS[index])
        np.testing.assert_array_equal(np.rint(observation["glimpse"][0] * 255), DIGITS[index])
    assert envs.reset(options={"index": 5})[1]["index"].tolist() == [5, 5, 5]
    assert envs.reset(options={"index": [7, 0, 3]})[1]["index"].tolist() == [7, 0, 3]
    mask = np.array([False, True, True])
    info = envs.reset(options={"index": np.array([-9, 1, 2]), "reset_mask": mask})[1]
    assert info["index"][mask].tolist() == [1, 2]  # of a lane that is not reset, the index is not looked at


@pytest.mark.parametrize("index", [8, -1, 0.0, True, "3", None, [0, 1, 2], [[0, 1]], [0, 8]])
def test_a_bad_index_is_named_with_what_is_allowed(index):
    with pytest.raises(
        ValueError, match=r"options\['index'\] must (be a whole number or 2 of them|lie in 0 to 7), got"
    ):
        make_vec(2).reset(options={"index": index})


@pytest.mark.parametrize("options", [{"index": 8}, {"reset_mask": [True]}, {"idx": 1}])
def test_a_refused_reset_draws_and_seeds_nothing(options):
    envs, same = make_vec(2), make_vec(2)
    for each in (envs, same):
        each.reset(seed=3)
    with pytest.raises(ValueError, match="options"):
        envs.reset(seed=4, options=options)
    np.testing.assert_array_equal(envs.reset()[0]["glimpse"], same.reset()[0]["glimpse"])
    assert envs.np_random_seed == (3, 4)


def test_an_unknown_option_is_named_with_those_that_there_are():
    with pytest.raises(ValueError, match=r"\['index', 'reset_mask'\], got \['idx'\]"):
        make().reset(options={"idx": 1})


def test_random_order_shows_every_image():
    assert set(make_vec(200).reset(seed=0)[1]["index"]) == set(range(8))


def walk(envs, mode, episodes):
    """Indices in the order in which their episodes begin, and in which they end, with some that stop early."""
    random = np.random.default_rng(0)
    begun = envs.reset(seed=0)[1]["index"].tolist()
    ended, over, shown = [], np.zeros(envs.num_envs, bool), np.array(begun)
    while len(ended) < episodes:
        if mode is AutoresetMode.DISABLED and over.any():
            info = envs.reset(options={"reset_mask": over})[1]
            begun += info["index"][over].tolist()
            shown[over] = info["index"][over]
        actions = {
            "location": np.zeros((envs.num_envs, 2)),
            "answer": np.zeros(envs.num_envs, int),
            "stop": random.integers(0, 2, envs.num_envs),
        }
        was_over = over
        _, _, over, _, info = envs.step(actions)
        ended += shown[over].tolist()
        fresh = {AutoresetMode.NEXT_STEP: was_over, AutoresetMode.SAME_STEP: over}.get(mode, over & False)
        begun += info["index"][fresh].tolist()
        shown = info["index"].copy()
    return begun, ended


@pytest.mark.parametrize("mode", list(AutoresetMode))
@pytest.mark.parametrize("lanes", [1, 3, 8])
def test_sequential_order_shows_each_image_once_before_any_comes_again(mode, lanes):
    begun, ended = walk(make_vec(lanes, order="sequential", autoreset_mode=mode), mode, 24)
    assert begun == [number % 8 for number in range(len(begun))]
    assert len(begun) >= 24
    assert set(ended[: 8 + lanes * 4]) == set(range(8))  # a lane ends its own before long


@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_lanes_that_never_stop_end_each_image_of_the_split_exactly_once(mode):
    envs = make_vec(4, order="sequential", autoreset_mode=mode, num_glimpses=2)
    seen, over = [], np.zeros(4, bool)
    envs.reset(seed=0)
    while len(seen) < 8:
        if mode is AutoresetMode.DISABLED and over.any():
            envs.reset(options={"reset_mask": over})
        _, _, over, _, info = envs.step({"location": np.zeros((4, 2)), "answer": [0] * 4, "stop": [0] * 4})
        info = info.get("final_info", info)
        seen += info["index"][over].tolist()
    assert sorted(seen) == list(range(8))


def test_a_seed_begins_the_walk_anew():
    env = make(order="sequential")
    for seed, expected in [(0, 0), (None, 1), (None, 2), (0, 0), (None, 1)]:
        assert env.reset(seed=seed)[1]["index"] == expected
    envs = make_vec(3, order="sequential")
    for seed, expected in [(0, [0, 1, 2]), (None, [3, 4, 5]), ([5, 6, 7], [0, 1, 2]), ([None] * 3, [3, 4, 5])]:
        assert envs.reset(seed=seed)[1]["index"].tolist() == expected


@pytest.mark.usefixtures("fake_mnist")
@pytest.mark.parametrize("split", ["train", "validation", "test"])
@pytest.mark.parametrize("order", ["random", "sequential"])
def test_gymnasiums_checker_is_content_with_every_split_and_order(split, order):
    env = gym.make("GlimpseMNIST-Cluttered60-v0", split=split, order=order)
    check_env(env.unwrapped, skip_render_check=True)


# What is fixed and what is drawn anew


@pytest.mark.parametrize("split", ["validation", "test"])
def test_scenes_of_validation_and_test_depend_on_index_and_scene_seed_alone(split):
    settings = {**WHOLE_SCENE, "split": split, "clutter_pieces": 3, "clutter_size": 3}
    env = make(**settings)
    env.reset(seed=0)
    scenes = whole_scenes(env, range(8))
    env.reset(seed=12345)
    np.testing.assert_array_equal(whole_scenes(env, reversed(range(8)))[::-1], scenes)
    envs = make_vec(11, **settings)
    observation, info = envs.reset(seed=9)  # any lane, any generator
    np.testing.assert_array_equal(observation["glimpse"][:, 0], scenes[info["index"]])
    for _ in range(12):  # and after any autoreset
        observation, _, _, _, info = envs.step(
            {"location": np.zeros((11, 2)), "answer": [0] * 11, "stop": np.arange(11) % 2}
        )
        np.testing.assert_array_equal(observation["glimpse"][:, 0], scenes[info["index"]])
    other = whole_scenes(make(**settings, scene_seed=1), range(8))
    assert not any(np.array_equal(a, b) for a, b in zip(scenes, other, strict=True))


def test_test_scenes_are_those_that_everybody_else_has():
    env = make(canvas_size=60, images=np.full((4, 28, 28), 255, np.uint8), labels=[0] * 4, split="test")
    infos = [env.reset(options={"index": index})[1] for index in range(4)]
    corners = [((info["target_location"] + 1) * 30 - 14).tolist() for info in infos]
    assert corners == [[26, 0], [1, 31], [3, 4], [9, 10]]  # changing these changes every published number


def test_the_first_look_at_a_test_scene_is_fixed_with_it():
    first = [make(split="test").reset(seed=seed, options={"index": 4})[0]["location"] for seed in (0, 1)]
    np.testing.assert_array_equal(*first)
    other = make(split="test").reset(options={"index": 5})[0]["location"]
    assert not np.array_equal(first[0], other)


def test_training_scenes_are_drawn_anew_each_time():
    env = make(**WHOLE_SCENE)
    env.reset(seed=0)
    scenes = whole_scenes(env, [3] * 30)
    assert len({scene.tobytes() for scene in scenes}) > 20
    lit = [(scene > 0).sum() for scene in scenes]
    assert lit == [36] * 30  # the whole digit, each time


def test_random_first_looks_go_everywhere_and_others_to_their_place():
    locations = make_vec(500).reset(seed=0)[0]["location"]
    assert (locations.min(axis=0) < -0.95).all()
    assert (locations.max(axis=0) > 0.95).all()
    assert np.abs(locations.mean(axis=0)).max() < 0.1
    assert make(initial_location="center").reset(seed=0)[0]["location"].tolist() == [0, 0]
    assert make(initial_location=(0.5, -1)).reset(seed=0)[0]["location"].tolist() == [0.5, -1]
    assert make(initial_location=np.array([1, 0])).reset(seed=0)[0]["location"].tolist() == [1, 0]


@pytest.mark.usefixtures("fake_mnist")
def test_no_image_of_one_split_is_in_another():
    shown = {}
    for split, count in {"train": 30, "validation": 10, "test": 20}.items():
        env = gym.make("GlimpseMNIST-v0", split=split, patch_size=28, initial_location="center")
        shown[split] = {env.reset(options={"index": i})[0]["glimpse"].tobytes() for i in range(count)}
        assert len(shown[split]) == count
        with pytest.raises(ValueError, match=f"0 to {count - 1}"):
            env.reset(options={"index": count})
    assert len(set.union(*shown.values())) == 60


# Scenes as the agent sees them


def test_the_target_location_is_the_middle_of_the_digit():
    env = make(canvas_size=(13, 20), patch_size=6, split="test")
    for index in range(8):
        env.reset(options={"index": index})
        target = env.reset(options={"index": index})[1]["target_location"]
        observation, *_ = env.step(look(x=target[0], y=target[1]))
        np.testing.assert_array_equal(np.rint(observation["glimpse"][0] * 255), DIGITS[index])
    np.testing.assert_array_equal(make().reset(seed=0)[1]["target_location"], [0, 0])


def test_privileged_info_is_gone_when_it_is_not_wanted():
    def keys(**changes):
        env = make(**changes)
        return [set(env.reset(seed=0)[1]), set(env.step(look())[4]), set(env.step(look(stop=1))[4])]

    assert keys() == [{"index", "num_glimpses", "is_success", "label", "target_location"}] * 3
    assert keys(privileged_info=False) == [{"index", "num_glimpses", "is_success"}] * 3


@pytest.mark.parametrize("channels", [1, 2, 3])
@pytest.mark.parametrize("sides", [(5, 9), (8, 7)])
def test_images_may_have_any_sides_and_channels(sides, channels):
    images = np.random.default_rng(1).integers(0, 256, (4, *sides, channels), np.uint8)
    settings = {"images": images, "labels": [0, 1, 2, 3], "render_mode": "rgb_array", "initial_location": "center"}
    env = make(**settings, patch_size=3, num_scales=2)
    observation, _ = env.reset(options={"index": 2})
    assert observation["glimpse"].shape == (2 * channels, 3, 3)
    top, left = round(sides[0] / 2) - 1, round(sides[1] / 2) - 1
    expected = images[2, top : top + 3, left : left + 3].transpose(2, 0, 1) / 255
    np.testing.assert_allclose(observation["glimpse"][:channels], expected, rtol=1e-6)
    assert env.render().shape[2] == 3
    check_env(gym.make("GlimpseMNIST-v0", **{**settings, "canvas_size": (11, 10)}).unwrapped, skip_render_check=True)


def test_floats_are_taken_for_brightness_and_classes_may_be_missing():
    env = make(images=DIGITS / 255, num_classes=7, patch_size=6, initial_location="center")
    assert env.action_space["answer"].n == 7
    observation, _ = env.reset(options={"index": 1})
    np.testing.assert_array_equal(np.rint(observation["glimpse"][0] * 255), DIGITS[1])


def test_images_are_shared_between_environments_and_never_written():
    env = make(**WHOLE_SCENE, clutter_pieces=2, clutter_size=3)
    before = env.lane.data.images.copy()
    for _ in range(5):
        env.reset()
    np.testing.assert_array_equal(env.lane.data.images, before)
    assert not env.lane.data.images.flags.writeable


def test_ready_images_are_shared_by_all_environments_however_they_are_made():
    ready = as_labelled_images(DIGITS, LABELS)
    gym.register("Ready-v0", **WAYS_IN, kwargs={"images": ready})
    try:
        made = [make(images=ready, labels=None), make_vec(3, images=ready, labels=None), gym.make("Ready-v0").unwrapped]
        made += [gym.make_vec("Ready-v0", num_envs=2), gym.make(made[2].spec).unwrapped]
    finally:
        del gym.registry["Ready-v0"]
    assert all(getattr(env, "lane", env).data is ready for env in made)
    with pytest.raises(ValueError, match="labels and num_classes must be None"):
        make(images=ready)


def test_a_folder_without_digits_is_an_error_not_a_download(tmp_path):
    with pytest.raises(DatasetNotFound, match="nowhere"):
        gym.make("GlimpseMNIST-v0", folder=tmp_path / "nowhere")


# Arguments


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"split": "all"}, r"split must be one of \['train', 'validation', 'test'\], got 'all'"),
        ({"order": "shuffled"}, "order must be one of .*, got 'shuffled'"),
        ({"num_glimpses": 0}, "num_glimpses must be a whole number of at least 1, got 0"),
        ({"num_glimpses": 2.5}, "num_glimpses must be .*, got 2.5"),
        ({"glimpse_cost": -0.1}, "glimpse_cost must be a number of at least 0 .*, got -0.1"),
        ({"glimpse_cost": np.inf}, "glimpse_cost must be .*, got inf"),
        ({"glimpse_cost": np.nan}, "glimpse_cost must be .*, got nan"),
        ({"glimpse_cost": "free"}, "glimpse_cost must be .*, got 'free'"),
        ({"scene_seed": -1}, "scene_seed must be .*, got -1"),
        ({"scene_seed": None}, "scene_seed must be .*, got None"),
        ({"canvas_size": 5}, "canvas_size must be a whole number of at least 6, got 5"),
        ({"canvas_size": (9, 5)}, "canvas_size must be .*, got 5"),
        ({"canvas_size": 9.5}, "canvas_size must be .*, got 9.5"),
        ({"canvas_size": (9, 9, 9)}, "canvas_size must be .*, got"),
        ({"canvas_size": "60"}, "canvas_size must be .*, got '60'"),
        ({"clutter_pieces": -1}, "clutter_pieces must be .*, got -1"),
        ({"clutter_pieces": 1, "clutter_size": 0}, "clutter_size must be .*, got 0"),
        ({"clutter_pieces": 1, "clutter_size": 7}, "clutter_size must be at most 6"),
        ({"overhang": -1}, "overhang must be .*, got -1"),
        ({"overhang": 6}, "overhang must be below 6"),
        ({"distortion": -0.1}, "distortion must be a number of at least 0 and below 1, got -0.1"),
        ({"distortion": 1}, "distortion must be .*, got 1"),
        ({"clutter_pieces": 1, "clutter_size": 3, "images": DIGITS[:1], "labels": [0]}, "1 image"),
        ({"images": None}, "images and labels go together"),
        ({"labels": None}, "images and labels go together"),
        ({"labels": LABELS[:7]}, r"labels must be one per image, shape \(8,\), got shape \(7,\)"),
        ({"labels": -LABELS}, "labels must be 0 or more"),
        ({"num_classes": 2}, "labels must be in 0 .. num_classes - 1 = 1"),
        ({"images": DIGITS[0]}, "images must be .*, got shape"),
        ({"images": np.zeros((8, 3, 32, 48))}, r"channels first: give images\.transpose\(0, 2, 3, 1\)"),
        ({"images": np.zeros((8, 1, 9, 9), np.uint8)}, r"channels first: give images\.transpose\(0, 2, 3, 1\)"),
        ({"images": DIGITS / 100}, r"images must lie in \[0, 1\]"),
        ({"images": None, "labels": None, "dataset": "cifar"}, "dataset must be one of .*, got 'cifar'"),
        ({"images": None, "labels": None, "num_classes": 5}, "num_classes goes with images and labels"),
    ],
)
def test_a_bad_argument_is_named_with_what_came_and_what_is_allowed(changes, message):
    with pytest.raises(ValueError, match=message):
        make(**changes)


@pytest.mark.parametrize("changes", [{"images": DIGITS.astype(int)}, {"labels": LABELS + 0.5}, {"num_classes": 2.5}])
def test_an_argument_of_the_wrong_type_is_named(changes):
    with pytest.raises(TypeError, match=next(iter(changes))):
        make(**changes)
