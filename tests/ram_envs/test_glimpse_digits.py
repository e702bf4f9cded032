"""GlimpseDigits: the answers to several digits, and sequences of answers."""

import gymnasium as gym
import numpy as np
import pytest

from ram_envs.glimpse_digits import answer_names, right_answers

PAIRS, SUM = "GlimpseMNIST-Pairs100-v0", "GlimpseMNIST-Sum100-v0"
HUGE, LARGE = "GlimpseMNIST-Mega1500-v0", "GlimpseMNIST-Mega500-v0"
IMAGES = np.zeros((30, 6, 5, 3), np.uint8) + 200
OWN = {"images": IMAGES, "labels": np.arange(30) % 3, "canvas_size": 40}
SEQUENCE = {**OWN, "answer": "sequence", "digits": (1, 3), "action_mode": "dict", "num_glimpses": 9}


@pytest.fixture(autouse=True)
def digits_without_a_download(fake_mnist):
    pass


def act(answer=0, when="stop", counts=0, x=0.0, y=0.0):
    return {"location": np.array([x, y], np.float32), "answer": answer, when: counts}


def test_pairs_have_fifty_five_answers_and_sums_nineteen():
    assert gym.make(PAIRS, action_mode="dict").action_space["answer"].n == 55
    assert gym.make(SUM, action_mode="dict").action_space["answer"].n == 19
    assert gym.make(PAIRS).observation_space["glimpse"].shape == (4, 12, 12)
    assert gym.make(PAIRS).unwrapped.max_glimpses == 8
    assert gym.make(PAIRS, num_glimpses=4).unwrapped.max_glimpses == 4


def test_right_answers_by_hand():
    labels = np.array([[3, 1], [1, 3], [9, 9], [0, 0]])
    names = answer_names("pair", 10, 2)
    assert [names[i] for i in right_answers("pair", labels, 10)[:, 0]] == ["1 3", "1 3", "9 9", "0 0"]
    assert right_answers("sum", labels, 10)[:, 0].tolist() == [4, 4, 18, 0]
    assert answer_names("sum", 10, 2)[18] == "18"
    assert right_answers("sum", np.array([[4, -1, -1]]), 10).tolist() == [[4]]
    assert right_answers("majority", np.array([[1, 7, 7, 0, 7]]), 10).tolist() == [[7]]
    assert right_answers("sequence", np.array([[4, 2, -1]]), 10).tolist() == [[4, 2, 10, 10]]


@pytest.mark.parametrize(("env_id", "answers"), [(PAIRS, 55), (SUM, 19)])
def test_the_label_is_the_right_answer_and_a_scene_shows_its_digits(env_id, answers):
    env = gym.make(env_id, action_mode="dict", split="test")
    for index in range(20):
        _, info = env.reset(options={"index": index})
        assert 0 <= info["label"] < answers
        assert info["target_locations"].shape == (2, 2)
        _, reward, over, _, info = env.step(act(info["label"], counts=1))
        assert (reward, over, info["is_success"]) == (1.0, True, True)
        env.reset(options={"index": index})
        assert env.step(act((info["label"] + 1) % answers, counts=1))[1] == 0.0


def test_there_are_as_many_scenes_as_images_or_as_training_scenes():
    assert [gym.make(SUM, split=s).unwrapped.num_images for s in ("train", "validation", "test")] == [30, 10, 20]
    few = gym.make(SUM, train_scenes=7).unwrapped
    assert few.num_images == 7
    assert gym.make(SUM, train_scenes=7, split="test").unwrapped.num_images == 20
    scenes = {few.reset(seed=seed, options={"index": 3})[1]["target_locations"].tobytes() for seed in range(5)}
    assert len(scenes) == 1
    looks = {few.reset(seed=seed, options={"index": 3})[0]["location"].tobytes() for seed in range(5)}
    assert len(looks) == 5
    validation = gym.make(SUM, split="validation").reset(options={"index": 3})[1]["target_locations"]
    assert validation.tobytes() not in scenes
    fresh = gym.make(SUM)
    assert len({fresh.reset(seed=s, options={"index": 3})[1]["target_locations"].tobytes() for s in range(5)}) == 5


