"""crafter with the interface of Gymnasium: it has an older one, and takes its seed when it is made."""

import gymnasium as gym
import numpy as np


class CrafterEnv(gym.Env):
    """crafter's world as it is drawn for the player."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}

    def __init__(self, size=64, length=10_000, render_mode="rgb_array"):
        self.size, self.length, self.render_mode = size, length, render_mode
        self.observation_space = gym.spaces.Box(0, 255, (size, size, 3), np.uint8)
        self.action_space = gym.spaces.Discrete(17)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        import crafter

        drawn = int(self.np_random.integers(2**31 - 1))
        self.world = crafter.Env(size=(self.size, self.size), length=self.length, seed=drawn)
        return self.world.reset(), {}

    def step(self, action):
        image, reward, done, info = self.world.step(int(action))
        dead = info["discount"] == 0
        achievements = sum(count > 0 for count in info["achievements"].values())
        return image, float(reward), dead, done and not dead, {"achievements": achievements}

    def render(self):
        return self.world.render()
