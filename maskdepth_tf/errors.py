"""Errors that a user can mend, each with the exit code of its kind.

A command that meets one prints a single line and ends with its code; any other
exception is a defect of ours and keeps its traceback.
"""

import difflib
from collections.abc import Iterable


class MaskDepthError(Exception):
    """Base of the errors below; the message is the whole line that is printed."""

    exit_code = 1


class UsageError(MaskDepthError, ValueError):
    """A flag, a config key or a config value is wrong."""

    exit_code = 2


class DataError(MaskDepthError, ValueError):
    """A picture, a labels file or a data set is missing, damaged or inconsistent."""

    exit_code = 3


class StateError(MaskDepthError, RuntimeError):
    """A run folder, checkpoint or model is damaged or does not fit."""

    exit_code = 4


class DiskFullError(MaskDepthError, OSError):
    """The disk has no room for what must be written."""

    exit_code = 5


class LockedError(MaskDepthError, RuntimeError):
    """Another process is at work in the run folder."""

    exit_code = 6


class NonFiniteError(MaskDepthError, ArithmeticError):
    """The loss became NaN or infinite."""

    exit_code = 7


class WorkerLostError(MaskDepthError, RuntimeError):
    """Another process of a training on several hosts is gone."""

    exit_code = 8


class ServerError(MaskDepthError, RuntimeError):
    """A server cannot be reached, refuses a request, or answers something else."""

    exit_code = 9


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


def check_range(
    name: str, value: float | None, least: float, most: float | None = None
) -> None:
    """Refuses, with a UsageError, what is out of range; None was not given.

    Args:
        name: The flag, or the key of a plan.
        value: What it was given.
        least: Least value that is allowed.
        most: Greatest one, if there is one.
    """
    if value is None or (least <= value and (most is None or value <= most)):
        return
    limits = f"{least} or more" if most is None else f"{least} to {most}"
    raise UsageError(f"{name} must be {limits}. Received: {value}")
