"""GlimpseImages: a folder of one's own images behind the retina, each whole and at its own size."""

from __future__ import annotations

import math
from collections import OrderedDict
from functools import cache
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from ram_envs.arguments import one_of, whole_number
from ram_envs.batched_env import Lanes, RetinaEnv
from ram_envs.classification import ClassificationVectorEnv
from ram_envs.datasets import SPLITS
from ram_envs.glimpse_sensor import MOST_SCALES, GlimpseSensor
from ram_envs.image_folder import Reading, read_folder

PATCH_SIZE = 16
TableKey = tuple[Path, tuple[int, int], Reading, int]
"""An image's path, height and width, how it is to be read, and when it was last changed."""
_warned: set[str] = set()


class TableCache:
    """Summed-area tables of image files; those least recently used go, so that together they stay below a limit.

    All environments of a process that name the same limit share one: `tables_within(megabytes)`.
    """

    def __init__(self, megabytes: int) -> None:
        self.megabytes, self.bytes = megabytes, 0
        self._tables: OrderedDict[tuple[Any, ...], NDArray[np.uint32]] = OrderedDict()

    def __contains__(self, key: TableKey) -> bool:
        return key in self._tables

    def table(self, key: TableKey) -> NDArray[np.uint32]:
        """The table (1, H + 1, W + 1, C) of an image."""
        if key in self._tables:
            self._tables.move_to_end(key)
            return self._tables[key]
        path, size, reading, _ = key
        height, width = reading.shape(*size)
        self._make_room(4 * (height + 1) * (width + 1) * reading.channels)
        table = GlimpseSensor.integrate(reading.read(path, size)[None])
        self._tables[key] = table
        self.bytes += table.nbytes
        return table

    def _make_room(self, needed: int) -> None:
        while self._tables and self.bytes + needed > self.megabytes * 10**6:
            self.bytes -= self._tables.popitem(last=False)[1].nbytes

    def __deepcopy__(self, memo: dict[int, Any]) -> TableCache:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return tables_within, (self.megabytes,)  # what it holds can be made again


@cache
def tables_within(megabytes: int) -> TableCache:
    """The cache of this process with that limit."""
    return TableCache(megabytes)


