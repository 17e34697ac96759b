"""A pair of pictures to the files of its results, and what was noticed on the way.

Each result is complete or not there at all. Pairs are independent of each other: in
threads they give the same files.
"""

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np

from maskdepth_tf.errors import DataError
from maskdepth_tf.images import encoding, pairs, pictures, profiles
from maskdepth_tf.images.pictures import Picture
from maskdepth_tf.inference.loading import Answer, Predictor
from maskdepth_tf.network import answers
from maskdepth_tf.registration import describing
from maskdepth_tf.reports import overview, sheet

EMPTY, FULL = 0.001, 0.95
"""Share of the picture below and above which a mask is unusual."""
THUMBNAIL = 168
"""Longer side of each picture of a thumbnail, in pixels."""


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

    def to_json(self) -> dict:
        """All but pair and thumbnail; `Outcome` takes them by these names."""
        names = ("coverage", "seconds", "corrected", "doubts", "error")
        return {name: getattr(self, name) for name in names}

    def fail(self, error: Exception) -> None:
        """Makes it that of a pair that could not be; raises again on a full disk."""
        self.error = pairs.failure(self.pair, error)
        self.coverage, self.thumbnail = None, b""


def remarks(answer: Answer, bg_size: tuple[int, int]) -> tuple[list, list]:
    """What was corrected of a pair, and what the user should know of it.

    Args:
        answer: What is known of the pair.
        bg_size: Height and width of the background in its file, in pixels.
    """
    doubts = []
    (bg_height, bg_width), (height, width, _) = bg_size, answer.foreground.shape
    # A pixel more or less is what halving an odd side leaves.
    if abs(bg_height * width - bg_width * height) > max(bg_width, width):
        doubts.append(
            f"the background is {bg_width}x{bg_height}, the picture {width}x{height}; "
            "both are stretched to the network's square"
        )
    if np.array_equal(answer.seen_bg, answer.seen):
        return [], ["equal to its background: nothing is in front, expect no mask"]
    doubts += describing.doubts(
        float(answer.background_mismatch), answer.registered, answer.seen
    )
    corrected = describing.movement(answer.warp, width, height)
    return corrected + describing.light(answer.seen_bg, answer.registered), doubts


def predict(
    pair: pairs.Pair,
    predictor: Predictor,
    bg: Picture | None,
    folder: str,
    given: Mapping[str, bytes] = MappingProxyType({}),
) -> Outcome:
    """Writes the four results of a pair, each complete or not at all.

    Args:
        pair: It.
        predictor: The network.
        bg: Its background, if that is read already.
        folder: Where the results go.
        given: Bytes of its files by their paths, if they were read already.

    Returns:
        How it went; also if a file cannot be read or written.

    Raises:
        OSError: If the disk is full: no other result will fit either.
    """
    outcome = Outcome(pair)
    try:
        if bg is None:
            bg = _read(pair.bg, given)
            outcome.doubts += bg.warnings
        fg_bg = _read(pair.fg_bg, given)
        outcome.doubts += fg_bg.warnings
        _predict(outcome, predictor, bg, fg_bg, folder)
    except (DataError, OSError) as error:
        outcome.fail(error)
    return outcome


def _read(path: str, given: Mapping[str, bytes]) -> Picture:
    return (
        pictures.of_bytes(given[path], path) if path in given else pictures.read(path)
    )


def _predict(outcome, predictor, bg, fg_bg, folder) -> None:
    name, start = outcome.pair.fg_bg, time.perf_counter()
    # One at a time: no result depends on which others are in the folder.
    answer = predictor.answer(bg, fg_bg)
    outcome.seconds = time.perf_counter() - start
    outcome.corrected, doubts = remarks(answer, bg.pixels.shape[:2])
    if bg.profile != fg_bg.profile:
        names = [profiles.name_of(p.profile) for p in (fg_bg, bg)]
        doubts.append(
            f"its colours are {names[0]}, those of its background {names[1]}: they "
            "are compared as they are stored"
        )
    outcome.doubts += [f"{name}: {text}" for text in doubts]
    mask, depth, foreground = answer.mask, answer.depth, answer.foreground
    alpha = answers.mask_pixels(mask).numpy()[..., 0]
    _write(
        {
            "mask": alpha,
            "depth": answers.depth_pixels(depth).numpy(),
            "cutout": answers.cutout_of_arrays(foreground, alpha, alpha),
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
    # Packing takes most of the time: the quick way an eighth of what level 6 does, for
    # a sixth more bytes.
    with ThreadPoolExecutor(len(pictures)) as threads:
        written = [
            threads.submit(
                encoding.write_image,
                paths[name],
                pixels,
                compression=encoding.QUICK,
                profile=profile if name == "cutout" else b"",
            )
            for name, pixels in pictures.items()
        ]
    for result in written:
        result.result()
