"""Name what is behind the retina: what every world of labelled images shares, whatever it makes scenes of."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ram_envs.action_modes import Choices, Locations
from ram_envs.arguments import as_array, one_of, real_number, whole_number
from ram_envs.batched_env import Lanes, RetinaVectorEnv
from ram_envs.datasets import SPLITS

ORDERS = ("random", "sequential")
_NO_ANSWER = -1


@dataclass(frozen=True)
class LookOrAnswer:
    """The "discrete" actions: a cell to look at each, and from there on a class each to answer with, while the gaze goes to the centre."""

    classes: int
    when: str = "stop"

    def size(self, num_cells: int) -> int:
        return num_cells + self.classes

    def read(self, numbers: NDArray[np.int64], cells: Locations) -> tuple[Locations, Choices]:
        answering = numbers >= len(cells)
        answer = np.where(answering, numbers - len(cells), _NO_ANSWER)
        places = np.where(answering[:, None], 0.0, cells[np.where(answering, 0, numbers)])
        return places, {"answer": answer, self.when: answering * 1}


class ClassificationVectorEnv(RetinaVectorEnv):
    """Lanes that each show an image of a split, to be looked at glimpse by glimpse and then named.

    A subclass sets `class_names` and `labels`, calls this constructor with `screen` and `num_draws`, and defines `show` and
    what `RetinaVectorEnv` asks for beside `begin` and `advance`. Where the draws decide the class of a scene, it sets `num_images`
    instead of `labels`, and defines `truth`.

    Attributes:
        labels: int (num_images,), the class of each image of the split.
        class_names: name of each class.
        fixed_scenes: whether the scene of an image is always the same; by default in every split but "train".
    """

    splits = SPLITS
    glimpse_after_end = False
    screen_changes = False
    one_answer = True
    reset_options = RetinaVectorEnv.reset_options | {"index"}
    past_choices: tuple[str, ...] | None = ()  # an answer that did not count changed nothing
    labels: NDArray[np.int64]
    class_names: tuple[str, ...]
    verdicts = {True: "right", False: "wrong"}
    when: str = "stop"  # the choice that says whether the answer counts

    def __init__(
        self,
        num_envs: int = 1,
        *,
        num_glimpses: int = 6,
        split: str = "train",
        order: str = "random",
        scene_seed: int = 0,
        glimpse_cost: float = 0.0,
        **retina: Any,
    ) -> None:
        one_of("split", split, SPLITS)
        one_of("order", order, ORDERS)
        self.num_glimpses = whole_number("num_glimpses", num_glimpses, 1)
        self.glimpse_cost = real_number("glimpse_cost", glimpse_cost, 0)
        self.split, self.order = split, order
        self.scene_seed = whole_number("scene_seed", scene_seed, 0)
        classes = len(self.class_names)
        super().__init__(
            num_envs,
            choices={"answer": classes, self.when: 2},
            discrete=LookOrAnswer(classes, self.when),
            max_glimpses=self.num_glimpses,
            **{**retina, "num_draws": 1 + retina.get("num_draws", 0)},  # one more chooses the image
        )
        if self.num_images is None:
            self.num_images = len(self.labels)
        self.fixed_scenes = split != "train"
        self.tells_label = self.privileged_info
        self._indices = np.zeros(num_envs, np.int64)
        self._answers = np.full(num_envs, _NO_ANSWER)
        self._next_index = 0  # where the walk through a split stands

    @abstractmethod
    def show(self, lanes: Lanes, indices: NDArray[np.int64], draws: NDArray[np.float64]) -> None:
        """Makes the scenes of the lanes: images `indices` (M,), by their draws (M, num_draws)."""

    def begin(self, lanes: Lanes, draws: NDArray[np.float64], options: Mapping[str, Any]) -> NDArray[np.float64]:
        indices, draws = self._decide(lanes, draws, options)
        self._indices[lanes] = indices
        self.show(lanes, indices, draws[:, 3:])
        self._answers[lanes] = _NO_ANSWER
        return draws

    def _checked(self, options: Mapping[str, Any] | None) -> dict[str, Any]:
        """As for every environment; "index", where it is among them, is one for each lane (N,)."""
        checked = super()._checked(options)
        if "index" not in checked:
            return checked
        indices = as_array("options['index']", checked["index"])
        if indices.shape not in ((), (self.num_envs,)) or indices.dtype.kind not in "iu":
            raise ValueError(
                f"options['index'] must be a whole number or {self.num_envs} of them, "
                f"got {indices.dtype} of shape {indices.shape}."
            )
        indices = np.broadcast_to(indices, self.num_envs)
        assert self.num_images is not None
        wrong = checked["reset_mask"] & ((indices < 0) | (indices >= self.num_images))
        if wrong.any():
            raise ValueError(f"options['index'] must lie in 0 to {self.num_images - 1}, got {indices[wrong][0]}.")
        return checked | {"index": indices}

    def _decide(
        self, lanes: Lanes, draws: NDArray[np.float64], options: Mapping[str, Any]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Which images (M,) the lanes show, and the draws (M, 3 or more) by which they do."""
        indices = self._choose(lanes, draws[:, 2], options)
        if self.fixed_scenes:  # the same for everybody
            fixed = self.held_out_draws(indices)
            draws = np.hstack([draws[:, :2], fixed[:, 2:]]) if self.split == "train" else fixed
        return indices, draws

    def deal(
        self, seed: int | Sequence[int | None] | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.float64], Locations]:
        """What decides the episodes that `reset` with these arguments would begin in all lanes, for a world that plays them elsewhere.

        The random generators go on as by `reset`; nothing is drawn or looked at, and the lanes stay as they are.

        Returns:
            The images (N,), the draws that their scenes are made by (N, num_draws), and where the first glimpses are taken (N, 2).
        """
        if "reset_mask" in (options or {}):
            raise ValueError("options cannot have reset_mask here: all lanes are dealt episodes.")
        options, lanes = self._checked(options), np.arange(self.num_envs)
        self._seed(seed, np.ones(self.num_envs, np.bool_))
        indices, draws = self._decide(lanes, self._draw(lanes), options)
        return indices, draws[:, 3:], self._first_looks(draws)

    def held_out_draws(self, indices: NDArray[np.int64]) -> NDArray[np.float64]:
        """What decides the fixed scenes of these images (N,): one row of uniform draws each.

        The first look takes the first two, the choice of the image the third, and the scene the rest.
        """
        size, kind = self._draws.shape[1], (1,) if self.split == "train" else ()
        return np.array([np.random.default_rng((self.scene_seed, i, *kind)).random(size) for i in indices])

    @property
    def scene_draws(self) -> int:
        """How many uniform draws decide the scene of an image."""
        return self._draws.shape[1] - 3

    def truth(self, lanes: Lanes) -> NDArray[np.int64]:
        """The class that is the right answer in each of the lanes."""
        return self.labels[self._indices[lanes]]

    def rewind(self) -> None:
        self._next_index = 0

    def _choose(self, lanes: Lanes, draws: NDArray[np.float64], options: Mapping[str, Any]) -> NDArray[np.int64]:
        """Which image each of the lanes shows."""
        assert self.num_images is not None
        count = self.num_images
        if "index" in options:
            chosen: NDArray[np.int64] = options["index"][lanes]
            return chosen
        if self.order == "sequential":
            indices = (self._next_index + np.arange(len(lanes))) % count
            self._next_index = int((self._next_index + len(lanes)) % count)
            return indices
        return (draws * count).astype(np.int64)

    def advance(self, lanes: Lanes, choices: Choices) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        over = (choices["stop"] == 1) | (self.steps[lanes] + 1 >= self.num_glimpses)
        self._answers[lanes] = np.where(over, choices["answer"], _NO_ANSWER)
        right = over & (choices["answer"] == self.truth(lanes))
        return right - self.glimpse_cost * ~over, over

    def facts(self, ended: NDArray[np.bool_]) -> dict[str, NDArray[Any]]:
        labels = self.truth(np.arange(self.num_envs))
        facts = super().facts(ended) | {"index": self._indices, "is_success": (self._answers == labels) & ended}
        if self.privileged_info:
            facts["label"] = labels
        return facts

    def goal(self) -> str:
        return f"Which of {len(self.class_names)} classes is it? You have {self.num_glimpses} glimpses."

    def keys(self) -> dict[tuple[int, ...], dict[str, int]]:
        """The digit keys answer, 0 to 9, and so stop."""
        answers = range(min(len(self.class_names), 10))
        return {(): {"stop": 0}} | {(ord(str(answer)),): {"answer": answer, "stop": 1} for answer in answers}

    def last_glimpse(self, lane: int = 0) -> bool:
        """Whether the glimpses of a lane are used up: the next action answers."""
        return bool(self.steps[lane] + 1 >= self.num_glimpses)

    def option_names(self) -> Mapping[str, Sequence[str]]:
        return {"answer": self.class_names, self.when: ("no", "yes")}

    def caption(self, lane: int) -> list[tuple[str, str]]:
        over, answer = self.terminated[lane], self._answers[lane]
        glimpse = self.steps[lane] + (not over)
        return [
            ("glimpse", f"{glimpse}/{self.num_glimpses}"),
            ("reward", f"{self.rewards[lane]:.3g}"),
            ("answer", self.class_names[answer] if over and answer != _NO_ANSWER else "-"),
            ("label", self.class_names[self.truth(np.array([lane]))[0]]),
        ]
