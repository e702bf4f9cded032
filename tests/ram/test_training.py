"""Training, checkpoints, evaluation and the commands."""

import json
import signal

import gymnasium as gym
import pytest

torch = pytest.importorskip("torch")

from agents.experiment import device, episodes  # noqa: E402
from agents.experiment.checkpoint import load_checkpoint  # noqa: E402
from agents.experiment.command_line import named_preset, new_folder  # noqa: E402
from agents.experiment.episodes import make_envs  # noqa: E402
from agents.experiment.run_folder import CHECKPOINT, METRICS, RESULT, append_line  # noqa: E402
from agents.ram import agent as ram_agent  # noqa: E402
from agents.ram import checkpoint, training  # noqa: E402
from agents.ram.agent import make_agent  # noqa: E402
from agents.ram.checkpoint import LARGE, STEPS, WIDE, export_agent, load_agent, load_state, save_state  # noqa: E402
from agents.ram.command_line import evaluate_command, train_command  # noqa: E402
from agents.ram.config import Config  # noqa: E402
from agents.ram.evaluation import evaluate  # noqa: E402
from agents.ram.presets import DEFAULTS, GENERAL, PRESETS, preset_for  # noqa: E402
from agents.ram.training import Trainer, train  # noqa: E402
from ram_envs import ENV_IDS  # noqa: E402
from ram_envs.catch_ball import CatchBallVectorEnv  # noqa: E402

TINY = PRESETS["catch"].but(
    env_args=("screen_size=6",),
    network={"hidden_size": 16},
    learning={"batch_size": 4},
    run={"episodes": 48, "report_every": 3, "evaluations": 2, "matmul_precision": "highest"},
)


@pytest.fixture(autouse=True)
def few_games(monkeypatch):
    monkeypatch.setattr(episodes, "FRESH_EPISODES", {"validation": 30, "test": 40})


def same(one, other):
    assert one.keys() == other.keys()
    return all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("averaging", [0.0, 0.9])
def test_resumed_run_ends_with_the_numbers_of_an_uninterrupted_one(tmp_path, averaging):
    config = TINY.but(optimizer={"weight_averaging": averaging})
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    result = train(config, whole)
    parts.mkdir()
    trainer = Trainer(config, parts)
    for _ in range(4):  # stops between two reports
        trainer.step()
        if trainer.update == 3:
            append_line(parts / METRICS, trainer.report())
    trainer.save()
    append_line(parts / METRICS, {"a line": "after the checkpoint"})
    resumed = train(config, parts, resume=True)
    one, other = load_state(whole / CHECKPOINT), load_state(parts / CHECKPOINT)
    assert same(one["agent"], other["agent"])
    assert one["lanes"] == other["lanes"]
    assert torch.equal(one["sampling"], other["sampling"])
    assert (whole / METRICS).read_text() == (parts / METRICS).read_text()
    assert result["test"] == resumed["test"]


def test_average_of_the_weights_is_what_is_scored_and_shipped(tmp_path):
    trainer = Trainer(TINY.but(optimizer={"weight_averaging": 0.05}), tmp_path)
    average = next(trainer.agent.parameters()).detach().clone()
    for keep in (0.05, 0.05):  # below 1/11 and 2/12, which the first updates would keep of a longer average
        trainer.step()
        average = keep * average + (1 - keep) * next(trainer.agent.parameters()).detach()
    torch.testing.assert_close(next(trainer.scored.parameters()).detach(), average)
    trainer.save()
    shipped = load_agent(tmp_path / CHECKPOINT, trainer.envs)
    assert torch.equal(next(shipped.parameters()), next(trainer.scored.parameters()))


def test_result_names_the_commit_that_the_run_began_with(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "current_commit", lambda: "before")
    trainer = Trainer(TINY, tmp_path)
    trainer.save()
    monkeypatch.setattr(training, "current_commit", lambda: "after")
    assert training._result(trainer)["commit"] == "before"
    assert train(TINY, tmp_path, resume=True)["commit"] == "before after"


