"""Keywords and errors: what an environment takes is written once and shown whole; what it refuses is said in few words."""

import inspect

import gymnasium as gym
import numpy as np
import pytest

from ram_envs.arguments import BadArgument, check_keywords, one_of, real_number, shown, whole_number
from ram_envs.catch_ball import CatchBallEnv, CatchBallVectorEnv
from ram_envs.glimpse_mnist import GlimpseMNISTEnv, GlimpseMNISTVectorEnv

CLASSES = [CatchBallEnv, CatchBallVectorEnv, GlimpseMNISTEnv, GlimpseMNISTVectorEnv]


def defaults(cls):
    return {name: parameter.default for name, parameter in inspect.signature(cls).parameters.items()}


@pytest.mark.parametrize("cls", CLASSES)
def test_the_signature_shows_the_retinas_keywords_with_the_worlds_own(cls):
    found = defaults(cls)
    assert {"patch_size", "initial_location", "obs_mode", "action_mode", "location_grid", "render_size"} <= found.keys()
    assert ("num_balls" in found) != ("num_glimpses" in found)
    assert all(("autoreset_mode" in found, "num_envs" in found)) == cls.__name__.endswith("VectorEnv")
    assert not {"kwargs", "retina", "screen", "choices", "num_draws", "discrete"} & found.keys()


def test_a_worlds_own_defaults_of_the_retina_are_shown_and_used():
    names = ("patch_size", "num_scales", "location_grid")
    assert [defaults(CatchBallEnv)[name] for name in names] == [6, 3, 5]
    assert [defaults(GlimpseMNISTEnv)[name] for name in names] == [8, 1, 7]
    env = CatchBallEnv()
    assert env.observation_space["glimpse"].shape == (3, 6, 6)
    assert env.action_space.nvec.tolist() == [25, 3]


def test_a_world_made_of_a_world_takes_the_keywords_of_both():
    class Heavier(CatchBallVectorEnv):
        retina_defaults = {"patch_size": 4}

        def __init__(self, num_envs=1, *, weight=1.0, **rest):
            self.weight = weight
            super().__init__(num_envs, **rest)

    found = defaults(Heavier)
    assert (found["weight"], found["num_balls"], found["patch_size"], found["num_scales"]) == (1.0, 1, 4, 3)
    assert Heavier().single_observation_space["glimpse"].shape == (3, 4, 4)
    assert Heavier(2, weight=3.0, num_balls=2).num_balls == 2
    with pytest.raises(TypeError, match="did you mean 'weight'"):
        Heavier(wieght=2.0)


@pytest.mark.parametrize("cls", CLASSES)
def test_a_mistyped_keyword_is_named_with_the_nearest_and_all_there_are(cls):
    with pytest.raises(TypeError) as error:
        cls(patchsize=8)
    said = str(error.value)
    assert said.startswith(
        f"{cls.__name__} got an unexpected keyword argument 'patchsize': did you mean 'patch_size'? It takes "
    )
    assert all(name in said for name in inspect.signature(cls).parameters)
    assert len(said) < 600


@pytest.mark.parametrize("name", ["screen", "choices", "num_draws", "discrete", "retina", "kwargs"])
def test_what_a_world_tells_the_base_is_no_keyword_of_the_world(name):
    with pytest.raises(TypeError, match=f"got an unexpected keyword argument '{name}'"):
        CatchBallVectorEnv(2, **{name: 3})


def test_a_keyword_is_refused_before_any_image_is_loaded(monkeypatch):
    monkeypatch.setattr("ram_envs.datasets.load_dataset", lambda *args: pytest.fail("loaded"))
    for cls in (GlimpseMNISTEnv, GlimpseMNISTVectorEnv):
        with pytest.raises(TypeError, match="num_glimpse'"):
            cls(num_glimpse=3)


IMAGES, LABELS = np.zeros((500, 8, 8)), np.zeros(500, int)


@pytest.mark.parametrize("make", [gym.make, gym.make_vec])
@pytest.mark.parametrize("own", [(IMAGES, LABELS), (IMAGES.tolist(), LABELS.tolist())])
@pytest.mark.parametrize(
    "wrong",
    [
        {"patchsize": 8},
        {"images": IMAGES.astype(int)},
        {"labels": LABELS + 0.5},
        {"num_classes": 2.5},
        {"canvas_size": IMAGES},
        {"num_glimpses": IMAGES.tolist()},
        {"initial_location": IMAGES.tolist()},
        {"initial_location": [[0.0, 0.0], [0.0]]},
        {"split": IMAGES},
        {"obs_mode": IMAGES},
        {"autoreset_mode": IMAGES},
        {"render_size": IMAGES},
    ],
)
def test_an_error_is_short_whatever_images_were_given_with_it(make, own, wrong):
    with pytest.raises((TypeError, ValueError), match=next(iter(wrong))) as error:
        make("GlimpseMNIST-v0", **{"images": own[0], "labels": own[1], **wrong})
    assert len(str(error.value)) < 800


def test_what_came_is_shown_in_few_characters():
    assert shown(3) == "3"
    assert shown("left") == "'left'"
    assert shown(np.zeros((2, 3), np.uint8)) == "ndarray of uint8, shape (2, 3)"
    assert shown(np.float32(2)) in ("2.0", "np.float32(2.0)")
    for much in ([0] * 10_000, "a" * 10_000, [np.zeros((900, 2))], {i: i for i in range(999)}, {"a": [[[[0] * 99]]]}):
        assert len(shown(much)) < 250


@pytest.mark.parametrize("value", [np.array(["a", "b"]), ["a"], {"a"}, None, 3])
def test_what_is_no_name_is_none_of_the_names(value):
    with pytest.raises(ValueError, match=r"^mode must be one of \['a', 'b'\], got"):
        one_of("mode", value, ("a", "b"))


def test_numbers_are_python_numbers_of_their_kind():
    assert type(whole_number("n", np.int8(3), 1)) is int
    assert type(real_number("x", 3, 1)) is float
    with pytest.raises(ValueError, match=r"^n must be a whole number of at least 1, got True"):
        whole_number("n", True, 1)


def test_nothing_near_is_not_guessed():
    with pytest.raises(BadArgument, match=r"^f got an unexpected keyword argument 'zebra'\. It takes a, b\.$"):
        check_keywords("f", ["a", "zebra"], ["a", "b"])


def test_errors_of_many_lanes_are_as_short_as_of_one():
    envs = gym.make_vec("GlimpseMNIST-v0", num_envs=5000, images=IMAGES[:1], labels=[0])
    wrong = {"index": np.full(5000, 7)}, {"index": [[0], [0, 1]]}, {"reset_mask": [[True], [True, False]]}
    for options in wrong:
        with pytest.raises(ValueError, match=rf"options\['{next(iter(options))}'\] must") as error:
            envs.reset(options=options)
        assert len(str(error.value)) < 300
    with pytest.raises(ValueError, match="seed must be") as error:
        envs.reset(seed=[-1] * 5000)
    assert len(str(error.value)) < 300
    envs.reset(seed=0)
    with pytest.raises(ValueError, match=r"action must lie in 0 to \[48  0  1\] .*got \[0, 1, 0\]") as error:
        envs.step(np.tile([0, 1, 0], (5000, 1)))
    assert len(str(error.value)) < 300
