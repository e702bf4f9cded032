"""PPO with an LSTM in one file, in the style of CleanRL, learns digits or Catch from the reward alone. Needs torch.

python examples/cleanrl_style_ppo.py 2000000 GlimpseMNIST-v0
python examples/cleanrl_style_ppo.py 2000000 CatchBall-v0
"""

import sys

import gymnasium as gym
import numpy as np
import torch
from torch import nn
from torch.distributions import Categorical, Normal

import ram_envs  # noqa: F401  registers the environments

FRAMES, ENV = int(sys.argv[1]) if len(sys.argv) > 1 else 2_000_000, sys.argv[2] if len(sys.argv) > 2 else "CatchBall-v0"
DIGITS = "MNIST" in ENV
LANES, EPOCHS, PARTS, SIZE, LEARNING_RATE, STD, LAMBDA, CLIP = 256, 4, 4, 128, 1e-3, 0.15, 0.95, 0.2
# Catch is dark but for three pixels: shown brighter, they are learned from sooner.
CHOICE, GAMMA, ENTROPY, GAIN = ("answer", 1.0, 0.01, 1.0) if DIGITS else ("move", 0.99, 0.05, 10.0)

torch.manual_seed(1)
# A glimpse, its location, and the move before it; in Catch the ball, a single pixel, is as bright at every scale.
form = {"obs_mode": "history", "history": 1, "action_mode": "dict", "pooling": "mean" if DIGITS else "sum"}
split = {"split": "validation"} if DIGITS else {}
envs = gym.make_vec(ENV, num_envs=LANES, autoreset_mode="SameStep", **form)
held_out = gym.make_vec(ENV, num_envs=5000, autoreset_mode="SameStep", **form, **split)
# Nobody stops before the last glimpse, so all episodes are equally long: a rollout is one in every lane, from its first step.
STEPS = envs.unwrapped.max_glimpses - (not DIGITS)  # after its last move Catch shows one glimpse more
looks = torch.arange(STEPS)[:, None] < STEPS - 1  # (T, 1) what is seen after the last step is of no use
counts = ~looks if DIGITS else torch.ones_like(looks)  # and of the answers only the last one counts


class Agent(nn.Module):
    """What is seen (T, N, ...) and the memory of it -> where to look, what to choose, the value (T, N), the memory."""

    def __init__(self):
        super().__init__()
        self.see = nn.Sequential(nn.Linear(envs.single_observation_space.shape[0], SIZE), nn.ReLU())
        self.remember = nn.LSTM(SIZE, SIZE)
        self.look, self.value = nn.Linear(SIZE, 2), nn.Linear(SIZE, 1)
        self.choose = nn.Linear(SIZE, int(envs.single_action_space[CHOICE].n))
        for layer in (self.look, self.choose, self.value):  # the gaze begins around the middle
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, seen, memory=None):
        hidden, memory = self.remember(self.see(GAIN * seen), memory)
        look = Normal(STD * self.look(hidden), STD)  # in units of STD, or its gradient would drown the others
        return look, Categorical(logits=self.choose(hidden)), self.value(hidden)[..., 0], memory


def log_prob(look, choose, location, chosen):
    """Of what counts: (T, N)."""
    return look.log_prob(location).sum(-1) * looks + choose.log_prob(chosen) * counts


@torch.no_grad()
def play(envs, seen, greedy=False):
    """An episode in every lane: observations, locations, choices, rewards (T, N, ...), successes (N,), the next one's first."""
    memory, played = None, []
    for _ in range(STEPS):
        seen = torch.from_numpy(seen)
        look, choose, _, memory = agent(seen[None], memory)
        location = (look.mean if greedy else look.sample())[0]
        chosen = (choose.probs.argmax(-1) if greedy else choose.sample())[0]
        action = {"location": location.numpy(), CHOICE: chosen.numpy(), "stop": np.zeros(len(seen), int)}
        following, reward, _, _, info = envs.step({name: action[name] for name in envs.single_action_space})
        played.append((seen, location, chosen, torch.from_numpy(reward).float()))
        seen = following
    return *map(torch.stack, zip(*played, strict=True)), info["final_info"]["is_success"], seen


agent = Agent()
optimizer = torch.optim.Adam(agent.parameters(), lr=LEARNING_RATE, eps=1e-5)
seen, _ = envs.reset(seed=1)
updates, successes = max(1, FRAMES // (LANES * STEPS)), []
for update in range(updates):
    optimizer.param_groups[0]["lr"] = LEARNING_RATE * (1 - update / updates)
    observations, locations, chosen, rewards, right, seen = play(envs, seen)
    successes.append(right.mean())
    with torch.no_grad():
        look, choose, values, _ = agent(observations)
        old = log_prob(look, choose, locations, chosen)
    advantages, advantage, next_value = torch.zeros_like(rewards), 0, 0
    for t in reversed(range(STEPS)):  # generalised advantage estimation
        advantage = rewards[t] + GAMMA * (next_value + LAMBDA * advantage) - values[t]
        advantages[t], next_value = advantage, values[t]
    returns = advantages + values
    for lanes in [lanes for _ in range(EPOCHS) for lanes in torch.randperm(LANES).chunk(PARTS)]:
        look, choose, value, _ = agent(observations[:, lanes])
        ratio = (log_prob(look, choose, locations[:, lanes], chosen[:, lanes]) - old[:, lanes]).exp()
        gain = (advantages[:, lanes] - advantages[:, lanes].mean()) / (advantages[:, lanes].std() + 1e-8)
        policy_loss = -torch.min(ratio * gain, ratio.clamp(1 - CLIP, 1 + CLIP) * gain).mean()
        entropy = (choose.entropy() * counts).mean()
        loss = policy_loss + 0.5 * (value - returns[:, lanes]).square().mean() - ENTROPY * entropy
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(agent.parameters(), 0.5)
        optimizer.step()
    if (update + 1) % max(1, updates // 20) == 0:
        share, successes = 100 * np.mean(successes), []
        print(f"{(update + 1) * LANES * STEPS} frames: {share:.0f} % of the last episodes succeeded", flush=True)
first, _ = held_out.reset(seed=2, options={"index": np.arange(5000)} if DIGITS else None)
missed = 100 - 100 * play(held_out, first, greedy=True)[-2].mean()
print(f"{missed:.2f} % of 5000 held out episodes failed, each action the likeliest")
