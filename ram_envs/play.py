"""Play an environment by hand: the mouse is the gaze, and only what the retina sees is shown."""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import platformdirs

from ram_envs.arguments import shown
from ram_envs.batched_env import RetinaEnv
from ram_envs.glimpse_sensor import to_location
from ram_envs.rendering import Pixels, draw_card, draw_view, load_pygame, scene_point
from ram_envs.window import Window

CONTROLS = ("Tab shows the scene or hides it again (then the score does not count).", "Escape ends the session.")
LOOK_AND_ANSWER = ("Click to look there next.", "Press a digit key to answer.")
LOOK_AND_MOVE = ("The mouse is where you look.", "The arrow keys move the paddle.")
BEST_KEPT = 10


@dataclass(frozen=True)
class Session:
    """How a session went.

    Attributes:
        env_id: what was played, with the keywords that were not the defaults.
        won: games in which the answer was right, or every ball was caught.
        games: how many were played to the end.
        glimpses: mean number of glimpses of a game.
        date: of the session, YYYY-MM-DD.
    """

    env_id: str
    won: int
    games: int
    glimpses: float
    date: str

    def __str__(self) -> str:
        return f"{self.won} of {self.games}, {self.glimpses:.1f} glimpses a game, {self.date}"


class Player:
    """Plays games in a window.

    Args:
        env: made with `action_mode="dict"` and `render_mode="rgb_array"`.
        speed: steps a second of a world that does not wait for the player.
        revealed: whether the scene is shown from the beginning.
    """

    def __init__(self, env: gym.Env[Any, Any], speed: float = 4.0, revealed: bool = False) -> None:
        assert isinstance(env.unwrapped, RetinaEnv)
        self.env, self.lane, self.speed = env, env.unwrapped.lane, speed
        self.revealed = self.peeked = revealed
        self.ended = False  # by Escape
        self.window = Window("ram_envs", mouse=True)
        self._held: set[int] = set()  # keys that are down
        self._pressed: set[int] = set()  # keys that went down since the last action
        self._gaze = (0.0, 0.0)
        self._clicked = False

    def play(self, games: int, seed: int | None = None) -> list[tuple[bool, int]]:
        """Plays that many games, or fewer if Escape is pressed: whether each was won, and its number of glimpses.

        Raises:
            NoDisplay: there is no display to open a window on.
            SystemExit: the window was closed.
        """
        played: list[tuple[bool, int]] = []
        rules = LOOK_AND_MOVE if self.lane.screen_changes else LOOK_AND_ANSWER
        self.wait(self.card(["", *rules, *self.lane.controls, *CONTROLS, "", "Press a key to begin."]))
        while len(played) < games and not self.ended:
            score = f"{sum(won for won, _ in played)}/{len(played)}"
            if (game := self._game(seed if not played else None, score)) is not None:
                played.append(game)
        return played

    def card(self, lines: list[str]) -> Pixels:
        """Lines of text, as large as a picture of the game; the first is a title."""
        self.env.reset()
        frame = draw_view(self.lane.view(), self.lane.render_size)
        assert self.env.spec is not None
        return draw_card(frame.shape[:2], [self.env.spec.id, *lines])

    def wait(self, frame: Pixels, seconds: float = 3600.0) -> None:
        """Shows a picture until a key or button is pressed, or the time is over."""
        self._pressed, self._clicked = set(), False
        end = time.monotonic() + seconds
        while time.monotonic() < end and not (self._pressed or self._clicked or self.ended):
            self.window.show(frame, fps=30)
            self._read_inputs()
        self._pressed, self._clicked = set(), False

    def _game(self, seed: int | None, score: str) -> tuple[bool, int] | None:
        _, info = self.env.reset(seed=seed)
        over = False
        while not over and not self.ended:
            self.window.show(self._picture(score), self.speed if self.lane.screen_changes else 30)
            self._read_inputs()
            if (action := self._action()) is not None:
                _, _, terminated, truncated, info = self.env.step(action)
                over = terminated or truncated
        if not over:
            return None
        self.wait(draw_view(self.lane.view(), self.lane.render_size), seconds=1.5)
        return bool(info.get("is_success", False)), int(info["num_glimpses"])

    def _picture(self, score: str) -> Pixels:
        view = self.lane.view()
        caption = [fact for fact in view.caption if fact[0] not in ("label", "answer", "caught")]
        path = view.fixations[-1:] if self.lane.screen_changes else view.fixations
        shown = replace(view, fixations=path, hidden=not self.revealed, caption=[*caption, ("score", score)])
        return draw_view(shown, self.lane.render_size)

    def _read_inputs(self) -> None:
        pygame = load_pygame()
        for event in pygame.event.get((pygame.KEYDOWN, pygame.KEYUP, pygame.MOUSEMOTION, pygame.MOUSEBUTTONDOWN)):
            if event.type == pygame.KEYUP:
                self._held.discard(event.key)
            elif event.type == pygame.KEYDOWN and event.key == pygame.K_ESCAPE:
                self.ended = True
            elif event.type == pygame.KEYDOWN and event.key == pygame.K_TAB:
                self.revealed, self.peeked = not self.revealed, True
            elif event.type == pygame.KEYDOWN:
                self._held.add(event.key)
                self._pressed.add(event.key)
            else:
                self._clicked |= event.type == pygame.MOUSEBUTTONDOWN
                view = self.lane.view()
                point = scene_point(view, self.lane.render_size, self.window.frame_point(event.pos))
                x, y = to_location(np.array(point), *view.scene.shape[:2]).clip(-1, 1)
                self._gaze = (float(x), float(y))

    def _action(self) -> dict[str, Any] | None:
        """What the player does now; None where the world waits and nothing was chosen."""
        table = self.lane.keys()
        down = self._held | self._pressed
        chosen = next((choices for keys, choices in table.items() if keys and down.issuperset(keys)), None)
        clicked, self._pressed, self._clicked = self._clicked, set(), False
        if chosen is None and not self.lane.screen_changes:
            self._held = set()  # an answer is given once, however long the key is held
            if not clicked or self.lane.last_glimpse():
                return None
        action: dict[str, Any] = self.lane.write_action(self._gaze, table[()] if chosen is None else chosen)
        return action


