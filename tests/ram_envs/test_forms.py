"""Every id in every form runs where no keyword can be passed, from Gymnasium 0.29.1 on; this file needs no vector environment."""

import json
import pickle
import warnings

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.utils.env_checker import check_env

from ram_envs import ENV_IDS, FORM_IDS, FORMS
from ram_envs.gymnasium_versions import OLD, own_attribute

IDS = [*ENV_IDS, *FORM_IDS]


@pytest.fixture(autouse=True)
def digits_without_a_download(fake_mnist):
    pass


def episode(env, seed):
    """The infos of one episode with random actions."""
    env.action_space.seed(seed)
    infos, over = [env.reset(seed=seed)[1]], False
    while not over:
        observation, _, over, _, info = env.step(env.action_space.sample())
        assert observation in env.observation_space
        infos.append(info)
    return infos


@pytest.mark.parametrize("env_id", IDS)
def test_every_id_is_made_without_a_keyword_and_its_info_has_the_same_keys_from_reset_on(env_id):
    env = gym.make(env_id)
    kinds = [{name: type(value) for name, value in info.items()} for info in episode(env, 0)]
    assert all(kind == kinds[0] for kind in kinds)
    assert kinds[0]["is_success"] is bool
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the recommendations of every version
        check_env(env.unwrapped, skip_render_check=True)


@pytest.mark.parametrize("env_id", ENV_IDS)
def test_success_is_false_until_it_is_true(env_id):
    env, found = gym.make(env_id), set()
    for seed in range(60):
        *before, last = [info["is_success"] for info in episode(env, seed)]
        assert not any(before)
        found.add(last)
    assert found == {False, True}


@pytest.mark.parametrize("env_id", FORM_IDS)
def test_a_form_is_the_environment_with_its_keywords(env_id):
    plain, form = FORM_IDS[env_id]
    assert gym.spec(env_id).kwargs == gym.spec(plain).kwargs | FORMS[form]
    json.loads(gym.spec(env_id).to_json())
    assert pickle.loads(pickle.dumps(gym.spec(env_id))) == gym.spec(env_id)
    one, other = gym.make(env_id), gym.make(plain, **FORMS[form])
    assert (one.observation_space, one.action_space) == (other.observation_space, other.action_space)
    assert isinstance(one.observation_space, spaces.Box)
    assert len(one.observation_space.shape) == 1


def test_the_forms_have_one_discrete_and_one_box():
    assert gym.make("CatchBall-Discrete-v0").action_space == spaces.Discrete(25 * 3)
    assert gym.make("GlimpseMNIST-Discrete-v0").action_space == spaces.Discrete(49 + 10)
    assert gym.make("CatchBall-Box-v0").action_space.shape == (2 + 3,)
    assert gym.make("GlimpseMNIST-History-v0").observation_space.shape == (6 * 66,)


def test_keywords_replace_those_of_a_form():
    env = gym.make("CatchBall-Discrete-v0", obs_mode="history", history=3, location_grid=3)
    assert env.action_space == spaces.Discrete(9 * 3)
    assert env.observation_space.shape == (3 * (3 * 36 + 2 + 3),)


def test_an_attribute_of_an_environment_is_found_behind_wrappers_and_otherwise_is_the_default():
    env = gym.make("CatchBall-v0")
    assert own_attribute(env, "max_glimpses") == 24
    assert own_attribute(env, "no_such_attribute", 5) == 5


@pytest.mark.skipif(not OLD, reason="about Gymnasium before 1.1")
def test_before_gymnasium_1_1_vectors_are_of_single_environments():
    if gym.__version__ >= "1":
        with pytest.raises(gym.error.Error, match=r"need Gymnasium 1\.1 or newer"):
            gym.make_vec("CatchBall-v0", num_envs=2)
    envs = gym.make_vec("CatchBall-v0", num_envs=2, vectorization_mode="sync")
    observation, _ = envs.reset(seed=0)
    np.testing.assert_array_equal(observation["glimpse"][1], gym.make("CatchBall-v0").reset(seed=1)[0]["glimpse"])


@pytest.mark.skipif(OLD, reason="needs Gymnasium 1.1")
@pytest.mark.parametrize("env_id", FORM_IDS)
def test_lanes_of_a_form_are_single_environments(env_id):
    envs, single = gym.make_vec(env_id, num_envs=2), gym.make(env_id)
    np.testing.assert_array_equal(envs.reset(seed=3)[0][1], single.reset(seed=4)[0])
    for _ in range(4):
        action = envs.action_space.sample()
        observation, *_ = envs.step(action)
        if single.unwrapped.lane.terminated[0]:
            break
        np.testing.assert_array_equal(observation[1], single.step(action[1])[0])


@pytest.mark.skipif(OLD, reason="needs Gymnasium 1.1")
def test_gymnasiums_class_is_a_direct_base_of_every_world():
    """By which skrl's `wrap_env(envs, wrapper="auto")` knows whose vector environment it is."""
    from ram_envs.batched_env import RetinaVectorEnv

    for env_id in ENV_IDS:
        envs = gym.make_vec(env_id, num_envs=1)
        assert any(base.__module__.startswith("gymnasium.") for base in type(envs).__bases__)
        assert isinstance(envs, RetinaVectorEnv)

    class Light(type(envs)):
        pass

    class Between:
        pass

    class Mixed(Between, Light):
        pass

    assert gym.vector.VectorEnv in Light.__bases__
    assert Mixed.__bases__ == (Between, Light, gym.vector.VectorEnv)
