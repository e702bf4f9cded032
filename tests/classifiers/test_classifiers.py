"""The networks that see the whole scene, their training and its command."""

import json
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest.mock import MagicMock

import gymnasium as gym
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from agents.analysis.reproduction import reproduce_command  # noqa: E402
from agents.analysis.tables import PAPER  # noqa: E402
from agents.classifiers import training  # noqa: E402
from agents.classifiers.command_line import train_command  # noqa: E402
from agents.classifiers.config import ClassifierConfig  # noqa: E402
from agents.classifiers.evaluation import evaluate, held_out_scenes  # noqa: E402
from agents.classifiers.networks import make_network  # noqa: E402
from agents.classifiers.presets import PRESETS as CLASSIFIERS  # noqa: E402
from agents.classifiers.scenes import TrainingScenes, order  # noqa: E402
from agents.classifiers.training import ClassifierTrainer, load_state, save_state  # noqa: E402
from agents.experiment import board  # noqa: E402
from agents.experiment.device_worlds import SCENES  # noqa: E402
from agents.experiment.episodes import make_split  # noqa: E402
from agents.experiment.run_folder import CHECKPOINT, METRICS, RESULT, TIMES, reserved  # noqa: E402
from agents.ram import command_line  # noqa: E402
from agents.ram.agent import make_agent  # noqa: E402
from agents.ram.checkpoint import save_state as save_agent  # noqa: E402
from agents.ram.config import Config  # noqa: E402
from agents.ram.presets import PRESETS as AGENTS  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
TINY = ClassifierConfig().but(
    network={"hidden_sizes": (16,)},
    optimizer={"batch_size": 8},
    run={"episodes": 88, "report_every": 2, "evaluations": 3},
)
MODERN = TINY.but(network={"stages": (4, 6)}, optimizer={"weight_averaging": 0.9})
SIDES = {"mnist": 28, "translated60": 60, "cluttered60": 60, "cluttered100": 100}


def scene_shape(name):
    side = SIDES[name.split("-")[0]]
    return 1, side, side


def run(*flags, cwd):
    command = [sys.executable, str(ROOT / "agents" / "train_classifier.py"), *flags]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120, check=False)


# Networks


@pytest.mark.parametrize(
    ("name", "weights", "biases"),
    [
        ("mnist-fc256", 784 * 256 + 256 * 256 + 256 * 10, 256 + 256 + 10),
        ("mnist-conv", 8 * 100 + 8 * 4 * 4 * 256 + 256 * 10, 8 + 256 + 10),
        ("translated60-fc64", 3600 * 64 + 64 * 64 + 64 * 10, 64 + 64 + 10),
        ("translated60-fc256", 3600 * 256 + 256 * 256 + 256 * 10, 256 + 256 + 10),
        ("translated60-conv", 16 * 100 + 16 * 11 * 11 * 256 + 256 * 10, 16 + 256 + 10),
        ("cluttered60-fc64", 3600 * 64 + 64 * 64 + 64 * 10, 64 + 64 + 10),
        ("cluttered60-fc256", 3600 * 256 + 256 * 256 + 256 * 10, 256 + 256 + 10),
        ("cluttered60-conv", 8 * 100 + 8 * 11 * 11 * 256 + 256 * 10, 8 + 256 + 10),
        ("cluttered100-conv", 8 * 100 + 8 * 19 * 19 * 86 + 86 * 10, 8 + 86 + 10),
    ],
)
def test_every_row_has_the_parameters_of_the_paper(name, weights, biases):
    network = make_network(CLASSIFIERS[name].network, scene_shape(name), 10)
    assert sum(parameter.numel() for parameter in network.parameters()) == weights + biases
    assert network(torch.zeros(3, *scene_shape(name))).shape == (3, 10)


def test_every_preset_names_itself_and_is_a_row_of_the_tables():
    assert all(name == config.name for name, config in CLASSIFIERS.items())
    assert CLASSIFIERS.keys() <= PAPER.keys()
    assert len([name for name in CLASSIFIERS if PAPER[name]]) == 9  # of the paper