def play(
    env_id: str,
    *,
    games: int = 10,
    speed: float = 4.0,
    seed: int | None = None,
    revealed: bool = False,
    size: int = 512,
    best_of: Path | None = None,
    **kwargs: Any,
) -> Session:
    """Opens a window, lets somebody play, and shows the best sessions at the end.

    Args:
        env_id: the environment.
        games: games of the session.
        speed: steps a second in Catch.
        seed: of the first game; the same seed gives the same games.
        revealed: shows the whole scene from the beginning; such a session is not among the best.
        size: height of the picture in pixels.
        best_of: file of the best sessions; None for one in the user's data folder.
        kwargs: keywords of the environment.

    Raises:
        NoDisplay: there is no display to open a window on.
        SystemExit: the window was closed.
    """
    env = gym.make(env_id, action_mode="dict", render_mode="rgb_array", render_size=size, **kwargs)
    player = Player(env, speed, revealed)
    try:
        played = player.play(games, seed)
        settings = [
            f"{name}={value if np.ndim(value) == 0 else shown(value)}" for name, value in sorted(kwargs.items())
        ]
        title = " ".join([env_id, *settings])
        session = Session(
            title, sum(won for won, _ in played), len(played),
            round(float(np.mean([glimpses for _, glimpses in played])), 1) if played else 0.0, time.strftime("%Y-%m-%d"),
        )  # fmt: skip
        path = best_of or Path(platformdirs.user_data_dir("ram_envs")) / "best_sessions.json"
        best = best_sessions(path, session if played and not (player.peeked or player.ended) else None)
        lines = [str(entry) for entry in best if entry.env_id == title]
        report = [f"This session: {session}", "", "The best:", *(lines or ["none yet"])]
        print("\n".join(report))
        if not player.ended:
            player.wait(player.card(report))
        return session
    finally:
        player.window.close()
        env.close()


def best_sessions(path: Path, session: Session | None = None) -> list[Session]:
    """The best sessions in a file, best first, after this one has been put among them.

    Raises:
        ValueError: the file holds something else; it is left as it is.
    """
    try:
        best = [Session(**entry) for entry in json.loads(path.read_text())] if path.exists() else []
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path} is not a list of best sessions ({error}): move it away to begin a new one.") from None
    if session is None:
        return best
    best = sorted([*best, session], key=lambda entry: (-entry.won / entry.games, -entry.games, entry.glimpses))
    kept = [entry for i, entry in enumerate(best) if sum(e.env_id == entry.env_id for e in best[:i]) < BEST_KEPT]
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_text(json.dumps([asdict(entry) for entry in kept], indent=1) + "\n")
    temporary.replace(path)
    return kept
