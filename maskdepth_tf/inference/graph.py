"""From encoded pictures to probabilities: the one path of prediction and serving.

`maskdepth_tf.predict` runs these functions on a Keras model and `maskdepth_tf.export`
writes them into a SavedModel, so the two give the same bits for the same batch. All
of it is TensorFlow operations: no Python runs in an exported model.

Shapes: B batch, S the side in pixels of the network's square.
"""

import functools
from collections.abc import Callable

import keras
import tensorflow as tf

from maskdepth_tf import streams
from maskdepth_tf.errors import StateError
from maskdepth_tf.images import preprocessing
from maskdepth_tf.inference import matting
from maskdepth_tf.network import answers
from maskdepth_tf.registration import comparing, registering

Signature = tuple[Callable[..., dict], list[tf.TensorSpec]]
"""A graph function and its arguments by name, type and shape."""


class Inference:
    """What a trained network answers, from bytes or from pixels.

    Backgrounds are brought onto their pictures first (`registering.register`).

    Answers are a dict of float32:
        mask: [B, S, S, 1], probability that the foreground is there, 0 to 1.
        depth: [B, S, S, 1], relative depth, 0 near and 1 far.
        background_mismatch: [B], share of the background's details that the picture
            does not show thereafter, 0 to 1 (`comparing.mismatch`).

    Args:
        network: Gives `mask` and `depth` to float32 `bg` and `fg_bg`, as `registered`
            takes them.
        image_size: S.

    Attributes:
        network: The same as a graph.
        load: Encoded pictures, string [B], as `pictures` takes them, to float32
            [B, S, S, 3], the integers that training sees, and how wide they were by
            how high, [B]; as a graph.
        register: `registering.register` of backgrounds, pictures and that; as a graph.
        image_size: S.
    """

    def __init__(self, network: Callable[..., dict], image_size: int):
        self.image_size = image_size
        # Traced once, and once in the graph, however many signatures call them.
        pixels = self.signatures()["serving_arrays"][1]
        self.load, self.register = graphs(image_size)
        self._refine, self._refine_edges = matting.graphs(image_size)
        self.network = tf.function(network, pixels, autograph=False)

    def pictures(self, bg_bytes: tf.Tensor, fg_bg_bytes: tf.Tensor) -> dict:
        """Answers for encoded pictures of any size.

        Args:
            bg_bytes: string [B], the scenes alone; see `preprocessing.decode_rgb`.
            fg_bg_bytes: string [B], the scenes with something in front.
        """
        bg, (fg_bg, aspect) = self.load(bg_bytes)[0], self.load(fg_bg_bytes)
        return self._answer(bg, fg_bg, aspect)[0]

    def arrays(self, bg: tf.Tensor, fg_bg: tf.Tensor) -> dict:
        """Answers for pixels, of pictures that were squares.

        Args:
            bg: float32 [B, S, S, 3], 0 to 255.
            fg_bg: float32 [B, S, S, 3], 0 to 255.
        """
        return self._answer(bg, fg_bg, tf.ones(tf.shape(fg_bg)[:1]))[0]

    def registered(self, bg: tf.Tensor, fg_bg: tf.Tensor) -> dict:
        """Answers for pixels as `arrays` does, of backgrounds that fit already."""
        mismatch = comparing.mismatch(bg, fg_bg)
        return self.network(bg, fg_bg) | {"background_mismatch": mismatch}

    def pixels(self, bg: tf.Tensor, fg_bg: tf.Tensor) -> dict:
        """Answers for pixels as `arrays` does, but uint8."""
        return self.arrays(tf.cast(bg, tf.float32), tf.cast(fg_bg, tf.float32))

    def full_size(self, bg_bytes: tf.Tensor, fg_bg_bytes: tf.Tensor) -> dict:
        """Answers as `pictures` does, in the one size [H, W] that all `fg_bg` have.

        Masks are as sharp as the pictures (`matting.refine`).

        Running it raises `tf.errors.InvalidArgumentError` if they have several.

        Returns:
            mask, depth: float32 [B, H, W, 1].
            foreground: uint8 [B, H, W, 3], `fg_bg` without what shows through edges.
            background_mismatch: float32 [B], as ever.
        """
        fg_bg_bytes = _of_one_size(fg_bg_bytes)
        outputs, found = self._encoded(bg_bytes, fg_bg_bytes)
        mask, foreground = tf.map_fn(
            lambda one: self._matted(*one),
            found,
            fn_output_signature=(
                tf.TensorSpec([None, None, 1], tf.float32),
                tf.TensorSpec([None, None, 3], tf.uint8),
            ),
        )
        depth = answers.stretch(outputs["depth"], *tf.unstack(tf.shape(mask)[1:3]))
        return outputs | {"mask": mask, "depth": depth, "foreground": foreground}

    def pair(
        self,
        seen_bg: tf.Tensor,
        seen: tf.Tensor,
        aspect: tf.Tensor,
        bg: tf.Tensor,
        fg_bg: tf.Tensor,
    ) -> dict:
        """What `full_size` answers of one pair that is decoded, in parts.

        Args:
            seen_bg: uint8 [S, S, 3], what `preprocessing.load_input` makes of the
                background.
            seen: uint8 [S, S, 3], what it makes of the picture.
            aspect: float32 [], the shape that it tells of the picture.
            bg: uint8 [H', W', 3].
            fg_bg: uint8 [H, W, 3].

        Returns:
            depth: float32 [H, W, 1].
            refined: `matting.Refined`; `matting.put_edges` makes mask and foreground of
                it.
            registered: float32 [S, S, 3], the background, brought onto the picture.
            warp: float32 [8], how, see `registering.register`.
            background_mismatch: float32 [], as ever.
        """
        small_bg, small = (
            tf.cast(pixels[tf.newaxis], tf.float32) for pixels in (seen_bg, seen)
        )
        outputs, found = self._answer(small_bg, small, aspect[tf.newaxis])
        parts = (small, outputs["mask"], found.warp, *found.light)
        first = (part[0] for part in parts)
        size = tf.unstack(tf.shape(fg_bg)[:2])
        return {
            "depth": answers.stretch(outputs["depth"], *size)[0],
            "refined": self._refine_edges(matting.Pair(bg, fg_bg, *first)),
            "registered": found.bg[0],
            "warp": found.warp[0],
            "background_mismatch": outputs["background_mismatch"][0],
        }

    def pngs(self, bg_bytes: tf.Tensor, fg_bg_bytes: tf.Tensor) -> dict:
        """Answers as the files that `predict` writes, each as large as its `fg_bg`.

        Args:
            bg_bytes: As `pictures`.
            fg_bg_bytes: As `pictures`.

        Returns:
            mask_png_bytes: string [B], PNG of 8-bit grey, 255 is foreground.
            depth_png_bytes: string [B], PNG of 16-bit grey, 65535 is far.
            cutout_png_bytes: string [B], RGBA PNG, the foreground, its mask as alpha.
            background_mismatch: float32 [B], as ever.
        """
        outputs, found = self._encoded(bg_bytes, fg_bg_bytes)
        encoded = tf.map_fn(
            lambda one: _encode(*self._matted(*one[0]), one[1]),
            (found, outputs["depth"]),
            fn_output_signature=[tf.TensorSpec([], tf.string)] * 3,
        )
        names = ("mask_png_bytes", "depth_png_bytes", "cutout_png_bytes")
        mismatch = {"background_mismatch": outputs["background_mismatch"]}
        return dict(zip(names, encoded, strict=True)) | mismatch

    def signatures(self) -> dict[str, Signature]:
        """Lists the functions that `export` writes, by the signature's name."""
        size, strings = self.image_size, tf.TensorSpec([None], tf.string)
        encoded = _both("bg_bytes", "fg_bg_bytes", strings)
        shape = [None, size, size, 3]
        floats = _both("bg", "fg_bg", tf.TensorSpec(shape, tf.float32))
        integers = _both("bg", "fg_bg", tf.TensorSpec(shape, tf.uint8))
        return {
            "serving_default": (self.pictures, encoded),
            "serving_full_size": (self.full_size, encoded),
            "serving_png": (self.pngs, encoded),
            "serving_arrays": (self.arrays, floats),
            "serving_uint8": (self.pixels, integers),
            "serving_registered": (self.registered, floats),
        }

    def _answer(self, bg, fg_bg, aspect) -> tuple[dict, registering.Registered]:
        found = self.register(bg, fg_bg, aspect)
        return self.registered(found.bg, fg_bg), found

    def _matted(self, bg_bytes, fg_bg_bytes, *found) -> tuple[tf.Tensor, tf.Tensor]:
        """Alpha and colours of one picture's foreground, at its own size."""
        bg, fg_bg = (preprocessing.decode_rgb(data) for data in (bg_bytes, fg_bg_bytes))
        return self._refine(matting.Pair(bg, fg_bg, *found))

    def _encoded(self, bg_bytes, fg_bg_bytes) -> tuple[dict, tuple]:
        """Answers of the network's size, and what `_matted` takes of each picture."""
        bg, (fg_bg, aspect) = self.load(bg_bytes)[0], self.load(fg_bg_bytes)
        outputs, found = self._answer(bg, fg_bg, aspect)
        pairs = (bg_bytes, fg_bg_bytes, fg_bg, outputs["mask"], found.warp)
        return outputs, (*pairs, *found.light)


