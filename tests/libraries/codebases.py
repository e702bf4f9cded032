"""Somebody else's code, as it is, in our environments for a few hundred steps. Run by `nox -s codebases`.

python tests/libraries/codebases.py tianshou
python tests/libraries/codebases.py cleanrl path/to/a/checkout    # its scripts are no package: they run as files
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import gymnasium as gym

import ram_envs

CATCH, DIGITS = "ram_envs:CatchBall-{}v0", "ram_envs:GlimpseMNIST-{}v0"
GAMES = (CATCH, DIGITS)
SCRIPTS = {  # of CleanRL and LeanRL: the form that each takes, and its arguments beside --env-id
    "cleanrl/ppo.py": ("Discrete", "--total-timesteps 512 --num-steps 64"),
    "cleanrl/dqn.py": ("Discrete", "--total-timesteps 300 --learning-starts 150"),
    "cleanrl/c51.py": ("Discrete", "--total-timesteps 300 --learning-starts 150"),
    "cleanrl/pqn.py": ("Discrete", "--total-timesteps 512 --num-steps 64"),
    "cleanrl/ppo_continuous_action.py": ("Box", "--total-timesteps 256 --num-steps 128"),
    "cleanrl/rpo_continuous_action.py": ("Box", "--total-timesteps 256 --num-steps 128"),
    "cleanrl/sac_continuous_action.py": ("Box", "--total-timesteps 300 --learning-starts 150"),
    "cleanrl/td3_continuous_action.py": ("Box", "--total-timesteps 300 --learning-starts 150"),
    "cleanrl/ddpg_continuous_action.py": ("Box", "--total-timesteps 300 --learning-starts 150"),
    "leanrl/dqn.py": ("Discrete", "--total-timesteps 300 --learning-starts 150"),
    "leanrl/ppo_continuous_action.py": ("Box", "--total-timesteps 256 --num-steps 128"),
    "leanrl/sac_continuous_action.py": ("Box", "--total-timesteps 300 --learning-starts 150"),
    "leanrl/td3_continuous_action.py": ("Box", "--total-timesteps 300 --learning-starts 150"),
}


def scripts(folder):
    """Every script of `SCRIPTS` that a checkout of CleanRL or LeanRL has."""
    found = [name for name in SCRIPTS if (Path(folder) / name).exists()]
    assert found, f"{folder} has none of {[*SCRIPTS]}"
    for name in found:
        form, arguments = SCRIPTS[name]
        for game in GAMES:
            run(str(Path(folder).resolve() / name), "--env-id", game.format(f"{form}-"), *arguments.split())


def run(*arguments):
    """A Python command, in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        found = subprocess.run(
            [sys.executable, *arguments], cwd=folder, env={**os.environ, "WANDB_MODE": "disabled"}, capture_output=True, text=True, check=False
        )  # fmt: skip
    assert found.returncode == 0, found.stdout[-1000:] + found.stderr[-3000:]
    print(" ".join(arguments[:6]))


def stable_baselines3():
    from sb3_contrib import QRDQN, RecurrentPPO
    from stable_baselines3 import A2C, DQN, PPO, SAC, TD3

    off = {"learning_starts": 64, "buffer_size": 1000}
    for game in GAMES:
        PPO("MultiInputPolicy", gym.make(game.format("")), n_steps=64).learn(128)
        PPO("MlpPolicy", game.format("History-"), n_steps=64).learn(128)
        RecurrentPPO("MlpLstmPolicy", game.format("Box-"), n_steps=64).learn(128)
        A2C("MlpPolicy", game.format("Discrete-")).learn(128)
        DQN("MlpPolicy", game.format("Discrete-"), **off).learn(128)
        QRDQN("MlpPolicy", game.format("Discrete-"), **off).learn(128)
        SAC("MlpPolicy", game.format("Box-"), **off).learn(128)
        TD3("MlpPolicy", game.format("Box-"), **off).learn(128)


