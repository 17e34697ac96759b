"""Labelled pictures in, batches out: every batch is a pure function of (seed, step).

A training run is one endless row of steps. Which examples a step shows is asked of
a permutation that can answer for one place, so that there is no shuffle buffer to
fill, nothing to save, and a run that starts at step k sees exactly what a run from
step 0 sees from there on, whatever the number of parallel calls.

Batches are pairs of dicts: inputs `bg` and `fg_bg`, uint8 [B, S, S, 3]; targets
`mask`, float32 0 or 1, and `depth`, float32 in [0, 1] or, in holes, -1 less that, both
[B, S, S, 1].
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import tensorflow as tf

from maskdepth_tf import streams, workers
from maskdepth_tf.errors import DataError
from maskdepth_tf.images import preprocessing, stores
from maskdepth_tf.input import augmentation, services
from maskdepth_tf.input.labels import Row
from maskdepth_tf.registration import registering

Load = Callable[[tf.Tensor], augmentation.Streams]
_BATCH_PIXELS = 64**3
Batch = tuple[dict[str, tf.Tensor], dict[str, tf.Tensor]]


def load_rows(
    rows: Sequence[Row],
    root: str,
    image_size: int,
    in_memory: Sequence[streams.Stream],
    chosen: Sequence[streams.Stream] = streams.STREAMS,
) -> Load:
    """Serves some streams from memory, the others from their files.

    Args:
        rows: Labels, paths below `root`.
        root: Folder that the paths start from.
        image_size: Side of the pictures in memory, in pixels.
        in_memory: Streams that are kept in memory.
        chosen: All that are served.

    Returns:
        A function from int64 [B], the rows' numbers, to the streams of a batch.
    """
    others = [stream for stream in chosen if stream not in in_memory]
    from_memory = load_memory(rows, stores.Folder(root), image_size, in_memory)
    from_files = load_files(rows, root, image_size, others)
    return lambda indices: from_memory(indices) | from_files(indices)


def streams_in_memory(
    rows: Sequence[Row],
    image_size: int,
    memory_bytes: float,
    chosen: Sequence[streams.Stream] = streams.STREAMS,
) -> list[streams.Stream]:
    """Chooses the streams that fit, those with the fewest bytes first.

    So backgrounds, which many rows share, come before composites.
    """
    in_memory: list[streams.Stream] = []
    free_bytes = memory_bytes
    sizes = {s: stream_bytes(rows, s, image_size) for s in chosen}
    for stream in sorted(sizes, key=sizes.__getitem__):
        if sizes[stream] <= free_bytes:
            in_memory.append(stream)
            free_bytes -= sizes[stream]
    return in_memory


def read_files(
    rows: Sequence[Row], root: str, chosen: Sequence[streams.Stream] = streams.STREAMS
) -> Callable[[tf.Tensor], dict[str, tf.Tensor]]:
    """Reads encoded pictures of a batch from their files.

    Args:
        rows: Labels, paths below `root`.
        root: Folder that the paths start from.
        chosen: Streams that are read.

    Returns:
        A function from int64 [B], the rows' numbers, to strings [B] by stream.
    """
    # Whole: an input service starts from a folder of its own.
    root = os.path.abspath(root)
    paths = {
        stream.name: tf.constant([getattr(row, stream.name) for row in rows])
        for stream in chosen
    }

    def read(own: tf.Tensor) -> tf.Tensor:
        return tf.map_fn(tf.io.read_file, tf.strings.join([root, own], os.sep))

    return lambda indices: {
        name: read(tf.gather(own, indices)) for name, own in paths.items()
    }


def load_files(
    rows: Sequence[Row],
    root: str,
    image_size: int,
    chosen: Sequence[streams.Stream] = streams.STREAMS,
) -> Load:
    """Reads, decodes and resizes pictures of an example from their files.

    Args:
        rows: Labels, paths below `root`.
        root: Folder that the paths start from.
        image_size: Side of the pictures in memory, in pixels.
        chosen: Streams that are served.

    Returns:
        A function as that of `load_rows`, for these streams.
    """
    read = read_files(rows, root, chosen)
    load = {s.name: preprocessing.batch_loader(s, image_size) for s in chosen}
    return lambda indices: {
        name: load[name](data) for name, data in read(indices).items()
    }


def load_memory(
    rows: Sequence[Row],
    store: stores.Pictures,
    image_size: int,
    chosen: Sequence[streams.Stream] = streams.STREAMS,
) -> Load:
    """Decodes all rows once and serves them from memory.

    Each picture is kept once, however many rows share it. The pixels are those of
    `load_files`.

    Args:
        rows: Labels.
        store: Their pictures.
        image_size: Side of the pictures in memory, in pixels.
        chosen: Streams that are served.

    Returns:
        A function as that of `load_rows`, for these streams.
    """
    arrays, places = {}, {}
    for stream in chosen:
        names, place = np.unique(
            [getattr(row, stream.name) for row in rows], return_inverse=True
        )
        # On a machine with a GPU too: pictures are picked by the host.
        with tf.device("CPU:0"):
            arrays[stream.name] = tf.constant(
                decode(names.tolist(), store, stream, image_size)
            )
            places[stream.name] = tf.constant(place, tf.int64)

    return lambda indices: {
        name: tf.gather(arrays[name], tf.gather(places[name], indices))
        for name in arrays
    }


def decode(
    names: Sequence[str],
    store: stores.Pictures,
    stream: streams.Stream,
    image_size: int,
) -> np.ndarray:
    """Decodes pictures of one stream: [N, S, S, C] in the stream's type."""
    shape = (len(names), image_size, image_size, stream.channels)
    pixels = np.empty(shape, stream.dtype)
    start = 0
    for batch in decoded_batches(names, store, stream, image_size):
        pixels[start : start + len(batch)] = batch
        start += len(batch)
    return pixels


