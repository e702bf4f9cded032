"""The networks without attention that ours is measured against, as settings: those of the paper's tables, and small ones of today."""

from __future__ import annotations

from agents.classifiers.config import ClassifierConfig
from agents.experiment.episodes import EPOCH, VARIED_DIGITS

SCENES = {
    "mnist": "GlimpseMNIST-v0",
    "translated60": "GlimpseMNIST-Translated60-v0",
    "cluttered60": "GlimpseMNIST-Cluttered60-v0",
    "fashion60": "GlimpseMNIST-Cluttered60-v0",
    "cluttered100": "GlimpseMNIST-Cluttered100-v0",
    "pairs100": "GlimpseMNIST-Pairs100-v0",
    "sum100": "GlimpseMNIST-Sum100-v0",
    "mega500": "GlimpseMNIST-Mega500-v0",
}

_MNIST = ClassifierConfig().but(
    train_env_args=VARIED_DIGITS,
    optimizer={"learning_rate": 2e-3, "batch_size": 256, "weight_averaging": 0.999},
    run={"episodes": 100 * EPOCH},
)

# Scenes of a wide canvas are drawn anew, so these networks are the better the longer they are trained; large batches
# and the high rates that go with them make that quick on a GPU.
_WIDE = _MNIST.but(
    train_env_args=(),
    optimizer={"learning_rate": 4e-3, "batch_size": 512},
    run={"episodes": 300 * EPOCH},
)

# As many scenes as our agent of a wide canvas has episodes.
_CONVNET = _MNIST.but(
    train_env_args=(),
    optimizer={"learning_rate": 4e-3, "weight_decay": 0.05},
    run={"episodes": 40 * EPOCH, "matmul_precision": "bfloat16"},
)


def _paper() -> dict[str, ClassifierConfig]:
    """One preset per row of the paper's tables that a network without attention is in."""
    translated, cluttered, large = (
        _WIDE.but(env=SCENES[scene]) for scene in ("translated60", "cluttered60", "cluttered100")
    )
    small, convolution = {"hidden_sizes": (64, 64)}, {"filters": 8, "hidden_sizes": (256,)}
    longer, higher = {"episodes": 600 * EPOCH}, {"learning_rate": 6e-3}  # 64 units learn slowly, and stand it
    return {
        "mnist-fc256": _MNIST,
        "mnist-conv": _MNIST.but(network=convolution),
        "translated60-fc64": translated.but(network=small, optimizer=higher, run=longer),
        "translated60-fc256": translated.but(run=longer),
        "translated60-conv": translated.but(network={"filters": 16, "hidden_sizes": (256,)}),
        "cluttered60-fc64": cluttered.but(network=small, optimizer=higher, run=longer),
        "cluttered60-fc256": cluttered,
        "cluttered60-conv": cluttered.but(network=convolution),
        "cluttered100-conv": large.but(
            network={"filters": 8, "hidden_sizes": (86,)},
            optimizer={"learning_rate": 2e-3, "batch_size": 256},
            run=longer,
        ),
    }


def _modern() -> dict[str, ClassifierConfig]:
    """What one would take today: with no more parameters than our best agent of the task, or for as many minutes on one core (-small)."""
    on = {scene: _CONVNET.but(env=env) for scene, env in SCENES.items()}
    on["mnist"] = on["mnist"].but(train_env_args=VARIED_DIGITS, run={"episodes": 90 * EPOCH})
    on["translated60"] = on["translated60"].but(train_env_args=("distortion=0.15",))
    on["fashion60"] = on["fashion60"].but(env_args=("dataset=fashion-mnist",))
    on["mega500"] = on["mega500"].but(optimizer={"batch_size": 128}, run={"episodes": 10 * EPOCH})
    wide = (32, 64, 128, 272)
    as_large = {
        **dict.fromkeys(on, wide),
        "mnist": (40, 80, 160),
        "mega500": (8, 16, 24, 48, 104, 208),
    }
    as_long = {"mnist": 165, "translated60": 46, "cluttered60": 42, "cluttered100": 20}  # epochs
    return {
        **{f"{scene}-convnet": on[scene].but(network={"stages": stages}) for scene, stages in as_large.items()},
        **{
            f"{scene}-convnet-small": on[scene].but(network={"stages": (16, 32, 64)}, run={"episodes": epochs * EPOCH})
            for scene, epochs in as_long.items()
        },
    }


def _rows() -> dict[str, ClassifierConfig]:
    return {name: config.but(name=name) for name, config in {**_paper(), **_modern()}.items()}


PRESETS: dict[str, ClassifierConfig] = _rows()
"""Name -> settings."""
