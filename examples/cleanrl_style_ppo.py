"""PPO in one file, in the style of CleanRL, plays a small Catch. Needs: pip install ram-envs torch

python examples/cleanrl_style_ppo.py 2000000
"""

import sys

import gymnasium as gym
import torch
from torch import nn

import ram_envs  # noqa: F401  registers the environments

LANES, STEPS, EPOCHS, MINIBATCH, GAMMA, LAMBDA, CLIP = 64, 44, 4, 352, 0.99, 0.95, 0.2  # 44 steps are four games

torch.manual_seed(1)
envs = gym.make_vec("CatchBall-v0", screen_size=12, num_envs=LANES, obs_mode="flat", autoreset_mode="SameStep")
envs = gym.wrappers.vector.RecordEpisodeStatistics(envs, buffer_length=1000)
sizes = envs.single_action_space.nvec.tolist()  # cells to look at, moves of the paddle
width = envs.single_observation_space.shape[0]
actor = nn.Sequential(nn.Linear(width, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, sum(sizes)))
critic = nn.Sequential(nn.Linear(width, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 1))
optimizer = torch.optim.Adam([*actor.parameters(), *critic.parameters()], lr=1e-3)


def judge(observations, actions=None):
    """Actions (drawn, unless given), their log-probabilities, entropies, and the values of the observations."""
    choices = [torch.distributions.Categorical(logits=part) for part in actor(observations).split(sizes, dim=-1)]
    actions = torch.stack([choice.sample() for choice in choices], -1) if actions is None else actions
    log_probs = sum(choice.log_prob(action) for choice, action in zip(choices, actions.unbind(-1), strict=True))
    return actions, log_probs, sum(choice.entropy() for choice in choices), critic(observations).squeeze(-1)


now = torch.from_numpy(envs.reset(seed=1)[0])
for update in range(max(1, (int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000) // (LANES * STEPS))):
    played = []
    for _ in range(STEPS):
        actions, log_probs, _, values = (tensor.detach() for tensor in judge(now))
        following, rewards, over, _, _ = envs.step(actions.numpy())  # following a game's end: the next one's first
        played.append((now, actions, log_probs, values, torch.from_numpy(rewards).float(), torch.from_numpy(~over)))
        now = torch.from_numpy(following)
    observations, actions, log_probs, values, rewards, goes_on = map(torch.stack, zip(*played, strict=True))
    advantages, advantage, next_values = torch.zeros_like(rewards), 0, judge(now)[3].detach()
    for t in reversed(range(STEPS)):  # generalised advantage estimation
        advantage = rewards[t] + GAMMA * goes_on[t] * (next_values + LAMBDA * advantage) - values[t]
        advantages[t], next_values = advantage, values[t]
    batch = [x.flatten(0, 1) for x in (observations, actions, log_probs, advantages, advantages + values)]
    for rows in [rows for _ in range(EPOCHS) for rows in torch.randperm(LANES * STEPS).split(MINIBATCH)]:
        seen, done, old_log_probs, gain, returns = (x[rows] for x in batch)
        _, new_log_probs, entropy, value = judge(seen, done)
        ratio, gain = (new_log_probs - old_log_probs).exp(), (gain - gain.mean()) / (gain.std() + 1e-8)
        policy_loss = -torch.min(ratio * gain, ratio.clamp(1 - CLIP, 1 + CLIP) * gain)
        loss = (policy_loss + 0.5 * (value - returns).square() - 0.01 * entropy).mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(optimizer.param_groups[0]["params"], 0.5)
        optimizer.step()
    share = sum(envs.return_queue) / len(envs.return_queue)
    print(f"{(update + 1) * LANES * STEPS} steps: {100 * share:.0f} % of the last balls caught")
