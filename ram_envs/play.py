"""Play an environment by hand: the mouse is the gaze, and only what the retina sees is shown."""

from __future__ import annotations

import importlib
import json
import os
import textwrap
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
import platformdirs
from gymnasium.envs.registration import load_env_creator

from ram_envs.arguments import shown
from ram_envs.batched_env import RetinaEnv
from ram_envs.glimpse_sensor import to_location
from ram_envs.rendering import Pixels, draw_card, draw_view, load_pygame, scene_point
from ram_envs.retina_wrapper import RetinaWrapper, make_retina
from ram_envs.window import Window

CONTROLS = ("Tab shows the scene or hides it again (then the score does not count).", "Escape ends the session.")
LOOK_AND_ANSWER = ("Click to look there next.", "Press a digit key to answer.")
LOOK_AND_MOVE = ("The mouse is where you look.", "The arrow keys move the paddle.")
BEST_KEPT = 10
CARD_WIDTH = 60  # letters of a line


@dataclass(frozen=True)
class Session:
    """How a session went.

    Attributes:
        env_id: what was played, with the keywords that were not the defaults.
        won: games in which the answer was right, or every ball was caught.
        games: how many were played to the end.
        glimpses: mean number of glimpses of a game.
        date: of the session, YYYY-MM-DD.
        points: mean return of a game, where the world does not say who won.
    """

    env_id: str
    won: int
    games: int
    glimpses: float
    date: str
    points: float | None = None

    def __str__(self) -> str:
        result = f"{self.won} of {self.games}" if self.points is None else f"{self.points:.4g} points in {self.games}"
        return f"{result}, {self.glimpses:.1f} glimpses a game, {self.date}"


class Game(NamedTuple):
    """How a game went: whether it was won, None where the world does not say; its glimpses; its return."""

    won: bool | None
    glimpses: int
    points: float


def tally(games: list[Game]) -> tuple[int, float | None]:
    """Games won, and the mean return where the world does not say which were."""
    silent = bool(games) and all(game.won is None for game in games)
    return sum(bool(game.won) for game in games), float(np.mean([g.points for g in games])) if silent else None


