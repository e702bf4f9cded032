"""A random agent behind the retina in other people's environments: `nox -s behind_the_retina`, which installs them.

python tests/libraries/random_agent.py atari | minigrid | crafter | car_racing [STEPS]
"""

import sys
from pathlib import Path

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, SyncVectorEnv

import ram_envs

sys.path.insert(0, str(Path(__file__).parent))  # for crafter_world

WIDE = {"patch_size": 12, "num_scales": 3}
ROOMS = {"env_id": "minigrid:MiniGrid-FourRooms-v0", "image": "image", "keep_keys": ["direction"]}
WORLDS = {
    "atari": [{"env_id": "ale_py:ALE/Pong-v5"}, {"env_id": "ale_py:ALE/Breakout-v5", "frames": 2, "relative": 0.25}],
    "minigrid": [
        {**ROOMS, "env_wrappers": ["minigrid.wrappers:RGBImgObsWrapper"], "looks_per_step": 3},
        {**ROOMS, "env_wrappers": [["minigrid.wrappers:RGBImgPartialObsWrapper", {"tile_size": 9}]]},
        {"env_id": "minigrid:MiniGrid-Empty-5x5-v0", "image": "render"},
    ],
    "crafter": [{"env_id": "Crafter-v0"}],
    "car_racing": [{"env_id": "CarRacing-v3", "env_kwargs": {"continuous": c}} for c in (True, False)],
}


def same(one, other):
    """Whether two observations, infos or results are equal."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, tuple) or (isinstance(one, np.ndarray) and one.dtype == object):
        return all(a is b is None or same(a, b) for a, b in zip(one, other, strict=True))
    return np.array_equal(one, other)


def act_at_random(name, world, steps, repeatable=True):
    """Registers the world, and plays it single and as a vector in every mode; single and vector must agree."""
    ram_envs.register_retina(name, **{**WIDE, **world})
    discrete = gym.make(name).unwrapped.lane._actions.control is None
    for action_mode in ["multidiscrete", "discrete", "dict", "box"] if discrete else ["dict", "box"]:
        env = gym.make(name, action_mode=action_mode, render_mode="rgb_array")
        env.reset(seed=0)
        env.action_space.seed(0)
        for _ in range(steps // 10):
            observation, _, terminated, truncated, info = env.step(env.action_space.sample())
            assert observation in env.observation_space
            assert env.render().dtype == np.uint8
            if terminated or truncated:
                env.reset()
        env.close()
    for mode in (AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP):
        vector = gym.make_vec(name, num_envs=2, autoreset_mode=mode)
        single = SyncVectorEnv([lambda: gym.make(name)] * 2, autoreset_mode=mode)
        assert same(vector.reset(seed=1), single.reset(seed=1))
        vector.action_space.seed(0)
        for _ in range(steps):
            actions = vector.action_space.sample()
            found, expected = vector.step(actions), single.step(actions)
            assert same(found, expected) or not repeatable
        vector.close()
        single.close()
    print(f"{world}: {vector.single_observation_space}, {vector.single_action_space}; last info: {info}")


def native_atari(steps):
    """ale_py's own vector environment, in both of its autoreset modes, beside itself without the retina."""
    for mode in (AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP):
        for form in ({}, {"grayscale": False, "stack_num": 1, "img_height": 210, "img_width": 160}):
            kwargs = {"num_envs": 3, "autoreset_mode": mode, "max_num_frames_per_episode": 200, "frameskip": 4, **form}
            bare, behind = (
                gym.make_vec("ale_py:ALE/Pong-v5", vectorization_mode="vector_entry_point", **kwargs) for _ in range(2)
            )
            envs = ram_envs.RetinaVectorWrapper(behind, initial_location="center", action_mode="dict", **WIDE)
            envs.reset(seed=5)
            bare.reset(seed=5)
            envs.action_space.seed(0)
            ends = 0
            for _ in range(steps):
                action = envs.action_space.sample()
                seen, *rest, info = envs.step(action)
                frames, *expected, told = bare.step(action["move"])
                images = np.moveaxis(frames, 1, -1) if frames.ndim == 4 else frames[:, 0]
                assert same(seen["glimpse"], envs.sensor(images, seen["location"]))
                assert all(map(same, rest, expected))
                assert all(same(info[name], value) for name, value in told.items() if name != "final_obs")
                ends += int(rest[2].sum())
            assert ends
            envs.close()
            bare.close()
            print(f"ale_py's vector environment, {mode.value}, {form or '84x84, stack of 4'}: {ends} episodes")


def main(library, steps=300):
    if library == "crafter":
        gym.register("Crafter-v0", entry_point="crafter_world:CrafterEnv")
    for number, world in enumerate(WORLDS[library]):  # crafter picks creatures in the order of their addresses
        act_at_random(f"Behind{number}-v0", world, steps, repeatable=library != "crafter")
    if library == "atari":
        native_atari(steps)


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
