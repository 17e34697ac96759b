"""What makes a pasted figure look as if it stood in the room.

A figure is a layer: a cut-out, uint8 RGBA [h, w, 4], with the column and row of its
upper left corner in the picture [pixels]. Its foot is its lowest row, its extent the
longer side of what shows. What is called a share is one of the picture's side, unless
it says of what.
"""

import functools

import cv2
import numpy as np

from maskdepth_tf import streams
from maskdepth_tf.dataset.composing.recipe import paste

Layer = tuple[np.ndarray, int, int]
"""Cut-out, left and top."""

FOOT = (0.78, 0.24)
"""Height of the foot, a share from above: the first, and the second times the extent.
A camera at eye level sees the feet of what is near, and thus large, further below. Most
rooms show floor from there on, and higher up cupboards and beds."""
FOOT_DEVIATION = 0.02
MATCH = (0.3, 0.8)
"""How far colour and light go: 0 not at all, 1 all the way."""
LIGHT_LIMIT = 1.25
"""Greatest exponent of lightness: a dark suit in a white room stays dark."""
TINT_LIMIT = 12.0
"""Greatest change of a and b of CIELAB: a brown cupboard stays brown."""
BLUR = (0.02, 0.07)
"""Length of a motion blur, a share of the extent."""
CONTACT_REACH = 0.2
"""Share of the extent up to which an edge above the foot still touches the floor."""
CONTACT_SIGMA = (0.04, 0.02)
"""Softness across and along the picture's height, shares of the extent."""
CONTACT_DARKNESS = (0.55, 0.85)
CAST_LENGTH = (-0.15, 0.35)
"""Height of a cast shadow as a share of the figure's; below 0 it falls towards the
camera. Lamps are above: longer ones look as if they were of something else."""
CAST_SHEAR = 1.0
"""Greatest move aside, as a share of the height above the foot."""
CAST_SIGMA = (0.015, 0.04)
"""Softness, a share of the extent."""
CAST_DARKNESS = (0.3, 0.6)
WALL_ASIDE = (0.15, 0.6)
"""Move aside of a shadow on the wall, to either side, a share of the extent."""
WALL_FOOT = (0.05, 0.25)
"""Height of the wall's foot above the figure's, a share of the extent."""
WALL_BELOW = (0.05, 0.35)
"""Part of the figure whose shadow lies before the wall, a share of the extent."""
WALL_SCALE = (1.0, 1.3)
"""Size of the shadow on the wall, by that of the figure: lamps are near."""
WALL_SIGMA = (0.015, 0.05)
"""Softness, a share of the extent."""
WALL_DARKNESS = (0.2, 0.6)
WALL_COVER = 0.4
"""Greatest share of the room in sight that the lamp's shadow covers: by the rest one
still sees which room it is."""
PULL = (0.2, 0.9)
"""How far a colour goes towards the room's: 0 not at all, 1 all the way."""


def _extent(cutout: np.ndarray) -> tuple[int, int]:
    """Row below the foot, and extent [pixels], of what counts as foreground."""
    solid = cutout[..., 3] >= streams.MASK_THRESHOLD
    rows, columns = (np.flatnonzero(solid.any(axis=axis)) for axis in (1, 0))
    if not rows.size:
        return cutout.shape[0], max(cutout.shape[:2])
    return int(rows[-1]) + 1, int(max(np.ptp(rows), np.ptp(columns))) + 1


def foot(layer: Layer) -> int:
    """Row of the picture below a figure's lowest one."""
    return layer[2] + _extent(layer[0])[0]


def stand(cutout: np.ndarray, size: int, draws: np.random.Generator) -> int:
    """Draws where a figure stands on the floor: larger ones nearer, so lower.

    Args:
        cutout: uint8 [h, w, 4].
        size: Side of the picture [pixels].
        draws: Source of randomness.

    Returns:
        Row of the cut-out's upper edge; its foot lies in the picture.
    """
    below, extent = _extent(cutout)
    height = FOOT[0] + FOOT[1] * extent / size + draws.normal(0, FOOT_DEVIATION)
    return min(round(height * size), size) - below


