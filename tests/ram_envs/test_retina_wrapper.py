"""The retina before somebody else's environment: a little one of our own, in every form that there are."""

import copy
import json
import pickle

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv, VectorEnv
from gymnasium.vector.utils import batch_space

import ram_envs
from ram_envs import RetinaVectorWrapper, RetinaWrapper, register_retina
from ram_envs.action_modes import ACTION_MODES
from ram_envs.glimpse_sensor import GlimpseSensor

HEIGHT, WIDTH = 20, 30
ACTIONS = {
    "discrete": spaces.Discrete(3, start=-1),
    "multidiscrete": spaces.MultiDiscrete([3, 2]),
    "multibinary": spaces.MultiBinary(3),
    "box": spaces.Box(np.array([-1, 0], np.float32), np.array([2, 1], np.float32)),
}
RETINA = {"patch_size": 4, "num_scales": 2, "location_grid": 3}
NESTED = spaces.Dict(
    own=spaces.Dict(steps=spaces.Discrete(9)), pair=spaces.Tuple([spaces.Discrete(9), spaces.Box(0, 9)])
)


class Walk(gym.Env):
    """Noise that its generator draws; it ends after 3 to 6 steps, and remembers the actions that it was given."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 4}

    def __init__(self, actions="discrete", form="image", render_mode=None, shape=(HEIGHT, WIDTH, 3)):
        self.action_space, self.form, self.render_mode = copy.deepcopy(ACTIONS[actions]), form, render_mode
        self.shape = shape
        image = spaces.Box(0, 255, shape, np.uint8)
        self.observation_space = {
            "image": image,
            "dict": spaces.Dict(pixels=image, compass=spaces.Discrete(4), wind=spaces.Box(-1, 1, (2,), np.float32)),
            "nested": spaces.Dict(pixels=image, parts=NESTED),
            "vector": spaces.Box(-1, 1, (2,), np.float32),
        }[form]

    def observe(self):
        self.image = self.np_random.integers(0, 256, self.shape, np.uint8)
        wind = np.float32([self.steps / 9, -self.steps / 9])
        nested = {"own": {"steps": self.steps}, "pair": (self.steps, np.float32([self.steps]))}
        parts = {"image": self.image, "vector": wind, "nested": {"pixels": self.image, "parts": nested}}
        return parts.get(self.form, {"pixels": self.image, "compass": self.steps % 4, "wind": wind})

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.options = options
        self.steps, self.length, self.taken = 0, int(self.np_random.integers(3, 7)), []
        return self.observe(), {"length": self.length}

    def step(self, action):
        assert action in self.action_space
        self.taken.append(np.array(action))
        self.steps += 1
        over = self.steps >= self.length
        won = {"is_success": bool(self.length % 2)} if over else {}
        terminated, truncated = over and self.length < 6, over and self.length == 6
        reward = self.steps + float(np.sum(action))
        return self.observe(), reward, terminated, truncated, {"length": self.length, "size": np.full(2, 0.5), **won}

    def render(self):
        return self.image[::-1].copy()


class NativeWalk(VectorEnv):
    """Walks that step together, without Gymnasium's machinery; their infos are those of `SyncVectorEnv`."""

    def __init__(self, count, mode, **kwargs):
        self.lanes = SyncVectorEnv([lambda: Walk(**kwargs)] * count, autoreset_mode=mode)
        self.num_envs, self.metadata = count, {"autoreset_mode": mode}
        self.single_observation_space, self.observation_space = (
            self.lanes.single_observation_space,
            self.lanes.observation_space,
        )
        self.single_action_space, self.action_space = self.lanes.single_action_space, self.lanes.action_space
        self.reset, self.step, self.render = self.lanes.reset, self.lanes.step, self.lanes.render


def equal(one, other):
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, np.ndarray) and one.dtype == object:
        return all(a is b is None or equal(a, b) for a, b in zip(one, other, strict=True))
    return np.array_equal(one, other)


def play(env, steps, seed=0):
    """Everything that some steps return, each episode after the other."""
    env.action_space.seed(1)
    found = [env.reset(seed=seed)]
    for _ in range(steps):
        found.append(env.step(env.action_space.sample()))
        if found[-1][2] or found[-1][3]:
            found.append(env.reset())
    return found


MODES = [(actions, mode) for actions in ACTIONS for mode in ACTION_MODES if actions != "box" or mode in ("dict", "box")]


@pytest.mark.parametrize(("actions", "action_mode"), MODES)
@pytest.mark.parametrize("obs_mode", ["dict", "flat"])
@pytest.mark.filterwarnings("ignore:.*not symmetric|.*normalized|.*render_modes")  # about a Box that may be any
def test_gymnasiums_checker_is_content(actions, action_mode, obs_mode):
    env = RetinaWrapper(
        Walk(actions), action_mode=action_mode, obs_mode=obs_mode, render_mode="rgb_array", looks_per_step=2, **RETINA
    )
    check_env(env, skip_render_check=True)


