"""Looks around at random and prints what comes back. Needs: ram-envs."""

import gymnasium as gym

import ram_envs  # noqa: F401  registers the environments

env = gym.make("CatchBall-v0", action_mode="dict")
env.action_space.seed(0)
observation, info = env.reset(seed=0)
terminated = False
while not terminated:
    observation, reward, terminated, truncated, info = env.step(env.action_space.sample())
    x, y = observation["location"]
    print(f"looked at ({x:+.2f}, {y:+.2f}), the glimpse's mean is {observation['glimpse'].mean():.4f}, reward {reward}")
print(f"{info['balls_caught']} caught after {info['num_glimpses']} glimpses")
env.close()