def test_networks_of_the_paper_begin_with_the_weights_of_he_et_al():
    first = make_network(CLASSIFIERS["cluttered60-fc256"].network, scene_shape("cluttered60"), 10)[1]
    assert first.weight.std().item() == pytest.approx((2 / 3600) ** 0.5, rel=0.01)
    assert not first.bias.any()


@pytest.mark.parametrize(
    ("name", "agent"), [("mnist", "mnist-6"), *((scene, f"{scene}-8-conv") for scene in [*SIDES][1:])]
)
def test_network_of_today_has_at_most_the_parameters_of_our_best_agent(name, agent, fake_mnist):
    network = make_network(CLASSIFIERS[f"{name}-convnet"].network, scene_shape(name), 10)
    ours = make_agent(AGENTS[agent], make_split(AGENTS[agent], 1, "train"))
    one, other = (sum(parameter.numel() for parameter in model.parameters()) for model in (network, ours))
    assert 0.4 * other < one < 1.02 * other


def test_network_of_today_takes_scenes_of_any_size():
    network = make_network(MODERN.network, (3, 20, 30), 7).eval()
    assert network(torch.zeros(2, 3, 20, 30)).shape == network(torch.zeros(2, 3, 9, 5)).shape == (2, 7)
    layers = [type(layer).__name__ for layer in network]
    assert layers == [*["Conv2d", "BatchNorm2d", "ReLU"] * 4, "AdaptiveAvgPool2d", "Flatten", "Linear"]


def test_every_layer_but_the_last_is_followed_by_rectifiers():
    layers = [type(layer).__name__ for layer in make_network(CLASSIFIERS["mnist-conv"].network, (1, 28, 28), 10)]
    assert layers == ["Conv2d", "ReLU", "Flatten", "Linear", "ReLU", "Linear"]


# Scenes


def test_a_folder_of_images_is_learned_whole(tmp_path):
    image = pytest.importorskip("PIL.Image")
    for label, colour in enumerate([(200, 0, 0), (0, 0, 200)]):
        (tmp_path / "photos" / str(label)).mkdir(parents=True)
        for number in range(12):
            image.new("RGB", (40, 24), colour).save(tmp_path / "photos" / str(label) / f"{number}.png")
    config = TINY.but(
        env="GlimpseImages-v0",
        env_args=(f"images={tmp_path / 'photos'}", "largest_side=20"),
        network={"stages": (4,)},
        optimizer={"batch_size": 8, "learning_rate": 0.02},
    )
    trainer = ClassifierTrainer(config, tmp_path)
    scenes, labels = trainer.scenes.of(0)
    assert scenes.shape == (8, 3, 12, 20)
    assert (scenes[:, 2, 0, 0] > 0.5).int().tolist() == labels.tolist()
    for _ in range(40):
        trainer.step()
    assert trainer.score("validation").success == 1


@pytest.mark.parametrize("name", ["mnist-fc256", "translated60-conv", "cluttered60-conv", "cluttered100-conv"])
@pytest.mark.parametrize("split", ["validation", "test"])
def test_held_out_scenes_are_those_of_the_agents_environment(fake_mnist, name, split):
    config = CLASSIFIERS[name]
    scenes, labels = (torch.cat(found) for found in zip(*held_out_scenes(config, split, lanes=7), strict=True))
    env = gym.make(config.env, split=split).unwrapped  # with the retina that the agent has
    assert scenes.shape == (len(env.lane.data), *scene_shape(name))
    for index, (scene, label) in enumerate(zip(scenes, labels, strict=True)):
        _, info = env.reset(options={"index": index})
        assert info["label"] == label
        np.testing.assert_array_equal(scene, env.lane._scenes[0].transpose(2, 0, 1) / np.float32(255))