@functools.cache
def graphs(side: int) -> tuple[Callable, Callable]:
    """`load` and `register` of `Inference`, which all networks of a size share."""

    def load(data):
        pixels, aspect = tf.map_fn(
            lambda one: preprocessing.load_input(one, side),
            data,
            fn_output_signature=(
                tf.TensorSpec([side, side, 3], tf.uint8),
                tf.TensorSpec([], tf.float32),
            ),
        )
        return tf.cast(pixels, tf.float32), aspect

    def register(bg, fg_bg, aspect):
        return registering.register(bg, fg_bg, aspect=aspect)

    strings = tf.TensorSpec([None], tf.string)
    pixels = tf.TensorSpec([None, side, side, 3], tf.float32)
    shapes = tf.TensorSpec([None], tf.float32)
    return (
        tf.function(load, [strings], autograph=False),
        tf.function(register, [pixels, pixels, shapes], autograph=False),
    )


def of_model(model: keras.Model) -> Inference:
    """Makes an `Inference` of a model that `model.resnet_unet` has built.

    Raises:
        StateError: If it is another model.
    """
    check(model)

    def network(bg, fg_bg):
        return answers.of_outputs(model({"bg": bg, "fg_bg": fg_bg}, training=False))

    return Inference(network, model.inputs[0].shape[1])


