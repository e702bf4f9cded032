"""Every setting of a classifier's training, in groups, from which the command line is generated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from agents.experiment.settings import EpisodesRun, ExperimentConfig, Settings, demand_positive


@dataclass(frozen=True)
class NetworkConfig(Settings):
    """Layers: Mnih et al. 2014, section 4.1, "Models"."""

    filters: int = 0
    """Filters of a convolution of 10x10 with stride 5 that comes first; 0 for none."""
    hidden_sizes: tuple[int, ...] = (256, 256)
    """Rectifiers of each fully connected layer."""

    def __post_init__(self) -> None:
        if self.filters < 0 or any(size < 1 for size in self.hidden_sizes):
            raise ValueError(f"A layer cannot have {min(self.filters, *self.hidden_sizes)} units.")
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

    def __post_init__(self) -> None:
        demand_positive(self, "learning_rate", "batch_size")
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
        """Updates of the whole training."""
        return max(1, self.run.episodes // self.optimizer.batch_size)
