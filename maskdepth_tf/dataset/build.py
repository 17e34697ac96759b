"""Builds a packed set from cut-outs and rooms, without a file for each picture.

The arrays are those that `compose`, `depth` and `pack` give, byte by byte. The work is
cut into `shards`: it does not matter how many processes make them, or on which machine,
and a build that was killed goes on after the shards that are there.

While a build is under way, `OUTPUT.partial` holds its plan (build.yaml), sums of the
sources, `Background/`, `Foreground/`, `shards/<number>.npz` and at last the arrays.
"""

import argparse
import dataclasses
import functools
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from maskdepth_tf import cli, errors, files, schema, startup, workers
from maskdepth_tf.dataset import flags
from maskdepth_tf.dataset.checking import sampling
from maskdepth_tf.dataset.composing import presets
from maskdepth_tf.dataset.packing import arrays, preparation
from maskdepth_tf.dataset.packing.shards import SHARD_STREAMS, Build, Encoded, Shards
from maskdepth_tf.dataset.teachers import conventions, plausibility, ranges
from maskdepth_tf.images import stores
from maskdepth_tf.input import labels

TRIALS = (16, 80)
"""Rows that a dry run makes, twice, to tell the time that all will take."""


def build(
    plan: Build,
    *,
    num_workers: int = 1,
    force: bool = False,
    make_shards: Callable[[Shards], None] | None = None,
) -> dict:
    """Builds a packed set, or goes on with one.

    Args:
        plan: What to build.
        num_workers: Processes; the set does not depend on it.
        force: Whether to replace a packed set, and a build of another plan.
        make_shards: Has the shards made that are not there; the processes if None.

    Returns:
        The manifest.

    Raises:
        DataError: A source or the teacher is at fault.
        UsageError: The output exists.
        StateError: A build of another plan or other sources is under way there.
        DiskFullError: There is no room.
    """
    output = Path(plan.output)
    arrays.check_output(output, force)
    startup.load_tensorflow()
    partial = files.partial_of(output)
    shards, entries = preparation.prepare(plan, force)
    check = _make_all(shards, num_workers, make_shards)
    rows = [shards.composer.row(index) for index in range(shards.num_rows)]
    store = stores.Folder(partial)
    with files.unfinished_folder(partial, is_kept=True) as folder:
        _write_ranges(folder, shards, rows)
        text = (partial / preparation.PLAN).read_bytes()
        files.write_atomically(folder / preparation.PLAN, text)
        manifest = arrays.write_set(
            rows,
            store,
            functools.partial(_batches, shards, store),
            folder,
            image_size=plan.image_size,
            depth_dtype="uint8",
            test_fraction=plan.test_fraction,
            seed=plan.recipe.seed,
            build=schema.to_dict(plan),
            teacher={"sha256": shards.teacher.sha256, "check": check},
            sources=entries,
        )
        files.replace_folder(folder, output)
    return manifest


def _write_ranges(folder: Path, shards: Shards, rows: Sequence[labels.Row]) -> None:
    pairs = [pair for n in range(shards.count) for pair in _stored(shards, n)["ranges"]]
    limits = [(row.depth, *pair) for row, pair in zip(rows, pairs, strict=True)]
    convention = conventions.CONVENTIONS[shards.plan.convention]
    text = ranges.to_csv(limits, convention.is_metric)
    files.write_atomically(folder / ranges.RANGES, text)


def _check_teacher(shards: Shards) -> dict:
    """As `depth` does it, on the first rows."""
    partial = shards.composer.output
    encoded, rows = Encoded(), []
    for index in range(min(plausibility.NUM_ROWS, shards.num_rows)):
        row, composite, mask = shards.composer.encode_row(index)
        encoded[row.fg_bg] = composite
        for name, data in ((row.fg_bg, composite), (row.mask, mask)):
            path = partial / "first" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        rows.append(row)
    check = plausibility.check_teacher(
        partial / "first",
        rows,
        lambda name: shards.distance(encoded.read(name)),
        shards.plan.convention,
    )
    shutil.rmtree(partial / "first")
    return check


def _check_rows(shards: Shards) -> None:
    """As `pack` does it, of rows that are made for it."""
    chosen = sampling.spread(range(shards.num_rows), sampling.MOST_ROWS)
    rows, encoded, _ = shards.encode(chosen)
    store = stores.Folder(shards.composer.output)
    encoded |= {row.bg: store.read(row.bg) for row in rows}
    sampling.check_rows(shards.plan.output, rows, encoded)


def _make_all(
    shards: Shards,
    num_workers: int,
    make_shards: Callable[[Shards], None] | None = None,
) -> dict:
    """Makes views and the shards that are not there yet; the check of the teacher."""
    rooms = range(len(shards.composer.rooms)) if shards.plan.recipe.views else ()
    # Processes even for one worker: what they make is made on one core.
    with workers.pool(num_workers, shards, workers.with_tensorflow) as pool:
        views = {(room,): shards.plan.recipe.views for room in rooms}
        if views:
            pool.run(_write_views, views, "build", "views")
        check = _check_teacher(shards)
        _check_rows(shards)
        if make_shards is None:
            left = [n for n in range(shards.count) if shards.read(n) is None]
            jobs = {(number,): len(shards.rows_of(number)) for number in left}
            pool.run(Shards.make, jobs, "build", "rows")
    if make_shards is not None:
        make_shards(shards)
    return check


