"""Stable-Baselines3 on our environments: the adapter, the hybrid policy, the training command."""

import json
import math
import signal
from unittest.mock import MagicMock

import gymnasium as gym
import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("stable_baselines3")
pytest.importorskip("sb3_contrib")

from stable_baselines3.common.evaluation import evaluate_policy  # noqa: E402
from stable_baselines3.common.vec_env import DummyVecEnv, VecMonitor  # noqa: E402

from agents.experiment import board, episodes  # noqa: E402
from agents.experiment.episodes import make_envs  # noqa: E402
from agents.experiment.run_folder import CHECKPOINT, METRICS, MODEL, RESULT, reserved  # noqa: E402
from agents.ram.agent import make_agent  # noqa: E402
from agents.ram.config import Config  # noqa: E402
from agents.ram.evaluation import evaluate  # noqa: E402
from agents.sb3 import training as sb3_training  # noqa: E402
from agents.sb3.checkpoint import ALGORITHMS, export_model, load_model  # noqa: E402
from agents.sb3.command_line import train_command  # noqa: E402
from agents.sb3.config import Sb3Config  # noqa: E402
from agents.sb3.evaluation import evaluate as evaluate_model  # noqa: E402
from agents.sb3.hybrid_policy import HybridDistribution  # noqa: E402
from agents.sb3.hyperparams import over_origin, tuned  # noqa: E402
from agents.sb3.training import glimpse_width, make_model  # noqa: E402
from agents.sb3.training import train as train_model  # noqa: E402
from agents.sb3.vec_env import NativeVecEnv  # noqa: E402

SMALL = {"screen_size": 6, "patch_size": 4, "num_scales": 2}
SMALL_ARGS = tuple(f"{name}={value}" for name, value in SMALL.items())
DIGITS = np.arange(20 * 8 * 8, dtype=np.uint64).reshape(20, 8, 8).astype(np.uint8)
OWN = {"images": DIGITS, "labels": np.arange(20) % 4, "patch_size": 4, "num_glimpses": 3}
WORLDS = [("CatchBall-v0", SMALL), ("GlimpseMNIST-v0", OWN)]
FAST = {
    "ppo": ("n_steps=8", "batch_size=16", "n_epochs=1"),
    "recurrent_ppo": ("n_steps=8", "batch_size=16", "n_epochs=1", "policy_kwargs={'lstm_hidden_size':8}"),
    "a2c": (),
    "dqn": ("learning_starts=8", "gradient_steps=1", "batch_size=8", "buffer_size=100"),
    "sac": ("learning_starts=8", "gradient_steps=1", "batch_size=8", "buffer_size=100"),
}


@pytest.fixture(autouse=True)
def few_games(monkeypatch):
    monkeypatch.setattr(episodes, "FRESH_EPISODES", {"validation": 7, "test": 9})


def tiny(algo, policy="default", **changes):
    run = {"num_envs": 4, "frames": 64, "report_every": 32, "evaluations": 2, **changes.pop("run", {})}
    settings = {"env": "CatchBall-v0", "env_args": SMALL_ARGS, **changes}
    return Sb3Config().but(algo=algo, policy=policy, algo_args=FAST[algo], run=run, **settings)


def actions_of(envs, count):
    envs.action_space.seed(3)
    return [np.array([envs.action_space.sample() for _ in range(envs.num_envs)]) for _ in range(count)]


def equal(one, other):
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    return np.array_equal(one, other) and np.asarray(one).dtype == np.asarray(other).dtype


