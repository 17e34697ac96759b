"""Which rows train and which test, as a pure function of seed and pictures.

`random` shuffles rows, as the reference did: every background and every foreground
is on both sides, so that it measures memory as much as skill. `unseen` keeps whole
backgrounds and whole foregrounds apart, together with their mirrors, near-duplicates
and all that `groups.txt` puts into one group. Rows that show a view of a room
(`labels.room_of`) only train. A row without a known cut-out (`labels.knows_cutout`)
goes where its background goes: `unseen` then says nothing of foregrounds.
"""

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import tensorflow as tf

from maskdepth_tf import draws, streams, workers
from maskdepth_tf.errors import DataError
from maskdepth_tf.images import preprocessing, stores
from maskdepth_tf.input import groups, labels, pipeline
from maskdepth_tf.input.labels import Row

Split = dict[str, np.ndarray]

KINDS = ("random", "unseen")
"""Ways to split, by the names that a configuration has for them."""
VALIDATION_FRACTION = 0.05
"""Share of the training side that chooses the best epoch."""
HASH_SIDE = 16
"""Side of a difference hash, in bits."""
NEAR_DUPLICATE = 0.12
"""Greatest share of differing bits at which two pictures count as one: unrelated
pictures differ in about half of theirs."""

# Compared at once: the distances of all would take 8 times the memory of the answer.
_ROWS_AT_ONCE = 1000


