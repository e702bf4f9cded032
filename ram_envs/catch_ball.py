"""CatchBall: the ball game Catch behind the retina."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ram_envs import catch_game
from ram_envs.action_modes import Choices
from ram_envs.arguments import one_of, real_number, whole_number
from ram_envs.batched_env import Lanes, RetinaEnv, RetinaVectorEnv
from ram_envs.glimpse_sensor import to_location
from ram_envs.rendering import load_pygame

BALL_ANGLES = ("any", "diagonal")
PADDLE_STARTS = ("random", "center")


class CatchBallVectorEnv(RetinaVectorEnv):
    """Any number of lanes of CatchBall; spaces, rewards and arguments are described in `CatchBallEnv`."""

    metadata = {**RetinaVectorEnv.metadata, "render_fps": 10}
    glimpse_after_end = True
    screen_changes = True
    retina_defaults = {"patch_size": 6, "num_scales": 3, "location_grid": 5}
    gamma = 0.5
    verdicts = {True: "caught", False: "missed"}

    def __init__(
        self,
        num_envs: int = 1,
        *,
        screen_size: int = 24,
        num_balls: int = 1,
        ball_speed: float = 1.0,
        ball_angles: str = "any",
        paddle_start: str = "random",
        **retina: Any,
    ) -> None:
        self.screen_size = whole_number("screen_size", screen_size, 4)
        self.num_balls = whole_number("num_balls", num_balls, 1)
        one_of("ball_angles", ball_angles, BALL_ANGLES)
        one_of("paddle_start", paddle_start, PADDLE_STARTS)
        self.ball_speed = real_number("ball_speed", ball_speed, 0, self.screen_size)
        self.ball_angles, self.paddle_start = ball_angles, paddle_start
        super().__init__(
            num_envs,
            screen=(self.screen_size, self.screen_size, 1),
            choices={"move": len(catch_game.MOVES)},
            num_draws=catch_game.NUM_DRAWS * self.num_balls,
            max_glimpses=self.num_balls * (self.screen_size - 1) + 1,
            **retina,
        )
        self._games = catch_game.new_games(num_envs)
        self._ball_draws = np.zeros((num_envs, self.num_balls, catch_game.NUM_DRAWS))
        self._landed = np.zeros(num_envs, np.int64)  # balls of the episode that have come down
        self._caught = np.zeros(num_envs, np.int64)  # and those caught

    def begin(self, lanes: Lanes, draws: NDArray[np.float64], options: Mapping[str, Any]) -> None:
        self._ball_draws[lanes] = draws[:, 2:].reshape(len(lanes), self.num_balls, catch_game.NUM_DRAWS)
        self._landed[lanes] = self._caught[lanes] = 0
        first = self._ball_draws[lanes, 0]
        if self.paddle_start == "center":
            first = np.broadcast_to([0.0, 0.0, 0.5], first.shape)
        catch_game.place_paddles(self._games, lanes, first, self.screen_size)
        self._drop(lanes)

    def _drop(self, lanes: Lanes) -> None:
        """Drops the next ball in each of the lanes."""
        draws = self._ball_draws[lanes, self._landed[lanes]]
        catch_game.drop_balls(
            self._games, lanes, draws, self.screen_size, self.ball_speed, self.ball_angles == "diagonal"
        )

    def advance(self, lanes: Lanes, choices: Choices) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        landed, caught = catch_game.advance(self._games, lanes, choices["move"], self.screen_size)
        self._landed[lanes] += landed
        self._caught[lanes] += caught
        over = self._landed[lanes] == self.num_balls
        self._drop(lanes[landed & ~over])
        return caught.astype(np.float64), over

    def screens(self, lanes: Lanes) -> NDArray[np.uint8]:
        return catch_game.draw(self._games, lanes, self.screen_size)

    def facts(self, ended: NDArray[np.bool_]) -> dict[str, NDArray[Any]]:
        won = self._caught == self.num_balls
        facts = super().facts(ended) | {"balls_caught": self._caught, "is_success": won & ended}
        if self.privileged_info:
            ball = np.stack([catch_game.ball_columns(self._games, self.screen_size), self._games.row], axis=-1) + 0.5
            facts["target_location"] = to_location(ball, self.screen_size, self.screen_size)
        return facts

    def goal(self) -> str:
        balls = "the ball" if self.num_balls == 1 else f"all {self.num_balls} balls, one after the other,"
        return f"Catch {balls} with the paddle on the bottom row."

    def keys(self) -> dict[tuple[int, ...], dict[str, int]]:
        """The arrow keys move the paddle."""
        pygame = load_pygame()
        return {(): {"move": 1}, (pygame.K_LEFT,): {"move": 0}, (pygame.K_RIGHT,): {"move": 2}}

    def option_names(self) -> Mapping[str, Sequence[str]]:
        return {"move": ("left", "stay", "right")}

    def caption(self, lane: int) -> list[tuple[str, str]]:
        return [
            ("step", f"{self.steps[lane]}/{self.num_balls * (self.screen_size - 1)}"),
            ("reward", f"{self.rewards[lane]:.3g}"),
            ("caught", f"{self._caught[lane]}/{self.num_balls}"),
        ]


class CatchBallEnv(RetinaEnv):
    """
    ## Description
    A ball falls down a black screen, one row a step; the paddle on the bottom row should be under it when it arrives. The agent
    sees both only through a retina, which it has to move as well (Mnih et al. 2014, section 4.2): the ball's exact place
    is visible only inside the finest patch.

    The paper gives the screen (24 x 24), the ball (one pixel), the paddle (two), the retina (6 x 6, three scales), the moves and the
    reward. The rest is chosen here: the ball moves sideways at a speed drawn uniformly from [-1, 1] columns a
    step, one per game (`ball_speed`; `ball_angles="diagonal"` takes one of the two ends instead), starts at any column, and is drawn
    at the nearest column; the paddle starts anywhere (`paddle_start`) and moves one column a step; the move is made
    before the ball falls. So a game lasts `screen_size - 1` steps, and every ball can be caught.

    ## Observation Space
    `Dict`: `glimpse`, float32 in [0, 1] of shape (num_scales, patch_size, patch_size), finest scale first; `location`, float32
    (2,) in [-1, 1], where the glimpse was taken. With `obs_mode="flat"` one `Box`: the glimpse, row by row, then the location.
    With `obs_mode="history"` one `Box`: the last `history` glimpses, the oldest first, each with its location and the move
    before it as a one-hot vector of three numbers;
    zeros before them for those not taken yet.

    ## Action Space
    Each action chooses where to look next and how to move the paddle: 0 left, 1 nothing, 2 right.

    | `action_mode` | space |
    |---|---|
    | `"multidiscrete"` | `MultiDiscrete([location_grid**2, 3])`: a cell of the grid (its centre is looked at), the move |
    | `"dict"` | `Dict`: `location` Box (2,), `move` Discrete(3) |
    | `"box"` | `Box` (2 + 3,): x, y, a score per move (the highest is made) |
    | `"discrete"` | `Discrete(3 * location_grid**2)`: every cell with every move, number `3 * cell + move` |

    Locations beyond [-1, 1] are moved to the border; NaN, a wrong shape or a choice out of range is a `ValueError`.

    ## Rewards
    1 when a ball arrives and the paddle is under it, else 0.

    ## Starting State
    The ball in the top row, the paddle on the bottom row, the first glimpse at `initial_location`.

    ## Episode End
    The episode terminates when the last of `num_balls` has arrived. It is truncated only by `max_episode_steps`.

    ## Info
    `num_glimpses`: taken so far; `balls_caught`; `is_success`: True at the end if every ball was caught, False until then. Privileged, not for the
    agent: `target_location` (2,), the ball's place. `privileged_info=False` removes it.

    ## Arguments
    - `screen_size`: side of the screen in pixels.
    - `num_balls`: balls of one episode, which fall in turn; the paddle stays where it is between them.
    - `ball_speed`: the fastest sideways speed, in columns a step.
    - `ball_angles`: "any" or "diagonal"; `paddle_start`: "random" or "center".

    ## Version History
    - v0: first version.
    """

    metadata = {**RetinaEnv.metadata, "render_fps": 10}
    vector_class = CatchBallVectorEnv
