"""Training steps of `mnist-6` beside those of the most used public implementation, kevinzakka/recurrent-visual-attention.

python tests/benchmarks/usual_implementation_speed.py CHECKOUT [ROUNDS]   # CHECKOUT: a clone of it, which stays as it is

Both take six looks at batches of 128 images of 28x28, on one thread, in turns; theirs finds the images in memory, ours draws its scenes.
Ours has a pathway of its own for the gaze, which makes twice the arithmetic; `one pathway` is ours without.
"""

import contextlib
import io
import os
import statistics
import sys
import tempfile
import time
import types
from pathlib import Path

import torch

from agents.ram.presets import PRESETS
from agents.ram.training import Trainer

BATCH, UPDATES = 128, 10


class Loader(list):
    """Batches in memory, with what their trainer asks of a data loader."""

    sampler = types.SimpleNamespace(indices=range(BATCH * UPDATES))


def theirs(checkout):
    """Makes so many of their updates."""
    sys.path.insert(0, str(checkout))
    sys.modules["tensorboard_logger"] = types.SimpleNamespace(configure=None, log_value=None)  # switched off below
    import config
    import trainer

    sys.argv = sys.argv[:1]
    settings, _ = config.get_config()
    settings.use_gpu = settings.use_tensorboard = settings.resume = False
    settings.batch_size = BATCH
    batches = Loader((torch.rand(BATCH, 1, 28, 28), torch.randint(10, (BATCH,))) for _ in range(UPDATES))
    trainer = trainer.Trainer(settings, (batches, batches))
    trainer.model.train()
    assert trainer.num_glimpses == 6
    return lambda: trainer.train_one_epoch(1)


def ours(preset, **changes):
    """Makes so many of our updates."""
    run = {"matmul_precision": "highest", "device": "cpu"}
    trainer = Trainer(preset.but(run=run, **changes), Path(tempfile.mkdtemp()))

    def updates():
        for _ in range(UPDATES):
            trainer.step()

    return updates


def main():
    checkout, rounds = Path(sys.argv[1]).resolve(), int(sys.argv[2]) if len(sys.argv) > 2 else 21
    os.chdir(tempfile.mkdtemp())  # theirs writes its plots where it stands
    torch.set_num_threads(1)
    makers = {
        "theirs": theirs(checkout),
        "mnist-6": ours(PRESETS["mnist-6"]),
        "one pathway": ours(PRESETS["mnist-6"], gaze={"pathway": "shared"}),
    }
    seconds = {name: [] for name in makers}
    for turn in range(-1, rounds):
        for name, make in [*makers.items()][:: -1 if turn % 2 else 1]:
            before = time.process_time()
            with contextlib.redirect_stderr(io.StringIO()):  # their progress bar
                make()
            if turn >= 0:  # the first updates take longer
                seconds[name].append(time.process_time() - before)
    for name, found in seconds.items():
        ratio = statistics.median(their / our for their, our in zip(seconds["theirs"], found, strict=True))
        print(f"{name}: {BATCH * UPDATES / statistics.median(found):,.0f} images a second, {ratio:.2f} times theirs")


if __name__ == "__main__":
    main()
