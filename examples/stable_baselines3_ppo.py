"""Stock PPO plays Catch through the retina. Needs: ram-envs[sb3].

python examples/stable_baselines3_ppo.py 1000000
"""

import sys

import gymnasium as gym
from stable_baselines3 import PPO
from stable_baselines3.common.evaluation import evaluate_policy

import ram_envs  # noqa: F401  registers the environments

env = gym.make("CatchBall-v0", obs_mode="flat")  # a memory would help: RecurrentPPO of sb3-contrib takes the same
model = PPO("MlpPolicy", env, n_steps=512, seed=0, device="cpu")
model.learn(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
mean, spread = evaluate_policy(model, model.get_env(), n_eval_episodes=20)
print(f"caught {100 * mean:.0f} % of 20 balls")
