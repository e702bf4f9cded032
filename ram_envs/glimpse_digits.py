"""GlimpseDigits: several digits behind the retina, and one answer about all of them, or one after the other."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ram_envs.action_modes import Choices
from ram_envs.arguments import one_of, shown, two_sides, whole_number
from ram_envs.batched_env import Lanes, RetinaEnv
from ram_envs.datasets import SPLITS, LabelledImages, choose_images
from ram_envs.glimpse_sensor import to_location
from ram_envs.scattered_digits import Scatterer, ScatterRecipe
from ram_envs.sprite_world import SpriteWorldVectorEnv
from ram_envs.sprites import Sprites, draw_canvases

ANSWERS = ("pair", "sum", "majority", "sequence")
_RETURN = 13  # pygame.K_RETURN


class GlimpseDigitsVectorEnv(SpriteWorldVectorEnv):
    """Any number of lanes of GlimpseDigits; spaces, rewards and arguments are described in `GlimpseDigitsEnv`."""

    def __init__(
        self,
        num_envs: int = 1,
        *,
        answer: str = "pair",
        digits: int | tuple[int, int] = 2,
        canvas_size: int | tuple[int, int] = 100,
        clutter_pieces: int = 0,
        clutter_size: int = 8,
        marks: int = 0,
        train_scenes: int | None = None,
        dataset: str = "mnist",
        folder: str | Path | None = None,
        images: ArrayLike | LabelledImages | None = None,
        labels: ArrayLike | None = None,
        num_classes: int | None = None,
        split: str = "train",
        **retina: Any,
    ) -> None:
        one_of("answer", answer, ANSWERS)
        one_of("split", split, SPLITS)
        self.data = choose_images(dataset, split, folder, images, labels, num_classes)
        self.answer = answer
        self.recipe = ScatterRecipe(
            two_sides("canvas_size", canvas_size, *self.data.images.shape[1:3]),
            _numbers(digits, answer),
            answer == "majority",
            whole_number("clutter_pieces", clutter_pieces, 0),
            whole_number("clutter_size", clutter_size, 1),
            whole_number("marks", marks, 0),
        )
        self.scatterer = Scatterer(self.data.images, self.data.labels, self.recipe)
        self.class_names = answer_names(answer, self.data.num_classes, self.recipe.digits[1])
        self.sequence = answer == "sequence"
        if self.sequence:
            self.when, self.past_choices = "say", None  # what was said is part of what is to come
        self.num_images = len(self.data)
        if train_scenes is not None and split == "train":
            self.num_images = whole_number("train_scenes", train_scenes, 1)
        screen = (*self.recipe.canvas, self.data.images.shape[3])
        super().__init__(num_envs, split=split, screen=screen, num_draws=self.recipe.num_draws, **retina)
        self.fixed_scenes |= train_scenes is not None
        self.one_answer = not self.sequence
        self.tells_label &= not self.sequence  # the right answer changes as the digits are named
        most = self.recipe.digits[1]
        self._truths = np.zeros((num_envs, most + 1 if self.sequence else 1), np.int64)  # the right answers, in turn
        self._said = np.zeros(num_envs, np.int64)  # how many of them were given
        self._targets = np.zeros((num_envs, most, 2))  # middles of the digits, as locations

    def show(self, lanes: Lanes, indices: NDArray[np.int64], draws: NDArray[np.float64]) -> None:
        scattered = self.scatterer.draw(draws)
        self._lay(lanes, scattered.sprites)
        self._targets[lanes] = to_location(scattered.middles, *self.recipe.canvas)
        self._truths[lanes] = right_answers(self.answer, scattered.labels, self.data.num_classes)
        self._said[lanes] = 0

    def whole_scenes(
        self, indices: NDArray[np.int64], draws: NDArray[np.float64]
    ) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Scenes (N, H, W, C) of draws (N, recipe.num_draws), and the right answers (N,), of a sequence the first."""
        scattered = self.scatterer.draw(draws)
        right = right_answers(self.answer, scattered.labels, self.data.num_classes)[:, 0]
        return draw_canvases(scattered.sprites, self.recipe.canvas), right

    def _example(self) -> tuple[Sprites, ...]:
        return self.scatterer.draw(np.zeros((1, self.recipe.num_draws))).sprites

    def truth(self, lanes: Lanes) -> NDArray[np.int64]:
        return self._truths[lanes, np.minimum(self._said[lanes], self._truths.shape[1] - 1)]

    def advance(self, lanes: Lanes, choices: Choices) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        if not self.sequence:
            return super().advance(lanes, choices)
        used_up = self.steps[lanes] + 1 >= self.num_glimpses
        counts = (choices["say"] == 1) | used_up
        right = counts & (choices["answer"] == self.truth(lanes))
        over = (choices["answer"] == self.data.num_classes) & counts | counts & ~right | used_up
        self._said[lanes] += right
        self._answers[lanes] = np.where(counts, choices["answer"], self._answers[lanes])
        return right - self.glimpse_cost * ~over, over

    def facts(self, ended: NDArray[np.bool_]) -> dict[str, NDArray[Any]]:
        facts = super().facts(ended)
        if self.sequence:
            last = self._truths[np.arange(self.num_envs), self._said - 1]  # of those that were given
            named_all = (self._said > 0) & (last == self.data.num_classes)
            facts |= {"num_right": self._said, "is_success": named_all & ended}
        if self.privileged_info:
            facts["target_locations"] = self._targets
            if self.sequence:
                facts["sequence"] = self._truths
                del facts["label"]
        return facts

    def caption(self, lane: int) -> list[tuple[str, str]]:
        caption = super().caption(lane)
        if self.sequence:
            names = [self.class_names[label] for label in self._truths[lane] if label != self.data.num_classes]
            caption[2:] = [("right", str(self._said[lane])), ("label", " ".join(names))]
        return caption

    def goal(self) -> str:
        fewest, most = self.recipe.digits
        asked = {
            "pair": "Which two digits are there?",
            "sum": f"What is the sum of the {most} digits?" if fewest == most else "What is the sum of the digits?",
            "majority": f"{most} digits: which is there more often than any other?",
            "sequence": "Read out all digits from left to right.",
        }
        return f"{asked[self.answer]} You have {self.num_glimpses} glimpses."

    def keys(self) -> dict[tuple[int, ...], dict[str, int]]:
        """Digit keys answer: two of them held together where two digits are meant, Return for the other where both are the same."""
        if self.sequence:
            return super().keys() | {(_RETURN,): {"answer": self.data.num_classes, "say": 1}}
        if self.recipe.digits != (2, 2):
            return super().keys()
        table: dict[tuple[int, ...], dict[str, int]] = {(): {"stop": 0}}
        count = self.data.num_classes
        for one, other in itertools.combinations_with_replacement(range(min(count, 10)), 2):
            held = tuple(sorted((ord(str(one)), _RETURN if one == other else ord(str(other)))))
            answer = right_answers(self.answer, np.array([[one, other]]), count)
            table[held] = {"answer": int(answer[0, 0]), "stop": 1}
        return table

    def rules(self) -> list[str]:
        """How to answer."""
        if self.sequence:
            how = "Press the digits' keys in turn, from left to right, then Return."
        elif self.recipe.digits == (2, 2):
            how = "Hold the keys of both digits to answer; of the same digit twice, its key and Return."
        else:
            how = "Press a digit key to answer."
        return ["Click to look there next.", how]


