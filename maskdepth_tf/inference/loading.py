"""Loads trained networks: run folders, `.keras` files, SavedModels."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from maskdepth_tf.errors import StateError
from maskdepth_tf.inference import graph
from maskdepth_tf.registration import registering
from maskdepth_tf.training import checkpoints


@dataclass(frozen=True)
class Predictor:
    """A trained network, ready for encoded pictures.

    Attributes:
        answer: From encoded pictures, B of `bg` and B of `fg_bg` of one size, to the
            answers of `graph.Inference.full_size`.
        image_size: Side of the network's square, in pixels.
        register: `registering.register` for pictures of that size.
    """

    answer: Callable[[Sequence[bytes], Sequence[bytes]], dict[str, np.ndarray]]
    image_size: int
    register: Callable[[tf.Tensor, tf.Tensor], registering.Registered]


NEEDED = {"serving_full_size", "serving_arrays", "serving_registered"}
"""Signatures that a SavedModel must have."""


def load_predictor(path: str | os.PathLike) -> Predictor:
    """Loads a trained network, ready for encoded pictures.

    Args:
        path: Run folder, `.keras` file, preset, SavedModel, or model folder with
            numbered SavedModels, of which the newest is taken.

    Returns:
        The network. Its answers raise `tf.errors.OpError` on bytes that are no
        picture; `preprocessing.read_rgb` finds out before and names the file.

    Raises:
        StateError: If there is no such model, or it is damaged.
    """
    folder = find_saved_model(path)
    if folder is None:
        model = graph.of_model(checkpoints.load_model(path))
        pictures, arguments = model.signatures()["serving_full_size"]
        # Traced once for any batch.
        traced = tf.function(pictures, arguments, autograph=False)
        return _predictor(traced, model.image_size, model.register)
    loaded = load_saved_model(folder)
    if "foreground" not in loaded.signatures["serving_full_size"].structured_outputs:
        raise StateError(f"{folder}: is of an older version; export the run again")

    # Holds on to all of it: a signature alone does not keep the variables it reads.
    def answer(**data):
        return loaded.signatures["serving_full_size"](**data)

    return _predictor(answer, _image_size(loaded), registering.register)


def load_network(path: str | os.PathLike) -> tuple[Callable[..., dict], int]:
    """Loads a trained network for backgrounds that fit already, and nothing more.

    Args:
        path: As `load_predictor` takes it.

    Returns:
        From `bg` and `fg_bg` to what `graph.Inference.registered` makes of them, and
        the side of its square, in pixels.

    Raises:
        StateError: As `load_predictor`.
    """
    folder = find_saved_model(path)
    if folder is None:
        model = graph.of_model(checkpoints.load_model(path))
        function, arguments = model.signatures()["serving_registered"]
        return tf.function(function, arguments, autograph=False), model.image_size
    loaded = load_saved_model(folder)

    def registered(bg, fg_bg):
        return loaded.signatures["serving_registered"](bg=bg, fg_bg=fg_bg)

    return registered, _image_size(loaded)


def find_saved_model(path: str | os.PathLike) -> str | None:
    """The SavedModel that a path means: itself or its newest numbered folder.

    Returns:
        Its folder, or None if the path means something else.
    """
    path = os.fspath(path)
    numbers = version_numbers(path) if os.path.isdir(path) else []
    for folder in (path, *(os.path.join(path, str(n)) for n in reversed(numbers))):
        if os.path.isfile(os.path.join(folder, "saved_model.pb")):
            return folder
    return None


def version_numbers(model_dir: str | os.PathLike) -> list[int]:
    """Numbers that name something in a model folder, ascending."""
    names = os.listdir(model_dir)
    return sorted(int(name) for name in names if name.isascii() and name.isdecimal())


def _image_size(loaded) -> int:
    _, inputs = loaded.signatures["serving_arrays"].structured_input_signature
    return inputs["bg"].shape[1]


def _predictor(function, image_size, register) -> Predictor:
    def predict(bg_bytes, fg_bg_bytes):
        outputs = function(
            bg_bytes=tf.constant(bg_bytes, tf.string),
            fg_bg_bytes=tf.constant(fg_bg_bytes, tf.string),
        )
        return {name: value.numpy() for name, value in outputs.items()}

    # The first call takes a second to set up; no picture should have to wait for it.
    pixel = tf.io.encode_png(tf.zeros([1, 1, 3], tf.uint8)).numpy()
    predict([pixel], [pixel])
    return Predictor(predict, image_size, register)


def load_saved_model(folder: str) -> Any:
    """Loads a SavedModel of ours; its `signatures` are those of `export`.

    Raises:
        StateError: If it is damaged or comes from elsewhere.
    """
    try:
        loaded = tf.saved_model.load(folder)
        missing = NEEDED - set(loaded.signatures)
    except (OSError, ValueError, AttributeError, tf.errors.OpError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise StateError(f"{folder}: cannot be loaded: {reason}") from error
    if missing:
        raise StateError(
            f"{folder}: a SavedModel must come from `maskdepth export`; it lacks the "
            f"signatures {', '.join(sorted(missing))}"
        )
    return loaded