def spread(ids: np.ndarray, count: int) -> np.ndarray:
    """Takes `count` rows, or all if they are fewer, evenly from all over `ids`.

    Neighbours often share a picture.
    """
    count = min(count, len(ids))
    return ids[np.arange(count) * len(ids) // count]


def random_split(rows: Sequence[Row], test_fraction: float, seed: int) -> Split:
    """Shuffles rows into two sides.

    Args:
        rows: Labels.
        test_fraction: Share that tests, in (0, 1); of the rows that may test.
        seed: Seed of the shuffle.

    Returns:
        Sorted row numbers, int64: `train` and `test`.
    """
    view = shows_view(rows)
    order = np.random.default_rng(seed).permutation(np.flatnonzero(~view))
    num_test = round(len(order) * test_fraction)
    train = np.concatenate([order[num_test:], np.flatnonzero(view)])
    return _checked({"train": np.sort(train), "test": np.sort(order[:num_test])})


def unseen_split(
    rows: Sequence[Row],
    test_fraction: float,
    seed: int,
    bg_groups: dict[str, int],
    fg_groups: dict[str, int],
) -> Split:
    """Keeps the backgrounds and foregrounds of testing out of training.

    Args:
        rows: Labels.
        test_fraction: Share of backgrounds, and of foregrounds, that test.
        seed: Seed of the choice.
        bg_groups: Group of every background that is no view; a group is never
            divided, and views go where their room goes.
        fg_groups: Group of every foreground that is known.

    Returns:
        Sorted row numbers, int64: `train`; `test`, where both pictures are new;
        `new_bg` and `new_fg`, where only one is. The last two are in no training.
    """
    new_bg = _held_out(bg_groups, test_fraction, [seed, draws.Split.ROOMS])
    new_fg = _held_out(fg_groups, test_fraction, [seed, draws.Split.CUTOUTS])
    bg = np.array([labels.room_of(row.bg) in new_bg for row in rows])
    known = np.array([labels.knows_cutout(row) for row in rows])
    fg = np.where(known, [row.fg in new_fg for row in rows], bg)
    may_test = ~shows_view(rows)
    sides = {
        "train": ~bg & ~fg,
        "test": bg & fg & may_test,
        "new_bg": bg & ~fg & may_test,
        "new_fg": ~bg & fg & may_test,
    }
    return _checked({name: np.flatnonzero(side) for name, side in sides.items()})


def shows_view(rows: Sequence[Row]) -> np.ndarray:
    """Whether each row's background is a view of a room: bool [N]."""
    return np.array([labels.room_of(row.bg) != row.bg for row in rows], bool)


def hold_out_validation(split: Split, rows: Sequence[Row], seed: int) -> Split:
    """Takes `validation` out of `train`: rows that choose the best epoch.

    The test rows choose nothing, so that their figures stay those of pictures that
    nobody has looked at.

    Args:
        split: With a `train` side.
        rows: Labels.
        seed: Seed of the choice.

    Returns:
        The same with `validation`, `VALIDATION_FRACTION` of what is no view in
        `train` and one row at least.
    """
    train = split["train"]
    view = shows_view(rows)[train]
    order = np.random.default_rng([seed, draws.Split.VALIDATION]).permutation(
        train[~view]
    )
    count = max(1, round(len(order) * VALIDATION_FRACTION))
    left = np.concatenate([order[count:], train[view]])
    sides = {"train": np.sort(left), "validation": np.sort(order[:count])}
    return _checked(split | sides)


def difference_hash(image: np.ndarray) -> np.ndarray:
    """Whether each spot of a picture is brighter than its right neighbour.

    Args:
        image: uint8 [HASH_SIDE, HASH_SIDE + 1], grey.

    Returns:
        bool [HASH_SIDE ** 2].
    """
    image = image.astype("int16")
    return (image[:, :-1] > image[:, 1:]).ravel()


def group_near_duplicates(
    thumbnails: dict[str, np.ndarray], known: Mapping[str, str] | None = None
) -> dict[str, int]:
    """Groups pictures that are equal, nearly equal, or mirrors of each other.

    Args:
        thumbnails: uint8 [HASH_SIDE, HASH_SIDE + 1] grey pictures, by name.
        known: Groups that they are in besides, by name, as `groups.read` gives them.

    Returns:
        Group of each name; groups are numbered in the names' order.
    """
    names = sorted(thumbnails)
    plain = np.array([difference_hash(thumbnails[name]) for name in names])
    mirror = np.array([difference_hash(thumbnails[name][:, ::-1]) for name in names])
    near = _near_duplicates(plain, mirror)
    if known:
        words = [known.get(name, name) for name in names]
        _, number = np.unique(words, return_inverse=True)
        near |= number[:, None] == number
    group = np.full(len(names), -1)
    for first in range(len(names)):
        reached = np.array([first] if group[first] < 0 else [], int)
        while len(reached):
            group[reached] = first
            reached = np.flatnonzero(near[reached].any(axis=0) & (group < 0))
    return dict(zip(names, group.tolist(), strict=True))


def _near_duplicates(plain, mirror):
    """Which pictures nearly equal which others or their mirrors: bool [N, N]."""
    near = np.zeros((len(plain), len(plain)), bool)
    for start in range(0, len(plain), _ROWS_AT_ONCE):
        block = plain[start : start + _ROWS_AT_ONCE]
        distance = np.minimum(_distances(block, plain), _distances(block, mirror))
        near[start : start + _ROWS_AT_ONCE] = distance <= NEAR_DUPLICATE
    # Hashes of mirrors are not mirrors of hashes: equal neighbours are False in both.
    return near | near.T


def _distances(a, b):
    a, b = (2.0 * bits - 1.0 for bits in (a, b))
    return (1.0 - a @ b.T / a.shape[1]) / 2.0


def _held_out(groups, fraction, seed):
    """Whole groups, in a seeded order, until `fraction` of the names is reached."""
    members = {}
    for name in sorted(groups):
        members.setdefault(groups[name], []).append(name)
    order = np.random.default_rng(seed).permutation(sorted(members))
    held_out = set()
    for group in order:
        if len(held_out) + len(members[group]) / 2 <= fraction * len(groups):
            held_out.update(members[group])
    return held_out


def _checked(split):
    for side in ("train", "test"):
        if len(split[side]) == 0:
            raise DataError(
                f"the {side} side of a split must have rows: there are too few rows, "
                "backgrounds or foregrounds (one for all, as of a fixed camera, needs "
                "data.split=random). Received: "
                + ", ".join(f"{name} {len(ids)}" for name, ids in split.items())
            )
    return {name: ids.astype("int64") for name, ids in split.items()}


def draw_split(
    rows: Sequence[Row],
    store: stores.Pictures,
    kind: str,
    test_fraction: float,
    seed: int,
) -> Split:
    """Draws a split of rows with pictures in any store.

    Args:
        rows: Labels.
        store: Their pictures.
        kind: One of `KINDS`.
        test_fraction: Share that tests, in (0, 1).
        seed: Seed of the choice.

    Returns:
        Sorted row numbers of each side, int64; `validation` is taken from `train`.

    Raises:
        DataError: If a side would be empty, or `groups.txt` is faulty.
        ValueError: If `kind` is none of `KINDS`.
    """
    if kind not in KINDS:
        raise ValueError(f"`kind` must be one of {[*KINDS]}. Received: kind={kind!r}")
    if kind == "random":
        split = random_split(rows, test_fraction, seed)
    else:
        rooms = {row.bg for row in rows if labels.room_of(row.bg) == row.bg}
        cutouts = {row.fg for row in rows if labels.knows_cutout(row)}
        known = groups.read(store)
        grouped = [
            group_near_duplicates(thumbnails(names, store), known)
            for names in (rooms, cutouts)
        ]
        split = unseen_split(rows, test_fraction, seed, *grouped)
    return hold_out_validation(split, rows, seed)


@tf.function(input_signature=[tf.TensorSpec([], tf.string)], autograph=False)
def _thumbnail(data: tf.Tensor) -> tf.Tensor:
    pixels = preprocessing.resize(preprocessing.decode_rgb(data), HASH_SIDE + 1)
    return tf.cast(tf.round(tf.reduce_mean(pixels, axis=-1)[:-1]), tf.uint8)


def thumbnails(names: set[str], store: stores.Pictures) -> dict[str, np.ndarray]:
    """Makes the small pictures that `group_near_duplicates` compares, by name."""

    def make(_, name: str) -> np.ndarray:
        return _thumbnail(tf.constant(store.read(name))).numpy()

    ordered = sorted(names)
    try:
        with ThreadPoolExecutor(os.cpu_count()) as threads:
            made = workers.Pool(threads).in_order(make, ordered)
            return dict(zip(ordered, made, strict=True))
    except tf.errors.OpError:
        pipeline.name_damaged(ordered, store, streams.FG_BG)
        raise
