"""np.ndarrays and textures as rooms, clothes and furniture have them.

A texture is a tile of one value in [0, 1], which picks a colour on the material's
ramp: one tile of wood grain serves oak and ebony. Tiles repeat without a seam. They
are kept at all halved sizes (a pyramid) and read at the size that fits a pixel: fine
patterns far away fade to their mean instead of turning into moire.
"""

import colorsys
from collections.abc import Callable
from functools import cache, partial

import numpy as np

from maskdepth_tf.scenes.shapes import Draws, Material


def _palette(codes: str) -> np.ndarray:
    """Hexadecimal colours -> float [N, 3], sRGB in [0, 1]."""
    return np.array([list(bytes.fromhex(code)) for code in codes.split()]) / 255


WOODS = _palette("cca373 b8804c 945c33 6b3d24 4c3021 d9bf99 a89480 e0d6c7")
SKINS = _palette("edc2a6 deab87 c7916b 9e6b4a 734a33 523629")
HAIRS = _palette("1a1412 332117 593821 9e7342 d1b27a 8c401f b8b5b2")
LEATHERS = _palette("141417 4c2b1a b21a1a ccbfa8")


def hsv(hue: float, saturation: float, value: float) -> np.ndarray:
    """SRGB [3] from hue, saturation and value in [0, 1]."""
    return np.array(colorsys.hsv_to_rgb(hue % 1, saturation, value))


def pick(draws: Draws, palette: np.ndarray) -> np.ndarray:
    """Picks one of some colours and changes it slightly."""
    colour = palette[draws.integers(len(palette))]
    return np.clip(colour * draws.uniform(0.88, 1.1) + draws.normal(0, 0.02, 3), 0, 1)


def any_colour(draws: Draws) -> np.ndarray:
    """Draws any colour, dull ones more often."""
    return hsv(draws.random(), draws.random() ** 1.3, draws.uniform(0.12, 0.95))


def neutral(draws: Draws) -> np.ndarray:
    """Draws white, beige, grey or black."""
    value = draws.choice([0.93, 0.85, 0.7, 0.5, 0.3, 0.12]) * draws.uniform(0.9, 1)
    return hsv(draws.uniform(0.05, 0.15), draws.uniform(0, 0.18), value)


def wall(draws: Draws) -> np.ndarray:
    """Draws a wall's colour: white most often, else pastel, else strong."""
    kinds = [(0.12, 0.8, 0.97), (0.22, 0.6, 0.92), (0.6, 0.3, 0.7)]
    strongest, dark, bright = kinds[draws.choice(3, p=[0.6, 0.3, 0.1])]
    hue = draws.uniform(0.05, 0.16) if strongest < 0.2 else draws.random()
    return hsv(hue, draws.uniform(0, strongest), draws.uniform(dark, bright))


def ramp(colour: np.ndarray, depth: float = 0.5) -> np.ndarray:
    """Shades of a colour, from darker to lighter: [3, 3]."""
    shades = np.outer([1 - depth, 1 - depth * 0.45, 1 + 0.1 * depth], colour)
    return np.clip(shades, 0, 1)


def material(
    draws: Draws, colour: np.ndarray, depth: float, texture: str, *rest, **fields
):
    """Makes a material of shades of a colour, with any of a texture's tiles."""
    variant = int(draws.integers(99))
    return Material(ramp(colour, depth), texture, variant, *rest, **fields)


def paint(colour: np.ndarray, gloss: float = 0.05) -> Material:
    """An even coat, hardly mottled."""
    return Material(ramp(colour, 0.15), "plain", 0, 1.5, gloss)


def finish(draws: Draws) -> Material:
    """Draws wood, paint, laminate or metal: what furniture is covered with."""
    if draws.random() < 0.6:
        shades, scale = draws.uniform(0.3, 0.7), draws.uniform(0.4, 1.2)
        gloss = draws.uniform(0, 0.3)
        return material(draws, pick(draws, WOODS), shades, "wood", scale, gloss)
    colour = neutral(draws) if draws.random() < 0.6 else any_colour(draws)
    return paint(colour, draws.uniform(0.1, 0.8))


