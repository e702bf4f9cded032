"""Training where the world lives on the device: the processor stands in for the GPU, and makes the same numbers as with NumPy's world."""

import pytest

torch = pytest.importorskip("torch")

from agents.experiment.device_worlds import DeviceWorld  # noqa: E402
from agents.experiment.run_folder import CHECKPOINT  # noqa: E402
from agents.ram import training  # noqa: E402
from agents.ram.checkpoint import load_state  # noqa: E402
from agents.ram.findings import Findings  # noqa: E402
from agents.ram.presets import GENERAL, PRESETS  # noqa: E402
from agents.ram.training import Trainer, train  # noqa: E402

CONFIGS = {
    "mnist-6": PRESETS["mnist-6"],
    "general": GENERAL.but(env="GlimpseMNIST-Cluttered60-v0", env_args=("num_glimpses=3",)),
    "rollouts": PRESETS["mnist-2"].but(learning={"rollouts": 4, "answer": "reinforce"}),
    "prices": PRESETS["cluttered60-prices"].but(env_args=("num_glimpses=4",)),
}
SMALL = {"network": {"hidden_size": 16}, "learning": {"batch_size": 16}}
RUN = {"episodes": 96, "report_every": 2, "evaluations": 0, "score_test": False, "warm_start": "", "device": "cpu"}


@pytest.fixture
def worlds_on_devices(monkeypatch):
    """Plays in twins even on the processor, and takes what updates find from there as late as from a GPU."""
    monkeypatch.setattr(training, "on_device", DeviceWorld)
    begin = Findings.__init__

    def later(findings, *args):
        begin(findings, *args)
        findings.at_once = False

    monkeypatch.setattr(Findings, "__init__", later)


@pytest.mark.parametrize("name", CONFIGS)
def test_twin_trains_the_same_weights(name, fake_mnist, tmp_path, request):
    config, found = CONFIGS[name].but(run=RUN, **SMALL), []
    for twin in (False, True):
        if twin:
            request.getfixturevalue("worlds_on_devices")
        trainer = Trainer(config, tmp_path)
        assert isinstance(trainer.envs, DeviceWorld) is twin
        for _ in range(3):
            trainer.step()
        found.append((trainer.state(), trainer.report()))
    assert found[0][0]["lanes"] == found[1][0]["lanes"]
    for part in ("agent", "learner", "sampling"):
        plain, twin = (state.get(part) for state, _ in found)
        torch.testing.assert_close(twin, plain, rtol=0, atol=0)
    assert found[0][1] == found[1][1]


def test_run_in_a_twin_is_resumed_with_the_same_numbers(worlds_on_devices, fake_mnist, tmp_path):
    config = CONFIGS["mnist-6"].but(run=RUN, **SMALL)
    whole, halved = tmp_path / "whole", tmp_path / "halved"
    train(config, whole)
    halved.mkdir()
    trainer = Trainer(config, halved)
    for _ in range(3):
        trainer.step()
    trainer.save()
    train(config, halved, resume=True)
    ends = [load_state(folder / CHECKPOINT) for folder in (whole, halved)]
    assert ends[0]["frames"] == ends[1]["frames"] == 6 * 16 * 6
    assert ends[0]["lanes"] == ends[1]["lanes"]
    torch.testing.assert_close(ends[1]["agent"], ends[0]["agent"], rtol=0, atol=0)


def test_what_is_not_finite_stops_the_run_before_it_is_saved(worlds_on_devices, fake_mnist, tmp_path):
    trainer = Trainer(CONFIGS["mnist-6"].but(run=RUN, **SMALL), tmp_path)
    trainer.save()
    for update in range(3):
        if update == 1:
            with torch.no_grad():
                next(trainer.agent.location_network.parameters()).fill_(torch.nan)
        trainer.step()  # goes on: nobody has asked yet
    with pytest.raises(FloatingPointError, match=r"^A location of update 1 is not finite\."):
        trainer.save()
    assert load_state(tmp_path / CHECKPOINT)["update"] == 0
