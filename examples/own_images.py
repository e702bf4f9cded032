"""Colour pictures of one's own size behind the retina: a stack of images and their labels. Needs: ram-envs.

`custom_dataset.py` reads them from a folder.
"""

import gymnasium as gym
import numpy as np

import ram_envs  # noqa: F401  registers the environments

generator = np.random.default_rng(0)
images = generator.integers(0, 256, (100, 48, 64, 3), dtype=np.uint8)  # 100 pictures, 64 wide and 48 high
labels = (images[..., 0].mean((1, 2)) > images[..., 2].mean((1, 2))).astype(int)  # is there more red than blue?
env = gym.make("GlimpseMNIST-v0", images=images, labels=labels, num_scales=2, num_glimpses=4)
observation, info = env.reset(seed=0)

print(
    f"glimpse {observation['glimpse'].shape}, actions {env.action_space}, picture {info['index']}, label {info['label']}"
)