def test_run_that_is_interrupted_saves_first(tmp_path, monkeypatch):
    step = Trainer.step

    def interrupted(self):
        step(self)
        if self.update == 2:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Trainer, "step", interrupted)
    assert train(TINY, tmp_path) == {}
    assert load_state(tmp_path / CHECKPOINT)["update"] == 2
    assert not (tmp_path / RESULT).exists()


def test_a_second_ctrl_c_ends_a_run_at_once(tmp_path, monkeypatch, capfd):
    def interrupted(self):
        signal.raise_signal(signal.SIGINT)
        assert "once more stops at once" in capfd.readouterr().err
        signal.raise_signal(signal.SIGTERM)
        raise AssertionError

    monkeypatch.setattr(Trainer, "step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(TINY, tmp_path)
    assert load_state(tmp_path / CHECKPOINT)["update"] == 0


def test_training_in_a_thread_handles_no_signals(in_a_thread, tmp_path):
    before = signal.getsignal(signal.SIGINT)
    assert in_a_thread(lambda: train(TINY, tmp_path))["test"]["episodes"] == 40
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize("evaluations", [0, 1, 2])
def test_agent_is_scored_on_its_way_as_often_as_was_asked_for(tmp_path, evaluations):
    assert len(train(TINY.but(run={"evaluations": evaluations}), tmp_path)["curve"]) == evaluations


def test_run_begins_with_the_weights_in_the_folder_of_another(tmp_path):
    Trainer(TINY, tmp_path).save()
    begun = Trainer(TINY.but(seed=2, run={"warm_start": str(tmp_path)}), tmp_path / "other").agent.state_dict()
    taken = load_state(tmp_path / CHECKPOINT)["agent"]
    assert same(*({name: state[name] for name in taken if "baseline" not in name} for state in (begun, taken)))


def test_gradient_that_is_not_finite_stops_the_run_by_name(tmp_path):
    trainer = Trainer(TINY, tmp_path)
    trainer.save()
    with torch.no_grad():
        next(trainer.agent.parameters()).fill_(float("nan"))
    with pytest.raises((FloatingPointError, ValueError), match=r"update 0|finite"):
        trainer.step()


def test_checkpoint_that_cannot_be_written_leaves_the_old_one(tmp_path):
    path = tmp_path / CHECKPOINT
    save_state(path, {"config": json.dumps(TINY.to_dict()), "update": 1})
    with pytest.raises((TypeError, AttributeError, ValueError, RuntimeError)):
        save_state(path, {"update": lambda: 0})
    assert load_state(path)["update"] == 1
    assert [file.name for file in tmp_path.iterdir()] == [CHECKPOINT]


def test_damaged_and_foreign_checkpoints_are_refused_with_a_reason(tmp_path):
    path = tmp_path / "agent.pt"
    with pytest.raises(FileNotFoundError, match="No checkpoint"):
        load_state(path)
    save_state(path, {"config": json.dumps(TINY.to_dict())})
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match="cannot be read"):
        load_state(path)
    torch.save({"weights": torch.zeros(2)}, path)
    with pytest.raises(ValueError, match="not a checkpoint of format"):
        load_state(path)
    torch.save({"format": 1, "call": print}, path)  # a pickle that names a function
    with pytest.raises(ValueError, match="cannot be read"):
        load_state(path)


def test_agent_for_another_retina_is_refused(tmp_path):
    trainer = Trainer(TINY, tmp_path)
    trainer.save()
    with pytest.raises(ValueError, match="does not fit"):
        load_agent(tmp_path / CHECKPOINT, make_envs(TINY, 1, patch_size=3))


