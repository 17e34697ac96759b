"""Builds a packed set from cut-outs and rooms, without a file for each picture.

The arrays are those that `compose`, `depth` and `pack` give, byte by byte. The work is
cut into `shards`: it does not matter how many processes make them, or on which machine,
and a build that was killed goes on after the shards that are there.

While a build is under way, `OUTPUT.partial` holds the plan as `build.yaml`, sums of the
sources, `Background/`, `Foreground/`, `shards/<number>.npz` and at last `packed/`.
"""

import argparse
import concurrent.futures
import dataclasses
import functools
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import yaml

from maskdepth_tf import cli, errors, files, schema, startup
from maskdepth_tf.dataset import compose, flags, progress, teachers, workers
from maskdepth_tf.dataset.composing import sources
from maskdepth_tf.dataset.packing import arrays
from maskdepth_tf.dataset.packing.shards import SHARD_STREAMS, Build, Encoded, Shards
from maskdepth_tf.dataset.teachers import conventions, plausibility, ranges
from maskdepth_tf.images import stores

SOURCES = "sources.json"
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
    partial = arrays.partial_of(output)
    shards, entries = prepare(plan, force)
    check = _make_all(shards, num_workers, make_shards)
    rows = [shards.composer.row(index) for index in range(shards.num_rows)]
    found = stores.Folder(partial)
    folder = arrays.make_folder(output)
    drawn = arrays.write_splits(
        rows, found, folder, plan.test_fraction, plan.recipe.seed
    )
    batches = functools.partial(_batches, shards, found)
    statistics = arrays.write_arrays(rows, folder, plan.image_size, "uint8", batches)
    pairs = [pair for n in range(shards.count) for pair in _stored(shards, n)["ranges"]]
    known = [(row.depth, *pair) for row, pair in zip(rows, pairs, strict=True)]
    is_metric = conventions.CONVENTIONS[plan.convention].is_metric
    text = ranges.to_csv(known, is_metric)
    files.write_atomically(folder / ranges.RANGES, text)
    files.write_atomically(folder / arrays.PLAN, (partial / arrays.PLAN).read_bytes())
    return arrays.finish(
        rows,
        folder,
        output,
        plan.image_size,
        statistics,
        drawn,
        build=schema.to_dict(plan),
        teacher={"sha256": shards.teacher.sha256, "check": check},
        sources=entries,
    )


def prepare(plan: Build, force: bool = False) -> tuple[Shards, dict]:
    """Reads all that shards are made of, and stores it beside the output.

    Args:
        plan: What to build.
        force: Whether to throw away a build of another plan.

    Returns:
        shards: Makes the shards.
        entries: What the manifest says of the sources.
    """
    foregrounds, backgrounds = Path(plan.foregrounds), Path(plan.backgrounds)
    for folder in (foregrounds, backgrounds):
        compose.check_apart(Path(plan.output), folder)
    recipe = plan.recipe
    read = sources.read_sources(
        foregrounds, backgrounds, recipe.image_size, recipe.scale is not None
    )
    teacher = teachers.load_teacher(
        plan.teacher, plan.convention, plan.normalize, plan.input_size
    )
    partial = arrays.partial_of(Path(plan.output))
    _claim(partial, plan, force)
    composer, entries = compose.store_sources(read, partial, recipe)
    _check_same(partial / SOURCES, entries | {"teacher": teacher.sha256}, force)
    num_rows = plan.rows or plan.placements * read.num_combinations
    folder = partial / "shards"
    folder.mkdir(exist_ok=True)
    return Shards(plan, num_rows, composer, teacher, folder), entries


def _claim(partial: Path, plan: Build, force: bool) -> None:
    """Makes the folder of a build, or finds that it is the same build's."""
    text = yaml.safe_dump(schema.to_dict(plan), sort_keys=False).encode()
    path = partial / arrays.PLAN
    if partial.exists() and (not path.exists() or path.read_bytes() != text):
        if not force and path.exists():
            raise errors.StateError(
                f"{partial}: a build of another plan is under way there, see "
                f"{arrays.PLAN}; --force throws it away"
            )
        shutil.rmtree(partial)
    partial.mkdir(parents=True, exist_ok=True)
    files.write_atomically(path, text)


def _check_same(path: Path, entries: dict, force: bool) -> None:
    """Finds that shards are of these sources; with `force`, else removes them."""
    # Bytes: what is damaged is refused as well.
    text = f"{json.dumps(entries, indent=2)}\n".encode()
    differs = path.exists() and path.read_bytes() != text
    if differs and force:
        shutil.rmtree(path.with_name("shards"), ignore_errors=True)
    elif differs:
        raise errors.StateError(
            f"{path}: the build was begun with other cut-outs, rooms or another "
            "teacher; --force throws it away"
        )
    files.write_atomically(path, text)


def read_sources(shards: Shards) -> dict:
    """What shards are made of: sums of the cut-outs, the rooms and the teacher."""
    return json.loads((shards.composer.output / SOURCES).read_bytes())


