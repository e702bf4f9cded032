"""Which episodes a score is of, how many of them side by side, and which environments there are to play in."""

import tracemalloc

import gymnasium as gym
import numpy as np
import pytest

torch = pytest.importorskip("torch")

import ram_envs  # noqa: E402
from agents.experiment import episodes  # noqa: E402
from agents.experiment.episodes import (  # noqa: E402
    CHOSEN,
    MOST_LANES,
    HeldOutEpisodes,
    find_spec,
    make_envs,
    told_success,
    told_successes,
)
from agents.ram.agent import make_agent  # noqa: E402
from agents.ram.config import Config  # noqa: E402
from agents.ram.evaluation import evaluate  # noqa: E402

CATCH = Config(env="CatchBall-v0", env_args=("screen_size=6",))
SIDE, COUNT = 60, 12
DIGITS = "ram_envs.glimpse_mnist:GlimpseMNIST"


@pytest.fixture
def pictures():
    """Registers twelve colour images of one's own; a lane of them takes 145 kB."""
    images = np.random.default_rng(0).integers(0, 256, (COUNT, SIDE, SIDE, 3), np.uint8)
    own = {"images": images, "labels": np.arange(COUNT) % 3, "num_glimpses": 2}
    gym.register("Pictures-v0", entry_point=f"{DIGITS}Env", vector_entry_point=f"{DIGITS}VectorEnv", kwargs=own)
    yield Config(env="Pictures-v0")
    del gym.registry["Pictures-v0"]


def first_glimpses(config, **how):
    """What every episode that counts shows first, in their order, and how many are played side by side."""
    held_out, found = HeldOutEpisodes(config, "test", **how), []
    for batch in held_out:
        observation, _ = held_out.envs.reset(seed=batch.seed, options=batch.options)
        found.append(observation["glimpse"][batch.counted])
    return np.concatenate(found), held_out.lanes


@pytest.mark.parametrize("lanes", [1, 7, 20, 64])
def test_fresh_episodes_are_the_same_however_many_are_played_side_by_side(lanes):
    expected, together = first_glimpses(CATCH, episodes=20)
    found, _ = first_glimpses(CATCH, episodes=20, lanes=lanes)
    assert together == 20
    np.testing.assert_array_equal(found, expected)
    assert len(np.unique(found, axis=0)) > 10


@pytest.mark.parametrize(
    ("memory", "episodes", "lanes"), [(1024, None, COUNT), (1024, 5, 5), (1024, 500, COUNT), (1, None, 6), (1, 5, 5)]
)
def test_no_more_lanes_than_there_are_episodes_and_than_fit(pictures, memory, episodes, lanes):
    config = pictures.but(run={"evaluation_memory": memory})
    assert make_envs(config, 1).unwrapped.lane_bytes == pytest.approx(145_000, rel=0.05)
    assert HeldOutEpisodes(config, "test", episodes).lanes == lanes
    assert len(first_glimpses(config, episodes=episodes)[0]) == min(episodes or COUNT, COUNT)


def test_of_fresh_episodes_there_are_as_many_as_are_asked_for(monkeypatch):
    monkeypatch.setattr(episodes, "FRESH_EPISODES", {"test": 5})
    assert HeldOutEpisodes(CATCH, "test").total == 5
    assert HeldOutEpisodes(CATCH, "test", 12).total == 12


def test_an_image_too_large_for_the_memory_is_still_scored(pictures):
    config = pictures.but(env_args=("canvas_size=400",), run={"evaluation_memory": 1})
    assert HeldOutEpisodes(config, "test").lanes == 1


def test_lanes_take_no_more_memory_than_they_may(pictures):
    config = pictures.but(run={"evaluation_memory": 1})
    first_glimpses(config)  # what is only loaded once
    tracemalloc.start()
    first_glimpses(config)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    images = COUNT * SIDE * SIDE * 3
    assert peak < 1_000_000 + 3 * images


def test_small_scenes_are_played_by_the_hundreds():
    assert HeldOutEpisodes(CATCH, "test").lanes == MOST_LANES


@pytest.mark.parametrize("word", ["split=train", "privileged_info=False", "autoreset_mode=NextStep", "num_envs=3"])
@pytest.mark.parametrize("where", ["env_args", "train_env_args"])
def test_what_training_and_scoring_choose_cannot_be_chosen(word, where):
    name = word.partition("=")[0]
    assert name in CHOSEN
    with pytest.raises(
        ValueError, match=f"^env_args cannot have {name}, which training and scoring choose: got {word}"
    ):
        make_envs(Config(env="CatchBall-v0").but(**{where: (word,)}), 1, training=True)