@pytest.mark.parametrize("env_id", ["GlimpseMNIST-Pairs100-v0", "GlimpseMNIST-Sum100-v0", "GlimpseMNIST-Mega500-v0"])
def test_scenes_of_several_digits_are_those_of_the_agents_environment_and_are_trained_on(fake_mnist, tmp_path, env_id):
    config = TINY.but(env=env_id, network={"filters": 2}, run={"score_test": False})
    scenes, labels = next(held_out_scenes(config, "validation"))
    env = gym.make(env_id, split="validation").unwrapped
    for index, (scene, label) in enumerate(zip(scenes, labels, strict=True)):
        assert env.reset(options={"index": index})[1]["label"] == label
        np.testing.assert_array_equal(scene, env.lane.screens(np.array([0]))[0].transpose(2, 0, 1) / np.float32(255))
    result = training.train(config, tmp_path)
    assert result["validation"]["episodes"] == 10


def test_fixed_training_scenes_are_the_same_in_every_epoch(fake_mnist, tmp_path):
    words = ("train_scenes=8", "canvas_size=60")
    trainer = ClassifierTrainer(
        TINY.but(env="GlimpseMNIST-Sum100-v0", env_args=words, optimizer={"batch_size": 4}), tmp_path
    )
    epochs = []
    for _ in range(2):
        seen = []
        for _ in range(2):
            seen += [scene.numpy().tobytes() for scene in trainer.scenes.of(trainer.update)[0]]
            trainer.update += 1
        epochs.append(set(seen))
    assert epochs[0] == epochs[1]
    assert len(epochs[0]) == 8


@pytest.mark.parametrize("shape", [(40, 60), (60, 40)])
def test_scenes_that_are_not_square_are_trained_on_and_scored_as_they_are(fake_mnist, tmp_path, shape):
    canvas = f"canvas_size={shape}".replace(" ", "")
    config = TINY.but(env_args=(canvas,), network={"filters": 2}, run={"score_test": False})
    scenes, _ = next(held_out_scenes(config, "validation"))
    assert scenes.shape == (10, 1, *shape)
    assert training.train(config, tmp_path)["validation"]["episodes"] == 10


def test_training_scenes_are_those_of_the_environment_for_the_same_draws(fake_mnist, tmp_path):
    config = CLASSIFIERS["cluttered60-conv"].but(optimizer={"batch_size": 4})
    trainer = ClassifierTrainer(config, tmp_path)
    scenes, labels = trainer.scenes.of(trainer.update)
    env = gym.make_vec(config.env, num_envs=4).unwrapped
    index = order(30, config.seed, 0)[:4]
    draws = np.random.default_rng((config.seed, 0, 1)).random((4, trainer.scenes.world.scene_draws))
    env.begin(np.arange(4), np.hstack([np.zeros((4, 3)), draws]), {"index": index})
    np.testing.assert_array_equal(scenes, env._scenes.transpose(0, 3, 1, 2) / np.float32(255))
    assert labels.tolist() == env.data.labels[index].tolist()


def test_every_epoch_shows_each_image_once_in_a_new_order(fake_mnist, tmp_path):
    trainer = ClassifierTrainer(TINY.but(optimizer={"batch_size": 10}), tmp_path)
    epochs = []
    for _ in range(2):
        seen = []
        for _ in range(3):
            seen += [scene.numpy().tobytes() for scene in trainer.scenes.of(trainer.update)[0]]
            trainer.update += 1
        epochs.append(seen)
    assert set(epochs[0]) == set(epochs[1])
    assert len(set(epochs[0])) == 30
    assert epochs[0] != epochs[1]


def test_scenes_of_a_digit_are_drawn_anew_in_every_epoch(fake_mnist, tmp_path):
    trainer = ClassifierTrainer(TINY.but(env="GlimpseMNIST-Translated60-v0", optimizer={"batch_size": 30}), tmp_path)
    one = {scene.numpy().tobytes() for scene in trainer.scenes.of(trainer.update)[0]}
    trainer.update += 1
    assert not one & {scene.numpy().tobytes() for scene in trainer.scenes.of(trainer.update)[0]}


