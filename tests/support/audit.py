"""Which files are opened."""

import contextlib
import sys

OPENED: list[str] | None = None


def _note_open(event, arguments):
    if event == "open" and OPENED is not None:
        path = str(arguments[0])
        if not path.endswith((".py", ".pyc")):  # Python's own: codecs come when needed
            OPENED.append(path)


sys.addaudithook(_note_open)


@contextlib.contextmanager
def opened():
    """The files that Python opens meanwhile."""
    global OPENED
    OPENED = []
    try:
        yield OPENED
    finally:
        OPENED = None
