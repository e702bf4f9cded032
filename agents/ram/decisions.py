"""What an agent remembers between glimpses, what its heads make of one, and what it does then.

Axes: B lanes, K options of a choice.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class AgentState:
    """What the agent remembers.

    Attributes:
        cores: pathway -> the state of its core.
        last_move: (B, K) where the core sees it: 1 for each option chosen, of all choices but answer and stop, and the control.
        price: (B, 1) where the agent is told what a glimpse costs: its logarithm, -1 at the lowest price and 1 at the highest.
        keen: (B,) bool where some episodes look where a greedy agent would, None where all explore.
        seen: (B, m, 2) where the last m glimpses were taken, where there is something to answer, while looks are compared and by a gaze that points.
        pixel_size: (B, 2) of each image, as a way (x, y) between locations; None where all are as the agent knows.
    """

    cores: dict[str, tuple[Tensor, ...]]
    last_move: Tensor | None
    price: Tensor | None
    keen: Tensor | None = None
    seen: Tensor | None = None
    pixel_size: Tensor | None = None


@dataclass(frozen=True)
class Outputs:
    """What the heads make of one step, or of all steps of an episode with a T before each B.

    Attributes:
        location_mean: (B, 2) the mean of the location policy; of one that points, the best place.
        pointing: (B, C) logits of the pixels of the glimpse, of a location policy that points; else None.
        logits: name -> (B, K) of each choice.
        baseline: (B,) the return that is expected, in units of `return_scale`.
        control_mean: (B, K) of the numbers of a control, where the environment takes one.
        control_std: (B, K), likewise.
    """

    location_mean: Tensor
    pointing: Tensor | None
    logits: dict[str, Tensor]
    baseline: Tensor
    control_mean: Tensor | None
    control_std: Tensor | None


@dataclass(frozen=True)
class Decision(Outputs):
    """What the agent does after one glimpse.

    Attributes:
        location: (B, 2) where to look next: a sample, before any clipping.
        explored: (B,) bool, whether it was sampled.
        candidates: (K, B, 2) places to compare, of which the first was taken where `explored`; None where none are compared.
        choices: name -> (B,) the options chosen; "control" -> (B, K), as `ControlHead` has it.
    """

    location: Tensor
    explored: Tensor
    candidates: Tensor | None
    choices: dict[str, Tensor]
