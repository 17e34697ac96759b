"""Whether a long training grows: memory and open files over steps and saved states.

    python benchmarks/leaks.py [--steps 2000] [--saves 50]

A tiny network is trained through the real pipeline, in one process; after every
`steps / saves` steps its state is saved and read back. The slope is that of a line
through the second half of the memory, when all caches are full.
"""

import argparse
import gc
import os
import tempfile
from pathlib import Path

import numpy as np
import psutil

from maskdepth_tf import startup


def main():
    """Trains, saves and prints the slope."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--saves", type=int, default=50)
    args = parser.parse_args()
    startup.load_tensorflow()
    from maskdepth_tf import config, train
    from maskdepth_tf.training import batches, building, checkpoints

    with tempfile.TemporaryDirectory() as folder:
        overrides = [
            f"data.labels={folder}/set/labels.txt",
            "data.synthesize={rows: 200, rooms: 8, figures: 8, image_size: 32}",
            "data.split=random",
            "data.image_size=32",
            "model.widths=[8, 8]",
            "augmentation.flip_probability=0.5",
            "training.batch_size=16",
            "training.epochs=100000",
            # A drop is a branch of the graph: there must not be thousands.
            "optimizer.drop_epochs=100000",
        ]
        settings = config.load_config([], overrides)
        strategy = building.set_up(settings)
        train.make_sample_set(settings.data)
        data = batches.open_data(settings)
        net = building.compiled_model(settings, data.steps_per_epoch)
        iterator = iter(data.training_batches(0, strategy))
        net.train_on_batch(*next(iterator))
        run, process = net.make_train_function(), psutil.Process()
        memory, opened = [], []
        every = args.steps // args.saves
        for _ in range(args.saves):
            for _ in range(every):
                run(iterator)
            checkpoints.save_state(net, Path(folder), checkpoints.RunProgress())
            checkpoints.load_state(Path(folder))
            gc.collect()  # Keras' models hold themselves
            memory.append(process.memory_info().rss / 1e6)
            opened.append(len(os.listdir("/proc/self/fd")))
    half = len(memory) // 2
    slope = np.polyfit(np.arange(half, len(memory)) * every, memory[half:], 1)[0]
    print(
        f"{every * args.saves} steps, {args.saves} states saved and read: memory "
        f"{memory[0]:.0f} to {memory[-1]:.0f} MB, {1000 * slope:+.2f} MB per 1,000 "
        f"steps in the second half; open files {opened[0]} to {opened[-1]}"
    )


if __name__ == "__main__":
    main()