def cloth(draws: Draws) -> Material:
    """Draws woven or printed cloth, for upholstery and clothes."""
    kinds = ["fabric", "fabric", "plain", "clouds", "stripes", "print"]
    kind, colour = str(draws.choice(kinds)), any_colour(draws)
    stops = ramp(colour, draws.uniform(0.25, 0.6))
    if kind in ("stripes", "print"):
        stops = np.stack([any_colour(draws), colour, neutral(draws)])
    return Material(stops, kind, int(draws.integers(99)), draws.uniform(0.15, 0.5))


def upholstery(draws: Draws) -> Material:
    """Draws cloth or leather."""
    if draws.random() < 0.65:
        return cloth(draws)
    return material(draws, pick(draws, LEATHERS), 0.3, "clouds", 0.4, 0.35)


def printed(draws: Draws, texture: str, count: int, **fields) -> Material:
    """Draws a picture, screen or row of books in that many colours."""
    stops = [any_colour(draws) for _ in range(count)]
    return Material(stops, texture, int(draws.integers(99)), gloss=0.1, **fields)


SIZE = 128
"""Side of a tile [texels]."""
LEVELS = 8
"""Sizes of every tile, from 128 down to 1."""


def power_noise(draws: Draws, exponent: float, stretch: float = 1.0) -> np.ndarray:
    """Draws noise whose amplitude falls with frequency as 1 / f^exponent.

    Args:
        draws: Source of randomness.
        exponent: 0 is white, 1 is what photographs have, 2 is clouds.
        stretch: Factor by which blobs are longer along a column than along a row.

    Returns:
        float32 [SIZE, SIZE] in [0, 1], mean 0.5.
    """
    fy = np.fft.fftfreq(SIZE)[:, None] * stretch
    fx = np.fft.fftfreq(SIZE)[None]
    amplitude = np.maximum(np.hypot(fx, fy), 1.0 / SIZE) ** -exponent
    amplitude[0, 0] = 0
    field = np.fft.ifft2(np.fft.fft2(draws.standard_normal((SIZE, SIZE))) * amplitude)
    field = field.real / field.real.std()
    return np.clip(0.5 + 0.2 * field, 0, 1).astype(np.float32)


_CENTRES = (np.arange(SIZE, dtype=np.float32) + 0.5) / SIZE
U, V = np.meshgrid(_CENTRES, _CENTRES)
"""Column and row of each texel's centre, in [0, 1)."""


def _noise(draws: Draws, exponent: float, stretch=1.0, contrast=1.0) -> np.ndarray:
    return 0.5 + contrast * (power_noise(draws, exponent, stretch) - 0.5)


def _cells(columns: int, rows: int, draws: Draws, gap=0.0, tone=0.3, grain=0.3):
    """Planks, tiles or books: cells of random tones, with gaps of value 0 between.

    Args:
        columns: Cells along a row of texels; each starts a third lower than the last.
        rows: Cells along a column.
        draws: Source of randomness.
        gap: Width of gaps [texels].
        tone: Share of the value that a cell draws for itself.
        grain: Share of the value that is noise, as long as cells are.
    """
    column = (U * columns).astype(int)
    along = (V * rows + (column / 3 if columns != rows else 0)) % rows
    tones = draws.random((columns, rows))[column, along.astype(int)]
    noise = power_noise(draws, 1.0, columns / rows)
    value = 1 - tone - grain + tone * tones + grain * noise
    across, down = U * columns % 1 / columns, along % 1 / rows
    return np.where(np.minimum(across, down) * SIZE < gap, 0.0, value)


def _print(draws: Draws) -> np.ndarray:
    """Rectangles on clouds: a painting, a screen, a printed shirt."""
    tile = _noise(draws, 1.8, contrast=1.5)
    for _ in range(draws.integers(3, 12)):
        x, y = draws.integers(0, SIZE, 2)
        w, h = draws.integers(8, 70, 2)
        inside = tile[y : y + h, x : x + w]
        inside[:] = draws.random() + 0.2 * (inside - 0.5)
    return tile


