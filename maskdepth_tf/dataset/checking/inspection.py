"""One row after another, looked at: what is wrong with it, and what it looks like.

Every picture is read whole and decoded by `images`, so that damage behind a sound
header shows; then it is looked at in a small size, see `measures`.
"""

import functools
import hashlib
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from maskdepth_tf import startup, streams
from maskdepth_tf.dataset.checking import decoding, measures
from maskdepth_tf.dataset.checking.findings import Depth, Fault, Inspected, Surroundings
from maskdepth_tf.errors import DataError
from maskdepth_tf.images.headers import Header
from maskdepth_tf.images.stores import Pictures
from maskdepth_tf.input import labels

LEAST_DEPTH_RANGE = 0.02
"""Depth maps with less between nearest and farthest are constant; good ones: 0.98."""
WHOLE_DEPTH_RANGE = 0.5
"""With less they are not relative to their picture, but, say, millimetres."""
BLACK, MOST_GREY = 26, 0.5
"""Tones of a mask below which it is black, as white as it is dark; and the share of its
pixels that may be neither. Edges take a tenth, a depth map nearly all."""
_PICTURES_KEPT = 4096


class _Picture(NamedTuple):
    header: Header
    digest: bytes
    pixels: tuple[np.ndarray, ...]


@functools.cache
def _small_function(column: str) -> Callable:
    """Traces the graph from a column's bytes to what is looked at, when first asked."""
    import tensorflow as tf

    from maskdepth_tf.images import preprocessing

    def rgb(data):
        return (preprocessing.load(data, streams.BG, measures.SIZE),)

    def mask(data):
        mask = preprocessing.decode_mask(data)
        small = tf.cast(tf.round(preprocessing.resize(mask, measures.SIZE)), tf.uint8)
        is_grey = (mask >= BLACK) & (mask <= 255 - BLACK)
        grey = tf.reduce_mean(tf.cast(is_grey, tf.float32))
        return tf.reduce_min(mask), tf.reduce_max(mask), grey, small[..., 0]

    def depth(data):
        depth = preprocessing.decode_depth(data)
        is_hole = depth <= streams.HOLE
        far = tf.reduce_max(tf.where(is_hole, 0.0, depth))
        near = tf.reduce_min(tf.where(is_hole, 1.0, depth))
        is_zero = depth == 0
        zeros = preprocessing.resize(tf.cast(is_zero, tf.float32), measures.SIZE)
        least = tf.reduce_min(tf.where(is_zero | is_hole, 1.0, depth))
        filled = preprocessing.with_holes(depth, ~is_hole)
        small = preprocessing.resize(filled, measures.SIZE)
        return near, far, least, small[..., 0], zeros[..., 0]

    def no_pixels(data):
        return (tf.shape(preprocessing.decode_rgba(data)),)

    functions = {"bg": rgb, "fg": no_pixels, "fg_bg": rgb, "mask": mask, "depth": depth}
    # Concrete: checking the one argument would take as long as a picture.
    function = tf.function(functions[column], autograph=False)
    return function.get_concrete_function(tf.TensorSpec([], tf.string))


class Inspector:
    """Looks at the rows of one data set."""

    def __init__(self, source: Pictures) -> None:
        startup.load_tensorflow()  # before `_read` would, with all that it says
        self._source = source
        # Rows share backgrounds and cut-outs.
        self._try_shared = functools.lru_cache(_PICTURES_KEPT)(self._try)

    def inspect_rooms(self, paths: Sequence[str]) -> list[np.ndarray | None]:
        """Cells of backgrounds, float32 [CELLS, CELLS, 3]; None for unreadable ones."""
        pictures = [self._try_shared("bg", path) for path in paths]
        return [
            measures.cells(picture.pixels[0], measures.CELLS)
            if isinstance(picture, _Picture)
            else None
            for picture in pictures
        ]

    def inspect_rows(self, rows: Sequence[labels.Row]) -> list[Inspected]:
        """What is found in rows."""
        return [self._row(row) for row in rows]

    def _row(self, row: labels.Row) -> Inspected:
        pictures: dict[str, _Picture] = {}
        faults = []
        for column, path in row._asdict().items():
            look_at = self._try_shared if column in ("bg", "fg") else self._try
            picture = look_at(column, path)
            if isinstance(picture, Fault):
                faults.append(picture)
            else:
                pictures[column] = picture
        digest = pictures["fg_bg"].digest if "fg_bg" in pictures else None
        faults = faults or _size_faults(row, pictures)
        return Inspected(faults, digest) if faults else _judge(row, pictures)

    def _try(self, column: str, path: str) -> _Picture | Fault:
        try:
            small = _small_function(column)
            data, header, pixels = decoding.read(self._source, path, small)
        except DataError as error:
            kind = "unreadable" if path in self._source else "missing"
            return Fault(kind, str(error))
        return _Picture(header, hashlib.sha256(data).digest(), pixels)


