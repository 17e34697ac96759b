"""Labelled sets as cameras make them: JPEG noise, soft figures, depth that fits."""

import cv2
import numpy as np

from maskdepth_tf.images import encoding
from maskdepth_tf.input import labels

SIDE = 96


def room(rng):
    """A picture with broad structure, uint8 [SIDE, SIDE, 3]."""
    coarse = rng.uniform(0, 255, (6, 6, 3)).astype("float32")
    return cv2.resize(coarse, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR).astype("u1")


def figure(rng):
    """A figure's alpha, upright and off the diagonal: uint8 [SIDE, SIDE]."""
    mask = np.zeros((SIDE, SIDE), np.uint8)
    center = (int(rng.integers(20, 76)), int(rng.integers(30, 66)))
    cv2.ellipse(mask, center, (9, 24), 0, 0, 360, 255, -1, cv2.LINE_AA)
    return mask


def depth_of(mask, base, number):
    """Farther towards the top, the figure nearer than all that it hides."""
    rows = np.linspace(1, 0.3, SIDE)[:, None] * np.ones(SIDE)
    rows = rows + 0.001 * number * np.linspace(0, 1, SIDE)
    depth = np.where(mask >= 128, 0.1, rows * base)
    depth = (depth - depth.min()) / (depth.max() - depth.min())
    return np.rint(65535 * depth).astype(np.uint16)


def write(folder, rooms, num_rows, seed=0):
    """Writes rows that show the rooms in turn; their labels."""
    rng = np.random.default_rng(seed)
    for name in ("bg", "fg", "fg_bg", "mask", "depth"):
        (folder / name).mkdir()
    for number, picture in enumerate(rooms):
        encoding.write_image(folder / f"bg/{number}.png", picture)
    cutout = np.full((8, 8, 4), 255, np.uint8)
    encoding.write_image(folder / "fg/0.png", cutout)
    rows = []
    for number in range(num_rows):
        place = number % len(rooms)
        mask = figure(rng)
        alpha = mask[..., None] / 255
        whole = alpha * (255 - rooms[place][::-1]) + (1 - alpha) * rooms[place]
        row = labels.Row(
            f"bg/{place}.png",
            "fg/0.png",
            f"fg_bg/{number}.jpg",
            f"mask/{number}.png",
            f"depth/{number}.png",
        )
        encoding.write_image(
            folder / row.fg_bg, np.rint(whole).astype("u1"), quality=30
        )
        encoding.write_image(folder / row.mask, mask)
        encoding.write_image(folder / row.depth, depth_of(mask, 1.0, number))
        rows.append(row)
    labels.write(folder / "labels.txt", rows)
    return rows
