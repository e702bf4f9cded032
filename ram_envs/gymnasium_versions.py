"""What Gymnasium before 1.1 lacks, so that single environments work from 0.29.1 on.

The native vector environments need 1.1: before it no vector environment says how it begins anew (`AutoresetMode`).
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import gymnasium as gym

__all__ = ["OLD", "AutoresetMode", "VectorEnv", "own_attribute"]
OLD = not hasattr(gym.vector, "AutoresetMode")

if TYPE_CHECKING or not OLD:
    from gymnasium.vector import AutoresetMode, VectorEnv
else:
    Observations, Actions, Arrays = TypeVar("Observations"), TypeVar("Actions"), TypeVar("Arrays")

    class AutoresetMode(Enum):
        """As in Gymnasium 1.1."""

        NEXT_STEP = "NextStep"
        SAME_STEP = "SameStep"
        DISABLED = "Disabled"

    class VectorEnv(Generic[Observations, Actions, Arrays]):
        """What the lane of a single environment needs of Gymnasium's class."""

        @property
        def unwrapped(self) -> Any:
            """What `gymnasium.make_vec` asks for.

            Raises:
                gymnasium.error.Error: always, with what to do instead.
            """
            raise gym.error.Error(
                f"Native vector environments need Gymnasium 1.1 or newer, this is {gym.__version__}: "
                'single environments work, make_vec(..., vectorization_mode="sync") makes a vector of them.'
            )

        def close_extras(self, **kwargs: Any) -> None:
            """Frees what there is to free."""


def own_attribute(env: gym.Env[Any, Any], name: str, default: Any = None) -> Any:
    """An attribute of an environment or of one that it wraps."""
    try:
        return env.get_wrapper_attr(name)
    except AttributeError:
        return default
