"""Where a run computes: devices that there are not, and runs that go on elsewhere."""

import json

import pytest

torch = pytest.importorskip("torch")

from agents.classifiers import command_line as classifier_commands  # noqa: E402
from agents.classifiers.config import ClassifierConfig  # noqa: E402
from agents.classifiers.training import ClassifierTrainer  # noqa: E402
from agents.experiment import device as devices  # noqa: E402
from agents.experiment import episodes  # noqa: E402
from agents.experiment.device import device_name, find_device  # noqa: E402
from agents.experiment.run_folder import CHECKPOINT, RESULT  # noqa: E402
from agents.ram import command_line as ram_commands  # noqa: E402
from agents.ram.presets import PRESETS  # noqa: E402
from agents.ram.training import Trainer  # noqa: E402

AGENT = PRESETS["catch"].but(
    env_args=("screen_size=6",),
    network={"hidden_size": 8},
    learning={"batch_size": 4},
    run={"episodes": 16, "evaluations": 0, "score_test": False},
)
CLASSIFIER = ClassifierConfig().but(
    network={"hidden_sizes": (8,)}, optimizer={"batch_size": 8}, run={"episodes": 16, "evaluations": 0}
)
FAMILIES = {
    "ram": (Trainer, AGENT, ram_commands.train_command),
    "classifiers": (ClassifierTrainer, CLASSIFIER, classifier_commands.train_command),
}
no_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")


@pytest.fixture(autouse=True)
def few_games(monkeypatch):
    monkeypatch.setattr(episodes, "FRESH_EPISODES", {"validation": 10, "test": 10})


def test_processor_is_there():
    assert find_device("cpu").type == "cpu"
    assert find_device("auto").type in ("cpu", "cuda")


@pytest.mark.parametrize(
    ("told", "name"),
    [
        ("processor\t: 0\nmodel name\t: A Small One @ 2 GHz\n", "cpu (A Small One @ 2 GHz)"),
        ("processor : 0\n", "cpu"),  # as on many an ARM
    ],
)
def test_processor_has_the_name_that_linux_knows(monkeypatch, told, name):
    monkeypatch.setattr(devices.Path, "read_text", lambda path: told)
    assert device_name(torch.device("cpu")) == name


@no_gpu
def test_gpu_that_is_not_there_is_refused_with_what_would_do():
    with pytest.raises(ValueError, match=r"^device 'cuda' cannot be used here \(.*\): --device cpu can\.$"):
        find_device("cuda")


@pytest.mark.parametrize("name", ["gpu", "", "cpu:x", "cuda:-1"])
def test_name_of_no_device_is_refused(name):
    with pytest.raises(ValueError, match=r'^device must be "cpu", "cuda" or "auto", got '):
        find_device(name)


@pytest.mark.parametrize("name", ["meta", "mps", "hpu", "xpu"])
def test_device_that_cannot_be_used_is_refused_in_a_sentence(name):
    if name == "mps" and torch.backends.mps.is_available():
        pytest.skip("there is one")
    with pytest.raises(ValueError, match=f"^device '{name}' cannot be used here") as refused:
        find_device(name)
    assert len(str(refused.value)) < 250


@pytest.fixture(params=FAMILIES)
def gpu_run(request, fake_mnist, tmp_path):
    """A run that was on a GPU until it was interrupted, and the command that goes on with it."""
    trainer, config, command = FAMILIES[request.param]
    made = trainer(config, tmp_path)
    made.step()
    state = {**made.state(), "devices": ["cuda (A Large One)"]}
    if "sampling" in state:  # a GPU's generator has a smaller state
        state["sampling"] = torch.zeros(16, dtype=torch.uint8)
    made.state = lambda: state
    made.save()
    return tmp_path, lambda *flags: command(["--resume", str(tmp_path), *flags])


@no_gpu
def test_run_of_a_gpu_goes_on_on_the_processor_only_if_that_is_asked_for(gpu_run, capsys):
    folder, resume = gpu_run
    with pytest.raises(SystemExit, match=r"is of a run on cuda, .*: add --device cpu to go on all the same"):
        resume()
    assert not (folder / RESULT).exists()
    resume("--device", "cpu")
    assert "This run was on cuda and goes on on cpu" in capsys.readouterr().out
    result = json.loads((folder / RESULT).read_text())
    assert result["machine"].startswith(f"cuda (A Large One) and {device_name(torch.device('cpu'))}, ")
    assert result["config"]["run"]["device"] == "cpu"


@no_gpu
def test_run_that_asked_for_a_gpu_says_how_to_go_on_without(gpu_run):
    folder, resume = gpu_run
    state = torch.load(folder / CHECKPOINT, weights_only=True)
    settings = json.loads(state["config"])
    settings["run"]["device"] = "cuda"
    state["config"] = json.dumps(settings)
    torch.save(state, folder / CHECKPOINT)
    with pytest.raises(SystemExit, match=r"^error: device 'cuda' cannot be used here \(.*\): --device cpu can\.$"):
        resume()
    resume("--device=cpu")
    assert (folder / RESULT).exists()


def test_run_that_stays_where_it_is_is_not_told_so(fake_mnist, tmp_path, capsys):
    trainer, config, command = FAMILIES["ram"]
    trainer(config, tmp_path).save()
    command(["--resume", str(tmp_path), "--device", "cpu"])
    assert "This run was on" not in capsys.readouterr().out
