"""Moving digits: how they move, what is paid, what can be known of the next frame."""

import gymnasium as gym
import numpy as np
import pytest

from ram_envs.glimpse_sensor import to_pixels
from ram_envs.moving_digits import MovingRecipe, frame_of, make_videos, paths
from ram_envs.sprites import draw_canvases

MOVING = "GlimpseMNIST-Moving60-v0"


@pytest.fixture(autouse=True)
def digits_without_a_download(fake_mnist):
    pass


def walk(motion, count=300, frames=20, room=32, speed=15.0, seed=0):
    draws = np.random.default_rng(seed).random((count, frames + 1, 1, 2))
    return draws, paths(draws, np.array([[room, room]]), speed, motion)


def act(env, info=None, answer=0, stop=0):
    location = np.zeros(2) if info is None else info["target_location"]
    return {"location": location.astype(np.float32), "answer": answer, "stop": stop}


def test_jumps_are_those_of_kahou_and_others():
    draws, places = walk("jumps", room=10_000)
    velocity = 15 * (2 * draws[:, 1:] - 1)
    np.testing.assert_array_equal(places[:, 0], draws[:, 0] * 10_000)
    expected = 0.1 * velocity[:, 1:] + 0.9 * velocity[:, :-1]
    inside = (places[:, 1:] > 20) & (places[:, 1:] < 9_980)
    np.testing.assert_allclose(np.diff(places, axis=1)[inside], expected[inside], atol=1e-9)
    steps = np.diff(places, axis=1)[:, :, 0]
    assert abs(np.corrcoef(steps[:, 4, 0], steps[:, 5, 0])[0, 1]) < 0.25  # the next step cannot be foreseen


def test_what_drifts_goes_on_as_it_went():
    _, places = walk("drift", room=10_000)
    steps = np.diff(places, axis=1)[:, :, 0]
    assert np.corrcoef(steps[:, 8, 0], steps[:, 9, 0])[0, 1] > 0.8


@pytest.mark.parametrize("motion", ["jumps", "drift"])
@pytest.mark.parametrize("room", [0, 3, 32])
def test_nothing_leaves_the_canvas_and_all_of_it_is_visited(motion, room):
    _, places = walk(motion, room=room)
    assert places.min() >= -1e-9
    assert places.max() <= room
    assert places.max() - places.min() >= 0.99 * room


def test_who_would_leave_is_reflected():
    draws = np.array([0.9, 1.0, 1.0, 1.0]).reshape(1, 4, 1, 1).repeat(2, 3)
    assert paths(draws, np.array([[10, 10]]), 4.0)[0, :, 0, 0].tolist() == [9, 7, 9]  # 9 + 4 is 7, then 7 + 4 is 9
    drift = paths(draws, np.array([[10, 10]]), 4.0, "drift")[0, :, 0, 0]
    np.testing.assert_allclose(drift, [9, 9, 9], atol=3)


def test_a_frame_shows_the_digit_where_it_is_and_every_piece():
    digits = np.zeros((3, 4, 4, 1), np.uint8) + np.array([1, 100, 100], np.uint8)[:, None, None, None]
    recipe = MovingRecipe((20, 30), frames=5, clutter_pieces=2, clutter_size=2)
    videos = make_videos(digits, np.zeros(50, int), np.random.default_rng(0).random((50, recipe.num_draws)), recipe)
    for frame in range(5):
        scenes = draw_canvases(frame_of(videos, np.full(50, frame)), (20, 30))[..., 0]
        for scene, corners in zip(scenes, videos.corners[:, frame], strict=True):
            (x, y), pieces = corners[0], corners[1:]
            assert scene[y : y + 4, x : x + 4].min() >= 1
            assert all((scene[b : b + 2, a : a + 2] == 100).all() for a, b in pieces)
            assert scene.astype(bool).sum() <= 16 + 8


def test_an_episode_has_a_look_at_each_frame_and_the_answer_counts_at_the_end():
    env = gym.make(MOVING, action_mode="dict", split="test")
    _, info = env.reset(options={"index": 2})
    places, over = [info["target_location"]], False
    while not over:
        label = info["label"]
        _, reward, over, _, info = env.step(act(env, answer=label))
        if not over:
            assert reward == 0
            places.append(info["target_location"])
    assert (len(places), info["num_glimpses"], reward, info["is_success"]) == (20, 20, 1.0, True)
    assert len(np.unique(places, axis=0)) > 10