def match(
    cutout: np.ndarray, room: np.ndarray, draws: np.random.Generator
) -> np.ndarray:
    """Moves colour and light of a figure a drawn part of the way to the room's.

    In CIELAB, with the means of the figure and of the room, each within its limit:

        L <- 100 (L / 100) ** (log(room / 100) / log(figure / 100)) ** strength
        a <- a + L / 100 * strength * (room - figure), and so b

    Black and white stay as they are, and tints weigh as much as the light below them.

    Args:
        cutout: uint8 [h, w, 4].
        room: uint8 [S, S, 3].
        draws: Source of randomness.

    Returns:
        uint8 [h, w, 4] with the same alpha.
    """
    strength = draws.uniform(*MATCH)
    figure = cv2.cvtColor(cutout[..., :3] / np.float32(255), cv2.COLOR_RGB2Lab)
    # A few pixels tell a room's mean; all of them take longer than the rest together.
    small = cv2.resize(room, (16, 16), interpolation=cv2.INTER_AREA)
    place = cv2.cvtColor(small / np.float32(255), cv2.COLOR_RGB2Lab)
    weights = cutout[..., 3].astype(np.float64)
    own = np.tensordot(weights, figure, 2) / max(weights.sum(), 1)
    aim = place.mean(axis=(0, 1), dtype=np.float64)
    aim[0], own[0] = np.log(np.clip([aim[0], own[0]], 1, 99) / 100)
    exponent = np.clip((aim[0] / own[0]) ** strength, 1 / LIGHT_LIMIT, LIGHT_LIMIT)
    figure[..., 0] = 100 * (figure[..., 0].clip(0, 100) / 100) ** exponent
    tint = np.clip(strength * (aim - own)[1:], -TINT_LIMIT, TINT_LIMIT)
    figure[..., 1:] += figure[..., :1] / 100 * tint.astype(np.float32)
    colour = cv2.cvtColor(figure, cv2.COLOR_Lab2RGB)
    colour = np.rint(255 * np.clip(colour, 0, 1)).astype(np.uint8)
    return np.dstack([colour, cutout[..., 3]])


def camouflage(
    layer: Layer, room: np.ndarray, draws: np.random.Generator
) -> np.ndarray:
    """Pulls the colour of a figure a drawn part of the way to that of what it hides.

        colour <- colour + strength * (mean of the room behind the figure - colour)

    Args:
        layer: The figure.
        room: uint8 [S, S, 3].
        draws: Source of randomness.

    Returns:
        uint8 [h, w, 4] with the same alpha; the same outside the picture.
    """
    cutout, strength = layer[0], draws.uniform(*PULL)
    weights = paste(room, *layer)[1].astype(np.float64)
    if not weights.any():
        return cutout
    behind = np.tensordot(weights, room, 2) / weights.sum()
    colour = cutout[..., :3] + strength * (behind - cutout[..., :3])
    return np.dstack([np.rint(colour).astype(np.uint8), cutout[..., 3]])


def motion_blur(layer: Layer, draws: np.random.Generator) -> Layer:
    """Blurs colour and alpha along a drawn direction, as if the figure moved.

    Returns:
        The layer, larger by half the length of the blur on each side.
    """
    cutout, left, top = layer
    length = draws.uniform(*BLUR) * _extent(cutout)[1]
    angle = draws.uniform(0, np.pi)
    reach = int(np.ceil(length / 2))
    # Points along the way, each shared among its pixels by a bilinear weight.
    steps = np.linspace(-length / 2, length / 2, 4 * reach + 1)
    ends = reach + np.outer(steps, [np.cos(angle), np.sin(angle)])
    grid = np.arange(2 * reach + 1)
    along = np.maximum(0, 1 - np.abs(ends[:, :, None] - grid))
    kernel = along[:, 1].T @ along[:, 0] / len(steps)
    padding = ((reach, reach), (reach, reach), (0, 0))
    pixels = np.pad(cutout, padding).astype(np.float32)
    # Colours count by their alpha: what is hidden under clear pixels stays hidden.
    pixels[..., :3] *= pixels[..., 3:]
    blurred = cv2.filter2D(pixels, -1, kernel, borderType=cv2.BORDER_CONSTANT)
    blurred[..., :3] = blurred[..., :3] / np.maximum(blurred[..., 3:], 1e-3)
    blurred = np.rint(np.clip(blurred, 0, 255)).astype(np.uint8)
    return blurred, left - reach, top - reach


def contact_shadow(layer: Layer, size: int) -> np.ndarray:
    """Where a figure meets the floor, softened: float32 [S, S] from 0 to 1."""
    cutout, left, top = layer
    below, extent = _extent(cutout)
    solid = cutout[..., 3] >= streams.MASK_THRESHOLD
    columns = np.flatnonzero(solid.any(axis=0))
    rows = solid.shape[0] - 1 - solid[::-1, columns].argmax(axis=0)
    touches = rows >= below - 1 - CONTACT_REACH * extent
    rows, columns = rows[touches] + top, columns[touches] + left
    inside = (rows >= 0) & (rows < size) & (columns >= 0) & (columns < size)
    line = np.zeros((size, size), np.float32)
    line[rows[inside], columns[inside]] = 1
    across, along = (share * extent + 0.5 for share in CONTACT_SIGMA)
    soft = cv2.GaussianBlur(line, (0, 0), across, sigmaY=along)
    # The middle of a long level line becomes 1.
    return np.minimum(soft * np.float32(np.sqrt(2 * np.pi) * along), 1)