@pytest.mark.parametrize(
    ("env_id", "said"),
    [
        ("Mine-v0", r"`Mine` doesn't exist.* If a module of yours registers it, name that too: --env MODULE:Mine-v0$"),
        (
            "nowhere:Mine-v0",
            r"module that cannot be imported \(No module named 'nowhere'\): run this in the folder that ",
        ),
        ("ram_envs:Mine-v0", r"`Mine` doesn't exist\.$"),
        (".mine:Mine-v0", "names a module that cannot be imported"),
        (":Mine-v0", "names a module that cannot be imported"),
        ("a b", "^Malformed environment ID: a b"),
    ],
)
def test_environment_that_is_not_there_is_told_how_it_could_be(env_id, said):
    with pytest.raises(ValueError, match=said):
        find_spec(env_id)


def test_module_that_wants_another_is_told_that_one(tmp_path, monkeypatch):
    (tmp_path / "wants_another.py").write_text("import not_installed_here")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ValueError, match=r"cannot be imported \(No module named 'not_installed_here'\)\.$"):
        find_spec("wants_another:Mine-v0")


@pytest.mark.parametrize(("split", "episodes"), [("validation", 5_000), ("test", 20_000)])
def test_so_many_fresh_games_are_played_for_a_score_unless_others_are_asked_for(split, episodes):
    config = Config(env="CatchBall-v0", env_args=("screen_size=6",))
    assert HeldOutEpisodes(config, split).total == episodes
    assert HeldOutEpisodes(config, split, episodes=7).total == 7


class Endless(gym.Env):
    """A grey screen, as long as one likes."""

    observation_space = gym.spaces.Box(0, 255, (12, 12, 1), np.uint8)
    action_space = gym.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.full((12, 12, 1), 99, np.uint8), {}

    def step(self, action):
        return np.full((12, 12, 1), 99, np.uint8), 1.0, False, False, {}


@pytest.fixture
def endless():
    gym.register("Endless-v0", Endless)
    ram_envs.register_retina("RetinaEndless-v0", "Endless-v0", patch_size=4)
    yield Config(env="RetinaEndless-v0")
    del gym.registry["Endless-v0"], gym.registry["RetinaEndless-v0"]


@pytest.mark.parametrize(
    ("steps", "asked", "played"),
    [
        (4, None, 500),  # all that there are
        (40, None, 200),  # 100 take 4,100 glimpses, and as many again more than 6,000
        (400, None, 100),  # side by side, so that none is left out because it is long
        (40, 300, 300),
    ],
)
def test_of_long_fresh_episodes_fewer_are_scored(endless, steps, asked, played, monkeypatch):
    monkeypatch.setattr(episodes, "FRESH_GLIMPSES", {"validation": 6_000})
    config = endless.but(env_args=(f"max_episode_steps={steps}",))
    envs = make_envs(config, 1)
    score = evaluate(make_agent(config, envs), config, "validation", episodes=asked)
    assert score.episodes == played
    assert score.mean_return == steps


def test_so_many_long_games_are_begun_as_are_scored(monkeypatch):
    monkeypatch.setattr(episodes, "FRESH_GLIMPSES", {"test": 1000})
    assert HeldOutEpisodes(Config(env="CatchBall-v0"), "test").lanes == 1000 // 24
    assert HeldOutEpisodes(Config(env="CatchBall-v0"), "test", 60).lanes == 60


def test_of_a_world_that_told_of_successes_before_none_is_a_failure(endless):
    config = endless.but(env_args=("max_episode_steps=2",))
    agent = make_agent(config, make_envs(config, 1))
    assert evaluate(agent, config, "validation", episodes=3).mean_return == 2
    assert evaluate(agent, config, "validation", episodes=3, tells_success=True).error_percent == 100


@pytest.mark.parametrize(
    ("told", "known"),
    [
        ([True, False, None], [True, False, False]),
        ([[True, True], (True, False), [False, False]], [True, False, False]),
        ([1.0, 0.0, 2.0], [True, False, True]),
        ([[1, 1], [1, 0], [0, 0]], [True, False, False]),
    ],
)
def test_a_success_of_several_parts_is_one_of_all_of_them(told, known):
    found = np.array(told) if isinstance(told[0], float) or told[0] == [1, 1] else np.empty(3, object)
    if found.dtype == object:
        found[:] = told
    np.testing.assert_array_equal(told_successes({"is_success": found}), known)
    alone = told_successes({"is_success": found, "_is_success": np.array([False, True, True])})
    np.testing.assert_array_equal(alone, [False, *known[1:]])


@pytest.mark.parametrize(
    "info",
    [
        {},
        {"is_success": np.array([None, None])},
        {"is_success": {"reached": np.array([True]), "_reached": np.array([True])}},
    ],
)
def test_worlds_that_tell_of_no_success(info):
    assert told_successes(info) is None


@pytest.mark.parametrize(
    ("found", "known"),
    [(None, None), ({"reached": True}, None), (True, True), (np.False_, False), ([True, False], False), ((1, 1), True)],
)
def test_what_one_episode_tells_of_its_success(found, known):
    assert told_success(found) is known
