"""How exactly backgrounds are brought onto their pictures, and what that costs.

    python benchmarks/registration.py --backgrounds DIR --foregrounds DIR [--pairs 200]

Each pair is a room and the same room with a figure, with the background's camera
shifted by up to 6 % of the side, turned by up to 3 degrees, zoomed by up to 5 %, and
with other light, noise and JPEG. What is measured is the mean distance of 25 points of
the picture from where they belong, in pixels of 224. ECC and ORB of OpenCV stand
beside. Times are of one core. With --aspect 1.78 the squares are what pictures of 16:9
were made to, and turned as such. With --tilt 0.05 cameras are tilted too, by up to that
share of the side.
"""

import argparse
import math
import os
import time
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

SIZE = 224
RANGES = {"turn": 3.0, "zoom": 0.05, "shift": 0.06}


class Pair(NamedTuple):
    """A background and its picture, and how they belong together.

    Attributes:
        bg: uint8 [S, S, 3].
        fg_bg: uint8 [S, S, 3].
        mask: float32 [S, S], the figure's alpha.
        warp: [3, 3], from points of the picture to those of the background, in
            shares of the side with (0, 0) in the middle.
    """

    bg: np.ndarray
    fg_bg: np.ndarray
    mask: np.ndarray
    warp: np.ndarray


def make_pair(room, figure, draws, plain=False, aspect=1.0, tilt=0.0, most_covered=0.6):
    """A pair of a room and a cut-out.

    Args:
        room: uint8 [S, S, 3], at least a quarter larger than `SIZE`.
        figure: uint8 [h, w, 4].
        draws: Source of randomness.
        plain: Whether only the exposure differs, by up to a third, and files are exact.
        aspect: Width by height of the picture before it was made a square.
        tilt: Up to which its camera is tilted, see `warps`.
        most_covered: Largest share of the picture that the figure hides.
    """
    turn = math.radians(draws.uniform(-RANGES["turn"], RANGES["turn"]))
    zoom = 1 + draws.uniform(-RANGES["zoom"], RANGES["zoom"])
    cosine, sine = zoom * math.cos(turn), zoom * math.sin(turn)
    right, down = draws.uniform(-RANGES["shift"], RANGES["shift"], 2)
    warp = [[cosine, -sine / aspect, right], [sine * aspect, cosine, down], [0, 0, 1]]
    warp = np.array(warp)
    if tilt:
        warp[2, :2] = draws.uniform(-tilt, tilt, 2) * (aspect**0.5, aspect**-0.5)
    first = (len(room) - SIZE) // 2
    picture = room[first : first + SIZE, first : first + SIZE].astype(np.float32)
    # From pixels of the background to points, back through the warp, to the room's.
    to_points = points_of(SIZE, SIZE)
    there = np.array([[1.0, 0, first], [0, 1, first], [0, 0, 1]])
    there = there @ np.linalg.inv(to_points) @ np.linalg.inv(warp) @ to_points
    bg = cv2.warpPerspective(
        room.astype(np.float32),
        there,
        (SIZE, SIZE),
        flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REFLECT,
    )
    picture, mask = _paste(picture, figure, draws, most_covered)
    taken = _taken_plainly if plain else _taken
    return Pair(*taken(bg, picture, draws), mask, warp)


def points_of(width, height):
    """From pixels to points, shares of the sides with (0, 0) in the middle: [3, 3]."""
    matrix = np.diag([1 / width, 1 / height, 1.0])
    matrix[:2, 2] = 0.5 / width - 0.5, 0.5 / height - 0.5
    return matrix


