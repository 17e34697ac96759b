"""Data sets are the same to the byte, whatever the process and the folders are like."""

import os
import subprocess
import sys
from unittest import mock

import pytest

from benchmarks import made_sets
from benchmarks.made_sets import begin, digests, run
from tests.support.paths import ROOT

COMMANDS = ("compose", "build")
CODE = """
import sys
from pathlib import Path
from benchmarks import made_sets
with made_sets.stand_ins(with_pillow=True):
    for command in ("compose", "build"):
        folder = made_sets.begin(Path(sys.argv[1]), command, sys.argv[2])
        if made_sets.run(command, folder) != 0:
            sys.exit(1)
"""
ENVIRONMENT = {"PYTHONHASHSEED": "1", "LC_ALL": "C", "TZ": "Asia/Tokyo"}


def backwards(function):
    """As `os.listdir` on a disk that lists the other way round."""
    return lambda *args: sorted(function(*args), reverse=True)


class Backwards:
    """As `os.scandir` on such a disk."""

    def __init__(self, scandir, *args):
        with scandir(*args) as found:
            self._found = sorted(found, key=lambda e: e.name, reverse=True)

    def __enter__(self):
        return self

    def __exit__(self, *args):
        return None

    def __iter__(self):
        return iter(self._found)


def again(root, command):
    folder = begin(root, command, "again")
    return folder, run(command, folder)


def three_workers(root, command):
    folder = begin(root, command, "workers")
    return folder, run(command, folder, "--workers", "3")


def listed_backwards(root, command):
    folder, scandir = begin(root, command, "listed"), os.scandir
    with (
        mock.patch.object(os, "listdir", backwards(os.listdir)),
        mock.patch.object(os, "scandir", lambda *args: Backwards(scandir, *args)),
    ):
        return folder, run(command, folder)


@pytest.mark.parametrize("setting", [again, three_workers, listed_backwards])
@pytest.mark.parametrize("command", COMMANDS)
def test_settings_of_this_process(command, setting, sets):
    root, expected = sets
    with made_sets.stand_ins(with_pillow=True):
        folder, code = setting(root, command)
    assert code == 0
    assert digests(folder) == expected[command]


def test_another_hash_seed_locale_and_time_zone(sets):
    root, expected = sets
    process = subprocess.run(
        [sys.executable, "-c", CODE, str(root), "elsewhere"],
        env=os.environ | ENVIRONMENT | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
    )
    assert process.returncode == 0, process.stderr
    for command in COMMANDS:
        assert digests(root / f"{command}-elsewhere") == expected[command]


def test_another_seed_is_another_set(sets):
    root, expected = sets
    with made_sets.stand_ins(with_pillow=True):
        folder = begin(root, "compose", "seed")
        assert run("compose", folder, "--seed", "1") == 0
    assert digests(folder) != expected["compose"]
