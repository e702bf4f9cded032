"""Every setting of the Recurrent Attention Model's training, in groups, from which the command line is generated.

The defaults are the paper's where it states them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from agents.experiment.settings import (
    EpisodesRun,
    ExperimentConfig,
    Settings,
    demand_positive,
    demand_share,
)


@dataclass(frozen=True)
class NetworkConfig(Settings):
    """Glimpse network, core, and what they are given."""

    core: Literal["rectifier", "lstm", "attention", "lstm+attention"] = "rectifier"
    """Recurrent core; or one that attends to all glimpses so far; or an LSTM and attention side by side."""
    hidden_size: int = 256
    """Units of the core."""
    convolutions: tuple[int, ...] = ()
    """Filters of two convolutions in the glimpse network, such as 32 64; none is the paper's linear layer, which a pathway for
    the location alone always has."""
    baseline_hidden: int = 0
    """Rectifiers between core and baseline; 0 for the paper's linear baseline."""
    glimpse_scaling: Literal["mean", "sum"] = "mean"
    """Coarse glimpse pixels as means, or multiplied by 4**scale so that a lit pixel stays as bright."""
    glimpse_gain: float = 1.0
    """Factor of all glimpse pixels before the first layer; above 1 where few pixels are lit."""
    previous_action: bool = False
    """Whether the core also sees the last move."""
    input: Literal["plain", "standardized"] = "plain"
    """Glimpse pixels as they are, or each scale brought to mean 0 and standard deviation 1 by what training has seen."""

    def __post_init__(self) -> None:
        demand_positive(self, "hidden_size", "glimpse_gain")
        if self.convolutions and (len(self.convolutions) != 2 or min(self.convolutions) < 1):
            raise ValueError(f"convolutions must be two numbers of filters, such as 32 64, got {self.convolutions!r}.")
        super().__post_init__()


@dataclass(frozen=True)
class GazeConfig(Settings):
    """The location network: where it looks, how it explores, how it learns."""

    policy: Literal["learned", "random", "center"] = "learned"
    """Where to look: learned; uniformly random; always the centre."""
    pathway: Literal["shared", "separate"] = "shared"
    """One glimpse network and core for answer and location (the paper), or one for each (as in Ba et al. 2014)."""
    hidden: int = 0
    """Rectifiers between core and location, and between core and the decision to stop; 0 for linear networks, as the paper's are."""
    mean: Literal["linear", "relative", "pointed"] = "linear"
    """What the location network gives: the mean location (the paper), the step from the last location, or which of the last glimpse's pixels to look
    at, see `Pointer`, which `std` and `border_penalty` say nothing of. Where the coarsest scale spans less than three quarters of the image there is little to
    point at: training takes the step there, with a pathway of its own."""
    std: float = 0.1
    """Standard deviation of the sampled location, in units of half the image's side."""
    std_final: float | None = None
    """Where the standard deviation ends; None keeps it fixed. Where looks are compared it ends at a quarter of the finest patch's side."""
    exploration_fraction: float = 1.0
    """Share of the training in which the standard deviation falls to its end."""
    learning_fraction: float = 1.0
    """Share of the training in which the gaze learns, its learning rate falling to 0; then it is fixed and greedy, answers go on learning, and an
    agent that may stop begins to: before, it looks to the last glimpse."""
    weight: float = 1.0
    """Weight of the location's loss: REINFORCE in units of the policy's first variance, std**2, compared looks in units of its deviation; of a gaze that
    points as it is."""
    border_penalty: float = 0.0
    """Weight of the squared distance from the mean location to the nearest place inside the image, by REINFORCE in the same units; 0 for no penalty."""
    into_core: float = 0.0
    """How much of the location network's gradient reaches the core."""

    def __post_init__(self) -> None:
        demand_positive(self, "std", "exploration_fraction")
        if self.std_final is not None:
            demand_positive(self, "std_final")
        super().__post_init__()
        demand_share(self, "exploration_fraction", "learning_fraction")
        if self.learning_fraction < 1 and self.policy == "learned" and self.pathway == "shared":
            raise ValueError(
                'learning_fraction below 1 needs pathway="separate": the gaze would go on changing with a shared core.'
            )


STEP = {"mean": "relative", "pathway": "separate"}
"""Settings of a gaze that steps, by a pathway of its own."""


