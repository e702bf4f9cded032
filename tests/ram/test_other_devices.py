"""What `--device` needs wherever there is no GPU to try it on: nothing is left on the processor.

PyTorch's device "meta" stands in for the GPU: its tensors have shapes and no values, and refuse to be mixed with others.
"""

import pytest

torch = pytest.importorskip("torch")

from agents.ram import agent as ram_agent  # noqa: E402
from agents.ram import training  # noqa: E402
from agents.ram.evaluation import evaluate  # noqa: E402
from agents.ram.presets import PRESETS  # noqa: E402
from agents.ram.training import Trainer  # noqa: E402

AUTOCAST, ADAM, SGD = torch.autocast, torch.optim.Adam, torch.optim.SGD


class NoGenerator:
    """A source of random numbers for a device that has none."""

    def __init__(self, device: torch.device) -> None:
        assert torch.device(device).type == "meta"

    def manual_seed(self, seed: int) -> None:
        """No generator: samples of shapes need none."""


@pytest.fixture
def meta(monkeypatch):
    """Lets "meta" train: what is copied to the processor, or asked for its value, is zero or true."""
    monkeypatch.setattr(
        torch.Tensor,
        "cpu",
        lambda tensor: torch.zeros(tensor.shape, dtype=tensor.dtype) if tensor.is_meta else tensor,
    )
    for name, value in (("__float__", 0.0), ("__int__", 1), ("__bool__", True)):
        monkeypatch.setattr(torch.Tensor, name, lambda tensor, value=value: value)
    monkeypatch.setattr(torch, "Generator", NoGenerator)
    monkeypatch.setattr(torch, "autocast", lambda device, *args: AUTOCAST("cpu", *args))
    monkeypatch.setattr(ram_agent, "multiplies_bfloat16", lambda device: True)
    monkeypatch.setattr(training, "prepare_torch", lambda config: torch.device("meta"))
    for name, optimizer in (("Adam", ADAM), ("SGD", SGD)):
        monkeypatch.setattr(
            torch.optim,
            name,
            lambda *args, optimizer=optimizer, **kwargs: optimizer(*args, **{**kwargs, "fused": False}),
        )


@pytest.mark.parametrize(
    "preset", ["mnist-6", "cluttered60-8-conv", "cluttered60-prices", "cluttered60-random", "mnist-2m-reward", "catch"]
)
def test_training_and_scoring_leave_nothing_on_the_processor(preset, meta, fake_mnist, tmp_path):
    config = PRESETS[preset].but(learning={"batch_size": 8}, run={"device": "meta", "warm_start": ""})
    few = (
        "screen_size=6" if preset == "catch" else "num_glimpses=3"
    )  # glimpses, since operations on shapes alone are slow
    kept = (word for word in config.env_args if not word.startswith("num_glimpses="))
    trainer = Trainer(config.but(env_args=(*kept, few)), tmp_path)
    for _ in range(2):
        trainer.step()
    assert {parameter.device.type for parameter in trainer.agent.parameters()} == {"meta"}
    assert evaluate(trainer.scored, trainer.config, "validation", episodes=10, lanes=5).episodes == 10