@pytest.mark.parametrize("image", ["observation", "render", "pixels"])
@pytest.mark.parametrize("frames", [1, 3])
@pytest.mark.parametrize("retina", [{"patch_size": 3, "num_scales": 2}, {"patch_size": 9, "num_scales": 3}])
def test_glimpse_is_the_sensors_of_the_last_frames(image, frames, retina):
    walk = Walk(form="dict" if image == "pixels" else "image", render_mode="rgb_array")
    env = RetinaWrapper(walk, image=image, frames=frames, action_mode="dict", **retina)
    assert env.lane._by_table == (retina["num_scales"] == 3)  # both ways to sum are tried
    sensor = GlimpseSensor(**retina)
    seen, (observation, _) = [], env.reset(seed=0)
    env.action_space.seed(0)
    for step in range(4):
        if step:
            action = env.action_space.sample()
            observation, *_ = env.step(action)
            np.testing.assert_array_equal(observation["location"], action["location"])
        frame = walk.image[::-1] if image == "render" else walk.image
        seen = [frame.copy(), *(seen or [frame.copy()] * frames)][:frames]
        expected = [sensor(each[None], observation["location"][None])[0] for each in seen]
        merged = np.stack([each.reshape(sensor.num_scales, 3, *each.shape[1:]) for each in expected], axis=1)
        np.testing.assert_array_equal(observation["glimpse"], merged.reshape(-1, *merged.shape[3:]))


@pytest.mark.parametrize(("actions", "action_mode"), MODES)
def test_reward_end_and_info_are_the_environments(actions, action_mode):
    walk, bare = Walk(actions), Walk(actions)
    env = RetinaWrapper(walk, action_mode=action_mode, **RETINA)
    env.action_space.seed(0)
    for seed in range(12):
        _, info = env.reset(seed=seed, options={"any": 1})
        _, expected = bare.reset(seed=seed)
        assert walk.options == {"any": 1}
        assert info == {**expected, "num_glimpses": 1}
        over, count = False, 1
        while not over:
            _, *found, info = env.step(env.action_space.sample())
            count += 1
            _, *wanted, told = bare.step(walk.taken[-1])
            assert found == wanted
            assert [type(part) for part in found] == [float, bool, bool]
            assert equal(info, {**told, "num_glimpses": count})
            over = found[1] or found[2]
        with pytest.raises(gym.error.ResetNeeded):
            env.step(env.action_space.sample())


def test_the_environments_action_is_what_was_chosen_beside_the_location():
    cases = {
        "discrete": ({"move": 2}, 1),
        "multidiscrete": ({"move_0": 2, "move_1": 1}, [2, 1]),
        "multibinary": ({"move_0": 0, "move_1": 1, "move_2": 1}, [0, 1, 1]),
        "box": ({"control": [1.5, 7.0]}, [1.5, 1.0]),
    }
    for actions, (chosen, expected) in cases.items():
        for action_mode in [mode for kind, mode in MODES if kind == actions]:
            env = RetinaWrapper(Walk(actions), action_mode=action_mode, **RETINA)
            observation, _ = env.reset(seed=0)
            action = env.lane.write_action((2 / 3, 0), chosen)
            assert action in env.action_space
            observation = env.step(action)[0]
            np.testing.assert_allclose(observation["location"], [2 / 3, 0], rtol=1e-6)
            np.testing.assert_allclose(env.env.taken, [expected])


def test_a_box_is_given_in_its_own_bounds_and_the_discrete_modes_have_no_place_for_it():
    env = RetinaWrapper(Walk("box"), **RETINA)
    assert env.action_space["control"] == ACTIONS["box"]  # "dict" is the default then
    env = RetinaWrapper(Walk("box"), action_mode="box", **RETINA)
    np.testing.assert_array_equal(env.action_space.low, [-1, -1, -1, 0])
    np.testing.assert_array_equal(env.action_space.high, [1, 1, 2, 1])
    for mode in ("multidiscrete", "discrete"):
        with pytest.raises(ValueError, match='action_mode must be "dict" or "box" where'):
            RetinaWrapper(Walk("box"), action_mode=mode)


def vectors(mode, kind, count=3, **kwargs):
    """Three ways to the same walks."""
    walk = {name: kwargs.pop(name) for name in ("actions", "form", "render_mode") if name in kwargs}
    if kind == "native":
        return RetinaVectorWrapper(NativeWalk(count, mode, **walk), **kwargs)
    if kind == "sync":
        return RetinaVectorWrapper(SyncVectorEnv([lambda: Walk(**walk)] * count, autoreset_mode=mode), **kwargs)
    return RetinaVectorWrapper([Walk(**walk) for _ in range(count)], autoreset_mode=mode, **kwargs)


