"""A folder of image files as people have it: which images it holds, of which class and split, and what was left out and why.

One subfolder per class, as torchvision's ImageFolder has it, or such folders below `train/`, `validation/` and `test/`. Whether
a file is an image is decided by its content, not its name. Nothing is decoded before it is shown, but each file is looked
at once: header, size, and whether its end is there.

Pillow is imported when a folder is read, not with this module.
"""

from __future__ import annotations

import hashlib
import os
import stat
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ram_envs.arguments import real_number, shown, whole_number
from ram_envs.datasets import SPLITS

SPLIT_FOLDERS = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "test": "test",
    "testing": "test",
}
FORMATS = ("AVIF", "BMP", "DIB", "GIF", "HEIF", "JPEG", "JPEG2000", "MPO", "PNG", "PPM", "TGA", "TIFF", "WEBP")
_NOT_OURS = ("__MACOSX", "Thumbs.db", "desktop.ini", "@eaDir")  # what systems leave behind
_HIDDEN = "hidden"
_END_OF_JPEG = b"\xff\xd9"
_TURNS = {
    1: None, 2: "FLIP_LEFT_RIGHT", 3: "ROTATE_180", 4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE", 6: "ROTATE_270", 7: "TRANSVERSE", 8: "ROTATE_90",
}  # fmt: skip
"""EXIF's orientation -> what turns such an image upright, as Pillow calls it."""
_ON_THEIR_SIDE = (5, 6, 7, 8)


@dataclass(frozen=True)
class ImageFiles:
    """The images of one split.

    Attributes:
        paths: where they are.
        labels: int64 (N,), the class of each.
        sizes: int64 (N, 2), height and width in pixels, upright.
    """

    paths: tuple[Path, ...]
    labels: NDArray[np.int64]
    sizes: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.paths)


@dataclass(frozen=True)
class ImageFolder:
    """What a folder holds.

    Attributes:
        folder: its absolute path.
        class_names: names of the classes, sorted.
        splits: "train", "validation" and "test".
        left_out: everything that is no part of them, by its path in the folder, and why.
    """

    folder: Path
    class_names: tuple[str, ...]
    splits: Mapping[str, ImageFiles]
    left_out: Mapping[str, str]

    @property
    def largest(self) -> tuple[int, int]:
        """The largest height and the largest width of all images, of any split."""
        height, width = np.concatenate([files.sizes for files in self.splits.values()]).max(axis=0).tolist()
        return height, width

    def report(self, names: int = 3) -> str:
        """What was left out, counted by reason, with the first names, and if there is but one class; "" for nothing, or nothing but hidden files."""
        left_out, one = self._left_out(names), len(self.class_names) == 1
        alone = f"{self.folder} has one class, {', '.join(self.class_names)}: nothing to tell apart. If classes lie deeper, name the folder they are in."
        return "\n".join(filter(None, [alone * one, left_out]))

    def _left_out(self, names: int) -> str:
        reasons: dict[str, list[str]] = {}
        for path, reason in self.left_out.items():
            reasons.setdefault(reason, []).append(path)
        if not set(reasons) - {_HIDDEN}:
            return ""
        lines = []
        for reason, paths in sorted(reasons.items()):
            more = f" and {len(paths) - names} more" if len(paths) > names else ""
            lines.append(f"  {len(paths)} {reason}: {', '.join(paths[:names])}{more}")
        return "\n".join([f"{len(self.left_out)} of what is in {self.folder} is left out:", *lines])


