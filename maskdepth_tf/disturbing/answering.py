"""What networks answer to samples, some at a time."""

import time
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, TypeVar

import numpy as np
import tensorflow as tf

from maskdepth_tf import streams
from maskdepth_tf.disturbing.samples import Sample, Score, score
from maskdepth_tf.inference.scoring import Scorable

BATCH = 32
"""Samples at a time: always as many, so that a network is traced once."""
NETWORK, BARE = "network", "bare"
LABELS = {NETWORK: "network", BARE: "network, not registered"}
"""What people call the networks, by their keys in figures."""


_Item = TypeVar("_Item")


class Answered(NamedTuple):
    """A sample with the networks' answers.

    Attributes:
        sample: The sample, with the networks' scores added.
        mask: bool [S, S], the network's.
        depth: float32 [S, S, 1], the network's.
        mismatch: `comparing.mismatch`, 0 to 1.
    """

    sample: Sample
    mask: np.ndarray
    depth: np.ndarray
    mismatch: float


def functions(model: Scorable) -> dict:
    """The model's functions by key: as it is used, and not registered."""
    return {NETWORK: model.outputs, BARE: model.bare}


def batches(items: Iterable[_Item]) -> Iterator[list[_Item]]:
    """Takes `BATCH` items together, at the end what is left."""
    batch: list[_Item] = []
    for item in items:
        batch.append(item)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def answer(model: Scorable, samples: Iterable[Sample]) -> Iterator[Answered]:
    """Has the networks answer samples, in their order.

    Args:
        model: The network.
        samples: The samples; few are held at once.

    Yields:
        One a sample.
    """
    run = functions(model)
    for function in run.values():  # traces it: no sample should have to wait for that
        black = np.zeros((model.image_size, model.image_size, 3))
        function(_inputs([(black, black, 1.0)]))
    for batch in batches(samples):
        inputs = _inputs([(s.pair.bg, s.pair.fg_bg, s.aspect) for s in batch])
        found, seconds = {}, {}
        for key, function in run.items():
            begun = time.perf_counter()
            outputs = function(inputs)
            found[key] = {name: value.numpy() for name, value in outputs.items()}
            seconds[key] = (time.perf_counter() - begun) / BATCH
        for place, sample in enumerate(batch):
            masks = {key: found[key]["mask"][place, ..., 0] > 0 for key in run}
            scores: dict[str, Score] = {
                key: score(mask, sample.pair.truth, seconds[key])
                for key, mask in masks.items()
            }
            yield Answered(
                sample._replace(scores=scores | sample.scores),
                masks[NETWORK],
                found[NETWORK]["depth"][place],
                float(found[NETWORK]["background_mismatch"][place]),
            )


def _inputs(pairs: Sequence) -> dict[str, tf.Tensor]:
    """Pairs and their aspects, `BATCH` at most, as a batch; the last one fills it."""
    filled = [*pairs, *[pairs[-1]] * (BATCH - len(pairs))]
    *pictures, aspects = zip(*filled, strict=True)
    bg, fg_bg = (tf.constant(np.stack(side).astype(np.uint8)) for side in pictures)
    shape = tf.constant(aspects, tf.float32)
    return {"bg": bg, "fg_bg": fg_bg, streams.ASPECT: shape}
