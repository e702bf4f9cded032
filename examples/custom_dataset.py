"""A folder of images behind the retina, with one subfolder per class. Needs: ram-envs[images].

python examples/custom_dataset.py                              # with a small folder made on the spot
python examples/custom_dataset.py ~/photos --picture seen.png
"""

import argparse
import tempfile
from pathlib import Path

import gymnasium as gym
import numpy as np
from PIL import Image, ImageDraw

import ram_envs  # noqa: F401  registers the environments


def make_demo(folder):
    """Discs and squares of any colour, somewhere on grey, in two sizes."""
    generator = np.random.default_rng(0)
    for name in ("disc", "square"):
        (folder / name).mkdir()
        for number in range(10):
            image = Image.new("RGB", (160, 120 + number % 2 * 40), "grey")
            x, y, side = generator.integers((0, 0, 30), (100, 60, 60)).tolist()
            colour = tuple(generator.integers(0, 256, 3).tolist())
            shape = getattr(ImageDraw.Draw(image), "ellipse" if name == "disc" else "rectangle")
            shape((x, y, x + side, y + side), fill=colour)
            image.save(folder / name / f"{number}.png")


parser = argparse.ArgumentParser(description="A folder of images behind the retina.")
parser.add_argument("folder", nargs="?", type=Path, help="has one subfolder per class")
parser.add_argument("--picture", type=Path, help="where to draw the last glimpse")
arguments = parser.parse_args()
with tempfile.TemporaryDirectory() as demo:
    if arguments.folder is None:
        make_demo(Path(demo))
    try:
        env = gym.make("GlimpseImages-v0", images=arguments.folder or demo, num_glimpses=6, render_mode="rgb_array")
    except ValueError as error:
        raise SystemExit(f"error: {error}") from None
    observation, info = env.reset(seed=0)
    world = env.unwrapped
    print(
        f"{world.num_images} training images of {', '.join(world.class_names)}; glimpse {observation['glimpse'].shape}"
    )
    print(f"the first is a {world.class_names[info['label']]}, actions {env.action_space}")
    if arguments.picture:
        Image.fromarray(env.render()).save(arguments.picture)
