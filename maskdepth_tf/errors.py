"""Errors that a user can mend, each with the exit code of its kind.

A command that meets one prints a single line and ends with its code; any other
exception is a defect of ours and keeps its traceback.
"""

import difflib
import errno
import math
import re
from collections.abc import Iterable


class MaskDepthError(Exception):
    """Base of the errors below; the message is the whole line that is printed."""

    exit_code = 1

    def __init_subclass__(cls, exit_code: int = 1) -> None:
        cls.exit_code = exit_code


class UsageError(MaskDepthError, ValueError, exit_code=2):
    """A flag, a config key or a config value is wrong."""


class DataError(MaskDepthError, ValueError, exit_code=3):
    """A picture, a labels file or a data set is missing, damaged or inconsistent."""


class StateError(MaskDepthError, RuntimeError, exit_code=4):
    """A run folder, checkpoint or model is damaged or does not fit."""


class DiskFullError(MaskDepthError, OSError, exit_code=5):
    """The disk has no room for what must be written."""


class LockedError(MaskDepthError, RuntimeError, exit_code=6):
    """Another process is at work in the run folder."""


class NonFiniteError(MaskDepthError, ArithmeticError, exit_code=7):
    """The loss became NaN or infinite."""


class WorkerLostError(MaskDepthError, RuntimeError, exit_code=8):
    """Another process of a training on several hosts is gone."""


class ServerError(MaskDepthError, RuntimeError, exit_code=9):
    """A server cannot be reached, refuses a request, or answers something else."""


class RefusedError(ServerError, exit_code=9):
    """A server refuses a request for what is in it; it may answer others."""


class Stopped(MaskDepthError):
    """A signal asked to stop, and everything is kept.

    Args:
        message: What was kept, and where to go on.
        signum: The signal.
    """

    def __init__(self, message: str, signum: int) -> None:
        super().__init__(message)
        self.exit_code = 128 + signum


def nearest(word: object, names: Iterable[str]) -> str:
    """The name that is most like a word; errors suggest it."""
    return difflib.get_close_matches(str(word), names, n=1, cutoff=0)[0]


def is_within(value: float, least: float, most: float | None) -> bool:
    """Whether a number is in a range and finite; NaN is in none."""
    return least <= value < math.inf and (most is None or value <= most)


def limits(least: float, most: float | None) -> str:
    """A range as errors tell it."""
    return f"{least} or more" if most is None else f"{least} to {most}"


def check_range(
    name: str, value: float | None, least: float, most: float | None = None
) -> None:
    """Refuses, with a UsageError, what is out of range; None was not given."""
    if value is not None and not is_within(value, least, most):
        raise UsageError(f"{name} must be {limits(least, most)}. Received: {value}")


def in_one_line(error: Exception) -> str:
    """An error of another package, at most 200 characters of it."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", str(error))  # Keras prints in bold
    return " ".join(plain.split())[:200] or type(error).__name__


def is_full_disk(error: BaseException) -> bool:
    """Whether it says that a disk, or one's share of it, is full."""
    return getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT)