def check(model: keras.Model) -> None:
    """Refuses a model that is none of ours.

    Raises:
        StateError: If it does not take or give what `model.resnet_unet` does.
    """
    for kind, needed, given in (
        ("take the pictures", streams.INPUTS, getattr(model, "input", None)),
        ("answer", streams.TARGETS, getattr(model, "output", None)),
    ):
        names = sorted(stream.name for stream in needed)
        if not isinstance(given, dict) or sorted(given) != names:
            raise StateError(
                f"a model must {kind} {' and '.join(names)}. Received: {model.name}"
            )


def _both(bg: str, fg_bg: str, spec: tf.TensorSpec) -> list[tf.TensorSpec]:
    """The two arguments of a signature."""
    return [tf.TensorSpec(spec.shape, spec.dtype, name) for name in (bg, fg_bg)]


def _of_one_size(data) -> tf.Tensor:
    """Encoded [B], all of which must have one height and width."""

    def checked():
        sizes = tf.map_fn(
            lambda one: tf.shape(preprocessing.decode_rgb(one))[:2],
            data,
            fn_output_signature=tf.TensorSpec([2], tf.int32),
        )
        text = "serving_full_size: all fg_bg of a batch must have one size; send them "
        text += (
            "one at a time or use serving_png. Sizes (height, width), then the first:"
        )
        with tf.control_dependencies(
            [tf.debugging.assert_equal(sizes, sizes[:1], text)]
        ):
            return tf.identity(data)

    # One alone need not be decoded once more.
    return tf.cond(tf.size(data) > 1, checked, lambda: data)


def _encode(mask, foreground, depth) -> list[tf.Tensor]:
    """Mask, depth and cut-out of one picture as PNGs of its size."""
    height, width, _ = tf.unstack(tf.shape(foreground))
    alpha = answers.mask_pixels(mask)
    far = answers.depth_pixels(answers.stretch(depth, height, width))
    pictures = (alpha, far, answers.cutout(foreground, alpha))
    # The default, 6, takes ten times as long for files 3 to 14 % smaller: 50 ms for the
    # depth of a picture of 224 pixels, where the network takes 8.
    return [tf.io.encode_png(pixels, compression=1) for pixels in pictures]
