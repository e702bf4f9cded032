"""A folder of images behind the retina, with one subfolder per class. Needs: ram-envs, pillow.

python examples/custom_dataset.py                              # with a small folder made on the spot
python examples/custom_dataset.py ~/photos --size 320 240 --picture seen.png
"""

import argparse
import tempfile
from pathlib import Path

import gymnasium as gym
import numpy as np
from PIL import Image, ImageDraw

import ram_envs  # noqa: F401  registers the environments

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".webp"}


def make_demo(folder):
    """Discs and squares of any colour, somewhere on grey."""
    generator = np.random.default_rng(0)
    for name in ("disc", "square"):
        (folder / name).mkdir()
        for number in range(10):
            image = Image.new("RGB", (160, 120), "grey")
            x, y, side = generator.integers((0, 0, 30), (100, 60, 60)).tolist()
            colour = tuple(generator.integers(0, 256, 3).tolist())
            shape = getattr(ImageDraw.Draw(image), "ellipse" if name == "disc" else "rectangle")
            shape((x, y, x + side, y + side), fill=colour)
            image.save(folder / name / f"{number}.png")


def read_folder(folder, size):
    """Images (N, height, width, 3), their classes (N,), and the names of the classes."""
    files = [file for file in sorted(folder.glob("*/*")) if file.suffix.lower() in SUFFIXES]
    if not files:
        raise SystemExit(f"error: {folder} has no subfolders with images in them.")
    names, labels = np.unique([file.parent.name for file in files], return_inverse=True)
    return np.stack([Image.open(file).convert("RGB").resize(size) for file in files]), labels, names


parser = argparse.ArgumentParser(description="A folder of images behind the retina.")
parser.add_argument("folder", nargs="?", type=Path, help="has one subfolder per class")
parser.add_argument("--size", nargs=2, type=int, default=(160, 120), help="width and height that images are brought to")
parser.add_argument("--picture", type=Path, help="where to draw the last glimpse")
arguments = parser.parse_args()
with tempfile.TemporaryDirectory() as demo:
    if arguments.folder is None:
        make_demo(Path(demo))
    images, labels, names = read_folder(arguments.folder or Path(demo), tuple(arguments.size))
retina = {"patch_size": 16, "num_scales": 3, "num_glimpses": 6}
env = gym.make("GlimpseMNIST-v0", images=images, labels=labels, render_mode="rgb_array", **retina)
observation, info = env.reset(seed=0)
print(f"{len(images)} images of {', '.join(names)}; glimpse {observation['glimpse'].shape}, actions {env.action_space}")
if arguments.picture:
    Image.fromarray(env.render()).save(arguments.picture)