@dataclass(frozen=True)
class Reading:
    """How an image file becomes an array.

    Attributes:
        channels: 3 for colour, 1 for grey.
        background: colour that transparent pixels lie on, as Pillow names it.
        largest_side: images with a longer side are shrunk to this; None for none.
    """

    channels: int = 3
    background: str = "white"
    largest_side: int | None = None

    def __post_init__(self) -> None:
        if whole_number("channels", self.channels, 1) not in (1, 3):
            raise ValueError(f"channels must be 3 (colour) or 1 (grey), got {self.channels}.")
        if self.largest_side is not None:
            whole_number("largest_side", self.largest_side, 1)
        pillow = load_pillow()
        try:
            pillow.ImageColor.getrgb(self.background)
        except (ValueError, AttributeError, TypeError):
            known = 'a colour such as "white" or "#808080"'
            raise ValueError(f"background must be {known}, got {shown(self.background)}.") from None

    def shape(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of what `read` makes of an image of that size."""
        longest = max(height, width)
        if self.largest_side is None or longest <= self.largest_side:
            return height, width
        factor = self.largest_side / longest
        return max(1, round(height * factor)), max(1, round(width * factor))

    def read(self, path: Path, size: tuple[int, int]) -> NDArray[np.uint8]:
        """An image file of that height and width as uint8 (H, W, channels), upright.

        Raises:
            OSError: it is no such image any more, though it was when the folder was listed.
        """
        height, width = self.shape(*size)
        try:
            with _opened(path) as image:
                if self.largest_side is not None:
                    image.draft(
                        None, _turned((width, height), _orientation(image, path))
                    )  # a JPEG can be decoded smaller
                plain = _plain(image, path, self.background)
            if plain.mode in ("LAB", "HSV"):  # which Pillow turns into RGB alone
                plain = plain.convert("RGB")
            plain = plain if plain.mode == self.mode else plain.convert(self.mode)
            if self.largest_side is not None and plain.size != (width, height):
                lanczos = load_pillow().Image.Resampling.LANCZOS
                plain = plain.resize((width, height), lanczos, reducing_gap=3.0)
        except Exception as error:  # damage shows in any way
            raise OSError(
                f"{path} cannot be read as an image ({_first_line(error)}): mend it or take it out."
            ) from None
        if plain.size != (width, height):
            raise OSError(f"{path} has changed since its folder was listed.")
        pixels: NDArray[np.uint8] = np.asarray(plain)
        return pixels if pixels.ndim == 3 else pixels[..., None]

    @property
    def mode(self) -> str:
        """What Pillow calls it."""
        return "RGB" if self.channels == 3 else "L"


def load_pillow() -> ModuleType:
    """Pillow, with the modules that are used here; a ValueError says how to come by it."""
    try:
        import PIL
        import PIL.Image
        import PIL.ImageColor
    except ImportError:
        raise ValueError('Image files are read with Pillow: pip install "ram-envs[images]".') from None
    return PIL


def read_folder(
    folder: str | Path, validation_share: float = 0.15, test_share: float = 0.15, split_seed: int = 0
) -> ImageFolder:
    """Lists a folder of images.

    Where it is not divided into `train/`, `validation/` and `test/`, or lacks one of the last two, that split is taken from the rest: the
    same share of every class, chosen by the names of the files and the seed, so that a new image moves few others.

    Args:
        folder: has one subfolder per class, or `train/`, `validation/` and `test/` above them. Folders within a class belong to it.
        validation_share: share of a class that is taken for validation, at least one image of three.
        test_share: share of a class that is taken for the test, at least one image of two.
        split_seed: of the choice.

    Raises:
        ValueError: the folder is no folder, holds no images in classes, or too few.
    """
    if not isinstance(folder, str | Path) or not str(folder):
        a_number = " A folder that is called by a number is written ./2024." if isinstance(folder, int) else ""
        raise ValueError(f"images must name a folder with one subfolder per class, got {shown(folder)}.{a_number}")
    shares = {
        "validation": real_number("validation_share", validation_share, 0, 1),
        "test": real_number("test_share", test_share, 0, 1),
    }
    if sum(shares.values()) >= 1:
        raise ValueError("validation_share and test_share must leave something for training: their sum is below 1.")
    whole_number("split_seed", split_seed, 0)
    root = Path(folder).expanduser().absolute()
    if not root.is_dir():
        raise ValueError(f"images must name a folder, and {root} is none.")
    load_pillow()
    search = _Search(root)
    found = search.splits()
    names = tuple(sorted({name for classes in found.values() for name, files in classes.items() if files}))
    if not names:
        raise ValueError(
            f"{root} has no subfolders with images in them: each class needs one.\n{search.report()}".rstrip()
        )
    missing = {split: share for split, share in shares.items() if not any(found.get(split, {}).values())}
    for name in names:
        for split, files in _divided(found["train"].pop(name, []), missing, split_seed).items():
            found.setdefault(split, {})[name] = files
    splits = {split: _as_files(found.get(split, {}), names, root) for split in SPLITS}
    for split, listed in splits.items():
        if not len(listed) and shares.get(split, 1):
            raise ValueError(
                f"{root} leaves no image for the split {split!r}: a class needs at least three images, or give {split}_share=0.\n"
                f"{search.report()}".rstrip()
            )
    if untaught := sorted({*names} - {names[label] for label in splits["train"].labels}):
        warnings.warn(
            f"{root} has no image to learn these classes from, only such to be scored on: {', '.join(map(_printable, untaught))}.",
            stacklevel=3,
        )
    return ImageFolder(root, tuple(map(_printable, names)), splits, search.left_out)


_File = tuple[str, tuple[int, int]]  # path below the folder, with /; height and width


class _Search:
    """A walk through a folder that notes what it leaves out."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.left_out: dict[str, str] = {}

    def splits(self) -> dict[str, dict[str, list[_File]]]:
        """Split -> class -> files; all is "train" where the folder is not divided."""
        folders = self._folders(self.root)
        parts = {name: SPLIT_FOLDERS[name.lower()] for name in folders if name.lower() in SPLIT_FOLDERS}
        trains = [name for name, split in parts.items() if split == "train"]
        # A class of trains, beside others.
        others = len(parts) == len(trains) and any(
            self._has_image(self.root / name, "**/*") for name in folders if name not in parts
        )
        divided = [  # where images lie in the folder itself, it is a class
            name for name in parts if self._has_folders(self.root / name) and not self._has_image(self.root / name, "*")
        ]
        if divided and (others or not trains):
            warnings.warn(
                f"{' and '.join(divided)} in {self.root} will be taken for classes: splits are told apart only where there is a folder train, and beside it no class.",
                stacklevel=4,
            )
        if others or not any(self._has_folders(self.root / name) for name in trains):
            return {"train": {name: self._images(self.root / name) for name in folders}}
        found: dict[str, dict[str, list[_File]]] = {}
        for name in folders:
            if name not in parts:
                self._leave_out(self.root / name, "beside train, and no split")
                continue
            classes = found.setdefault(parts[name], {})
            for class_name in self._folders(self.root / name):
                classes.setdefault(class_name, []).extend(self._images(self.root / name / class_name))
        return found

    def report(self) -> str:
        return ImageFolder(self.root, (), {}, self.left_out).report()

    def _leave_out(self, path: Path, reason: str) -> None:
        self.left_out[_printable(path.relative_to(self.root))] = reason

    def _visible(self, folder: Path) -> Iterator[Path]:
        """What is in a folder, sorted, less what is hidden."""
        try:
            names = sorted(os.listdir(folder))
        except OSError as error:
            self._leave_out(folder, f"cannot be opened ({error.strerror})")
            return
        for name in names:
            if name.startswith(".") or name in _NOT_OURS:
                self._leave_out(folder / name, _HIDDEN)
            else:
                yield folder / name

    def _folders(self, folder: Path) -> list[str]:
        """Names of the folders in a folder; files there belong to no class."""
        names = []
        for path in self._visible(folder):
            if path.is_dir():
                names.append(path.name)
            else:
                self._leave_out(path, "in no class folder")
        return names

    @staticmethod
    def _has_folders(folder: Path) -> bool:
        return any(path.is_dir() and not path.name.startswith(".") for path in folder.iterdir())

    @staticmethod
    def _has_image(folder: Path, among: str) -> bool:
        return any(not isinstance(_look_at(path), str) for path in folder.glob(among))

    def _images(self, folder: Path) -> list[_File]:
        """The images of the class whose folder this is."""
        files = self._files(folder, {os.path.realpath(self.root)})
        if not files:
            self._leave_out(folder, "class folder(s) without an image")
        return files

    def _files(self, folder: Path, walked: set[str]) -> list[_File]:
        """The images in a folder and in those below it, of which none is walked through twice."""
        real = os.path.realpath(folder)
        if real in walked:
            self._leave_out(folder, "link(s) in a circle")
            return []
        walked.add(real)
        files: list[_File] = []
        for path in self._visible(folder):
            if path.is_dir():
                files += self._files(path, walked)
                continue
            found = _look_at(path)
            if isinstance(found, str):
                self._leave_out(path, found)
            else:
                files.append((path.relative_to(self.root).as_posix(), found))
        return files


def _divided(files: list[_File], shares: Mapping[str, float], seed: int) -> dict[str, list[_File]]:
    """The files of one class, those of "train" and of the splits that are to be taken from them."""

    def rank(file: _File) -> bytes:
        return hashlib.sha256(f"{seed}/{file[0]}".encode("utf-8", "surrogateescape")).digest()

    left, taken = sorted(files, key=rank), {}
    for split, enough in (("test", 2), ("validation", 3)):
        share = shares.get(split, 0)
        count = max(int(len(files) * share + 0.5), share > 0 and len(files) >= enough)
        count = min(count, max(len(left) - 1, 0))
        taken[split], left = left[:count], left[count:]
    return {"train": left, **{split: taken[split] for split in shares}}


def _as_files(classes: Mapping[str, list[_File]], names: tuple[str, ...], root: Path) -> ImageFiles:
    listed = [(path, size, label) for label, name in enumerate(names) for path, size in sorted(classes.get(name, []))]
    return ImageFiles(
        tuple(root / path for path, _, _ in listed),
        np.array([label for _, _, label in listed], np.int64),
        np.array([size for _, size, _ in listed], np.int64).reshape(-1, 2),
    )


def _look_at(path: Path) -> tuple[int, int] | str:
    """Height and width of an image, or why the file is left out."""
    try:
        found = path.stat()
    except OSError as error:
        return f"cannot be opened ({error.strerror})"
    if not stat.S_ISREG(found.st_mode):
        return "no file"
    return _inspected(str(path), found.st_size, found.st_mtime_ns) if found.st_size else "empty"


@lru_cache(2**18)
def _inspected(path: str, size: int, changed: int) -> tuple[int, int] | str:
    """`_look_at`, once for each file as long as it does not change."""
    file = Path(path)
    try:
        with _opened(file) as image:
            if image.format in ("JPEG", "MPO") and not _jpeg_ends(file):
                return "truncated"
            if not _quick(image, file):  # seldom a photograph: decoded, to see whether it can be
                width, height = _plain(image, file, "white").convert("RGB").size
                return height, width
            width, height = _turned(image.size, _orientation(image, file))
            if image.format == "PNG":
                image.verify()  # every part has its checksum
    except Exception as error:  # a damaged file makes Pillow stumble in any way
        return _reason(error)
    return height, width


def _reason(error: Exception) -> str:
    """Why a file is left out, in words that are the same for every file with the same fault."""
    name = type(error).__name__
    if name == "UnidentifiedImageError":
        return "no image that Pillow reads"
    if name == "DecompressionBombError":
        return "too large for Pillow"
    if isinstance(error, PermissionError):
        return "cannot be opened (Permission denied)"
    return "truncated" if "truncated" in str(error).lower() else "damaged"


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """An image file; Pillow keeps its doubts about files to itself."""
    pillow = load_pillow()
    pillow.Image.init()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pillow.Image.open(path, formats=[each for each in FORMATS if each in pillow.Image.OPEN]) as image:
            yield image


def _jpeg_ends(path: Path) -> bool:
    """Whether the image data of a JPEG file end where they should, and not where the file broke off.

    Within the image data a byte 255 is followed by 0 or a restart mark, so that an end mark is one. Cameras write more behind it.
    """
    with path.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - 4096))
        if _END_OF_JPEG in file.read():
            return True
        file.seek(0)
        content = file.read()
    scan = content.rfind(b"\xff\xda")  # the last begins here; a thumbnail before it has an end mark too
    return content.find(_END_OF_JPEG, max(scan, 0)) >= 0