class GlimpseImagesVectorEnv(ClassificationVectorEnv):
    """Any number of lanes of GlimpseImages; spaces, rewards and arguments are described in `GlimpseImagesEnv`."""

    retina_defaults = {"patch_size": PATCH_SIZE, "initial_location": "center"}

    def __init__(
        self,
        num_envs: int = 1,
        *,
        images: str | Path | None = None,
        validation_share: float = 0.15,
        test_share: float = 0.15,
        split_seed: int = 0,
        channels: int = 3,
        background: str = "white",
        largest_side: int | None = None,
        cache_megabytes: int = 1024,
        num_glimpses: int = 8,
        num_scales: int | None = None,
        split: str = "train",
        **retina: Any,
    ) -> None:
        one_of("split", split, SPLITS)
        if images is None:
            raise ValueError('GlimpseImages needs a folder with one subfolder per class: images="photos/".')
        self.reading = Reading(channels, background, largest_side)
        self.cache = tables_within(whole_number("cache_megabytes", cache_megabytes, 0))
        self.folder = read_folder(images, validation_share, test_share, split_seed)
        self.files = self.folder.splits[split]
        if not len(self.files):
            raise ValueError(f"{self.folder.folder} has no images of the split {split!r}, as {split}_share is 0.")
        self._changed = [path.stat().st_mtime_ns for path in self.files.paths]
        self.labels, self.class_names = self.files.labels, self.folder.class_names
        shapes = [self.reading.shape(*size) for files in self.folder.splits.values() for size in files.sizes.tolist()]
        self._largest = max(shapes, key=math.prod)
        height, width = np.max(shapes, axis=0).tolist()
        if num_scales is None:
            patch_size = whole_number("patch_size", retina.get("patch_size", PATCH_SIZE), 1)
            num_scales = scales_to_cover(max(height, width), patch_size)
        super().__init__(
            num_envs,
            split=split,
            num_glimpses=num_glimpses,
            screen=(height, width, self.reading.channels),
            num_scales=num_scales,
            **retina,
        )
        report = self.folder.report()
        if report and report not in _warned:
            _warned.add(report)
            gym.logger.warn(report)

    @property
    def lane_bytes(self) -> int:
        """Bytes that one lane takes: the table of the largest image, and its glimpse; the limit of the cache is for all lanes."""
        height, width = self._largest
        channels = self.reading.channels
        return 4 * (height + 1) * (width + 1) * channels + self._glimpse_bytes

    @property
    def scene_sides(self) -> NDArray[np.int64]:  # type: ignore[override]
        """Height and width (N, 2) of the image in each lane."""
        return np.array([self.reading.shape(*size) for size in self.files.sizes[self._indices].tolist()])

    def show(self, lanes: Lanes, indices: NDArray[np.int64], draws: NDArray[np.float64]) -> None:
        """Nothing is to be made: an image is decoded when it is looked at."""

    def screens(self, lanes: Lanes) -> NDArray[np.uint8]:
        raise NotImplementedError("Images of several sizes are no one array: see `image`.")

    def image(self, index: int) -> NDArray[np.uint8]:
        """Image i of the split as the retina has it: uint8 (H, W, channels)."""
        sums = self.cache.table(self._key(index))[0]  # uint32, which wraps around, and so do differences
        pixels: NDArray[np.uint8] = np.diff(np.diff(sums, axis=0), axis=1).astype(np.uint8)
        return pixels

    def whole_scenes(
        self, indices: NDArray[np.int64], draws: NDArray[np.float64]
    ) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Images (N,) of the split, all of one size, as an array (N, H, W, C), and their labels (N,); nothing of them is drawn.

        Raises:
            ValueError: if they are not all of one size.
        """
        images = [self.image(index) for index in indices.tolist()]
        if len(shapes := {image.shape[:2] for image in images}) > 1:
            raise ValueError(f"Whole images must be of one size to be seen at once, got {sorted(shapes)[:3]}.")
        return np.stack(images), self.labels[indices]

    def _key(self, index: int) -> TableKey:
        height, width = self.files.sizes[index].tolist()
        return self.files.paths[index], (height, width), self.reading, self._changed[index]

    def _make_tables(self) -> None:
        """The cache has them."""

    def _integrate(self, lanes: Lanes) -> None:
        """The cache does, when an image is looked at."""

    def _glimpse(self, lanes: Lanes, places: NDArray[np.float32]) -> NDArray[np.float32]:
        glimpses = np.empty((len(lanes), *self.sensor.glimpse_shape(self.reading.channels)), np.float32)
        indices = self._indices[lanes]
        keys = {index: self._key(index) for index in np.unique(indices).tolist()}
        for index, key in sorted(
            keys.items(), key=lambda each: each[1] not in self.cache
        ):  # what is there, before it goes
            rows = np.flatnonzero(indices == index)
            glimpses[rows] = self.sensor.glimpse(self.cache.table(key), places[rows], np.zeros(len(rows), np.int64))
        return glimpses

    def _scene(self, lane: int) -> NDArray[np.uint8]:
        return self.image(int(self._indices[lane]))

    def goal(self) -> str:
        return f"What is in the picture? You have {self.num_glimpses} glimpses."

    def rules(self) -> list[str]:
        """Which key is which class."""
        names = ", ".join(f"{key} {name}" for key, name in enumerate(self.class_names[:10]))
        return ["Click to look there next.", f"Press a digit key to answer: {names}."]


def scales_to_cover(side: int, patch_size: int) -> int:
    """How many scales it takes until the coarsest patch is at least that many pixels wide; no more than there can be."""
    return min(MOST_SCALES, 1 + max(0, math.ceil(math.log2(side / patch_size))))


class GlimpseImagesEnv(RetinaEnv):
    """
    ## Description
    A folder of your own images behind the retina: photographs, drawings, scans, grey or in colour, of any sizes. The agent sees
    a few small patches around one location at a time, moves them, and names the class when it has seen enough.

    Each image is shown whole and at its own size, and locations are relative to it: (-1, -1) is its top left corner, (1, 1) its bottom
    right one. Images keep their shape. An image is decoded when it is shown; the tables that the retina reads are kept
    as long as `cache_megabytes` allows, so the images may be larger than the memory.

    ## The folder
    One subfolder per class, named after the class; folders within a class belong to it. With `train/`, `validation/` (or `val/`)
    and `test/` above them, these are the splits. A missing split is taken from the training images, the same share of every class.

    Files are recognised by their content, whatever their ending. Images are turned upright by their EXIF orientation; 16 bits become 8, over the
    whole range; transparent pixels show the `background`; CMYK and palettes become RGB. Hidden files and folders are skipped. Files that
    cannot be read are left out, with a warning; `ram-envs images FOLDER` lists them.

    ## Observation Space
    `Dict`: `glimpse`, float32 in [0, 1] of shape (num_scales * channels, patch_size, patch_size), finest scale first;
    `location`, float32 (2,) in [-1, 1], where the glimpse was taken. With `obs_mode="flat"` one `Box`: the glimpse, row by row, then the
    location. With `obs_mode="history"` one `Box`: the last `history` glimpses, the oldest first, each with its location; zeros
    before them for those not taken yet. Beyond the image the glimpse is 0.

    ## Action Space
    Each action chooses where to look next, the class of the image, and whether to stop.

    | `action_mode` | space |
    |---|---|
    | `"multidiscrete"` | `MultiDiscrete([location_grid**2, classes, 2])`: a cell of the grid (its centre is looked at), the answer, stop |
    | `"dict"` | `Dict`: `location` Box (2,), `answer` Discrete, `stop` Discrete(2) |
    | `"box"` | `Box` (2 + classes + 1,): x, y, a score per class (the highest is the answer; of two classes one score, the second where it is above 0), stop where the last is above 0 |
    | `"discrete"` | `Discrete(location_grid**2 + classes)`: look at a cell, or answer and stop |

    Locations beyond [-1, 1] are moved to the border; NaN, a wrong shape or a choice out of range is a `ValueError`.

    ## Rewards
    1 for the right answer, 0 for a wrong one, at the end; each glimpse after the first costs `glimpse_cost`.

    ## Starting State
    `reset` gives the first glimpse, at `initial_location`. `reset(options={"index": i})` shows image i of the split, in the order of
    classes and paths. In the splits "validation" and "test" a random first location depends on (index, scene_seed) alone.

    ## Episode End
    The episode terminates when stop is chosen, or with the action after the last of `num_glimpses`: then the answer counts,
    and the location of that action is not looked at. It is truncated only by `max_episode_steps`.

    ## Info
    `index`: which image of the split; `num_glimpses`: taken so far; `is_success`: True at the end if the answer was right, False until then.
    Privileged, for training and analysis, not for the agent: `label`, which `privileged_info=False` removes.
    `env.unwrapped.class_names` names the labels. There is no `target_location`: the folder does not tell where in an image the object is.

    ## Arguments
    - `images`: the folder.
    - `validation_share`, `test_share`, `split_seed`: the share of every class that goes into a split that the folder lacks, and the seed of that choice.
      It depends on the names of the files, so a new image moves few others.
    - `channels`: 3 for colour, 1 for grey.
    - `background`: the colour that transparent pixels lie on: "white", "#808080".
    - `largest_side`: images with a longer side are shrunk to it, and keep their shape; None never shrinks. Photographs of 4000 x 3000 take
      an eighth of a second to prepare and 144 MB each; with 1000, some 15 ms and 9 MB.
    - `cache_megabytes`: memory for the tables, shared by all environments of the process with the same number. It should hold the images of all lanes
      together, or images are decoded at every glimpse.
    - `num_glimpses`: the largest number of glimpses, the first included.
    - `num_scales`: None for as many as it takes until the coarsest patch covers the largest image, at most 12.
    - `split`: "train", "validation" or "test".
    - `order`: "random", or "sequential": the episodes go through the split, and each image comes once before any comes again; a reset with a seed begins at the first.
    - `scene_seed`: which fixed set of random first locations in the splits "validation" and "test".
    - `glimpse_cost`: price of each glimpse after the first.

    ## Version History
    - v0: first version.
    """

    vector_class = GlimpseImagesVectorEnv
    folder = property(lambda self: self.lane.folder, doc="What is in the folder: `image_folder.ImageFolder`.")
    class_names = property(lambda self: self.lane.class_names, doc="Names of the classes.")
