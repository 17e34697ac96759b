"""Loads trained networks: run folders, `.keras` files, SavedModels."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from maskdepth_tf.errors import StateError
from maskdepth_tf.images import preprocessing
from maskdepth_tf.images.pictures import Picture
from maskdepth_tf.inference import graph, matting
from maskdepth_tf.registration import registering
from maskdepth_tf.training import checkpoints


class Answer(NamedTuple):
    """What is known of a pair.

    Attributes:
        mask: float32 [H, W, 1], probability of foreground; H and W the picture's.
        depth: float32 [H, W, 1], 0 near and 1 far.
        foreground: uint8 [H, W, 3], the picture without what shows through edges.
        seen_bg: uint8 [S, S, 3], the background as the network takes it.
        seen: uint8 [S, S, 3], the picture as the network takes it.
        registered: float32 [S, S, 3], the background, brought onto the picture.
        warp: float32 [8], how, see `registering.register`.
        background_mismatch: float32 [], how little it fits then (`comparing.mismatch`).
    """

    mask: np.ndarray
    depth: np.ndarray
    foreground: np.ndarray
    seen_bg: np.ndarray
    seen: np.ndarray
    registered: np.ndarray
    warp: np.ndarray
    background_mismatch: np.ndarray


@dataclass(frozen=True)
class Predictor:
    """A trained network, ready for pictures.

    Attributes:
        answer: From a background and a picture to what is known of them.
        image_size: Side of the network's square, in pixels.
    """

    answer: Callable[[Picture, Picture], Answer]
    image_size: int


NEEDED = {"serving_full_size", "serving_arrays", "serving_registered"}
"""Signatures that a SavedModel must have."""


def load_predictor(path: str | os.PathLike) -> Predictor:
    """Loads a trained network, ready for pictures.

    Args:
        path: Run folder, `.keras` file, preset, SavedModel, or model folder with
            numbered SavedModels, of which the newest is taken.

    Raises:
        StateError: If there is no such model, or it is damaged.
    """
    folder = find_saved_model(path)
    ask, image_size = _of_keras(path) if folder is None else _of_saved_model(folder)

    def answer(bg: Picture, fg_bg: Picture) -> Answer:
        (seen_bg, _), (seen, aspect) = (
            preprocessing.load_input(tf.constant(picture.data), image_size)
            for picture in (bg, fg_bg)
        )
        outputs = ask(bg, fg_bg, seen_bg, seen, aspect)
        outputs |= {"seen_bg": seen_bg, "seen": seen}
        return Answer(*(np.asarray(outputs[name]) for name in Answer._fields))

    # The first call takes seconds to set up; no picture should have to wait for it. A
    # JPEG, as most are: other formats take another while when the first one comes.
    pixel = np.zeros((1, 1, 3), np.uint8)
    black = Picture(tf.io.encode_jpeg(pixel).numpy(), pixel)
    answer(black, black)
    return Predictor(answer, image_size)


def _of_keras(path) -> tuple[Callable[..., dict], int]:
    model = graph.of_model(checkpoints.load_model(path))
    side = model.image_size
    seen, pixels = (
        tf.TensorSpec(shape, tf.uint8) for shape in ([side, side, 3], [None, None, 3])
    )
    shape = tf.TensorSpec([], tf.float32)
    arguments = [seen, seen, shape, pixels, pixels]
    traced = tf.function(model.pair, arguments, autograph=False)

    def ask(bg, fg_bg, seen_bg, seen, aspect):
        outputs = traced(seen_bg, seen, aspect, bg.pixels, fg_bg.pixels)
        mask, foreground = matting.put_edges(outputs.pop("refined"), fg_bg.pixels)
        return outputs | {"mask": mask, "foreground": foreground}

    return ask, side


def _of_saved_model(folder) -> tuple[Callable[..., dict], int]:
    loaded = load_saved_model(folder)
    if "foreground" not in loaded.signatures["serving_full_size"].structured_outputs:
        raise StateError(f"{folder}: is of an older version; export the run again")

    # Holds on to all of it: a signature alone does not keep the variables it reads.
    def ask(bg, fg_bg, seen_bg, seen, aspect):
        outputs = loaded.signatures["serving_full_size"](
            bg_bytes=tf.constant([bg.data]), fg_bg_bytes=tf.constant([fg_bg.data])
        )
        # Its signatures do not say what they did to the background.
        found = registering.register(
            *(tf.cast(pixels[tf.newaxis], tf.float32) for pixels in (seen_bg, seen)),
            aspect=aspect[tf.newaxis],
        )
        outputs |= {"registered": found.bg, "warp": found.warp}
        return {name: value[0] for name, value in outputs.items()}

    return ask, _image_size(loaded)


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
