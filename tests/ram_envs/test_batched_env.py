"""Lanes: the three autoreset modes by hand and against Gymnasium's, seeds, masks, arrays that stay the caller's."""

import pickle
import subprocess
import sys
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

import ram_envs  # noqa: F401  registers the environments
from ram_envs.action_modes import ACTION_MODES

ROOT = Path(__file__).resolve().parents[2]
MODES = list(AutoresetMode)
DIGITS = np.random.default_rng(0).integers(0, 256, (7, 9, 9), np.uint8)
OWN = {"images": DIGITS, "labels": [0, 1, 2, 3, 4, 0, 1], "patch_size": 4, "num_scales": 2, "num_glimpses": 4}
WORLDS = {"GlimpseMNIST-v0": OWN, "CatchBall-v0": {"screen_size": 6, "num_balls": 2}}


def make(num_envs=2, env_id="GlimpseMNIST-v0", **changes):
    return gym.make_vec(env_id, num_envs=num_envs, **{**WORLDS[env_id], **changes})


def look(answer, stop, location=0.5):
    """A look in every lane, at one place."""
    return {"location": np.full((len(stop), 2), location), "answer": np.array(answer), "stop": np.array(stop)}


def same(one, other, mask=None):
    """Whether two observations or infos are the same, dtypes too; of an info, where its masks say that it holds."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(
            same(one[key], other[key], one.get(f"_{key}")) for key in one if mask is None or mask.any()
        )
    if isinstance(one, np.ndarray) and one.dtype == object:
        return all(a is b is None or same(a, b) for a, b in zip(one, other, strict=True))
    one, other = np.asarray(one), np.asarray(other)
    return one.dtype == other.dtype and np.array_equal(
        one if mask is None else one[mask], other[mask] if mask is not None else other
    )


def arrays(value):
    """Every array somewhere in an observation or info."""
    if isinstance(value, dict | tuple | list):
        return [a for v in (value.values() if isinstance(value, dict) else value) for a in arrays(v)]
    if isinstance(value, np.ndarray) and value.dtype == object:
        return arrays(value.tolist())
    return [value] if isinstance(value, np.ndarray) else []


# The three modes: lane 0 stops at its first action, lane 1 looks on


def start(mode):
    """Two lanes; returns them, and their labels."""
    envs = make(action_mode="dict", autoreset_mode=mode, glimpse_cost=0.25)
    return envs, envs.reset(seed=0)[1]["label"]


def test_next_step_mode_gives_the_last_glimpse_and_then_begins_anew():
    envs, labels = start(AutoresetMode.NEXT_STEP)
    _, rewards, terminated, truncated, info = envs.step(look(labels, [1, 0]))
    assert (rewards.tolist(), terminated.tolist(), truncated.tolist()) == ([1.0, -0.25], [True, False], [False, False])
    assert (info["is_success"].tolist(), info["_is_success"].tolist()) == ([True, False], [True, True])
    assert info["num_glimpses"].tolist() == [1, 2]
    assert info["_num_glimpses"].tolist() == [True, True]
    observation, rewards, terminated, _, info = envs.step(look(labels, [1, 0]))  # lane 0 is reset: its stop is ignored
    assert (rewards.tolist(), terminated.tolist()) == ([0.0, -0.25], [False, False])
    assert info["num_glimpses"].tolist() == [1, 3]
    assert not info["is_success"].any()
    assert observation["location"][1].tolist() == [0.5, 0.5]
    assert observation["location"][0].tolist() != [0.5, 0.5]  # a first glimpse, at random
    _, _, terminated, _, info = envs.step(look(info["label"], [1, 0]))
    assert terminated.tolist() == [True, False]
    assert not {"final_obs", "final_info"} & info.keys()


def test_same_step_mode_gives_the_next_episode_at_once_and_the_last_of_the_old_in_final():
    envs, labels = start(AutoresetMode.SAME_STEP)
    before, *_ = envs.step(look(labels, [0, 0], location=-0.5))
    observation, rewards, terminated, truncated, info = envs.step(look([labels[0], 0], [1, 0]))
    assert (rewards.tolist(), terminated.tolist(), truncated.tolist()) == ([1.0, -0.25], [True, False], [False, False])
    assert info["num_glimpses"].tolist() == [1, 3]  # of the new episode, and of the one that goes on
    assert (info["_final_obs"].tolist(), info["_final_info"].tolist()) == ([True, False], [True, False])
    assert info["final_obs"][1] is None
    assert same(info["final_obs"][0]["glimpse"], before["glimpse"][0])  # stop takes no glimpse
    assert info["final_info"]["num_glimpses"][0] == 2
    assert info["final_info"]["is_success"][0]
    assert info["final_info"]["_is_success"].tolist() == [True, False]
    assert info["final_info"]["label"][0] == labels[0]
    assert not info["is_success"].any()
    assert not same(observation["glimpse"][0], before["glimpse"][0])


def test_disabled_mode_leaves_what_is_over_alone():
    envs, labels = start(AutoresetMode.DISABLED)
    first, *_ = envs.step(look(labels, [1, 0]))
    for glimpses in (3, 4):
        again, rewards, terminated, _, info = envs.step(look([9 % 5, 0], [1, 0], location=-1))
        assert (rewards.tolist(), terminated.tolist()) == ([0.0, -0.25], [True, False])
        assert info["num_glimpses"].tolist() == [1, glimpses]
        assert not info["is_success"].any()
        assert same(again["glimpse"][0], first["glimpse"][0])
        assert same(again["location"][0], first["location"][0])
    _, rewards, terminated, _, info = envs.step(look([0, labels[1]], [0, 0]))
    assert (rewards.tolist(), terminated.tolist()) == ([0.0, 1.0], [True, True])
    assert info["is_success"].tolist() == [False, True]  # said once, when it came about
    envs.step(look([0, 0], [0, 0]))  # all are over: nothing happens, and nothing fails
    _, info = envs.reset(options={"reset_mask": np.array([True, False])})
    assert info["_num_glimpses"].tolist() == [True, False]
    assert info["num_glimpses"][0] == 1
    _, rewards, terminated, _, _ = envs.step(look([info["label"][0], 0], [1, 1]))
    assert (rewards.tolist(), terminated.tolist()) == ([1.0, 0.0], [True, True])


@pytest.mark.parametrize("env_id", WORLDS)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("action_mode", ACTION_MODES)
@pytest.mark.parametrize("lanes", [1, 3])
def test_lanes_are_gymnasiums_vector_of_single_environments(env_id, mode, action_mode, lanes):
    settings = {**WORLDS[env_id], "action_mode": action_mode}
    native = gym.make_vec(env_id, num_envs=lanes, autoreset_mode=mode, **settings)
    single = SyncVectorEnv([lambda: gym.make(env_id, **settings)] * lanes, autoreset_mode=mode)
    assert native.metadata["autoreset_mode"] is mode
    assert native.single_action_space == single.single_action_space
    assert native.observation_space == single.observation_space
    native.action_space.seed(1)
    assert all(map(same, native.reset(seed=[8, 3, 5][:lanes]), single.reset(seed=[8, 3, 5][:lanes])))
    for _ in range(25):
        actions = native.action_space.sample()
        found, expected = native.step(actions), single.step(actions)
        assert all(map(same, found, expected))
        assert [type(part) for part in found] == [type(part) for part in expected]
        if mode is AutoresetMode.DISABLED and found[2].any():
            masks = [{"reset_mask": found[2].copy()} for _ in range(2)]
            assert all(map(same, native.reset(options=masks[0]), single.reset(options=masks[1])))


@pytest.mark.parametrize("env_id", WORLDS)
def test_lane_i_of_seed_s_is_the_single_environment_of_seed_s_plus_i(env_id):
    envs, env = make(3, env_id, autoreset_mode="Disabled"), gym.make(env_id, **WORLDS[env_id])
    envs.action_space.seed(0)
    plays = [envs.action_space.sample() for _ in range(10)]
    seen = [envs.reset(seed=40), *(envs.step(actions) for actions in plays)]
    for lane in range(3):
        observation, _ = env.reset(seed=40 + lane)
        assert same(observation["glimpse"], seen[0][0]["glimpse"][lane])
        for actions, (expected, rewards, terminated, *_) in zip(plays, seen[1:], strict=True):
            observation, reward, over, _, _ = env.step(actions[lane])
            assert same(observation["glimpse"], expected["glimpse"][lane])
            assert (reward, over) == (rewards[lane], terminated[lane])
            if over:
                break


# Seeds


def test_lanes_with_equal_seeds_play_equal_episodes():
    info = make(4).reset(seed=[7, 2, 7, 2])[1]
    assert info["index"][:2].tolist() == info["index"][2:].tolist()


def test_without_a_seed_the_lanes_go_on_where_they_were():
    envs = make(3, autoreset_mode="Disabled")
    both = [[envs.reset(seed=1)[0], envs.reset()[0], envs.reset(seed=[None] * 3)[0]] for _ in range(2)]
    assert all(map(same, *both))
    assert not same(both[0][0], both[0][1])
    assert not same(both[0][1], both[0][2])


def test_generators_and_seeds_of_the_lanes_can_be_read():
    envs = make(3)
    assert envs.unwrapped.np_random_seed == (-1, -1, -1)
    envs.reset(seed=5)
    assert envs.unwrapped.np_random_seed == (5, 6, 7)
    assert len({generator.random() for generator in envs.unwrapped.np_random}) == 3


@pytest.mark.parametrize("seed", [[1], [1, 2, 3], "ab c", 1.5])
def test_a_bad_seed_is_named(seed):
    with pytest.raises(ValueError, match="seed must be a whole number or 2 of them"):
        make().reset(seed=seed)


# Masks


def test_a_mask_resets_and_seeds_only_its_lanes():
    envs, other = make(3, autoreset_mode="Disabled"), make(3, autoreset_mode="Disabled")
    first, info = envs.reset(seed=0)
    expected, _ = other.reset(seed=50)
    mask = np.array([False, True, False])
    options = {"reset_mask": mask}
    second, masked_info = envs.reset(seed=50, options=options)
    assert same(second["glimpse"][~mask], first["glimpse"][~mask])
    assert same(second["glimpse"][mask], expected["glimpse"][mask])
    assert options == {"reset_mask": mask}  # the caller's, left as it was
    assert info.keys() == masked_info.keys()
    assert all((masked_info[key] == mask).all() for key in masked_info if key.startswith("_"))


def test_the_first_reset_has_no_lane_to_leave_out():
    with pytest.raises(ValueError, match=r"reset_mask.*first reset"):
        make().reset(options={"reset_mask": np.array([True, False])})


def test_a_reset_that_failed_begins_nothing():
    envs = make()
    with pytest.raises(ValueError, match="index"):
        envs.reset(options={"index": 7})
    with pytest.raises(gym.error.ResetNeeded):
        envs.step(envs.action_space.sample())
    env = gym.make("GlimpseMNIST-v0", **OWN).unwrapped
    with pytest.raises(ValueError, match="index"):
        env.reset(options={"index": 7})
    with pytest.raises(gym.error.ResetNeeded):
        env.step([0, 0, 0])


# Arrays


@pytest.mark.parametrize("env_id", WORLDS)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("obs_mode", ["dict", "flat"])
def test_what_was_returned_is_the_callers_to_keep_and_to_change(env_id, mode, obs_mode):
    def play(spoil):
        envs = make(2, env_id, autoreset_mode=mode, obs_mode=obs_mode)
        envs.action_space.seed(0)
        kept, copies = [], []
        for step in range(12):
            returned = envs.step(envs.action_space.sample()) if step else envs.reset(seed=0)
            found = arrays(returned)
            assert not any(np.shares_memory(a, b) for i, a in enumerate(found) for b in found[:i])
            assert not any(np.shares_memory(a, b) for a in found for b in kept)
            assert all(a.flags.owndata and a.flags.writeable for a in found)
            kept += found
            copies += [array.copy() for array in found]
            if spoil:
                for array in found:
                    array[...] = 1
        return kept, copies

    kept, copies = play(spoil=False)
    assert all(map(np.array_equal, kept, copies))  # no later step wrote into them
    assert all(map(np.array_equal, copies, play(spoil=True)[1]))  # nor does anybody's writing reach the environment


@pytest.mark.parametrize("env_id", WORLDS)
def test_flat_observations_are_the_glimpse_row_by_row_and_then_the_location(env_id):
    flat, both = (make(3, env_id, obs_mode=mode).reset(seed=0)[0] for mode in ("flat", "dict"))
    assert same(flat, np.concatenate([both["glimpse"].reshape(3, -1), both["location"]], axis=1))


def test_the_location_seen_is_the_place_asked_for_and_beyond_the_border_the_border():
    envs = make(action_mode="dict", num_glimpses=9)
    envs.reset(seed=0)
    observation, *_ = envs.step({"location": [[0.25, -3], [7, 0]], "answer": [0, 0], "stop": [0, 0]})
    assert observation["location"].tolist() == [[0.25, -1], [1, 0]]


# Arguments


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("num_envs", 0),
        ("num_envs", 2.0),
        ("num_envs", True),
        ("autoreset_mode", "same_step"),
        ("autoreset_mode", None),
        ("obs_mode", "pixels"),
        ("obs_mode", None),
        ("render_mode", "ansi"),
        ("render_size", 255),
        ("render_size", 300.0),
        ("action_mode", "Dict"),
        ("location_grid", 0),
        ("location_grid", "7"),
        ("location_grid", 2.5),
        ("initial_location", "middle"),
        ("initial_location", None),
        ("initial_location", (0.0, float("nan"))),
        ("initial_location", (0.0, 1.01)),
        ("initial_location", (0.0, 0.0, 0.0)),
        ("initial_location", ("a", "b")),
        ("patch_size", 0),
        ("num_scales", 13),
    ],
)
@pytest.mark.parametrize("env_id", WORLDS)
def test_a_bad_argument_is_named_with_what_came(env_id, name, value):
    vector_class = gym.make(env_id, **WORLDS[env_id]).unwrapped.vector_class
    with pytest.raises(ValueError, match=f"{name} must be .*, got") as error:
        vector_class(**{"num_envs": 2, **WORLDS[env_id], name: value})
    assert str(value) in str(error.value)


def test_a_single_environment_names_what_is_bad_in_an_action():
    env = gym.make("GlimpseMNIST-v0", action_mode="dict", **OWN)
    env.reset(seed=0)
    good = {"location": [0.0, 0.0], "answer": 0, "stop": 0}
    for bad, message in [
        ({"location": [np.nan, 0]}, r"action\['location'\] must be finite, got nan"),
        ({"location": [0, 0, 0]}, r"action\['location'\] must have shape \(2,\) per lane"),
        ({"location": [[0, 0], [0]]}, r"action\['location'\] must form an array"),
        ({"answer": 5}, r"action\['answer'\] must lie in 0 to 4"),
        ({"answer": 0.5}, r"action\['answer'\] must hold whole numbers"),
        ({"look": 1}, "keys"),
    ]:
        with pytest.raises(ValueError, match=message):
            env.step({**good, **bad})
    assert env.step(good)[4]["num_glimpses"] == 2  # a refused action changed nothing


def test_scores_beyond_the_box_still_compare():
    env = gym.make("GlimpseMNIST-v0", action_mode="box", **OWN)
    label = env.reset(seed=0)[1]["label"]
    scores = np.full(5, 2.0)
    scores[label] = 3.0
    _, reward, over, _, _ = env.step(np.concatenate([[9, -9], scores, [7.0]]))
    assert (reward, over) == (1.0, True)


# Pictures


@pytest.mark.parametrize("env_id", WORLDS)
def test_drawing_changes_nothing(env_id):
    drawn, plain = (make(2, env_id, render_mode=mode) for mode in ("rgb_array", None))
    plain.action_space.seed(0)
    assert all(map(same, drawn.reset(seed=0), plain.reset(seed=0)))
    for _ in range(12):
        drawn.render()
        actions = plain.action_space.sample()
        assert all(map(same, drawn.step(actions), plain.step(actions)))


@pytest.mark.parametrize("mode", MODES)
def test_each_lane_has_a_frame_of_its_own_of_the_size_asked_for(mode):
    envs = make(3, render_mode="rgb_array", render_size=256, autoreset_mode=mode)
    envs.reset(seed=0)
    for _ in range(5):
        frames = envs.render()
        assert isinstance(frames, tuple)
        assert len(frames) == 3
        assert len({frame.shape for frame in frames}) == 1
        assert frames[0].shape[0] == 256
        assert frames[0].shape[2] == 3
        assert not np.array_equal(frames[0], frames[1])
        assert not np.shares_memory(frames[0], frames[1])
        envs.step(envs.action_space.sample())


def test_what_an_agent_thinks_is_drawn_too():
    envs, env = make(render_mode="rgb_array"), gym.make("GlimpseMNIST-v0", render_mode="rgb_array", **OWN)
    envs.reset(seed=0)
    env.reset(seed=0)
    before = envs.render()
    envs.unwrapped.annotate(probabilities=np.eye(2, 5), value=[[0.2], [0.8]])
    env.unwrapped.annotate(probabilities=np.eye(2, 5)[0], value=[0.2])
    after = envs.render()
    assert all(not np.array_equal(*pair) for pair in zip(before, after, strict=True))
    assert np.array_equal(env.render(), after[0])


def test_there_is_nothing_to_draw_before_the_first_reset_or_without_a_mode():
    with pytest.raises(gym.error.ResetNeeded):
        make(render_mode="rgb_array").render()
    envs = make()
    envs.reset(seed=0)
    with pytest.warns(UserWarning, match="Nothing to render"):
        assert envs.render() is None


def test_human_mode_shows_every_lane_in_one_window_and_closes_twice(monkeypatch):
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    envs = make(render_mode="human")
    envs.unwrapped.metadata["render_fps"] = 0
    shown = []
    monkeypatch.setattr("ram_envs.window.Window.show", lambda window, frame, fps: shown.append(frame.shape))
    envs.reset(seed=0)
    envs.step(envs.action_space.sample())
    assert envs.render() is None
    assert len(shown) == 2
    envs.close()
    envs.unwrapped.close_extras()


def test_an_environment_that_was_refused_can_be_closed():
    vector_class = type(make().unwrapped)
    vector_class.__new__(vector_class).close_extras()  # as Gymnasium before 1.4 does when it is deleted


# Ways in


def test_the_specification_of_lanes_makes_them_again():
    envs = gym.make_vec("CatchBall-v0", num_envs=3, num_balls=2, autoreset_mode="SameStep")
    again = gym.make_vec(pickle.loads(pickle.dumps(envs.spec)), num_envs=3)
    assert again.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    assert again.unwrapped.num_balls == 2
    assert same(again.reset(seed=0)[0], envs.reset(seed=0)[0])


def test_the_module_named_in_the_id_needs_no_import():
    code = """
import gymnasium
gymnasium.make("ram_envs:CatchBall-v0").reset()
gymnasium.make_vec("ram_envs:CatchBall-v0", num_envs=2).reset()
"""
    subprocess.run([sys.executable, "-W", "error", "-c", code], cwd=ROOT, check=True)
