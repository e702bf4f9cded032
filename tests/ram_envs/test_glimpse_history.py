"""`obs_mode="history"`: what was seen and done so far, in one vector."""

import gymnasium as gym
import numpy as np
import pytest

import ram_envs
from ram_envs.gymnasium_versions import AutoresetMode

OWN = {"images": np.random.default_rng(0).integers(1, 256, (12, 20, 20), np.uint8), "labels": np.arange(12) % 4}


def catch(**changes):
    """A small game whose glimpse is one scale of 4x4: 16 + 2 + 3 numbers."""
    settings = {"screen_size": 8, "patch_size": 4, "num_scales": 1, "action_mode": "dict", "obs_mode": "history"}
    return gym.make("CatchBall-v0", **{**settings, **changes}).unwrapped


def look(x, y, **choices):
    return {"location": np.array([x, y], np.float32), **choices}


def test_it_is_the_glimpses_and_locations_of_the_same_episode_with_what_was_done_before_each():
    plain, env = catch(obs_mode="flat"), catch()
    rows = [np.concatenate([plain.reset(seed=2)[0], [0, 0, 0]])]
    seen = [env.reset(seed=2)[0]]
    for step, move in enumerate([2, 0, 1, 1, 0, 2, 2]):
        action = look(step / 7, -step / 9, move=move)
        rows.append(np.concatenate([plain.step(action)[0], np.eye(3)[move]]))
        seen.append(env.step(action)[0])
    for count, vector in enumerate(seen, 1):
        frames = vector.reshape(8, 21)  # a game of 8 rows has 8 glimpses
        np.testing.assert_array_equal(frames[8 - count :], np.array(rows[:count], np.float32))
        assert not frames[: 8 - count].any()


@pytest.mark.parametrize("env_id", ["CatchBall-v0", "GlimpseMNIST-v0"])
def test_a_limit_of_steps_leaves_single_and_vector_environments_alike(env_id):
    kwargs = {"obs_mode": "history", "max_episode_steps": 2, **(OWN if "MNIST" in env_id else {})}
    envs = gym.make_vec(env_id, num_envs=2, **kwargs)
    assert envs.single_observation_space == gym.make(env_id, **kwargs).observation_space


def test_of_more_glimpses_than_are_kept_the_last_are():
    whole, env = catch(), catch(history=3)
    assert env.observation_space.shape == (3 * 21,)
    whole.reset(seed=0)
    env.reset(seed=0)
    for step in range(7):
        action = look(0.1 * step, 0.3, move=step % 3)
        np.testing.assert_array_equal(env.step(action)[0], whole.step(action)[0].reshape(8, 21)[-3:].ravel())


def test_an_answer_that_did_not_count_is_no_part_of_it():
    env = gym.make("GlimpseMNIST-v0", obs_mode="history", action_mode="dict", num_glimpses=3, patch_size=4, **OWN)
    assert env.observation_space.shape == (3 * 18,)
    first = env.reset(seed=0)[0]
    assert not first[: 2 * 18].any()
    second = env.step(look(0.5, -0.25, answer=3, stop=0))[0]
    np.testing.assert_array_equal(second[18:36], first[36:])
    assert second[-2:].tolist() == [0.5, -0.25]
    last, *_ = env.step(look(-1, -1, answer=3, stop=1))
    np.testing.assert_array_equal(last, second)  # who stops does not look again


def test_in_a_sequence_what_was_said_is_part_of_it():
    images = {**OWN, "canvas_size": 64, "digits": 2, "answer": "sequence"}
    env = gym.make("GlimpseMNIST-Pairs100-v0", obs_mode="history", action_mode="dict", num_glimpses=4, **images)
    frame = env.unwrapped.lane.sensor.glimpse_shape()
    size = int(np.prod(frame)) + 2 + 5 + 2  # four classes and "no more"; whether it is said
    assert env.observation_space.shape == (4 * size,)
    right = int(env.reset(seed=0)[1]["sequence"][0])
    observation, _, over, *_ = env.step(look(0, 0, answer=right, say=1))
    assert not over
    assert observation[-7:].tolist() == [*np.eye(5)[right], 0, 1]


@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_each_lane_forgets_when_its_episode_begins(mode):
    envs = gym.make_vec(
        "GlimpseMNIST-v0",
        num_envs=2,
        obs_mode="history",
        action_mode="dict",
        autoreset_mode=mode,
        num_glimpses=4,
        **OWN,
    )
    envs.reset(seed=0)
    actions = {"location": np.full((2, 2), 0.5), "answer": np.zeros(2, int), "stop": np.array([0, 0])}
    envs.step(actions)
    observation, *_, info = envs.step({**actions, "stop": np.array([1, 0])})
    if mode is AutoresetMode.SAME_STEP:
        assert (info["final_obs"][0].reshape(4, -1).any(axis=1)).tolist() == [False, False, True, True]
    elif mode is AutoresetMode.NEXT_STEP:
        observation, *_ = envs.step(actions)
    else:
        observation, _ = envs.reset(options={"reset_mask": np.array([True, False])})
    taken = observation.reshape(2, 4, -1).any(axis=2).sum(axis=1)
    assert taken.tolist() == [1, 4 if mode is AutoresetMode.NEXT_STEP else 3]


def test_every_vector_is_the_callers_to_keep():
    envs = gym.make_vec("CatchBall-History-v0", num_envs=2)
    first = envs.reset(seed=0)[0]
    copy = first.copy()
    second, *_ = envs.step(envs.action_space.sample())
    np.testing.assert_array_equal(first, copy)
    assert not np.shares_memory(first, second)


class Walker(gym.Env):
    """A grey square grows; a Box of two numbers, and an end after six steps, which it does not tell of before."""

    observation_space = gym.spaces.Box(0, 255, (10, 10, 3), np.uint8)
    action_space = gym.spaces.Box(np.array([1, -2], np.float32), np.array([4, 2], np.float32))

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.age = 0
        return self._image(), {}

    def step(self, action):
        self.age += 1
        return self._image(), 0.0, self.age == 6, False, {}

    def _image(self):
        image = np.zeros((10, 10, 3), np.uint8)
        image[: self.age + 1] = 80
        return image


def test_behind_the_wrapper_it_has_the_control_and_as_many_glimpses_as_are_asked_for():
    env = ram_envs.RetinaWrapper(Walker(), patch_size=2, obs_mode="history", history=4)
    frame = 3 * 4 + 2 + 2
    assert env.observation_space.shape == (4 * frame,)
    assert env.reset(seed=0)[0] in env.observation_space
    controls = [(3, 1), (4, -2), (1, 0), (2, 2), (2, 0)]
    for control in controls:
        observation, *_ = env.step({"location": np.zeros(2, np.float32), "control": np.array(control, np.float32)})
        assert observation in env.observation_space
    assert observation.reshape(4, frame)[:, -2:].tolist() == [list(control) for control in controls[-4:]]
    assert ram_envs.RetinaWrapper(Walker(), patch_size=2, obs_mode="history").observation_space.shape == (32 * frame,)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"history": 0}, "history must be a whole number of at least 1, got 0"),
        ({"history": 2.5}, "history must be a whole number"),
        ({"obs_mode": "flat", "history": 4}, "history goes with obs_mode=\"history\", got obs_mode='flat'"),
    ],
)
def test_a_history_that_cannot_be_is_refused_by_name(changes, message):
    with pytest.raises(ValueError, match=message):
        catch(**changes)
