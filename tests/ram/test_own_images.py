"""`train_ram.py --images FOLDER`, and what scores, shows and goes on with such a run without further words."""

import numpy as np
import pytest

Image = pytest.importorskip("PIL.Image")
torch = pytest.importorskip("torch")

from agents.experiment.episodes import make_envs  # noqa: E402
from agents.experiment.run_folder import CHECKPOINT, RESULT  # noqa: E402
from agents.ram.agent import make_agent  # noqa: E402
from agents.ram.checkpoint import export_agent, load_state  # noqa: E402
from agents.ram.command_line import evaluate_command, train_command, watch_command  # noqa: E402
from agents.ram.ongoing import pixel_sizes  # noqa: E402
from agents.ram.presets import GENERAL  # noqa: E402
from agents.ram.rollout import collect_rollout  # noqa: E402

FEW = ["--run.episodes", "60", "--learning.batch-size", "20", "--run.evaluations", "1", "--run.report-every", "1"]


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """A folder with a name as people give them, in the working directory."""
    folder = tmp_path / "my photos, 2=many"
    for label, name in enumerate(["cats", "dogs"]):
        (folder / name).mkdir(parents=True)
        for number in range(6):
            pixels = np.full((30 + number, 50 - number, 3), 60 + 120 * label, np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    monkeypatch.chdir(tmp_path)
    return folder


def test_one_flag_trains_and_the_run_knows_the_rest(photos, tmp_path, monkeypatch, capsys):
    train_command(["--images", photos.name, "--run-dir", "run", *FEW, "--env-args", "num_glimpses=3"])
    config = load_state(tmp_path / "run" / CHECKPOINT)["config"]
    assert (config.env, config.env_kwargs()) == ("GlimpseImages-v0", {"images": str(photos), "num_glimpses": 3})
    assert "test: error" in capsys.readouterr().out
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    evaluate_command(["--checkpoint", "../run", "--split", "validation"])
    assert "GlimpseImages-v0, 2 validation episodes: error" in capsys.readouterr().out
    watch_command(["--checkpoint", "../run", "--video", "seen.png", "--episodes", "1"])
    assert (tmp_path / "elsewhere" / "seen.png").exists()
    train_command(["--resume", "../run"])
    assert "test: error" in capsys.readouterr().out


def test_an_agent_that_is_told_the_size_of_pixels_looks_as_in_training(photos):
    config = GENERAL.but(env="GlimpseImages-v0", env_args=(f"images={photos}", "patch_size=4", "num_scales=4"))
    envs = make_envs(config, 2)
    agent = make_agent(config, envs).eval()
    torch.nn.init.normal_([*agent.location_network.parameters()][-1])
    rollout = collect_rollout(agent, envs, seed=0, greedy=True)
    observation, _ = envs.reset(seed=0)
    seen = [torch.from_numpy(observation[name]) for name in ("glimpse", "location")]
    sizes = pixel_sizes(envs, agent.device)
    with torch.no_grad():
        told, untold = (agent.act(*seen, agent.initial_state(2, pixel_size=size), True)[0] for size in (sizes, None))
    torch.testing.assert_close(told.location, rollout.locations[0])
    assert not torch.allclose(untold.location, told.location)


def test_a_split_that_was_turned_off_is_told_before_the_training(photos, tmp_path):
    few = ["--images", photos.name, "--run-dir", "run", *FEW, "--env-args", "num_glimpses=2", "test_share=0"]
    with pytest.raises(SystemExit, match=r"no images of the split 'test', as test_share is 0\. --run.score-test False"):
        train_command(few)
    train_command([*few, "--run.score-test", "False"])
    assert (tmp_path / "run" / RESULT).exists()


def test_an_agent_is_not_scored_on_classes_that_it_does_not_know(photos, tmp_path, capsys):
    train_command(["--images", photos.name, "--run-dir", "run", *FEW, "--env-args", "num_glimpses=2"])
    export_agent(tmp_path / "run" / CHECKPOINT, tmp_path / "shipped.pt")
    other = photos.rename(tmp_path / "others")
    evaluate_command(["--checkpoint", "shipped.pt", "--env-args", "images=others"])
    (other / "dogs").rename(other / "birds")
    with pytest.raises(SystemExit, match="an agent that tells cats, dogs apart, not birds, cats"):
        evaluate_command(["--checkpoint", "shipped.pt", "--env-args", "images=others"])


def test_images_and_another_environment_do_not_go_together(photos):
    with pytest.raises(SystemExit, match="--images goes with GlimpseImages-v0 alone, not with CatchBall-v0"):
        train_command(["--images", photos.name, "--env", "CatchBall-v0"])


def test_a_folder_that_is_not_there_is_told_in_one_sentence_and_leaves_no_run(photos, tmp_path):
    with pytest.raises(SystemExit, match=r"error: images must name a folder, and .*nowhere is none"):
        train_command(["--images", "nowhere"])
    assert not (tmp_path / "runs").exists()