@pytest.mark.parametrize("mode", list(AutoresetMode)[:2])
@pytest.mark.parametrize("kind", ["list", "sync", "native"])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"looks_per_step": 3, "relative": 0.5},
        {"frames": 2, "form": "dict", "image": "pixels", "keep_keys": ["compass", "wind"]},
        {"image": "render", "render_mode": "rgb_array", "form": "vector", "actions": "box"},
        {"actions": "multidiscrete", "action_mode": "discrete", "obs_mode": "flat"},
    ],
)
def test_lanes_play_the_episodes_of_single_environments(mode, kind, changes):
    if kind == "native" and ("looks_per_step" in changes if mode.value == "NextStep" else "render_mode" in changes):
        pytest.skip("refused, see below")
    kwargs = {**RETINA, **changes}
    walk = {name: kwargs[name] for name in ("actions", "form", "render_mode") if name in kwargs}
    retina = {name: value for name, value in kwargs.items() if name not in walk}
    single = SyncVectorEnv([lambda: RetinaWrapper(Walk(**walk), **retina)] * 3, autoreset_mode=mode)
    vector = vectors(mode, kind, **kwargs)
    assert vector.metadata["autoreset_mode"] is mode
    assert vector.single_action_space == single.single_action_space
    assert vector.observation_space == single.observation_space
    vector.action_space.seed(0)
    assert all(map(equal, vector.reset(seed=7), single.reset(seed=7)))
    ends = 0
    for _ in range(40):
        actions = vector.action_space.sample()
        found, expected = vector.step(actions), single.step(actions)
        assert all(map(equal, found, expected)), (found, expected)
        assert vector.observation_space.contains(found[0])
        ends += (found[2] | found[3]).sum()
    assert ends > 5
    vector.close()


@pytest.mark.parametrize("kind", ["list", "sync"])
@pytest.mark.parametrize("looks", [1, 2])
def test_with_autoreset_disabled_lanes_that_are_over_stay_as_they_are_until_their_mask_resets_them(kind, looks):
    envs = vectors(AutoresetMode.DISABLED, kind, looks_per_step=looks, **RETINA)
    envs.reset(seed=0)
    envs.action_space.seed(0)
    over, last, truncations = np.zeros(3, bool), None, 0
    while not over.all():
        before = over
        observation, rewards, terminated, truncated, info = envs.step(envs.action_space.sample())
        assert (rewards[before] == 0).all()
        assert (info["_length"] == ~before).all()  # an end is told once
        over = terminated | truncated
        assert (over >= before).all()
        if last is not None:
            for lane in np.flatnonzero(before):
                assert equal(observation["glimpse"][lane], last["glimpse"][lane])
        last, truncations = observation, truncated.sum()
    assert truncations
    walks = [walk.unwrapped for walk in envs.worlds.envs]
    assert [walk.steps for walk in walks] == [walk.length for walk in walks]  # nobody stepped on
    mask = np.array([False, True, False])
    fresh, info = envs.reset(options={"reset_mask": mask})
    assert (info["_num_glimpses"] == mask).all()
    assert (info["_length"] == mask).all()
    assert equal(fresh["glimpse"][~mask], last["glimpse"][~mask])
    _, _, terminated, truncated, _ = envs.step(envs.action_space.sample())
    assert ((terminated | truncated) == ~mask).all()


def test_a_native_vector_environment_without_autoreset_is_reset_by_masks():
    envs = RetinaVectorWrapper(NativeWalk(2, AutoresetMode.DISABLED), **RETINA)
    first, _ = envs.reset(seed=0)
    mask = np.array([True, False])
    again, _ = envs.reset(seed=0, options={"reset_mask": mask, "else": 1})
    assert equal(first, again)
    assert envs.envs.lanes.envs[0].options == {"else": 1}
    envs.step(envs.action_space.sample())
    assert envs.reset(seed=[4, None])[0]["glimpse"].shape == (2, 6, 4, 4)


def test_seeds_reach_vector_environments_that_want_them_as_an_array_of_the_lanes_to_reset():
    class Wants(NativeWalk):
        def __init__(self, *args):
            super().__init__(*args)
            self.reset, self.given = self.reset_by_array, []

        def reset_by_array(self, *, seed=None, options=None):
            if isinstance(seed, list):
                raise TypeError("Unsupported seed type")
            self.given.append(seed if seed is None or isinstance(seed, int) else seed.tolist())
            return self.lanes.reset(options=options)

    envs = RetinaVectorWrapper(Wants(3, AutoresetMode.DISABLED), **RETINA)
    mask = np.array([True, False, True])
    envs.reset(seed=7)
    envs.reset(seed=np.array([7, 3, 9]))
    envs.reset(seed=7, options={"reset_mask": mask})
    envs.reset(options={"reset_mask": mask})
    assert envs.envs.given == [7, [7, 3, 9], [7, 9], None]


