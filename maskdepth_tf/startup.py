"""TensorFlow, imported when it is needed and without what it has to say."""

import contextlib
import gc
import importlib
import os
import sys
from collections.abc import Iterator

PLOTTING = "matplotlib"
"""What Keras imports for drawings of its own: a seventh of what its start takes."""


def load_tensorflow(with_plotting: bool = False) -> None:
    """Imports TensorFlow without its notes on the processor and missing GPUs.

    To be called by a command once its arguments are read: it takes seconds. With a
    `TF_CPP_MIN_LOG_LEVEL` below 3 in the environment nothing is held back.

    Args:
        with_plotting: Whether `keras.visualization` will work, which no command needs.
    """
    level = os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # Its libraries write to the descriptor before they read the level.
    is_new = "tensorflow" not in sys.modules
    with (
        quietly() if is_new and level == "3" else contextlib.nullcontext(),
        contextlib.nullcontext() if with_plotting else _hidden(PLOTTING),
        # Once: a second time it would keep what a program has thrown away since.
        _uncollected() if is_new else contextlib.nullcontext(),
    ):
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
def _hidden(name) -> Iterator[None]:
    """Makes a package look as if it were not installed, unless it is in use."""
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[name]


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """Keeps the garbage collector from what is there at the end, now and later.

    Of what TensorFlow's modules hold nothing ever goes; to look through it takes a
    sixth of the import, and again and again a tenth of what comes after.
    """
    is_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if is_enabled:
            gc.enable()


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