def _skyline(draws: Draws) -> np.ndarray:
    """What a window shows: 1 is zenith, 0.5 the horizon, below it houses."""
    tile = 0.55 + 0.45 * V + 0.12 * (power_noise(draws, 1.6) - 0.5)
    for _ in range(draws.integers(4, 12)):
        left, width = draws.random(), draws.uniform(0.05, 0.25)
        inside = ((U - left) % 1 < width) & (V < draws.uniform(0.15, 0.75))
        panes = ((U * 40 % 1 < 0.5) & (V * 30 % 1 < 0.5)) * draws.uniform(0, 0.12)
        tile = np.where(inside, draws.uniform(0.1, 0.48) + panes, tile)
    return np.where(V < 0.08, 0.05, tile)


def _suit(draws: Draws) -> np.ndarray:
    """A torso all around, front at u = 1/4: 0 jacket, 0.65 shirt, 1 tie."""
    side = np.abs(U - 0.25)
    opening = np.maximum(V - 0.42, 0) * 0.16
    tile = np.where(side < opening + 0.012, 0.28, 0.12 * power_noise(draws, 0.7))
    tile = np.where(side < opening, 0.65, tile)
    return np.where((side < 0.018) & (V > 0.45), 1.0, tile)


def _face(draws: Draws) -> np.ndarray:
    """A head all around, front at u = 1/4: 0 eyes and brows, 0.45 lips, 1 skin."""
    side = np.abs(U - 0.25)
    tile = 0.8 + 0.2 * power_noise(draws, 1.5)
    eye = np.hypot((side - 0.062) / 0.026, (V - 0.53) / 0.022) < 1
    brow = (np.abs(side - 0.065) < 0.04) & (np.abs(V - 0.6) < 0.012)
    mouth = (side < 0.05) & (np.abs(V - 0.27) < 0.018)
    return np.where(eye | brow, 0.05, np.where(mouth, 0.45, tile))


_TEXTURES: dict[str, tuple[int, Callable[[Draws], np.ndarray]]] = {
    "plain": (2, partial(_noise, exponent=1.6, contrast=0.25)),
    "skin": (1, partial(_noise, exponent=1.6, contrast=0.25)),
    "clouds": (3, partial(_noise, exponent=1.8, contrast=1.5)),
    "noise": (3, partial(_noise, exponent=1.0, contrast=1.6)),
    "carpet": (2, partial(_noise, exponent=0.5)),
    "fabric": (2, partial(_noise, exponent=0.8, contrast=0.8)),
    "hair": (2, partial(_noise, exponent=0.9, stretch=16)),
    "wood": (4, partial(_noise, exponent=1.2, stretch=10)),
    "planks": (3, partial(_cells, 8, 2, gap=1.2, tone=0.45, grain=0.4)),
    "tiles": (2, partial(_cells, 4, 4, gap=1.6)),
    "carpet tiles": (2, partial(_cells, 4, 4, tone=0.5, grain=0.5)),
    "stripes": (3, partial(_cells, 7, 1, tone=0.9, grain=0.1)),
    "ceiling": (1, partial(_cells, 2, 2, gap=2.6, tone=0.0, grain=0.4)),
    "books": (3, partial(_cells, 22, 5, gap=1.0, tone=0.8, grain=0.1)),
    "print": (8, _print),
    "skyline": (6, _skyline),
    "suit": (1, _suit),
    "face": (2, _face),
}
"""How many tiles have each name, and what makes them."""
NAMES = tuple(_TEXTURES)


class Library:
    """All tiles at all sizes, and how to read them.

    The tiles are the same for every data set: seeds choose among them, and choose
    colours and scales.
    """

    def __init__(self) -> None:
        tiles: list[np.ndarray] = []
        self._numbers: dict[str, range] = {}
        for name, (count, make) in _TEXTURES.items():
            self._numbers[name] = range(len(tiles), len(tiles) + count)
            for tile in self._numbers[name]:
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

    def tile(self, name: str, variant: int) -> int:
        """Number of one of the tiles called `name`; `variant` may be any number."""
        numbers = self._numbers[name]
        return numbers[variant % len(numbers)]

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


@cache
def library() -> Library:
    """The tiles, made once in a process."""
    return Library()