def test_lanes_of_single_environments_take_seeds_of_numpys():
    envs = RetinaVectorWrapper([Walk(), Walk()], **RETINA)
    assert equal(envs.reset(seed=np.array([4, 5]))[0], envs.reset(seed=4)[0])


def test_environments_in_processes_of_their_own_go_behind_the_retina_together():
    apart = RetinaVectorWrapper(AsyncVectorEnv([Walk] * 2), **RETINA)
    here = RetinaVectorWrapper(SyncVectorEnv([Walk] * 2), **RETINA)
    try:
        assert all(map(equal, apart.reset(seed=3), here.reset(seed=3)))
        apart.action_space.seed(0)
        for _ in range(12):
            actions = apart.action_space.sample()
            assert all(map(equal, apart.step(actions), here.step(actions)))
    finally:
        apart.close()


@pytest.mark.parametrize("mode", list(AutoresetMode))
@pytest.mark.parametrize("apart", [False, True])
def test_kept_keys_may_hold_others_also_at_the_end_of_an_episode(mode, apart):
    lanes = [lambda: Walk(form="nested")] * 2
    behind = AsyncVectorEnv(lanes, autoreset_mode=mode) if apart else SyncVectorEnv(lanes, autoreset_mode=mode)
    envs = RetinaVectorWrapper(behind, image="pixels", keep_keys=["parts"], **RETINA)
    try:
        observation, info = envs.reset(seed=0)
        while True:
            assert observation in envs.observation_space
            observation, _, terminated, truncated, info = envs.step(envs.action_space.sample())
            if (over := terminated | truncated).any():
                break
    finally:
        envs.close()
    lane = int(np.argmax(over))
    if mode is AutoresetMode.SAME_STEP:
        assert info["final_obs"][lane] in envs.single_observation_space
        assert info["final_obs"][lane]["parts"]["pair"][0] == info["final_info"]["length"][lane]
        assert observation["parts"]["own"]["steps"][lane] == 0
    else:
        assert observation["parts"]["own"]["steps"][lane] == info["length"][lane]


def test_what_is_kept_is_given_anew_at_every_look():
    env = RetinaWrapper(Walk(form="dict"), image="pixels", keep_keys=["wind"], looks_per_step=3, **RETINA)
    check_env(env, skip_render_check=True)


def test_lanes_that_move_together_begin_together_or_when_all_have_just_moved():
    envs = RetinaVectorWrapper(NativeWalk(2, AutoresetMode.SAME_STEP), looks_per_step=2, **RETINA)
    envs.reset(seed=0)
    only = {"reset_mask": np.array([True, False])}
    envs.step(envs.action_space.sample())
    with pytest.raises(ValueError, match="lanes left alone have taken 1 of 2 looks"):
        envs.reset(options=only)
    envs.step(envs.action_space.sample())
    envs.reset(options=only)
    assert [walk.steps for walk in envs.envs.lanes.envs] == [0, 1]
    envs.step(envs.action_space.sample())
    envs.step(envs.action_space.sample())
    assert [walk.steps for walk in envs.envs.lanes.envs] == [1, 2]


def test_an_attribute_is_set_where_it_is():
    env = gym.wrappers.TimeLimit(RetinaWrapper(Walk(), **RETINA), 99)
    env.set_wrapper_attr("form", "other")
    env.unwrapped.own = 1
    env.set_wrapper_attr("own", 3)
    env.set_wrapper_attr("new", 2)
    assert (env.unwrapped.env.form, env.get_wrapper_attr("form")) == ("other", "other")
    assert (env.unwrapped.own, env.get_wrapper_attr("new")) == (3, 2)
    assert not hasattr(env.unwrapped.env, "own")
    assert not env.unwrapped.set_wrapper_attr("newer", 2, force=False)
    assert not env.has_wrapper_attr("newer")


def test_looks_go_by_before_the_world_moves_on_by_the_last_ones_move():
    env = RetinaWrapper(Walk(), looks_per_step=3, action_mode="dict", **RETINA)
    env.reset(seed=0)
    assert not env.screen_changes
    images, rewards = [env.env.image], []
    for move in (0, 1, 2, 2, 1, 0):
        rewards.append(env.step({"location": [0, 0], "move": move})[1])
        images.append(env.env.image)
    assert [int(action) for action in env.env.taken] == [1, -1]
    assert rewards == [0, 0, 2, 0, 0, 1]
    assert [images[i] is images[i + 1] for i in range(6)] == [True, True, False] * 2


