"""Films for the camera of the live page: a rendered room, and a figure that walks in.

    python -m benchmarks.live_films --output films

writes, 640x480 at 30 frames a second, as a fake camera of Chromium takes them:

    steady.mjpeg   12 s of the room alone, then the figure walks about
    moved.mjpeg    the same, and after 24 s the camera is pushed by 12 pixels
    exposed.mjpeg  the same, and after 24 s the picture is darker by a quarter
"""

import argparse
from pathlib import Path

import cv2
import numpy as np

from maskdepth_tf.draws import Rendered, generator
from maskdepth_tf.images import encoding

ROOM, FIGURE = 1, 2
SIZE = (480, 640)
RATE = 30
EMPTY = 12
"""Seconds of the room alone."""
CHANGED = 24
"""Seconds until the camera or the light changes."""
SECONDS = 36
NOISE = 1.5
TALL = 560
"""Height of the figure, in pixels; its feet are below the picture."""


def render() -> tuple[np.ndarray, np.ndarray]:
    """The room, uint8 [480, 640, 3], and the figure, uint8 [h, w, 4]."""
    from maskdepth_tf.scenes import people, shapes, stage

    height, width = SIZE
    above = (width - height) // 2
    room = stage.Stage(0, ROOM, width).background()[above : above + height]
    model = shapes.compact(people.figure(generator(0, Rendered.FIGURE, FIGURE)))
    figure = stage.cutout(model, TALL, generator(0, Rendered.CUTOUT, FIGURE))
    return room, figure


def place_of(second: float) -> tuple[float, float] | None:
    """Where the figure's left and upper corner is, in pixels; None: outside."""
    walked = second - EMPTY
    if walked < 0:
        return None
    way = 1 - np.exp(-walked / 1.2)
    left = 660 - 470 * way + 110 * np.sin(0.9 * walked) * way
    return left, 70 + 5 * abs(np.sin(4 * walked))


def paste(room: np.ndarray, figure: np.ndarray, place) -> np.ndarray:
    """A room with a figure, float32 [H, W, 3]."""
    height, width = room.shape[:2]
    if place is None:
        return room.astype(np.float32)
    left, top = place
    warp = np.float32([[1, 0, left], [0, 1, top]])
    # Colours of what is transparent must not mix into edges.
    pixels = figure.astype(np.float32)
    pixels[..., :3] *= pixels[..., 3:] / 255
    pasted = cv2.warpAffine(pixels, warp, (width, height))
    return pasted[..., :3] + room * (1 - pasted[..., 3:] / 255)


def frame(room: np.ndarray, figure: np.ndarray, second: float, kind: str = "steady"):
    """A frame of a film, uint8 [480, 640, 3]."""
    picture = paste(room, figure, place_of(second))
    if second >= CHANGED and kind == "moved":
        picture = np.roll(picture, 12, axis=1)
    if second >= CHANGED and kind == "exposed":
        picture = picture * 0.75
    draws = np.random.default_rng(int(second * RATE))
    noisy = picture + draws.normal(0, NOISE, picture.shape)
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)


def write(path: Path, room: np.ndarray, figure: np.ndarray, kind: str) -> None:
    """Writes a film."""
    with open(path, "wb") as file:
        for number in range(SECONDS * RATE):
            pixels = frame(room, figure, number / RATE, kind)
            file.write(encoding.encode_jpeg(pixels, 92))


def main() -> None:
    """Writes all films."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    room, figure = render()
    for kind in ("steady", "moved", "exposed"):
        write(args.output / f"{kind}.mjpeg", room, figure, kind)


if __name__ == "__main__":
    main()
