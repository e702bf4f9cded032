"""GlimpseMoving: a digit that moves among moving clutter, to be followed and named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ram_envs.action_modes import Choices, Locations
from ram_envs.arguments import one_of, real_number, two_sides, whole_number
from ram_envs.batched_env import Lanes, RetinaEnv
from ram_envs.datasets import SPLITS, LabelledImages, choose_images
from ram_envs.digit_scenes import demand_clutter
from ram_envs.glimpse_sensor import to_location
from ram_envs.moving_digits import MOTIONS, MovingRecipe, Videos, frame_of, make_videos
from ram_envs.sprite_world import SpriteWorldVectorEnv
from ram_envs.sprites import Sprites

REWARDS = ("answer", "follow")


class GlimpseMovingVectorEnv(SpriteWorldVectorEnv):
    """Any number of lanes of GlimpseMoving; spaces, rewards and arguments are described in `GlimpseMovingEnv`."""

    metadata = {**SpriteWorldVectorEnv.metadata, "render_fps": 10}
    screen_changes = True

    def __init__(
        self,
        num_envs: int = 1,
        *,
        reward: str = "answer",
        canvas_size: int | tuple[int, int] = 60,
        clutter_pieces: int = 4,
        clutter_size: int = 8,
        speed: float = 15.0,
        motion: str = "jumps",
        num_glimpses: int = 20,
        dataset: str = "mnist",
        folder: str | Path | None = None,
        images: ArrayLike | LabelledImages | None = None,
        labels: ArrayLike | None = None,
        num_classes: int | None = None,
        split: str = "train",
        **retina: Any,
    ) -> None:
        one_of("reward", reward, REWARDS)
        one_of("motion", motion, MOTIONS)
        one_of("split", split, SPLITS)
        self.reward = reward
        if reward == "follow":
            self.verdicts = {True: "followed", False: "lost"}
        self.data = choose_images(dataset, split, folder, images, labels, num_classes)
        self.labels, self.class_names = self.data.labels, tuple(map(str, range(self.data.num_classes)))
        _, *sides, channels = self.data.images.shape
        self.recipe = MovingRecipe(
            two_sides("canvas_size", canvas_size, *sides),
            whole_number("num_glimpses", num_glimpses, 1),
            whole_number("clutter_pieces", clutter_pieces, 0),
            whole_number("clutter_size", clutter_size, 1),
            real_number("speed", speed, 0),
            motion,
        )
        demand_clutter(self.data.images, self.recipe.clutter_pieces, self.recipe.clutter_size)
        super().__init__(
            num_envs,
            num_glimpses=num_glimpses,
            split=split,
            screen=(*self.recipe.canvas, channels),
            num_draws=self.recipe.num_draws,
            **retina,
        )
        if reward == "follow":  # no answer is paid
            self.one_answer = self.tells_label = False
        size, pieces = self.recipe.clutter_size, self.recipe.clutter_pieces
        self._videos = Videos(
            np.zeros((num_envs, *sides, channels), np.uint8),
            np.zeros((num_envs, pieces, size, size, channels), np.uint8),
            np.zeros((num_envs, num_glimpses, 1 + pieces, 2), np.int64),
        )
        self._frame = np.zeros(num_envs, np.int64)
        self._followed = np.zeros(num_envs, np.int64)  # frames in which the digit was under the finest patch
        self._aimed = np.zeros((num_envs, 2))

    def show(self, lanes: Lanes, indices: NDArray[np.int64], draws: NDArray[np.float64]) -> None:
        fresh = make_videos(self.data.images, indices, draws, self.recipe)
        for name in ("digits", "pieces", "corners"):
            getattr(self._videos, name)[lanes] = getattr(fresh, name)
        self._frame[lanes] = self._followed[lanes] = 0

    def _example(self) -> tuple[Sprites, ...]:
        nothing = make_videos(
            self.data.images, np.zeros(1, np.int64), np.zeros((1, self.recipe.num_draws)), self.recipe
        )
        return frame_of(nothing, np.zeros(1, np.int64))

    def _integrate(self, lanes: Lanes) -> None:
        """Shows the present frame."""
        videos = self._videos
        shown = Videos(videos.digits[lanes], videos.pieces[lanes], videos.corners[lanes])
        self._lay(lanes, frame_of(shown, self._frame[lanes]))
        super()._integrate(lanes)

    def _aim(self, locations: Locations) -> Locations:
        self._aimed = super()._aim(locations)  # what `advance` needs, which is next in a step
        return self._aimed

    def advance(self, lanes: Lanes, choices: Choices) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """The answer is judged; where the episode goes on, the next frame comes, and is looked at."""
        rewards, over = super().advance(lanes, choices)
        on = lanes[~over]
        self._frame[on] += 1
        followed = self._on_target(self._aimed)[on]
        self._followed[on] += followed
        if self.reward == "follow":
            rewards = np.zeros(len(lanes))
            rewards[~over] = followed / max(self.num_glimpses - 1, 1) - self.glimpse_cost
        return rewards, over

    def _on_target(self, locations: Locations) -> NDArray[np.bool_]:
        """Whether the finest patch at the locations (N, 2) has the middle of the digit of its lane (N,)."""
        squares = self.sensor.footprints(locations.astype(np.float32), *self.recipe.canvas)[:, 0]  # (N, 4)
        middles = self._middles()
        return np.asarray(((squares[:, :2] <= middles) & (middles < squares[:, 2:])).all(1))

    def _middles(self) -> NDArray[np.float64]:
        """The middle of the digit in every lane (N, 2), as (x, y) in pixels."""
        corners = self._videos.corners[np.arange(self.num_envs), self._frame, 0]
        middles: NDArray[np.float64] = corners + np.array(self.data.images.shape[2:0:-1]) / 2
        return middles

    def facts(self, ended: NDArray[np.bool_]) -> dict[str, NDArray[Any]]:
        facts = super().facts(ended)
        if self.reward == "follow":
            facts["is_success"] = self._on_target(self.locations) & ended
        if self.privileged_info:
            facts["target_location"] = to_location(self._middles(), *self.recipe.canvas)
            facts["frames_followed"] = self._followed
        return facts

    def last_glimpse(self, lane: int = 0) -> bool:
        """Whether the video is over, so that the next action answers."""
        return self.reward == "answer" and super().last_glimpse(lane)

    def caption(self, lane: int) -> list[tuple[str, str]]:
        return [*super().caption(lane), ("followed", f"{self._followed[lane]}/{self.num_glimpses - 1}")]

    def goal(self) -> str:
        if self.reward == "follow":
            return f"Follow the moving digit for {self.num_glimpses} frames."
        return f"Which digit is moving? The video has {self.num_glimpses} frames."

    def rules(self) -> list[str]:
        """What the mouse and the keys do."""
        if self.reward == "follow":
            return ["The mouse is where you look: keep it on the digit."]
        return ["The mouse is where you look.", "Press a digit key to answer, at the latest when the video is over."]


class GlimpseMovingEnv(RetinaEnv):
    """
    ## Description
    A digit moves on a black canvas, among pieces of other digits that move too. The agent sees a few small patches around one location of each
    frame, and names the digit when it has seen enough or the video is over. It has to choose its next location before
    it sees the next frame.

    Digit and pieces move in the same way, independently (`motion`). `"jumps"` is that of Kahou, Michalski and Memisevic 2015, *RATM: Recurrent
    Attentive Tracking Model*: p(t + 1) = p(t) + 0.1 v(t + 1) + 0.9 v(t), every v(t) drawn anew, uniform in [-`speed`, `speed`] pixels a
    frame along each axis. So the next position cannot be predicted: a gaze that always knew
    the present position would be late by a frame. In `"drift"` the velocity lasts: v(t + 1) = 0.9 v(t) + 0.1 u(t + 1), u drawn so, and
    p(t + 1) = p(t) + v(t + 1). Digit and pieces are reflected at the border, drawn at the nearest pixel,
    and where they overlap the brighter pixel is seen.

    ## Observation Space
    `Dict`: `glimpse`, float32 in [0, 1] of shape (num_scales * channels, patch_size, patch_size), finest scale first;
    `location`, float32 (2,) in [-1, 1], where the glimpse was taken: (x, y), (0, 0) the centre, (-1, -1) the top left corner.
    With `obs_mode="flat"` one `Box`: the glimpse, row by row, then the location.
    With `obs_mode="history"` one `Box`: the last `history` glimpses, the oldest first, each with its location;
    zeros before them for those not taken yet.

    ## Action Space
    Each action chooses where to look in the next frame, the class of the digit, and whether to stop.

    | `action_mode` | space |
    |---|---|
    | `"multidiscrete"` | `MultiDiscrete([location_grid**2, classes, 2])`: a cell of the grid (its centre is looked at), the answer, stop |
    | `"dict"` | `Dict`: `location` Box (2,), `answer` Discrete, `stop` Discrete(2) |
    | `"box"` | `Box` (2 + classes + 1,): x, y, a score per class (the highest is the answer; of two classes one score, the second where it is above 0), stop where the last is above 0 |
    | `"discrete"` | `Discrete(location_grid**2 + classes)`: look at a cell, or answer and stop |

    Locations beyond [-1, 1] are moved to the border; NaN, a wrong shape or a choice out of range is a `ValueError`.

    ## Rewards
    With `reward="answer"` 1 for the right answer, 0 for a wrong one, at the end. With `reward="follow"` 1 / (`num_glimpses` - 1) for each frame after
    the first in which the middle of the digit is under the finest patch, so that the return is the share of these frames; the
    answer has no reward. Each glimpse after the first costs `glimpse_cost`.

    ## Starting State
    `reset` gives the first glimpse, at `initial_location`. `reset(options={"index": i})` shows image i of the split. In the splits
    "validation" and "test" the video of an image, and its random first location, depend on (index, scene_seed) alone; in "train" they are
    drawn anew.

    ## Episode End
    The episode terminates when stop is chosen, or with the action after the last frame, which is the last of `num_glimpses`: then the answer
    counts, and the location of that action is not looked at. It is truncated only by `max_episode_steps`.

    ## Info
    `index`: which image of the split; `num_glimpses`: taken so far; `is_success`: at the end, whether the answer was right, or with
    `reward="follow"` whether the middle of the digit was under the finest patch at the last glimpse.
    Privileged, for training and analysis, not for the agent: `label`; `target_location` (2,), the middle of the digit in the
    present frame; `frames_followed`, in how many frames after the first it was under the finest patch. `privileged_info=False` removes them.

    ## Arguments
    - `reward`: "answer" or "follow".
    - `num_glimpses`: the number of frames, and the largest number of glimpses, one of each frame.
    - `canvas_size`: side of the scene, or (height, width).
    - `clutter_pieces`, `clutter_size`: how many square pieces of other digits, and their side in pixels.
    - `speed`: the fastest velocity that is drawn, in pixels a frame; `motion`: "jumps" or "drift".
    - `dataset` ("mnist", "fashion-mnist"), `folder` that holds its files; or `images`, `labels`: arrays of your own, uint8 (or
      floats in [0, 1]) of shape (N, H, W) or (N, H, W, C), channels last, and N whole numbers; `num_classes` if not all of them
      occur. `images` may also be a `LabelledImages`, which has its labels and is shared, not copied.
    - `split`: "train" (55,000 digits), "validation" (5,000 held out of the training digits) or "test" (10,000). Your own
      arrays are not divided: the split then only says whether videos are fixed.
    - `order`: "random", or "sequential": the episodes go through the split, and each image comes once before any comes again; a reset with a seed begins at the first.
    - `scene_seed`: which fixed set of validation and test videos.
    - `glimpse_cost`: price of each glimpse after the first.

    ## Version History
    - v0: first version.
    """

    metadata = {**RetinaEnv.metadata, "render_fps": 10}
    vector_class = GlimpseMovingVectorEnv