class Player:
    """Plays games in a window.

    Args:
        env: made with `action_mode="dict"` and `render_mode="rgb_array"`.
        speed: steps a second of a world that does not wait for the player.
        revealed: whether the scene is shown from the beginning.
        title: what is played.
    """

    def __init__(
        self, env: gym.Env[Any, Any], speed: float = 4.0, revealed: bool = False, title: str = "ram_envs"
    ) -> None:
        if not isinstance(env.unwrapped, RetinaEnv):
            raise ValueError(f"{title} is not behind the retina.")
        self.env, self.lane, self.speed, self.title = env, env.unwrapped.lane, speed, title
        self.revealed = self.peeked = revealed
        self.ended = False  # by Escape
        self.window = Window("ram_envs", mouse=True)
        self._held: set[int] = set()  # keys that are down
        self._pressed: set[int] = set()  # keys that went down since the last action
        self._gaze = (0.0, 0.0)
        self._clicked = False

    @property
    def waits(self) -> bool:
        """Whether the world waits for the player."""
        table = self.lane.keys()
        return not self.lane.screen_changes or () not in table or self.lane.last_glimpse()

    def play(self, games: int, seed: int | None = None) -> list[Game]:
        """Plays that many games, or fewer if Escape is pressed.

        Raises:
            NoDisplay: there is no display to open a window on.
            SystemExit: the window was closed.
        """
        played: list[Game] = []
        rules = self.lane.rules() or (LOOK_AND_MOVE if self.lane.screen_changes else LOOK_AND_ANSWER)
        self.wait(self.card(["", self.lane.goal(), "", *rules, *CONTROLS, "", "Press a key to begin."]))
        while len(played) < games and not self.ended:
            won, points = tally(played)
            score = f"{won}/{len(played)}" if points is None else f"{points:.4g}"
            if (game := self._game(seed if not played else None, score)) is not None:
                played.append(game)
        return played

    def card(self, lines: list[str]) -> Pixels:
        """Lines of text, as large as a picture of the game, below what is played; long lines are broken."""
        self.env.reset()
        frame = draw_view(self.lane.view(), self.lane.render_size)
        broken = [part for line in lines for part in textwrap.wrap(line, CARD_WIDTH) or [""]]
        return draw_card(frame.shape[:2], [self.title, *broken])

    def wait(self, frame: Pixels, seconds: float = 3600.0) -> None:
        """Shows a picture until a key or button is pressed, or the time is over."""
        self._pressed, self._clicked = set(), False
        end = time.monotonic() + seconds
        while time.monotonic() < end and not (self._pressed or self._clicked or self.ended):
            self.window.show(frame, fps=30)
            self._read_inputs()
        self._pressed, self._clicked = set(), False

    def _game(self, seed: int | None, score: str) -> Game | None:
        _, info = self.env.reset(seed=seed)
        over, points = False, 0.0
        while not over and not self.ended:
            self.window.show(self._picture(score), 30 if self.waits else self.speed)
            self._read_inputs()
            if (action := self._action()) is not None:
                _, reward, terminated, truncated, info = self.env.step(action)
                points += float(reward)
                over = terminated or truncated
        if not over:
            return None
        self.wait(draw_view(self.lane.view(), self.lane.render_size), seconds=1.5)
        won = info.get("is_success")
        return Game(None if won is None else bool(won), int(info["num_glimpses"]), points)

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
        if self.waits and chosen is not None:
            self._held = set()  # a key counts once, however long it is held
        if chosen is None:
            chosen = table.get(())
            if self.waits and (chosen is None or not clicked or self.lane.last_glimpse()):
                return None
        action: dict[str, Any] = self.lane.write_action(self._gaze, chosen or {})
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
    env = make_playable(env_id, render_size=size, **kwargs)
    player = Player(env, speed, revealed, env_id)
    try:
        played = player.play(games, seed)
        settings = [
            f"{name}={value if np.ndim(value) == 0 else shown(value)}" for name, value in sorted(kwargs.items())
        ]
        title = " ".join([env_id, *settings])
        won, points = tally(played)
        glimpses = round(float(np.mean([game.glimpses for game in played])), 1) if played else 0.0
        session = Session(title, won, len(played), glimpses, time.strftime("%Y-%m-%d"), points)
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


def make_playable(env_id: str, **kwargs: Any) -> gym.Env[Any, Any]:
    """The environment as a `Player` takes it; one that is not behind the retina is put there, with these keywords: it is seen as it
    is rendered, unless its observations are images or `image` says what to look at."""
    form: dict[str, Any] = {"action_mode": "dict", "render_mode": "rgb_array", **kwargs}
    module, _, name = env_id.rpartition(":")
    if module:
        importlib.import_module(module)
    entry: Any = gym.spec(name).entry_point
    creator = load_env_creator(entry) if isinstance(entry, str) else entry
    if creator is make_retina or (isinstance(creator, type) and issubclass(creator, RetinaEnv)):
        return gym.make(env_id, **form)
    env = gym.make(env_id)
    if isinstance(env.unwrapped, RetinaEnv):  # made by a function
        env.close()
        return gym.make(env_id, **form)
    if "image" not in form and not _gives_images(env.observation_space):
        form["image"] = "render"
    if form.get("image") == "render":
        env.close()
        env = gym.make(env_id, render_mode="rgb_array")
    return RetinaWrapper(env, **form)


def _gives_images(space: gym.Space[Any]) -> bool:
    """Whether observations are what a retina can look at; where they are not, it looks at what is rendered."""
    return isinstance(space, gym.spaces.Box) and space.dtype == np.uint8 and len(space.shape) in (2, 3, 4)


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
    best = sorted(
        [*best, session],
        key=lambda entry: (-entry.won / entry.games, -(entry.points or 0), -entry.games, entry.glimpses),
    )
    kept = [entry for i, entry in enumerate(best) if sum(e.env_id == entry.env_id for e in best[:i]) < BEST_KEPT]
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_text(json.dumps([asdict(entry) for entry in kept], indent=1) + "\n")
    temporary.replace(path)
    return kept
