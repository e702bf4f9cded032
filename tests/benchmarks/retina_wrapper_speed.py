"""Frames a second behind the retina beside the bare environment. Needs ale-py, minigrid, gymnasium[box2d], crafter; what is missing is left out.

python tests/benchmarks/retina_wrapper_speed.py [ROUNDS]        # prints the tables of docs/any_environment.md

Seconds are the process's own on one core (`time.process_time`), bare environment and wrapper in turn; the median of the rounds.
"""

import datetime
import importlib.util
import os
import platform
import sys
import time
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

import gymnasium as gym
import numpy as np
from gymnasium.vector import SyncVectorEnv

from ram_envs import GlimpseSensor, RetinaVectorWrapper, RetinaWrapper

sys.path.insert(0, str(Path(__file__).parents[1] / "libraries"))

PONG = "ale_py:ALE/Pong-v5"
WIDE = {"patch_size": 12, "num_scales": 3}
NATIVE = {
    "grayscale": False, "stack_num": 1, "img_height": 210, "img_width": 160, "maxpool": False, "num_threads": 1,
}  # fmt: skip


def pong():
    return gym.make(PONG)


def rooms():
    from minigrid.wrappers import RGBImgObsWrapper

    return RGBImgObsWrapper(gym.make("minigrid:MiniGrid-FourRooms-v0"))


def racing():
    return gym.make("CarRacing-v3", continuous=False)


def crafting():
    from crafter_world import CrafterEnv

    return CrafterEnv()


def lanes(make, count=8):
    return lambda: SyncVectorEnv([make] * count)


def native():
    return gym.make_vec(PONG, num_envs=8, vectorization_mode="vector_entry_point", **NATIVE)


ROWS = [  # what, what it needs, the bare environment, the retina
    ("Pong, 210x160x3: 8x8, 3 scales (32 pixels wide)", "ale_py", pong, {"patch_size": 8, "num_scales": 3}),
    ("Pong: 12x12, 3 scales (48 wide)", "ale_py", pong, WIDE),
    ("Pong: 16x16, 4 scales (128 wide)", "ale_py", pong, {"patch_size": 16, "num_scales": 4}),
    ("Pong: 16x16, 5 scales (256 wide, whole frames summed)", "ale_py", pong, {"patch_size": 16, "num_scales": 5}),
    ("Pong: 12x12, 3 scales, the last 4 frames", "ale_py", pong, {**WIDE, "frames": 4}),
    ("Pong: 12x12, 3 scales, 4 looks a frame", "ale_py", pong, {**WIDE, "looks_per_step": 4}),
    ("Pong, 8 lanes of `SyncVectorEnv`: 12x12, 3 scales", "ale_py", lanes(pong), WIDE),
    ("Pong, 8 lanes of ale_py's own (one thread): 12x12, 3 scales", "ale_py", native, WIDE),
    ("MiniGrid FourRooms, 152x152x3: 12x12, 3 scales", "minigrid", rooms, {**WIDE, "image": "image"}),
    ("CarRacing, 96x96x3: 12x12, 3 scales", "Box2D", racing, WIDE),
    ("crafter, 64x64x3: 12x12, 3 scales", "crafter", crafting, WIDE),
]


def behind(env, retina):
    vector = hasattr(env, "num_envs")
    return (RetinaVectorWrapper if vector else RetinaWrapper)(env, action_mode="dict", **retina)


def seconds(env, actions):
    """Process seconds that these actions take, resets of single environments left out."""
    vector, total = hasattr(env, "num_envs"), 0.0
    for action in actions:
        begun = time.process_time()
        _, _, terminated, truncated, _ = env.step(action)
        total += time.process_time() - begun
        if not vector and (terminated or truncated):
            env.reset()
    return total


def compare(make, retina, rounds, steps=200):
    """Frames a second, bare and behind the retina."""
    bare, wrapped = make(), behind(make(), retina)
    looks, count = retina.get("looks_per_step", 1), getattr(bare, "num_envs", 1)
    bare.reset(seed=0)
    wrapped.reset(seed=0)
    wrapped.action_space.seed(0)
    sampled = [wrapped.action_space.sample() for _ in range(steps * looks)]
    moves = [action["move"] for action in sampled[looks - 1 :: looks]]
    speeds = []
    for _ in range(rounds + 1):
        times = seconds(bare, moves), seconds(wrapped, sampled)
        speeds.append([steps * count / each for each in times])
    bare.close()
    wrapped.close()
    return np.median(speeds[1:], axis=0), np.median([ours / its for its, ours in speeds[1:]])


def micros(function, repeats=300, rounds=7):
    """Microseconds of one call, the best round."""
    best = np.inf
    for _ in range(rounds):
        begun = time.process_time()
        for _ in range(repeats):
            function()
        best = min(best, time.process_time() - begun)
    return best / repeats * 1e6


def where_the_time_goes():
    """Parts of one step of Pong behind a 12x12 retina of three scales, in microseconds."""
    env = behind(pong(), WIDE)
    env.reset(seed=0)
    action, lane = env.action_space.sample(), env.lane
    batch = {name: [value] for name, value in action.items()}
    image, place = lane._images[0], np.zeros((1, 2), np.float32)
    speeds, _ = compare(pong, WIDE, 9)
    parts = {
        "the environment": 1e6 / speeds[0],
        "cutting out and summing 48x48x3, and the glimpse": micros(lambda: lane.sensor.glimpse_once(image, place)),
        "reading the action": micros(lambda: lane._action_mode.read(batch, 1)),
        "observation and info": micros(lambda: (env._alone(lane._observation()), env._info())),
    }
    parts["the rest: lanes, ends, rewards"] = 1e6 / speeds[1] - sum(parts.values())
    parts["(for comparison: summing the whole frame, and the glimpse)"] = micros(
        lambda: lane.sensor.glimpse(lane.sensor.integrate(image[0][None]), place)
    )
    return parts


def main(rounds=15):
    machine = (
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, NumPy {np.__version__}"
    )
    print(f"{datetime.date.today()}, {machine}, one core, median of {rounds} rounds\n")
    print("| what | bare, frames/s | behind the retina, frames/s | share |\n|---|---|---|---|")
    for name, needs, make, retina in ROWS:
        if importlib.util.find_spec(needs):
            (bare, wrapped), share = compare(make, retina, rounds)
            print(f"| {name} | {bare:,.0f} | {wrapped:,.0f} | {share:.0%} |", flush=True)
    if importlib.util.find_spec("ale_py"):
        print("\n| one step of Pong | microseconds |\n|---|---|")
        for name, part in where_the_time_goes().items():
            print(f"| {name} | {part:.0f} |")
    print("\n| side of the frame | a look, microseconds |\n|---|---|")
    for side in (100, 200, 400, 800, 1600, 3200):
        sensor, image = GlimpseSensor(12, 3), np.zeros((side, side, 3), np.uint8)
        print(f"| {side} | {micros(lambda s=sensor, i=image: s.glimpse_once([i], np.zeros((1, 2)))):.0f} |")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