@pytest.mark.parametrize("name", ["mnist-conv", "translated60-convnet", "cluttered60-conv", "pairs100-convnet"])
def test_scenes_that_threads_prepare_and_a_gpu_draws_are_those_that_numpy_draws(name, fake_mnist):
    config = CLASSIFIERS[name].but(optimizer={"batch_size": 8})
    numpys, gpus = (TrainingScenes(config, torch.device("cpu")) for _ in range(2))
    gpus.twin = SCENES[type(gpus.world)](gpus.world, gpus.device)
    with ThreadPoolExecutor(2) as gpus.threads:
        for update in (0, 1, 2, 3, 4, 5, 1, 2):  # it goes back to a checkpoint
            for one, other in zip(numpys.of(update), gpus.of(update), strict=True):
                assert torch.equal(one, other)


def test_digits_are_moved_and_distorted_in_training_alone(fake_mnist):
    plain, moved = (
        TINY.but(train_env_args=words, optimizer={"batch_size": 30}) for words in ((), ("overhang=2", "distortion=0.1"))
    )
    one, other = (TrainingScenes(config, torch.device("cpu")).of(0)[0] for config in (plain, moved))
    assert one.shape == other.shape
    assert not torch.equal(one, other)
    one, other = (next(held_out_scenes(config, "validation"))[0] for config in (plain, moved))
    assert torch.equal(one, other)


# Training


def test_average_of_the_weights_is_what_is_scored_and_saved(fake_mnist, tmp_path):
    trainer = ClassifierTrainer(MODERN, tmp_path)
    expected = {name: value.clone() for name, value in trainer.network.state_dict().items()}
    for update in (1, 2, 3):
        trainer.step()
        keep = min(0.9, update / (update + 10))
        for name, value in trainer.network.state_dict().items():
            if value.is_floating_point():  # of batch norms the means and variances too
                expected[name] = keep * expected[name] + (1 - keep) * value
    trainer.save()
    saved = load_state(tmp_path / CHECKPOINT)
    for name, value in trainer.network.state_dict().items():
        assert torch.equal(saved["learner"][name], value)
        if value.is_floating_point():
            torch.testing.assert_close(saved["network"][name], expected[name])
            assert not torch.equal(saved["network"][name], value)


def test_a_score_depends_on_no_other_scene_and_leaves_batch_norms_as_they_are(fake_mnist, tmp_path):
    trainer = ClassifierTrainer(MODERN.but(optimizer={"weight_averaging": 0.0}), tmp_path)
    for _ in range(4):
        trainer.step()
    trainer.report()
    before = {name: value.clone() for name, value in trainer.network.state_dict().items()}
    one = evaluate(trainer.scored, trainer.config, "test")
    other = evaluate(trainer.scored, trainer.config.but(optimizer={"batch_size": 1}), "test")
    assert one.error_percent == other.error_percent
    assert all(torch.equal(before[name], value) for name, value in trainer.network.state_dict().items())
    assert trainer.network.training


def test_training_leaves_nothing_on_the_processor(fake_mnist, tmp_path, monkeypatch):
    """PyTorch's device "meta" stands in for a GPU: its tensors have no values, and refuse to be mixed with others."""
    adam = torch.optim.AdamW
    monkeypatch.setattr(training, "prepare_torch", lambda config: torch.device("meta"))
    monkeypatch.setattr(torch.optim, "AdamW", lambda *args, fused, **settings: adam(*args, **settings))
    trainer = ClassifierTrainer(MODERN, tmp_path)
    assert {trainer.step().device.type for _ in range(2)} == {"meta"}
    assert {value.device.type for value in trainer.scored.state_dict().values()} == {"meta"}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_an_update_does_not_wait_for_the_gpu(fake_mnist, tmp_path):
    trainer = ClassifierTrainer(MODERN.but(run={"device": "cuda", "matmul_precision": "bfloat16"}), tmp_path)
    trainer.step()
    trainer.step()
    trainer.report()
    torch.cuda.set_sync_debug_mode("error")
    try:
        trainer.step()
        trainer.step()
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_training_lowers_the_error_on_the_images_that_it_saw(fake_mnist, tmp_path):
    config = TINY.but(
        network={"hidden_sizes": (64,)}, optimizer={"batch_size": 30}, run={"episodes": 30 * 60, "report_every": 20}
    )
    training.train(config, tmp_path)
    lines = [json.loads(line) for line in (tmp_path / METRICS).read_text().splitlines()]
    assert lines[-1]["loss"] < lines[0]["loss"] / 2
    assert lines[-1]["success"] == 1