def test_relative_locations_go_from_the_present_one_and_stop_at_the_border():
    env = RetinaWrapper(Walk(), relative=0.5, initial_location=(0.25, 0), action_mode="dict", **RETINA)
    env.reset(seed=0)
    places = [env.step({"location": [1, -0.5], "move": 1})[0]["location"].tolist() for _ in range(3)]
    assert places == [[0.75, -0.25], [1.0, -0.5], [1.0, -0.75]]
    action = env.lane.write_action((0.8, -0.75), {"move": 2})
    np.testing.assert_allclose(action["location"], [-0.4, 0], atol=1e-6)
    assert env.noop_action()["location"].tolist() == [0, 0]
    assert RetinaWrapper(Walk(), relative=True).lane.relative == 1


def test_first_looks_do_not_draw_what_the_environment_draws():
    env = RetinaWrapper(Walk(), **RETINA)
    observation, _ = env.reset(seed=4)
    twin = np.random.default_rng(4).random(2) * 2 - 1
    assert not np.allclose(observation["location"], twin)
    assert equal(env.reset(seed=4)[0], observation)
    assert not equal(env.reset(seed=5)[0], observation)


@pytest.mark.parametrize("frames", [1, 2])
@pytest.mark.parametrize("patch_size", [2, 4, 30])
def test_look_sees_what_a_look_there_would_see_and_changes_nothing(frames, patch_size):
    envs = RetinaVectorWrapper(
        [Walk(), Walk()], looks_per_step=2, frames=frames, action_mode="dict", patch_size=patch_size
    )
    envs.reset(seed=0)
    for count in (1, 40):  # few places, and so many that sums of the whole frames are cheaper
        places = np.random.default_rng(0).uniform(-1, 1, (count, 2, 2)).astype(np.float32)
        seen = envs.look(places)
        assert seen.shape == (count, 2, *envs.single_observation_space["glimpse"].shape)
        assert equal(envs.look(places), seen)
    observation = envs.step({"location": places[7], "move": [1, 1]})[0]
    np.testing.assert_array_equal(observation["glimpse"], seen[7])


@pytest.mark.parametrize("side", [7, 8])
def test_what_is_too_small_for_an_image_is_warned_of(side, recwarn):
    RetinaWrapper(Walk(shape=(side, side, 3)), patch_size=8)
    assert any("is it one?" in str(warning.message) for warning in recwarn) == (side == 7)


def test_a_single_environment_looks_elsewhere_too():
    env = RetinaWrapper(Walk(), action_mode="dict", looks_per_step=2, **RETINA)
    env.reset(seed=0)
    places = np.random.default_rng(0).uniform(-1, 1, (5, 2)).astype(np.float32)
    seen = env.look(places)
    assert seen.shape == (5, *env.observation_space["glimpse"].shape)
    np.testing.assert_array_equal(env.step({"location": places[3], "move": 0})[0]["glimpse"], seen[3])
    with pytest.raises(ValueError, match=r"locations must be finite numbers of shape \(K, 2\)"):
        env.look(places[0])


@pytest.mark.parametrize(
    ("shape", "expected", "shown"),
    [
        ((20, 30), (20, 30, 1), (0, 1)),
        ((20, 30, 1), (20, 30, 1), (0, 1)),
        ((20, 30, 4), (20, 30, 4), (0, 4)),
        ((3, 20, 30), (20, 30, 3), (0, 3)),
        ((4, 20, 30), (20, 30, 4), (3, 4)),
        ((8, 20, 20), (20, 20, 8), (7, 8)),
        ((1, 20, 30, 3), (20, 30, 3), (0, 3)),
        ((2, 20, 30, 3), (20, 30, 6), (3, 6)),
    ],
)
def test_images_may_have_their_channels_or_frames_first_and_a_picture_shows_the_newest(shape, expected, shown):
    env = RetinaWrapper(Walk(shape=shape), render_mode="rgb_array", action_mode="dict", **RETINA)
    assert env.lane.screen == expected
    env.reset(seed=0)
    image = env.env.image
    channels = {2: lambda a: a[..., None], 4: lambda a: np.concatenate(a, axis=-1)}.get(len(shape), lambda a: a)(image)
    if channels.shape != expected:
        channels = channels.transpose(1, 2, 0)
    np.testing.assert_array_equal(env.lane.screens(np.array([0]))[0], channels)
    np.testing.assert_array_equal(env.lane.view().scene, channels[..., slice(*shown)])
    assert env.render().shape[2] == 3


