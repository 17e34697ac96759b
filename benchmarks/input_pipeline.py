"""How many rows a second the input pipeline gives a training.

    python benchmarks/input_pipeline.py [--labels FILE ...] [--config configs/fast.yaml]

Each labels file or packed set is read as `train` reads it, with the augmentation and
the batch size of the configuration, and nothing is trained. Without --labels a small
set is synthesized, and measured as files, decoded in memory, and packed. All take
turns, so that a busy machine slows all.
"""

import argparse
import dataclasses
import os
import platform
import statistics
import tempfile
import time
from pathlib import Path

from maskdepth_tf import config, startup

ROUNDS = 3


def make_sets(folder):
    """A made-up set: name -> overrides of the configuration."""
    from maskdepth_tf.dataset import pack, synthesize

    synthesize.synthesize(
        folder / "set", rows=2000, image_size=224, rooms=20, figures=20, quality=30
    )
    labels = folder / "set" / "labels.txt"
    pack.pack(labels, folder / "packed")
    return {
        "files": [f"data.labels={labels}", "data.memory_gb=0"],
        "files, backgrounds in memory": [
            f"data.labels={labels}",
            "data.memory_gb=0.01",
        ],
        "memory": [f"data.labels={labels}"],
        "packed": [f"data.labels={folder / 'packed'}"],
    }


def batches_of(settings):
    """The endless batches of a training, and how many rows one has."""
    from maskdepth_tf.input import augmentation, pipeline
    from maskdepth_tf.training import batches

    data = batches.open_data(settings)
    steps = data.steps_per_epoch
    return pipeline.make_training_dataset(
        data.examples.load,
        data.split["train"],
        augmentation.make_augmentation(**dataclasses.asdict(settings.augmentation)),
        batch_size=settings.training.batch_size,
        steps_per_epoch=steps,
        first_step=0,
        last_step=10**6 * steps,
        seed=settings.seed,
    )


def rows_per_second(batches, seconds):
    """Rows that an iterator gives in some time."""
    count, started = 0, time.perf_counter()
    while (taken := time.perf_counter() - started) < seconds:
        count += len(next(batches)[1]["mask"])
    return count / taken


def main():
    """Prints the median rate of each set."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--labels", action="append", metavar="FILE")
    parser.add_argument("--config", default="configs/fast.yaml", metavar="FILE")
    parser.add_argument("--seconds", type=float, default=5.0)
    args = parser.parse_args()
    startup.load_tensorflow()
    with tempfile.TemporaryDirectory() as name:
        sets = (
            {
                path: [f"data.labels={path}", "data.memory_gb=0.1"]
                for path in args.labels
            }
            if args.labels
            else make_sets(Path(name))
        )
        iterators = {}
        for what, overrides in sets.items():
            settings = config.load_config([args.config], overrides)
            iterators[what] = iter(batches_of(settings))
            rows_per_second(iterators[what], 1.0)  # until all is set up
        rates = {what: [] for what in sets}
        for _ in range(ROUNDS):
            for what, batches in iterators.items():
                rates[what].append(rows_per_second(batches, args.seconds))
    print(f"{platform.platform()}, {os.cpu_count()} cores, {vars(args)}")
    for what, values in rates.items():
        print(f"{what:30} {statistics.median(values):8.0f} rows/s")


if __name__ == "__main__":
    main()