def _quick(image: Any, path: Path) -> bool:
    """Whether size and soundness of an image can be told without decoding it: TIFF turns itself, PNG may have EXIF behind the pixels."""
    return image.format in ("JPEG", "MPO") or (image.format == "PNG" and b"eXIf" not in path.read_bytes())


def _orientation(image: Any, path: Path) -> int:
    """How the camera was held, as EXIF has it, before the pixels are decoded where that can be; 1 for upright."""
    if not _quick(image, path):
        image.load()
    try:
        found = load_pillow().Image.Image.getexif(image).get(0x0112, 1)
    except Exception:  # EXIF is written by everybody, in every way
        return 1
    return found if isinstance(found, int) and found in _TURNS else 1


def _turned(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    """Width and height when upright of what is stored so, or the other way round."""
    return size[::-1] if orientation in _ON_THEIR_SIDE else size


def _plain(image: Any, path: Path, background: str) -> Any:
    """An opened image upright, of 8 bits, without transparency."""
    turn = _TURNS[_orientation(image, path)]
    image.load()
    plain = _over_background(_eight_bits(image), background)
    return plain if turn is None else plain.transpose(load_pillow().Image.Transpose[turn])


def _eight_bits(image: Any) -> Any:
    """An image of 16 or 32 bits or of floats as one of 8: the whole range, 65535 or 1.0, becomes 255."""
    if not image.mode.startswith(("I", "F")):
        return image
    values = np.nan_to_num(np.asarray(image).astype(np.float64))
    if image.mode == "F" and values.max(initial=0) <= 1:
        values = 255 * values
    elif values.max(initial=0) > 255 or image.mode.startswith("I"):
        values = values / 257
    return load_pillow().Image.fromarray(np.rint(values).clip(0, 255).astype(np.uint8))


def _over_background(image: Any, background: str) -> Any:
    """An image without transparency."""
    if not image.has_transparency_data and image.mode not in ("RGBa", "La"):
        return image
    pillow = load_pillow()
    image = image.convert("RGBA")
    below = pillow.Image.new("RGBA", image.size, (*pillow.ImageColor.getrgb(background)[:3], 255))
    return pillow.Image.alpha_composite(below, image)


def _printable(path: Path | str) -> str:
    return os.fsencode(Path(path).as_posix()).decode("utf-8", "replace")


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]
