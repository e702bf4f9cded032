"""The window: what it shows, what it leaves to the player, how it ends. No test needs a screen."""

import time

import numpy as np
import pytest

from ram_envs.rendering import BACKGROUND, load_pygame
from ram_envs.window import NoDisplay, Window


@pytest.fixture
def pygame():
    return load_pygame()


@pytest.fixture
def window(monkeypatch):
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    window = Window()
    yield window
    window.close()


FRAME = np.full((20, 40, 3), 200, np.uint8)


def test_window_shows_the_frame_and_closes_twice(window, pygame):
    window.show(FRAME)
    assert pygame.display.get_surface().get_size() == (40, 20)
    assert tuple(pygame.display.get_surface().get_at((5, 5)))[:3] == (200, 200, 200)
    window.close()
    window.close()
    assert window.closed
    assert not pygame.display.get_init()
    window.show(FRAME)
    assert not pygame.display.get_init()


def test_frame_keeps_its_shape_in_a_resized_window(window, pygame):
    window.show(FRAME)
    screen = pygame.display.set_mode((80, 80), pygame.RESIZABLE)
    window.show(FRAME)
    assert tuple(screen.get_at((40, 40)))[:3] == (200, 200, 200)
    assert tuple(screen.get_at((40, 10)))[:3] == BACKGROUND


def test_closing_the_window_ends_a_plain_loop(window, pygame):
    window.show(FRAME)
    pygame.event.post(pygame.event.Event(pygame.QUIT))
    with pytest.raises(SystemExit) as ending:
        window.show(FRAME)
    assert ending.value.code == 0
    assert window.closed
    window.show(FRAME)  # whoever caught it goes on without pictures


def test_key_presses_are_left_to_the_player(window, pygame):
    window.show(FRAME)
    pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=pygame.K_LEFT))
    window.show(FRAME)
    assert [event.key for event in pygame.event.get(pygame.KEYDOWN)] == [pygame.K_LEFT]


def test_mouse_is_left_to_the_player_who_asks_for_it(pygame, monkeypatch):
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    for mouse in (False, True):
        window = Window(mouse=mouse)
        window.show(FRAME)
        pygame.event.post(pygame.event.Event(pygame.MOUSEMOTION, pos=(3, 4), rel=(0, 0), buttons=(0, 0, 0)))
        window.show(FRAME)
        assert len(pygame.event.get(pygame.MOUSEMOTION)) == mouse
        window.close()


def test_frame_point_undoes_size_and_place_of_the_frame(window, pygame):
    window.show(FRAME)
    assert window.frame_point((5, 6)) == (5, 6)
    pygame.display.set_mode((80, 80), pygame.RESIZABLE)  # the frame is doubled, 20 pixels below the top
    window.show(FRAME)
    assert window.frame_point((10, 30)) == (5, 5)


def test_window_keeps_the_pace(window):
    window.show(FRAME)
    start = time.perf_counter()
    for _ in range(3):
        window.show(FRAME, fps=50)
    assert time.perf_counter() - start > 0.05


def test_without_a_display_the_error_says_what_to_do(monkeypatch):
    monkeypatch.setenv("SDL_VIDEODRIVER", "no such driver")
    with pytest.raises(NoDisplay, match='render_mode="rgb_array"'):
        Window().show(FRAME)
