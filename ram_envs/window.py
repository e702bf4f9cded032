"""A window that shows frames, for `render_mode="human"` and for whoever plays."""

import math
import os
from typing import Any

import numpy as np

from ram_envs.rendering import BACKGROUND, Pixels, as_surface, load_pygame


class NoDisplay(RuntimeError):
    """There is no display to open a window on."""


class Window:
    """Shows frames on the screen, for `render_mode="human"`.

    The window opens at the first frame and can be resized. Once the user has closed it, `show`
    raises `SystemExit(0)`, so that a plain loop over `env.step` ends as if the program were done,
    and `finally` and `with` blocks run. A program that would rather go on without pictures
    catches it: from then on `closed` is true and `show` does nothing. Key presses stay in
    pygame's queue for whoever plays. pygame has one window per process: two `Window`s share it.

    Args:
        title: of the window.
        mouse: whether what the mouse does stays in pygame's queue too.
    """

    def __init__(self, title: str = "ram_envs", mouse: bool = False) -> None:
        self.title, self.mouse = title, mouse
        self.closed = False
        self._opened = False
        self._last_shown = 0  # milliseconds on pygame's clock
        self._corner, self._zoom = (0, 0), 1.0  # where and how large the frame lies in the window

    def show(self, frame: Pixels, fps: float = 0) -> None:
        """Shows a frame until 1 / fps seconds have passed since the one before.

        Args:
            frame: uint8 (h, w, 3).
            fps: frames a second; 0 does not wait.

        Raises:
            NoDisplay: there is no display to open a window on.
            SystemExit: the user has closed the window.
        """
        if self.closed:
            return
        pygame = load_pygame()
        if not self._opened or pygame.display.get_surface() is None:
            self._open(frame.shape[1], frame.shape[0])
        picture = as_surface(np.ascontiguousarray(frame))
        due = self._last_shown + (1000 / fps if fps > 0 else 0)
        while True:  # the window answers while the frame stands
            self._paint(picture)
            kept = (pygame.KEYDOWN, pygame.KEYUP, *([pygame.MOUSEMOTION, pygame.MOUSEBUTTONDOWN] if self.mouse else []))
            if any(event.type == pygame.QUIT for event in pygame.event.get(exclude=kept)):
                self.close()
                raise SystemExit(0)
            if (rest := due - pygame.time.get_ticks()) <= 0:
                break
            pygame.time.wait(math.ceil(min(rest, 20)))
        self._last_shown = pygame.time.get_ticks()

    def close(self) -> None:
        """Closes the window for good; a second call does nothing."""
        if self._opened:
            load_pygame().display.quit()
        self._opened, self.closed = False, True

    def _open(self, width: int, height: int) -> None:
        pygame = load_pygame()
        try:
            pygame.display.init()
            # Without a screen SDL may draw into memory that nobody sees, and say nothing.
            if pygame.display.get_driver() == "offscreen" and not os.environ.get("SDL_VIDEODRIVER"):
                pygame.display.quit()
                raise pygame.error("no screen found")
            pygame.display.set_mode((width, height), pygame.RESIZABLE)
        except pygame.error as error:
            raise NoDisplay(
                f'Cannot open a window ({error}): draw into arrays (render_mode="rgb_array") or files (--video) instead, '
                "or set the environment variable SDL_VIDEODRIVER=dummy to draw where nobody sees."
            ) from error
        pygame.display.set_caption(self.title)
        self._opened = True

    def _paint(self, picture: Any) -> None:
        """Draws the picture as large as the window lets it, in the middle."""
        pygame = load_pygame()
        screen = pygame.display.get_surface()
        (width, height), room = picture.get_size(), screen.get_size()
        zoom = min(room[0] / width, room[1] / height)
        if zoom != 1:
            size = max(1, int(width * zoom)), max(1, int(height * zoom))
            picture = pygame.transform.smoothscale(picture, size)
        screen.fill(BACKGROUND)
        corner = picture.get_rect(center=screen.get_rect().center).topleft
        screen.blit(picture, corner)
        pygame.display.flip()
        self._corner, self._zoom = corner, zoom

    def frame_point(self, position: tuple[int, int]) -> tuple[float, float]:
        """Which pixel of the frame last shown lies at a position of the window, such as the mouse's."""
        return (position[0] - self._corner[0]) / self._zoom, (position[1] - self._corner[1]) / self._zoom
