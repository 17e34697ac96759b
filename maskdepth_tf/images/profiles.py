"""Colour profiles: what the numbers of a picture look like, where it is not sRGB.

Decoders give numbers as they are stored: the graph that training, prediction, export
and serving share has no way to apply a profile. Background and picture of one camera
have the same profile, so that what differs between them is the foreground all the same.
Where numbers go into another picture, it matters what they look like: a composite is
made in sRGB, and a cut-out keeps the profile of its picture.
"""

import functools
import io
import itertools

import numpy as np
from PIL import Image, ImageCms

GREATEST_DIFFERENCE = 3
"""Up to here, of 255, a profile is one of the many ways to write sRGB."""
_SPACE = slice(16, 20)
_MODES = {b"RGB ": "RGB", b"GRAY": "L"}
_LEVELS = (0, 51, 102, 153, 204, 255)


def is_srgb(profile: bytes) -> bool:
    """Whether numbers look as without a profile; one that is damaged counts as none."""
    return _difference(profile) <= GREATEST_DIFFERENCE


def name_of(profile: bytes) -> str:
    """What a profile calls itself, as "Display P3"; sRGB without one."""
    if not profile:
        return "sRGB"
    opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    return ImageCms.getProfileDescription(opened).strip() or "without a name"


def keepable(profile: bytes) -> bytes:
    """The profile where a PNG in colour may have it, else none.

    sRGB needs none, and those of grey or of inks are not for such pixels.
    """
    is_colour = profile[_SPACE] == b"RGB "
    return profile if is_colour and not is_srgb(profile) else b""


def to_srgb(pixels: np.ndarray, profile: bytes) -> np.ndarray:
    """Numbers that look in sRGB as these do in their profile.

    Args:
        pixels: uint8 [H, W, 3], or [H, W, 4] with alpha, which stays.
        profile: Of colour or grey. Those of inks, and damaged ones, change nothing:
            decoders have made RGB of the inks without it.
    """
    if is_srgb(profile):
        return pixels
    mode = _MODES[profile[_SPACE]]
    plain = pixels[..., :3] if mode == "RGB" else pixels[..., 0]
    converted = np.asarray(
        ImageCms.applyTransform(
            Image.fromarray(np.ascontiguousarray(plain)), _transform(profile)
        )
    )
    return np.concatenate([converted, pixels[..., 3:]], axis=2)


@functools.lru_cache(16)
def _transform(profile: bytes) -> ImageCms.ImageCmsTransform:
    return ImageCms.buildTransform(
        ImageCms.ImageCmsProfile(io.BytesIO(profile)),
        ImageCms.createProfile("sRGB"),
        _MODES[profile[_SPACE]],
        "RGB",
    )


@functools.lru_cache(256)
def _difference(profile: bytes) -> int:
    """Greatest difference from sRGB, of 255, over the whole space; 0 if unusable."""
    mode = _MODES.get(profile[_SPACE])
    if mode is None:
        return 0
    channels = len(mode)
    levels = np.array([*itertools.product(_LEVELS, repeat=channels)], np.uint8)
    picture = levels[None] if mode == "RGB" else levels.reshape(1, -1)
    try:
        seen = ImageCms.applyTransform(Image.fromarray(picture), _transform(profile))
    except (ImageCms.PyCMSError, OSError, ValueError):
        return 0
    return int(np.abs(np.asarray(seen)[0].astype(int) - levels).max())
