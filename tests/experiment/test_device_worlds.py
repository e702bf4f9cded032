"""Twins of the worlds on a device: what NumPy sees, draws and pays, to the last bit. The processor stands in for the GPU."""

import gymnasium as gym
import numpy as np
import pytest

torch = pytest.importorskip("torch")

import ram_envs  # noqa: E402, F401  registers the environments
from agents.experiment import device_worlds  # noqa: E402
from agents.experiment.device_worlds import DeviceWorld, has_twin, on_device  # noqa: E402
from agents.experiment.torch_sensor import TorchSensor  # noqa: E402
from ram_envs.glimpse_sensor import GlimpseSensor  # noqa: E402

CPU = torch.device("cpu")
FORM = {"obs_mode": "dict", "action_mode": "dict", "autoreset_mode": "Disabled"}
WORLDS = {
    "digits": ("GlimpseMNIST-v0", {}),
    "price": ("GlimpseMNIST-v0", {"glimpse_cost": 0.03, "num_scales": 3, "pooling": "sum", "max_episode_steps": 4}),
    "cluttered": ("GlimpseMNIST-Cluttered60-v0", {"initial_location": "center"}),
    "oblong": ("GlimpseMNIST-v0", {"canvas_size": (40, 52), "clutter_pieces": 3, "clutter_size": 9, "overhang": 6}),
    "distorted": ("GlimpseMNIST-v0", {"distortion": 0.3, "overhang": 2}),
    "held out": ("GlimpseMNIST-Cluttered60-v0", {"split": "validation"}),
    "walk": ("GlimpseMNIST-Translated60-v0", {"order": "sequential", "privileged_info": False}),
    "pairs": ("GlimpseMNIST-Pairs100-v0", {}),
    "sum": ("GlimpseMNIST-Sum100-v0", {"canvas_size": 70, "train_scenes": 30}),
    "few or many": ("GlimpseMNIST-Sum100-v0", {"digits": (1, 4), "canvas_size": 90}),
    "marks": ("GlimpseMNIST-Mega500-v0", {"canvas_size": (270, 250), "marks": 40, "num_glimpses": 4, "clutter_pieces": 5}),
}  # fmt: skip


def pair(env_id, lanes=6, **kwargs):
    """A NumPy world and the twin of another like it."""
    plain, other = (gym.make_vec(env_id, num_envs=lanes, **FORM, **kwargs) for _ in range(2))
    return plain, DeviceWorld(other, CPU)


def colours(count=12):
    rng = np.random.default_rng(1)
    images, labels = rng.integers(0, 256, (count, 20, 26, 3), np.uint8), np.arange(count) % 3
    return {"images": images, "labels": labels}


def demand_alike(found, expected):
    assert {*found} == {*expected}
    for name, values in expected.items():
        assert found[name].numpy().dtype == values.dtype, name
        np.testing.assert_array_equal(found[name].numpy(), values, name)


def play(plain, twin, seed, stopping, options=None):
    """Plays the same actions in both, and compares whatever there is."""
    rng = np.random.default_rng(seed)
    demand = [plain.reset(seed=seed, options=options), twin.reset(seed=seed, options=options)]
    for numpy, torch_ in zip(*demand, strict=True):
        demand_alike(torch_, numpy)
    over = np.zeros(plain.num_envs, bool)
    while not over.all():
        classes = plain.single_action_space["answer"].n
        location = rng.normal(size=(plain.num_envs, 2)).astype(np.float32)
        stop = (rng.random(plain.num_envs) < 0.3).astype(np.int64) * stopping
        known = demand[0][1].get("label", np.zeros(plain.num_envs, np.int64))
        answer = np.where(rng.random(plain.num_envs) < 0.5, known, rng.integers(0, classes, plain.num_envs))
        action = {"location": location, "answer": answer, "stop": stop}
        *numpy, told = plain.step(action)
        *torch_, twin_told = twin.step({name: torch.from_numpy(each) for name, each in action.items()})
        demand_alike(torch_[0], numpy[0])
        demand_alike(twin_told, told)
        for found, expected in zip(torch_[1:], numpy[1:], strict=True):
            demand_alike({"": found}, {"": expected})
        places = rng.normal(size=(3, plain.num_envs, 2)).astype(np.float32)
        np.testing.assert_array_equal(twin.look(torch.from_numpy(places)).numpy(), plain.unwrapped.look(places))
        over = numpy[2] | numpy[3]
    assert twin.all_over or stopping