def _paste(picture, figure, draws, most_covered):
    share = draws.uniform(0.4, 1.2)
    while True:
        scale = share * SIZE / max(figure.shape[:2])
        kind = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        sized = cv2.resize(figure, None, fx=scale, fy=scale, interpolation=kind)
        height, width = sized.shape[:2]
        left = draws.integers(-width // 4, SIZE - 3 * width // 4)
        top = draws.integers(0, max(1, SIZE - 3 * height // 4))
        layer = np.zeros((SIZE, SIZE, 4), np.float32)
        x, y = max(left, 0), max(top, 0)
        part = sized[y - top : SIZE - top, x - left : SIZE - left]
        layer[y : y + part.shape[0], x : x + part.shape[1]] = part
        mask = layer[..., 3] / 255
        if mask.mean() <= most_covered:
            alpha = mask[..., np.newaxis]
            return alpha * layer[..., :3] + (1 - alpha) * picture, mask
        share *= 0.8


def _taken_plainly(bg, picture, draws):
    for image in (bg, picture * draws.uniform(0.75, 1.3)):
        yield np.rint(np.clip(image, 0, 255)).astype(np.uint8)


def _taken(bg, picture, draws):
    """Both pictures as cameras take them: light, noise, JPEG."""
    gain, gamma = np.exp(draws.uniform(-0.35, 0.35)), np.exp(draws.uniform(-0.3, 0.3))
    if draws.random() < 0.5:
        bg = bg * gain
    else:
        picture = picture * gain
    balance = 1 + draws.uniform(-0.1, 0.1, 3)
    picture = 255 * np.clip(picture / 255, 0, 1) ** gamma * balance
    if draws.random() < 0.4:
        fall = draws.uniform(-0.25, 0.25) * np.linspace(-1, 1, SIZE)
        picture = picture * (1 + fall[np.newaxis, :, np.newaxis])
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(draws.integers(60, 95))]
    for image in (bg, picture):
        noisy = image + draws.normal(0, 3, image.shape)
        pixels = np.rint(np.clip(noisy, 0, 255)).astype(np.uint8)
        yield cv2.imdecode(cv2.imencode(".jpg", pixels, quality)[1], cv2.IMREAD_COLOR)


def error_of(warp, pair):
    """Mean distance of 25 points from where they belong, in pixels of `SIZE`.

    Args:
        warp: The first 6 or 8 values of the 9 of a matrix, those of a still camera the
            rest.
        pair: The pair.
    """
    line = np.linspace(-0.5, 0.5, 5)
    points = np.stack([*np.meshgrid(line, line), np.ones((5, 5))]).reshape(3, -1)
    whole = np.append(warp, (0, 0, 1)[np.size(warp) - 6 :]).reshape(3, 3)
    found, right = (matrix @ points for matrix in (whole, pair.warp))
    off = found[:2] / found[2] - right[:2] / right[2]
    return SIZE * float(np.mean(np.hypot(*off)))


def resized(pairs, size):
    """float32 [N, size, size, 3] of the backgrounds, and of the pictures."""
    from maskdepth_tf.images import preprocessing

    return [
        np.stack([np.rint(preprocessing.resize(pair[i], size)) for pair in pairs])
        for i in (0, 1)
    ]


def ecc(bg, fg_bg):
    """OpenCV's, affine, on the whole pictures."""
    grey = [cv2.cvtColor(image, cv2.COLOR_BGR2GRAY) for image in (fg_bg, bg)]
    matrix = np.eye(2, 3, dtype=np.float32)
    criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 50, 1e-4)
    try:
        args = (*grey, matrix, cv2.MOTION_AFFINE, criteria, None, 5)
        _, matrix = cv2.findTransformECC(*args)
    except cv2.error:
        pass  # it did not converge: a still camera
    return _to_shares(matrix)


def orb(bg, fg_bg):
    """OpenCV's, with a similarity that most matches agree on."""
    finder = cv2.ORB_create(1000)
    (points, own), (others, theirs) = (
        finder.detectAndCompute(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), None)
        for image in (fg_bg, bg)
    )
    matrix = None
    if own is not None and theirs is not None:
        matches = cv2.BFMatcher(cv2.NORM_HAMMING, crossCheck=True).match(own, theirs)
        if len(matches) >= 4:
            start = np.float32([points[m.queryIdx].pt for m in matches])
            end = np.float32([others[m.trainIdx].pt for m in matches])
            matrix, _ = cv2.estimateAffinePartial2D(
                start, end, ransacReprojThreshold=2.0
            )
    return _to_shares(np.eye(2, 3) if matrix is None else matrix)


