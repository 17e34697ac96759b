"""The data contract: four picture streams of one size.

| name    | channels | in memory           | on disk                              |
|---------|----------|---------------------|--------------------------------------|
| `bg`    | 3        | uint8, 0..255       | the scene alone, RGB                 |
| `fg_bg` | 3        | uint8, 0..255       | the scene with a foreground, RGB     |
| `mask`  | 1        | uint8, 0 or 1       | grey; 255 is foreground              |
| `depth` | 1        | uint16, 0..65535    | grey, 8 or 16 bit; bright is far     |

Depth is relative: 0 is the nearest and 65535 (1.0) the farthest point of its own
picture; a map of 8 bits keeps to 256 values after resizing too, so that it can be
packed in as many. Masks are made binary again after resizing, since JPEG and
interpolation leave values in between.

Holes. A depth map may be a PNG with alpha, and where that is below a half the depth is
not known. In memory, and in tensors of depths from 0 to 1, such a pixel is `-1 - v`,
with v what the file holds there: what stands for the hole where something must. Sets
with such maps keep depth as `HOLED_DEPTH`, others know nothing of holes.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Stream:
    """One of the four pictures of an example.

    Attributes:
        name: Key in every batch, model input, output and file.
        channels: Channels in memory.
        dtype: Type in memory.
    """

    name: str
    channels: int
    dtype: str


BG = Stream("bg", 3, "uint8")
FG_BG = Stream("fg_bg", 3, "uint8")
MASK = Stream("mask", 1, "uint8")
DEPTH = Stream("depth", 1, "uint16")

ASPECT = "aspect"
"""What stands beside the streams of a batch if some of its pictures were no squares:
width by height of each before it was made one, float32 [B]."""
INPUTS = (BG, FG_BG)
TARGETS = (MASK, DEPTH)
STREAMS = INPUTS + TARGETS

HOLE = -1.0
"""Greatest value that stands for not known, where depths are from 0 to 1."""
HOLED_DEPTH = Stream("depth", 1, "int32")
"""`DEPTH` of a set whose maps have alpha: 16 bits leave no value for what is not known.
"""

DEPTH_SCALE = 65535
"""Value in memory of depth 1.0."""
DEPTH_STEP = 257
"""Step in memory from one value of an 8-bit map to the next: 255 of them are 65535."""
MASK_THRESHOLD = 128
"""Least value, of 255, that counts as foreground, and least alpha of known depth."""
IMAGE_SIZES = (8, 4096)
"""Least and greatest side of an example's square pictures, in pixels."""


def of_set(has_holes: bool) -> tuple[Stream, ...]:
    """The four streams of a set, by whether a depth map of it has alpha."""
    return (*INPUTS, MASK, HOLED_DEPTH if has_holes else DEPTH)


def size_fault(size: int, divisor: int = 1) -> str | None:
    """Says what a side of square pictures must be, if it is not.

    Args:
        size: The side, in pixels.
        divisor: What must divide it; a network's total stride.

    Returns:
        The end of a sentence that begins with the name of the value; None if the
        size may be used.
    """
    least, most = IMAGE_SIZES
    if least <= size <= most and size % divisor == 0:
        return None
    divisible = f" and divisible by {divisor}" if divisor > 1 else ""
    return f"must be {least} to {most}{divisible}. Received: {size}"
