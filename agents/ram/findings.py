"""What an update finds, and what must be finite in it: asked of a processor at once, of a GPU together and later.

Every question to a GPU waits until it has done all that it was given. So an update leaves its answers there as one row of numbers, and the
rows are fetched when there is a report or a checkpoint to write.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from agents.experiment.run_folder import demand_finite, not_finite


@dataclass(frozen=True)
class Found:
    """What one update found.

    Attributes:
        demanded: what must be finite, each at its place in the row above 0 if it is not.
        measured: names of the numbers that follow in the row.
        row: (demanded + measured,) numbers.
    """

    demanded: tuple[str, ...]
    measured: tuple[str, ...]
    row: Tensor


class Findings:
    """Takes in what updates find and gives it back as numbers.

    Args:
        device: where updates are made; a "cpu" is asked at once.
        folder: of the run.
    """

    def __init__(self, device: torch.device, folder: Path) -> None:
        self.device, self.folder = device, folder
        self.at_once = device.type == "cpu"
        self._demanded: dict[str, Tensor] = {}
        self._kept: list[tuple[int, Found]] = []

    def demand_finite(self, what: str, values: Tensor, update: int) -> None:
        """Stops the run if a value is not finite: here and now, or when it is found out.

        Raises:
            FloatingPointError: if the processor is at work and a value is not finite.
        """
        if self.at_once:
            demand_finite(what, values, update, self.folder)
        else:
            self._demanded[what] = (~values.isfinite()).any()

    def collect(self, measures: dict[str, Tensor]) -> Found:
        """What the update that is about to end found: its measures, numbers each, and what it demanded."""
        values = [value.to(self.device, torch.float32) for value in (*self._demanded.values(), *measures.values())]
        found = Found((*self._demanded,), (*measures,), torch.stack(values))
        self._demanded = {}
        return found

    def keep(self, update: int, found: Found) -> None:
        """Keeps what an update found until it is asked for."""
        self._kept.append((update, found))

    def settle(self) -> Iterator[dict[str, float]]:
        """The measures of all updates that were kept, in their order.

        Raises:
            FloatingPointError: if something was not finite that should have been.
        """
        kept, self._kept = self._kept, []
        numbers = iter(torch.cat([found.row for _, found in kept]).cpu().tolist() if kept else ())
        for update, found in kept:
            for what in [what for what in found.demanded if next(numbers) > 0]:
                raise not_finite(what, update, self.folder)
            yield {name: next(numbers) for name in found.measured}