@pytest.mark.parametrize(("screen", "points"), [(24, True), (44, False)])
def test_whether_a_gaze_points_is_settled_by_the_training_and_not_by_where_it_is_scored(
    screen, points, tmp_path, capsys
):
    """The retina spans 32 pixels at its coarsest."""
    few = {"episodes": 4, "evaluations": 1, "score_test": False}
    config = TINY.but(env_args=(f"screen_size={screen}", "patch_size=8"), gaze={"mean": "pointed"}, run=few)
    result = train(config, tmp_path)
    assert (result["config"]["gaze"]["mean"], result["config"]["gaze"]["pathway"]) == (
        ("pointed", "shared") if points else ("relative", "separate")
    )
    assert ("its gaze steps" in capsys.readouterr().out) == (not points)
    for other in (24, 44):
        agent = load_agent(tmp_path / CHECKPOINT, make_envs(config, 1, screen_size=other))
        assert agent.points == points


def test_some_keywords_are_for_the_training_alone(fake_mnist, tmp_path):
    config = TINY.but(env="GlimpseMNIST-v0", env_args=("num_glimpses=2",), train_env_args=("overhang=2",))
    trainer = Trainer(config, tmp_path)
    assert trainer.envs.unwrapped.recipe.overhang == 2
    assert make_envs(trainer.config, 1).unwrapped.recipe.overhang == 0
    assert trainer.score("validation").episodes == len(make_envs(config, 1, split="validation").unwrapped.data)


def test_std_and_learning_rate_are_annealed(tmp_path):
    gaze = {"std": 0.4, "std_final": 0.2, "exploration_fraction": 1.0}
    trainer = Trainer(TINY.but(gaze=gaze, optimizer={"annealing": "linear"}), tmp_path)
    trainer.update = TINY.total_updates // 2
    trainer.step()
    assert trainer.agent.location_std == pytest.approx(0.3)
    assert trainer.optimizer.param_groups[0]["lr"] == pytest.approx(TINY.optimizer.learning_rate / 2)


def test_near_candidates_end_as_fine_as_the_retina_sees(fake_mnist, tmp_path):
    trainer = Trainer(GENERAL.but(env="GlimpseMNIST-Cluttered60-v0", network={"hidden_size": 8}), tmp_path)
    trainer.explored = 1.0
    trainer._anneal(0.5)
    assert trainer.agent.location_std == pytest.approx(0.5 * 12 / 60)


def test_exploration_waits_until_answers_know_something(fake_mnist, tmp_path):
    config = GENERAL.but(env="GlimpseMNIST-Cluttered60-v0", network={"hidden_size": 8}, run={"episodes": 128 * 1000})
    trainer = Trainer(config, tmp_path)
    for share_known, passed in ((-0.1, 0.0), (0.1, 0.5), (0.5, 1.0)):
        trainer.explored, trainer.known = 0.0, [share_known] * 10
        trainer._explore()
        assert trainer.explored == pytest.approx(passed * 10 / 300)  # of three tenths of a thousand updates
        assert trainer.known == []


@pytest.mark.parametrize(
    ("changes", "shares"),
    [
        ({}, [0.5, 0.75, 1.0, 1.0]),
        ({"counterfactual": None}, [0.5, 0.75, 1.0, 1.0]),
        ({"learning": {"answer": "reinforce"}}, [1.0] * 4),  # what answers know is not told
        ({"optimizer": {"warm_up": 1.0}}, [1.0] * 4),
    ],
)
def test_answers_are_learnt_at_half_the_rate_until_they_know_something(fake_mnist, tmp_path, changes, shares):
    config = GENERAL.but(env="GlimpseMNIST-Cluttered60-v0", network={"hidden_size": 8}).but(**changes)
    trainer = Trainer(config, tmp_path)
    for known, share in zip([-0.1, 0.1, 0.2, 0.5], shares, strict=True):
        trainer.known = [known] * 10
        trainer._explore()
        trainer._anneal(0.5)
        rates = dict(zip(trainer.serves, (group["lr"] for group in trainer.optimizer.param_groups), strict=True))
        gaze = 2e-3 if config.counterfactual is None else 1e-3
        assert rates == pytest.approx({"what": share * 2e-3 / 2, "where": gaze / 2})  # half of the cosine


