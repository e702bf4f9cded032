"""PPO with an LSTM in one file, in the style of CleanRL, learns digits or Catch from the reward alone. Needs: pip install ram-envs torch

python examples/cleanrl_style_ppo.py 2000000 GlimpseMNIST-v0
python examples/cleanrl_style_ppo.py 2000000 CatchBall-v0
"""

import sys

import gymnasium as gym
import torch
from torch import nn
from torch.distributions import Categorical

import ram_envs  # noqa: F401  registers the environments

FRAMES, ENV = int(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "CatchBall-v0"
DIGITS = "MNIST" in ENV
LANES, EPOCHS, PARTS, SIZE, LEARNING_RATE = 256, 4, 4, 256, 1e-3
STEPS, GAMMA, LAMBDA, CLIP, ENTROPY = (12, 1.0, 0.95, 0.2, 0.01) if DIGITS else (46, 0.99, 0.95, 0.2, 0.02)

torch.manual_seed(1)
# A glimpse, its location, and what was done before it; in Catch the ball, a single pixel, is as bright at every scale.
form = {"obs_mode": "history", "history": 1, "pooling": "mean" if DIGITS else "sum"}
envs = gym.make_vec(ENV, num_envs=LANES, autoreset_mode="SameStep", **form)
sizes = envs.single_action_space.nvec.tolist()  # cells to look at, then answers and stop, or moves of the paddle


class Agent(nn.Module):
    """What is seen, and the memory of it -> logits of every choice and the value."""

    def __init__(self):
        super().__init__()
        self.see = nn.Sequential(nn.Linear(envs.single_observation_space.shape[0], SIZE), nn.ReLU())
        self.remember = nn.LSTMCell(SIZE, SIZE)
        self.act, self.value = nn.Linear(SIZE, sum(sizes)), nn.Linear(SIZE, 1)

    def forward(self, observations, starts, memory):
        """Observations (T, N, ...), and whether an episode starts there (T, N) -> choices, values (T, N), the memory after them."""
        hidden = []
        for seen, goes_on in zip(self.see(observations), 1 - starts.float(), strict=True):
            memory = self.remember(seen, [part * goes_on[:, None] for part in memory])
            hidden.append(memory[0])
        hidden = torch.stack(hidden)
        choices = [Categorical(logits=logits) for logits in self.act(hidden).split(sizes, dim=-1)]
        return choices, self.value(hidden).squeeze(-1), memory


def log_prob(choices, actions, over):
    """Of what counts: an answer only at the end of an episode, a place to look at only before it."""
    parts = torch.stack([choice.log_prob(action) for choice, action in zip(choices, actions.unbind(-1), strict=True)])
    parts = torch.cat([parts[:1] * ~over, parts[1:2] * over, parts[2:]]) if DIGITS else parts
    return parts.sum(0)


agent = Agent()
optimizer = torch.optim.Adam(agent.parameters(), lr=LEARNING_RATE, eps=1e-5)
now, start = torch.from_numpy(envs.reset(seed=1)[0]), torch.ones(LANES, dtype=torch.bool)
memory = (torch.zeros(LANES, SIZE), torch.zeros(LANES, SIZE))
updates = max(1, FRAMES // (LANES * STEPS))
for update in range(updates):
    optimizer.param_groups[0]["lr"] = LEARNING_RATE * (1 - update / updates)
    played, successes, first_memory = [], [], memory
    with torch.no_grad():
        for _ in range(STEPS):
            choices, value, memory = agent(now[None], start[None], memory)
            action = torch.stack([choice.sample()[0] for choice in choices], -1)
            following, reward, terminated, truncated, info = envs.step(action.numpy())
            over = torch.from_numpy(terminated | truncated)
            old = log_prob(choices, action[None], over)[0]
            played.append((now, start, action, old, value[0], torch.from_numpy(reward).float(), over))
            now, start = torch.from_numpy(following), over  # what follows an end is already the next episode's first
            if over.any():
                successes += info["final_info"]["is_success"][over.numpy()].tolist()
        next_value = agent(now[None], start[None], memory)[1][0]
    observations, starts, actions, old, values, rewards, overs = map(torch.stack, zip(*played, strict=True))
    advantages, advantage = torch.zeros_like(rewards), 0
    for t in reversed(range(STEPS)):  # generalised advantage estimation
        goes_on = 1 - overs[t].float()
        advantage = rewards[t] + GAMMA * goes_on * (next_value + LAMBDA * advantage) - values[t]
        advantages[t], next_value = advantage, values[t]
    returns = advantages + values
    for lanes in [lanes for _ in range(EPOCHS) for lanes in torch.randperm(LANES).chunk(PARTS)]:
        choices, value, _ = agent(observations[:, lanes], starts[:, lanes], [part[lanes] for part in first_memory])
        ratio = (log_prob(choices, actions[:, lanes], overs[:, lanes]) - old[:, lanes]).exp()
        gain = (advantages[:, lanes] - advantages[:, lanes].mean()) / (advantages[:, lanes].std() + 1e-8)
        policy_loss = -torch.min(ratio * gain, ratio.clamp(1 - CLIP, 1 + CLIP) * gain).mean()
        entropy = sum(choice.entropy().mean() for choice in choices)
        loss = policy_loss + 0.5 * (value - returns[:, lanes]).square().mean() - ENTROPY * entropy
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(agent.parameters(), 0.5)
        optimizer.step()
    if (update + 1) % max(1, updates // 50) == 0:
        share = 100 * sum(successes) / max(1, len(successes))
        print(f"{(update + 1) * LANES * STEPS} frames: {share:.0f} % of the last episodes succeeded", flush=True)
