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


def scene(photograph, sprite, size, sides, generator):
    """A part of the photograph as a picture of that size, turned over or not, with the sprite somewhere on it, larger or smaller."""
    width, height = size
    zoom = max(width / photograph.width, height / photograph.height, 1.0)  # a small photograph is enlarged
    part = np.array([width, height]) / zoom
    left, top = generator.random(2) * (np.array(photograph.size) - part)
    image = photograph.resize(size, box=(left, top, left + part[0], top + part[1]))
    image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if generator.random() < 0.5 else image
    side = int(generator.integers(sides[0], sides[1] + 1))
    place = generator.integers((0, 0), (width - side + 1, height - side + 1)).tolist()
    sprite = sprite.resize((side, side))
    image.paste(sprite, tuple(place), mask=sprite)
    return image


def size(words):
    """ "600x400" as two numbers."""
    width, height = map(int, words.split("x"))
    return width, height


parser = argparse.ArgumentParser(description="A folder of photographs, each with one of ten sprites on it.")
parser.add_argument("package", type=Path, help="folder of the npm package emoji-datasource-twitter")
parser.add_argument("folder", type=Path, help="where to write one subfolder per class")
parser.add_argument("--photographs", type=Path, help="folder of .jpg files; scikit-learn's by default")
parser.add_argument(
    "--size", type=size, default=(600, 400), help="of the pictures, such as 4000x3000 (default: 600x400)"
)
parser.add_argument("--sprite", type=int, nargs=2, default=(48, 96), help="its least and greatest side in pixels")
parser.add_argument("--images", type=int, default=200, help="images of each class (default: %(default)s)")
parser.add_argument("--seed", type=int, default=0, help="another adds other images to the folder")
arguments = parser.parse_args()
if arguments.photographs is None:
    if (package := importlib.util.find_spec("sklearn")) is None:
        parser.error("scikit-learn is not installed: name a folder by --photographs")
    arguments.photographs = Path(package.origin).parent / "datasets" / "images"
photographs = [Image.open(file).convert("RGB") for file in sorted(arguments.photographs.glob("*.jpg"))]
if not photographs or max(arguments.sprite) > min(arguments.size):
    parser.error("there must be .jpg files among the photographs, and the sprite must fit on the pictures")
generator = np.random.default_rng(arguments.seed)
for name, code in SPRITES.items():
    sprite = Image.open(arguments.package / "img" / "twitter" / "64" / f"{code}.png").convert("RGBA")
    (arguments.folder / name).mkdir(parents=True, exist_ok=True)
    for number in range(arguments.images):
        photograph = photographs[generator.integers(len(photographs))]
        image = scene(photograph, sprite, arguments.size, arguments.sprite, generator)
        image.save(arguments.folder / name / f"{arguments.seed}-{number}.jpg", quality=92)
print(f"{arguments.images} images of each of {', '.join(SPRITES)} in {arguments.folder}")