def test_gaze_stays_when_its_share_of_the_training_is_over(fake_mnist, tmp_path):
    config = PRESETS["mnist-6"].but(
        gaze={"learning_fraction": 0.5},
        optimizer={"annealing": "cosine"},
        network={"hidden_size": 8},
        learning={"batch_size": 4},
        run={"episodes": 32},
    )
    trainer = Trainer(config, tmp_path)
    rates, moved = [], []
    for _ in range(8):
        before = {name: [p.clone() for p in group] for name, group in trainer.agent.parameter_groups().items()}
        trainer.step()
        rates.append([group["lr"] for group in trainer.optimizer.param_groups])
        after = trainer.agent.parameter_groups()
        moved.append(
            {
                name
                for name in before
                if any(not torch.equal(*pair) for pair in zip(before[name], after[name], strict=True))
            }
        )
    assert moved == [{"what", "where"}] * 4 + [{"what"}] * 4
    assert rates[2][1] == pytest.approx(config.optimizer.learning_rate / 2)  # halfway through its share
    assert rates[4][0] == pytest.approx(config.optimizer.learning_rate / 2)
    assert [where for _, where in rates[4:]] == [0.0] * 4


def test_an_agent_learns_to_stop_when_its_gaze_has_learnt(fake_mnist, tmp_path):
    config = PRESETS["cluttered60-stop"].but(
        gaze={"learning_fraction": 0.5}, learning={"batch_size": 4}, run={"episodes": 32, "matmul_precision": "medium"}
    )
    trainer = Trainer(config, tmp_path)
    *_, bias = trainer.agent.action_networks["stop"].parameters()
    with torch.no_grad():
        bias.copy_(torch.tensor([0.0, 50.0]))  # would always stop
    begun, rates, looks = bias.clone(), [], []
    for step in range(8):
        trainer.step()
        rates.append(trainer.optimizer.param_groups[trainer.serves.index("when")]["lr"])
        trainer._settle()
        looks.append(trainer.frames)
        assert torch.equal(bias, begun) or step >= 4
    assert looks == [*range(32, 129, 32), *range(132, 145, 4)]
    assert rates[4] == rates[0] > rates[6] == pytest.approx(rates[4] / 2)  # falls while it is learnt


def test_evaluation_counts_every_episode_once_and_repeats_itself():
    agent = training.make_agent(TINY, make_envs(TINY, 1))
    one, other = (evaluate(agent, TINY, "test", lanes=lanes) for lanes in (16, 16))
    assert one == other
    assert one.episodes == 40
    assert len(one.gaze_distance) == 5


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_names_itself_and_an_environment(name):
    assert PRESETS[name].name == name
    assert PRESETS[name].env in ENV_IDS


def test_a_default_preset_is_of_its_environment_and_what_has_none_gets_the_general_recipe():
    assert {env: PRESETS[name].env for env, name in DEFAULTS.items()} == {env: env for env in DEFAULTS}
    for env_id in ENV_IDS:
        expected = PRESETS[DEFAULTS[env_id]] if env_id in DEFAULTS else GENERAL.but(env=env_id)
        assert preset_for(env_id) == expected


def test_unknown_preset_is_named():
    with pytest.raises(ValueError, match="nope"):
        named_preset(["--preset", "nope"], PRESETS)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"learning": {"discount": 1.5}}, "discount"),
        ({"learning": {"batch_size": 0}}, "batch_size"),
        ({"gaze": {"mean": "tanh"}}, "mean must be one of linear, relative, pointed, got 'tanh'"),
        ({"optimizer": {"learning_rate": float("nan")}}, "learning_rate"),
        ({"run": {"evaluation_memory": 0}}, "evaluation_memory"),
        ({"env_args": ("num_glimpses",)}, "env_args must be of the form KEY=VALUE"),
        ({"seed": -1}, "seed must be at least 0"),
    ],
)
def test_settings_that_make_no_sense_are_refused_by_name(settings, message):
    with pytest.raises(ValueError, match=message):
        Config().but(**settings)