def test_training_in_a_thread_handles_no_signals(in_a_thread, fake_mnist, tmp_path):
    before = signal.getsignal(signal.SIGINT)
    assert in_a_thread(lambda: training.train(TINY, tmp_path))["validation"]["episodes"] == 10
    assert signal.getsignal(signal.SIGINT) is before


def test_classifier_is_not_scored_on_its_way_where_nobody_asked_for_that(fake_mnist, tmp_path):
    assert training.train(TINY.but(run={"evaluations": 0}), tmp_path)["curve"] == []


def test_learning_rate_falls_to_zero_as_a_cosine(fake_mnist, tmp_path):
    trainer = ClassifierTrainer(TINY.but(run={"episodes": 80}), tmp_path)
    rates = []
    for trainer.update in (0, 5, 10):
        trainer.step()
        rates.append(trainer.optimizer.param_groups[0]["lr"])
    assert rates == pytest.approx([1e-3, 0.5e-3, 0])


@pytest.mark.parametrize("config", [TINY, MODERN], ids=["of the paper", "of today"])
def test_resumed_run_ends_with_the_numbers_of_an_uninterrupted_one(config, fake_mnist, tmp_path, monkeypatch):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    result = training.train(config, whole)
    step = ClassifierTrainer.step

    def interrupted(self):
        if self.update == 4:
            signal.raise_signal(signal.SIGINT)
        return step(self)

    with monkeypatch.context() as patch:
        patch.setattr(ClassifierTrainer, "step", interrupted)
        assert training.train(config, parts) == {}
    assert load_state(parts / CHECKPOINT)["update"] == 5
    assert not (parts / RESULT).exists()
    for name in (METRICS, TIMES):
        with (parts / name).open("a") as file:
            file.write("a line after the checkpoint\n")
    resumed = training.train(config, parts, resume=True)
    one, other = (load_state(folder / CHECKPOINT) for folder in (whole, parts))
    assert all(torch.equal(one["network"][name], other["network"][name]) for name in one["network"])
    assert (whole / METRICS).read_text() == (parts / METRICS).read_text()
    assert len((parts / TIMES).read_text().splitlines()) == 6
    assert [result[name] for name in ("validation", "test", "curve")] == [
        resumed[name] for name in ("validation", "test", "curve")
    ]


def test_result_is_the_record_that_an_agents_run_leaves(fake_mnist, tmp_path):
    result = training.train(TINY, tmp_path)
    assert result == json.loads((tmp_path / RESULT).read_text()) | {"config": TINY.to_dict()}
    assert ClassifierConfig.from_dict(json.loads((tmp_path / RESULT).read_text())["config"]) == TINY
    assert (result["validation"]["episodes"], result["test"]["episodes"], result["frames"]) == (10, 20, 88)
    assert [point["episodes"] for point in result["curve"]] == [32, 64, 88]
    assert {"minutes", "date", "commit", "versions", "machine"} < result.keys()


def test_a_run_that_chooses_settings_never_sees_the_test_scenes(fake_mnist, tmp_path, monkeypatch):
    score = ClassifierTrainer.score
    splits = []
    monkeypatch.setattr(ClassifierTrainer, "score", lambda self, split: splits.append(split) or score(self, split))
    assert "test" not in training.train(TINY.but(run={"score_test": False}), tmp_path)
    assert set(splits) == {"validation"}


