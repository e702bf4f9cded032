"""One battery over every registered environment, and what is special to each."""

import hashlib
import json
import pickle
import warnings

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode, SyncVectorEnv

import ram_envs
from ram_envs import ENV_IDS
from ram_envs.action_modes import ACTION_MODES


@pytest.fixture(autouse=True)
def digits_without_a_download(request):
    if request.node.get_closest_marker("mnist") is None:
        request.getfixturevalue("fake_mnist")


DIGIT_IDS = [env_id for env_id in ENV_IDS if "MNIST" in env_id]
DICT = {"action_mode": "dict"}
DISABLED = {"autoreset_mode": AutoresetMode.DISABLED}


def equal(one, other):
    """Whether two observations, infos or parts of them are the same."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, np.ndarray) and one.dtype == object:
        return all(equal(a, b) for a, b in zip(one, other, strict=True))
    if one is None or other is None:
        return one is other
    return np.array_equal(one, other)


def episode(env, seed, actions_seed=0):
    """Everything that one episode returns."""
    env.action_space.seed(actions_seed)
    found = [env.reset(seed=seed)]
    while len(found) == 1 or not found[-1][2]:
        found.append(env.step(env.action_space.sample()))
    return found


def targets(info):
    """Where the digits are, or the ball."""
    return info.get("target_locations", info.get("target_location"))


def arrays(value):
    if isinstance(value, dict):
        return [a for v in value.values() for a in arrays(v)]
    return [value] if isinstance(value, np.ndarray) else []


@pytest.mark.parametrize("env_id", ENV_IDS)
@pytest.mark.parametrize("action_mode", ACTION_MODES)
@pytest.mark.parametrize("obs_mode", ["dict", "flat"])
def test_gymnasiums_checker_is_content(env_id, action_mode, obs_mode):
    env = gym.make(env_id, action_mode=action_mode, obs_mode=obs_mode, render_mode="rgb_array")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*not symmetric|.*normalized")  # about a Box that may be any
        check_env(env.unwrapped)


@pytest.mark.parametrize("env_id", ENV_IDS)
@pytest.mark.parametrize("action_mode", ["multidiscrete", "box", "discrete"])
@pytest.mark.parametrize("obs_mode", ["dict", "flat"])
def test_stable_baselines3s_checker_is_content(env_id, action_mode, obs_mode):
    checker = pytest.importorskip("stable_baselines3.common.env_checker")
    if obs_mode == "dict":  # a glimpse is no picture for a CNN, which it would have to be as uint8
        warnings.filterwarnings("ignore", message="It seems that your observation|The minimal resolution for an image")
    checker.check_env(gym.make(env_id, action_mode=action_mode, obs_mode=obs_mode).unwrapped)


@pytest.mark.parametrize("env_id", ENV_IDS)
def test_stock_ppo_learns_at_first_contact(env_id):
    sb3 = pytest.importorskip("stable_baselines3")
    model = sb3.PPO("MultiInputPolicy", gym.make(env_id), n_steps=32, batch_size=32, n_epochs=1, device="cpu")
    assert model.learn(64).num_timesteps == 64


@pytest.mark.parametrize("env_id", ENV_IDS)
def test_same_seed_gives_the_same_episode_and_another_seed_another(env_id):
    one, same, other = (episode(gym.make(env_id), seed) for seed in (3, 3, 4))
    assert all(equal(a, b) for first, second in zip(one, same, strict=True) for a, b in zip(first, second, strict=True))
    assert not equal(one[0][0], other[0][0])


DIGESTS = {
    "GlimpseMNIST-v0": "1ef1c0b426b6d20c",
    "GlimpseMNIST-Translated60-v0": "775bf7d5600ce78c",
    "GlimpseMNIST-Cluttered60-v0": "fb83ae2ab27259c9",
    "GlimpseMNIST-Cluttered100-v0": "9e6cc244552a8511",
    "GlimpseMNIST-Pairs100-v0": "e9b00b01186052d5",
    "GlimpseMNIST-Sum100-v0": "9d3b94e40f5310fb",
    "GlimpseMNIST-Mega500-v0": "f844ca38c957d4ad",
    "GlimpseMNIST-Mega1500-v0": "f0fed88dda380c21",
    "GlimpseMNIST-Moving60-v0": "6ca96647f00f3f4a",
    "CatchBall-v0": "9dd693c657b606f4",
}


@pytest.mark.parametrize("env_id", ENV_IDS)
def test_same_seed_gives_the_same_episodes_as_with_every_other_python_and_gymnasium(env_id):
    """What this test sees, agents see too: such a change makes another version of the environment."""
    envs = gym.make_vec(env_id, num_envs=3, action_mode="dict")
    names = [name for name in envs.single_action_space if name != "location"]
    seen = hashlib.sha256()
    for step in range(80):
        if step == 0:
            found = (envs.reset(seed=2026)[0],)
        else:
            locations = np.array([[step % 9 - 4, step % 5 - 2], [step % 3, -step % 7], [0, 0]]) / [4, 2]
            choices = {name: np.array([step, step + 1, step // 7]) % envs.single_action_space[name].n for name in names}
            found = envs.step({"location": locations, **choices})[:3]
        for array in arrays({"observation": found[0], "rest": dict(enumerate(found[1:]))}):
            seen.update(f"{array.shape} {array.dtype.str[1:]}".encode())
            seen.update(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes())
    assert seen.hexdigest()[:16] == DIGESTS[env_id]


@pytest.mark.parametrize("env_id", ENV_IDS)
@pytest.mark.parametrize("mode", list(AutoresetMode)[:2])
@pytest.mark.parametrize("lanes", [1, 3])
def test_vector_environment_is_gymnasiums_vector_of_single_ones(env_id, mode, lanes):
    """Observations, rewards, ends, infos with their masks, final_obs and final_info, over several episodes."""
    native = gym.make_vec(env_id, num_envs=lanes, autoreset_mode=mode)
    single = SyncVectorEnv([lambda: gym.make(env_id)] * lanes, autoreset_mode=mode)
    native.action_space.seed(0)
    assert native.unwrapped.metadata["autoreset_mode"] is mode
    found, expected = native.reset(seed=5), single.reset(seed=5)
    assert equal(found[0], expected[0])
    assert equal(found[1], expected[1])
    for _ in range(60):
        action = native.action_space.sample()
        for a, b in zip(native.step(action), single.step(action), strict=True):
            assert equal(a, b), (a, b)
            assert type(a) is type(b)


@pytest.mark.parametrize("env_id", ENV_IDS)
def test_disabled_autoreset_leaves_finished_lanes_as_they_are_until_their_mask_resets_them(env_id):
    envs = gym.make_vec(env_id, num_envs=3, action_mode="multidiscrete", **DISABLED)
    envs.reset(seed=0)
    over = np.zeros(3, bool)
    while not over.all():
        before, (observation, rewards, now, _, _) = over, envs.step(envs.action_space.sample())
        assert (now >= before).all()
        assert (rewards[before] == 0).all()
        over = now
    mask = np.array([False, True, False])
    fresh, info = envs.reset(options={"reset_mask": mask})
    assert equal(fresh["glimpse"][~mask], observation["glimpse"][~mask])
    assert (info["_num_glimpses"] == mask).all()
    assert (envs.step(envs.action_space.sample())[2] >= ~mask).all()


@pytest.mark.parametrize("env_id", ENV_IDS)
@pytest.mark.parametrize("obs_mode", ["dict", "flat"])
def test_no_array_is_handed_out_twice(env_id, obs_mode):
    envs = gym.make_vec(env_id, num_envs=2, obs_mode=obs_mode)
    given = arrays({"a": envs.reset(seed=0)[0]})
    for _ in range(8):
        observation, *rest, info = envs.step(envs.action_space.sample())
        fresh = arrays({"o": observation, "i": info, "r": rest[0], "t": rest[1]})
        assert not any(np.shares_memory(a, b) for a in fresh for b in given if a.dtype == b.dtype != object)
        given += fresh
    assert envs.observation_space.contains(observation)


@pytest.mark.parametrize("env_id", ENV_IDS)
def test_every_way_in_works(env_id):
    gym.register_envs(ram_envs)
    env = gym.make(f"ram_envs:{env_id}")
    json.loads(env.spec.to_json())
    assert pickle.loads(pickle.dumps(env.spec)) == env.spec
    assert gym.make_vec(f"ram_envs:{env_id}", num_envs=2).num_envs == 2
    env.close()
    env.close()


@pytest.mark.parametrize("env_id", ENV_IDS)
def test_frames_keep_their_shape_and_follow_the_size(env_id):
    env = gym.make(env_id, render_mode="rgb_array", render_size=320)
    env.reset(seed=0)
    shapes, over = set(), False
    while not over:
        over = env.step(env.action_space.sample())[2]
        shapes.add(env.render().shape)
    assert len(shapes) == 1
    assert shapes.pop()[0] == 320
    envs = gym.make_vec(env_id, num_envs=2, render_mode="rgb_array")
    envs.reset(seed=0)
    frames = envs.render()
    assert isinstance(frames, tuple)
    assert len(frames) == 2
    assert frames[0].dtype == np.uint8


@pytest.mark.parametrize("env_id", ["GlimpseMNIST-v0", "CatchBall-v0"])
def test_human_mode_draws_without_being_asked(env_id):
    env = gym.make(env_id, render_mode="human")
    env.unwrapped.lane.metadata["render_fps"] = 1000
    env.reset(seed=0)
    env.step(env.action_space.sample())
    assert env.render() is None
    env.close()


@pytest.mark.parametrize("env_id", ["GlimpseMNIST-v0", "CatchBall-v0"])
def test_gymnasiums_recorders_work_on_single_and_vector(env_id, tmp_path):
    pytest.importorskip("moviepy")
    wrappers = gym.wrappers
    env = wrappers.RecordEpisodeStatistics(
        wrappers.RecordVideo(gym.make(env_id, render_mode="rgb_array"), str(tmp_path / "one"), disable_logger=True)
    )
    env.reset(seed=0)
    over = False
    while not over:
        _, _, over, _, info = env.step(env.action_space.sample())
    assert info["episode"]["l"] >= 1
    env.close()
    assert list((tmp_path / "one").glob("*.mp4"))
    envs = gym.wrappers.vector.RecordEpisodeStatistics(gym.make_vec(env_id, num_envs=3, render_mode="rgb_array"))
    if not hasattr(gym.wrappers.vector, "RecordVideo"):
        pytest.skip("Gymnasium 1.1 records no videos of vector environments")
    envs = gym.wrappers.vector.RecordVideo(envs, str(tmp_path / "many"), video_aspect_ratio=(1, 1), disable_logger=True)
    envs.reset(seed=0)
    for _ in range(26):
        envs.step(envs.action_space.sample())
    assert envs.env.episode_count > 0
    envs.close()
    assert list((tmp_path / "many").glob("*.mp4"))


@pytest.mark.parametrize("env_id", ENV_IDS)
def test_step_without_reset_is_refused(env_id):
    env = gym.make(env_id).unwrapped
    with pytest.raises(gym.error.ResetNeeded):
        env.step(env.action_space.sample())
    with pytest.raises(gym.error.ResetNeeded):
        gym.make_vec(env_id, num_envs=2).step(None)
    episode(env, 0)
    with pytest.raises(gym.error.ResetNeeded):
        env.step(env.action_space.sample())


# GlimpseMNIST


def look(answer=0, stop=0, x=0.0, y=0.0):
    return {"location": np.array([x, y], np.float32), "answer": answer, "stop": stop}


def test_episode_ends_with_the_action_after_the_last_glimpse():
    env = gym.make("GlimpseMNIST-v0", num_glimpses=3, **DICT)
    _, info = env.reset(seed=0)
    wrong, right = (info["label"] + 1) % 10, info["label"]
    assert info["num_glimpses"] == 1
    for glimpses in (2, 3):
        _, reward, over, _, info = env.step(look(right))
        assert (reward, over, info["num_glimpses"]) == (0.0, False, glimpses)
        assert info["is_success"] is False
    _, reward, over, truncated, info = env.step(look(wrong))
    assert (reward, over, truncated, info["num_glimpses"], info["is_success"]) == (0.0, True, False, 3, False)


def test_stop_ends_the_episode_with_the_answer_and_no_further_glimpse():
    env = gym.make("GlimpseMNIST-v0", **DICT)
    _, info = env.reset(seed=0)
    before, *_ = env.step(look(x=0.4))
    after, reward, over, _, info = env.step(look(info["label"], stop=1, x=-0.9))
    assert (reward, over, info["num_glimpses"], info["is_success"]) == (1.0, True, 2, True)
    assert equal(before, after)


def test_each_glimpse_after_the_first_has_its_price():
    env = gym.make("GlimpseMNIST-v0", glimpse_cost=0.25, **DICT)
    _, info = env.reset(seed=0)
    rewards = [env.step(look())[1], env.step(look())[1], env.step(look(info["label"], stop=1))[1]]
    assert rewards == [-0.25, -0.25, 1.0]


def test_discrete_mode_looks_or_answers():
    env = gym.make("GlimpseMNIST-v0", action_mode="discrete", location_grid=3, num_glimpses=2)
    _, info = env.reset(seed=0)
    observation, _, over, _, _ = env.step(0)
    np.testing.assert_allclose(observation["location"], [-2 / 3, -2 / 3], rtol=1e-6)
    assert not over
    assert env.step(9 + info["label"])[1:3] == (1.0, True)
    env.reset(seed=0)
    env.step(0)
    assert env.step(0)[1:3] == (0.0, True)  # the last action looked on: there is no answer


@pytest.mark.parametrize("env_id", DIGIT_IDS)
def test_test_scenes_are_the_same_for_everybody(env_id):
    one = gym.make_vec(env_id, num_envs=5, split="test")
    other = gym.make(env_id, split="test")
    index = np.array([4, 0, 19, 7, 7])
    observation, info = one.reset(seed=1, options={"index": index})
    assert (info["index"] == index).all()
    for lane, i in enumerate(index):
        single, single_info = other.reset(seed=100 + lane, options={"index": int(i)})
        assert equal(single["glimpse"], observation["glimpse"][lane])
        assert equal(targets(single_info), targets(info)[lane])
    assert not equal(*(gym.make(env_id, split="test", scene_seed=s).reset(options={"index": 0})[0] for s in (0, 1)))


def test_training_scenes_are_drawn_anew():
    env = gym.make("GlimpseMNIST-Translated60-v0")
    places = {tuple(env.reset(seed=s, options={"index": 3})[1]["target_location"]) for s in range(10)}
    assert len(places) > 5


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
def test_vector_environment_walks_a_split_exactly_once(mode):
    envs = gym.make_vec("GlimpseMNIST-v0", num_envs=4, split="test", order="sequential", autoreset_mode=mode)
    seen = envs.reset(seed=0)[1]["index"].tolist()
    while len(seen) < 20:
        before = envs.unwrapped._indices.copy()
        envs.step(envs.action_space.sample())
        seen += [i for i, b in zip(envs.unwrapped._indices, before, strict=True) if i != b]
    assert sorted(seen[:20]) == list(range(20))


def test_splits_share_no_image():
    pools = [gym.make("GlimpseMNIST-v0", split=s).unwrapped.lane.data.images for s in ("train", "validation", "test")]
    assert [len(pool) for pool in pools] == [30, 10, 20]
    kinds = [{image.tobytes() for image in pool} for pool in pools]
    assert not kinds[0] & kinds[1]
    assert not kinds[0] & kinds[2]


def test_privileged_info_can_be_removed():
    for env_id in ENV_IDS:
        _, info = gym.make(env_id, privileged_info=False).reset(seed=0)
        assert not {"label", "target_location", "target_locations"} & info.keys()


def test_images_of_ones_own_may_have_any_size_and_colours():
    images = np.random.default_rng(0).random((6, 20, 34, 3))
    env = gym.make("GlimpseMNIST-v0", images=images, labels=[0, 1, 2, 0, 1, 2], num_scales=2, render_mode="rgb_array")
    observation, _ = env.reset(seed=0)
    assert observation["glimpse"].shape == (6, 8, 8)
    assert env.action_space.nvec[1] == 3
    assert env.render().ndim == 3


def test_target_location_is_the_middle_of_the_digit():
    env = gym.make("GlimpseMNIST-Translated60-v0", split="test")
    _, info = env.reset(options={"index": 1})
    rows, columns = np.nonzero(env.unwrapped.lane._scenes[0, :, :, 0])
    middle = (np.array([columns.min() + columns.max(), rows.min() + rows.max()]) + 1) / 2
    np.testing.assert_allclose((info["target_location"] + 1) / 2 * 60, middle)


def test_glimpse_is_taken_where_the_location_says():
    env = gym.make("GlimpseMNIST-v0", initial_location=(-0.5, 0.25), **DICT)
    observation, _ = env.reset(seed=0)
    np.testing.assert_array_equal(observation["location"], np.float32([-0.5, 0.25]))
    lane = env.unwrapped.lane
    expected = lane.sensor(lane._scenes, observation["location"][None])[0]
    assert equal(observation["glimpse"], expected)


BAD = [
    ("GlimpseMNIST-v0", {"num_scales": 0}, "num_scales"),
    ("GlimpseMNIST-v0", {"patch_size": 0}, "patch_size"),
    ("GlimpseMNIST-v0", {"num_glimpses": 0}, "num_glimpses"),
    ("GlimpseMNIST-v0", {"canvas_size": 20}, "canvas_size"),
    ("GlimpseMNIST-v0", {"canvas_size": (60, 60, 1)}, "canvas_size"),
    ("GlimpseMNIST-v0", {"location_grid": "7"}, "location_grid"),
    ("GlimpseMNIST-v0", {"glimpse_cost": "free"}, "glimpse_cost"),
    ("CatchBall-v0", {"ball_speed": "fast"}, "ball_speed"),
    ("GlimpseMNIST-v0", {"clutter_pieces": -1}, "clutter_pieces"),
    ("GlimpseMNIST-v0", {"clutter_pieces": 1, "clutter_size": 29}, "clutter_size"),
    ("GlimpseMNIST-v0", {"split": "dev"}, "split"),
    ("GlimpseMNIST-v0", {"order": "sorted"}, "order"),
    ("GlimpseMNIST-v0", {"glimpse_cost": -1}, "glimpse_cost"),
    ("GlimpseMNIST-v0", {"glimpse_cost": float("nan")}, "glimpse_cost"),
    ("GlimpseMNIST-v0", {"initial_location": "left"}, "initial_location"),
    ("GlimpseMNIST-v0", {"initial_location": (2, 0)}, "initial_location"),
    ("GlimpseMNIST-v0", {"obs_mode": "image"}, "obs_mode"),
    ("GlimpseMNIST-v0", {"action_mode": "continuous"}, "action_mode"),
    ("GlimpseMNIST-v0", {"location_grid": 0}, "location_grid"),
    ("GlimpseMNIST-v0", {"images": np.zeros((2, 4, 4), np.uint8)}, "labels"),
    ("GlimpseMNIST-v0", {"images": np.zeros((2, 4, 4), np.uint8), "labels": [0]}, "labels"),
    ("GlimpseMNIST-v0", {"render_size": 10}, "render_size"),
    ("CatchBall-v0", {"screen_size": 3}, "screen_size"),
    ("CatchBall-v0", {"num_balls": 0}, "num_balls"),
    ("CatchBall-v0", {"ball_speed": -1}, "ball_speed"),
    ("CatchBall-v0", {"ball_angles": "steep"}, "ball_angles"),
    ("CatchBall-v0", {"paddle_start": "left"}, "paddle_start"),
]


@pytest.mark.parametrize(("env_id", "kwargs", "name"), BAD)
def test_bad_argument_is_refused_by_name(env_id, kwargs, name):
    with pytest.raises(ValueError, match=name):
        gym.make(env_id, **kwargs)


@pytest.mark.parametrize(
    ("options", "name"),
    [({"index": 20}, "index"), ({"index": -1}, "index"), ({"index": 0.5}, "index"), ({"indx": 3}, "indx")],
)
def test_bad_reset_option_is_refused_by_name(options, name):
    with pytest.raises(ValueError, match=name):
        gym.make("GlimpseMNIST-v0", split="test").unwrapped.reset(options=options)


def test_bad_reset_mask_is_refused_by_name():
    envs = gym.make_vec("CatchBall-v0", num_envs=2)
    for mask in (np.zeros(2, bool), np.ones(3, bool), np.ones(2)):
        with pytest.raises(ValueError, match="reset_mask"):
            envs.reset(options={"reset_mask": mask})


def test_unknown_keyword_and_vector_keyword_are_refused():
    with pytest.raises(TypeError, match="patchsize"):
        gym.make("GlimpseMNIST-v0", patchsize=8)
    with pytest.raises(TypeError, match="make_vec"):
        gym.make("GlimpseMNIST-v0", num_envs=8)


@pytest.mark.mnist
def test_real_digits_have_their_known_shapes_and_first_labels():
    from ram_envs.datasets import load_dataset

    test = load_dataset("mnist", "test")
    assert test.images.shape == (10_000, 28, 28, 1)
    assert test.labels[:5].tolist() == [7, 2, 1, 0, 4]
    assert len(load_dataset("mnist", "train")) == 55_000
