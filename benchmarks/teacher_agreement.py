"""How well a teacher agrees with itself: the SSIM that its maps leave to be learned.

    python benchmarks/teacher_agreement.py --data DIR --teacher NAME [--rows 400]

A teacher is asked for each picture as it is, for the picture with a noise that nobody
sees (normal, deviation 2 of 255), and for the picture as a network of 64 and of 112
pixels sees it, enlarged again. What is printed is the mean SSIM, at 64 pixels,
between the first map and each of the others.
"""

import argparse
from pathlib import Path

import numpy as np

from maskdepth_tf import startup


def main():
    """Prints one line a disturbance."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--teacher", required=True)
    parser.add_argument("--rows", type=int, default=400)
    args = parser.parse_args()
    startup.load_tensorflow()
    import tensorflow as tf

    from maskdepth_tf.dataset.teachers import loading
    from maskdepth_tf.dataset.teachers.conventions import to_relative
    from maskdepth_tf.images import preprocessing
    from maskdepth_tf.input import labels
    from maskdepth_tf.network import similarity

    network = loading.load_teacher(args.teacher)
    size = network.input_size
    rows = labels.read(args.data / "labels.txt")
    draws = np.random.default_rng(0)
    picked = draws.choice(len(rows), min(args.rows, len(rows)), replace=False)

    def depth(picture):
        pixels = np.rint(np.clip(picture, 0, 255)).astype(np.uint8)
        relative, _, _ = to_relative(network.predict(pixels[None])[0])
        return preprocessing.resize(relative[..., None], 64)[None]

    def seen_at(picture, side):
        small = tf.round(preprocessing.resize(picture, side))
        return tf.image.resize(small, (size, size), method="lanczos3").numpy()

    scores = {"noise of 2/255": [], "112 pixels": [], "64 pixels": []}
    for row in picked:
        picture = preprocessing.read_rgb(args.data / rows[row].fg_bg)
        whole = preprocessing.resize(picture, size).numpy()
        plain = depth(whole)
        others = (
            whole + draws.normal(0, 2, whole.shape),
            seen_at(picture, 112),
            seen_at(picture, 64),
        )
        for values, other in zip(scores.values(), others, strict=True):
            values.append(float(similarity.ssim(plain, depth(other))[0]))
    for name, values in scores.items():
        error = np.std(values) / len(values) ** 0.5
        print(f"{name:16} SSIM {np.mean(values):.3f} +- {error:.3f}")


if __name__ == "__main__":
    main()