@pytest.mark.parametrize("obs_mode", ["dict", "flat"])
@pytest.mark.parametrize(("env_id", "kwargs"), WORLDS)
def test_adapter_gives_what_monitored_single_environments_give(env_id, kwargs, obs_mode):
    kwargs = {**kwargs, "obs_mode": obs_mode}
    ours = NativeVecEnv(env_id, 5, **kwargs)
    theirs = VecMonitor(DummyVecEnv([lambda: gym.make(env_id, **kwargs)] * 5))
    assert ours.observation_space == theirs.observation_space
    assert ours.action_space == theirs.action_space
    for envs in (ours, theirs):
        assert envs.seed(11) == [11, 12, 13, 14, 15]
    assert equal(ours.reset(), theirs.reset())
    ended = 0
    for actions in actions_of(ours, 15):
        observation, rewards, dones, infos = ours.step(actions)
        expected, their_rewards, their_dones, their_infos = theirs.step(actions)
        assert equal(observation, expected)
        assert equal(rewards, their_rewards)
        assert equal(dones, their_dones)
        for info, their_info in zip(infos, their_infos, strict=True):
            ended += "episode" in info
            for found in (info, their_info):
                found.get("episode", {}).pop("t", None)
            assert info.keys() == their_info.keys()
            assert all(np.array_equal(info[name], their_info[name]) for name in info.keys() - {"terminal_observation"})
            assert "episode" not in info or equal(info["terminal_observation"], their_info["terminal_observation"])
        for mine, its in zip(ours.reset_infos, theirs.venv.reset_infos, strict=True):
            assert all(np.array_equal(mine[name], its[name]) for name in mine.keys() | its.keys())
    assert ended >= 10
    ours.close()


def test_what_a_step_returned_stays_as_it_was():
    envs = NativeVecEnv("CatchBall-v0", 3, **SMALL)
    envs.seed(0)
    first = envs.reset()
    kept = {key: value.copy() for key, value in first.items()}
    steps = [envs.step(actions) for actions in actions_of(envs, 6)]
    copies = [infos[0].copy() for _, _, _, infos in steps]
    for actions in actions_of(envs, 6):
        envs.step(actions)
    assert equal(first, kept)
    assert [infos[0].keys() for _, _, _, infos in steps] == [copy.keys() for copy in copies]
    assert not any(np.shares_memory(a[0]["glimpse"], b[0]["glimpse"]) for a in steps for b in steps if a is not b)


def test_seeds_and_options_hold_for_one_reset():
    envs = NativeVecEnv("GlimpseMNIST-v0", 3, **OWN)
    envs.set_options({"index": 4})
    envs.seed(1)
    envs.reset()
    assert [info["index"] for info in envs.reset_infos] == [4, 4, 4]
    envs.set_options([{"index": 1}, {"index": 2}, {"index": 3}])
    envs.reset()
    assert [info["index"] for info in envs.reset_infos] == [1, 2, 3]
    seen = {tuple(info["index"] for info in envs.reset_infos) for _ in range(5) if envs.reset() is not None}
    assert len(seen) > 1
    envs.set_options([{"index": 1}, {}, {}])
    with pytest.raises(ValueError, match="same options for every lane"):
        envs.reset()


def test_attributes_methods_and_pictures():
    envs = NativeVecEnv("CatchBall-v0", 3, render_mode="rgb_array", render_size=256, **SMALL)
    envs.reset()
    assert envs.get_attr("screen_size", indices=[0, 2]) == [6, 6]
    assert envs.get_attr("action_space", indices=0) == [envs.action_space]
    assert not envs.has_attr("no_such_thing")
    envs.set_attr("privileged_info", False)
    assert "target_location" not in envs.step(actions_of(envs, 1)[0])[3][0]
    with pytest.raises(ValueError, match="lanes are one environment"):
        envs.set_attr("privileged_info", True, indices=[1])
    frames = envs.get_images()
    assert len(frames) == 3
    assert np.array_equal(envs.env_method("render", indices=1)[0], frames[1])
    assert envs.render().shape[-1] == 3
    envs.close()
    envs.close()


def test_metadata_is_the_environments_with_its_frames_a_second():
    envs = NativeVecEnv("CatchBall-v0", 2, render_mode="rgb_array", **SMALL)
    assert envs.metadata["render_fps"] == gym.make("CatchBall-v0").metadata["render_fps"] == 10
    assert set(envs.metadata["render_modes"]) == {"human", "rgb_array"}
    assert envs.get_attr("metadata", indices=0) == [envs.metadata]


def test_actions_that_are_a_dict_need_the_hybrid_form():
    with pytest.raises(ValueError, match="hybrid=True"):
        NativeVecEnv("CatchBall-v0", 2, action_mode="dict")
    with pytest.raises(ValueError, match='takes action_mode="dict"'):
        NativeVecEnv("CatchBall-v0", 2, hybrid=True, action_mode="box")


