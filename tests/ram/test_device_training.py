"""Training where the world lives on the device: the processor stands in for the GPU, and makes the same numbers as with NumPy's world."""

import pytest

torch = pytest.importorskip("torch")

from agents.experiment.device_worlds import DeviceWorld  # noqa: E402
from agents.experiment.episodes import make_envs  # noqa: E402
from agents.experiment.run_folder import CHECKPOINT  # noqa: E402
from agents.ram import training  # noqa: E402
from agents.ram.agent import make_agent  # noqa: E402
from agents.ram.checkpoint import load_state  # noqa: E402
from agents.ram.evaluation import evaluate  # noqa: E402
from agents.ram.findings import Findings  # noqa: E402
from agents.ram.presets import GENERAL, PRESETS  # noqa: E402
from agents.ram.training import Trainer, train  # noqa: E402
from agents.ram.update_graph import WARM_UP, UpdateGraph  # noqa: E402

CONFIGS = {
    "mnist-6": PRESETS["mnist-6"],
    "general": GENERAL.but(env="GlimpseMNIST-Cluttered60-v0", env_args=("num_glimpses=3",)),
    "reinforce": PRESETS["mnist-2"].but(learning={"answer": "reinforce"}),
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


class Repeated:
    """Stands in for a graph on the processor: what was recorded is made again, turned by the same tensors."""

    def __init__(self, updates, learn):
        self.updates, self.learn, self.found = updates, learn, None

    def replay(self):
        self.updates.trainer.envs._waiting = True
        with self.updates._turned_by_tensors():
            self.updates._numbers = None  # nothing but the tensors tells
            found = self.learn()
            del self.updates._numbers
        self.found.row.copy_(found.row)


def record(updates, learn):
    """In the place of `UpdateGraph._record`: finds out the row's names by an update that is taken back."""
    trainer = updates.trainer
    graph = Repeated(updates, learn)
    before = [tensor.clone() for tensor in trainer.weights]
    moments = [{name: each.clone() for name, each in state.items()} for state in trainer.optimizer.state.values()]
    sampling = trainer.generator.get_state()
    graph.found = learn()
    with torch.no_grad():
        for weight, value in zip(trainer.weights, before, strict=True):
            weight.copy_(value)
        for state, values in zip(trainer.optimizer.state.values(), moments, strict=True):
            for name, value in values.items():
                state[name].copy_(value)
    trainer.generator.set_state(sampling)
    return graph, graph.found


@pytest.mark.parametrize("name", ["mnist-6", "stops", "looks", "attends"])
def test_update_that_is_turned_by_tensors_is_that_of_the_numbers(
    name, worlds_on_devices, fake_mnist, tmp_path, monkeypatch
):
    configs = {
        "mnist-6": CONFIGS["mnist-6"].but(optimizer={"method": "sgd"}),
        # Pixels as they are: the running statistics would see the update that `record` takes back. And an LSTM: what attention adds to
        # all keys alike has no effect, so that Adam moves it by rounding alone.
        "stops": CONFIGS["general"].but(
            network={"input": "plain", "core": "lstm"}, gaze={"pathway": "separate", "learning_fraction": 0.8}
        ),
        "looks": CONFIGS["general"].but(network={"input": "plain", "core": "lstm"}),
        "attends": CONFIGS["general"].but(network={"input": "plain"}, optimizer={"method": "sgd"}),
    }
    monkeypatch.setattr(torch.cuda, "Stream", lambda device: None)
    monkeypatch.setattr(UpdateGraph, "_aside", lambda updates, learn: learn())
    monkeypatch.setattr(UpdateGraph, "_record", record)
    config, found = configs[name].but(run={**RUN, "episodes": 16 * 10, "matmul_precision": "highest"}, **SMALL), []
    for graph in (False, True):
        trainer = Trainer(config, tmp_path)
        trainer.graph = UpdateGraph(trainer) if graph else None
        for _ in range(WARM_UP + 6):
            trainer.step()
        found.append(trainer.state())
    assert found[0]["lanes"] == found[1]["lanes"]
    torch.testing.assert_close(found[1]["sampling"], found[0]["sampling"], rtol=0, atol=0)
    torch.testing.assert_close(found[1]["agent"], found[0]["agent"], rtol=1e-4, atol=1e-5)
    assert [group["lr"] for group in trainer.optimizer.param_groups] == [
        group["lr"] for group in found[0]["optimizer"]["param_groups"]
    ]


def test_glimpses_that_nobody_took_have_no_distance(fake_mnist, monkeypatch):
    config = PRESETS["cluttered60-stop"].but(network={"hidden_size": 8}, run={"warm_start": ""})
    agent = make_agent(config, make_envs(config, 1))
    agent.eval()
    with torch.no_grad():
        [*agent.action_networks["stop"].parameters()][-1].copy_(torch.tensor([-9.0, 9.0]))  # at once
    monkeypatch.setattr("agents.ram.evaluation.on_device", DeviceWorld)
    score = evaluate(agent, config, "validation")
    assert score.mean_glimpses == 1
    assert len(score.gaze_distance) == 1
