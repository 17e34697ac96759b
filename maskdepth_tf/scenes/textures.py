"""Textures: tiles of one value in [0, 1], to which a material gives its colours.

A tile repeats without a seam. The value picks a colour on the material's ramp, so
that one tile of wood grain serves oak and ebony. Tiles are kept at all halved sizes
(a pyramid) and read at the size that fits a pixel: fine patterns far away fade to
their mean instead of turning into moire.
"""

import functools
from collections.abc import Callable

import numpy as np

SIZE = 128
"""Side of a tile [texels]."""
LEVELS = 8
"""Sizes of every tile, from 128 down to 1."""

Draws = np.random.Generator


def power_noise(
    draws: Draws, exponent: float, stretch: float = 1.0, size: int = SIZE
) -> np.ndarray:
    """Noise whose amplitude falls with frequency as 1 / f^exponent.

    Args:
        draws: Source of randomness.
        exponent: 0 is white, 1 is what photographs have, 2 is clouds.
        stretch: Factor by which blobs are longer along a column than along a row.
        size: Side of the tile [texels].

    Returns:
        float32 [size, size] in [0, 1], mean 0.5.
    """
    fy = np.fft.fftfreq(size)[:, None] * stretch
    fx = np.fft.fftfreq(size)[None]
    amplitude = np.maximum(np.hypot(fx, fy), 1.0 / size) ** -exponent
    amplitude[0, 0] = 0
    field = np.fft.ifft2(np.fft.fft2(draws.standard_normal((size, size))) * amplitude)
    field = field.real / field.real.std()
    return np.clip(0.5 + 0.2 * field, 0, 1).astype(np.float32)


def _grid() -> tuple[np.ndarray, np.ndarray]:
    """Texel centres: column and row, in [0, 1)."""
    centres = (np.arange(SIZE, dtype=np.float32) + 0.5) / SIZE
    return np.meshgrid(centres, centres)


def _plain(draws: Draws) -> np.ndarray:
    return 0.5 + 0.25 * (power_noise(draws, 1.6) - 0.5)


def _wood(draws: Draws) -> np.ndarray:
    grain = power_noise(draws, 1.2, stretch=14)
    u, _ = _grid()
    rings = 0.5 + 0.5 * np.sin(2 * np.pi * (8 * u + 3 * power_noise(draws, 2, 6)))
    return 0.55 * grain + 0.3 * rings + 0.15 * power_noise(draws, 0.3, 4)


def _planks(draws: Draws) -> np.ndarray:
    u, v = _grid()
    column = (u * 8).astype(int)
    shift = draws.random(8)[column]
    end = (v * 2 + shift) % 2
    shade = draws.random((8, 2))[column, end.astype(int)]
    gap = (np.abs(u * 8 % 1 - 0.5) > 0.46) | (end % 1 < 0.012)
    grain = power_noise(draws, 1.1, stretch=10)
    return np.where(gap, 0.0, 0.15 + 0.45 * shade + 0.4 * grain)


def _parquet(draws: Draws) -> np.ndarray:
    u, v = _grid()
    turned = ((u * 4).astype(int) + (v * 4).astype(int)) % 2 == 1
    along, across = np.where(turned, u, v), np.where(turned, v, u)
    slat = (across * 16).astype(int)
    block = (u * 4).astype(int) * 4 + (v * 4).astype(int)
    shade = draws.random((16, 16))[block, slat]
    gap = (across * 16 % 1 < 0.1) | (along * 4 % 1 < 0.03)
    return np.where(gap, 0.1, 0.3 + 0.5 * shade + 0.2 * power_noise(draws, 1))


def _fabric(draws: Draws) -> np.ndarray:
    u, v = _grid()
    weave = 0.5 + 0.25 * (np.sin(2 * np.pi * 32 * u) + np.sin(2 * np.pi * 32 * v))
    return 0.4 * weave + 0.6 * power_noise(draws, 0.8)


def _stripes(draws: Draws) -> np.ndarray:
    u, _ = _grid()
    edges = np.sort(draws.random(draws.integers(3, 7)))
    values = draws.random(len(edges) + 1)
    values[-1] = values[0]
    return values[np.searchsorted(edges, u)] * 0.9 + 0.1 * power_noise(draws, 0.5)