@dataclass(frozen=True)
class CounterfactualConfig(Settings):
    """For gazes that learn by counterfactual looks: in training, the agent looks at several places at every step and compares them.

    A departure from the paper, where the return at the end judges the one location of each step.
    """

    judge: Literal["answer", "return", "value"] = "answer"
    """What candidates are compared by: how well the right answer is known after them, its probability, where labels teach (elsewhere the gaze
    learns by REINFORCE); always how well the return is foretold after them, by the baseline's squared error, and more and more, as the
    baseline explains up to a twentieth of the returns' spread, by the return that it expects; or by that alone."""
    candidates: int = 4
    """Places that are compared at every step; 1 compares nothing: the gaze learns by REINFORCE, as without this group."""
    salient: float = 0.8
    """Share of the far candidates (those not around the mean) that are drawn where the last glimpse has contrast, at any of its scales, and,
    where there is something to answer, the agent has not looked before, instead of anywhere: on a large canvas nothing is found by chance."""

    def __post_init__(self) -> None:
        demand_positive(self, "candidates")
        demand_share(self, "salient")
        super().__post_init__()


@dataclass(frozen=True)
class LearningConfig(Settings):
    """What teaches: rewards, advantages, and the weights of the losses."""

    answer: Literal["label", "outcome", "reinforce"] = "label"
    """What teaches answers: the label, by cross entropy (the hybrid loss); the outcome, by its likelihood (an answer that was rewarded
    is the label, another one is ruled out); or REINFORCE. In an environment without labels "label" means "outcome", and where an
    episode has more than one right answer, both mean "reinforce"."""
    early_answer_weight: float = 0.0
    """Weight of the cross entropy of the answers before the last, which do not count for the reward."""
    look_reward: Literal["answer", "gain"] = "answer"
    """The reward of a glimpse: that of the answer at the end (the paper), or what the glimpse adds to the probability of the right class."""
    discount: float = 1.0
    """Discount of future rewards."""
    gae_lambda: float = 1.0
    """Lambda of generalised advantage estimation; 1 is plain REINFORCE with a baseline."""
    normalize_advantages: bool = False
    """Whether advantages are brought to mean 0 and standard deviation 1 in each batch."""
    entropy_bonus: float = 0.0
    """Bonus on the entropy of moves (and of stopping), falling linearly to 0."""
    baseline_weight: float = 1.0
    """Weight of the baseline's squared error, a mean over steps, of returns whose standard deviation is at most 1: where the environment's is larger,
    rewards are divided by a running average of it; and where it is smaller, if looks are compared by the return."""
    baseline_into_core: float = 0.0
    """How much of the baseline's gradient reaches the core."""
    batch_size: int = 20
    """Episodes of one update, side by side."""
    parts: int = 1
    """Gradient steps that an update makes, each on a part of its episodes; above 1 with the clipped ratio of PPO (Schulman et al. 2017) for what
    was sampled. Rewards alone teach little in one step. There are no more of them than episodes."""
    rollout_steps: int = 0
    """Most steps that an update learns from where episodes are longer or of several lengths: an episode that is not over goes on in the next
    update, with what the baseline expects of it in place of what is not known yet, and where one is over the next begins.
    0 for whole episodes, which wait for the longest; so it is too where answers are learnt by more than REINFORCE, where agents
    may stop, and with another core than an LSTM."""

    def __post_init__(self) -> None:
        demand_positive(self, "batch_size", "parts")
        demand_share(self, "discount", "gae_lambda")
        if self.rollout_steps < 0:
            raise ValueError(f"rollout_steps must be at least 0, got {self.rollout_steps!r}.")
        super().__post_init__()


@dataclass(frozen=True)
class OptimizerConfig(Settings):
    """Steps down the gradient."""

    method: Literal["sgd", "adam"] = "sgd"
    """Stochastic gradient descent with the paper's momentum of 0.9, or Adam."""
    learning_rate: float = 0.01
    """Initial learning rate; where looks are compared, that of the location network, its pathway and stopping is half of it."""
    annealing: Literal["linear", "cosine", "constant"] = "linear"
    """How the learning rate falls to 0; "constant" for not at all."""
    warm_up: float = 1.0
    """Share of the learning rate of answers, taught by labels or outcomes, while they know nothing; it grows to all of it as they learn a fifth of what
    there is to know. 1 for all of it from the start, at which attention finds out late what is to be compared."""
    max_grad_norm: float = 0.0
    """Gradients are clipped to this norm; 0 for never."""
    weight_averaging: float = 0.0
    """Decay of the running average of the weights, by which agents are scored and shipped; 0 for no average."""

    def __post_init__(self) -> None:
        demand_positive(self, "learning_rate", "warm_up")
        demand_share(self, "warm_up", "weight_averaging")
        super().__post_init__()