def _to_shares(matrix):
    """A matrix of pixels in shares of the side, as `Pair.warp`."""
    to_points = points_of(SIZE, SIZE)
    whole = np.vstack([matrix, [0, 0, 1]])
    return (to_points @ whole @ np.linalg.inv(to_points))[:2]


def main():
    """Prints a line for each way and size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backgrounds", nargs="+", required=True)
    parser.add_argument("--foregrounds", nargs="+", required=True)
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--plain", action="store_true", help="exposure alone differs")
    parser.add_argument("--aspect", type=float, default=1.0)
    parser.add_argument("--tilt", type=float, default=0.0)
    args = parser.parse_args()
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        os.environ[name] = "1"
    cv2.setNumThreads(1)
    folders = args.backgrounds, args.foregrounds
    pairs = list(read_pairs(*folders, args.pairs, args.plain, args.aspect, args.tilt))

    import tensorflow as tf

    from maskdepth_tf.registration import geometry, registering

    print(f"{len(pairs)} pairs, pixels of {SIZE}, ms of one core a pair")
    _line("still camera", [error_of(np.eye(2, 3), pair) for pair in pairs])
    for name, find in (("ECC", ecc), ("ORB", orb)):
        start = time.process_time()
        errors = [error_of(find(pair.bg, pair.fg_bg), pair) for pair in pairs]
        _line(name, errors, 1000 * (time.process_time() - start) / len(pairs))
    for size in (64, 128, 192):
        both = resized(pairs, size)
        estimate = tf.function(geometry.estimate, autograph=False)
        whole = tf.function(registering.register, autograph=False)
        aspect = tf.constant([args.aspect])
        errors = [
            error_of(estimate(*(x[i : i + 1] for x in both), None, aspect)[0][0], pair)
            for i, pair in enumerate(pairs)
        ]
        milliseconds = []
        for count in (1, 16):
            parts = [[x[i : i + count] for x in both] for i in range(0, 64, count)]
            whole(*parts[0])
            start = time.process_time()
            for part in parts:
                whole(*part)
            milliseconds.append(1000 * (time.process_time() - start) / 64)
        _line(f"registration, {size} pixels", errors, *milliseconds)


def read_pairs(backgrounds, foregrounds, count, plain=False, aspect=1.0, tilt=0.0):
    """Pairs of pictures drawn from folders."""
    rooms, figures = (
        sorted(path for folder in folders for path in Path(folder).iterdir())
        for folders in (backgrounds, foregrounds)
    )
    side = int(1.25 * SIZE)
    for seed in range(count):
        draws = np.random.default_rng(seed)
        room = cv2.imread(str(rooms[draws.integers(len(rooms))]))
        shorter = min(room.shape[:2])
        top, left = ((length - shorter) // 2 for length in room.shape[:2])
        square = room[top : top + shorter, left : left + shorter]
        figure = None
        while figure is None or figure.shape[2:] != (4,):
            path = figures[draws.integers(len(figures))]
            figure = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        room = cv2.resize(square, (side, side))
        yield make_pair(room, figure, draws, plain, aspect, tilt)


def _line(name, errors, *milliseconds):
    marks = np.percentile(errors, [50, 75, 90])
    beyond = np.sum(np.array(errors) > 1)
    times = " / ".join(f"{value:.1f}" for value in milliseconds) or "-"
    figures = "  ".join(f"{mark:7.3f}" for mark in marks)
    print(f"{name:26} 50, 75, 90 %: {figures}  over 1: {beyond:3}  ms: {times}")


if __name__ == "__main__":
    main()