def decoded_batches(
    names: Sequence[str],
    store: stores.Pictures,
    stream: streams.Stream,
    image_size: int,
) -> Iterator[np.ndarray]:
    """Decodes pictures of one stream, in order, on all cores.

    Args:
        names: The pictures.
        store: Where they are read from.
        stream: Which of the four pictures they are.
        image_size: Side of the result, in pixels.

    Yields:
        [B, S, S, C] in the stream's type.

    Raises:
        DataError: If a picture is missing or damaged; names it.
    """
    load = preprocessing.batch_loader(stream, image_size)

    def decode_batch(_, part):
        return load(tf.constant([store.read(name) for name in part])).numpy()

    start = 0
    try:
        # A data set would optimize the graph of all formats anew each time, which takes
        # most of a second.
        with ThreadPoolExecutor(os.cpu_count()) as threads:
            pool = workers.Pool(threads)
            for batch in pool.in_order(decode_batch, parts(names, image_size)):
                yield batch
                start += len(batch)
    except tf.errors.OpError:
        name_damaged(names[start:], store, stream)
        raise


def parts(names: Sequence[str], image_size: int) -> Iterator[Sequence[str]]:
    """Divides pictures, in order, into those that are decoded together."""
    # Larger pictures gain less from being many, and take more memory.
    count = min(preprocessing.PART, max(1, _BATCH_PIXELS // image_size**2))
    for start in range(0, len(names), count):
        yield names[start : start + count]


def decode_part(
    names: Sequence[str],
    store: stores.Pictures,
    stream: streams.Stream,
    image_size: int,
) -> np.ndarray:
    """Decodes one batch of `decoded_batches` in this thread."""
    data = tf.constant([store.read(name) for name in names])
    try:
        return preprocessing.batch_loader(stream, image_size)(data).numpy()
    except tf.errors.OpError:
        name_damaged(names, store, stream)
        raise


def name_damaged(
    names: Iterable[str], store: stores.Pictures, stream: streams.Stream
) -> None:
    """Names the first picture that cannot be read or decoded.

    Raises:
        DataError: If there is such a picture.
    """
    for name in names:
        data = store.read(name)
        try:
            preprocessing.load(tf.constant(data), stream, image_size=1)
        except tf.errors.OpError as error:
            where = store.place(name)
            raise DataError(f"{where}: cannot be decoded as a picture") from error


def stream_bytes(rows: Sequence[Row], stream: streams.Stream, image_size: int) -> int:
    """Counts the bytes of a stream that `load_memory` keeps."""
    count = len({getattr(row, stream.name) for row in rows})
    return count * image_size**2 * stream.channels * np.dtype(stream.dtype).itemsize


def registered(example: augmentation.Streams) -> augmentation.Streams:
    """Brings the backgrounds of a batch onto their pictures, as prediction does."""
    rest = dict(example)
    bg, fg_bg = (tf.cast(rest[s.name], tf.float32) for s in streams.INPUTS)
    bg = registering.register(bg, fg_bg, aspect=rest.pop(streams.ASPECT, None)).bg
    return rest | {"bg": tf.cast(bg, tf.uint8)}


def split_example(example: augmentation.Streams) -> Batch:
    """Divides a batch into inputs, `streams.ASPECT` beside them, and targets."""
    names = [*(stream.name for stream in streams.INPUTS), streams.ASPECT]
    inputs = {name: example[name] for name in names if name in example}
    depth = example["depth"]
    if depth.dtype == streams.HOLED_DEPTH.dtype:
        is_known = depth >= 0
        filled = tf.cast(preprocessing.with_holes(depth, is_known), tf.float32)
        depth = preprocessing.with_holes(filled / streams.DEPTH_SCALE, is_known)
    else:
        depth = tf.cast(depth, tf.float32) / streams.DEPTH_SCALE
    return inputs, {"mask": tf.cast(example["mask"], tf.float32), "depth": depth}


def example_ids(
    step: tf.Tensor,
    *,
    num_examples: int,
    batch_size: int,
    steps_per_epoch: int,
    seed: int,
) -> tf.Tensor:
    """The examples of one training step.

    Each epoch has an order of its own and visits no example twice; those at the end
    of the order that its steps have no room for are left out.

    Args:
        step: int64 scalar, counted from the start of training.
        num_examples: Examples in the split.
        batch_size: Examples per step.
        steps_per_epoch: Steps of an epoch, at most `num_examples // batch_size`.
        seed: Seed of the order.

    Returns:
        int64 [batch_size], indices into the split.
    """
    epoch, position = step // steps_per_epoch, step % steps_per_epoch
    slots = position * batch_size + tf.range(batch_size, dtype=tf.int64)
    return tf.random.experimental.index_shuffle(
        slots,
        seed=tf.stack([tf.constant(seed, tf.int64), epoch]),
        max_index=num_examples - 1,
    )


def make_training_dataset(
    load: Load,
    ids: np.ndarray,
    augment: augmentation.Augment | None,
    *,
    batch_size: int,
    steps_per_epoch: int,
    first_step: int,
    last_step: int,
    seed: int,
    replicas: Sequence[int] = (0,),
    num_replicas: int = 1,
    prepared_by: Sequence[str] = (),
) -> tf.data.Dataset:
    """Batches of steps `first_step` to `last_step`, the latter excluded.

    Where several replicas share each batch, it is divided among them in its order.

    Args:
        load: From rows' numbers to a batch.
        ids: int64 [N], the split's rows.
        augment: From a batch and its draws to a batch. With None the step prepares
            them: elements are pairs of a batch's four streams and its draws.
        batch_size: Examples per step.
        steps_per_epoch: Steps of an epoch; together at most N examples.
        first_step: Step to start at, counted from the start of training.
        last_step: Step to end before.
        seed: Seed of order and augmentation.
        replicas: Numbers of those that are fed, in turns.
        num_replicas: How many share a batch; divides `batch_size`.
        prepared_by: Input services that do it, as `services.take_turns` says.

    Returns:
        A data set of batches, or of shares of them, one static shape.
    """
    rows, numbers = tf.constant(ids, tf.int64), tf.constant(replicas, tf.int64)
    size = batch_size // num_replicas

    def load_batch(turn: tf.Tensor) -> Batch | tuple[augmentation.Streams, tf.Tensor]:
        step, replica = turn // len(replicas), numbers[turn % len(replicas)]
        slots = example_ids(
            step,
            num_examples=len(ids),
            batch_size=batch_size,
            steps_per_epoch=steps_per_epoch,
            seed=seed,
        )
        slots = tf.ensure_shape(slots[replica * size : (replica + 1) * size], [size])
        draws = augmentation.example_draws(seed, step // steps_per_epoch, slots)
        batch = load(tf.gather(rows, slots))
        return split_example(augment(batch, draws)) if augment else (batch, draws)

    first, last = first_step * len(replicas), last_step * len(replicas)
    turns, prepare = tf.data.Dataset.range(first, last), _each_by(load_batch)
    return services.take_turns(turns, prepare, prepared_by)


def make_evaluation_dataset(
    load: Load, ids: np.ndarray, *, batch_size: int, worker: int = 0, workers: int = 1
) -> tf.data.Dataset:
    """Makes batches of every example of a split, once and in order.

    The last batch may be smaller. Where several workers share the batches, each has
    every `workers`-th of them.
    """
    rows = tf.data.Dataset.from_tensor_slices(np.asarray(ids, np.int64))
    shares = rows.batch(batch_size).shard(workers, worker)
    return _each_by(lambda indices: split_example(load(indices)))(shares)


def _each_by(load: Callable) -> Callable[[tf.data.Dataset], tf.data.Dataset]:
    """Makes a function that loads each element of a data set, in order and ahead."""
    # AutoGraph would take seconds to find that there is nothing for it to convert.
    load = tf.autograph.experimental.do_not_convert(load)
    # Whole batches at a time: one operation on 32 pictures costs little more than on
    # one.
    return lambda numbers: numbers.map(
        load, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
    ).prefetch(tf.data.AUTOTUNE)
