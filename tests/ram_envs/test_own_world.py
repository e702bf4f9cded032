"""A world of one's own: three methods make an environment that does all that ours do."""

import inspect
import pickle

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from ram_envs.action_modes import ACTION_MODES
from ram_envs.arguments import whole_number
from ram_envs.batched_env import RetinaEnv, RetinaVectorEnv


class LampVectorEnv(RetinaVectorEnv):
    """One pixel of the screen is lit: is it on the right?"""

    def __init__(self, num_envs=1, *, side=8, **retina):
        self.side = whole_number("side", side, 2)
        self.lit = np.zeros((num_envs, 2), int)
        choices = {"side": 2, "sure": 3}
        super().__init__(num_envs, screen=(side, side, 1), choices=choices, num_draws=2, **retina)

    def begin(self, lanes, draws, options):
        self.lit[lanes] = draws[:, 2:] * self.side

    def advance(self, lanes, choices):
        right = choices["side"] == (2 * self.lit[lanes, 0] >= self.side)
        return 1.0 * right * (choices["sure"] == 2), choices["sure"] == 2

    def screens(self, lanes):
        screens = np.zeros((len(lanes), self.side, self.side, 1), np.uint8)
        screens[np.arange(len(lanes)), self.lit[lanes, 1], self.lit[lanes, 0]] = 255
        return screens


class LampEnv(RetinaEnv):
    """
    ## Arguments
    - `side`: of the screen.

    ## Version History
    - v0: first version.
    """

    vector_class = LampVectorEnv


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    monkeypatch.setattr(gym.envs.registration, "registry", dict(gym.registry))
    gym.register("Lamp-v0", entry_point=LampEnv, vector_entry_point=LampVectorEnv)


def equal(one, other):
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, np.ndarray) and one.dtype == object:
        return all(a is b is None or equal(a, b) for a, b in zip(one, other, strict=True))
    return np.array_equal(one, other)


@pytest.mark.parametrize("action_mode", ACTION_MODES)
@pytest.mark.parametrize("obs_mode", ["dict", "flat"])
@pytest.mark.filterwarnings("ignore:.*not symmetric|.*normalized")  # about a Box that may be any
def test_gymnasiums_checker_is_content_with_three_methods(action_mode, obs_mode):
    env = gym.make("Lamp-v0", action_mode=action_mode, obs_mode=obs_mode, render_mode="rgb_array")
    check_env(env.unwrapped)


@pytest.mark.parametrize("mode", list(AutoresetMode)[:2])
def test_its_lanes_are_gymnasiums_vector_of_single_ones(mode):
    kwargs = {"action_mode": "discrete", "location_grid": 3, "num_scales": 2, "max_episode_steps": 4}
    native = gym.make_vec("Lamp-v0", num_envs=3, autoreset_mode=mode, **kwargs)
    single = SyncVectorEnv([lambda: gym.make("Lamp-v0", **kwargs)] * 3, autoreset_mode=mode)
    native.action_space.seed(0)
    assert all(map(equal, native.reset(seed=1), single.reset(seed=1)))
    for _ in range(30):
        actions = native.action_space.sample()
        assert all(map(equal, native.step(actions), single.step(actions)))


def test_what_it_does_not_say_has_a_sensible_default():
    env = gym.make("Lamp-v0", render_mode="rgb_array", action_mode="dict").unwrapped
    assert env.reset(seed=0)[1] == {"num_glimpses": 1}
    assert env.step({"location": [0, 0], "side": 0, "sure": 2})[4] == {"num_glimpses": 2}
    view = env.lane.view()
    assert [name for name, _ in view.caption] == ["step", "reward"]
    assert view.outcome is None
    assert env.render().ndim == 3
    assert (env.splits, env.num_images, env.tells_label, env.max_glimpses) == ((), None, False, None)
    assert env.screen_changes
    assert env.noop_action() in env.action_space
    assert len(env.get_keys_to_action()) == 9  # where to look
    assert list(inspect.signature(LampEnv).parameters)[:2] == ["side", "patch_size"]
    assert LampEnv.__doc__.index("`side`") < LampEnv.__doc__.index("`patch_size`") < LampEnv.__doc__.index("Version")
    with pytest.raises(TypeError, match="did you mean 'side'"):
        gym.make("Lamp-v0", sides=3)


def test_each_number_of_the_discrete_mode_is_a_cell_and_an_option_of_each_choice():
    lane = LampVectorEnv(1, action_mode="discrete", location_grid=2)
    assert lane.single_action_space == gym.spaces.Discrete(4 * 2 * 3)
    read = [lane._action_mode.read([number], 1) for number in range(24)]
    assert len({(*locations[0], choices["side"][0], choices["sure"][0]) for locations, choices in read}) == 24
    assert lane.write_action((0.5, -0.5), {"side": 1, "sure": 2}) == 1 * 6 + 1 * 3 + 2