def test_pictures_show_the_whole_frame_the_newest_glimpse_and_a_path_that_does_not_grow_without_end():
    kwargs = {**RETINA, "frames": 2, "looks_per_step": 20, "action_mode": "dict"}
    env = RetinaWrapper(Walk(), render_mode="rgb_array", render_size=256, **kwargs)
    env.reset(seed=0)
    for _ in range(50):
        observation, *_ = env.step({"location": [0.5, -0.5], "move": 1})
    view = env.lane.view()
    np.testing.assert_array_equal(view.scene, env.env.image)
    newest = observation["glimpse"].reshape(2, 2, 3, 4, 4)[:, 0]
    np.testing.assert_array_equal(view.glimpse, newest.reshape(6, 4, 4))
    assert len(view.fixations) == 20
    assert [name for name, _ in view.caption] == ["step", "reward", "return"]
    assert view.caption[2][1] == "3"
    assert env.render().shape[0] == 256


def test_the_success_that_the_environment_tells_colours_the_picture():
    env = RetinaWrapper(Walk(), render_mode="rgb_array", **RETINA)
    outcomes = set()
    for seed in range(9):
        env.reset(seed=seed)
        over = False
        while not over:
            _, _, terminated, truncated, info = env.step(env.action_space.sample())
            over = terminated or truncated
        assert env.lane.view().outcome == (None if truncated else info["is_success"])
        outcomes.add(env.lane.view().outcome)
    assert outcomes == {None, True, False}
    native = RetinaVectorWrapper(NativeWalk(2, AutoresetMode.DISABLED), render_mode="rgb_array", **RETINA)
    native.reset(seed=0)
    assert native.outcome(0) is None


def test_it_tells_what_it_can_do_as_every_environment_behind_the_retina():
    env = RetinaWrapper(Walk(), **RETINA)
    envs = RetinaVectorWrapper([Walk() for _ in range(3)], **RETINA)
    for each in (env, envs):
        assert (each.splits, each.num_images, each.tells_label, each.max_glimpses) == ((), None, False, None)
        assert each.screen_changes
        assert each.glimpse_after_end
        assert each.lane_bytes > HEIGHT * WIDTH * 3
        assert each.unwrapped is each
    assert isinstance(envs, VectorEnv)
    assert env.get_wrapper_attr("length") is env.env.length if env.reset(seed=0) else None
    assert env.has_wrapper_attr("taken")
    assert not env.has_wrapper_attr("no such")
    env.close()
    env.close()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RetinaWrapper(Walk(), patch_sise=3), "did you mean 'patch_size'"),
        (lambda: RetinaWrapper(Walk(form="dict")), r"image must be 'render' or one of \['compass', 'pixels', 'wind'\]"),
        (lambda: RetinaWrapper(Walk(form="dict"), image="wind"), "image='wind' must give images, uint8 of 2 to 4 axes"),
        (lambda: RetinaWrapper(Walk(), image="pixels"), "image must be 'observation' or 'render', got 'pixels'"),
        (lambda: RetinaWrapper(Walk(), image="render", obs_mode="flat", keep_keys=["a"]), "keep_keys may hold"),
        (lambda: RetinaWrapper(Walk(form="vector")), "image='observation' must give images"),
        (
            lambda: RetinaWrapper(Walk(form="dict"), image="pixels", keep_keys=["pixels"]),
            r"keep_keys may hold \['compass', 'wind'\], got 'pixels'",
        ),
        (
            lambda: RetinaWrapper(Walk(form="dict"), image="pixels", keep_keys=["wind"], obs_mode="flat"),
            'keep_keys needs obs_mode="dict"',
        ),
        (lambda: RetinaWrapper(Walk(), looks_per_step=0), "looks_per_step must be a whole number of at least 1"),
        (lambda: RetinaWrapper(Walk(), frames=0), "frames must be a whole number of at least 1"),
        (lambda: RetinaWrapper(Walk(), relative=-1), "relative must be a number of at least 0"),
        (lambda: RetinaWrapper(Walk(), autoreset_mode="NextStep"), "unexpected keyword argument 'autoreset_mode'"),
        (lambda: RetinaVectorWrapper([]), "envs must be a vector environment or a list"),
        (lambda: RetinaVectorWrapper(Walk()), "envs must be a vector environment or a list"),
        (lambda: RetinaVectorWrapper([Walk()] * 2), "envs must be different environments"),
        (lambda: RetinaVectorWrapper([Walk(), Walk("box")]), "envs must all have the same spaces"),
        (
            lambda: RetinaVectorWrapper(NativeWalk(2, AutoresetMode.NEXT_STEP), autoreset_mode="SameStep"),
            "autoreset_mode must be 'NextStep', the vector environment's own, got 'SameStep'",
        ),
        (
            lambda: RetinaVectorWrapper(NativeWalk(2, AutoresetMode.NEXT_STEP), looks_per_step=2),
            "looks_per_step above 1 needs single environments",
        ),
        (
            lambda: RetinaVectorWrapper(NativeWalk(2, AutoresetMode.SAME_STEP), max_episode_steps=9),
            "max_episode_steps needs single environments, or .* mode DISABLED",
        ),
        (
            lambda: RetinaVectorWrapper(NativeWalk(2, AutoresetMode.SAME_STEP), image="render"),
            'image="render" needs another autoreset mode than SAME_STEP',
        ),
    ],
)
def test_what_cannot_be_is_named(make, message):
    with pytest.raises((ValueError, TypeError), match=message):
        make()