def at_update(monkeypatch, number, happen):
    step = ClassifierTrainer.step

    def eventful(trainer):
        if trainer.update == number:
            happen(trainer)
        return step(trainer)

    monkeypatch.setattr(ClassifierTrainer, "step", eventful)


def spoil_weight(trainer):
    with torch.no_grad():
        next(trainer.network.parameters()).fill_(float("nan"))


def spoil_gradient(trainer):
    next(trainer.network.parameters()).register_hook(lambda gradient: torch.full_like(gradient, float("inf")))


def spoil_moment(trainer):
    next(iter(trainer.optimizer.state.values()))["exp_avg"].fill_(float("inf"))


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (spoil_weight, "The loss"),
        (spoil_gradient, "The gradient"),
        (spoil_moment, "The norm of the weights after the step"),
    ],
)
def test_what_is_not_finite_stops_the_run_by_name_and_keeps_the_last_good_checkpoint(
    fake_mnist, tmp_path, monkeypatch, spoil, named
):
    at_update(monkeypatch, 5, spoil)
    with pytest.raises(FloatingPointError, match=rf"^{named} of update 5 is not finite\. .*{CHECKPOINT}"):
        training.train(TINY, tmp_path)
    state = load_state(tmp_path / CHECKPOINT)
    assert state["update"] == 4
    assert all(tensor.isfinite().all() for tensor in state["network"].values())


def test_folder_that_vanishes_ends_the_run_in_a_sentence(fake_mnist, tmp_path, monkeypatch):
    at_update(monkeypatch, 5, lambda _: shutil.rmtree(tmp_path / "run"))
    with pytest.raises(OSError, match=r"run stopped at update 6, .*: No such file or directory\.$"):
        training.train(TINY, tmp_path / "run")


def test_full_disk_ends_the_run_in_a_sentence_and_leaves_a_checkpoint_to_go_on_from(fake_mnist, tmp_path, monkeypatch):
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    at_update(monkeypatch, 5, lambda _: resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1])))
    monkeypatch.setattr(board, "SummaryWriter", MagicMock())
    try:
        with pytest.raises(OSError, match=r"stopped at update 8, .*File too large\. .* --resume"):
            training.train(TINY, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert load_state(tmp_path / CHECKPOINT)["update"] == 4


def test_second_resume_is_refused_and_touches_nothing(fake_mnist, tmp_path):
    pytest.importorskip("fcntl")
    ClassifierTrainer(TINY, tmp_path).save()
    before = (tmp_path / CHECKPOINT).read_bytes()
    with reserved(tmp_path), pytest.raises(SystemExit, match=r"^error: Another process is training in .*: wait for it"):
        train_command(["--resume", str(tmp_path)])
    assert (tmp_path / CHECKPOINT).read_bytes() == before


def test_state_that_does_not_fit_the_run_is_refused(fake_mnist, tmp_path):
    trainer = ClassifierTrainer(TINY, tmp_path)
    trainer.step()
    good = trainer.state()
    moments = {**good["optimizer"]["state"], 0: {**good["optimizer"]["state"][0], "exp_avg": torch.zeros(2)}}
    for spoilt in (
        {"network": {}},
        {"network": {**good["network"], "1.weight": torch.zeros(3, 3)}},
        {"optimizer": {**good["optimizer"], "state": moments}},
        {"commits": 1},
    ):
        save_state(tmp_path / CHECKPOINT, {**good, **spoilt})
        with pytest.raises(ValueError, match="does not fit this run"):
            training.train(TINY, tmp_path, resume=True)
    trainer.save()
    with pytest.raises(ValueError, match="other settings"):
        training.train(TINY.but(optimizer={"learning_rate": 0.0001}), tmp_path, resume=True)


# Settings and the command


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"optimizer": {"batch_size": 0}}, "batch_size"),
        ({"optimizer": {"learning_rate": float("nan")}}, "learning_rate"),
        ({"network": {"hidden_sizes": (64, 0)}}, "0 units"),
        ({"network": {"filters": -1}}, "-1 units"),
        ({"network": {"stages": (8, 0)}}, "0 units"),
        ({"optimizer": {"weight_averaging": 1.0}}, "weight_averaging must be below 1"),
    ],
)
def test_settings_that_make_no_sense_are_refused_by_name(settings, message):
    with pytest.raises(ValueError, match=message):
        ClassifierConfig().but(**settings)


