"""Odd one out: of four shapes one differs; which quarter is it in? A world of one's own behind the retina. Needs: ram-envs.

ram-envs play --env examples.odd_one_out:OddOneOut-v0                 # docs/own_world.md explains every line
python agents/train_ram.py --env examples.odd_one_out:OddOneOut-v0
"""

import gymnasium as gym
import numpy as np

from ram_envs.arguments import whole_number
from ram_envs.batched_env import RetinaEnv, RetinaVectorEnv
from ram_envs.glimpse_sensor import to_location

SIDE = 9  # pixels of a shape
Y, X = np.abs(np.mgrid[-4:5, -4:5])
MASKS = [np.maximum(X, Y) >= 3, (X + Y >= 3) & (X + Y <= 4), np.abs(X - Y) <= 1, np.minimum(X, Y) <= 1]
SHAPES = np.uint8(255) * np.array(MASKS, np.uint8)  # (4, SIDE, SIDE): square, diamond, cross, plus
QUARTERS = np.array([(0, 0), (1, 0), (0, 1), (1, 1)])  # (x, y): upper left, upper right, lower left, lower right
NUM_DRAWS = 3 + 2 * len(QUARTERS)  # which is odd, the usual kind, the other; (x, y) of each


def draw(draws, side):
    """Draws (M, NUM_DRAWS) in [0, 1) -> scenes (M, side, side, 1), the odd quarter (M,), the middle (M, 2) of the odd shape."""
    odd, usual = (4 * draws[:, 0]).astype(int), (4 * draws[:, 1]).astype(int)
    other = (usual + 1 + (3 * draws[:, 2]).astype(int)) % 4
    corners = (draws[:, 3:].reshape(-1, 4, 2) * (side // 2 - SIDE + 1)).astype(int) + QUARTERS * (side // 2)
    scenes, scene = np.zeros((len(draws), side, side, 1), np.uint8), np.arange(len(draws))
    for quarter in range(4):
        x, y = corners[:, quarter].T[:, :, None, None] + np.arange(SIDE)  # (M, 1, SIDE)
        scenes[scene[:, None, None], y.swapaxes(1, 2), x, 0] = SHAPES[np.where(odd == quarter, other, usual)]
    return scenes, odd, corners[scene, odd] + SIDE / 2


class OddOneOutVectorEnv(RetinaVectorEnv):
    """Any number of lanes of OddOneOut."""

    screen_changes = glimpse_after_end = False  # the scene stands still; who stops does not look again
    one_answer = True
    retina_defaults = {"num_scales": 4, "initial_location": "center"}

    def __init__(self, num_envs=1, *, side=64, num_glimpses=8, **retina):
        self.side = whole_number("side", side, 2 * SIDE)
        self.num_glimpses = whole_number("num_glimpses", num_glimpses, 1)
        self.scenes = np.zeros((num_envs, side, side, 1), np.uint8)
        self.odd, self.right, self.middle = np.zeros(num_envs, int), np.zeros(num_envs, bool), np.zeros((num_envs, 2))
        choices = {"answer": len(QUARTERS), "stop": 2}
        world = {"screen": (side, side, 1), "choices": choices, "num_draws": NUM_DRAWS, "max_glimpses": num_glimpses}
        super().__init__(num_envs, **world, **retina)
        self.tells_label = self.privileged_info

    def begin(self, lanes, draws, options):
        self.scenes[lanes], self.odd[lanes], middle = draw(draws[:, 2:], self.side)
        self.middle[lanes] = to_location(middle, self.side, self.side)

    def advance(self, lanes, choices):
        over = (choices["stop"] == 1) | (self.steps[lanes] + 1 >= self.num_glimpses)
        self.right[lanes] = over & (choices["answer"] == self.odd[lanes])
        return 1.0 * self.right[lanes], over

    def screens(self, lanes):
        return self.scenes[lanes]

    def facts(self, ended):
        told = {"label": self.odd, "target_location": self.middle} if self.privileged_info else {}
        return super().facts(ended) | {"is_success": self.right & ended} | told

    def keys(self):
        return {(): {"stop": 0}} | {(ord(str(answer)),): {"answer": answer, "stop": 1} for answer in range(4)}

    def goal(self):
        return f"Which of the four shapes is the odd one? You have {self.num_glimpses} glimpses."

    def rules(self):
        return ["Click to look there next.", "0 upper left, 1 upper right, 2 lower left, 3 lower right."]

    def last_glimpse(self, lane=0):
        return bool(self.steps[lane] + 1 >= self.num_glimpses)


class OddOneOutEnv(RetinaEnv):
    """Of four shapes, one differs: look for it, and say which quarter it is in."""

    vector_class = OddOneOutVectorEnv


if "OddOneOut-v0" not in gym.registry:
    gym.register("OddOneOut-v0", f"{__name__}:OddOneOutEnv", vector_entry_point=f"{__name__}:OddOneOutVectorEnv")

if __name__ == "__main__":
    envs = gym.make_vec("OddOneOut-v0", num_envs=3)
    observation, info = envs.reset(seed=0)
    print(f"glimpses {observation['glimpse'].shape}, actions {envs.single_action_space}, odd: {info['label']}")
