"""Hard visual attention as Gymnasium environments: a world behind a retina that the agent has to move.

Importing this package registers the environments:

| id | what is behind the retina |
|---|---|
| `GlimpseMNIST-v0` | 28x28 digits, one scale of 8x8, 6 glimpses |
| `GlimpseMNIST-Translated60-v0` | a digit somewhere on 60x60, three scales of 12x12, 8 glimpses |
| `GlimpseMNIST-Cluttered60-v0` | a digit somewhere on 60x60 among 4 pieces of other digits, three scales of 12x12 |
| `GlimpseMNIST-Cluttered100-v0` | a digit somewhere on 100x100 among 8 pieces of other digits, four scales of 12x12 |
| `GlimpseMNIST-Pairs100-v0` | two digits on 100x100 among 8 pieces of other digits: which two? |
| `GlimpseMNIST-Sum100-v0` | two digits on 100x100: what is their sum? |
| `GlimpseMNIST-Mega500-v0` | five digits on 500x500, three of one class: which? seven scales of 12x12, 16 glimpses |
| `GlimpseMNIST-Mega1500-v0` | five digits on 1500x1500 under 50 marks, three of one class: which? eight scales of 12x12, 32 glimpses |
| `GlimpseMNIST-Moving60-v0` | a digit that moves among 4 moving pieces on 60x60, 20 frames, one look at each |
| `CatchBall-v0` | the ball game Catch on 24x24, three scales of 6x6 |
| `GlimpseImages-v0` | a folder of your own images: `make("GlimpseImages-v0", images="photos/")` |

Beside each of these but the last there are ids for code that passes no keywords, `GlimpseMNIST-Discrete-v0` and so on:

| id | is made with |
|---|---|
| `...-Discrete-v0` | `obs_mode="flat"`, `action_mode="discrete"` |
| `...-Box-v0` | `obs_mode="flat"`, `action_mode="box"` |
| `...-History-v0` | `obs_mode="history"` |

`gymnasium.make(id)` gives a single environment, `gymnasium.make_vec(id, num_envs=N)` a native vector environment.
`RetinaWrapper`, `RetinaVectorWrapper` and `register_retina` put anybody else's environment behind the retina.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import gymnasium

from ram_envs.glimpse_sensor import GlimpseSensor

if TYPE_CHECKING:
    from ram_envs.retina_wrapper import RetinaVectorWrapper, RetinaWrapper, register_retina

__all__ = [
    "ENV_IDS", "FORMS", "FORM_IDS", "OWN_IMAGES", "GlimpseSensor", "RetinaVectorWrapper", "RetinaWrapper", "register_retina",
]  # fmt: skip
__version__ = "0.1.0"

_WIDE = {"patch_size": 12, "num_glimpses": 8}
_DIGITS: dict[str, dict[str, int]] = {
    "GlimpseMNIST-v0": {"patch_size": 8, "num_scales": 1, "num_glimpses": 6},
    "GlimpseMNIST-Translated60-v0": {**_WIDE, "num_scales": 3, "canvas_size": 60},
    "GlimpseMNIST-Cluttered60-v0": {**_WIDE, "num_scales": 3, "canvas_size": 60, "clutter_pieces": 4},
    "GlimpseMNIST-Cluttered100-v0": {**_WIDE, "num_scales": 4, "canvas_size": 100, "clutter_pieces": 8},
}
_MEGA = {"patch_size": 12, "answer": "majority", "digits": 5}
_SEVERAL: dict[str, dict[str, Any]] = {
    "GlimpseMNIST-Pairs100-v0": {**_WIDE, "num_scales": 4, "answer": "pair", "canvas_size": 100, "clutter_pieces": 8},
    "GlimpseMNIST-Sum100-v0": {**_WIDE, "num_scales": 4, "answer": "sum", "canvas_size": 100},
    "GlimpseMNIST-Mega500-v0": {**_MEGA, "num_scales": 7, "num_glimpses": 16, "canvas_size": 500},
    "GlimpseMNIST-Mega1500-v0": {**_MEGA, "num_scales": 8, "num_glimpses": 32, "canvas_size": 1500, "marks": 50},
}
_MOVING = {"GlimpseMNIST-Moving60-v0": {"patch_size": 12, "num_scales": 3}}
_WORLDS = {
    "GlimpseMNIST": "ram_envs.glimpse_mnist:GlimpseMNIST",
    **dict.fromkeys(_SEVERAL, "ram_envs.glimpse_digits:GlimpseDigits"),
    **dict.fromkeys(_MOVING, "ram_envs.glimpse_moving:GlimpseMoving"),
    "CatchBall": "ram_envs.catch_ball:CatchBall",
    "GlimpseImages": "ram_envs.glimpse_images:GlimpseImages",
}
_KEYWORDS: dict[str, dict[str, Any]] = {**_DIGITS, **_SEVERAL, **_MOVING}
ENV_IDS = (*_KEYWORDS, "CatchBall-v0")

OWN_IMAGES = "GlimpseImages-v0"  # not among `ENV_IDS`, which need nothing of one's own

FORMS = {
    "Discrete": {"obs_mode": "flat", "action_mode": "discrete"},
    "Box": {"obs_mode": "flat", "action_mode": "box"},
    "History": {"obs_mode": "history"},
}
"""Spaces for code that passes no keywords: name, as it is put into an id, and the keywords that give them."""
FORM_IDS = {f"{_id.removesuffix('-v0')}-{_form}-v0": (_id, _form) for _id in ENV_IDS for _form in FORMS}
"""The id of each environment in each of the `FORMS`, and which is in which."""


def _register(env_id: str, world: str, kwargs: Mapping[str, Any]) -> None:
    if env_id not in gymnasium.registry:
        entry = _WORLDS.get(world) or _WORLDS[world.partition("-")[0]]
        gymnasium.register(
            env_id, entry_point=f"{entry}Env", vector_entry_point=f"{entry}VectorEnv", kwargs=dict(kwargs)
        )


for _id in (*ENV_IDS, OWN_IMAGES):
    _register(_id, _id, _KEYWORDS.get(_id, {}))
for _name, (_id, _form) in FORM_IDS.items():
    _register(_name, _id, {**_KEYWORDS.get(_id, {}), **FORMS[_form]})


def __getattr__(name: str) -> Any:
    """What is not loaded before it is asked for."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from ram_envs import retina_wrapper

    return getattr(retina_wrapper, name)
