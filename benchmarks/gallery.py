"""Pictures of what a network answers: rows of a set, and those where it fails most.

    python -m benchmarks.gallery --labels data/hand/labels.txt --output DIR

It writes shown.jpg, rows evenly spread over the set, and worst.jpg, those with the
least IoU. All are answered at their own size, as `maskdepth predict` does.
"""

import argparse
from pathlib import Path

import numpy as np

from maskdepth_tf import cli, startup
from maskdepth_tf.images import encoding, pictures, preprocessing
from maskdepth_tf.input import labels
from maskdepth_tf.reports import overview, sheet

SIDE = 130


def iou_of(truth, mask):
    """IoU of two masks at 0.5."""
    truth, mask = truth >= 0.5, mask >= 0.5
    return np.sum(truth & mask) / max(np.sum(truth | mask), 1)


def answer(predictor, root, row):
    """IoU of a row, and its pictures as `overview.GRID_CAPTIONS` names them."""
    bg, fg_bg = (pictures.read(root / path) for path in (row.bg, row.fg_bg))
    found = predictor.answer(bg, fg_bg)
    mask, depth = found.mask[..., 0], found.depth[..., 0]
    true_mask = preprocessing.decode_mask((root / row.mask).read_bytes()).numpy()
    true_depth = preprocessing.decode_depth((root / row.depth).read_bytes()).numpy()
    truth = true_mask[..., 0] / 255
    cells = (
        bg.pixels,
        fg_bg.pixels,
        *map(sheet.mask_to_grey, (truth, mask)),
        *map(sheet.depth_to_color, (true_depth[..., 0], depth)),
        sheet.cut_out(found.foreground, mask, SIDE),
    )
    return iou_of(truth, mask), cells


def main() -> None:
    """Draws the two sheets."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--labels", type=Path, required=True)
    parser.add_argument("--model", default=cli.PRESET)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--shown", type=int, default=10)
    parser.add_argument("--worst", type=int, default=6)
    args = parser.parse_args()
    startup.load_tensorflow()
    from maskdepth_tf.inference.loading import load_predictor

    predictor = load_predictor(args.model)
    rows = labels.read(args.labels)
    answers = [answer(predictor, args.labels.parent, row) for row in rows]
    ious = np.array([iou for iou, _ in answers])
    print(f"{len(rows)} rows: mean IoU {ious.mean():.3f}, least {ious.min():.3f}")
    args.output.mkdir(exist_ok=True)
    spread = (np.arange(args.shown) + 0.5) * len(rows) / args.shown
    for name, chosen in (
        ("shown", spread.astype(int)),
        ("worst", np.argsort(ious)[: args.worst]),
    ):
        drawn = [sheet.Row(answers[i][1], [f"IoU {ious[i]:.2f}"]) for i in chosen]
        picture = sheet.draw(drawn, overview.GRID_CAPTIONS, SIDE)
        encoding.write_image(args.output / f"{name}.jpg", picture, quality=85)


if __name__ == "__main__":
    main()