def _checks(draws: Draws) -> np.ndarray:
    u, v = _grid()
    check = ((u * 4).astype(int) + (v * 4).astype(int)) % 2
    return 0.1 + 0.7 * check + 0.2 * power_noise(draws, 0.8)


def _plaid(draws: Draws) -> np.ndarray:
    return (_stripes(draws) + _stripes(draws).T) / 2


def _tiles(draws: Draws) -> np.ndarray:
    u, v = _grid()
    grout = (u * 4 % 1 < 0.05) | (v * 4 % 1 < 0.05)
    tone = draws.random((4, 4))[(u * 4).astype(int), (v * 4).astype(int)]
    return np.where(grout, 0.0, 0.55 + 0.25 * tone + 0.2 * power_noise(draws, 1.5))


def _ceiling(draws: Draws) -> np.ndarray:
    u, v = _grid()
    rail = (u * 2 % 1 < 0.04) | (v * 2 % 1 < 0.04)
    return np.where(rail, 0.15, 0.6 + 0.4 * power_noise(draws, 0.4))


def _brick(draws: Draws) -> np.ndarray:
    u, v = _grid()
    course = (v * 8).astype(int)
    along = (u * 4 + 0.5 * (course % 2)) % 4
    mortar = (along % 1 < 0.06) | (v * 8 % 1 < 0.12)
    tone = draws.random((8, 4))[course, along.astype(int)]
    return np.where(mortar, 1.0, 0.1 + 0.5 * tone + 0.3 * power_noise(draws, 0.8))


def _carpet(draws: Draws) -> np.ndarray:
    return 0.5 * power_noise(draws, 0.1) + 0.5 * power_noise(draws, 1.0)


def _carpet_tiles(draws: Draws) -> np.ndarray:
    u, v = _grid()
    tone = draws.random((4, 4))[(u * 4).astype(int), (v * 4).astype(int)]
    turned = ((u * 4).astype(int) + (v * 4).astype(int)) % 2 == 1
    fibre = power_noise(draws, 0.6, 6)
    return 0.5 * tone + 0.5 * np.where(turned, fibre, fibre.T)


def _noise(draws: Draws) -> np.ndarray:
    return np.clip(1.6 * (power_noise(draws, 1.0) - 0.5) + 0.5, 0, 1)


def _clouds(draws: Draws) -> np.ndarray:
    return np.clip(1.5 * (power_noise(draws, 1.8) - 0.5) + 0.5, 0, 1)


def _marble(draws: Draws) -> np.ndarray:
    u, v = _grid()
    wave = np.sin(2 * np.pi * (2 * u + v + 2.5 * power_noise(draws, 1.7)))
    return np.abs(wave) ** 0.4


def _terrazzo(draws: Draws) -> np.ndarray:
    return np.where(power_noise(draws, 0.5) > 0.62, draws.random(), 0.5) + 0.1 * (
        power_noise(draws, 0.5) - 0.5
    )


def _dots(draws: Draws) -> np.ndarray:
    u, v = _grid()
    distance = np.hypot(u * 6 % 1 - 0.5, v * 6 % 1 - 0.5)
    return np.where(distance < 0.28, 0.9, 0.1) + 0.1 * power_noise(draws, 1)


def _blocks(draws: Draws) -> np.ndarray:
    """Overlapping rectangles on noise: a painting, a poster, a printed shirt."""
    tile = _clouds(draws)
    for _ in range(draws.integers(3, 12)):
        x, y = draws.integers(0, SIZE, 2)
        w, h = draws.integers(8, 70, 2)
        tile[y : y + h, x : x + w] = draws.random() + 0.2 * (
            tile[y : y + h, x : x + w] - 0.5
        )
    return tile


def _books(draws: Draws) -> np.ndarray:
    """A shelf's row of spines; the dark gap above each is 0."""
    u, v = _grid()
    edges = np.sort(draws.random(22))
    number = np.searchsorted(edges, u)
    height = draws.uniform(0.7, 0.97, 23)[number]
    tone = draws.uniform(0.15, 1, 23)[number]
    label = (np.abs(v - 0.6) < 0.06) & (draws.random(23)[number] > 0.5)
    return np.where(v > height, 0.0, np.where(label, 1 - tone * 0.7, tone))