def _write_views(shards: Shards, room: int) -> None:
    shards.composer.write_views(room)


def _stored(shards: Shards, number: int) -> dict[str, np.ndarray]:
    arrays_of_rows = shards.read(number)
    if arrays_of_rows is None:
        raise errors.StateError(f"{shards.path(number)}: damaged; build again")
    return arrays_of_rows


def _batches(shards, store, stream, names) -> Iterator[np.ndarray]:
    from maskdepth_tf.input import pipeline

    if stream in SHARD_STREAMS:
        return (_stored(shards, n)[stream.name] for n in range(shards.count))
    return pipeline.decoded_batches(names, store, stream, shards.plan.image_size)


def load_plan(paths: Sequence[str], overrides: Sequence[str]) -> Build:
    """Reads a plan: YAML files, later ones over earlier ones, and "a.b=value" lines.

    Its recipe goes over that of its `preset`, one of those of `compose`.

    Raises:
        UsageError: A file, a key or a value is wrong.
    """
    given: dict = {}
    layers = [schema.read_yaml(path) for path in paths]
    for layer in layers + [schema.parse_override(text) for text in overrides]:
        schema.merge(given, layer)
    preset = given.pop("preset", "reference")
    if preset not in list(presets.PRESETS):  # it may be a list
        raise errors.UsageError(
            f"preset must be one of {', '.join(presets.PRESETS)}. Received: {preset}"
        )
    values = schema.to_dict(Build())
    schema.merge(values, {"recipe": presets.PRESETS[preset]})
    schema.merge(values, given)
    return schema.build(Build, values)


def describe(plan: Build, num_workers: int) -> str:
    """What a build would do, from the making of a few rows; leaves nothing."""
    folder = tempfile.mkdtemp(prefix="maskdepth_build_")
    try:
        trial = dataclasses.replace(plan, output=os.path.join(folder, "set"))
        shards, _ = preparation.prepare(trial)
        if plan.recipe.views:
            for room in range(len(shards.composer.rooms)):
                shards.composer.write_views(room)
        check = _check_teacher(shards)
        _check_rows(shards)
        shards.rows(range(TRIALS[0]))  # what only the first call takes
        few, many = (_seconds(shards, count) for count in TRIALS)
    finally:
        shutil.rmtree(folder)
    # The difference: what every call takes, a shard pays once.
    seconds = max(many - few, 1e-9) / (TRIALS[1] - TRIALS[0])
    pixels = plan.image_size**2
    num_bytes = shards.num_rows * pixels * (3 + 1 + 1)
    shard_bytes = shards.num_rows * pixels * (3 + 1 + 2)
    hours = shards.num_rows * seconds / num_workers / 3600
    return "\n".join(
        [
            f"rows     {shards.num_rows:,} in {shards.count:,} shards",
            f"packed   {num_bytes / 1e9:.2f} GB",
            f"shards   {shard_bytes / 1e9:.2f} GB, until all is packed",
            f"rate     {1 / seconds:.0f} rows/s a process",
            f"time     {hours:.2f} h with {num_workers} processes, "
            "if they do not slow each other",
            f"teacher  {check}",
        ]
    )


def _seconds(shards: Shards, count: int) -> float:
    start = time.perf_counter()
    shards.rows(range(count))
    return time.perf_counter() - start


def add_arguments(parser: cli.Parser) -> None:
    """Adds the flags of `build`."""
    text = "YAML file of the plan; of several, later ones go over earlier ones"
    parser.add("--config", "FILE", text, action="append", default=[])
    text = "replaces one value of the plan; may be given more than once"
    parser.add("--set", "KEY=VALUE", text, action="append", default=[])
    flags.add_workers(parser)
    parser.switch("--dry-run", "tell rows, bytes and time, make nothing")
    text = "replace a packed set, and a build of another plan that is under way"
    parser.switch("--force", text)
    cli.add_beam(parser, "shards")


def main(args: argparse.Namespace) -> None:
    """Runs `build` with parsed flags."""
    plan = load_plan(args.config, args.set)
    if args.dry_run:
        print(describe(plan, args.num_workers))
        return
    make_shards = None
    if args.beam is not None:
        from maskdepth_tf.dataset.packing import beam

        own = files.partial_of(Path(plan.output)) / "exchange"
        make_shards = beam.connect(args.beam, args.exchange or str(own))
    elif args.exchange is not None:
        raise errors.UsageError(
            f"--exchange goes with --beam. Received: {args.exchange}"
        )
    manifest = build(
        plan, num_workers=args.num_workers, force=args.force, make_shards=make_shards
    )
    print(arrays.report(manifest, Path(plan.output)))
    flags.suggest_training(Path(plan.output), manifest)