def test_hybrid_form_plays_the_location_and_the_options():
    ours = NativeVecEnv("GlimpseMNIST-v0", 4, hybrid=True, **OWN)
    native = gym.make_vec("GlimpseMNIST-v0", num_envs=4, action_mode="dict", autoreset_mode="SameStep", **OWN)
    assert ours.action_space.low.tolist() == [-1, -1, 0, 0]
    assert ours.action_space.high.tolist() == [1, 1, 3, 1]
    ours.seed(5)
    ours.reset()
    native.reset(seed=5)
    for actions in actions_of(ours, 12):
        actions[:, 2:] = actions[:, 2:].round()
        chosen = actions.astype(int)
        found = ours.step(actions)
        expected = native.step({"location": actions[:, :2], "answer": chosen[:, 2], "stop": chosen[:, 3]})
        assert equal(found[0], expected[0])
        assert found[1].tolist() == expected[1].tolist()


def test_hybrid_log_prob_and_entropy_equal_a_calculation_by_hand():
    hybrid = HybridDistribution([3, 2])
    net = torch.tensor([[0.5, -0.25, 0.0, math.log(2), 0.0, 0.0, math.log(3)]])
    hybrid.proba_distribution(net, torch.log(torch.tensor([0.1, 0.2])))
    action = torch.tensor([[0.6, 1.15, 1.0, 0.0]])  # 1 and 7 standard deviations away, the second beyond the border
    normal = -0.5 - math.log(0.1) - 24.5 - math.log(0.2) - math.log(2 * math.pi)
    assert float(hybrid.log_prob(action)) == pytest.approx(normal + math.log(2 / 4) + math.log(1 / 4), rel=1e-5)
    first, second = 0.5 * math.log(2) + 0.5 * math.log(4), 0.25 * math.log(4) + 0.75 * math.log(4 / 3)
    assert float(hybrid.entropy()) == pytest.approx(first + second, rel=1e-5)  # of the choices alone
    assert hybrid.mode().tolist() == [[0.5, -0.25, 1.0, 1.0]]


def test_what_an_action_says_in_vain_is_no_part_of_its_probability():
    hybrid = HybridDistribution([3, 2])
    net = torch.tensor([0.5, -0.25, 0.0, math.log(2), 0.0, 0.0, math.log(3)]).expand(3, -1)
    hybrid.proba_distribution(net, torch.zeros(2))
    hybrid.last = torch.tensor([False, False, True])
    found = hybrid.log_prob(torch.tensor([[0.5, -0.25, 1.0, 0.0], [0.5, -0.25, 1.0, 1.0], [0.1, 0.1, 1.0, 0.0]]))
    looks, answers, last = -math.log(2 * math.pi), math.log(2 / 4), math.log(2 / 4)
    assert found.tolist() == pytest.approx([looks + math.log(1 / 4), answers + math.log(3 / 4), last], rel=1e-5)
    answer, stop = 0.5 * math.log(2) + 0.5 * math.log(4), 0.25 * math.log(4) + 0.75 * math.log(4 / 3)
    assert hybrid.entropy().tolist() == pytest.approx([0.75 * answer + stop] * 2 + [answer], rel=1e-5)


def hybrid_model(*env_args, algo_args=()):
    """Digits of three glimpses each, behind a hybrid policy."""
    words = [f"{name}={value}" for name, value in OWN.items() if name not in ("images", "labels")]
    config = tiny("ppo", "hybrid", env="GlimpseMNIST-v0", env_args=(*words, *env_args))
    return make_model(config.but(algo_args=(*config.algo_args, *algo_args)))


def test_hybrid_policy_knows_the_last_action_by_a_full_history_alone(fake_mnist):
    model = hybrid_model("obs_mode=history")
    observation, last = model.env.reset(), []
    for _ in range(6):
        observation = torch.as_tensor(observation)
        last.append(model.policy.get_distribution(observation).last.tolist())
        looking_on = np.tile(np.array([0.5, 0.5, 1, 0], np.float32), (4, 1))
        observation = model.env.step(looking_on)[0]
    assert last == 2 * [[False] * 4, [False] * 4, [True] * 4]
    model.learn(64)
    for env_args in [("obs_mode=history", "history=2"), ("obs_mode=flat",)]:
        model = hybrid_model(*env_args)
        assert model.policy.get_distribution(torch.as_tensor(model.env.reset())).last is None


