"""Every setting of a classifier's training, in groups, from which the command line is generated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from agents.experiment.settings import EpisodesRun, ExperimentConfig, Settings, demand_positive


@dataclass(frozen=True)
class NetworkConfig(Settings):
    """Layers: those of Mnih et al. 2014, section 4.1, "Models", or of a small convolutional network of today."""

    filters: int = 0
    """Filters of a convolution of 10x10 with stride 5 that comes first; 0 for none."""
    hidden_sizes: tuple[int, ...] = (256, 256)
    """Rectifiers of each fully connected layer."""
    stages: tuple[int, ...] = ()
    """Channels of each stage of a network of today, in place of the paper's: two convolutions of 3x3, the first with stride 2, with batch norm
    and rectifiers; the mean over all places answers."""

    def __post_init__(self) -> None:
        if self.filters < 0 or any(size < 1 for size in (*self.hidden_sizes, *self.stages)):
            raise ValueError(f"A layer cannot have {min((self.filters, *self.hidden_sizes, *self.stages))} units.")
        super().__post_init__()


@dataclass(frozen=True)
class OptimizerConfig(Settings):
    """Steps of Adam down the cross entropy."""

    learning_rate: float = 1e-3
    """Initial learning rate of Adam; it falls to 0 as a cosine."""
    weight_decay: float = 0.0
    """Decoupled weight decay of Adam."""
    batch_size: int = 128
    """Scenes of one update."""
    weight_averaging: float = 0.0
    """The network that is scored and saved has an average of the weights, which keeps this share of itself at every update; 0 for the weights as
    they are. As our agent has it."""

    def __post_init__(self) -> None:
        demand_positive(self, "learning_rate", "batch_size")
        if self.weight_averaging >= 1:
            raise ValueError(f"weight_averaging must be below 1, got {self.weight_averaging!r}.")
        super().__post_init__()


_SIXTY_EPOCHS = EpisodesRun(episodes=60 * 55_000)


@dataclass(frozen=True)
class ClassifierConfig(ExperimentConfig):
    """Settings of a classifier's training. It is scored and saved `run.evaluations` times on its way."""

    command: ClassVar[str] = "train_classifier.py"

    run: EpisodesRun = _SIXTY_EPOCHS
    network: NetworkConfig = NetworkConfig()
    optimizer: OptimizerConfig = OptimizerConfig()

    @property
    def total_updates(self) -> int:
        """Updates of the whole training, where each is of a batch of episodes."""
        return max(1, self.run.episodes // self.optimizer.batch_size)

    @property
    def total_episodes(self) -> int:
        """Episodes of the whole training: of so many whole batches."""
        return self.total_updates * self.optimizer.batch_size
