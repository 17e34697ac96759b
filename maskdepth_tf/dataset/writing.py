"""Pictures and texts to disk, without TensorFlow: worker processes start at once."""

import hashlib
import io

import numpy as np
from PIL import Image


def encode_jpeg(pixels: np.ndarray, quality: int, subsampling: str = "4:2:0") -> bytes:
    """JPEG bytes of uint8 pixels [H, W, 3] (RGB) or [H, W] (grey)."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(
        buffer, "JPEG", quality=quality, subsampling=subsampling
    )
    return buffer.getvalue()


def encode_png(pixels: np.ndarray) -> bytes:
    """PNG bytes of uint8 pixels [H, W, 4] (RGBA)."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def sha256(data: bytes) -> str:
    """Hexadecimal SHA-256."""
    return hashlib.sha256(data).hexdigest()
