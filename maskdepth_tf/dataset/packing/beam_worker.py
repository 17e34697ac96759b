"""Makes shards on other machines, in a child of the process that Apache Beam runs."""

import dataclasses
import json
from pathlib import Path

from maskdepth_tf import errors, schema
from maskdepth_tf.dataset.composing import storing
from maskdepth_tf.dataset.packing import preparation
from maskdepth_tf.dataset.packing.shards import Build, Shards
from maskdepth_tf.dataset.teachers import loading
from maskdepth_tf.machines import piecework

FOREGROUNDS, BACKGROUNDS, TEACHER = "fg", "bg", "teacher"
"""Folders that the archive holds."""


def _receive(folder: Path) -> Shards:
    """Reads what was unpacked."""
    inputs = json.loads((folder / piecework.GIVEN).read_bytes())
    piecework.check_versions(inputs, storing.versions())
    plan = schema.build(Build, inputs["plan"])
    shards, _ = preparation.prepare(_moved(plan, folder))
    if preparation.read_sources(shards) != inputs["sources"]:
        raise errors.StateError(
            "sees other pictures or another teacher in the same files"
        )
    for room in range(len(shards.composer.rooms)):
        shards.composer.write_views(room)
    return shards


def _moved(plan: Build, folder: Path) -> Build:
    """The plan of what was unpacked in a folder."""
    teacher = plan.teacher
    for path in (folder / TEACHER).glob("*"):
        prefix = loading.PRESET if teacher.startswith(loading.PRESET) else ""
        teacher = f"{prefix}{path}"
    return dataclasses.replace(
        plan,
        foregrounds=str(folder / FOREGROUNDS),
        backgrounds=str(folder / BACKGROUNDS),
        teacher=teacher,
        output=str(folder / "set"),
    )


def _make(shards: Shards, number: int) -> Path:
    shards.make(number)
    return shards.path(number)


WORK = piecework.Work(_receive, _make)
"""How a shard is made."""
