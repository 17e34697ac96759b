"""Figures and rooms of one colour, and draws that are known beforehand."""

import numpy as np


class Fixed:
    """Draws the middle of a range and the mean of a deviation."""

    def uniform(self, low, high):
        return (low + high) / 2

    def random(self):
        return 0.5

    def normal(self, mean, _deviation):
        return float(mean)


class Most:
    """Draws the upper end of a range."""

    def uniform(self, _low, high):
        return high

    def random(self):
        return 0.0


def box(height, width, colour=(200, 100, 0), alpha=255):
    """A cut-out, uint8 [height, width, 4]."""
    pixels = np.empty((height, width, 4), np.uint8)
    pixels[...] = (*colour, alpha)
    return pixels


def grey(value, size=40):
    """A room, uint8 [size, size, 3]."""
    return np.full((size, size, 3), value, np.uint8)