def test_an_action_or_image_that_is_none_is_named():
    class Odd(Walk):
        def __init__(self):
            super().__init__()
            self.action_space = spaces.Dict(a=spaces.Discrete(2))

    with pytest.raises(ValueError, match=r"action_space must be Discrete, MultiDiscrete, .* got Dict"):
        RetinaWrapper(Odd())
    env = RetinaWrapper(Walk(), **RETINA)
    env.env.shape = (3, 3, 3)
    with pytest.raises(ValueError, match=r"images must be uint8 of shape \(20, 30, 3\), got ndarray of uint8, shape"):
        env.reset()
    untold = NativeWalk(2, AutoresetMode.NEXT_STEP)
    untold.metadata = {}
    with pytest.raises(ValueError, match="must say its autoreset mode"):
        RetinaVectorWrapper(untold)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))])
def test_a_copy_goes_on_with_the_same_episodes(copied):
    env = RetinaWrapper(Walk(), render_mode="rgb_array", **RETINA)
    play(env, 7)
    twin = copied(env)
    action = env.action_space.sample()
    assert all(map(equal, env.step(action), twin.step(action)))


class Upright(gym.ObservationWrapper):
    def __init__(self, env, times=1):
        super().__init__(env)
        self.times = times

    def observation(self, observation):
        return np.flipud(observation).copy() if self.times % 2 else observation


@pytest.fixture
def registry(monkeypatch):
    monkeypatch.setattr(gym.envs.registration, "registry", dict(gym.registry))
    monkeypatch.setitem(__import__("sys").modules, "walks", __import__("types").SimpleNamespace(Walk=Walk, Up=Upright))
    gym.register("Walk-v0", entry_point="walks:Walk", max_episode_steps=4)


def test_a_registered_id_gives_the_single_and_the_vector_environment(registry):
    register_retina("Seen-v0", "Walk-v0", patch_size=4, num_scales=2, env_kwargs={"actions": "multidiscrete"})
    spec = gym.spec("Seen-v0")
    json.loads(spec.to_json())
    assert pickle.loads(pickle.dumps(spec)) == spec
    env = gym.make("Seen-v0", action_mode="dict", render_mode="rgb_array")
    assert isinstance(env.unwrapped, ram_envs.RetinaWrapper)
    assert list(env.action_space) == ["location", "move_0", "move_1"]
    assert env.unwrapped.lane.sensor.patch_size == 4
    listed = gym.make("Seen-v0", render_mode="rgb_array_list")
    listed.reset(seed=0)
    assert len(listed.render()) == 1
    for mode in list(AutoresetMode)[:2]:
        vector = gym.make_vec("Seen-v0", num_envs=2, autoreset_mode=mode, max_episode_steps=None)
        single = SyncVectorEnv([lambda: gym.make("Seen-v0")] * 2, autoreset_mode=mode)
        assert all(map(equal, vector.reset(seed=2), single.reset(seed=2)))
        vector.action_space.seed(0)
        cut = 0
        for _ in range(30):
            actions = vector.action_space.sample()
            found = vector.step(actions)
            assert all(map(equal, found, single.step(actions)))
            cut += found[3].sum()
        assert cut  # by the time limit of the environment behind it
    limited = gym.make_vec("Seen-v0", num_envs=2, max_episode_steps=2)
    assert limited.unwrapped.max_glimpses == 3
    limited.reset(seed=0)
    limited.step(limited.action_space.sample())
    assert limited.step(limited.action_space.sample())[3].all()


