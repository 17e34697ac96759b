"""What people use today for a person before a known background, beside the network.

    python benchmarks/others.py --workdir RUN --sources DIR ... [--pairs 60]
    python benchmarks/others.py ... --write PAIRS
    python benchmarks/others.py ... --masks "MediaPipe=PAIRS_OF_IT"

The pairs are those of `benchmarks/matting.py`: rooms and cut-outs that the run never
saw, with true alpha; half of them with a background that moved and changed its light.
--people BEGINNING: of the names of cut-outs that are people; without it all are.

Answers at the picture's own size are judged: IoU at 0.5, MAD x 1000, and seconds with
all cores. --write makes files of the pairs, NUMBER_bg.png and NUMBER_fg_bg.png, for
programs that live in an environment of their own; --masks judges what they answered,
NUMBER.png in a folder, grey.
"""

import argparse
import time
from pathlib import Path

import cv2
import numpy as np

from benchmarks import matting
from maskdepth_tf import config, startup
from maskdepth_tf.images import encoding

SIZE = (480, 640)
GRAB_ROUNDS = 5
GRAB_BORDER = 7
"""Pixels on both sides of the rule's outline that GrabCut decides."""


def grab_cut(fg_bg, first):
    """OpenCV's GrabCut, begun with the mask of a rule: bool [H, W]."""
    if not first.any():
        return first
    window = np.ones((2 * GRAB_BORDER + 1,) * 2, np.uint8)
    first = cv2.morphologyEx(first.astype(np.uint8), cv2.MORPH_OPEN, window[:5, :5])
    labels = np.full(first.shape, cv2.GC_PR_BGD, np.uint8)
    labels[first == 1] = cv2.GC_PR_FGD
    labels[cv2.erode(first, window) == 1] = cv2.GC_FGD
    labels[cv2.dilate(first, window, iterations=2) == 0] = cv2.GC_BGD
    if not (labels == cv2.GC_FGD).any():
        return first == 1
    models = np.zeros((1, 65)), np.zeros((1, 65))
    picture = np.ascontiguousarray(fg_bg[..., ::-1])
    cv2.setRNGSeed(0)
    cv2.grabCut(picture, labels, None, *models, GRAB_ROUNDS, mode=cv2.GC_INIT_WITH_MASK)
    return (labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)


def classical(bg, fg_bg):
    """Name -> function to a mask, bool [H, W]; all see the picture's own size."""
    from maskdepth_tf.disturbing import alignment, yardsticks

    def orb():
        room = alignment.align(bg, fg_bg, alignment.find_corners(bg))
        return yardsticks.apply_rule(alignment.match_tone(room, fg_bg), fg_bg)

    return {
        "rule": lambda: yardsticks.apply_rule(bg, fg_bg),
        "ORB + tone + rule": orb,
        "MOG2": lambda: yardsticks.mixture(bg, bg)(fg_bg, fg_bg),
        "GrabCut, begun with ORB": lambda: grab_cut(fg_bg, orb()),
    }


def network_of(workdir):
    """The run's network as `predict` asks it: from a pair to its alpha, [H, W]."""
    from maskdepth_tf.images.pictures import Picture
    from maskdepth_tf.inference import loading

    predictor = loading.load_predictor(workdir)

    def answer(bg, fg_bg):
        pair = (Picture(encoding.encode_png(x, 1), x) for x in (bg, fg_bg))
        return predictor.answer(*pair).mask[..., 0]

    return answer


def read_mask(folder, number):
    """What another program answered: [H, W] from 0 to 1."""
    path = Path(folder, f"{number}.png")
    pixels = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if pixels is None or pixels.shape != SIZE:
        raise SystemExit(f"{path}: must be a grey picture of {SIZE[1]}x{SIZE[0]}")
    return pixels / 255


def unseen_pairs(args):
    """Number -> a pair with true alpha, and whether its figure is a person."""
    from maskdepth_tf.training import batches

    path = Path(args.workdir) / "config.yaml"
    settings = config.load_config([path], ["data.memory_gb=0"])
    data = batches.open_data(settings)
    sides = settings.data.labels, data.split["test"], data.examples.rows
    rooms, cutouts = matting.names_of(*sides)
    print(f"{len(rooms)} rooms, {len(cutouts)} cut-outs")

    def make(number):
        draws = np.random.default_rng((number, 7))
        room = matting.read(args.sources, rooms[draws.integers(len(rooms))])
        name = cutouts[draws.integers(len(cutouts))]
        pair = matting.compose(room, matting.read(args.sources, name), SIZE, draws)
        return *pair, name.startswith(args.people)

    return make


def main():
    """Measures, or writes the pairs."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--workdir", required=True)
    parser.add_argument("--sources", nargs="+", required=True)
    parser.add_argument("--people", default="")
    parser.add_argument("--pairs", type=int, default=60)
    parser.add_argument("--write", type=Path)
    parser.add_argument("--masks", nargs="*", default=[], metavar="NAME=DIR")
    args = parser.parse_args()
    startup.load_tensorflow()
    make = unseen_pairs(args)
    if args.write:
        args.write.mkdir(parents=True)
        for number in range(args.pairs):
            for name, pixels in zip(("bg", "fg_bg"), make(number), strict=False):
                encoding.write_image(args.write / f"{number}_{name}.png", pixels)
        return
    answer = network_of(args.workdir)
    table = {}
    for number in range(args.pairs):
        bg, fg_bg, truth, is_person = make(number)
        ways = {"network": lambda pair=(bg, fg_bg): answer(*pair)}
        ways |= classical(bg, fg_bg)
        for name, folder in (text.split("=", 1) for text in args.masks):
            ways[name] = lambda f=folder, n=number: read_mask(f, n)
        for name, way in ways.items():
            start = time.perf_counter()
            found = way().astype(np.float32)
            seconds = time.perf_counter() - start
            figures = (*matting.score(found, truth)[:2], 1000 * seconds)
            table.setdefault(name, []).append((is_person, *figures))
    print(f"{'':30}     all pairs    of people\n{'':30}  IoU   MAD    IoU   MAD    ms")
    for name, rows in table.items():
        values = np.array(rows)
        people = values[values[:, 0] == 1]
        means = [
            f"{part[:, 1].mean():.3f} {part[:, 2].mean():5.1f}"
            for part in (values, people)
        ]
        print(f"{name:30} {means[0]}  {means[1]} {np.median(values[:, 3]):5.0f}")


if __name__ == "__main__":
    main()
