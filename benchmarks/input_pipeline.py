"""How many rows a second the input pipeline gives a training, and what that costs.

    python benchmarks/input_pipeline.py [--labels FILE ...] [--config configs/fast.yaml]
    python benchmarks/input_pipeline.py --each [--labels FILE]

Each labels file or packed set is read as `train` reads it, with all that the
configuration does to a batch, registration included, and nothing is trained. Without
--labels a small set is synthesized, and measured as files, decoded in memory, and
packed. All take turns, so that a busy machine slows all.

--each measures, of a set in memory, what every change of a batch costs by itself: made
in each row, beside a pipeline that changes and registers nothing.
"""

import argparse
import os
import platform
import statistics
import tempfile
import time
from pathlib import Path

from maskdepth_tf import config, startup

ROUNDS = 3
ENDLESS = "training.epochs=1000000"
SWITCHES = {
    "zoom and flip": ("augmentation.zoom_minimum=0.7", "augmentation.flip_probability"),
    "contrast and gain": (
        "augmentation.contrast_range=0.1",
        "augmentation.gain_range=0.1",
    ),
    "shadows": ("scene.shadow_probability",),
    "things": ("scene.thing_probability",),
    "camouflage": ("scene.camouflage_probability",),
    "moved background": ("camera.move_probability",),
    "light": ("camera.light_probability",),
    "blur": ("camera.blur_probability",),
    "noise": ("camera.noise_probability",),
    "compression": ("camera.compression_probability",),
}
"""What is changed -> keys of the configuration, 1 unless they say otherwise."""
NONE = ("flip_probability", "grey_probability", "contrast_range", "gain_range")


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


def changes_of(labels):
    """What is changed -> overrides of the configuration, all else switched off."""
    off = [f"augmentation.{name}=0" for name in NONE]
    off += ["augmentation.zoom_minimum=1", f"data.labels={labels}"]
    for keys in SWITCHES.values():
        off += [f"{key}=0" for key in keys if key.endswith("_probability")]
    changes = {"nothing": off, "registration": off}
    for what, keys in SWITCHES.items():
        changes[what] = off + [key if "=" in key else f"{key}=1" for key in keys]
    return changes


def batches_of(settings, is_registered=True):
    """The endless batches of a training."""
    import tensorflow as tf

    from maskdepth_tf.input import pipeline
    from maskdepth_tf.training import batches

    registered = pipeline.registered
    if not is_registered:
        pipeline.registered = lambda batch: batch
    try:
        data = batches.open_data(settings)
        return iter(data.training_batches(0, tf.distribute.get_strategy()))
    finally:
        pipeline.registered = registered


def rows_per_second(batches, seconds):
    """Rows that an iterator gives in some time, and milliseconds of all cores a row."""
    count, started, begun = 0, time.perf_counter(), time.process_time()
    while (taken := time.perf_counter() - started) < seconds:
        count += len(next(batches)[1]["mask"])
    return count / taken, 1000 * (time.process_time() - begun) / count


def main():
    """Prints the median rate of each set, or the cost of each change."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--labels", action="append", metavar="FILE")
    parser.add_argument("--config", default="configs/fast.yaml", metavar="FILE")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--each", action="store_true")
    args = parser.parse_args()
    startup.load_tensorflow()
    with tempfile.TemporaryDirectory() as name:
        if args.labels:
            sets = {
                path: [f"data.labels={path}", "data.memory_gb=0.1"]
                for path in args.labels
            }
        else:
            sets = make_sets(Path(name))
        print(f"{platform.platform()}, {os.cpu_count()} cores, {vars(args)}")
        if args.each:
            labels = (args.labels or [f"{name}/set/labels.txt"])[0]
            measure_each(changes_of(labels), args)
        else:
            measure_sets(sets, args)


def measure_sets(sets, args):
    """Prints the rates of sets, which take turns."""
    iterators = {}
    for what, overrides in sets.items():
        settings = config.load_config([args.config], [*overrides, ENDLESS])
        iterators[what] = batches_of(settings)
        rows_per_second(iterators[what], 1.0)  # until all is set up
    rates = {what: [] for what in sets}
    for _ in range(ROUNDS):
        for what, batches in iterators.items():
            rates[what].append(rows_per_second(batches, args.seconds)[0])
    for what, values in rates.items():
        print(f"{what:30} {statistics.median(values):8.0f} rows/s")


def measure_each(changes, args):
    """Prints what each change costs; one at a time, for batches are made ahead."""
    bare = 0.0
    for what, overrides in changes.items():
        settings = config.load_config([args.config], [*overrides, ENDLESS])
        batches = batches_of(settings, is_registered=what == "registration")
        rows_per_second(batches, 1.0)
        rate, cost = rows_per_second(batches, args.seconds)
        del batches
        bare = bare or cost
        print(f"{what:20} {rate:8.0f} rows/s  {cost - bare:+6.2f} ms a row", flush=True)


if __name__ == "__main__":
    main()
