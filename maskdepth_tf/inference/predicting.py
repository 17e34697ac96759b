"""A pair of pictures to the files of its results, and what was noticed on the way.

Each result is complete or not there at all. Pairs are independent of each other: in
threads they give the same files.
"""

import errno
import threading
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from maskdepth_tf import streams
from maskdepth_tf.errors import DataError
from maskdepth_tf.images import encoding, headers, pairs, preprocessing, profiles
from maskdepth_tf.inference.loading import Predictor
from maskdepth_tf.network import answers
from maskdepth_tf.registration import describing
from maskdepth_tf.reports import overview, sheet

EMPTY, FULL = 0.001, 0.95
"""Share of the picture below and above which a mask is unusual."""
THUMBNAIL = 168
"""Longer side of each picture of a thumbnail, in pixels."""
_READING = threading.Lock()


class Picture(NamedTuple):
    """A picture as its file holds it and as it looks.

    Attributes:
        data: Encoded bytes.
        pixels: uint8 [H, W, 3].
        profile: Colour profile, as `profiles.keepable` has it.
        warnings: What was odd about the file.
    """

    data: bytes
    pixels: np.ndarray
    profile: bytes
    warnings: tuple[str, ...]


@dataclass
class Outcome:
    """How a pair went.

    Attributes:
        pair: It.
        coverage: Share of the picture under the mask; None if it could not be.
        seconds: What the network took.
        corrected: What was corrected.
        doubts: What the user should know.
        error: Why it could not be.
        thumbnail: PNG of picture and cut-out, if anything is unusual.
    """

    pair: pairs.Pair
    coverage: float | None = None
    seconds: float = 0.0
    corrected: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    error: str = ""
    thumbnail: bytes = b""

    @property
    def remarks(self) -> list[str]:
        """What somebody should look at."""
        found = [self.error] if self.error else list(self.doubts)
        if self.coverage is not None and not EMPTY <= self.coverage <= FULL:
            share = "hardly anything" if self.coverage < EMPTY else "nearly everything"
            found.append(f"the mask covers {share}")
        return found


def read_picture(path: str) -> Picture:
    """Reads a picture whole.

    Raises:
        DataError: If it is missing, damaged or over a limit; names the file.
    """
    # What Python catches, it catches for all threads.
    with _READING, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        data, pixels = preprocessing.read(path), preprocessing.read_rgb(path)
    odd = tuple(sorted({str(warning.message) for warning in caught}))
    profile = profiles.keepable(headers.profile_of(data, path))
    return Picture(data, pixels, profile, odd)


def remarks(
    register: Callable,
    bg: np.ndarray,
    fg_bg: np.ndarray,
    bg_size: tuple[int, int],
    size: tuple[int, int],
) -> tuple[list, list]:
    """What was corrected of a pair, and what the user should know of it.

    Args:
        register: `registering.register`, or what does the same.
        bg: uint8 [S, S, 3], as the network takes it.
        fg_bg: uint8 [S, S, 3].
        bg_size: Height and width of the background in its file, in pixels.
        size: Those of the picture.
    """
    doubts = []
    (bg_height, bg_width), (height, width) = bg_size, size
    # A pixel more or less is what halving an odd side leaves.
    if abs(bg_height * width - bg_width * height) > max(bg_width, width):
        doubts.append(
            f"the background is {bg_width}x{bg_height}, the picture {width}x{height}; "
            "both are stretched to the network's square"
        )
    if np.array_equal(bg, fg_bg):
        return [], ["equal to its background: nothing is in front, expect no mask"]
    registered = register(
        *(pixels[np.newaxis].astype(np.float32) for pixels in (bg, fg_bg))
    )
    found = registered.bg[0].numpy()
    doubts += describing.doubts(found, fg_bg)
    corrected = describing.movement(registered.warp[0].numpy(), width, height)
    return corrected + describing.light(bg, found), doubts


def predict(
    pair: pairs.Pair, predictor: Predictor, bg: Picture | None, folder: str
) -> Outcome:
    """Writes the four results of a pair, each complete or not at all.

    Args:
        pair: It.
        predictor: The network.
        bg: Its background, if that is read already.
        folder: Where the results go.

    Returns:
        How it went; also if a file cannot be read or written.

    Raises:
        OSError: If the disk is full: no other result will fit either.
    """
    outcome = Outcome(pair)
    try:
        if bg is None:
            bg = read_picture(pair.bg)
            outcome.doubts += bg.warnings
        fg_bg = read_picture(pair.fg_bg)
        outcome.doubts += fg_bg.warnings
        _predict(outcome, predictor, bg, fg_bg, folder)
    except DataError as error:
        outcome.error = str(error)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        outcome.error = f"{pair.fg_bg}: {error}"
    return outcome


def _predict(outcome, predictor, bg, fg_bg, folder) -> None:
    name, start = outcome.pair.fg_bg, time.perf_counter()
    # One at a time: no result depends on which others are in the folder.
    answer = predictor.answer([bg.data], [fg_bg.data])
    outcome.seconds = time.perf_counter() - start
    side = predictor.image_size
    seen = (
        preprocessing.load(tf.constant(picture.data), stream, side).numpy()
        for picture, stream in zip((bg, fg_bg), streams.INPUTS, strict=True)
    )
    sizes = (picture.pixels.shape[:2] for picture in (bg, fg_bg))
    outcome.corrected, doubts = remarks(predictor.register, *seen, *sizes)
    if bg.profile != fg_bg.profile:
        names = [profiles.name_of(p.profile) for p in (fg_bg, bg)]
        doubts.append(
            f"its colours are {names[0]}, those of its background {names[1]}: they "
            "are compared as they are stored"
        )
    outcome.doubts += [f"{name}: {text}" for text in doubts]
    mask, depth = answer["mask"][0], answer["depth"][0]
    alpha, foreground = answers.mask_pixels(mask), answer["foreground"][0]
    _write(
        {
            "mask": alpha.numpy(),
            "depth": answers.depth_pixels(depth).numpy(),
            "cutout": answers.cutout(foreground, alpha).numpy(),
            "overview": overview.draw(
                bg.pixels, fg_bg.pixels, foreground, mask[..., 0], depth[..., 0]
            ),
        },
        pairs.output_paths(folder, outcome.pair.name),
        fg_bg.profile,
    )
    outcome.coverage = float(np.mean(mask >= 0.5))
    if outcome.remarks:
        cells = (
            np.asarray(sheet.fit(fg_bg.pixels, THUMBNAIL)),
            sheet.cut_out(foreground, mask[..., 0], THUMBNAIL),
        )
        outcome.thumbnail = encoding.encode_png(np.concatenate(cells, axis=1))


def _write(pictures, paths, profile) -> None:
    # Packing takes most of the time: level 1 a quarter of what level 6 does, for a
    # sixth more bytes.
    with ThreadPoolExecutor(len(pictures)) as threads:
        written = [
            threads.submit(
                encoding.write_image,
                paths[name],
                pixels,
                compression=1,
                profile=profile if name == "cutout" else b"",
            )
            for name, pixels in pictures.items()
        ]
    for result in written:
        result.result()