@pytest.mark.parametrize(
    ("env_id", "words"),
    [("CatchBall-v0", ()), ("GlimpseMNIST-Moving60-v0", ()), ("GlimpseMNIST-Sum100-v0", ("answer=sequence",))],
)
def test_environment_without_labelled_scenes_is_refused(fake_mnist, tmp_path, env_id, words):
    with pytest.raises(ValueError, match=f"{env_id} has none"):
        ClassifierTrainer(ClassifierConfig(env=env_id, env_args=words), tmp_path)


def test_batch_larger_than_the_training_images_is_refused(fake_mnist, tmp_path):
    with pytest.raises(ValueError, match=r"There are 30 training images: .*--optimizer\.batch-size 30, got 31"):
        ClassifierTrainer(TINY.but(optimizer={"batch_size": 31}), tmp_path)


def test_command_trains_a_preset_and_goes_on_with_its_folder(fake_mnist, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    flags = ["--preset", "mnist-conv", "--run.episodes", "60", "--optimizer.batch-size", "20", "--run-dir", "run"]
    train_command(flags)
    result = json.loads((tmp_path / "run" / RESULT).read_text())
    assert result["config"]["network"] == {"filters": 8, "hidden_sizes": [256], "stages": []}
    with pytest.raises(SystemExit, match="--resume"):
        train_command(flags)
    (tmp_path / "run" / RESULT).unlink()
    train_command(["--resume", "run"])
    assert json.loads((tmp_path / "run" / RESULT).read_text())["test"] == result["test"]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--preset", "nope"], "preset must be one of"),
        (["--optimizer.batch-size", "0"], "batch_size must be above 0"),
        (["--resume", "nowhere"], "No checkpoint at nowhere"),
        (["--resume", "nowhere", "--seed", "2"], "takes no other flag but --device and --env, got --seed"),
        (["--env", "GlimpseMNIST-Nope-v0"], "GlimpseMNIST-Nope"),
    ],
)
def test_bad_flags_end_in_one_sentence(flags, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        train_command(flags)
    assert message in str(ended.value) + capsys.readouterr().err


def test_checkpoint_of_an_agent_is_refused_as_such_and_the_other_way_round(fake_mnist, tmp_path):
    ClassifierTrainer(TINY, tmp_path).save()
    resume = ["--resume", str(tmp_path)]
    for command, flags in (
        (command_line.evaluate_command, ["--checkpoint", str(tmp_path)]),
        (command_line.train_command, resume),
    ):
        with pytest.raises(SystemExit, match=r"holds a classifier, not an agent: train_classifier\.py goes on"):
            command(flags)
    save_agent(tmp_path / CHECKPOINT, {"config": Config().to_json(), "agent": {}})
    with pytest.raises(SystemExit, match=r"holds an agent, not a classifier: train_ram\.py goes on"):
        train_command(resume)


def test_checkpoint_of_another_format_is_refused(tmp_path):
    torch.save({"config": json.dumps(TINY.to_dict()), "network": {}}, tmp_path / CHECKPOINT)
    with pytest.raises(ValueError, match="not a checkpoint of format"):
        load_state(tmp_path / CHECKPOINT)


def test_unknown_row_is_told_the_rows_of_agents_and_of_classifiers(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["reproduce_tables.py", "--rows", "mnist-conv", "nope"])
    with pytest.raises(SystemExit, match=r"'mnist-6'.*'mnist-conv'.*got \['nope'\]"):
        reproduce_command()


def test_command_runs_as_a_file_from_anywhere(tmp_path):
    failed = run("--preset", "nope", cwd=tmp_path)
    assert failed.returncode != 0
    assert "preset must be one of" in failed.stderr
    assert "Traceback" not in failed.stderr
