"""Commands that make data sets on a disk that becomes full: ten points of each."""

import contextlib
import errno
import math
import os
import shutil
import subprocess
import types

import pytest

from benchmarks import interruptions, kills, made_sets
from benchmarks.made_sets import ARGUMENTS, begin, digests, run

POINTS = 10
LEFT = {"depth": {"set"}, "replace": {"packed"}, "build": {"packed.partial"}}
"""What is left by those that go on, and by those that would replace a set."""


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Nothing of TensorFlow's, and no look at the free room before it is used."""
    endless = types.SimpleNamespace(free=math.inf)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: endless)
    with made_sets.stand_ins(with_pillow=True):
        yield


def pages(folder):
    """Bytes of a folder on a small disk."""
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    return sum(4096 * math.ceil(size / 4096) for size in sizes)


def small_disks(root, command):
    """Ten times a folder on a disk of its own, with more room each time."""
    needed = pages(root / f"{command}-undisturbed")
    if command == "depth":
        needed -= pages(root / made_sets.BEFORE[command])
    for number in range(POINTS):
        folder = root / f"{command}-disk"
        folder.mkdir(exist_ok=True)
        mount = ["mount", "-t", "tmpfs", "-o", "size=64m", "none", str(folder)]
        if subprocess.run(mount, capture_output=True, check=False).returncode:
            pytest.skip("may not mount; the other test of full disks needs no rights")
        try:
            begin(root, command, "disk")
            room = 4096 + (needed - 8192) * number // POINTS
            mount[4] = f"remount,size={pages(folder) + room}"
            subprocess.run(mount, check=True)
            yield folder, contextlib.nullcontext()
            mount[4] = "remount,size=64m"
            subprocess.run(mount, check=True)
            yield folder, None
        finally:
            subprocess.run(["umount", str(folder)], check=True)


def fill():
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def failing_writes(root, command):
    """Ten times a folder in which a write fails, as all do after it."""
    points, folder = interruptions.Points(None, fill), begin(root, command, "counted")
    with points.installed(only_writes=True):
        run(command, folder)
    for number in range(POINTS):
        folder = begin(root, command, f"full{number}")
        at = points.count * number // POINTS
        yield folder, interruptions.Points(at, fill).installed(only_writes=True)
        yield folder, None


@pytest.mark.parametrize("disk", [failing_writes, small_disks])
@pytest.mark.parametrize("command", ARGUMENTS)
def test_a_full_disk_is_one_line_and_more_room_makes_it_good(
    command, disk, sets, capsys
):
    root, expected = sets
    sources = digests(root / "cutouts") | digests(root / "rooms")
    failed = 0
    for folder, full in disk(root, command):
        capsys.readouterr()
        if full is None:
            assert run(command, folder) == 0
            assert digests(folder) == expected[command]
            continue
        with full:
            assert run(command, folder) == 5
        *progress, line = capsys.readouterr().err.splitlines()
        assert line.startswith("error: ")
        assert not [text for text in progress if " of " not in text]
        failed += 1
        kills.check_left(command, folder, expected[command])
        left = {path.split("/")[0] for path in digests(folder)}
        # A build may fail before it has a file.
        assert left == LEFT.get(command, set()) or (command, left) == ("build", set())
    assert failed == POINTS
    assert digests(root / "cutouts") | digests(root / "rooms") == sources
