"""Which of ten is it? Coloured sprites of an npm package, each somewhere on a photograph: a folder to train on. Needs: pillow, numpy.

npm pack emoji-datasource-twitter && tar xzf emoji-datasource-twitter-*.tgz     # makes the folder package/
pip install scikit-learn                                                        # for its two photographs; or name others
python examples/emoji_photographs.py package found/ --images 200
python agents/train_ram.py --images found/
"""

import argparse
import importlib.util
from pathlib import Path

import numpy as np
from PIL import Image

SPRITES = {
    "apple": "1f34e", "butterfly": "1f98b", "car": "1f697", "cat": "1f431", "gift": "1f381",
    "football": "26bd", "hat": "1f3a9", "key": "1f511", "star": "2b50", "tree": "1f333",
}  # fmt: skip
SIZE = (600, 400)


def scene(photograph, sprite, generator):
    """A part of the photograph, turned over or not, with the sprite somewhere on it, larger or smaller."""
    left, top, mirrored = generator.integers((0, 0, 0), (photograph.width - 599, photograph.height - 399, 2)).tolist()
    image = photograph.crop((left, top, left + SIZE[0], top + SIZE[1]))
    image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if mirrored else image
    side = int(generator.integers(48, 97))
    place = generator.integers((0, 0), (SIZE[0] - side + 1, SIZE[1] - side + 1)).tolist()
    sprite = sprite.resize((side, side))
    image.paste(sprite, tuple(place), mask=sprite)
    return image


parser = argparse.ArgumentParser(description="A folder of photographs, each with one of ten sprites on it.")
parser.add_argument("package", type=Path, help="folder of the npm package emoji-datasource-twitter")
parser.add_argument("folder", type=Path, help="where to write one subfolder per class")
parser.add_argument(
    "--photographs", type=Path, help="folder of .jpg files of at least 600x400; scikit-learn's by default"
)
parser.add_argument("--images", type=int, default=200, help="images of each class (default: %(default)s)")
parser.add_argument("--seed", type=int, default=0)
arguments = parser.parse_args()
if arguments.photographs is None:
    if (package := importlib.util.find_spec("sklearn")) is None:
        parser.error("scikit-learn is not installed: name a folder by --photographs")
    arguments.photographs = Path(package.origin).parent / "datasets" / "images"
files = sorted(arguments.photographs.glob("*.jpg"))
photographs = [Image.open(file).convert("RGB") for file in files]
generator = np.random.default_rng(arguments.seed)
for name, code in SPRITES.items():
    sprite = Image.open(arguments.package / "img" / "twitter" / "64" / f"{code}.png").convert("RGBA")
    (arguments.folder / name).mkdir(parents=True, exist_ok=True)
    for number in range(arguments.images):
        photograph = photographs[generator.integers(len(photographs))]
        scene(photograph, sprite, generator).save(arguments.folder / name / f"{number}.jpg", quality=92)
print(f"{arguments.images} images of each of {', '.join(SPRITES)} in {arguments.folder}")