def test_huge_images_are_those_of_katharopoulos_and_fleuret():
    large, huge = (gym.make(env_id, split="test", action_mode="dict").unwrapped for env_id in (LARGE, HUGE))
    assert (large.max_glimpses, huge.max_glimpses) == (16, 32)
    assert huge.action_space["answer"].n == 10
    for env, side, marks in ((large, 500, 0), (huge, 1500, 50)):
        assert env.lane.sensor.widths[-2] < side <= env.lane.sensor.widths[-1]
        info = env.reset(options={"index": 3})[1]
        assert info["target_locations"].shape == (5, 2)
        groups = env.lane.scatterer.draw(env.lane.held_out_draws(np.array([3]))[:, 3:]).sprites
        assert [group.which.shape[1] for group in groups] == [5] + [marks] * (marks > 0)
        shown = env.lane.data.labels[groups[0].which[0]]
        assert np.bincount(shown)[info["label"]] == 3
    assert huge.lane_bytes < 10**6 < 1500 * 1500
    assert gym.make(HUGE, train_scenes=5000).unwrapped.num_images == 5000


def test_a_sequence_pays_each_right_answer_and_ends_when_it_is_said_that_there_are_no_more():
    env = gym.make(SUM, **SEQUENCE)
    for seed in range(10):
        _, info = env.reset(seed=seed)
        truths = info["sequence"]
        assert "label" not in info
        assert not env.unwrapped.tells_label
        assert env.step(act(when="say"))[1:3] == (0.0, False)  # it does not count
        for right, answer in enumerate(truths, 1):
            observation, reward, over, _, info = env.step(act(answer, "say", 1, x=0.5))
            assert (reward, over, info["num_right"]) == (1.0, answer == 3, right)
            if over:
                break
            assert observation["location"].tolist() == [0.5, 0.0]
        assert info["is_success"]


def test_a_sequence_ends_with_the_first_wrong_answer():
    env = gym.make(SUM, **SEQUENCE)
    _, info = env.reset(seed=1)
    first, second = info["sequence"][:2]
    env.step(act(first, "say", 1))
    _, reward, over, _, info = env.step(act((second + 1) % 4, "say", 1))
    assert (reward, over, info["is_success"], info["num_right"]) == (0.0, True, False, 1)


def test_the_last_action_of_a_sequence_counts_and_success_needs_the_end():
    env = gym.make(SUM, **{**SEQUENCE, "num_glimpses": 2, "digits": 1})
    _, info = env.reset(seed=0)
    first = info["sequence"][0]
    env.step(act(first, "say", 1))
    assert env.step(act(3, "say", 0))[1:3] == (1.0, True)  # used up: it counts
    env.reset(seed=0)
    env.step(act(when="say"))
    _, reward, over, _, info = env.step(act(first, "say", 0))
    assert (reward, over, info["is_success"]) == (1.0, True, False)


@pytest.mark.parametrize("grid", [6, 7])
def test_a_number_that_answers_in_a_sequence_looks_at_the_middle(grid):
    env = gym.make(SUM, **{**SEQUENCE, "action_mode": "discrete", "location_grid": grid})
    _, info = env.reset(seed=0)
    observation, reward, *_ = env.step(grid * grid + info["sequence"][0])
    assert reward == 1.0
    assert observation["location"].tolist() == [0.0, 0.0]


def test_two_keys_together_answer_a_pair_and_a_digit_with_return_a_twin():
    lane = gym.make(PAIRS).unwrapped.lane
    names, keys = lane.class_names, lane.keys()
    assert names[keys[(ord("3"), ord("7"))]["answer"]] == "3 7"
    assert names[keys[(13, ord("4"))]["answer"]] == "4 4"
    assert gym.make(SUM).unwrapped.lane.keys()[(13, ord("9"))] == {"answer": 18, "stop": 1}
    assert gym.make(SUM, **SEQUENCE).unwrapped.lane.keys()[(13,)] == {"answer": 3, "say": 1}
    assert all(len(line) < 100 for line in lane.rules())


@pytest.mark.parametrize(
    ("kwargs", "name"),
    [
        ({"answer": "product"}, "answer"),
        ({"digits": 3}, "digits"),
        ({"answer": "sum", "digits": (3, 2)}, "digits"),
        ({"answer": "sum", "digits": 0}, "digits"),
        ({"answer": "majority", "digits": 2}, "digits"),
        ({"answer": "majority", "digits": (3, 5)}, "digits"),
        ({"canvas_size": 27}, "canvas_size"),
        ({"canvas_size": 55}, "canvas_size"),
        ({"train_scenes": 0}, "train_scenes"),
        ({"marks": -1}, "marks"),
        ({"labels": [1]}, "images and labels"),
    ],
)
def test_bad_argument_is_refused_by_name(kwargs, name):
    with pytest.raises(ValueError, match=name):
        gym.make(PAIRS, **kwargs)