def sbx():
    from sbx import DQN, PPO, SAC

    off = {"learning_starts": 64, "buffer_size": 1000}  # little of each: most of the time goes into compilation
    PPO("MlpPolicy", CATCH.format("Discrete-"), n_steps=64).learn(128)
    PPO("MlpPolicy", DIGITS.format("History-"), n_steps=64).learn(128)
    DQN("MlpPolicy", DIGITS.format("Discrete-"), **off).learn(96)
    SAC("MlpPolicy", CATCH.format("Box-"), **off).learn(96)


def rl_zoo3():
    settings = Path(__file__).resolve().parents[2] / "hyperparams"
    names = {"ppo": "ppo", "recurrent_ppo": "ppo_lstm", "dqn": "dqn", "sac": "sac"}
    for file, algo in names.items():
        run(
            "-m", "rl_zoo3.train", "--algo", algo, "--env", "CatchBall-v0", "--gym-packages", "ram_envs",
            "--conf-file", str(settings / f"{file}.yml"), "-n", "300", "--eval-freq", "-1", "--log-folder", "logs", "--device", "cpu",
        )  # fmt: skip


def tianshou():
    from tianshou.algorithm import DQN
    from tianshou.algorithm.modelfree.dqn import DiscreteQLearningPolicy
    from tianshou.algorithm.optim import AdamOptimizerFactory
    from tianshou.data import Collector, VectorReplayBuffer
    from tianshou.env import DummyVectorEnv
    from tianshou.trainer import OffPolicyTrainerParams
    from tianshou.utils.net.common import Net

    for game in GAMES:
        for form in ("Discrete-", "History-"):
            kwargs = {"action_mode": "discrete"} if form == "History-" else {}
            envs = DummyVectorEnv([lambda: gym.make(game.format(form), **kwargs)] * 4)  # noqa: B023  made at once
            space, actions = envs.observation_space[0], envs.action_space[0]
            net = Net(state_shape=space.shape, action_shape=int(actions.n), hidden_sizes=[64])
            policy = DiscreteQLearningPolicy(model=net, action_space=actions, observation_space=space, eps_training=0.1)
            algorithm = DQN(policy=policy, optim=AdamOptimizerFactory(lr=1e-3), target_update_freq=50)
            collector = Collector[object](algorithm, envs, VectorReplayBuffer(1000, 4), exploration_noise=True)
            collector.reset()
            algorithm.run_training(
                OffPolicyTrainerParams(
                    training_collector=collector,
                    max_epochs=1,
                    epoch_num_steps=256,
                    collection_step_num_env_steps=64,
                    show_progress=False,
                    verbose=False,
                )
            )


def agilerl():
    from agilerl.algorithms import DQN
    from agilerl.components.replay_buffer import ReplayBuffer
    from agilerl.training.train_off_policy import train_off_policy

    for game in GAMES:
        envs = gym.make_vec(game.format("Discrete-"), num_envs=4, autoreset_mode="SameStep")
        spaces = {"observation_space": envs.single_observation_space, "action_space": envs.single_action_space}
        population = [DQN(**spaces, index=i) for i in range(2)]
        train_off_policy(
            envs, game, "DQN", population, ReplayBuffer(max_size=1000), max_steps=512, evo_steps=256, eval_steps=32, verbose=False
        )  # fmt: skip


def rllib():
    from ray.rllib.algorithms.ppo import PPOConfig
    from ray.rllib.core.rl_module.default_model_config import DefaultModelConfig

    small = {"train_batch_size": 256, "minibatch_size": 64, "num_epochs": 1}
    memory = DefaultModelConfig(fcnet_hiddens=[32], use_lstm=True, lstm_cell_size=32, max_seq_len=8)
    for game in GAMES:
        for form, model in [
            ("Discrete-", {"fcnet_hiddens": [32]}),
            ("History-", {"fcnet_hiddens": [32]}),
            ("Box-", {}),
            (None, memory),
        ]:
            env_config = {"obs_mode": "flat"} if form is None else {}  # the LSTM takes the default MultiDiscrete
            config = PPOConfig().environment(game.format(form or ""), env_config=env_config)
            config = config.env_runners(num_env_runners=0, num_envs_per_env_runner=4).training(**small)
            algorithm = config.rl_module(model_config=model).build_algo()
            algorithm.train()
            algorithm.stop()


