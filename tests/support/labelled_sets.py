"""Made-up labelled sets."""

from pathlib import Path

import numpy as np


def thing(rng, side=16):
    """A picture with broad structure, uint8 [side, side, 3]: each differs from each."""
    coarse = rng.integers(0, 256, (8, 8, 3), dtype="uint8")
    return coarse.repeat(side // 8, axis=0).repeat(side // 8, axis=1)


def make_labelled_set(folder: Path, rows=40, scenes=8, cutouts=5, side=16) -> Path:
    """Writes pictures and labels; every row has a scene and a cut-out.

    Returns:
        The labels file.
    """
    from maskdepth_tf.images import encoding
    from maskdepth_tf.input import labels

    rng = np.random.default_rng(0)
    bgs = [thing(rng, side) for _ in range(scenes)]
    fgs = [thing(rng, side) for _ in range(cutouts)]
    for name, pictures in (("bg", bgs), ("fg", fgs)):
        (folder / name).mkdir(parents=True)
        for i, picture in enumerate(pictures):
            encoding.write_image(folder / name / f"{i}.png", picture)
    for name in ("fg_bg", "mask", "depth"):
        (folder / name).mkdir()
    lines = []
    for i in range(rows):
        scene, cutout = i % scenes, i // scenes % cutouts
        mask = np.zeros((side, side), "uint8")
        top, left = rng.integers(0, side // 2, 2)
        mask[top : top + side // 2, left : left + side // 2] = 255
        whole = np.where(mask[..., None] > 0, fgs[cutout], bgs[scene])
        depth = np.linspace(0, 65535, side * side).reshape(side, side)
        depth = np.where(mask > 0, depth / 2, depth).astype("uint16")
        encoding.write_image(folder / f"fg_bg/{i}.png", whole)
        encoding.write_image(folder / f"mask/{i}.png", mask)
        encoding.write_image(folder / f"depth/{i}.png", depth)
        lines.append(
            labels.Row(
                f"bg/{scene}.png",
                f"fg/{cutout}.png",
                f"fg_bg/{i}.png",
                f"mask/{i}.png",
                f"depth/{i}.png",
            )
        )
    labels.write(folder / "labels.txt", lines)
    return folder / "labels.txt"
