"""Layers whose values may be known already: the same values and gradients as plain PyTorch's."""

import copy

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402

from agents.ram import layers  # noqa: E402
from agents.ram.config import Config  # noqa: E402
from agents.ram.cores import CORES, AttentionCore, LSTMAttentionCore  # noqa: E402
from agents.ram.layers import Activations, convolved, product, rectified  # noqa: E402
from agents.ram.networks import GlimpseNetwork  # noqa: E402
from agents.ram.objective import training_loss  # noqa: E402
from agents.ram.rollout import collect_rollout  # noqa: E402
from tests.ram.test_agent import catch, digits, play  # noqa: E402


@pytest.fixture
def exact():
    """Products in float32 proper, as machines without bfloat16 have them."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    yield
    torch.set_float32_matmul_precision(before)


@pytest.mark.parametrize("rows", [3, 600])
@pytest.mark.parametrize("transposed", [False, True])
def test_product_is_pytorchs_whoever_makes_it(exact, rows, transposed):
    """Few rows go to PyTorch's own product, many to oneDNN's where that can be had; both take views without copying."""
    weight, bias, plus = torch.randn(64, 80), torch.randn(64), torch.randn(rows, 64)
    x = torch.randn(80, rows).t() if transposed else torch.randn(rows, 80)
    torch.testing.assert_close(product(x, weight), x @ weight.t(), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(product(x, weight, bias, plus), x @ weight.t() + bias + plus, rtol=1e-4, atol=1e-4)


def test_without_onednn_products_are_pytorchs(exact, monkeypatch):
    monkeypatch.setattr(layers, "_try_onednn", lambda: None)
    x, weight = torch.randn(600, 80), torch.randn(64, 80)
    assert torch.equal(product(x, weight), functional.linear(x, weight))


def test_only_large_whole_matrices_on_a_processor_in_float32_go_to_onednn(exact, monkeypatch):
    """For parts of matrices its time can be a thousandfold."""
    monkeypatch.setattr(layers, "_try_onednn", lambda: "oneDNN")
    x, weight = torch.empty(600, 80), torch.empty(64, 80)
    assert layers._onednn(x, weight) == layers._onednn(torch.empty(80, 600).t(), weight) == "oneDNN"
    others = [
        (x[:3], weight),
        (x.double(), weight.double()),
        (x, torch.empty(64, 81)[:, :80]),
        (torch.empty(600, 81)[:, :80], weight),
        (x.to("meta"), weight.to("meta")),
    ]
    assert [layers._onednn(*other) for other in others] == [None] * len(others)
    torch.set_float32_matmul_precision("medium")
    assert layers._onednn(x, weight) is None


def test_rectified_layers_have_the_gradient_of_their_equation():
    one, other = nn.Linear(3, 4).double(), nn.Linear(2, 4).double()
    x, y = torch.randn(5, 3).double().requires_grad_(), torch.randn(5, 2).double().requires_grad_()
    plain, weights = torch.relu(one(x) + other(y)), torch.randn(5, 4).double()
    inputs = [x, y, *one.parameters(), *other.parameters()]
    expected = torch.autograd.grad((plain * weights).sum(), inputs)
    for known in (None, plain.detach()):
        made = rectified((x, one), (y, other), known=known)
        torch.testing.assert_close(made, plain)
        for found, right in zip(torch.autograd.grad((made * weights).sum(), inputs), expected, strict=True):
            torch.testing.assert_close(found, right)


@pytest.mark.parametrize("stride", [1, 2])
def test_convolutions_have_the_gradient_of_their_equation(stride):
    layer = nn.Conv2d(2, 3, 3, stride=stride).double()
    x = torch.randn(4, 2, 7, 7).double().requires_grad_()
    plain = torch.relu(layer(x))
    weights, inputs = torch.randn_like(plain), [x, *layer.parameters()]
    expected = torch.autograd.grad((plain * weights).sum(), inputs)
    for known in (None, plain.detach()):
        made = convolved(x, layer, known)
        torch.testing.assert_close(made, plain)
        for found, right in zip(torch.autograd.grad((made * weights).sum(), inputs), expected, strict=True):
            torch.testing.assert_close(found, right)


def by_pytorch(core, features):
    """The hidden states of all steps, by PyTorch's own operations."""
    if isinstance(core, AttentionCore):
        return attended(core, features)
    if isinstance(core, LSTMAttentionCore):
        return by_pytorch(core.recurrent, features) + attended(core.attention, features)
    hidden = cell = torch.zeros(features.shape[1], core.hidden_size).double()
    states = []
    for step in features:
        if hasattr(core, "cell"):
            hidden, cell = core.cell(step, (hidden, cell))
        else:
            hidden = torch.relu(core.recurrent(hidden) + core.input(step))
        states.append(hidden)
    return torch.stack(states)


