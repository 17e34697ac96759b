"""How the pictures of a folder went, kept beside their results: a line of JSON each.

So the page of a folder that was gone on with tells of all its pictures. A line follows
the results that it tells of; one that a kill cut off counts as none.
"""

import base64
import contextlib
import json
import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from maskdepth_tf import files
from maskdepth_tf.errors import DataError
from maskdepth_tf.images import pairs

if TYPE_CHECKING:
    from maskdepth_tf.inference.predicting import Outcome

FILE = "outcomes.jsonl"
UNKNOWN = "predicted earlier; what was noticed then was not kept"
"""What is told of results without a line."""
Kept = dict[str, dict]
"""Name of a pair -> values of its `Outcome`."""
_VALUES = {"coverage", "seconds", "corrected", "doubts", "error", "thumbnail"}


def read(folder: str) -> Kept:
    """Reads what is kept in an output folder, if there is any.

    Returns:
        Name of a pair -> values of its `Outcome`; the last line of a name counts, and
        what is no such line is passed over.
    """
    kept = {}
    is_none = (FileNotFoundError, NotADirectoryError)
    with contextlib.suppress(*is_none), open(_path(folder), "rb") as file:
        for line in file:
            with contextlib.suppress(ValueError, TypeError, AttributeError, KeyError):
                values = json.loads(line)
                name = values.pop("name")
                values["thumbnail"] = base64.b64decode(values["thumbnail"])
                if values.keys() == _VALUES:
                    kept[name] = values
    return kept


@contextlib.contextmanager
def keeping(folder: str, kept: Kept) -> Iterator[Callable[["Outcome"], None]]:
    """Gives what keeps an outcome, at once.

    Args:
        folder: The output folder, which must be there.
        kept: What `read` gave; it stays.

    Raises:
        OSError: If the file cannot be written.
    """
    lines = [_line(name, values) for name, values in kept.items()]
    files.write_atomically(_path(folder), b"".join(lines))
    with open(_path(folder), "ab") as file:

        def keep(outcome: "Outcome") -> None:
            values = outcome.to_json() | {"thumbnail": outcome.thumbnail}
            file.write(_line(outcome.pair.name, values))
            file.flush()

        yield keep


def recall(pair: pairs.Pair, folder: str, kept: Kept) -> "Outcome":
    """How a pair went earlier; without a line for it, what its mask still tells."""
    from maskdepth_tf.images import pictures
    from maskdepth_tf.inference.predicting import Outcome

    if pair.name in kept:
        return Outcome(pair, **kept[pair.name])
    outcome = Outcome(pair, doubts=[UNKNOWN])
    try:
        mask = pictures.read(pairs.output_paths(folder, pair.name)["mask"])
        outcome.coverage = float((mask.pixels >= 128).mean())
    except (DataError, OSError) as error:
        outcome.fail(error)
    return outcome


def _path(folder) -> str:
    return os.path.join(folder, FILE)


def _line(name, values) -> bytes:
    thumbnail = base64.b64encode(values["thumbnail"]).decode()
    told = {"name": name, **values, "thumbnail": thumbnail}
    return json.dumps(told).encode() + b"\n"