def test_hybrid_policy_begins_as_it_is_told_to(fake_mnist):
    words = "policy_kwargs={'stop_logit':-3.0,'mean_scale':0.5,'features_extractor_kwargs':{'gain':10.0}}"
    policy = hybrid_model("obs_mode=history", algo_args=(words,)).policy
    policy.action_net.weight.data.zero_()
    policy.action_net.bias.data[:2] = 0.8
    found = policy.get_distribution(torch.rand(4, *policy.observation_space.shape))
    assert found.mode()[:, :2].tolist() == [pytest.approx([0.4, 0.4])] * 4
    assert found.logits[1].diff(dim=1).flatten().tolist() == pytest.approx([-3.0] * 4)
    seen = torch.rand(4, *policy.observation_space.shape)
    assert torch.equal(policy.features_extractor(seen), 10 * seen)


def test_standard_deviation_falls_in_a_straight_line_where_it_is_asked_to(tmp_path):
    words = (*FAST["ppo"], "policy_kwargs={'location_std':0.4,'final_std':0.1}")
    config = tiny("ppo", "hybrid").but(algo_args=words)
    policy = make_model(config).policy
    for remaining, std in [(1.0, 0.4), (0.5, 0.25), (0.0, 0.1)]:
        policy.anneal(remaining)
        assert policy.log_std.exp().tolist() == pytest.approx([std, std])
    assert not policy.log_std.requires_grad
    train_model(config, tmp_path)  # two rollouts of 32: the second begins half way
    loaded = ALGORITHMS["ppo"].load(tmp_path / MODEL)
    assert loaded.policy.log_std.exp().tolist() == pytest.approx([0.25, 0.25])


def test_hybrid_samples_come_as_often_as_they_are_likely():
    torch.manual_seed(0)
    hybrid = HybridDistribution([3])
    net = torch.tensor([[0.5, -0.25, 0.0, math.log(2), math.log(5)]]).expand(20_000, -1)
    samples = hybrid.proba_distribution(net, torch.log(torch.tensor([0.1, 0.2]))).sample()
    assert samples[:, :2].mean(0).tolist() == pytest.approx([0.5, -0.25], abs=0.01)
    assert samples[:, :2].std(0).tolist() == pytest.approx([0.1, 0.2], rel=0.05)
    assert [(samples[:, 2] == option).float().mean().item() for option in range(3)] == pytest.approx(
        [1 / 8, 2 / 8, 5 / 8], abs=0.02
    )


def test_who_only_looks_has_no_choices_entropy():
    hybrid = HybridDistribution([]).proba_distribution(torch.zeros(4, 2), torch.zeros(2))
    assert hybrid.entropy().tolist() == [0.0] * 4
    assert hybrid.log_prob(hybrid.sample()).shape == (4,)


@pytest.mark.parametrize("obs_mode", ["flat", "dict"])
@pytest.mark.parametrize("algo", ["ppo", "recurrent_ppo"])
def test_hybrid_policy_trains_saves_loads_and_predicts_the_same(algo, obs_mode, tmp_path):
    config = tiny(algo, "hybrid", env_args=(*SMALL_ARGS, f"obs_mode={obs_mode}"))
    model = make_model(config)
    before = [value.clone() for value in model.policy.parameters()]
    model.learn(320)
    assert all(not torch.equal(a, b) for a, b in zip(before, model.policy.parameters(), strict=True))
    model.save(tmp_path / MODEL)
    loaded = ALGORITHMS[algo].load(tmp_path / MODEL, env=model.get_env())
    observation = model.get_env().reset()
    for one, other in zip(model.policy.parameters(), loaded.policy.parameters(), strict=True):
        assert torch.equal(one, other)
    assert np.array_equal(
        model.predict(observation, deterministic=True)[0], loaded.predict(observation, deterministic=True)[0]
    )
    if algo == "ppo":  # sb3-contrib's policies, saved alone, forget the size of their LSTM
        model.policy.save(tmp_path / "policy.pt")
        policy = type(model.policy).load(tmp_path / "policy.pt")
        assert all(torch.equal(a, b) for a, b in zip(policy.parameters(), model.policy.parameters(), strict=True))
    loaded.learn(64)