def right_answers(answer: str, labels: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """The right answers, in turn, to scenes whose digits are of the classes `labels` (N, D), -1 where there are fewer: (N, 1), or
    of a "sequence" (N, D + 1): the classes, and then as often as is left that there are no more, the number `classes`.

    A pair a, b is a number by counting 0 0, 0 1, ..., 0 9, 1 1, ..., 9 9.
    """
    right: NDArray[np.int64]
    if answer == "sequence":
        right = np.pad(np.where(labels < 0, classes, labels), ((0, 0), (0, 1)), constant_values=classes)
    elif answer == "sum":
        right = np.maximum(labels, 0).sum(1, keepdims=True)
    elif answer == "majority":
        right = (labels[:, :, None] == np.arange(classes)).sum(1).argmax(1)[:, None]
    else:
        low, high = labels.min(1, keepdims=True), labels.max(1, keepdims=True)
        right = low * classes - low * (low - 1) // 2 + high - low
    return right


def answer_names(answer: str, classes: int, most: int) -> tuple[str, ...]:
    """The name of every answer, where there are `most` digits."""
    names = [str(label) for label in range(classes)]
    if answer == "pair":
        return tuple(map(" ".join, itertools.combinations_with_replacement(names, 2)))
    if answer == "sum":
        return tuple(map(str, range(most * (classes - 1) + 1)))
    return (*names, "end") if answer == "sequence" else tuple(names)


def _numbers(digits: Any, answer: str) -> tuple[int, int]:
    """The fewest and the most digits, once they are known to fit the answer."""
    both = digits if isinstance(digits, tuple | list | np.ndarray) and len(digits) == 2 else (digits, digits)
    fewest, most = (whole_number("digits", number, 1) for number in both)
    if fewest > most:
        raise ValueError(f"digits must be a number, or the fewest and the most, got {shown(digits)}.")
    if answer == "pair" and (fewest, most) != (2, 2):
        raise ValueError(f'digits must be 2 where the answer is a "pair", got {shown(digits)}.')
    if answer == "majority" and (fewest < most or most < 3):
        raise ValueError(
            f'digits must be one number of at least 3 where the answer is the "majority", got {shown(digits)}.'
        )
    return fewest, most


class GlimpseDigitsEnv(RetinaEnv):
    """
    ## Description
    Several digits lie on a canvas without overlap, and the agent sees a few small patches around one location at a time. It has to find
    them all before it can answer. `answer` chooses the task.

    | `answer` | the right answer | from |
    |---|---|---|
    | `"pair"` | the two digits, in any order: 55 answers | Ba, Mnih and Kavukcuoglu 2014, *Multiple Object Recognition with Visual Attention* |
    | `"sum"` | the sum of the digits: 19 answers for two | the same |
    | `"majority"` | the class of more than half of the digits; of five, three have it, and two have any others | Katharopoulos and Fleuret 2019, *Processing Megapixel Images with Deep Attention-Sampling Models* |
    | `"sequence"` | the digits from left to right, one after the other, then "no more" | after Ba et al. 2014 |

    A scene is drawn at random: the number of digits, which digits of the split, and their places; then clutter (square pieces of the
    split's digits) and marks (two crossed lines each). Where clutter meets a digit the brighter pixel is seen; marks cover
    everything, with their black pixels too, as Katharopoulos and Fleuret have them.

    ## Observation Space
    `Dict`: `glimpse`, float32 in [0, 1] of shape (num_scales * channels, patch_size, patch_size), finest scale first;
    `location`, float32 (2,) in [-1, 1], where the glimpse was taken: (x, y), (0, 0) the centre, (-1, -1) the top left corner.
    With `obs_mode="flat"` one `Box`: the glimpse, row by row, then the location.
    With `obs_mode="history"` one `Box`: the last `history` glimpses, the oldest first, each with its location, in a sequence also with
    what was chosen before it; zeros before them for those not taken yet.

    ## Action Space
    Each action chooses where to look next, the answer, and whether it counts.

    | `action_mode` | space |
    |---|---|
    | `"multidiscrete"` | `MultiDiscrete([location_grid**2, answers, 2])`: a cell of the grid (its centre is looked at), the answer, stop |
    | `"dict"` | `Dict`: `location` Box (2,), `answer` Discrete, `stop` Discrete(2) |
    | `"box"` | `Box` (2 + answers + 1,): x, y, a score per answer (the highest is given; of two, one score for the second), stop where the last is above 0 |
    | `"discrete"` | `Discrete(location_grid**2 + answers)`: look at a cell, or answer and stop |

    In a sequence there is one more answer, the last: "no more digits"; and `stop` is called `say`. After an answer that counts the
    episode goes on, with a glimpse at the location of that action (in `"discrete"`, at the centre).
    Locations beyond [-1, 1] are moved to the border; NaN, a wrong shape or a choice out of range is a `ValueError`.

    ## Rewards
    1 for the right answer, 0 for a wrong one, at the end. In a sequence 1 for each right answer, "no more" included,
    until the first wrong one. Each glimpse after the first costs `glimpse_cost`.

    ## Starting State
    `reset` gives the first glimpse, at `initial_location`. In the splits "validation" and "test" there are as many scenes as the split has
    images, scene `index` and its random first location depend on (index, scene_seed) alone, and `reset(options={"index": i})` shows
    scene i; in "train" scenes are drawn anew, unless there are `train_scenes`.

    ## Episode End
    The episode terminates when stop is chosen, or with the action after the last of `num_glimpses`: then the answer counts,
    and the location of that action is not looked at. A sequence terminates with the first wrong answer, with the answer
    "no more digits", or with the action after the last glimpse. It is truncated only by `max_episode_steps`.

    ## Info
    `index`: which scene of the split; `num_glimpses`: taken so far; `is_success`: at the end, whether the answer was right, of a
    sequence, whether all of it was; `num_right`: in a sequence, right answers so far.
    Privileged, for training and analysis, not for the agent: `label`, the right answer, or `sequence`, all of them in turn;
    `target_locations` (most digits, 2), the middles of the digits from left to right, repeated from the first if there are fewer.
    `privileged_info=False` removes them.

    ## Arguments
    - `answer`: "pair", "sum", "majority" or "sequence".
    - `digits`: the number of digits, or (fewest, most) for a random number, uniform.
    - `num_glimpses`: the largest number of glimpses, the first included.
    - `canvas_size`: side of the scene, or (height, width).
    - `clutter_pieces`, `clutter_size`: how many square pieces of digits, and their side in pixels.
    - `marks`: how many marks, taken from fifty.
    - `train_scenes`: the number of fixed scenes in the split "train"; None for a new scene in every episode.
    - `dataset` ("mnist", "fashion-mnist"), `folder` that holds its files; or `images`, `labels`: arrays of your own, uint8 (or
      floats in [0, 1]) of shape (N, H, W) or (N, H, W, C), channels last, and N whole numbers; `num_classes` if not all of them
      occur. `images` may also be a `LabelledImages`, which has its labels and is shared, not copied.
    - `split`: "train" (55,000 digits), "validation" (5,000 held out of the training digits) or "test" (10,000), which share no digit. Your own
      arrays are not divided: the split then only says whether scenes are fixed.
    - `order`: "random", or "sequential": the episodes go through the scenes, and each comes once before any comes again; a reset with a seed begins at the first.
    - `scene_seed`: which fixed set of scenes.
    - `glimpse_cost`: price of each glimpse after the first.

    ## Version History
    - v0: first version.
    """

    vector_class = GlimpseDigitsVectorEnv