def test_wrappers_go_between_the_environment_and_the_retina(registry):
    register_retina("Seen-v0", "Walk-v0", env_wrappers=["walks:Up", ["walks:Up", {"times": 2}]])
    env = gym.make("Seen-v0")
    env.reset(seed=0)
    seen = env.unwrapped.lane.screens(np.array([0]))[0]
    np.testing.assert_array_equal(seen, env.unwrapped.env.unwrapped.image[::-1])
    register_retina("Drawn-v0", "Walk-v0", image="render", env_kwargs={"form": "vector"})
    assert gym.make("Drawn-v0").unwrapped.lane.screen == (HEIGHT, WIDTH, 3)
    with pytest.raises(TypeError, match="register_retina got an unexpected keyword argument 'patch'"):
        register_retina("Wrong-v0", "Walk-v0", patch=3)
    with pytest.raises(TypeError, match=r"behind the retina, env_kwargs=\{'max_episode_steps': 9\}\.$"):
        register_retina("Wrong-v0", "Walk-v0", max_episode_steps=9)


def test_our_agent_plays_and_learns_behind_a_registered_id(registry, tmp_path):
    pytest.importorskip("torch")
    from agents.experiment.episodes import make_split
    from agents.ram.agent import make_agent
    from agents.ram.presets import preset_for
    from agents.ram.rollout import collect_rollout
    from agents.ram.training import Trainer

    gym.register("Stroll-v0", entry_point=Walk, max_episode_steps=5)
    register_retina("Seen-v0", "Stroll-v0", patch_size=4)
    config = preset_for("Seen-v0").but(learning={"batch_size": 8})
    assert config.name == "general-moves"
    envs = make_split(config, 8, "train")
    agent = make_agent(config, envs)
    assert agent.choices == {"move": 3}
    for seed in (0, None):
        rollout = collect_rollout(agent, envs, seed=seed)
        lengths = [walk.unwrapped.steps for walk in envs.unwrapped.worlds.envs]
        assert rollout.active.sum(0).tolist() == lengths
        assert rollout.num_glimpses.tolist() == [length + 1 for length in lengths]
    trainer = Trainer(config, tmp_path)
    before = [weight.clone() for weight in trainer.weights]
    trainer.step()
    assert any((weight != old).any() for weight, old in zip(trainer.weights, before, strict=True))


def test_batched_space_of_what_is_kept_is_gymnasiums():
    envs = RetinaVectorWrapper([Walk(form="dict") for _ in "ab"], image="pixels", keep_keys=["compass"], **RETINA)
    assert envs.observation_space["compass"] == batch_space(spaces.Discrete(4), 2)
    observation, _ = envs.reset(seed=0)
    assert observation["compass"].tolist() == [0, 0]


@pytest.mark.parametrize("entry", ["gymnasium.wrapers:TimeLimit", "gymnasium.wrappers:Nope", "gymnasium.wrappers", 3])
def test_a_wrapper_that_is_none_is_named(entry, registry):
    register_retina("Wrong-v0", "Walk-v0", env_wrappers=[entry])
    with pytest.raises(ValueError, match=f"env_wrappers must hold .*, got '?{entry}"):
        gym.make("Wrong-v0")


def test_lanes_may_come_from_a_generator():
    assert RetinaVectorWrapper((Walk() for _ in range(3)), **RETINA).num_envs == 3


def test_its_spec_is_the_environments_with_the_retina_around_it(registry):
    env = RetinaWrapper(gym.make("Walk-v0"), obs_mode="flat", patch_size=5)
    assert (env.spec.id, env.spec.max_episode_steps) == ("Walk-v0", 4)
    again = gym.make(env.spec)
    assert again.observation_space == env.observation_space
    assert again.spec.additional_wrappers == env.spec.additional_wrappers
    assert RetinaWrapper(Walk()).spec is None
    gym.wrappers.TimeAwareObservation(env).reset()  # asks the spec for the limit


def test_many_buttons_are_written_at_once_or_are_too_many():
    class Buttons(Walk):
        def __init__(self, space):
            super().__init__()
            self.action_space = space

    env = RetinaWrapper(Buttons(spaces.MultiDiscrete([9] * 8)), action_mode="discrete", patch_size=5)
    *_, nearest = env.lane._action_mode.read([env.noop_action()], 1)
    assert not any(nearest.values())
    written = env.lane.write_action((0.9, -0.9), {"move_3": 7})
    location, choices = env.lane._action_mode.read([written], 1)
    assert location[0] == pytest.approx(env.lane._action_mode.cells[6])
    assert {name: options[0] for name, options in choices.items() if options[0]} == {"move_3": 7}
    with pytest.raises(ValueError, match=r'"discrete" would have .* numbers here, .* take "multidiscrete"'):
        RetinaWrapper(Buttons(spaces.MultiBinary(70)), action_mode="discrete", patch_size=5)


def test_an_image_that_only_goes_up_to_one_is_warned_of():
    class Mask(Walk):
        def __init__(self):
            super().__init__()
            self.observation_space = spaces.Box(0, 1, self.shape, np.uint8)

    with pytest.warns(UserWarning, match="white is 255"):
        RetinaWrapper(Mask(), patch_size=5)