def test_env_args_become_keywords():
    config = Config(env_args=("num_glimpses=4", "initial_location=center", "canvas_size=(60,40)"))
    assert config.env_kwargs() == {"num_glimpses": 4, "initial_location": "center", "canvas_size": (60, 40)}


def test_runs_started_in_the_same_second_get_folders_of_their_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert len({new_folder(TINY) for _ in range(3)}) == 3


def test_commands_train_and_evaluate(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    flags = ["--env", "CatchBall-v0", "--run.episodes", "256", "--network.hidden-size", "8", "--run.evaluations", "0"]
    flags += ["--env-args", "screen_size=6", "--learning.batch-size", "16", "--run-dir", "run"]
    train_command(flags)
    result = json.loads((tmp_path / "run" / RESULT).read_text())
    assert result["test"]["episodes"] == episodes.FRESH_EPISODES["test"]
    with pytest.raises(SystemExit, match="go on with it by --resume"):
        train_command(flags)
    evaluate_command(["--checkpoint", "run", "--json", "score.json"])
    assert json.loads((tmp_path / "score.json").read_text()) == result["test"]


def test_batches_whose_longest_episodes_differ_are_scored_together(fake_mnist):
    config = Config().but(env="GlimpseMNIST-v0", env_args=("num_glimpses=9",), network={"hidden_size": 8}, stopping={})
    envs = make_envs(config, 1)
    torch.manual_seed(0)
    score = evaluate(make_agent(config, envs), config, "test", greedy=False, lanes=2)
    assert score.episodes == 20
    assert len(score.gaze_distance) > score.mean_glimpses
    assert all(0 < distance < 3 for distance in score.gaze_distance)


def test_finished_agent_of_digits_is_scored_with_fewer_glimpses_too(fake_mnist, tmp_path):
    config = Config().but(
        run={"scored_glimpses": (2, 3), "episodes": 8}, network={"hidden_size": 8}, learning={"batch_size": 4}
    )
    result = train(config, tmp_path)
    assert {glimpses: found["test"]["mean_glimpses"] for glimpses, found in result["fewer_glimpses"].items()} == {
        "2": 2.0,
        "3": 3.0,
    }
    assert result["test"]["mean_glimpses"] == 6


def test_finished_agent_that_is_told_prices_is_scored_at_each_of_them(fake_mnist, tmp_path):
    config = Config().but(
        stopping={"price_range": (0.02, 0.1)},
        network={"hidden_size": 8},
        learning={"batch_size": 4},
        run={"episodes": 8},
    )
    result = train(config, tmp_path)
    assert [*result["prices"]] == ["0.02", "0.05", "0.1"]
    assert all(found["test"]["episodes"] == 20 for found in result["prices"].values())


def test_warm_start_takes_the_weights_there_are_but_the_baselines_and_keeps_the_rest(fake_mnist, tmp_path, monkeypatch):
    config = Config().but(network={"hidden_size": 8}, learning={"batch_size": 4}, run={"episodes": 4})
    Trainer(config, tmp_path).save()
    monkeypatch.chdir(tmp_path)
    stopping = config.but(seed=2, stopping={}, run={"warm_start": CHECKPOINT})
    agent = Trainer(stopping, tmp_path).agent.state_dict()
    taken = load_state(tmp_path / CHECKPOINT)["agent"]
    assert {name for name in agent if name not in taken} == {"action_networks.stop.weight", "action_networks.stop.bias"}
    alike = {name for name, weights in taken.items() if torch.equal(agent[name], weights)}
    assert set(taken) - alike == {"baseline_network.weight", "baseline_network.bias"}
    with pytest.raises(ValueError, match="other networks"):
        Trainer(stopping.but(network={"hidden_size": 16}), tmp_path)
    with pytest.raises(ValueError, match=r"other networks.*network\.input"):
        Trainer(stopping.but(network={"input": "standardized"}), tmp_path)
    with pytest.raises(FileNotFoundError, match="No checkpoint"):
        Trainer(stopping.but(run={"warm_start": "nowhere.pt"}), tmp_path)


@pytest.mark.parametrize("native", [False, True])
def test_products_are_in_bfloat16_only_where_the_machine_has_them(native, monkeypatch):
    config = TINY.but(run={"matmul_precision": "bfloat16"})
    before = torch.get_float32_matmul_precision()
    for module in (device, ram_agent):
        monkeypatch.setattr(module, "multiplies_bfloat16", lambda device: native)
    try:
        device.prepare_torch(config)
        assert torch.get_float32_matmul_precision() == ("medium" if native else "highest")
    finally:
        torch.set_float32_matmul_precision(before)
    with make_agent(config, make_envs(config, 1)).autocast():
        assert torch.is_autocast_enabled("cpu") == native


def test_a_run_that_chooses_settings_never_sees_the_test_episodes(tmp_path, monkeypatch):
    monkeypatch.setattr(episodes, "FRESH_SEEDS", {"validation": 10_000_000})  # a test score would fail
    result = train(TINY.but(run={"score_test": False}), tmp_path)
    assert "test" not in result
    assert set(result["other_gazes"]) == {"center", "random", "oracle"}


def test_world_that_hides_its_labels_is_refused_where_they_must_teach(fake_mnist, tmp_path, monkeypatch):
    monkeypatch.setattr(gym.envs.registration, "registry", dict(gym.registry))
    digits = gym.spec("GlimpseMNIST-v0").vector_entry_point
    gym.register("Hiding-v0", vector_entry_point=digits, kwargs={"privileged_info": False})
    config = Config().but(env="Hiding-v0", learning={"batch_size": 4}, network={"hidden_size": 8})
    assert Trainer(config, tmp_path).agent.teacher == "outcome"
    with pytest.raises(ValueError, match="needs supervised answers: labels"):
        Trainer(config.but(learning={"look_reward": "gain"}), tmp_path)


@pytest.mark.parametrize("keywords", [(), ("answer=sequence", "digits=(1,3)", "num_glimpses=5")])
def test_several_digits_are_trained_and_scored_with_every_gaze(fake_mnist, tmp_path, keywords):
    config = TINY.but(env="GlimpseMNIST-Pairs100-v0", env_args=("num_glimpses=3", *keywords))
    result = train(config, tmp_path)
    assert result["test"]["episodes"] == 20
    assert result["test"]["gaze_distance"]
    assert set(result["other_gazes"]) == {"center", "random", "oracle"}


class Untold(CatchBallVectorEnv):
    """Catch that does not tell where the ball is."""

    def facts(self, ended):
        return {name: value for name, value in super().facts(ended).items() if name != "target_location"}


def test_world_that_does_not_tell_where_to_look_is_trained_and_scored_without_that(tmp_path, monkeypatch):
    monkeypatch.setattr(gym.envs.registration, "registry", dict(gym.registry))
    gym.register("Untold-v0", vector_entry_point=Untold)
    config = TINY.but(env="Untold-v0")
    result = train(config, tmp_path)
    assert "gaze_distance" not in result["test"]
    assert set(result["other_gazes"]) == {"center", "random"}
    assert "gaze_distance" not in json.loads((tmp_path / METRICS).read_text().splitlines()[0])
    with pytest.raises(ValueError, match="world that tells where to look"):
        Trainer(config, tmp_path).score("validation", gaze="oracle")


@pytest.mark.parametrize(("limit", "step", "share"), [(10**9, STEPS[0], 0.26), (1, STEPS[-1], 0.2)])
def test_a_shipped_agent_has_nearly_the_same_weights_in_steps_as_its_size_asks_for(
    limit, step, share, tmp_path, monkeypatch
):
    monkeypatch.setattr(checkpoint, "SHIPPED", limit)
    config = TINY.but(network={"hidden_size": 128})
    trainer = Trainer(config, tmp_path)
    trainer.save()
    export_agent(tmp_path / CHECKPOINT, tmp_path / "shipped.pt")
    whole = sum(weight.numel() * 4 for weight in trainer.scored.state_dict().values())
    assert (tmp_path / "shipped.pt").stat().st_size < share * whole
    shipped, trained = load_agent(tmp_path / "shipped.pt", trainer.envs).state_dict(), trainer.scored.state_dict()
    for name, weight in trained.items():
        rows = weight.flatten(1) if weight.dim() > 1 else weight.reshape(1, -1)
        off = (shipped[name] - weight).reshape(rows.shape).abs()
        factor = 0.25 if weight.numel() < WIDE else 2.0 if name.startswith("cores.where") else 1.0
        steps = torch.maximum(
            factor * step * rows.square().mean(1, keepdim=True).sqrt(), rows.abs().amax(1, keepdim=True) / 127
        )
        assert (off <= 0.501 * steps).all(), name
    export_agent(tmp_path / "shipped.pt", tmp_path / "again.pt")  # nothing more is lost
    torch.testing.assert_close(dict(load_agent(tmp_path / "again.pt", trainer.envs).state_dict()), dict(shipped))


def test_an_agent_that_was_shipped_in_bytes_by_an_earlier_version_is_read(tmp_path):
    trainer = Trainer(TINY, tmp_path)
    trainer.save()
    state = load_state(tmp_path / CHECKPOINT)
    name, weight = next((name, weight) for name, weight in state["agent"].items() if weight.numel() >= LARGE)
    scale = weight.abs().amax(1, keepdim=True) / 127
    state["agent"][name], state["agent"][name + " scale"] = (weight / scale).round().to(torch.int8), scale
    save_state(tmp_path / "earlier.pt", {**state, "config": state["config"].to_json()})
    read = load_agent(tmp_path / "earlier.pt", trainer.envs).state_dict()[name]
    assert ((read - weight).abs() <= 0.501 * scale).all()


@pytest.mark.parametrize(
    ("part", "told"),
    [(" shape", torch.tensor([2**20, 2**20])), (" shape", torch.tensor([1, 2])), (" scale", torch.ones(1, 3))],
)
def test_a_shipped_agent_with_a_weight_that_is_not_what_it_says_is_refused(part, told, tmp_path):
    trainer = Trainer(TINY.but(network={"hidden_size": 128}), tmp_path)
    trainer.save()
    export_agent(tmp_path / CHECKPOINT, tmp_path / "shipped.pt")
    state = load_checkpoint(tmp_path / "shipped.pt", settings=Config, holds="an agent")
    name = next(name for name in state["agent"] if name.endswith(part))
    state["agent"][name] = told
    save_state(tmp_path / "shipped.pt", {**state, "config": state["config"].to_json()})
    with pytest.raises(ValueError, match=r"weights that cannot be used|does not fit"):
        load_agent(tmp_path / "shipped.pt", trainer.envs)


@pytest.mark.parametrize(
    "counterfactual", [None, *(GENERAL.counterfactual.but(judge=by) for by in ("return", "value"))]
)
def test_steps_on_parts_of_the_episodes_are_together_several_steps_on_all_of_them(counterfactual, tmp_path):
    moved = []
    for parts in (1, 3):
        config = TINY.but(
            counterfactual=counterfactual,
            gaze={"std_final": None},
            learning={"parts": parts, "batch_size": 300},
            optimizer={"method": "sgd", "learning_rate": 1e-5, "max_grad_norm": 0.0},
        )
        trainer = Trainer(config, tmp_path)
        for group in trainer.optimizer.param_groups:  # or the first part would count the most
            group["momentum"] = 0.0
        before = [weight.detach().clone() for weight in trainer.weights]
        trainer.step()
        assert trainer.frames == 300 * 5
        moved.append(
            torch.cat([(now - then).detach().flatten() for now, then in zip(trainer.weights, before, strict=True)])
        )
    assert torch.linalg.vector_norm(moved[1] - 3 * moved[0]) < 0.02 * torch.linalg.vector_norm(moved[1])
