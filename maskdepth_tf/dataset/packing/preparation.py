"""What a build is made of, read and stored beside its output before any shard."""

import json
import shutil
from pathlib import Path

import yaml

from maskdepth_tf import errors, files, schema
from maskdepth_tf.dataset.composing import sources, storing
from maskdepth_tf.dataset.packing.shards import Build, Shards
from maskdepth_tf.dataset.teachers import loading

PLAN, SOURCES = "build.yaml", "sources.json"
"""In the partial folder of a build: its plan, and sums of what it is made of."""


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
        storing.check_apart(Path(plan.output), folder)
    recipe = plan.recipe
    originals = sources.read_sources(
        [foregrounds], [backgrounds], recipe.image_size, recipe.scale is not None
    )
    teacher = loading.load_teacher(
        plan.teacher, plan.convention, plan.normalize, plan.input_size
    )
    partial = files.partial_of(Path(plan.output))
    _claim(partial, plan, force)
    composer, entries = storing.store_sources(originals, partial, recipe)
    _check_same(partial / SOURCES, entries | {"teacher": teacher.sha256}, force)
    num_rows = plan.rows or plan.placements * originals.num_combinations
    folder = partial / "shards"
    folder.mkdir(exist_ok=True)
    return Shards(plan, num_rows, composer, teacher, folder), entries


def _claim(partial: Path, plan: Build, force: bool) -> None:
    """Makes the folder of a build, or finds that it is the same build's."""
    text = yaml.safe_dump(schema.to_dict(plan), sort_keys=False).encode()
    path = partial / PLAN
    if partial.exists() and (not path.exists() or path.read_bytes() != text):
        if not force and path.exists():
            raise errors.StateError(
                f"{partial}: a build of another plan is under way there, see {PLAN}; "
                "--force throws it away"
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
    """Reads of what shards are made: sums of cut-outs, rooms and the teacher."""
    return json.loads((shards.composer.output / SOURCES).read_bytes())