def torchrl():
    from torchrl.envs import GymEnv, GymWrapper
    from torchrl.envs.utils import check_env_specs

    for game in GAMES:
        for form in ("Discrete-", "Box-", "History-"):
            envs = gym.make_vec(game.format(form), num_envs=4, autoreset_mode="Disabled")
            for env in (GymEnv(game.format(form)), GymWrapper(envs)):
                check_env_specs(env)
                env.rollout(50, break_when_any_done=False)


def skrl():
    import torch
    from skrl.envs.wrappers.torch import wrap_env

    for game in GAMES:
        for form in ("Discrete-", "Box-", "History-"):
            games = gym.make_vec(game.format(form), num_envs=4, autoreset_mode="SameStep")
            envs = wrap_env(games, wrapper="auto")
            observations, _ = envs.reset()
            for _ in range(64):
                observations, *_ = envs.step(torch.as_tensor(games.action_space.sample()).reshape(4, -1))
            assert observations.shape[0] == 4


def make_single(full_env_name, cfg=None, env_config=None, render_mode=None):
    """An environment, as sample-factory asks for one."""
    return gym.make(full_env_name)


def sample_factory():
    from sample_factory.cfg.arguments import parse_full_cfg, parse_sf_args
    from sample_factory.envs.env_utils import register_env
    from sample_factory.train import run_rl

    for game in GAMES:
        for form in ("Discrete-", "Box-"):
            name = game.format(form)
            register_env(name, make_single)
            with tempfile.TemporaryDirectory() as folder:
                words = [
                    "--algo=APPO", f"--env={name}", f"--train_dir={folder}", "--experiment=try", "--device=cpu", "--serial_mode=True",
                    "--async_rl=False", "--num_workers=1", "--num_envs_per_worker=2", "--worker_num_splits=1", "--rollout=32", "--batch_size=128",
                    "--train_for_env_steps=256", "--encoder_mlp_layers", "32", "--use_rnn=True", "--rnn_size=32", "--normalize_input=False",
                ]  # fmt: skip
                parser, _ = parse_sf_args(words)
                assert run_rl(parse_full_cfg(parser, words)) == 0


def minari():
    import minari as datasets

    with tempfile.TemporaryDirectory() as folder:
        os.environ["MINARI_DATASETS_PATH"] = folder
        for game in GAMES:
            for form in ("", "Discrete-", "Box-", "History-"):
                env = datasets.DataCollector(gym.make(game.format(form)), record_infos=True)
                for seed in range(5):
                    env.reset(seed=seed)
                    over = False
                    while not over:
                        _, _, terminated, truncated, _ = env.step(env.action_space.sample())
                        over = terminated or truncated
                kept = env.create_dataset(f"{game.partition(':')[2].format(form).lower().removesuffix('-v0')}/try-v0")
                assert kept.total_episodes == 5


CODEBASES = (
    stable_baselines3, sbx, rl_zoo3, tianshou, agilerl, rllib, torchrl, skrl, sample_factory, minari,
)  # fmt: skip


if __name__ == "__main__":
    print(f"Gymnasium {gym.__version__}, ram_envs {ram_envs.__version__}")
    name, *paths = sys.argv[1:]
    if name in ("cleanrl", "leanrl"):
        scripts(*paths)
    else:
        next(run for run in CODEBASES if run.__name__ == name)()
    print(f"{name}: done")
