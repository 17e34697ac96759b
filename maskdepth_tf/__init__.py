"""Foreground mask and depth map from a picture and its background."""

import importlib

__version__ = "0.1.0"
__all__ = ["from_preset", "save_to_preset"]


def __getattr__(name: str):
    # Not before it is asked for: TensorFlow takes seconds, and commands start at once.
    if name in __all__:
        return getattr(importlib.import_module(f"{__name__}.training.presets"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
