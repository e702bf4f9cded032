"""A lamp that moves: press while it is lit. A world of one's own that moves and tells nothing but the reward. Needs: ram-envs.

ram-envs play --env examples.moving_lamp:MovingLamp-v0
python agents/train_ram.py --env examples.moving_lamp:MovingLamp-v0
"""

import gymnasium as gym
import numpy as np

from ram_envs.arguments import whole_number
from ram_envs.batched_env import RetinaEnv, RetinaVectorEnv
from ram_envs.glimpse_sensor import to_location

LAMP, STAYS, STEPS = 4, 6, 24  # pixels of a side, steps at one place, steps of an episode
PLACES = STEPS // STAYS
RIM = np.pad(np.zeros((LAMP - 2, LAMP - 2), bool), 1, constant_values=True)
NUM_DRAWS = 2 * PLACES + 2 * STEPS  # (x, y) of each place; whether it changes before each step, and to what


class MovingLampVectorEnv(RetinaVectorEnv):
    """Any number of lanes of MovingLamp."""

    retina_defaults = {"patch_size": 6, "num_scales": 2}
    verdicts = {True: "in credit", False: "in debt"}

    def __init__(self, num_envs=1, *, side=32, **retina):
        self.side = whole_number("side", side, LAMP)
        self.places = np.zeros((num_envs, PLACES, 2), int)
        self.lit = np.zeros((num_envs, STEPS), bool)
        world = {"screen": (side, side, 1), "choices": {"press": 2}, "num_draws": NUM_DRAWS, "max_glimpses": STEPS + 1}
        super().__init__(num_envs, **world, **retina)

    def begin(self, lanes, draws, options):
        places, changes, states = np.split(draws[:, 2:], [2 * PLACES, 2 * PLACES + STEPS], axis=1)
        self.places[lanes] = (places.reshape(-1, PLACES, 2) * (self.side - LAMP + 1)).astype(int)
        self.lit[lanes] = states < 0.5
        for step in range(1, STEPS):  # half of the time it stays as it was
            self.lit[lanes, step] = np.where(changes[:, step] < 0.5, states[:, step] < 0.5, self.lit[lanes, step - 1])

    def advance(self, lanes, choices):
        paid = np.where(self.lit[lanes, self.steps[lanes]], 1.0, -1.0)
        return paid * (choices["press"] == 1), self.steps[lanes] + 1 >= STEPS

    def shown(self):
        """The corner (x, y) of every lane's lamp, and whether it is lit."""
        every, step = np.arange(self.num_envs), np.minimum(self.steps, STEPS - 1)
        return self.places[every, step // STAYS], self.lit[every, step]

    def screens(self, lanes):
        corners, lit = (found[lanes] for found in self.shown())
        x, y = corners.T[:, :, None, None] + np.arange(LAMP)  # (M, 1, LAMP)
        screens, lane = np.zeros((len(lanes), self.side, self.side, 1), np.uint8), np.arange(len(lanes))
        screens[lane[:, None, None], y.swapaxes(1, 2), x, 0] = np.where(RIM, 120, 255 * lit[:, None, None])
        return screens

    def facts(self, ended):
        where = {"target_location": to_location(self.shown()[0] + LAMP / 2, self.side, self.side)}
        return super().facts(ended) | (where if self.privileged_info else {})

    def keys(self):
        return {(): {"press": 0}, (ord(" "),): {"press": 1}}

    def goal(self):
        return "Press while the lamp is lit."

    def rules(self):
        return ["The mouse looks.", "Space presses: 1 is won if the lamp is lit, lost if it is not."]


class MovingLampEnv(RetinaEnv):
    """A lamp goes on and off and is elsewhere after every six steps: look for it, and press while it is lit."""

    vector_class = MovingLampVectorEnv


if "MovingLamp-v0" not in gym.registry:
    gym.register("MovingLamp-v0", f"{__name__}:MovingLampEnv", vector_entry_point=f"{__name__}:MovingLampVectorEnv")

if __name__ == "__main__":
    envs = gym.make_vec("MovingLamp-v0", num_envs=3)
    observation, info = envs.reset(seed=0)
    print(f"glimpses {observation['glimpse'].shape}, actions {envs.single_action_space}")
