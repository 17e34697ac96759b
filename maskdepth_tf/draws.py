"""Random numbers by name: which stream, and which column of a table, is whose.

A stream is decided by whole numbers alone: the seed of a data set, the kind of the
stream and a number, such as a row's. So what one option draws changes nothing of
another, and no row depends on the rows before it. Values of a kind never change:
data sets that exist could not be made again.
"""

import enum

import numpy as np


class Composed(enum.IntEnum):
    """Kinds of streams of a set of cut-outs on rooms."""

    PLACE = 0
    FOREGROUND_ORDER = 1
    BACKGROUND_ORDER = 2
    MIRRORING = 3
    IS_VIEW = 4
    VIEW = 5
    COUNT = 6
    OTHERS = 7
    CONTACT = 8
    MATCH = 9
    MOTION = 10
    SHADOW = 11
    WALL = 12
    CAMOUFLAGE = 13
    EMPTY = 14
    CLOSE_UP = 15


class Split(enum.IntEnum):
    """Kinds of streams that draw the sides of a split."""

    ROOMS = 0
    CUTOUTS = 1
    VALIDATION = 2


class Rendered(enum.IntEnum):
    """Kinds of streams of a set of rendered rooms."""

    ROOM = 1
    FIGURE = 2
    ROW = 3
    CUTOUT = 4
    ORDER = 5
    SECOND = 6
    QUALITY = 7


class Column(enum.IntEnum):
    """First columns of what an example's augmentation draws."""

    ZOOM = 0
    OFFSET = 1
    """Of two: down and to the right."""
    FLIP = 3
    CONTRAST = 4
    STRENGTH = 5
    COLOUR = 6
    """Of three: red, green and blue."""
    GREY = 9
    IS_ZOOMED = 10
    HOLES = 11
    """Of two a hole, those of one picture after those of the other."""
    IS_MOVED = 75
    MOVE = 76
    """Of four: right, down, zoom and turn."""
    IS_LIT = 80
    LIT_PICTURE = 81
    EXPOSURE = 82
    BALANCE = 83
    """Of three: red, green and blue."""
    GAMMA = 86
    VIGNETTE = 87
    IS_SOFT = 88
    SOFT_PICTURE = 89
    SOFTNESS = 90
    IS_NOISY = 91
    NOISE = 92
    NOISE_LINES = 93
    """Of two."""
    IS_SHADED = 95
    SHADOW = 96
    """Of seven: where, lean, length, way aside, lift, softness and depth."""
    IS_PUSHED = 103
    THING = 104
    """Of six: right, down, width, height, distance and direction."""
    IS_CAMOUFLAGED = 110
    CAMOUFLAGE = 111
    IS_COMPRESSED = 112
    COMPRESSION = 113
    """Of two, one a picture."""
    END = 115
    """How many there are."""


def generator(*entropy: int) -> np.random.Generator:
    """Returns the stream of random numbers that whole numbers alone decide."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(entropy)))
