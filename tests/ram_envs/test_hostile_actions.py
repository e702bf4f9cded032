"""Hostile actions: over all environments and modes, what is no action is refused by name and changes nothing."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ram_envs import ENV_IDS
from ram_envs.action_modes import ACTION_MODES

settings_of = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(autouse=True)
def digits_without_a_download(fake_mnist):
    pass


def equal(one, other):
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, tuple):
        return len(one) == len(other) and all(map(equal, one, other))
    return np.array_equal(one, other)


class Unwilling:
    """Has an array that it does not give, as a tensor with gradient."""

    def __array__(self, *args, **kwargs):
        raise RuntimeError("Can't call numpy() on me.")


numbers = st.one_of(
    st.integers(-3, 30),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.sampled_from([float("nan"), float("inf"), -float("inf"), 1e308, True, None, "left", b"3", 1j, Unwilling()]),
)
kinds = st.sampled_from(["?", "i1", "u8", "i8", "f2", "f4", "f8", "c16", "U3", "S3", "O", "m8[s]", "M8[s]"])
arrays = kinds.flatmap(lambda kind: hnp.arrays(kind, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=13)))
hostile = st.one_of(numbers, arrays, st.recursive(numbers, lambda inner: st.lists(inner, max_size=5), max_leaves=12))


@st.composite
def actions(draw, space):
    """Something like an action: anything at all, or a good one with something wrong in it."""
    if draw(st.integers(0, 3)) == 0:
        return draw(
            st.one_of(hostile, st.dictionaries(numbers.filter(lambda key: key is not None), hostile, max_size=3))
        )
    space.seed(draw(st.integers(0, 1000)))
    good = space.sample()
    if draw(st.integers(0, 3)) == 0:  # the right numbers as the wrong kind
        kind = draw(kinds)
        if isinstance(good, dict):
            name = draw(st.sampled_from([*good]))
            return {**good, name: np.asarray(good[name]).astype(kind)}
        return np.asarray(good).astype(kind)
    if isinstance(good, dict):
        name = draw(st.sampled_from([*good, "other", 3]))
        if draw(st.booleans()):
            return {**good, name: draw(hostile)}
        return {key: value for key, value in good.items() if key != name}
    wrong = np.asarray(good).astype(draw(st.sampled_from([object, float])))
    if wrong.size:
        wrong[tuple(draw(st.integers(0, side - 1)) for side in wrong.shape)] = draw(
            numbers if wrong.dtype == object else st.floats()
        )
    return draw(st.sampled_from([wrong, wrong.tolist(), wrong[None], np.append(wrong, 0), good]))


@pytest.mark.parametrize("env_id", ENV_IDS)
@pytest.mark.parametrize("action_mode", ACTION_MODES)
def test_what_is_no_action_is_refused_with_a_value_error_and_changes_nothing(env_id, action_mode):
    tried, twin = (gym.make(env_id, action_mode=action_mode).unwrapped for _ in range(2))
    many, twins = (gym.make_vec(env_id, num_envs=2, action_mode=action_mode).unwrapped for _ in range(2))
    good, goods = twin.action_space, twins.action_space
    taken = []

    @settings_of
    @given(action=st.one_of(actions(tried.action_space), actions(many.action_space)))
    def play(action):
        for envs, other, space in ((tried, twin, good), (many, twins, goods)):
            assert equal(envs.reset(seed=3), other.reset(seed=3))
            try:
                observation, reward, *_ = envs.step(action)
            except ValueError as error:
                assert "action" in str(error)  # noqa: PT017
                choice = space.sample()
                assert equal(envs.step(choice), other.step(choice))
            else:
                assert envs.observation_space.contains(observation)
                assert np.isfinite(reward).all()
                taken.append(action)

    play()
    assert all(np.asarray(value).dtype.kind in "biuf" for action in taken for value in leaves(action))


def leaves(action):
    return list(action.values()) if isinstance(action, dict) else [action]


@pytest.mark.parametrize("env_id", ENV_IDS)
@pytest.mark.parametrize("action_mode", ACTION_MODES)
def test_steps_after_the_end_are_refused_until_the_next_reset(env_id, action_mode):
    env = gym.make(env_id, action_mode=action_mode).unwrapped
    env.action_space.seed(0)
    for episode in range(3):
        env.reset(seed=episode)
        over = False
        while not over:
            over = env.step(env.action_space.sample())[2]
        for _ in range(3):
            with pytest.raises(gym.error.ResetNeeded, match=r"call reset\(\)"):
                env.step(env.action_space.sample())


@pytest.mark.parametrize(
    ("env_id", "kwargs"), [*((env_id, {}) for env_id in ENV_IDS), ("GlimpseMNIST-v0", {"order": "sequential"})]
)
@pytest.mark.parametrize("mode", AutoresetMode)
def test_reset_in_the_middle_leaves_nothing_of_what_was_before(env_id, kwargs, mode):
    used, fresh = (gym.make_vec(env_id, num_envs=3, autoreset_mode=mode, **kwargs) for _ in range(2))
    used.action_space.seed(0)
    for steps in range(1, 30, 4):
        used.reset()
        for _ in range(steps):
            used.step(used.action_space.sample())
        assert equal(used.reset(seed=steps), fresh.reset(seed=steps))
        for _ in range(3):
            action = used.action_space.sample()
            assert equal(used.step(action)[:4], fresh.step(action)[:4])


@pytest.mark.parametrize("env_id", ENV_IDS)
def test_same_seed_gives_the_same_episode_among_any_number_of_lanes(env_id):
    play = {"autoreset_mode": AutoresetMode.DISABLED, "action_mode": "multidiscrete"}
    seen = {}
    for lanes in (1, 7, 1024):
        envs = gym.make_vec(env_id, num_envs=lanes, **play)
        envs.single_action_space.seed(1)
        observation, info = envs.reset(seed=[50 + lane // 2 for lane in range(lanes)])  # neighbours are alike
        seen[lanes], over = [(observation, targets(info))], np.zeros(lanes, bool)
        while not over.all():
            action = envs.single_action_space.sample()
            if "MNIST" in env_id:
                action[-1] = 0  # looks on to the last glimpse
            observation, rewards, over, _, info = envs.step(np.tile(action, (lanes, 1)))
            seen[lanes].append((observation, targets(info), rewards, over, info["num_glimpses"]))
    for few, more in ((1, 7), (7, 1024)):
        for one, other in zip(seen[few], seen[more], strict=True):
            assert equal(one, pick(other, slice(few)))
    for step in seen[1024]:
        assert equal(pick(step, slice(0, None, 2)), pick(step, slice(1, None, 2)))
    assert len(np.unique(seen[1024][0][0]["location"], axis=0)) == 512


def targets(info):
    """Where the digits are, or the ball."""
    return info.get("target_locations", info.get("target_location"))


def pick(found, lanes):
    """Those lanes of what a step returned."""
    if isinstance(found, dict):
        return {key: pick(value, lanes) for key, value in found.items()}
    return tuple(pick(part, lanes) for part in found) if isinstance(found, tuple) else found[lanes]


@pytest.mark.parametrize("env_id", ENV_IDS)
@given(
    seed=st.one_of(
        st.integers(-5, 2**80), numbers, st.lists(numbers, max_size=4), hnp.arrays("i8", 2), hnp.arrays("f8", 2)
    )
)
@settings_of
def test_seed_is_taken_or_refused_by_name_before_any_lane_has_it(env_id, seed):
    envs = gym.make_vec(env_id, num_envs=2).unwrapped
    envs.reset(seed=8)
    before = envs.np_random_seed
    try:
        envs.reset(seed=seed)
    except ValueError as error:
        assert "seed must be" in str(error)  # noqa: PT017
        assert envs.np_random_seed == before
    else:
        assert all(given >= 0 for given in envs.np_random_seed)


def test_seeds_beyond_64_bits_and_of_numpys_kinds_count_on_exactly():
    envs = gym.make_vec("CatchBall-v0", num_envs=2).unwrapped
    for first in (2**70, 2**64 - 1, np.uint64(2**63 + 1), np.int8(127)):
        envs.reset(seed=first)
        assert envs.np_random_seed == (int(first), int(first) + 1)


def test_reset_options_that_are_no_options_are_refused_by_name():
    envs = gym.make_vec("GlimpseMNIST-v0", num_envs=2)
    for wrong in (np.zeros(2, "m8[s]"), np.array(["NaT"] * 2, "m8[s]"), [0.0, 1.0], ["0", "1"], 2**70, True):
        with pytest.raises(ValueError, match=r"options\['index'\] must"):
            envs.reset(options={"index": wrong})
    with pytest.raises(ValueError, match="options may hold"):
        envs.reset(options={"indx": 0, 3: 4})
