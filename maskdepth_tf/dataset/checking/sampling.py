"""A few rows of a set, looked at as `verify` does before anything is made of it.

Pictures whose masks are 0 and 1, or whose depth is in millimetres, can be trained on
and teach nothing. What `verify` would call bad in most rows is refused here, at the
cost of `MOST_ROWS` rows. Missing and damaged pictures are for others to name.

A background that differs is brought onto its picture first, as training does it: of
48 hand-held pairs all then fit, of the same with exchanged rooms none.
"""

import os
import sys
from collections import Counter
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from maskdepth_tf import errors, startup, streams
from maskdepth_tf.dataset.checking import consensus, decoding, measures
from maskdepth_tf.dataset.checking.findings import Fault, Inspected
from maskdepth_tf.dataset.checking.inspection import Inspector
from maskdepth_tf.images import headers, stores
from maskdepth_tf.input import labels

MOST_ROWS = 32
"""Rows that are looked at, spread evenly over the set."""
_Item = TypeVar("_Item")

IGNORED = ("missing", "unreadable", "wrong_size")
"""Kinds of faults that headers or decoders name, each with its line."""


def spread(items: Sequence[_Item], count: int) -> list[_Item]:
    """Takes `count` items at equal distances, all if there are no more.

    >>> spread("abcdefg", 3)
    ['a', 'd', 'g']
    """
    if count >= len(items):
        return list(items)
    last = max(1, count - 1)
    return [items[place * (len(items) - 1) // last] for place in range(count)]


def check_rows(
    labels_path: str | os.PathLike,
    rows: Sequence[labels.Row],
    source: stores.Pictures,
) -> None:
    """Refuses a set most rows of which are bad.

    Args:
        labels_path: What errors call the set.
        rows: Its rows; `fg` is not looked at.
        source: Their pictures.

    Raises:
        DataError: Of the rows looked at more than half are bad; tells what was seen.
    """
    # Where only new rooms are kept apart, the cut-outs need not be there.
    looked_at = [r._replace(fg=r.bg) for r in spread(rows, MOST_ROWS)]
    tell_remarks(labels_path, looked_at, source)
    faults = _faults(looked_at, source)
    num_bad = sum(map(bool, faults))
    if 2 * num_bad <= len(looked_at):
        return
    counts = Counter(fault.kind for found in faults for fault in found)
    seen = [
        f"{count} {kind} ({_example(kind, looked_at, faults, source)})"
        for kind, count in counts.most_common()
    ]
    raise errors.DataError(
        f"{os.fspath(labels_path)}: most rows must be good. Received: of "
        f"{len(looked_at)} that were looked at {num_bad} bad: {', '.join(seen)}; "
        "`maskdepth dataset verify` names all, `maskdepth dataset index --convert` "
        "takes other values of masks and depth"
    )


def tell_remarks(
    labels_path: str | os.PathLike,
    rows: Sequence[labels.Row],
    source: stores.Pictures,
) -> None:
    """Warns of pictures that are used, but not as other programs show them.

    Args:
        labels_path: What warnings call the set.
        rows: Those to look at.
        source: Their pictures; missing and damaged ones are passed over.
    """
    startup.load_tensorflow()  # before `endings` would, with all that it says
    from maskdepth_tf.images import endings, profiles

    found: dict[str, list[str]] = {}
    for name in dict.fromkeys(name for row in rows for name in (row.bg, row.fg_bg)):
        try:
            data = source.read(name)
            profile = headers.profile_of(data, name)
        except errors.DataError:
            continue
        if endings.lacks_end(data):
            found.setdefault("are JPEGs without an end marker", []).append(name)
        if not profiles.is_srgb(profile):
            text = f"have the colour profile {profiles.name_of(profile)}, which "
            found.setdefault(f"{text}training ignores", []).append(name)
    for text, names in found.items():
        print(
            f"warning: {os.fspath(labels_path)}: of the pictures of {len(rows)} rows "
            f"{len(names)} {text}, as {names[0]}",
            file=sys.stderr,
        )


def _example(kind, rows, faults, source) -> str:
    """What was seen of a kind of fault."""
    found = [(r, f) for r, some in zip(rows, faults, strict=True) for f in some]
    found = [(row, fault) for row, fault in found if fault.kind == kind]
    if kind == "empty_mask":
        masks = [decoding.decode(source, "mask", row.mask) for row, _ in found]
        return f"the greatest value of the masks is {max(map(np.max, masks))} of 255"
    row, fault = found[0]
    return f"{row.depth if 'depth' in kind else row.fg_bg}: {fault.text}"


def _faults(rows, source) -> list[list[Fault]]:
    """What is wrong with each row that is not `IGNORED`."""
    inspected = Inspector(source).inspect_rows(rows)
    faults = [[f for f in i.faults if f.kind not in IGNORED] for i in inspected]
    differing = [n for n, some in enumerate(faults) if _is_of_background(some)]
    fits = _fit_when_registered([rows[n] for n in differing], source)
    for number, is_right in zip(differing, fits, strict=True):
        if is_right:
            faults[number] = [f for f in faults[number] if not _is_of_background([f])]
    for number, fault in _depth_faults(rows, inspected, faults):
        faults[number].append(fault)
    return faults


def _is_of_background(faults: list[Fault]) -> bool:
    return any(fault.kind == "wrong_background" for fault in faults)


def _depth_faults(rows, inspected: list[Inspected], faults):
    """Number of a row and its fault, of rows without another."""
    judged = [
        n for n, i in enumerate(inspected) if i.depth is not None and not faults[n]
    ]
    depths = [found.depth for n in judged if (found := inspected[n]).depth]
    for place, fault in consensus.depth_faults([rows[n].bg for n in judged], depths):
        yield judged[place], fault


def _fit_when_registered(rows, source: stores.Pictures) -> list[bool]:
    """Whether backgrounds fit outside the mask once they lie on their pictures."""
    if not rows:
        return []
    import tensorflow as tf

    from maskdepth_tf.images import preprocessing
    from maskdepth_tf.registration import registering

    def load(stream):
        names = [getattr(row, stream.name) for row in rows]
        data = tf.constant([source.read(name) for name in names])
        return preprocessing.batch_loader(stream, measures.SIZE)(data)

    bg, fg_bg = (tf.cast(load(stream), tf.float32) for stream in streams.INPUTS)
    registered = registering.register(bg, fg_bg).bg.numpy()
    fits = []
    for row, room, whole in zip(rows, registered, fg_bg.numpy(), strict=True):
        mask = decoding.decode(source, "mask", row.mask)
        small = preprocessing.resize(mask, measures.SIZE).numpy()[..., 0]
        shown, seen = (measures.cells(p, measures.CELLS) for p in (room, whole))
        outside = measures.outside_cells(small)
        fits.append(measures.agree(shown, seen, outside, min(mask.shape[:2])))
    return fits