def _size_faults(row, pictures) -> list[Fault]:
    by_path = {getattr(row, column): p.header for column, p in pictures.items()}
    whole = by_path[row.fg_bg]
    turned = whole._replace(width=whole.height, height=whole.width)
    faults = []
    for column, text in labels.size_faults(row, by_path):
        header = by_path[getattr(row, column)]
        # A square has the shape of a turned square, too.
        is_upright = labels.have_same_shape(header, whole)
        is_turned = not is_upright and labels.have_same_shape(header, turned)
        faults.append(Fault("transposed" if is_turned else "wrong_size", text))
    return faults


def _judge(row, pictures) -> Inspected:
    """What the pixels of a row show."""
    (bg,), (fg_bg,) = pictures["bg"].pixels, pictures["fg_bg"].pixels
    mask = pictures["mask"].pixels[-1]
    whole = measures.cells(fg_bg, measures.CELLS)
    side = min(pictures["fg_bg"].header[1:3])
    fault, agrees = _mask_fault(row, pictures["mask"].pixels, bg, fg_bg, side)
    faults = [fault] if fault else []
    near, far, least, depth, zeros = pictures["depth"].pixels
    is_unknown = labels.is_unknown(row)
    faults += _depth_faults(near, far, is_unknown)
    return Inspected(
        faults,
        pictures["fg_bg"].digest,
        Surroundings(whole, measures.outside_cells(mask), side) if agrees else None,
        None
        if is_unknown
        else Depth(
            np.rint(255 * measures.cells(depth, measures.DEPTH_CELLS)).astype("uint8"),
            measures.depth_contrast(depth, mask),
            measures.depth_edge(depth, mask),
            measures.has_holes(zeros, mask, least, far),
        ),
    )


def _mask_fault(row, pixels, bg, fg_bg, side) -> tuple[Fault | None, bool]:
    """What is wrong with mask or background, and whether the room shows beside it."""
    low, high, grey, mask = pixels
    room, whole = (measures.cells(picture, measures.CELLS) for picture in (bg, fg_bg))
    outside = measures.outside_cells(mask)
    agrees = measures.agree(room, whole, outside, side)
    # A mask that is wrongly empty, or full, does not say where the room must show.
    if (high < streams.MASK_THRESHOLD) != labels.is_empty(row):
        wanted = "nobody" if labels.is_empty(row) else "a figure, 255"
        text = f"expected {wanted}, received {low} to {high} of 255"
        return Fault("empty_mask", text), agrees
    if low >= streams.MASK_THRESHOLD:
        text = f"expected some background, 0, received {low} to {high} of 255"
        return Fault("full_mask", text), agrees
    if grey > MOST_GREY:
        text = f"expected 0 or 255 in most pixels, received grey in {grey:.0%}"
        return Fault("grey_mask", text), agrees
    inverted = measures.outside_cells(255 - mask)
    inverting = measures.gain_by_inverting(bg, fg_bg, mask)
    # Where only an inverted mask says that the room shows, it must do so.
    is_room = inverted.sum() >= measures.LEAST_CELLS
    is_room = is_room and measures.agree(room, whole, inverted, side)
    if is_room and inverting > measures.INVERTED_GAIN:
        text = f"the inverted mask fits better what differs: IoU +{inverting:.2f}"
        # What surrounds the mask is the figure.
        return Fault("inverted_mask", text), False
    gain = measures.gain_by_transposing(bg, fg_bg, mask)
    fits = measures.agree(room, whole, outside.T, side)
    if fits and gain > measures.TRANSPOSED_GAIN:
        text = f"the transposed mask fits better what differs: IoU +{gain:.2f}"
        return Fault("transposed", text), agrees
    if not agrees:
        text = "bg and fg_bg differ outside the mask"
        return Fault("wrong_background", text), agrees
    return None, agrees


def _depth_faults(near: float, far: float, is_unknown: bool) -> list[Fault]:
    """Whether a map, with its least and greatest depth, is relative to its picture."""
    if near > far and not is_unknown:
        return [Fault("constant_depth", "expected depths from 0 to 1, received none")]
    if is_unknown:
        text = f"expected one depth all over, received {near:.3f} to {far:.3f}"
        is_flat = far - near < LEAST_DEPTH_RANGE
        return [] if is_flat else [Fault("constant_depth", text)]
    if far - near < LEAST_DEPTH_RANGE:
        text = f"expected depths from 0 to 1, received {near:.3f} to {far:.3f}"
        return [Fault("constant_depth", text)]
    if far - near < WHOLE_DEPTH_RANGE:
        text = (
            f"expected depths from 0, nearest, to 1, received {near:.3f} to {far:.3f}"
        )
        return [Fault("unscaled_depth", text)]
    return []
