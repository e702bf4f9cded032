"""PPO from TorchRL's parts plays a small Catch in the native vector environment. Needs: pip install ram-envs torchrl

python examples/torchrl_ppo.py 2000000
"""

import sys

import gymnasium as gym
import torch
from tensordict.nn import TensorDictModule
from torch.distributions import Categorical, Independent
from torchrl.collectors import Collector
from torchrl.envs import GymWrapper
from torchrl.modules import MLP, ProbabilisticActor, ValueOperator
from torchrl.objectives import ClipPPOLoss
from torchrl.objectives.value import GAE

import ram_envs  # noqa: F401  registers the environments

LANES, STEPS, EPOCHS, MINIBATCH = 64, 44, 4, 352  # 44 steps are four games
total_steps = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000

torch.manual_seed(1)
games = gym.make_vec("CatchBall-v0", screen_size=12, num_envs=LANES, obs_mode="flat", autoreset_mode="Disabled")
envs = GymWrapper(games, categorical_action_encoding=True)
width = games.single_observation_space.shape[0]
sizes = torch.from_numpy(games.single_action_space.nvec)  # cells to look at, moves of the paddle
absent = torch.arange(max(sizes)) >= sizes[:, None]  # (2, cells): there are fewer moves than cells


def choices(logits):
    """One choice of each kind, independent of each other."""
    return Independent(Categorical(logits=logits.unflatten(-1, absent.shape).masked_fill(absent, -1e9)), 1)


layers = {"num_cells": [256, 256], "activation_class": torch.nn.ReLU}
logits = TensorDictModule(MLP(width, absent.numel(), **layers), ["observation"], ["logits"])
actor = ProbabilisticActor(logits, ["logits"], distribution_class=choices, return_log_prob=True)
critic = ValueOperator(MLP(width, 1, **layers), ["observation"])
advantages = GAE(gamma=0.99, lmbda=0.95, value_network=critic)
losses = ClipPPOLoss(actor, critic, entropy_coeff=0.01, normalize_advantage=True)
optimizer = torch.optim.Adam(losses.parameters(), lr=1e-3)
collector = Collector(envs, actor, frames_per_batch=LANES * STEPS, auto_register_policy_transforms=False)
for update, played in enumerate(collector, start=1):
    batch = advantages(played).reshape(-1)
    for rows in [rows for _ in range(EPOCHS) for rows in torch.randperm(LANES * STEPS).split(MINIBATCH)]:
        found = losses(batch[rows])
        optimizer.zero_grad()
        (found["loss_objective"] + 0.5 * found["loss_critic"] + found["loss_entropy"]).backward()
        torch.nn.utils.clip_grad_norm_(losses.parameters(), 0.5)
        optimizer.step()
    share = played["next", "reward"][played["next", "done"]].mean()  # the reward of a game comes with its end
    print(f"{update * LANES * STEPS} steps: {100 * share:.0f} % of the last balls caught")
    if update * LANES * STEPS >= total_steps:
        break
