"""What an environment can do is asked of it: each answer is held against played episodes."""

import tracemalloc

import gymnasium as gym
import numpy as np
import pytest

import ram_envs

IMAGES = np.random.default_rng(0).integers(0, 256, (12, 20, 30, 3), np.uint8)
OWN = {"images": IMAGES, "labels": np.arange(12) % 3}
WORLDS = {
    "GlimpseMNIST-v0": OWN,
    "GlimpseMNIST-Cluttered60-v0": {**OWN, "num_classes": 7},
    "CatchBall-v0": {"screen_size": 7},
}


def both(env_id, **changes):
    """The single and the vector environment."""
    kwargs = {**WORLDS[env_id], **changes}
    return gym.make(env_id, **kwargs).unwrapped, gym.make_vec(env_id, num_envs=3, **kwargs).unwrapped


@pytest.mark.usefixtures("fake_mnist")
@pytest.mark.parametrize("env_id", ram_envs.ENV_IDS)
def test_each_split_that_is_named_is_taken_and_has_as_many_images_as_it_says(env_id):
    for make in (gym.make, gym.make_vec):
        env = make(env_id).unwrapped
        assert env.splits == (("train", "validation", "test") if "MNIST" in env_id else ())
        if not env.splits:
            with pytest.raises(TypeError, match="split"):
                make(env_id, split="train")
        for split in env.splits:
            env = make(env_id, split=split).unwrapped
            env.reset(options={"index": env.num_images - 1})
            with pytest.raises(ValueError, match="index"):
                env.reset(options={"index": env.num_images})


def test_a_world_without_images_chooses_no_episode():
    for env in both("CatchBall-v0"):
        assert env.num_images is None
        with pytest.raises(ValueError, match="index"):
            env.reset(options={"index": 0})
    assert [env.num_images for env in both("GlimpseMNIST-v0")] == [12, 12]


@pytest.mark.parametrize("env_id", WORLDS)
@pytest.mark.parametrize("privileged", [True, False])
def test_a_label_is_told_where_it_is_said_to_be_and_is_an_answer(env_id, privileged):
    single, envs = both(env_id, privileged_info=privileged, action_mode="dict")
    assert single.tells_label == envs.tells_label == (privileged and "MNIST" in env_id)
    info = single.reset(seed=0)[1]
    assert ("label" in info) == single.tells_label
    if single.tells_label:
        assert info["label"] in single.action_space["answer"]
        assert envs.reset(seed=0)[1]["label"].shape == (3,)


@pytest.mark.parametrize("changes", [{}, {"num_balls": 3}, {"screen_size": 4, "num_balls": 2}, {"screen_size": 24}])
def test_a_game_of_catch_has_the_most_glimpses_in_every_episode(changes):
    single, envs = both("CatchBall-v0", **changes)
    assert single.max_glimpses == envs.max_glimpses
    over, info = False, single.reset(seed=0)[1]
    while not over:
        _, _, over, _, info = single.step(single.action_space.sample())
    assert info["num_glimpses"] == single.max_glimpses


@pytest.mark.parametrize("num_glimpses", [1, 2, 5])
def test_no_episode_of_digits_has_more_than_the_most_glimpses_and_one_that_never_stops_has_them(num_glimpses):
    single, envs = both("GlimpseMNIST-v0", num_glimpses=num_glimpses)
    assert single.max_glimpses == envs.max_glimpses == num_glimpses
    seen = []
    for seed in range(20):
        over, info = False, single.reset(seed=seed)[1]
        while not over:
            action = single.action_space.sample()
            action[2] *= seed > 0
            _, _, over, _, info = single.step(action)
        seen.append(info["num_glimpses"])
    assert seen[0] == max(seen) == num_glimpses


@pytest.mark.parametrize("env_id", WORLDS)
def test_a_single_environment_says_what_its_vector_environment_says(env_id):
    single, envs = both(env_id)
    names = ["splits", "num_images", "tells_label", "max_glimpses", "lane_bytes", "screen_changes", "glimpse_after_end"]
    assert [getattr(single, name) for name in names] == [getattr(envs, name) for name in names]


@pytest.mark.parametrize(
    ("env_id", "changes"),
    [
        ("GlimpseMNIST-v0", {}),
        ("GlimpseMNIST-v0", {"images": np.zeros((12, 64, 48, 3), np.uint8)}),
        ("GlimpseMNIST-Cluttered100-v0", {}),
        ("GlimpseMNIST-Pairs100-v0", {}),
        ("GlimpseMNIST-Mega500-v0", {}),
        ("GlimpseMNIST-Mega1500-v0", {}),
        ("CatchBall-v0", {}),
        ("CatchBall-v0", {"screen_size": 60}),
    ],
)
def test_lanes_take_about_as_many_bytes_as_they_say(env_id, changes):
    kwargs = {**(OWN if "MNIST" in env_id else {}), **changes}
    gym.make_vec(env_id, num_envs=1, **kwargs).close()  # what is loaded once
    tracemalloc.start()
    try:
        envs = gym.make_vec(env_id, num_envs=300, **kwargs)
        envs.reset(seed=0)
        for _ in range(10):
            envs.step(envs.action_space.sample())
        peak = tracemalloc.get_traced_memory()[1] / 300
    finally:
        tracemalloc.stop()
    said = envs.unwrapped.lane_bytes
    assert 0.5 * said < peak < 1.6 * said


@pytest.mark.parametrize("env_id", ["GlimpseMNIST-v0", "CatchBall-v0"])
def test_look_sees_what_a_look_there_would_see_and_changes_nothing(env_id, fake_mnist):
    envs, others = (gym.make_vec(env_id, num_envs=3, action_mode="dict", autoreset_mode="Disabled") for _ in range(2))
    places = np.random.default_rng(0).uniform(-1, 1, (4, 3, 2)).astype(np.float32)
    choice = {"answer": [0] * 3, "stop": [0] * 3} if "answer" in envs.single_action_space.spaces else {"move": [1] * 3}
    for each in (envs, others):
        each.reset(seed=5)
        each.step({"location": np.zeros((3, 2), np.float32), **choice})
    seen = envs.unwrapped.look(places)
    assert seen.shape == (4, 3, *envs.single_observation_space["glimpse"].shape)
    np.testing.assert_array_equal(envs.unwrapped.look(places), seen)
    first, other = (each.step({"location": places[1], **choice})[0] for each in (envs, others))
    np.testing.assert_array_equal(first["glimpse"], other["glimpse"])  # as if nobody had looked
    if not envs.unwrapped.screen_changes:
        np.testing.assert_array_equal(first["glimpse"], seen[1])


def test_look_moves_places_beyond_the_border_to_it_and_refuses_other_shapes(fake_mnist):
    envs = gym.make_vec("CatchBall-v0", num_envs=2).unwrapped
    with pytest.raises(gym.error.ResetNeeded):
        envs.look(np.zeros((1, 2, 2)))
    envs.reset(seed=0)
    np.testing.assert_array_equal(envs.look(np.full((1, 2, 2), 7.0)), envs.look(np.ones((1, 2, 2))))
    for wrong in (np.zeros((2, 2)), np.zeros((1, 3, 2)), np.full((1, 2, 2), np.nan)):
        with pytest.raises(ValueError, match=r"locations must be finite numbers of shape \(K, 2, 2\)"):
            envs.look(wrong)