def attended(core, features):
    """Attention written out, step by step and head by head."""
    states, width = [], core.hidden_size // core.HEADS
    seen = core.project(core.norm_features(features)).unflatten(-1, (3, core.HEADS, width))
    for step in range(len(features)):
        first = max(0, step - core.WINDOW + 1)
        query, (key, value) = seen[step, :, 0], (seen[first : step + 1, :, part] for part in (1, 2))
        fits = (query * key).sum(-1) / width**0.5  # (m, B, heads)
        age = torch.arange(len(key) - 1, -1, -1)[:, None, None]
        weights = (fits - age * 0.25 ** torch.arange(1.0, core.HEADS + 1)).softmax(0)
        found = (weights[..., None] * value).sum(0).flatten(1)
        known = features[step, :, : core.hidden_size] + core.join(found)
        states.append(core.norm(known + core.conclude(torch.relu(core.think(core.norm_found(known))))))
    return torch.stack(states)


@pytest.mark.parametrize("known", [False, True], ids=["made", "known"])
@pytest.mark.parametrize("kind", ["rectifier", "lstm", "attention", "short attention", "lstm+attention"])
def test_cores_have_the_values_and_gradient_of_their_equations(kind, known):
    core = CORES[kind.split()[-1]](5, 4).double()
    if kind == "short attention":
        core.WINDOW = 3
    features = torch.randn(5, 2, 5).double().requires_grad_()
    activations = Activations()
    with torch.no_grad():
        state = tuple(part.double() for part in core.initial_state(2, torch.device("cpu")))
        before = []
        for step in features:
            before.append(state)
            state = core(step, state, activations)
    activations.close()
    plain, made = by_pytorch(core, features), core.unroll(features, activations if known else None)
    torch.testing.assert_close(made, plain)
    torch.testing.assert_close(state[0], plain[-1])
    looks = torch.stack([features.detach()] * 3, 1)
    torch.testing.assert_close(core.after(looks, before)[:, 1], plain.detach())
    weights, inputs = torch.randn(5, 2, 4).double(), [features, *core.parameters()]
    expected = torch.autograd.grad((plain * weights).sum(), inputs)
    for found, right in zip(torch.autograd.grad((made * weights).sum(), inputs), expected, strict=True):
        torch.testing.assert_close(found, right)


def test_what_is_known_is_not_made_again():
    network, activations = GlimpseNetwork((1, 4, 4), 1), Activations()
    glimpses, locations = torch.rand(3, 1, 4, 4), torch.rand(3, 2)
    with torch.no_grad():
        features = network(glimpses, locations, activations)
    activations.close()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
    assert torch.equal(network(glimpses, locations, activations), features)


SETTINGS = {
    "paper": (digits, {}),
    "separate": (digits, {"gaze": {"pathway": "separate", "hidden": 8}}),
    "frozen-gaze": (digits, {"gaze": {"pathway": "separate", "learning_fraction": 0.0}}),
    "convolutions": (lambda: digits(patch_size=8), {"network": {"convolutions": (4, 6)}}),
    "counterfactual": (digits, {"gaze": {"pathway": "separate"}, "counterfactual": {"candidates": 3}}),
    "catch": (catch, {"network": {"core": "lstm", "previous_action": True}, "learning": {"answer": "reinforce"}}),
    "lstm+attention": (digits, {"network": {"core": "lstm+attention"}}),
    "bfloat16": (catch, {"network": {"core": "lstm"}, "run": {"matmul_precision": "bfloat16"}}),
}


@pytest.mark.parametrize(("make_envs", "settings"), SETTINGS.values(), ids=[*SETTINGS])
def test_learning_from_what_playing_made_is_learning_from_the_glimpses(make_envs, settings):
    """The gradient of an update, with the activations of the episode as it was played and with all of them made again."""
    envs, config = make_envs(), Config().but(**settings)
    agent, again = play(envs, config)
    agent.gaze_learns = agent.gaze_learns and config.gaze.learning_fraction > 0
    twin = copy.deepcopy(agent)
    activations = twin.start_activations()
    generator = torch.Generator().manual_seed(0)
    rollout = collect_rollout(twin, envs, seed=0, generator=generator, activations=activations)
    assert torch.equal(rollout.locations, again.rollout.locations) or not agent.gaze_learns
    for one, kept in ((agent, None), (twin, activations)):
        with one.autocast():
            outputs = one.unroll(rollout.glimpses, rollout.seen_from, rollout.choices, rollout.prices, kept)
        loss, _ = training_loss(rollout, outputs, one, 0.01)
        loss.backward()
    near = {"rtol": 0.05, "atol": 0.01} if config.run.matmul_precision == "bfloat16" else {"rtol": 1e-4, "atol": 1e-6}
    for (name, one), other in zip(agent.named_parameters(), twin.parameters(), strict=True):
        assert (one.grad is None) == (other.grad is None), name
        if one.grad is not None:
            torch.testing.assert_close(one.grad, other.grad, msg=name, **near)