def test_the_success_that_its_facts_tell_colours_the_picture():
    class Told(LampVectorEnv):
        def facts(self, ended):
            return super().facts(ended) | {"is_success": (self.rewards > 0) & ended, "lit": self.lit}

    lanes = Told(2, action_mode="dict", autoreset_mode="Disabled", render_mode="rgb_array")
    info = lanes.reset(seed=0)[1]
    assert info["lit"].shape == (2, 2)
    right = (2 * info["lit"][:, 0] >= 8).astype(int)
    info = lanes.step({"location": np.zeros((2, 2)), "side": [right[0], 1 - right[1]], "sure": [2, 2]})[-1]
    assert info["is_success"].tolist() == [True, False]
    assert [lanes.view(lane).outcome for lane in (0, 1)] == [True, False]


def test_it_can_be_pickled():
    env = LampEnv(action_mode="discrete")
    env.reset(seed=0)
    twin = pickle.loads(pickle.dumps(env))
    assert equal(env.reset()[0], twin.reset()[0])


@pytest.mark.parametrize("missing", ["begin", "advance", "screens"])
def test_a_method_that_is_missing_is_named_when_the_world_is_made(missing):
    methods = {name: getattr(LampVectorEnv, name) for name in ("begin", "advance", "screens") if name != missing}
    half = type("Half", (RetinaVectorEnv,), {**methods, "__init__": LampVectorEnv.__init__})
    with pytest.raises(TypeError, match=rf"Half.*{missing}"):
        half(2)


def test_a_single_environment_without_lanes_is_refused():
    with pytest.raises(TypeError, match="Alone must name the class of its lanes as vector_class"):
        type("Alone", (RetinaEnv,), {})


@pytest.mark.parametrize(
    "screens", [np.zeros((2, 8, 8), np.uint8), np.zeros((2, 8, 8, 1)), np.zeros((2, 1, 8, 8), np.uint8)]
)
def test_screens_that_are_not_what_was_said_are_named(screens):
    class Wrong(LampVectorEnv):
        def screens(self, lanes):
            return screens

    with pytest.raises(ValueError, match=r"Wrong\.screens must return uint8 of shape \(2, 8, 8, 1\), got ndarray of"):
        Wrong(2).reset(seed=0)


@pytest.mark.parametrize(
    ("method", "found", "error"),
    [
        ("screens", None, "Wrong.screens must return uint8 of shape .*, got None"),
        ("advance", None, "advance of Wrong must return rewards and terminations, two arrays, got None"),
        ("advance", (1, 2, 3), r"two arrays, got \(1, 2, 3\)"),
        ("begin", 3, "begin of Wrong must return nothing, or the random numbers of each of 2 lanes, got 3"),
    ],
)
def test_what_a_method_must_return_is_said(method, found, error):
    envs = LampVectorEnv(2)
    envs.reset(seed=0)
    wrong = type("Wrong", (LampVectorEnv,), {method: lambda self, *_: found})
    envs.__class__ = wrong
    with pytest.raises(ValueError, match=error):
        envs.step(envs.action_space.sample()) if method == "advance" else envs.reset()


@pytest.mark.parametrize("named", [False, True])
def test_a_label_that_nobody_would_learn_from_is_warned_of(named, recwarn):
    class Labelled(LampVectorEnv):
        def __init__(self):
            self.side, self.lit = 8, np.zeros((2, 2), int)
            RetinaVectorEnv.__init__(self, 2, screen=(8, 8, 1), choices={"answer": 2}, num_draws=2)
            if named:
                self.tells_label = True

        def facts(self, ended):
            return super().facts(ended) | {"label": np.zeros(2, int)}

    Labelled().reset(seed=0)
    assert any("no agent will learn from" in str(warning.message) for warning in recwarn) != named


class Said(LampVectorEnv):
    """A lamp whose world says what it is told to."""

    def __init__(self, num_envs=1, facts=None, tells_label=False, choices=None, screen=(8, 8, 1)):
        self.side, self.lit, self.said, self.tells_label = 8, np.zeros((num_envs, 2), int), facts or {}, tells_label
        RetinaVectorEnv.__init__(self, num_envs, screen=screen, choices=choices or {"side": 2}, num_draws=2)

    def facts(self, ended):
        return super().facts(ended) | self.said


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ({"screen": (8, 8)}, r"screen must be \(height, width, channels\), got \(8, 8\)"),
        ({"screen": (8, 8, 0)}, "number of channels of the screen must be a whole number of at least 1, got 0"),
        ({"choices": {"location": 2}}, "other than location and control, got 'location'"),
        ({"choices": {"side": 2.5}}, "number of options of the choice 'side' must be a whole number"),
        ({"facts": {"lit": 3}}, r"Said.facts must give 'lit' an array with a row for each of 2 lanes, got int 3"),
        ({"facts": {"lit": np.zeros(3)}}, r"each of 2 lanes, got ndarray of float64, shape \(3,\)"),
        ({"tells_label": True}, 'With tells_label the world needs a choice "answer", and Said.facts its right option'),
    ],
)
def test_a_world_that_says_something_wrong_is_told_what(said, error):
    with pytest.raises(ValueError, match=error):
        Said(2, **said).reset()


