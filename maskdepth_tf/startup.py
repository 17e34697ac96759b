"""TensorFlow, imported when it is needed and without what it has to say."""

import contextlib
import importlib
import os
import sys
from collections.abc import Iterator


def load_tensorflow() -> None:
    """Imports TensorFlow without its notes on the processor and missing GPUs.

    To be called by a command once its arguments are read: it takes seconds. With a
    `TF_CPP_MIN_LOG_LEVEL` below 3 in the environment nothing is held back.
    """
    level = os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # Its libraries write to the descriptor before they read the level.
    if level == "3" and "tensorflow" not in sys.modules:
        with quietly():
            importlib.import_module("tensorflow")
    tensorflow = importlib.import_module("tensorflow")
    # A GPU would multiply float32 with 10 bits of mantissa, too few for the small
    # variances of SSIM; those who want speed have mixed_bfloat16.
    tensorflow.config.experimental.enable_tensor_float_32_execution(False)


def use_one_core_each() -> None:
    """Has TensorFlow and OpenCV, not loaded yet, share no picture among cores.

    For commands that work on several pictures side by side: that is quicker.
    """
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
    importlib.import_module("cv2").setNumThreads(1)


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Sends stderr nowhere, also what libraries write to its descriptor themselves."""
    stderr = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(nowhere)
