"""Models of Stable-Baselines3 in files: scored again by one command, small where they ship, and clear about what is no model."""

import json
import pickle
import zipfile

import pytest

pytest.importorskip("torch")
pytest.importorskip("stable_baselines3")
pytest.importorskip("sb3_contrib")

from agents.analysis.tables import RESULTS, result_path
from agents.experiment import episodes
from agents.experiment.run_folder import CHECKPOINT, MODEL
from agents.ram import command_line as ram_command_line
from agents.sb3.checkpoint import ALGORITHMS, SETTINGS, export_model, load_model
from agents.sb3.command_line import evaluate_command
from agents.sb3.config import Sb3Config
from agents.sb3.evaluation import evaluate
from agents.sb3.training import train

SMALL = ("screen_size=6", "patch_size=4", "num_scales=2")
WORDS = {
    "ppo": ("n_steps=8", "batch_size=16", "learning_rate=lin_0.001"),
    "recurrent_ppo": ("n_steps=8", "batch_size=16", "policy_kwargs={'lstm_hidden_size':8}"),
    "sac": ("learning_starts=8", "gradient_steps=1", "batch_size=8", "buffer_size=100"),
}


def trained(algo, folder, policy="default", frames=64):
    """The settings of a run in that folder, and its result."""
    run = {"num_envs": 4, "frames": frames, "evaluations": 0}
    config = Sb3Config(env="CatchBall-v0", env_args=SMALL, algo_args=WORDS[algo])
    config = config.but(algo=algo, policy=policy, run=run)
    return config, train(config, folder)


@pytest.fixture(autouse=True)
def few_games(monkeypatch):
    monkeypatch.setattr(episodes, "FRESH_EPISODES", {"validation": 70, "test": 90})


@pytest.mark.parametrize(("algo", "policy"), [("ppo", "hybrid"), ("recurrent_ppo", "hybrid"), ("sac", "default")])
@pytest.mark.parametrize("shipped", [False, True])
def test_one_command_gives_the_score_that_the_training_ended_with(algo, policy, shipped, tmp_path, capsys):
    _, result = trained(algo, tmp_path / "run", policy)
    place = tmp_path / "run"
    if shipped:
        place = tmp_path / "shipped.zip"
        export_model(tmp_path / "run", place)
    for split in ("validation", "test"):
        evaluate_command(["--checkpoint", str(place), "--split", split, "--json", str(tmp_path / "score.json")])
        assert json.loads((tmp_path / "score.json").read_text()) == result[split]
        said = f"CatchBall-v0, {result[split]['episodes']} {split} episodes: error {result[split]['error_percent']:.2f} % +- "
        assert said in capsys.readouterr().out


def test_a_shipped_model_is_smaller_and_keeps_its_settings(tmp_path):
    config, _ = trained("ppo", tmp_path)
    export_model(tmp_path, tmp_path / "shipped.zip")
    assert (tmp_path / "shipped.zip").stat().st_size < 0.5 * (tmp_path / MODEL).stat().st_size
    for path in (tmp_path, tmp_path / "shipped.zip"):
        assert load_model(path)[1] == config.but(run={"device": "cpu"})


def test_a_rate_that_falls_is_saved_by_a_name_of_the_library_and_needs_nothing_of_ours(tmp_path):
    trained("ppo", tmp_path)
    model = ALGORITHMS["ppo"].load(tmp_path / MODEL)
    assert model.lr_schedule(0.5) == 0.0005
    assert b"agents" not in pickle.dumps((model.learning_rate, model.lr_schedule))


def spoil(path, change):
    """Writes a model anew, with one of its parts changed, or left out where the change is None."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()} | change
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            if content is not None:
                archive.writestr(name, content)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({SETTINGS: None}, "holds no settings.json: it is not a model that train_sb3.py left"),
        ({SETTINGS: b"{"}, "holds a model that cannot be used: "),
        ({SETTINGS: b'{"colour": 1}'}, "holds a model that cannot be used: "),
        ({"data": b"{}"}, "holds a model that cannot be used: "),
        ({"policy.pth": b"no weights"}, "holds a model that cannot be used: "),
    ],
)
def test_a_model_of_another_program_or_spoilt_is_refused_in_a_sentence(change, said, tmp_path):
    trained("ppo", tmp_path)
    spoil(tmp_path / MODEL, change)
    with pytest.raises(SystemExit) as ended:
        evaluate_command(["--checkpoint", str(tmp_path)])
    assert str(ended.value).startswith(f"error: {tmp_path / MODEL} {said}")


def test_what_is_no_model_is_told_apart(tmp_path):
    def said(*words):
        with pytest.raises(SystemExit) as ended:
            evaluate_command(["--checkpoint", *map(str, words)])
        return str(ended.value)

    (tmp_path / "text.zip").write_text("no zip")
    assert f"No model at {tmp_path / MODEL}." in said(tmp_path)
    assert "cannot be read as a model (damaged, or another kind of file)" in said(tmp_path / "text.zip")
    (tmp_path / CHECKPOINT).write_text("of an agent")
    assert "is of another training: evaluate_ram.py scores agents" in said(tmp_path)
    assert "--episodes must be at least 1" in said(tmp_path, "--episodes", "0")
    (tmp_path / CHECKPOINT).unlink()
    (tmp_path / MODEL).write_text("of a stock agent")
    with pytest.raises(SystemExit, match=r"evaluate_sb3\.py scores it"):
        ram_command_line.evaluate_command(["--checkpoint", str(tmp_path)])
    trained("ppo", tmp_path)
    with pytest.raises(SystemExit, match=r"a model of Stable-Baselines3, which evaluate_sb3\.py scores"):
        ram_command_line.evaluate_command(["--checkpoint", str(tmp_path / MODEL)])


SHIPPED = sorted(RESULTS.glob("*.zip"))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_a_model_that_ships_is_read_by_its_library_alone_without_a_word(path):
    _, config = load_model(path)
    model = ALGORITHMS[config.algo].load(path)
    assert model.num_timesteps == pytest.approx(config.run.frames, abs=10_000)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_a_model_that_ships_is_small_and_has_the_settings_of_its_row(path):
    assert path.stat().st_size < 1_000_000
    _, config = load_model(path)
    row = json.loads(result_path(path.stem, config.seed).read_text())
    assert config == Sb3Config.from_dict(row["config"]).but(run={"device": "cpu"})


PLAYING = [
    pytest.param(path, marks=pytest.mark.mnist if "mnist" in path.name else (), id=path.name) for path in SHIPPED
]


@pytest.mark.parametrize("path", PLAYING)
def test_a_model_that_ships_plays_as_well_as_its_row_says(path, monkeypatch):
    model, config = load_model(path)
    expected = json.loads(result_path(path.stem, config.seed).read_text())["test"]["error_percent"]
    monkeypatch.setattr(episodes, "FRESH_EPISODES", {"test": 1000})
    score = evaluate(model, config, "test", episodes=1000, gaze=config.gaze)
    assert score.error_percent == pytest.approx(expected, abs=5)  # of a thousand: three standard errors
