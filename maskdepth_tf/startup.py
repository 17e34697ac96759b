"""TensorFlow, imported when it is needed and without what it has to say."""

import contextlib
import ctypes
import gc
import importlib
import os
import sys
from collections.abc import Iterator

PLOTTING = "matplotlib"
"""What Keras imports for drawings of its own: a seventh of what its start takes."""
# Numbers of `mallopt`, and bytes: what is smaller is not mapped by itself, and so much
# is kept at the end of a heap.
_KEPT = ((-3, 2**25), (-1, 2**28))


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


def work_side_by_side() -> None:
    """Prepares for several pictures at a time; TensorFlow must not be loaded yet.

    TensorFlow and OpenCV share no picture among cores. Memory that was freed is kept
    for the next picture: to get a page from the system anew takes as long as working
    on it.
    """
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
    importlib.import_module("cv2").setNumThreads(1)
    # Only glibc has it, and only glibc needs it.
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    if mallopt := getattr(libc, "mallopt", None):
        for setting in _KEPT:
            mallopt(*setting)


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