def test_standard_deviation_can_be_fixed():
    kwargs = "policy_kwargs={'location_std':0.2,'learn_std':False}"
    config = tiny("ppo", "hybrid")
    model = make_model(config.but(algo_args=(*config.algo_args, kwargs)))
    model.learn(64)
    assert model.policy.log_std.exp().tolist() == pytest.approx([0.2, 0.2])


@pytest.mark.filterwarnings("error")
def test_evaluate_policy_takes_the_adapter_for_monitored():
    model = make_model(tiny("ppo"))
    returns, lengths = evaluate_policy(model, model.get_env(), n_eval_episodes=6, return_episode_rewards=True)
    assert set(lengths) == {5}
    assert len(returns) == 6


@pytest.mark.parametrize("env_id", ["CatchBall-v0", "GlimpseMNIST-v0"])
@pytest.mark.parametrize(
    ("algo", "policy"), [*((algo, "default") for algo in ALGORITHMS), ("a2c", "hybrid"), ("recurrent_ppo", "hybrid")]
)
def test_every_algorithm_leaves_a_run_like_the_agents(algo, policy, env_id, tmp_path, fake_mnist):
    args = SMALL_ARGS if env_id == "CatchBall-v0" else ("num_glimpses=3",)
    result = train_model(tiny(algo, policy, env=env_id, env_args=args), tmp_path)
    assert json.loads(json.dumps(result)) == json.loads((tmp_path / RESULT).read_text())
    assert {
        "config",
        "validation",
        "test",
        "curve",
        "frames",
        "minutes",
        "date",
        "commit",
        "versions",
        "matmul_precision",
        "machine",
    } == set(result)
    assert result["validation"]["episodes"] == (7 if env_id == "CatchBall-v0" else 10)
    assert result["test"]["episodes"] == (9 if env_id == "CatchBall-v0" else 20)
    lines = [json.loads(line) for line in (tmp_path / METRICS).read_text().splitlines()]
    assert [point["frames"] for point in result["curve"]] == [
        line["frames"] for line in lines if "validation_error_percent" in line
    ]
    assert result["frames"] == lines[-1]["frames"] >= 64
    assert (tmp_path / MODEL).exists()


class Puppet:
    """Plays our agent through the interface of a model of Stable-Baselines3."""

    def __init__(self, agent):
        self.agent = agent

    def predict(self, observation, state, episode_start, deterministic):
        assert deterministic
        assert episode_start.all() == (state is None)
        glimpse, location = (torch.from_numpy(observation[name]) for name in ("glimpse", "location"))
        with torch.no_grad():
            state = self.agent.initial_state(len(glimpse)) if state is None else state
            decision, state = self.agent.act(glimpse, location, state, greedy=True)
        columns = [decision.location, *(choice[:, None].float() for choice in decision.choices.values())]
        return torch.cat(columns, dim=1).numpy(), state


@pytest.mark.parametrize(("env", "args"), [("CatchBall-v0", SMALL_ARGS), ("GlimpseMNIST-v0", ("num_glimpses=3",))])
def test_a_model_that_does_what_our_agent_does_has_its_score(env, args, fake_mnist):
    config = Config().but(env=env, env_args=args, network={"hidden_size": 16}, learning={"answer": "label"})
    torch.manual_seed(0)
    agent = make_agent(config, make_envs(config, 1))
    score = evaluate(agent, config, "test", lanes=6)
    assert evaluate_model(Puppet(agent), config, "test", lanes=6) == score


