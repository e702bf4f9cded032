"""Somebody else's world: a gap in a wall of lava, seen one cell at a time. Needs: ram-envs, minigrid.

ram-envs play --env examples.minigrid_lava:RetinaLavaGap-v0           # docs/any_environment.md has what agents learn here
python agents/train_ram.py --env examples.minigrid_lava:RetinaLavaGap-v0
"""

import gymnasium as gym
from gymnasium.spaces import Discrete

import ram_envs

ram_envs.register_retina(
    "RetinaLavaGap-v0",
    "minigrid:MiniGrid-LavaGapS5-v0",
    env_wrappers=[
        "minigrid.wrappers:RGBImgObsWrapper",  # the whole world as 40x40 pixels, eight a cell
        ("gymnasium.wrappers:TransformAction", {"func": int, "action_space": Discrete(3)}),  # turn left, right, go
    ],
    image="image",
    patch_size=8,
    initial_location="center",
    key_bindings={"left": 0, "right": 1, "up": 2},
)

if __name__ == "__main__":
    env = gym.make("RetinaLavaGap-v0")
    observation, info = env.reset(seed=0)
    print(f"glimpse {observation['glimpse'].shape} of {env.unwrapped.lane.screen}, actions {env.action_space}")