def cast_shadow(
    layer: Layer, size: int, length: float, shear: float, sigma: float
) -> np.ndarray:
    """The figure laid flat on the floor about its foot: float32 [S, S] from 0 to 1.

    Args:
        layer: The figure.
        size: Side of the picture [pixels].
        length: Height of the shadow as a share of the figure's; negative falls
            towards the camera.
        shear: Move aside as a share of the height above the foot.
        sigma: Softness, a share of the extent.
    """
    cutout, left, top = layer
    below, extent = _extent(cutout)
    edge = below - 0.5  # of the foot, where 0 is the middle of a pixel
    # x + shear * (edge - y), edge - length * (edge - y)
    matrix = np.array(
        [[1, -shear, left + shear * edge], [0, length, top + edge * (1 - length)]]
    )
    alpha = cutout[..., 3] / np.float32(255)
    flat = cv2.warpAffine(alpha, matrix, (size, size))
    return cv2.GaussianBlur(flat, (0, 0), sigma * extent + 0.5)


def shade(
    room: np.ndarray, layers: list[Layer], draws: np.random.Generator
) -> np.ndarray:
    """Darkens a room by the shadows of figures, all in one light.

    Args:
        room: uint8 [S, S, 3].
        layers: Figures; their feet touch the floor.
        draws: Source of randomness.

    Returns:
        uint8 [S, S, 3].
    """
    contact, cast = draws.uniform(*CONTACT_DARKNESS), draws.uniform(*CAST_DARKNESS)
    length = draws.uniform(*CAST_LENGTH)
    shear, sigma = draws.uniform(-CAST_SHEAR, CAST_SHEAR), draws.uniform(*CAST_SIGMA)
    size = room.shape[0]
    light = np.ones((size, size), np.float32)
    for layer in layers:
        light *= 1 - contact * contact_shadow(layer, size)
        light *= 1 - cast * cast_shadow(layer, size, length, shear, sigma)
    return np.rint(room * light[..., None]).astype(np.uint8)


def wall_shadow(
    layer: Layer,
    size: int,
    *,
    aside: float,
    foot: float,
    below: float,
    scale: float,
    sigma: float,
) -> np.ndarray:
    """A figure's shadow along the floor to the wall, and up the wall.

    Lengths are shares of the extent.

    Args:
        layer: The figure.
        size: Side of the picture [pixels].
        aside: Move aside on the wall; along the floor it grows to that.
        foot: Height of the wall's foot above the figure's, above 0.
        below: Part of the figure whose shadow lies on the floor.
        scale: Size of the shadow on the wall, by that of the figure.
        sigma: Softness.

    Returns:
        float32 [S, S] from 0 to 1.
    """
    cutout, left, top = layer
    end, extent = _extent(cutout)
    edge, middle = end - 0.5, (cutout.shape[1] - 1) / 2
    up = (top + edge - np.arange(size)[:, None]) / extent
    way = np.minimum(up / foot, 1)  # 0 at the figure's foot, 1 on the wall
    height = np.where(up < foot, way * below, below + (up - foot) / scale)
    shift = left + middle + way * aside * extent
    columns = middle + (np.arange(size) - shift) / (1 + way * (scale - 1))
    rows = np.broadcast_to(edge - height * extent, columns.shape)
    alpha = cutout[..., 3] / np.float32(255)
    places = columns.astype(np.float32), rows.astype(np.float32)
    shadow = cv2.remap(alpha, *places, cv2.INTER_LINEAR)
    return cv2.GaussianBlur(shadow, (0, 0), sigma * extent + 0.5)


def shade_wall(
    room: np.ndarray, layers: list[Layer], draws: np.random.Generator
) -> np.ndarray:
    """Darkens a room by the shadows that one lamp throws on floor and wall.

    Args:
        room: uint8 [S, S, 3].
        layers: Figures, at least one.
        draws: Source of randomness.

    Returns:
        uint8 [S, S, 3]. Where shadows meet it is no darker than in one. The room as it
        is where the shadow would cover more than `WALL_COVER`.
    """
    darkness, aside = draws.uniform(*WALL_DARKNESS), draws.uniform(*WALL_ASIDE)
    lamp = {
        "aside": aside if draws.random() < 0.5 else -aside,
        "foot": draws.uniform(*WALL_FOOT),
        "below": draws.uniform(*WALL_BELOW),
        "scale": draws.uniform(*WALL_SCALE),
        "sigma": draws.uniform(*WALL_SIGMA),
    }
    size = room.shape[0]
    shadow = np.max([wall_shadow(layer, size, **lamp) for layer in layers], axis=0)
    masks = [paste(room, *layer)[1] for layer in layers]
    in_sight = functools.reduce(union, masks) < streams.MASK_THRESHOLD
    if (shadow[in_sight] > 0.05).sum() > WALL_COVER * in_sight.sum():
        return room
    light = 1 - np.float32(darkness) * shadow
    return np.rint(room * light[..., None]).astype(np.uint8)


def union(below: np.ndarray, above: np.ndarray) -> np.ndarray:
    """Alpha of one figure over another: 1 - (1 - a) (1 - b), uint8 [S, S]."""
    clear = (255 - below.astype(np.uint16)) * (255 - above.astype(np.uint16))
    return (255 - np.rint(clear / 255)).astype(np.uint8)