@dataclass(frozen=True)
class StoppingConfig(Settings):
    """For agents that may stop before the last glimpse; others have no such group."""

    sees_answer: bool = False
    """Whether the decision to stop and the baseline also see the probability of each answer, the highest first."""
    price_range: tuple[float, ...] = ()
    """Lowest and highest price of a glimpse, for an agent that is told the price and learns to stop at every one of them. Once it has finished
    it is scored at both, and at 1, 2 and 5 times the powers of ten between them."""

    def __post_init__(self) -> None:
        if self.price_range and not (len(self.price_range) == 2 and 0 < self.price_range[0] < self.price_range[1]):
            raise ValueError(f"price_range must be two prices, 0 < lowest < highest, got {self.price_range!r}.")
        super().__post_init__()

    @property
    def scored_prices(self) -> list[float]:
        """Prices of a glimpse that a finished agent is scored at, from the lowest on; none if it is told none."""
        if not self.price_range:
            return []
        low, high = self.price_range
        powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)))
        round_prices = (float(f"{digit}e{power}") for power in powers for digit in (1, 2, 5))
        return [low, *(price for price in round_prices if low < price < high), high]


@dataclass(frozen=True)
class TrainingRun(EpisodesRun):
    """How long a run is, and how it is carried out."""

    THREADS_SHARE_BATCHES: ClassVar[bool] = True

    threads: int = 1
    """Processor cores that work side by side, each in a process that plays and learns from its share of every batch: the numbers are the
    same but for rounding. On a GPU there is one."""
    warm_start: str = ""
    """Checkpoint whose weights the agent starts from, relative to here or to the repository; weights that it lacks start anew."""
    scored_glimpses: tuple[int, ...] = ()
    """Smaller numbers of glimpses that a finished agent is scored with too, without training for them."""
    matmul_precision: Literal["highest", "high", "medium", "bfloat16"] = "medium"
    """PyTorch's float32 matmul precision, or "bfloat16" for autocast; "highest" on machines without bfloat16 products."""
    cuda_graphs: bool = True
    """Whether a GPU, in worlds that live on it, repeats updates from a recording; turn it off where one cannot be made."""


RETIRED: dict[str, tuple[Any, ...]] = {
    "network.initialization": ("default",),
    "gaze.exploration_share": (1.0,),
    "learning.glance_weight": (0.0,),
    "learning.passes": (1,),
    "learning.rollouts": (1,),
    "counterfactual.near": (0.5,),
    "counterfactual.anywhere": (0.8,),
    "counterfactual.anywhere_final": (0.1,),
    "counterfactual.greedy_share": (0.8,),
    "optimizer.weight_decay": (0.0,),
    "optimizer.momentum": (0.9,),
    "optimizer.gaze_learning_rate": (None, 1e-3),
    "stopping.hidden": (0, 128),
    "stopping.scored_prices": (...,),
}
"""Settings of earlier versions -> the values that say what is done now, `...` for any: what was written with those still loads."""


@dataclass(frozen=True)
class Config(ExperimentConfig):
    """Settings of a training of the Recurrent Attention Model."""

    command: ClassVar[str] = "train_ram.py"

    run: TrainingRun = TrainingRun()
    network: NetworkConfig = NetworkConfig()
    gaze: GazeConfig = GazeConfig()
    learning: LearningConfig = LearningConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    counterfactual: CounterfactualConfig | None = None
    stopping: StoppingConfig | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.counterfactual is not None and self.counterfactual.candidates == 1:
            object.__setattr__(self, "counterfactual", None)
        if self.counterfactual is not None and self.gaze.std_final is not None:
            raise ValueError(
                f"std_final must be None where looks are compared, whose deviation ends by itself: got {self.gaze.std_final}."
            )
        batch = self.learning.batch_size
        most = batch // min(self.learning.parts, batch)
        if self.run.threads > most:
            raise ValueError(
                f"threads must be at most {most}, as each takes a share of every part of a batch of {batch}: got {self.run.threads}."
            )

    @classmethod
    def from_dict(cls, settings: dict[str, Any]) -> Config:
        """The inverse of `to_dict`; also of what earlier versions wrote, where the settings that they had more say what is done now.

        Raises:
            ValueError: if there are settings that do not exist, or a retired one that did something.
        """
        kept = {name: dict(group) if isinstance(group, dict) else group for name, group in settings.items()}
        for name, alike in RETIRED.items():
            group, _, setting = name.partition(".")
            found = kept.get(group)
            if isinstance(found, dict) and found.pop(setting, alike[0]) not in alike and ... not in alike:
                raise ValueError(f"{name} {settings[group][setting]!r} is of an earlier version of ram_envs and gone.")
        return super().from_dict(kept)

    @property
    def total_updates(self) -> int:
        """Updates of the whole training, where each is of a batch of episodes."""
        return max(1, self.run.episodes // self.learning.batch_size)

    @property
    def total_episodes(self) -> int:
        """Episodes of the whole training: of so many whole batches."""
        return self.total_updates * self.learning.batch_size

    @property
    def price_range(self) -> tuple[float, ...]:
        """Lowest and highest price that the agent is told; () if it is told none."""
        return () if self.stopping is None else self.stopping.price_range
