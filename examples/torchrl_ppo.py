"""PPO from TorchRL's parts plays Catch in the native vector environment. Needs: pip install ram-envs torchrl

python examples/torchrl_ppo.py 1000000
"""

import sys

import gymnasium as gym
import torch
from tensordict.nn import TensorDictModule
from torchrl.collectors import Collector
from torchrl.envs import GymWrapper
from torchrl.modules import MLP, ProbabilisticActor, ValueOperator
from torchrl.objectives import ClipPPOLoss
from torchrl.objectives.value import GAE

import ram_envs  # noqa: F401  registers the environments

LANES, STEPS, EPOCHS, MINIBATCH = 64, 46, 4, 368  # 46 steps are two games
updates = max(1, (int(sys.argv[1]) if len(sys.argv) > 1 else 500_000) // (LANES * STEPS))

torch.manual_seed(1)
games = gym.make_vec("CatchBall-v0", num_envs=LANES, obs_mode="flat", autoreset_mode="Disabled")
sizes = games.single_action_space.nvec.tolist()  # cells to look at, moves of the paddle


class Choices(torch.distributions.Distribution):  # of a cell and of a move, independent of each other
    def __init__(self, logits):
        self.parts = [torch.distributions.Categorical(logits=part) for part in logits.split(sizes, dim=-1)]
        super().__init__(logits.shape[:-1], torch.Size([len(sizes)]), validate_args=False)

    def sample(self, sample_shape=()):
        return torch.stack([part.sample(sample_shape) for part in self.parts], -1)

    def log_prob(self, chosen):
        return sum(part.log_prob(one) for part, one in zip(self.parts, chosen.unbind(-1), strict=True))

    def entropy(self):
        return sum(part.entropy() for part in self.parts)


layers = {"in_features": games.single_observation_space.shape[0], "num_cells": [128, 128]}
logits = TensorDictModule(MLP(**layers, out_features=sum(sizes)), ["observation"], ["logits"])
actor = ProbabilisticActor(logits, ["logits"], distribution_class=Choices, return_log_prob=True)
critic = ValueOperator(MLP(**layers, out_features=1), ["observation"])
advantages = GAE(gamma=0.99, lmbda=0.95, value_network=critic)
losses = ClipPPOLoss(actor, critic, entropy_coeff=0.01, normalize_advantage=True)
optimizer = torch.optim.Adam(losses.parameters(), lr=1e-3)
envs = GymWrapper(games, categorical_action_encoding=True)
for update, played in zip(range(updates), Collector(envs, actor, frames_per_batch=LANES * STEPS), strict=False):
    batch = advantages(played).reshape(-1)
    for rows in [rows for _ in range(EPOCHS) for rows in torch.randperm(LANES * STEPS).split(MINIBATCH)]:
        found = losses(batch[rows])
        optimizer.zero_grad()
        (found["loss_objective"] + 0.5 * found["loss_critic"] + found["loss_entropy"]).backward()
        torch.nn.utils.clip_grad_norm_(losses.parameters(), 0.5)
        optimizer.step()
    share = played["next", "reward"][played["next", "done"]].mean()  # the reward of a game comes with its end
    print(f"{(update + 1) * LANES * STEPS} steps: {100 * share:.0f} % of the last balls caught")
