"""Random numbers for the lanes of a batch, the same however many processes share it.

Each process draws for the whole batch, from a generator like the others', and takes the numbers of its own lanes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor


class LaneGenerator(torch.Generator):
    """A generator of a process that has some lanes of a batch.

    Attributes:
        batch: lanes of the whole batch.
        lanes: which of them are here.
    """

    batch: int
    lanes: slice


def uniform(
    shape: Sequence[int], generator: torch.Generator | None, device: torch.device | None = None, axis: int = 0
) -> Tensor:
    """Numbers uniform in [0, 1), of that shape, whose `axis` counts the lanes that are here."""
    return _draw(torch.rand, shape, generator, device, axis)


def normal(
    shape: Sequence[int], generator: torch.Generator | None, device: torch.device | None = None, axis: int = 0
) -> Tensor:
    """Standard normal numbers, likewise."""
    return _draw(torch.randn, shape, generator, device, axis)


def _draw(
    kind: Callable[..., Tensor],
    shape: Sequence[int],
    generator: torch.Generator | None,
    device: torch.device | None,
    axis: int,
) -> Tensor:
    if not isinstance(generator, LaneGenerator):
        return kind(tuple(shape), generator=generator, device=device)
    whole = kind((*shape[:axis], generator.batch, *shape[axis + 1 :]), generator=generator, device=device)
    lanes = generator.lanes
    return whole.narrow(axis, lanes.start, lanes.stop - lanes.start)
