"""Trainings that are killed again and again end as the one that never was.

    python benchmarks/killed_training.py [--kills 200] [--seed 0]

A small network is trained on made-up pictures for two epochs, its state saved after
every step. Processes kill themselves with SIGKILL at moments drawn at random: before
or after a step, a flush to the disk, or a renaming. Another takes over, until the
training is done, and the next begins. Then weights, momentum, best model and every
epoch's figures must be those of a training that nobody killed. TensorFlow is imported
once: each process is a fork of one that has not used it yet.
"""

import argparse
import contextlib
import csv
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

import numpy as np

from maskdepth_tf import cli, startup

ROWS, SIDE = 40, 16
MOST_EVENTS = 40
"""A process lives for one to as many events. About six begin it, a step and its saving
are ten and an epoch's end twenty: most lives bring a training on, and few end it."""
TIMES = ("seconds", "images_per_second")


def make_set(folder, packed):
    """Packs 40 labelled rows of 8 scenes and 5 figures: lives that begin sooner."""
    from maskdepth_tf.dataset import pack
    from maskdepth_tf.images import encoding
    from maskdepth_tf.input import labels

    rng = np.random.default_rng(0)
    backgrounds = rng.integers(0, 256, (8, 8, 8, 3), np.uint8)
    rows = []
    for i in range(ROWS):
        row = labels.Row(
            f"bg{i % 8}.png", f"fg{i // 8}.png", f"whole{i}.png", f"mask{i}.png", ""
        )._replace(depth=f"depth{i}.png")
        rows.append(row)
        bg, is_figure = backgrounds[i % 8], rng.random((8, 8, 1)) < 0.5
        figure = rng.integers(0, 256, (8, 8, 3), np.uint8)
        mask = np.uint8(255) * is_figure[..., 0]
        depth = rng.integers(0, 256, (8, 8), np.uint8)
        pictures = (bg, figure, np.where(is_figure, figure, bg), mask, depth)
        for name, coarse in zip(row, pictures, strict=True):
            pixels = coarse.repeat(SIDE // 8, 0).repeat(SIDE // 8, 1)
            encoding.write_image(folder / name, pixels)
    labels.write(folder / "labels.txt", rows)
    pack.pack(folder / "labels.txt", packed, image_size=SIDE, test_fraction=0.25)
    return 0


def train(run_dir, flags):
    """Trains, without scores, curves, export and report; the exit code."""
    from maskdepth_tf import export, train
    from maskdepth_tf.inference import scoring
    from maskdepth_tf.reports import curves, run_report
    from maskdepth_tf.training import state

    state.SAVE_SECONDS = 0.0
    scoring.evaluate_split = lambda *_: {}
    scoring.table = lambda _: ""
    export.export_run = run_report.write_report = curves.write_curves = lambda *_: ""
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        return cli.run(train.main, ["--workdir", str(run_dir), *flags])


def new_run(packed):
    """Flags of a training from the start."""
    values = [
        f"data.labels={packed}",
        f"data.image_size={SIDE}",
        "data.test_fraction=0.25",
        "model.widths=[4]",
        "model.patch_size=2",
        "training.epochs=2",
        "training.batch_size=8",
        "training.pictures=2",
        "optimizer.drop_epochs=1",
    ]
    flags = ["--config", os.devnull]
    return flags + [word for value in values for word in ("--set", value)]


def kill_after(count):
    """Has this process kill itself at an event."""
    from maskdepth_tf.training import state

    left = [count]

    def watched(function):
        def call(*arguments, **named):
            for moment in range(2):
                left[0] -= 1
                if left[0] == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                if moment == 0:
                    result = function(*arguments, **named)
            return result

        return call

    os.replace, os.fsync = watched(os.replace), watched(os.fsync)
    run_state = state.RunState
    run_state.on_train_batch_end = watched(run_state.on_train_batch_end)


def in_fork(function, *arguments):
    """Calls a function in a process of its own; how it ended."""
    child = os.fork()
    if child == 0:
        code = 99
        try:
            code = function(*arguments)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def outcome(run_dir, path):
    """Writes what a finished run came to, as JSON."""
    from maskdepth_tf.training import checkpoints

    with open(run_dir / "metrics.csv", newline="") as file:
        found = [
            {k: row[k] for k in row if k not in TIMES} for row in csv.DictReader(file)
        ]
    found += [
        checkpoints.weights_sha256(checkpoints.load_model(run_dir / name))
        for name in (checkpoints.LAST, checkpoints.BEST)
    ]
    found.append(sorted(file.name for file in run_dir.glob("*.*")))
    found.append(sorted(file.name for file in run_dir.glob(".*")))
    path.write_text(json.dumps(found))
    return 0


def outcome_of(run_dir):
    """What a finished run came to: read in a process of its own."""
    path = run_dir.with_suffix(".json")
    if in_fork(outcome, run_dir, path):
        raise SystemExit(f"{run_dir}: cannot be read")
    return json.loads(path.read_text())


def killed_run(run_dir, packed, draws, most_kills):
    """Trains to the end through at most so many kills; how many there were."""
    kills = 0
    while True:
        begun = (run_dir / "config.yaml").exists()
        flags = ["--resume"] if begun else new_run(packed)
        count = draws.randint(1, MOST_EVENTS) if kills < most_kills else 0

        def live(flags=flags, count=count):
            if count:
                kill_after(count)
            return train(run_dir, flags)

        code = in_fork(live)
        if code == 0:
            return kills
        if code != -signal.SIGKILL:
            raise SystemExit(f"a process ended with {code}")
        kills += 1


def main():
    """Prints how many kills there were and how many runs ended otherwise."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    startup.load_tensorflow()
    # All that a training imports; nothing of it may use TensorFlow before the fork.
    from maskdepth_tf import export  # noqa: F401
    from maskdepth_tf.inference import scoring  # noqa: F401
    from maskdepth_tf.reports import run_report  # noqa: F401
    from maskdepth_tf.training import loop  # noqa: F401

    draws, started = random.Random(args.seed), time.perf_counter()
    kills, runs, wrong = 0, 0, 0
    with tempfile.TemporaryDirectory() as name:
        packed = Path(name, "packed")
        if in_fork(make_set, Path(name), packed):
            raise SystemExit("there is nothing to train on")
        run_dir = Path(name, "whole")
        if in_fork(train, run_dir, new_run(packed)):
            raise SystemExit("the training that nobody kills failed")
        expected = outcome_of(run_dir)
        while kills < args.kills:
            runs += 1
            run_dir = Path(name, f"run{runs}")
            kills += killed_run(run_dir, packed, draws, args.kills - kills)
            wrong += outcome_of(run_dir) != expected
            shutil.rmtree(run_dir)
    seconds = time.perf_counter() - started
    print(f"{kills} kills in {runs} runs, {wrong} ended otherwise, {seconds:.0f} s")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
