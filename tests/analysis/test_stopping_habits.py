"""When an agent stops, told by what it looked at."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from agents.analysis.stopping_habits import Habits, habits, habits_table  # noqa: E402
from agents.experiment.episodes import make_split  # noqa: E402
from agents.experiment.run_folder import CHECKPOINT  # noqa: E402
from agents.ram.config import Config  # noqa: E402
from agents.ram.training import Trainer  # noqa: E402
from ram_envs.glimpse_sensor import to_pixels  # noqa: E402

STOPPING = Config().but(
    env="GlimpseMNIST-Cluttered60-v0",
    env_args=("num_glimpses=3",),
    stopping={},
    network={"hidden_size": 8},
    learning={"batch_size": 4},
)


def untrained(config, folder):
    Trainer(config, folder).save()
    return folder / CHECKPOINT


def test_every_test_digit_is_looked_at_once(fake_mnist, tmp_path):
    found = habits(untrained(STOPPING, tmp_path), lanes=8)
    assert found.labels.tolist() == [i % 10 for i in range(20)]
    assert found.glimpses.tolist() == [3] * 20  # it begins by looking on
    assert all(len(column) == 20 for column in vars(found).values())


def test_digits_without_distractors_are_as_in_the_data(fake_mnist, tmp_path):
    found = habits(untrained(STOPPING, tmp_path), lanes=20)
    envs = make_split(STOPPING, 20, "test", patch_size=60, num_scales=1, initial_location="center")
    observation, info = envs.reset(options={"index": np.arange(20)})
    lefts, tops = (to_pixels(info["target_location"], 60, 60) - 14).round().astype(int).T
    clean = [
        np.array_equal(np.round(scene[0, y : y + 28, x : x + 28] * 255), image[..., 0])
        for scene, x, y, image in zip(observation["glimpse"], lefts, tops, envs.unwrapped.data.images, strict=True)
    ]
    assert any(clean)
    assert all(np.array(clean)[found.distractors == 0])
    assert not all(np.array(clean)[found.distractors > 0])


def test_table_has_a_row_for_each_group():
    found = Habits(
        glimpses=np.array([1, 3, 2, 2]),
        right=np.array([True, False, True, True]),
        labels=np.array([7, 7, 1, 1]),
        first_distance=np.array([0.1, 0.2, 0.3, 0.4]),
        distractors=np.array([0, 2, 0, 0]),
    )
    lines = habits_table(found).splitlines()
    for row in (
        "| all | 4 | 2.00 | 25.00 |",
        "| distractors at the digit: 0 | 3 | 1.67 | 0.00 |",
        "| distractors at the digit: 2 | 1 | 3.00 | 100.00 |",
        "| class 7 | 2 | 2.00 | 50.00 |",
        "| answered after 2 | 2 | 2.00 | 0.00 |",
    ):
        assert row in lines
    assert not any("at the digit: 1" in line for line in lines)


def test_agents_that_do_not_stop_are_refused(fake_mnist, tmp_path):
    with pytest.raises(ValueError, match="learnt when to stop"):
        habits(untrained(STOPPING.but(stopping=None), tmp_path))