def _skyline(draws: Draws) -> np.ndarray:
    """What a window shows: 1 is zenith, 0.5 the horizon, below it houses."""
    u, v = _grid()
    tile = 0.55 + 0.45 * v + 0.12 * (power_noise(draws, 1.6) - 0.5)
    for _ in range(draws.integers(4, 12)):
        left, width = draws.random(), draws.uniform(0.05, 0.25)
        inside = ((u - left) % 1 < width) & (v < draws.uniform(0.15, 0.75))
        panes = ((u * 40 % 1 < 0.5) & (v * 30 % 1 < 0.5)) * draws.uniform(0, 0.12)
        tile = np.where(inside, draws.uniform(0.1, 0.48) + panes, tile)
    return np.where(v < 0.08, 0.05, tile)


def _trees(draws: Draws) -> np.ndarray:
    """A window on a garden: leaves below the sky."""
    _, v = _grid()
    leaves = power_noise(draws, 1.2)
    crown = 0.35 + 0.5 * power_noise(draws, 1.8)
    sky = 0.6 + 0.4 * v
    return np.where(v < crown, 0.45 * leaves, sky)


def _blinds(draws: Draws) -> np.ndarray:
    _, v = _grid()
    return np.where(v * 24 % 1 < 0.22, 0.2, 0.7 + 0.3 * power_noise(draws, 1.5))


def _suit(draws: Draws) -> np.ndarray:
    """A torso all around, front at u = 1/4: 0 jacket, 0.6 shirt, 1 tie."""
    u, v = _grid()
    side = np.abs(u - 0.25)
    opening = np.maximum(v - 0.42, 0) * 0.16
    tile = np.where(side < opening + 0.012, 0.28, 0.12 * power_noise(draws, 0.7))
    tile = np.where(side < opening, 0.65, tile)
    tile = np.where((side < 0.018) & (v > 0.45), 1.0, tile)
    button = (np.hypot((side - 0.012) * 3, v - 0.34) < 0.018) & (u > 0.25)
    return np.where(button, 0.28, tile)


def _shirt(draws: Draws) -> np.ndarray:
    """A torso all around: 0.3 to 0.7 cloth with folds, 0 collar line and buttons."""
    u, v = _grid()
    side = np.abs(u - 0.25)
    tile = 0.3 + 0.4 * power_noise(draws, 1.3, 2)
    tile = np.where((side < 0.006) | (v > 0.93), 0.1, tile)
    return np.where(np.abs(v - 0.02) < 0.02, 0.05, tile)


def _face(draws: Draws) -> np.ndarray:
    """A head all around, front at u = 1/4: 0 eyes and brows, 0.5 lips, 1 skin."""
    u, v = _grid()
    side = np.abs(u - 0.25)
    tile = 0.8 + 0.2 * power_noise(draws, 1.5)
    eye = np.hypot((side - 0.062) / 0.026, (v - 0.53) / 0.022) < 1
    brow = (np.abs(side - 0.065) < 0.04) & (np.abs(v - 0.6) < 0.012)
    mouth = (side < 0.05) & (np.abs(v - 0.27) < 0.018)
    nose = (side < 0.02) & (np.abs(v - 0.38) < 0.015)
    tile = np.where(mouth, 0.45, np.where(nose, 0.7, tile))
    return np.where(eye | brow, 0.05, tile)


def _leaves(draws: Draws) -> np.ndarray:
    u, v = _grid()
    vein = (np.abs(u - 0.5) < 0.04) | ((np.abs(u - 0.5) * 2 + v * 8) % 1 < 0.15)
    return np.where(vein, 0.8, 0.5 * power_noise(draws, 1.0))


def _hair(draws: Draws) -> np.ndarray:
    return power_noise(draws, 0.9, stretch=16)