@pytest.mark.parametrize("world", WORLDS)
def test_twin_plays_the_same_episodes_to_the_last_bit(world, fake_mnist):
    env_id, kwargs = WORLDS[world]
    plain, twin = pair(env_id, **kwargs)
    for seed in (3, None):  # the second goes on with the generators of the first
        play(plain, twin, seed, stopping=False)
    play(plain, twin, None, stopping=True)


def test_twin_shows_colour_images(monkeypatch):
    monkeypatch.setattr(device_worlds, "CHUNK", 5000)  # two lanes at a time
    plain, twin = pair("GlimpseMNIST-v0", canvas_size=48, clutter_pieces=2, num_scales=2, **colours())
    play(plain, twin, 1, stopping=False)
    plain, twin = pair("GlimpseMNIST-Sum100-v0", clutter_pieces=3, **colours())
    play(plain, twin, 1, stopping=True)


def test_twin_shows_the_images_it_is_told_to(fake_mnist):
    plain, twin = pair("GlimpseMNIST-Cluttered60-v0")
    play(plain, twin, 1, stopping=False, options={"index": np.array([0, 1, 2, 3, 3, 29])})
    with pytest.raises(ValueError, match=r"options\['index'\] must lie in 0 to 29, got 30"):
        twin.reset(options={"index": 30})
    with pytest.raises(ValueError, match="options cannot have reset_mask here"):
        twin.reset(options={"reset_mask": np.ones(6, bool)})


@pytest.mark.parametrize("pooling", ["mean", "sum"])
def test_sensor_sees_the_same_at_borders_and_between_pixels(pooling):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (40, 37, 61, 2), np.uint8)
    locations = np.concatenate(
        [rng.uniform(-1, 1, (20, 2)), 2 * np.arange(20)[:, None] / [61, 37] - 1]  # the last lie where rounding decides
    ).astype(np.float32)
    sensor = GlimpseSensor(5, 5, pooling)
    twin, tables = TorchSensor(sensor, (37, 61, 2), CPU), torch.zeros(40, 38, 62, 2, dtype=torch.int32)
    twin.tables(torch.from_numpy(images), tables)
    np.testing.assert_array_equal(twin.glimpse(tables, torch.from_numpy(locations)).numpy(), sensor(images, locations))


@pytest.mark.parametrize(
    ("env_id", "kwargs"),
    [
        ("CatchBall-v0", {}),
        ("GlimpseMNIST-Moving60-v0", {}),
        ("GlimpseMNIST-Pairs100-v0", {"answer": "sequence"}),
        ("GlimpseMNIST-v0", {"render_mode": "rgb_array"}),
        ("GlimpseMNIST-v0", {"obs_mode": "flat"}),
        ("GlimpseMNIST-v0", {"autoreset_mode": "NextStep"}),
    ],
)
def test_world_that_has_no_twin_stays_what_it_is(env_id, kwargs, fake_mnist):
    envs = gym.make_vec(env_id, num_envs=2, **{**FORM, **kwargs})
    assert not has_twin(envs)
    assert on_device(envs, torch.device("meta")) is envs


def test_processor_plays_in_numpy(fake_mnist):
    envs = gym.make_vec("GlimpseMNIST-v0", num_envs=2, **FORM)
    assert on_device(envs, CPU) is envs
    assert isinstance(on_device(envs, torch.device("meta")), DeviceWorld)
