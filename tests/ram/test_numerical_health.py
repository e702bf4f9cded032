"""Numerical health: what is not finite stops the run by name and keeps the last good checkpoint; nothing is left to chance."""

import copy
import warnings

import pytest

torch = pytest.importorskip("torch")

from agents.classifiers.presets import PRESETS as CLASSIFIERS  # noqa: E402
from agents.classifiers.training import ClassifierTrainer  # noqa: E402
from agents.experiment import episodes  # noqa: E402
from agents.experiment.run_folder import CHECKPOINT  # noqa: E402
from agents.ram.checkpoint import load_state  # noqa: E402
from agents.ram.presets import PRESETS  # noqa: E402
from agents.ram.training import Trainer, train  # noqa: E402

CATCH = PRESETS["catch"].but(
    env_args=("screen_size=6",),
    network={"hidden_size": 16},
    learning={"batch_size": 4},
    run={"episodes": 48, "report_every": 1, "evaluations": 1, "checkpoint_minutes": 0.0},
)
DIGITS = PRESETS["mnist-6"].but(network={"hidden_size": 16}, learning={"batch_size": 8}, run={"episodes": 96})


def spoil_gradient(trainer, value):
    next(trainer.agent.parameters()).register_hook(lambda gradient: torch.full_like(gradient, value))


def spoil_weight(trainer, value):
    with torch.no_grad():
        next(trainer.agent.location_network.parameters()).fill_(value)


def spoil_loss(trainer, value):
    gaze = copy.copy(trainer.config.gaze)
    object.__setattr__(gaze, "weight", value)  # which no settings may have
    trainer.config = trainer.config.but(gaze=gaze)
    trainer.agent.config = trainer.config


def spoil_rate(trainer, value):
    for group in trainer.optimizer.param_groups:
        group["initial_lr"] = value


@pytest.mark.parametrize(
    "config", [CATCH, CATCH.but(optimizer={"method": "sgd", "max_grad_norm": 0.0})], ids=["adam", "sgd"]
)
@pytest.mark.parametrize(
    ("spoil", "value", "named"),
    [
        (spoil_gradient, float("nan"), "The gradient"),
        (spoil_gradient, float("inf"), "The gradient"),
        (spoil_gradient, 1e30, "The gradient"),  # finite, but not its norm
        (spoil_loss, float("nan"), "The loss"),
        (spoil_loss, float("inf"), "The loss"),
        (spoil_weight, float("nan"), "A location"),
        (spoil_rate, float("inf"), "The norm of the weights"),
        (spoil_rate, 1e300, "The norm of the weights"),
    ],
)
def test_what_is_not_finite_stops_the_run_by_name_and_keeps_the_last_good_checkpoint(
    tmp_path, monkeypatch, config, spoil, value, named
):
    step = Trainer.step

    def spoiled(trainer):
        if trainer.update == 3:
            spoil(trainer, value)
        step(trainer)

    monkeypatch.setattr(Trainer, "step", spoiled)
    with pytest.raises(FloatingPointError, match=rf"^{named} .*update 3 is not finite\. .*{CHECKPOINT}") as stopped:
        train(config, tmp_path)
    assert "\n" not in str(stopped.value)
    state = load_state(tmp_path / CHECKPOINT)
    assert state["update"] == 3
    assert all(tensor.isfinite().all() for tensor in state["agent"].values())


def test_run_that_fails_at_its_first_update_has_a_checkpoint_of_its_beginning(tmp_path, monkeypatch):
    begin = Trainer.__init__

    def spoiled(trainer, *args):
        begin(trainer, *args)
        spoil_gradient(trainer, float("nan"))

    monkeypatch.setattr(Trainer, "__init__", spoiled)
    with pytest.raises(FloatingPointError, match="The gradient of update 0"):
        train(CATCH, tmp_path)
    assert load_state(tmp_path / CHECKPOINT)["update"] == 0


@pytest.fixture
def deterministic():
    torch.use_deterministic_algorithms(True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            yield
    finally:
        torch.use_deterministic_algorithms(False)


@pytest.mark.parametrize(
    "config",
    [
        CATCH,
        CATCH.but(network={"core": "rectifier"}, run={"matmul_precision": "highest"}),
        DIGITS,
        DIGITS.but(
            network={"core": "lstm"},
            gaze={"pathway": "separate", "hidden": 8},
            stopping={},
            optimizer={"weight_averaging": 0.9},
        ),
        DIGITS.but(learning={"answer": "reinforce"}, optimizer={"method": "sgd"}),
    ],
    ids=["catch", "rectifier", "digits", "stop", "reinforce"],
)
def test_training_and_scoring_are_deterministic_by_torchs_own_check(
    deterministic, fake_mnist, tmp_path, monkeypatch, config
):
    monkeypatch.setattr(episodes, "FRESH_EPISODES", {"validation": 30})
    runs = []
    for _ in range(2):
        trainer = Trainer(config, tmp_path)
        for _ in range(3):
            trainer.step()
        runs.append(([*trainer.agent.parameters()], trainer.score("validation")))
    assert all(map(torch.equal, runs[0][0], runs[1][0]))
    assert runs[0][1] == runs[1][1]


@pytest.mark.parametrize("network", ["mnist-fc256", "mnist-conv"])
def test_classifiers_are_deterministic_by_torchs_own_check(deterministic, fake_mnist, tmp_path, network):
    config = CLASSIFIERS[network].but(optimizer={"batch_size": 8})
    weights = []
    for _ in range(2):
        trainer = ClassifierTrainer(config, tmp_path)
        trainer.step()
        trainer.step()
        weights.append([*trainer.network.parameters()])
    assert all(map(torch.equal, *weights))