def test_every_image_is_scored_once(fake_mnist):
    class Constant:
        def predict(self, observation, state, start, deterministic):
            seen.append(observation)
            return np.tile([0, 3, 1], (len(observation), 1)), None  # answers 3 at once

    seen = []
    config = Config(env_args=("obs_mode=flat", "action_mode=multidiscrete"))
    score = evaluate_model(Constant(), config, "test", lanes=8)
    assert (score.episodes, score.success, score.mean_glimpses) == (20, 0.1, 1.0)
    first_glimpses = np.concatenate(seen)
    assert len(np.unique(first_glimpses, axis=0)) == 20
    assert len(first_glimpses) == 24  # the last batch repeats the last image, which is not counted again


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (
            ["--algo", "dqn", "--env-args", "action_mode=box"],
            "dqn with policy default takes action_mode discrete, got 'box'",
        ),
        (["--algo", "sac", "--policy", "hybrid"], "policy hybrid is for ppo, recurrent_ppo, a2c: sac cannot"),
        (["--algo", "ppo", "--policy", "hybrid", "--env-args", "action_mode=box"], "takes action_mode dict, got 'box'"),
        (["--algo", "ppo", "--env-args", "colour=1"], "unexpected keyword argument 'colour'"),
        (["--algo", "ppo", "--algo-args", "n_stops=8"], "unexpected keyword argument 'n_stops'"),
        (["--algo", "ppo", "--algo-args", "n_steps"], "algo_args must be of the form KEY=VALUE"),
        (
            ["--algo", "ppo", "--algo-args", "n_steps=0"],
            "n_steps in algo_args must be a whole number of at least 1, got 0",
        ),
        (
            ["--algo", "a2c", "--algo-args", "learning_rate=abc"],
            "learning_rate in algo_args must be a number, or lin_NUMBER",
        ),
        (["--algo", "a2c", "--algo-args", "policy_kwargs=5"], "policy_kwargs in algo_args must be a dict"),
        (["--algo", "a2c", "--algo-args", "policy_kwargs={'nonsense':5}"], "algo_args of a2c: "),
        (["--algo", "ppo", "--env", "Catch-v0"], "Catch"),
        (["--algo", "ppo", "--env", "nowhere:Mine-v0"], "names a module that cannot be imported"),
        (["--algo", "ppo", "--env", "CartPole-v1"], "CartPole-v1 is not an environment behind the retina"),
        (["--algo", "ppo", "--env-args", "privileged_info=False"], "env_args cannot have privileged_info"),
        (["--algo", "ppo", "--env-args", "split=train"], "env_args cannot have split"),
        (["--algo", "ppo", "--device", "gpu"], 'device must be "cpu", "cuda" or "auto"'),
        (["--algo", "ppo", "--seed", "-1"], "seed must be at least 0"),
        (["--preset", "catch"], "preset must be one of ['catch-20m-ppo-center', "),
    ],
)
def test_what_cannot_work_ends_in_one_sentence(argv, said, tmp_path, fake_mnist):
    with pytest.raises(SystemExit) as ended:
        train_command([*argv, "--run-dir", str(tmp_path / "run")])
    assert said in str(ended.value)
    assert str(ended.value).startswith("error: ")
    assert not (tmp_path / "run").exists()


def test_command_trains_and_does_not_overwrite(tmp_path, capsys):
    argv = [
        "--algo",
        "a2c",
        "--env",
        "CatchBall-v0",
        "--env-args",
        *SMALL_ARGS,
        "--run.frames",
        "40",
        "--run.num-envs",
        "4",
    ]
    argv += ["--run.score-test", "False", "--run-dir", str(tmp_path)]
    train_command(argv)
    assert "test" not in json.loads((tmp_path / RESULT).read_text())
    assert "validation: error" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="holds a run already"):
        train_command(argv)


def test_preset_trains_with_its_settings_and_what_the_flags_change(tmp_path):
    argv = ["--preset", "catch-2m-ppo", "--env-args", *SMALL_ARGS, "--run.frames", "40", "--run.num-envs", "4"]
    argv += ["--algo-args", "n_steps=10", "batch_size=20", "--run-dir", str(tmp_path), "--run.score-test", "False"]
    train_command(argv)
    config = json.loads((tmp_path / RESULT).read_text())["config"]
    assert (config["name"], config["policy"], config["run"]["frames"]) == ("catch-2m-ppo", "hybrid", 40)


def test_training_in_a_thread_handles_no_signals(in_a_thread, tmp_path):
    before = signal.getsignal(signal.SIGINT)
    assert in_a_thread(lambda: train_model(tiny("a2c"), tmp_path))["test"]["episodes"] == 9
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize("evaluations", [0, 1, 2])
def test_model_is_scored_on_its_way_as_often_as_was_asked_for(tmp_path, evaluations):
    assert len(train_model(tiny("a2c", run={"evaluations": evaluations}), tmp_path)["curve"]) == evaluations


