"""Rooms and figures drawn at random, and pairs of pictures of them."""

import functools

import cv2
import numpy as np

from benchmarks import registration as benchmark


def made_room(seed, side=280):
    """Furniture and textures at random, uint8 [side, side, 3]."""
    draws = np.random.default_rng(seed)
    room = np.full((side, side, 3), draws.integers(60, 200, 3), np.float32)
    for sigma in (2, 6, 20):
        grain = cv2.GaussianBlur(draws.normal(size=(side, side, 3)), (0, 0), sigma)
        room += 12 * grain / grain.std()
    for _ in range(12):
        corner = draws.integers(0, side, 2)
        end = corner + draws.integers(20, 120, 2)
        colour = tuple(int(value) for value in draws.integers(0, 256, 3))
        cv2.rectangle(room, corner.tolist(), end.tolist(), colour, -1)
    return np.clip(cv2.GaussianBlur(room, (0, 0), 0.7), 0, 255).astype(np.uint8)


def made_figure(seed):
    """A striped ellipse, uint8 RGBA."""
    draws = np.random.default_rng(seed)
    figure = np.zeros((200, 120, 4), np.uint8)
    figure[..., :3] = draws.integers(0, 256, 3)
    figure[:: draws.integers(2, 40), :, :3] = draws.integers(0, 256, 3)
    alpha = np.zeros((200, 120), np.uint8)
    cv2.ellipse(alpha, (60, 100), (55, 95), 0, 0, 360, 255, -1)
    figure[..., 3] = alpha
    return figure


@functools.cache
def made_pairs(count=200, aspect=1.0, tilt=0.0):
    """Pairs of 40 rooms, as the benchmark makes them."""
    rooms = [made_room(seed) for seed in range(40)]
    return [
        benchmark.make_pair(
            rooms[seed % 40],
            made_figure(seed),
            np.random.default_rng(seed),
            aspect=aspect,
            tilt=tilt,
        )
        for seed in range(count)
    ]