def test_a_glimpse_sees_the_frame_that_the_information_is_of():
    images = np.full((2, 4, 4), 255, np.uint8)
    own = {"images": images, "labels": [0, 1], "canvas_size": 40, "clutter_pieces": 0, "patch_size": 4}
    env = gym.make(MOVING, action_mode="dict", render_mode="rgb_array", **own)
    _, info = env.reset(seed=0)
    lane = env.unwrapped.lane
    for _ in range(10):
        _, _, _, _, info = env.step(act(env))
        seen = lane.look(info["target_location"][None, None])[0, 0]
        assert (seen[0] == 1).all()
        assert lane.view().scene.sum() == 16 * 255


def test_following_pays_the_share_of_frames_in_which_the_digit_is_under_the_finest_patch():
    env = gym.make(MOVING, action_mode="dict", reward="follow", speed=0.0)  # so that it can be followed
    _, info = env.reset(seed=0)
    total, over = 0.0, False
    while not over:
        _, reward, over, _, info = env.step(act(env, info))
        total += reward
    assert total == pytest.approx(1.0)
    assert (info["frames_followed"], info["is_success"]) == (19, True)
    _, info = env.reset(seed=1)
    away = {"location": -np.sign(info["target_location"]).astype(np.float32), "answer": info["label"], "stop": 0}
    _, reward, _, _, info = env.step(away)
    assert (reward, info["frames_followed"]) == (0.0, 0)
    _, reward, over, _, info = env.step({**away, "stop": 1})
    assert (reward, over, info["is_success"]) == (0.0, True, False)


def test_following_succeeds_where_the_last_glimpse_has_the_digit_also_if_it_is_the_first():
    env = gym.make(MOVING, action_mode="dict", reward="follow", patch_size=80, initial_location="center")
    env.reset(seed=0)
    _, reward, over, _, info = env.step(act(env, stop=1))
    assert (reward, over, info["is_success"], info["frames_followed"]) == (0.0, True, True, 0)
    assert not env.unwrapped.one_answer  # which earns nothing here
    assert gym.make(MOVING).unwrapped.one_answer


def test_who_knows_where_it_is_follows_what_drifts_and_seldom_what_jumps():
    shares = []
    for motion in ("drift", "jumps"):
        envs = gym.make_vec(
            MOVING, num_envs=200, reward="follow", motion=motion, action_mode="dict", autoreset_mode="Disabled"
        )
        _, info = envs.reset(seed=0)
        for _ in range(19):
            place = info["target_location"].astype(np.float32)
            info = envs.step({"location": place, "answer": np.zeros(200, int), "stop": np.zeros(200, int)})[4]
        shares.append(info["frames_followed"].mean() / 19)
    assert shares[0] > 0.95
    assert 0.2 < shares[1] < 0.5


def test_under_the_finest_patch_means_within_its_pixels():
    env = gym.make(MOVING, action_mode="dict", speed=0.0, render_mode="rgb_array")
    _, info = env.reset(seed=3)
    for off, inside in ((5, True), (-5, True), (7, False), (-7, False)):
        place = info["target_location"] + np.array([off, 0]) / 30
        before = info["frames_followed"]
        _, _, _, _, info = env.step({"location": place.astype(np.float32), "answer": 0, "stop": 0})
        square = env.unwrapped.lane.view().squares[0]
        middle = to_pixels(info["target_location"], 60, 60)
        assert (square[0] <= middle[0] < square[2]) == (info["frames_followed"] > before)
        assert (info["frames_followed"] > before) == inside or abs(place).max() > 1


@pytest.mark.parametrize(
    ("kwargs", "name"),
    [({"reward": "love"}, "reward"), ({"motion": "flight"}, "motion"), ({"speed": -1}, "speed"), ({"canvas_size": 27}, "canvas"),
     ({"clutter_size": 29}, "clutter_size"), ({"num_glimpses": 0}, "num_glimpses")],
)  # fmt: skip
def test_bad_argument_is_refused_by_name(kwargs, name):
    with pytest.raises(ValueError, match=name):
        gym.make(MOVING, **kwargs)
