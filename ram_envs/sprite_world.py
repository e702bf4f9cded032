"""Worlds whose scenes are lists of sprites: drawn on small canvases, and on large ones seen without being drawn."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ram_envs.batched_env import Lanes
from ram_envs.classification import ClassificationVectorEnv
from ram_envs.sprites import Sprites, SpriteTables, draw_canvases

LARGEST_TABLE = 256 * 256  # pixels; on a larger canvas each sprite has its own, see `sprites`


class SpriteWorldVectorEnv(ClassificationVectorEnv):
    """Lanes that each show sprites. On a canvas of more than 256x256 pixels a scene costs what its sprites cost, whatever the canvas.

    A subclass calls `_lay` whenever a lane shows something else, and defines `_example`.
    """

    @abstractmethod
    def _example(self) -> Sequence[Sprites]:
        """The sprites of any scene (N, ...): all scenes have as many of the same sizes."""

    def _lay(self, lanes: Lanes, groups: Sequence[Sprites]) -> None:
        """Puts scenes, as many as lanes (M,), into these."""
        if self._by_sprites:
            self._sprites.lay(lanes, groups)
        else:
            self._scenes[lanes] = draw_canvases(groups, self._canvas)

    def screens(self, lanes: Lanes) -> NDArray[np.uint8]:
        return self._sprites.canvases(lanes) if self._by_sprites else self._scenes[lanes]

    @property
    def _canvas(self) -> tuple[int, int]:
        return self.screen[0], self.screen[1]

    def _make_tables(self) -> None:
        self._by_sprites = self.screen[0] * self.screen[1] > LARGEST_TABLE
        if self._by_sprites:
            self._sprites = SpriteTables(self.num_envs, self._example(), self._canvas)
        else:
            self._scenes = np.zeros((self.num_envs, *self.screen), np.uint8)
            super()._make_tables()

    def _integrate(self, lanes: Lanes) -> None:
        if not self._by_sprites:  # of sprites it was done when they were laid
            super()._integrate(lanes)

    def _glimpse(self, lanes: Lanes, places: NDArray[np.float32]) -> NDArray[np.float32]:
        return (
            self._sprites.glimpse(self.sensor, places, lanes) if self._by_sprites else super()._glimpse(lanes, places)
        )

    @property
    def lane_bytes(self) -> int:
        """Bytes that one lane takes; where it has sprites, these are their tables, whatever the canvas."""
        if not self._by_sprites:
            return super().lane_bytes
        return self._sprites.lane_bytes + 8 * self._glimpse_bytes
