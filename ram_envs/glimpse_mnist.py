"""GlimpseMNIST: digits behind the retina, to be looked at glimpse by glimpse and then named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ram_envs.arguments import one_of, real_number, two_sides, whole_number
from ram_envs.batched_env import Lanes, RetinaEnv
from ram_envs.classification import ClassificationVectorEnv
from ram_envs.datasets import SPLITS, LabelledImages, choose_images
from ram_envs.digit_scenes import SceneRecipe, demand_clutter, draw_scenes
from ram_envs.glimpse_sensor import to_location


class GlimpseMNISTVectorEnv(ClassificationVectorEnv):
    """Any number of lanes of GlimpseMNIST; spaces, rewards and arguments are described in `GlimpseMNISTEnv`."""

    def __init__(
        self,
        num_envs: int = 1,
        *,
        canvas_size: int | tuple[int, int] | None = None,
        clutter_pieces: int = 0,
        clutter_size: int = 8,
        overhang: int = 0,
        distortion: float = 0.0,
        dataset: str = "mnist",
        folder: str | Path | None = None,
        images: ArrayLike | LabelledImages | None = None,
        labels: ArrayLike | None = None,
        num_classes: int | None = None,
        split: str = "train",
        **retina: Any,
    ) -> None:
        one_of("split", split, SPLITS)
        self.data = choose_images(dataset, split, folder, images, labels, num_classes)
        self.labels = self.data.labels
        self.class_names = tuple(map(str, range(self.data.num_classes)))
        self.recipe = _recipe(self.data.images, canvas_size, clutter_pieces, clutter_size, overhang, distortion)
        screen = (*self.recipe.canvas, self.data.images.shape[3])
        super().__init__(num_envs, split=split, screen=screen, num_draws=self.recipe.num_draws, **retina)
        self._scenes = np.zeros((num_envs, *self.screen), np.uint8)
        self._centers = np.zeros((num_envs, 2))  # of the digits, as locations

    def show(self, lanes: Lanes, indices: NDArray[np.int64], draws: NDArray[np.float64]) -> None:
        self._scenes[lanes], centers = draw_scenes(self.data.images, indices, draws, self.recipe)
        self._centers[lanes] = to_location(centers, *self.recipe.canvas)

    def whole_scenes(
        self, indices: NDArray[np.int64], draws: NDArray[np.float64]
    ) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Scenes (N, H, W, C) of images (N,) by their draws (N, recipe.num_draws), and the right answers (N,)."""
        return draw_scenes(self.data.images, indices, draws, self.recipe)[0], self.labels[indices]

    def goal(self) -> str:
        among = " is whole, among pieces of others" if self.recipe.clutter_pieces else " is it"
        return f"Which digit{among}? You have {self.num_glimpses} glimpses."

    def screens(self, lanes: Lanes) -> NDArray[np.uint8]:
        return self._scenes[lanes]

    def facts(self, ended: NDArray[np.bool_]) -> dict[str, NDArray[Any]]:
        return super().facts(ended) | ({"target_location": self._centers} if self.privileged_info else {})


class GlimpseMNISTEnv(RetinaEnv):
    """
    ## Description
    A digit is hidden behind a retina: the agent sees a few small patches around one location at a time, moves them,
    and names the digit when it has seen enough (Mnih et al. 2014, *Recurrent Models of Visual Attention*, section 4.1).

    ## Observation Space
    `Dict`: `glimpse`, float32 in [0, 1] of shape (num_scales * channels, patch_size, patch_size), finest scale first;
    `location`, float32 (2,) in [-1, 1], where the glimpse was taken: (x, y), (0, 0) the centre, (-1, -1) the top left corner.
    With `obs_mode="flat"` one `Box`: the glimpse, row by row, then the location.
    With `obs_mode="history"` one `Box`: the last `history` glimpses, the oldest first, each with its location;
    zeros before them for those not taken yet.

    ## Action Space
    Each action chooses where to look next, the class of the digit, and whether to stop.

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
    `reset` gives the first glimpse, at `initial_location`. `reset(options={"index": i})` shows image i of the split.
    In the splits "validation" and "test" the scene of an image, and its random first location, depend on
    (index, scene_seed) alone, so that the test set is the same set for everybody; in "train" they are drawn anew.

    ## Episode End
    The episode terminates when stop is chosen, or with the action after the last of `num_glimpses`: then the answer counts,
    and the location of that action is not looked at. It is truncated only by `max_episode_steps`.

    ## Info
    `index`: which image of the split; `num_glimpses`: taken so far; `is_success`: True at the end if the answer was right, False until then.
    Privileged, for training and analysis, not for the agent: `label`, and `target_location` (2,), the middle
    of the digit. `privileged_info=False` removes both.

    ## Arguments
    - `num_glimpses`: the largest number of glimpses, the first included.
    - `canvas_size`: side of the scene, or (height, width); None for the images' own size. An image is put at a random place.
    - `clutter_pieces`, `clutter_size`: how many square pieces of other digits, and their side in pixels.
    - `overhang`: pixels by which the image may reach beyond the canvas on every side, where it is cut off; above 0, an image as large as the canvas
      is at a random place too.
    - `distortion`: how much the image may be turned, stretched and slanted about its middle: the entries of a 2x2 matrix
      differ from the identity's by up to this. For training: 0.15 turns by up to 9 degrees.
    - `dataset` ("mnist", "fashion-mnist"), `folder` that holds its files; or `images`, `labels`: arrays of your own, uint8 (or
      floats in [0, 1]) of shape (N, H, W) or (N, H, W, C), channels last, and N whole numbers; `num_classes` if not all of them
      occur. `images` may also be a `LabelledImages`, which has its labels and is shared, not copied.
    - `split`: "train" (55,000 digits), "validation" (5,000 held out of the training digits) or "test" (10,000). Your own
      arrays are not divided: the split then only says whether scenes are fixed.
    - `order`: "random", or "sequential": the episodes go through the split, and each image comes once before any comes again; a reset with a seed begins at the first.
    - `scene_seed`: which fixed set of validation and test scenes.
    - `glimpse_cost`: price of each glimpse after the first.

    ## Version History
    - v0: first version.
    """

    vector_class = GlimpseMNISTVectorEnv


def _recipe(
    images: NDArray[np.uint8],
    canvas_size: int | tuple[int, int] | None,
    clutter_pieces: int,
    clutter_size: int,
    overhang: int,
    distortion: float,
) -> SceneRecipe:
    """The recipe of the scenes, once it is known to fit the images."""
    height, width = images.shape[1:3]
    recipe = SceneRecipe(
        two_sides("canvas_size", (height, width) if canvas_size is None else canvas_size, height, width),
        whole_number("clutter_pieces", clutter_pieces, 0),
        whole_number("clutter_size", clutter_size, 1),
        whole_number("overhang", overhang, 0),
        real_number("distortion", distortion, 0, 1),
    )
    demand_clutter(images, recipe.clutter_pieces, recipe.clutter_size)
    if recipe.overhang >= min(height, width):
        raise ValueError(f"overhang must be below {min(height, width)}, the images' side, got {overhang}.")
    return recipe