def _screen(draws: Draws) -> np.ndarray:
    """A display: windows and lines of text."""
    u, v = _grid()
    tile = np.full((SIZE, SIZE), draws.uniform(0.2, 0.6), np.float32)
    for _ in range(4):
        x, y, w, h = draws.uniform(0.05, 0.5, 4)
        inside = (u > x) & (u < x + w) & (v > y) & (v < y + h)
        text = (v * 40 % 1 < 0.4) & (power_noise(draws, 0.6, 0.3) > 0.5)
        tile = np.where(inside, np.where(text, 0.3, 0.95), tile)
    return tile


_MAKERS: dict[str, tuple[Callable[[Draws], np.ndarray], int]] = {
    "plain": (_plain, 2),
    "skin": (_plain, 1),
    "wood": (_wood, 3),
    "planks": (_planks, 3),
    "parquet": (_parquet, 1),
    "fabric": (_fabric, 2),
    "stripes": (_stripes, 4),
    "checks": (_checks, 1),
    "plaid": (_plaid, 3),
    "tiles": (_tiles, 2),
    "ceiling": (_ceiling, 1),
    "brick": (_brick, 2),
    "carpet": (_carpet, 2),
    "carpet_tiles": (_carpet_tiles, 2),
    "noise": (_noise, 3),
    "clouds": (_clouds, 3),
    "marble": (_marble, 2),
    "terrazzo": (_terrazzo, 2),
    "dots": (_dots, 1),
    "blocks": (_blocks, 8),
    "books": (_books, 4),
    "skyline": (_skyline, 5),
    "trees": (_trees, 4),
    "blinds": (_blinds, 1),
    "suit": (_suit, 1),
    "shirt": (_shirt, 2),
    "face": (_face, 2),
    "leaves": (_leaves, 1),
    "hair": (_hair, 2),
    "screen": (_screen, 3),
}


class Library:
    """All tiles at all sizes, and how to read them.

    The tiles are the same for every data set: seeds choose among them, and choose
    colours and scales.
    """

    def __init__(self) -> None:
        tiles: list[np.ndarray] = []
        self._ids: dict[str, range] = {}
        for name, (make, count) in _MAKERS.items():
            self._ids[name] = range(len(tiles), len(tiles) + count)
            for tile in self._ids[name]:
                draws = np.random.Generator(np.random.Philox(tile))
                tiles.append(np.clip(make(draws), 0, 1).astype(np.float32))
        level, levels = np.stack(tiles), []
        for _ in range(LEVELS):
            levels.append(level.ravel())
            n, side = level.shape[:2]
            if side > 1:
                level = level.reshape(n, side // 2, 2, side // 2, 2).mean((2, 4))
        sizes = np.array([len(flat) for flat in levels])
        self._offsets = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        self._pool = np.concatenate(levels)

    def ids(self, name: str) -> range:
        """Numbers of the tiles called `name`."""
        return self._ids[name]

    def sample(
        self, tile: np.ndarray, uv: np.ndarray, footprint: np.ndarray
    ) -> np.ndarray:
        """Reads tiles, interpolating between texels.

        Args:
            tile: int [N], numbers of tiles.
            uv: float [N, 2], place in tiles; whole numbers are seams.
            footprint: float [N], side of what is seen, in tiles.

        Returns:
            float32 [N] in [0, 1].
        """
        level = np.log2(np.maximum(footprint * SIZE, 1e-6))
        level = np.clip(np.rint(level), 0, LEVELS - 1).astype(np.int64)
        side = SIZE >> level
        start = self._offsets[level] + tile * side * side
        x, y = uv[:, 0] * side - 0.5, uv[:, 1] * side - 0.5
        left, low = np.floor(x), np.floor(y)
        fx, fy = (x - left).astype(np.float32), (y - low).astype(np.float32)
        # Sides are powers of two, so `&` is the remainder, of negatives too.
        x0, y0 = left.astype(np.int64) & (side - 1), low.astype(np.int64) & (side - 1)
        x1, y1 = (x0 + 1) & (side - 1), (y0 + 1) & (side - 1)
        row0, row1 = start + y0 * side, start + y1 * side
        pool = self._pool
        lower = pool[row0 + x0] * (1 - fx) + pool[row0 + x1] * fx
        upper = pool[row1 + x0] * (1 - fx) + pool[row1 + x1] * fx
        return lower * (1 - fy) + upper * fy


@functools.cache
def library() -> Library:
    """The tiles, made once in a process."""
    return Library()