def _check_teacher(shards: Shards) -> dict:
    """As `depth` does it, on the first rows."""
    partial = shards.composer.output
    encoded, rows = Encoded(), []
    for index in range(min(plausibility.NUM_ROWS, shards.num_rows)):
        row, composite, mask = shards.composer.encode_row(index)
        encoded.add(row.fg_bg, composite)
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


_shards: Shards | None = None


def receive(shards: Shards) -> None:
    """Makes this process one that works on shards."""
    global _shards
    startup.load_tensorflow()
    _shards = shards


def received() -> Shards:
    """What this process works on."""
    if _shards is None:
        raise RuntimeError("the worker was given no shards")
    return _shards


def _make(number: int) -> int:
    return received().make(number)


def _make_views(background: int) -> int:
    return len(received().composer.write_views(background))


def _make_all(
    shards: Shards,
    num_workers: int,
    make_shards: Callable[[Shards], None] | None = None,
) -> dict:
    """Makes views and the shards that are not there yet; the check of the teacher."""
    rooms = range(len(shards.composer.rooms)) if shards.plan.recipe.views else ()
    # Processes even for one worker: what they make is made on one core.
    with workers.pool(num_workers, receive, (shards,)) as pool:
        for future in [pool.submit(_make_views, room) for room in rooms]:
            future.result()
        check = _check_teacher(shards)
        if make_shards is None:
            _make_here(shards, pool)
    if make_shards is not None:
        make_shards(shards)
    return check


def _make_here(shards: Shards, pool: concurrent.futures.Executor) -> None:
    left = [n for n in range(shards.count) if shards.read(n) is None]
    with progress.track("build", shards.num_rows, "rows") as advance:
        advance(shards.num_rows - sum(len(shards.rows_of(n)) for n in left))
        futures = [pool.submit(_make, number) for number in left]
        for future in concurrent.futures.as_completed(futures):
            advance(future.result())


def _stored(shards: Shards, number: int) -> dict[str, np.ndarray]:
    found = shards.read(number)
    if found is None:
        raise errors.StateError(f"{shards.path(number)}: damaged; build again")
    return found


def _batches(shards, found, stream, names) -> Iterator[np.ndarray]:
    from maskdepth_tf.input import pipeline

    if stream in SHARD_STREAMS:
        return (_stored(shards, n)[stream.name] for n in range(shards.count))
    return pipeline.decoded_batches(names, found, stream, shards.plan.image_size)


def load_plan(paths: Sequence[str], overrides: Sequence[str]) -> Build:
    """Reads a plan: YAML files, later ones over earlier ones, and "a.b=value" lines.

    Raises:
        UsageError: A file, a key or a value is wrong.
    """
    values = schema.to_dict(Build())
    layers = [schema.read_yaml(path) for path in paths]
    for layer in layers + [schema.parse_override(text) for text in overrides]:
        schema.merge(values, layer)
    return schema.build(Build, values)


def describe(plan: Build, num_workers: int) -> str:
    """What a build would do, from the making of a few rows; leaves nothing."""
    folder = tempfile.mkdtemp(prefix="maskdepth_build_")
    try:
        trial = dataclasses.replace(plan, output=os.path.join(folder, "set"))
        shards, _ = prepare(trial)
        if plan.recipe.views:
            for room in range(len(shards.composer.rooms)):
                shards.composer.write_views(room)
        check = _check_teacher(shards)
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
    files_text = "YAML file of the plan; given more than once, later ones go over"
    parser.add(
        "--config", "FILE", f"{files_text} earlier ones", action="append", default=[]
    )
    parser.add(
        "--set",
        "KEY=VALUE",
        "replaces one value of the plan; may be given more than once",
        action="append",
        default=[],
        dest="overrides",
    )
    flags.add_workers(parser)
    parser.switch("--dry-run", "tell rows, bytes and time, make nothing")
    parser.switch(
        "--force",
        "replace a packed set, and a build of another plan that is under way",
    )
    text = (
        "with --beam: what all machines reach, a path or a URL "
        "(OUTPUT.partial/exchange)"
    )
    parser.add("--exchange", "FOLDER", text)
    text = "have the shards made by Apache Beam; all that follow are its flags"
    parser.add("--beam", "FLAG", text, nargs=argparse.REMAINDER)


def main(args: argparse.Namespace) -> None:
    """Runs `build` with parsed flags."""
    plan = load_plan(args.config, args.overrides)
    if args.dry_run:
        print(describe(plan, args.workers))
        return
    manifest = build(
        plan,
        num_workers=args.workers,
        force=args.force,
        make_shards=_elsewhere(args, plan),
    )
    print(arrays.report(manifest, Path(plan.output)))
    flags.suggest_training(Path(plan.output), manifest)


def _elsewhere(args: argparse.Namespace, plan: Build) -> Callable | None:
    """What has shards made by other machines, if that is asked for."""
    if args.beam is None:
        if args.exchange is not None:
            raise errors.UsageError(
                f"--exchange goes with --beam. Received: {args.exchange}"
            )
        return None
    from maskdepth_tf.dataset.packing import beam

    own = arrays.partial_of(Path(plan.output)) / "exchange"
    return beam.connect(args.beam, args.exchange or str(own))
