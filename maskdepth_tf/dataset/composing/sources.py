"""The user's cut-outs and rooms, read once and checked."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from maskdepth_tf import errors, startup, streams
from maskdepth_tf.images import encoding, listing

BACKGROUND_QUALITY = 95
"""JPEG quality of stored rooms, without chroma subsampling."""
LEAST_FAINT = 16
"""Pixels under half of alpha that tell whether colours are multiplied by it."""
PREMULTIPLIED = 0.99
"""Least share of them with no colour above alpha: of a figure of one colour with a
soft edge, plain, it is below that from a colour of 5 of 255 on."""
ROUNDING = 2
"""How far above alpha a colour may come by rounding and compression, of 255."""


def resize_cutout(cutout: np.ndarray, longer_side: int) -> np.ndarray:
    """Resizes uint8 RGBA [H, W, 4] so that its longer side has that many pixels."""
    height, width = cutout.shape[:2]
    factor = longer_side / max(height, width)
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    # Pillow weighs colours by alpha when it resizes RGBA: what lies hidden under
    # transparent pixels leaves no halo.
    return np.asarray(Image.fromarray(cutout).resize(size, Image.Resampling.LANCZOS))


def stretch(cutout: np.ndarray, aspect: float) -> np.ndarray:
    """Stretches uint8 RGBA [H, W, 4] as a picture of that aspect is to a square.

    Args:
        cutout: The cut-out.
        aspect: Height by width of the picture; less than 1 makes figures narrower.
    """
    height, width = cutout.shape[:2]
    size = (max(1, round(width * aspect)), height)
    return np.asarray(Image.fromarray(cutout).resize(size, Image.Resampling.LANCZOS))


def crop_to_figure(cutout: np.ndarray) -> np.ndarray:
    """Leaves out the rows and columns of a cut-out that are wholly transparent."""
    rows = np.flatnonzero(cutout[..., 3].any(axis=1))
    columns = np.flatnonzero(cutout[..., 3].any(axis=0))
    return cutout[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def is_premultiplied(cutout: np.ndarray) -> bool:
    """Whether colours of a cut-out, uint8 [H, W, 4], are multiplied by its alpha.

    Then none is greater than alpha, also where that is faint or 0. A cut-out that is
    black at its edge looks the same, and is the same divided or not.
    """
    alpha, strongest = cutout[..., 3], cutout[..., :3].max(axis=2)
    is_faint = alpha < streams.MASK_THRESHOLD
    is_within = strongest <= alpha + np.int16(ROUNDING)
    shown, hidden = is_within[is_faint & (alpha > 0)], is_within[alpha == 0]
    return len(shown) >= LEAST_FAINT and all(
        part.mean() >= PREMULTIPLIED for part in (shown, hidden) if len(part)
    )


def divided(cutout: np.ndarray) -> np.ndarray:
    """A cut-out, uint8 [H, W, 4], with its colours divided by its alpha."""
    alpha = np.maximum(cutout[..., 3:], 1).astype(np.float32)
    colours = np.minimum(np.rint(cutout[..., :3] * (255 / alpha)), 255)
    return np.concatenate([colours.astype(np.uint8), cutout[..., 3:]], axis=2)


def list_pictures(folder: Path) -> list[Path]:
    """Pictures of a folder in order of their names, as `listing` has it.

    Raises:
        DataError: The folder is missing or holds none.
    """
    if not folder.is_dir():
        raise errors.DataError(f"{folder}: must be a folder of pictures, not found")
    pictures = [folder / name for name in listing.pictures(folder)]
    if not pictures:
        suffixes = ", ".join(listing.SUFFIXES)
        raise errors.DataError(
            f"{folder}: must hold at least one picture ({suffixes}), holds none"
        )
    return pictures


def list_all(folders: Sequence[Path]) -> list[Path]:
    """Files of several folders, one folder after the other, as `list_pictures`.

    Raises:
        DataError: Two pictures have the same name.
    """
    paths: dict[str, Path] = {}
    for path in (path for folder in folders for path in list_pictures(folder)):
        first = paths.setdefault(path.name, path)
        if first is not path:
            raise errors.DataError(
                f"{path}: a picture needs a name of its own; {first} has the same"
            )
    return list(paths.values())


def read_cutout(path: Path, largest: int | None = None) -> np.ndarray:
    """A cut-out, uint8 RGBA [h, w, 4], in sRGB and with its own colours.

    Where they are multiplied by alpha, as some tools write them, they are divided by
    it, with a warning: pasted as they are they would have a dark rim.

    Args:
        path: A picture with an alpha channel.
        largest: Longer side that the figure is shrunk to if it has more pixels.

    Raises:
        DataError: The file is no picture, is opaque or shows nothing.
    """
    from maskdepth_tf.images import preprocessing

    cutout = preprocessing.read_rgba(path)
    alpha = cutout[..., 3]
    if alpha.min() == 255:
        raise errors.DataError(
            f"{path}: a cut-out needs an alpha channel; this picture is opaque all over"
        )
    if alpha.max() < streams.MASK_THRESHOLD:
        raise errors.DataError(
            f"{path}: a cut-out needs an alpha channel that shows something; the "
            f"greatest alpha must be {streams.MASK_THRESHOLD} of 255 or more. "
            f"Received: {alpha.max()}"
        )
    if is_premultiplied(cutout):
        text = "its colours are premultiplied, by its alpha; they were divided by it"
        print(f"warning: {path}: {text}", file=sys.stderr)
        cutout = divided(cutout)
    cutout = preprocessing.in_srgb(cutout, path)
    if largest is not None and max(cutout.shape) > largest:
        cutout = resize_cutout(crop_to_figure(cutout), largest)
    return cutout


class Room(NamedTuple):
    """A room in sRGB, stretched to a square.

    Attributes:
        pixels: uint8 [S, S, 3].
        aspect: Height by width of its picture.
    """

    pixels: np.ndarray
    aspect: float


def read_room(path: Path, image_size: int) -> Room:
    """Reads the picture of a room.

    Raises:
        DataError: The file is no picture.
    """
    from maskdepth_tf.images import preprocessing

    picture = preprocessing.in_srgb(preprocessing.read_rgb(path), path)
    pixels = np.rint(preprocessing.resize(picture, image_size).numpy())
    return Room(pixels.astype(np.uint8), picture.shape[0] / picture.shape[1])


def encode_room(room: np.ndarray) -> bytes:
    """The JPEG that a data set keeps of a room."""
    return encoding.encode_jpeg(room, BACKGROUND_QUALITY, "4:4:4")


class Sources(NamedTuple):
    """All cut-outs and rooms, by the files that they come from, in order.

    Attributes:
        cutouts: uint8 [h, w, 4] each.
        rooms: The rooms.
    """

    cutouts: dict[Path, np.ndarray]
    rooms: dict[Path, Room]

    @property
    def num_combinations(self) -> int:
        """Cut-outs, plain and mirrored, on rooms."""
        return 2 * len(self.cutouts) * len(self.rooms)


def read_sources(
    foregrounds: Sequence[Path],
    backgrounds: Sequence[Path],
    image_size: int,
    is_scaled: bool,
) -> Sources:
    """Reads folders of cut-outs and of rooms.

    Args:
        foregrounds: Folders of cut-outs, pictures with an alpha channel.
        backgrounds: Folders of rooms.
        image_size: Side of the rooms, in pixels.
        is_scaled: Whether cut-outs will be, so that they need not be larger.

    Raises:
        DataError: One is missing, damaged, no cut-out or larger than the rooms, or two
            have one name.
    """
    startup.load_tensorflow()
    largest = 2 * image_size if is_scaled else None
    cutouts = {p: read_cutout(p, largest) for p in list_all(foregrounds)}
    for path, cutout in cutouts.items():
        height, width = cutout.shape[:2]
        if not is_scaled and max(height, width) > image_size:
            raise errors.DataError(
                f"{path}: without --scale a cut-out is pasted as it is, and must be at "
                f"most {image_size} pixels on a side; --scale 0.4 0.8 makes it fit. "
                f"Received: {width} x {height}"
            )
    rooms = {p: read_room(p, image_size) for p in list_all(backgrounds)}
    return Sources(cutouts, rooms)
