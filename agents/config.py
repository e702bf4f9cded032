"""Every setting of an agent's training: one frozen dataclass, from which the command line is generated."""

from __future__ import annotations

import ast
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, TypeVar

AnySettings = TypeVar("AnySettings", bound="Settings")


@dataclass(frozen=True)
class Settings:
    """Settings that a checkpoint and a result can keep."""

    def to_dict(self) -> dict[str, Any]:
        """The settings as JSON takes them."""
        return asdict(self)

    @classmethod
    def from_dict(cls: type[AnySettings], settings: dict[str, Any]) -> AnySettings:
        """The inverse of `to_dict`.

        Raises:
            ValueError: if there are settings that do not exist.
        """
        if unknown := set(settings) - {setting.name for setting in fields(cls)}:
            raise ValueError(f"Unknown settings {sorted(unknown)}: written by another version of ram_envs?")
        return cls(**{name: tuple(value) if isinstance(value, list) else value for name, value in settings.items()})


@dataclass(frozen=True)
class Config(Settings):
    """Settings of a training run. The defaults are the paper's where it states them."""

    env: str = "GlimpseMNIST-v0"
    """Id of the environment."""
    env_args: tuple[str, ...] = ()
    """Keywords of the environment, such as num_glimpses=4 glimpse_cost=0.01."""
    train_env_args: tuple[str, ...] = ()
    """Keywords that it has beside these in training alone, such as overhang=2, by which digits are moved about."""
    name: str = ""
    """Name of the preset, for the run's folder and results."""
    warm_start: str = ""
    """Checkpoint whose weights the agent begins with, from here or from the repository; what it lacks begins afresh."""
    seed: int = 1
    """Seed of the weights, the episodes and the sampling."""

    # The agent
    core: Literal["rectifier", "lstm"] = "rectifier"
    """Recurrent core."""
    hidden_size: int = 256
    """Units of the core."""
    initialization: Literal["default", "he"] = "default"
    """PyTorch's default initial weights, or those of He et al. 2015, with a rectifier core that begins by remembering."""
    pathways: Literal["shared", "separate"] = "shared"
    """One glimpse network and core for answer and location (the paper), or one for each (as in Ba et al. 2014)."""
    convolutions: tuple[int, ...] = ()
    """Filters of two convolutions in the glimpse network, such as 32 64; none is the paper's linear layer, which a pathway for
    the location alone always has."""
    location_hidden: int = 0
    """Rectifiers between core and location; 0 for the paper's linear location network."""
    location_mean: Literal["linear", "tanh", "relative"] = "linear"
    """The location network's output is the mean location (the paper), its tanh, or the way there from the last glimpse."""
    location_std: float = 0.1
    """Standard deviation of the sampled location, in units of half the image's side."""
    location_std_final: float | None = None
    """Where the standard deviation ends; None keeps it fixed."""
    exploration_share: float = 1.0
    """Share of the looks that are sampled in training; the others go where a greedy agent would look."""
    gaze_fraction: float = 1.0
    """Share of the training in which the gaze learns, its learning rate falling to 0; then it stays, greedy, and answers learn on."""
    exploration_fraction: float = 1.0
    """Share of the training in which the standard deviation falls to its end."""
    glimpse_scaling: Literal["mean", "sum"] = "mean"
    """Coarse glimpse pixels as means, or multiplied by 4**scale so that a lit pixel stays as bright."""
    glimpse_gain: float = 1.0
    """Factor of all glimpse pixels before the first layer; above 1 where few pixels are lit."""
    previous_action: bool = False
    """Whether the core also sees the last move."""
    gaze: Literal["learned", "random", "center"] = "learned"
    """Where to look: learned; uniformly random; always the centre."""
    learn_stop: bool = False
    """Whether the agent may stop before the last glimpse."""
    stop_hidden: int = 0
    """Rectifiers between core and the decision to stop; 0 for linear, as the paper's actions are."""
    stop_sees_answer: bool = False
    """Whether the decision to stop and the baseline see, beside the core, how likely each answer is, the likeliest first."""
    price_range: tuple[float, ...] = ()
    """Lowest and highest price of a glimpse, for an agent that is told the price and learns to stop at every one of them."""

    # The loss
    supervised: bool = True
    """The hybrid loss: cross entropy for the answer. Otherwise the reward alone teaches (always so in Catch)."""
    early_answer_weight: float = 0.0
    """Weight of the cross entropy of the answers before the last, which do not count for the reward."""
    glance_weight: float = 0.0
    """Weight of the cross entropy of answers from each glimpse alone, without the core; they do not count for the reward."""
    glance_reward: bool = False
    """Rewards each look with the probability that its glimpse alone gives to the right class."""
    dense_reward: bool = False
    """Rewards each look with what it adds to the probability of the right class, instead of the right answer at the end."""
    rollouts: int = 1
    """Rollouts per image."""
    passes: int = 1
    """Updates on every rollout. Those after the first see it again with the new weights (Schulman et al. 2017)."""
    clip: float = 0.2
    """In these, how far a decision's probability may move from where it was, as a share of it, before it is left alone."""
    leave_one_out: bool = False
    """Advantages over the other rollouts of the same image instead of over the learned baseline."""
    discount: float = 1.0
    """Discount of future rewards."""
    gae_lambda: float = 1.0
    """Lambda of generalised advantage estimation; 1 is plain REINFORCE with a baseline."""
    normalize_advantages: bool = False
    """Whether advantages are brought to mean 0 and standard deviation 1 in each batch."""
    location_weight: float = 1.0
    """Weight of the location's REINFORCE loss."""
    border_penalty: float = 0.0
    """Weight of the squared way from the mean location to the nearest place inside the image."""
    entropy_bonus: float = 0.0
    """Bonus on the entropy of moves (and of stopping), falling linearly to 0."""
    baseline_hidden: int = 0
    """Rectifiers between core and baseline."""
    reinforce_into_core: float = 0.0
    """How much of the location network's gradient reaches the core."""
    baseline_into_core: float = 0.0
    """How much of the baseline's gradient reaches the core."""

    # Optimisation
    optimizer: Literal["sgd", "adam"] = "sgd"
    """Stochastic gradient descent with momentum, or Adam."""
    learning_rate: float = 0.01
    """Initial learning rate."""
    location_learning_rate: float | None = None
    """Initial learning rate of the location network (and of its pathway, where it has its own); None for the same."""
    momentum: float = 0.9
    """Momentum of stochastic gradient descent."""
    weight_decay: float = 0.0
    """Decoupled weight decay of Adam."""
    annealing: Literal["linear", "cosine", "constant"] = "linear"
    """How the learning rate falls to 0."""
    max_grad_norm: float = 0.0
    """Gradients are clipped to this norm; 0 for never."""
    weight_averaging: float = 0.0
    """How much of the average of the weights each update keeps; scores and shipped agents use the average. 0: none."""
    batch_size: int = 20
    """Episodes of one update."""
    total_episodes: int = 55_000 * 100
    """Episodes of the whole training; an epoch of MNIST has 55,000."""

    # Running
    evaluations: int = 10
    """How often the agent is scored on held-out episodes during training."""
    scored_glimpses: tuple[int, ...] = ()
    """Smaller numbers of glimpses that a finished agent of digits is scored with too, as it is."""
    scored_prices: tuple[float, ...] = ()
    """Prices of a glimpse that a finished agent with a `price_range` is scored at."""
    score_test: bool = True
    """Whether a finished run is scored on the test episodes too; turn it off while choosing settings."""
    report_every: int = 100
    """Updates between two reports."""
    checkpoint_minutes: float = 2.0
    """Minutes between two checkpoints; one is always written at the end and on Ctrl-C."""
    device: str = "auto"
    """"cpu", "cuda", or "auto": a GPU if there is one."""
    threads: int = 1
    """CPU threads; networks this small are fastest with one."""
    matmul_precision: Literal["highest", "high", "medium", "bfloat16"] = "medium"
    """PyTorch's float32 matmul precision, or "bfloat16" for autocast; "highest" on machines without bfloat16 products."""

    def env_kwargs(self) -> dict[str, Any]:
        """`env_args` as keywords.

        Raises:
            ValueError: if one of them is not KEY=VALUE.
        """
        kwargs: dict[str, Any] = {}
        for arg in self.env_args:
            key, equals, value = arg.partition("=")
            if not equals or not key.isidentifier():
                raise ValueError(f"env_args must be of the form KEY=VALUE, got {arg!r}.")
            try:
                kwargs[key] = ast.literal_eval(value)
            except (ValueError, SyntaxError):
                kwargs[key] = value  # a bare word is a string
        return kwargs

    def __post_init__(self) -> None:
        positive = (
            "hidden_size",
            "glimpse_gain",
            "location_std",
            "exploration_share",
            "exploration_fraction",
            "learning_rate",
            "batch_size",
            "total_episodes",
            "report_every",
            "threads",
            "passes",
            "clip",
        )
        for name in (*positive, "rollouts"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above 0, got {getattr(self, name)!r}.")
        for name in (
            "discount",
            "gae_lambda",
            "weight_averaging",
            "exploration_share",
            "exploration_fraction",
            "gaze_fraction",
        ):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must lie in [0, 1], got {getattr(self, name)!r}.")
        if self.convolutions and (len(self.convolutions) != 2 or min(self.convolutions) < 1):
            raise ValueError(f"convolutions must be two numbers of filters, such as 32 64, got {self.convolutions!r}.")
        if self.batch_size % self.rollouts:
            raise ValueError(f"batch_size must be a multiple of rollouts, got {self.batch_size} and {self.rollouts}.")
        if self.leave_one_out and self.rollouts < 2:
            raise ValueError("leave_one_out needs rollouts of at least 2.")
        if self.glance_reward and self.dense_reward:
            raise ValueError("glance_reward and dense_reward are two ways to pay a look: choose one.")
        if self.glance_reward and not self.glance_weight:
            raise ValueError("glance_reward needs answers from single glimpses: a glance_weight above 0.")
        if self.gaze_fraction < 1 and self.gaze == "learned" and self.pathways == "shared":
            raise ValueError(
                'gaze_fraction below 1 needs pathways="separate": the gaze would go on changing with a shared core.'
            )
        if self.price_range and not (len(self.price_range) == 2 and 0 < self.price_range[0] < self.price_range[1]):
            raise ValueError(f"price_range must be two prices, 0 < lowest < highest, got {self.price_range!r}.")
        for name in ("price_range", "stop_sees_answer"):
            if getattr(self, name) and not self.learn_stop:
                raise ValueError(f"{name} is for agents that learn when to stop: it needs learn_stop.")

    @property
    def total_updates(self) -> int:
        """Updates of the whole training."""
        return max(1, self.total_episodes // self.batch_size)
