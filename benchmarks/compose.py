"""How many rows a second are composed: ours beside the way of the 2020 system.

    python benchmarks/compose.py [--foregrounds DIR --backgrounds DIR] [--rows 1000]

The 2020 system's way is one process that pastes with Pillow: the cut-out with its
alpha on a copy of the room, its alpha on black, both saved as JPEG by Pillow. Ours
writes the same rows, with SHA-256 of every file, with 1, 2, 4 ... processes up to all
cores. All take turns on the same pictures in memory, so that a busy machine slows all;
what counts is the ratio. The composites of both must be equal to the byte.
"""

import argparse
import contextlib
import os
import platform
import statistics
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from maskdepth_tf import workers
from maskdepth_tf.dataset.composing import rows, sources
from maskdepth_tf.dataset.composing.recipe import Recipe, place
from maskdepth_tf.draws import Composed, generator

SIZE = 224


def made_pictures():
    """20 soft ellipses of 150 x 100 pixels and 20 rooms of smooth noise."""
    rng = np.random.default_rng(0)

    def smooth(height, width):
        coarse = rng.integers(0, 256, (14, 14, 3), np.uint8)
        return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)

    ellipse = cv2.ellipse(
        np.zeros((150, 100), np.uint8), (50, 75), (48, 73), 0, 0, 360, 255, -1
    )
    alpha = cv2.GaussianBlur(ellipse, (0, 0), 1)
    cutouts = [np.dstack([smooth(150, 100), alpha]) for _ in range(20)]
    return cutouts, [smooth(SIZE, SIZE) for _ in range(20)]


def read_pictures(foregrounds, backgrounds):
    """Cut-outs as they are and rooms at the picture size, from folders."""
    cutouts = [
        np.asarray(Image.open(path).convert("RGBA"))
        for path in sources.list_pictures(foregrounds)
    ]
    rooms = [
        np.asarray(Image.open(path).convert("RGB").resize((SIZE, SIZE)))
        for path in sources.list_pictures(backgrounds)
    ]
    return cutouts, rooms


def prepare(composer, num_rows):
    """What the 2020 system's loop starts from: pictures of Pillow and places."""
    pairing = composer.pairing
    for index in range(num_rows):
        foreground, background, mirrored = pairing[index]
        cutout = composer.cutouts[foreground]
        cutout = cutout[:, ::-1] if mirrored else cutout
        draws = generator(composer.recipe.seed, Composed.PLACE, index)
        cutout, *corner = place(cutout, composer.recipe, draws)
        room = Image.fromarray(composer.rooms[background])
        yield Image.fromarray(cutout), room, tuple(corner)


def paste_with_pillow(prepared, folder):
    """Writes all rows as the 2020 system did."""
    for number, (cutout, room, corner) in enumerate(prepared, 1):
        composite, mask = room.copy(), Image.new("L", room.size)
        composite.paste(cutout, corner, cutout)
        mask.paste(cutout.getchannel("A"), corner)
        composite.save(folder / f"fg-bg{number}.jpg", quality=30)
        mask.save(folder / f"fg-bg-mask{number}.jpg")


def seconds_of(folder, function, *arguments):
    """Wall time of a call that writes new files [s]."""
    # Writing over a file takes a file system up to ten times as long.
    for path in folder.rglob("*.jpg"):
        path.unlink()
    started = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - started


def composites(folder):
    """Bytes of the composites in a folder, by name."""
    return {path.name: path.read_bytes() for path in folder.glob("fg-bg[0-9]*.jpg")}


def compare(composer, num_rows, rounds, folder):
    """Times all in turns: name -> seconds, one a round."""
    counts = [2**k for k in range(12) if 2**k < os.cpu_count()] + [os.cpu_count()]
    prepared = list(prepare(composer, num_rows))
    jobs = [(i, min(i + 64, num_rows)) for i in range(0, num_rows, 64)]
    with contextlib.ExitStack() as stack:
        pools = {
            count: stack.enter_context(workers.pool(count, composer))
            for count in counts
        }

        def run(pool):
            futures = [pool.submit(rows.Composer.write_rows, *job) for job in jobs]
            for future in futures:
                future.result()

        for pool in pools.values():
            run(pool)  # until all processes have started
        seconds = {"Pillow": []} | {count: [] for count in counts}
        for _ in range(rounds):
            taken = seconds_of(folder, paste_with_pillow, prepared, folder)
            seconds["Pillow"].append(taken)
            expected = composites(folder)
            for count, pool in pools.items():
                seconds[count].append(seconds_of(folder, run, pool))
                assert composites(folder / "data_1" / "Fg-Bg") == expected
    return seconds


def main():
    """Prints rows a second and the ratio to the 2020 system's way."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--foregrounds", type=Path, metavar="DIR")
    parser.add_argument("--backgrounds", type=Path, metavar="DIR")
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    if args.foregrounds and args.backgrounds:
        pictures = read_pictures(args.foregrounds, args.backgrounds)
    else:
        pictures = made_pictures()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("Fg-Bg", "Fg-Bg-Mask"):
            (folder / "data_1" / part).mkdir(parents=True)
        composer = rows.Composer(Recipe(SIZE), *pictures, folder)
        seconds = compare(composer, args.rows, args.rounds, folder)
    print(f"{platform.platform()}, {os.cpu_count()} cores, {vars(args)}")
    for name, values in seconds.items():
        pairs = zip(seconds["Pillow"], values, strict=True)
        ratio = statistics.median(pillow / own for pillow, own in pairs)
        rate = args.rows / statistics.median(values)
        who = name if name == "Pillow" else f"ours, {name} processes"
        print(f"{who:20} {rate:8.0f} rows/s, {ratio:5.2f} times Pillow's")


if __name__ == "__main__":
    main()
