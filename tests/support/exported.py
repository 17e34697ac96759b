"""A small network, its export, and pictures of all sorts to ask it about."""

import io

import keras
import numpy as np
import tensorflow as tf
from PIL import Image
from tensorflow.core.protobuf import saved_model_pb2

from maskdepth_tf import export, streams
from maskdepth_tf.images import preprocessing
from maskdepth_tf.network import model

SIZE = 32

SIGNATURES = (
    "serving_default",
    "serving_full_size",
    "serving_png",
    "serving_arrays",
    "serving_uint8",
    "serving_registered",
)


def encoded(seed, width, height, encoding, **options):
    """A smooth random picture, so that resizing has something to do."""
    pixels = np.random.default_rng(seed).integers(0, 256, (5, 7, 3), np.uint8)
    image = Image.fromarray(pixels).resize((width, height))
    buffer = io.BytesIO()
    image.save(buffer, encoding, **options)
    return buffer.getvalue()


def turned(seed):
    """A JPEG of 60 x 40 that its EXIF turns upright."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(seed, 60, 40, "JPEG", exif=exif)


BG = [encoded(1, 50, 40, "PNG"), encoded(2, 33, 80, "JPEG"), turned(6)]
FG_BG = [encoded(3, 50, 40, "JPEG"), encoded(4, 30, 31, "PNG"), turned(5)]
OF_ONE_SIZE = [encoded(7, 40, 60, "PNG"), turned(8), encoded(9, 40, 60, "GIF")]


def make(folder):
    """Writes a run of an untrained network and its export into a folder.

    Returns:
        Run folder and the version's folder, as text.
    """
    keras.utils.set_random_seed(0)
    net = model.resnet_unet(SIZE, widths=(8, 8), patch_size=2)
    run_dir = folder / "run"
    run_dir.mkdir()
    net.save(run_dir / "best.keras")
    return run_dir, export.export_run(run_dir, folder / "office")


def inputs(signature):
    """What the signatures are asked here, by name."""
    if signature == "serving_full_size":
        return {"bg_bytes": BG, "fg_bg_bytes": OF_ONE_SIZE}
    if signature in ("serving_default", "serving_png"):
        return {"bg_bytes": BG, "fg_bg_bytes": FG_BG}
    dtype = np.uint8 if signature == "serving_uint8" else np.float32
    return {
        stream.name: np.stack(
            [preprocessing.load(tf.constant(data), stream, SIZE) for data in pictures]
        ).astype(dtype)
        for stream, pictures in ((streams.BG, BG), (streams.FG_BG, FG_BG))
    }


def graph_of(version):
    """The saved graph of a version's folder, with its signatures."""
    saved = saved_model_pb2.SavedModel()
    with open(f"{version}/saved_model.pb", "rb") as file:
        saved.ParseFromString(file.read())
    return saved.meta_graphs[0]