@pytest.mark.parametrize(
    ("labels", "error"),
    [
        ([0, 2], "must give 'label' options of the choice answer, 0 to 1, got 0 to 2"),
        ([0.0, 1.0], r"must give 'label' whole numbers of shape \(2,\), got ndarray of float64"),
    ],
)
def test_a_label_must_be_an_option_of_the_answer(labels, error):
    with pytest.raises(ValueError, match=error):
        Said(2, facts={"label": np.array(labels)}, choices={"answer": 2}, tells_label=True).reset()


@pytest.mark.parametrize(
    ("rewards", "terminated", "error"),
    [
        (
            lambda lanes: np.zeros((len(lanes), 1)),
            lambda lanes: lanes < 0,
            r"rewards of shape \(1,\), .* got shape \(1, 1\)",
        ),
        (lambda lanes: 1.0, lambda lanes: lanes < 0, r"rewards of shape \(1,\), .* got shape \(\)"),
        (lambda lanes: np.zeros(len(lanes)), lambda lanes: False, r"Said must return terminations of shape \(1,\)"),
    ],
)
def test_a_reward_and_an_end_are_asked_for_every_lane(rewards, terminated, error):
    world = Said()
    world.advance = lambda lanes, choices: (rewards(lanes), terminated(lanes))
    world.reset()
    with pytest.raises(ValueError, match=error):
        world.step(world.action_space.sample())


def test_an_episode_that_the_world_cuts_short_is_truncated_in_single_environments_too():
    class CutVectorEnv(LampVectorEnv):
        def advance(self, lanes, choices):
            self.truncated[lanes] = self.steps[lanes] + 1 >= 2
            return np.zeros(len(lanes)), np.zeros(len(lanes), bool)

    class LimitedVectorEnv(LampVectorEnv):
        retina_defaults = {"max_episode_steps": 2}

    for lanes in (CutVectorEnv, LimitedVectorEnv):
        env = type("Env", (RetinaEnv,), {"vector_class": lanes})(action_mode="dict")
        env.reset(seed=0)
        action = {"location": [0, 0], "side": 0, "sure": 0}
        assert [env.step(action)[2:4] for _ in range(2)] == [(False, False), (False, True)]
        with pytest.raises(gym.error.ResetNeeded):
            env.step(action)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_large_screen_that_changes_is_seen_as_it_is_without_tables_of_all_of_it(channels):
    class NoiseVectorEnv(RetinaVectorEnv):
        def __init__(self, num_envs=1, **retina):
            self.noise = np.random.default_rng(0)
            super().__init__(num_envs, screen=(40, 70, channels), choices={"move": 2}, **retina)

        def begin(self, lanes, draws, options):
            pass

        def advance(self, lanes, choices):
            return np.zeros(len(lanes)), choices["move"] == 1

        def screens(self, lanes):
            self.last = self.noise.integers(0, 256, (len(lanes), *self.screen), np.uint8)
            return self.last

    envs = NoiseVectorEnv(3, patch_size=5, num_scales=2, action_mode="dict", autoreset_mode="Disabled")
    envs.reset(seed=0)
    shown = envs.last.copy()
    assert envs.lane_bytes < 2.5 * shown[0].nbytes + 10_000
    places = np.random.default_rng(1).uniform(-1, 1, (3, 2)).astype(np.float32)
    for move in (
        [0, 1, 0],
        [0, 0, 0],
        [1, 0, 1],
        [0, 0, 0],
    ):  # the second lane ends, and is seen as it was; then all do
        playing = ~envs._over
        seen = envs.step({"location": places, "move": move})[0]
        if playing.any():
            shown[playing] = envs.last
        expected = envs.sensor.glimpse(envs.sensor.integrate(shown), places, np.arange(3))
        np.testing.assert_array_equal(seen["glimpse"], expected)
        assert envs.look(np.zeros((0, 3, 2))).shape == (0, *seen["glimpse"].shape)
        elsewhere = envs.look(places[None, ::-1])[0]
        expected = envs.sensor.glimpse(envs.sensor.integrate(shown), places[::-1], np.arange(3))
        np.testing.assert_array_equal(elsewhere, expected)