@pytest.mark.parametrize("name", [MODEL, METRICS, CHECKPOINT])
def test_folder_of_another_run_is_not_trained_in(tmp_path, name):
    (tmp_path / name).write_text("of another run")
    argv = ["--algo", "a2c", "--env", "CatchBall-v0", "--env-args", *SMALL_ARGS, "--run-dir", str(tmp_path)]
    with pytest.raises(SystemExit, match="holds a run already"):
        train_command(argv)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {name: "of another run"}


def test_second_training_in_a_folder_is_refused_in_a_sentence(tmp_path):
    pytest.importorskip("fcntl")
    argv = ["--algo", "a2c", "--env", "CatchBall-v0", "--env-args", *SMALL_ARGS, "--run-dir", str(tmp_path)]
    with reserved(tmp_path), pytest.raises(SystemExit, match=r"^error: Another process is training in .*: wait for it"):
        train_command(argv)
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


def test_lines_of_an_attempt_that_was_not_finished_are_not_mixed_in(tmp_path):
    (tmp_path / METRICS).write_text('{"update": 2}\n{"upda')
    train_model(tiny("a2c"), tmp_path)
    assert json.loads((tmp_path / METRICS).read_text().splitlines()[0])["frames"] == 32


def test_full_disk_ends_the_run_in_a_sentence_and_leaves_no_half_model(tmp_path, monkeypatch):
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    monkeypatch.setattr(board, "SummaryWriter", MagicMock())  # a thread of its own would complain too
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (3000, before[1]))
        with pytest.raises(OSError, match=r"stopped at frame 32, as it could not write there: File too large\.$"):
            train_model(tiny("a2c"), tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not (tmp_path / MODEL).exists()
    assert not list(tmp_path.glob(".*.tmp"))


@pytest.mark.parametrize("algo", ALGORITHMS)
def test_weights_that_are_not_finite_stop_the_run_by_name_and_are_not_saved(algo, tmp_path):
    config = tiny(algo, run={"frames": 6400})
    config = config.but(algo_args=(*config.algo_args, "learning_rate=1e999"))
    with pytest.raises(FloatingPointError, match=r"^The weights at frame \d+ are not finite: a lower learning_rate"):
        train_model(config, tmp_path)
    assert not (tmp_path / MODEL).exists()


def test_interrupted_run_keeps_its_model_and_has_no_result(tmp_path, monkeypatch, capsys):
    class Interrupting(sb3_training.Reporter):
        def report(self):
            super().report()
            self.interrupted.append(2)

    monkeypatch.setattr(sb3_training, "Reporter", Interrupting)
    assert train_model(tiny("ppo", run={"frames": 6400}), tmp_path) == {}
    assert "Stopped after 32 of 6400 frames" in capsys.readouterr().out
    assert (tmp_path / MODEL).exists()
    assert not (tmp_path / RESULT).exists()


@pytest.mark.parametrize("algo", ["ppo", "recurrent_ppo", "a2c"])
def test_an_interrupted_run_goes_on_from_its_model(algo, tmp_path, monkeypatch, capsys):
    class Interrupting(sb3_training.Reporter):
        def report(self):
            super().report()
            if len(self.curve) == 2:
                self.interrupted.append(2)

    config = tiny(algo, run={"frames": 128, "evaluations": 4, "report_every": 16})
    with monkeypatch.context() as patch:
        patch.setattr(sb3_training, "Reporter", Interrupting)
        assert train_model(config, tmp_path) == {}
    assert f"--resume {tmp_path}" in capsys.readouterr().out
    weights = {name: value.clone() for name, value in load_model(tmp_path)[0].policy.state_dict().items()}
    going_on = make_model(config, tmp_path / MODEL)  # with what it had, its optimiser's moments too
    assert going_on.num_timesteps == 64
    assert all(torch.equal(value, weights[name]) for name, value in going_on.policy.state_dict().items())
    assert going_on.policy.optimizer.state_dict()["state"]
    train_command(["--resume", str(tmp_path)])
    result = json.loads((tmp_path / RESULT).read_text())
    reported = [json.loads(line) for line in (tmp_path / METRICS).read_text().splitlines()]
    assert result["frames"] == reported[-1]["frames"] >= 128
    assert [point["frames"] for point in result["curve"]] == [32, 64, 96, 128]
    assert [line["frames"] for line in reported] == sorted({line["frames"] for line in reported})
    assert [line["episodes"] for line in reported] == sorted(line["episodes"] for line in reported)


def test_what_a_run_cannot_go_on_from_is_refused(tmp_path, monkeypatch):
    with pytest.raises(SystemExit, match="No model at"):
        train_command(["--resume", str(tmp_path)])
    config = tiny("ppo")
    train_model(config, tmp_path)
    with pytest.raises(ValueError, match="was written with other settings"):
        train_model(config.but(seed=2), tmp_path, resume=True)
    with pytest.raises(SystemExit, match="takes no other flag but --device and --env, got --seed"):
        train_command(["--resume", str(tmp_path), "--seed", "3"])
    export_model(tmp_path, tmp_path / "shipped.zip")
    (tmp_path / "shipped.zip").replace(tmp_path / MODEL)
    with pytest.raises(SystemExit, match="does not tell how far its run was"):
        train_command(["--resume", str(tmp_path)])
    train_model(tiny("dqn"), tmp_path / "dqn")
    with pytest.raises(SystemExit, match="learns from many thousand earlier steps"):
        train_command(["--resume", str(tmp_path / "dqn")])


def test_words_go_on_top_of_the_tuned_ones():
    catch = tuned("ppo", "CatchBall-v0")
    flat = over_origin(catch.but(env_args=("obs_mode=flat",), algo_args=("n_epochs=2",)), catch)
    assert "history" not in flat.env_kwargs()
    assert flat.env_kwargs()["obs_mode"] == "flat"
    assert flat.algo_kwargs() == {**catch.algo_kwargs(), "n_epochs": 2}


def test_a_dark_first_glimpse_at_the_middle_is_not_told_from_none(fake_mnist):
    kwargs = {"obs_mode": "history", "action_mode": "dict"}
    assert glimpse_width(gym.make_vec("GlimpseMNIST-v0", num_envs=1, **kwargs).unwrapped)
    assert not glimpse_width(gym.make_vec("GlimpseMNIST-v0", num_envs=1, initial_location="center", **kwargs).unwrapped)


def test_runs_of_neighbouring_seeds_play_episodes_of_their_own():
    seeds = [set(make_model(tiny("ppo", seed=seed)).get_env()._seeds) for seed in (1, 2, 3)]
    assert len(set.union(*seeds)) == sum(map(len, seeds))


def test_batches_without_a_success_count_where_the_world_only_tells_of_successes(monkeypatch):
    class Rare:
        def __init__(self, envs):
            self.envs, self.unwrapped = envs, envs.unwrapped

        def __getattr__(self, name):
            return getattr(self.envs, name)

        def step(self, actions):
            *found, info = self.envs.step(actions)
            if not info["is_success"].any():
                info = {name: value for name, value in info.items() if "is_success" not in name}
            return *found, info

    class Still:
        def predict(self, observation, state, start, deterministic):
            return np.tile([12, 1], (len(observation), 1)), None  # never moves

    made = episodes.make_split
    monkeypatch.setattr(episodes, "make_split", lambda *args, **kwargs: Rare(made(*args, **kwargs)))
    config = Config(env="CatchBall-v0", env_args=("obs_mode=flat", "action_mode=multidiscrete"))
    many, few = (evaluate_model(Still(), config, "validation", episodes=60, lanes=lanes) for lanes in (60, 3))
    assert many.episodes == few.episodes == 60
    assert 0 < many.success == few.success < 0.5


def test_a_run_that_is_interrupted_while_it_is_scored_for_the_last_time_has_a_result(tmp_path, monkeypatch):
    class Late(sb3_training.Reporter):
        def report(self):
            super().report()
            if self.num_timesteps >= self.config.run.frames:
                self.interrupted.append(2)

    monkeypatch.setattr(sb3_training, "Reporter", Late)
    assert train_model(tiny("ppo", run={"frames": 64}), tmp_path)["frames"] == 64
    assert (tmp_path / RESULT).exists()


def test_bfloat16_is_refused_since_the_library_has_no_autocast():
    with pytest.raises(ValueError, match="has no autocast to bfloat16"):
        tiny("ppo", run={"matmul_precision": "bfloat16"})
