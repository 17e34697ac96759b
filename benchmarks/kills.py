"""Commands that make data sets, killed at any point: what is left, what they make then.

    python -m benchmarks.kills [--kills 60]

Each of `compose`, `depth`, `pack` (from zip archives, also in place of an older set)
and `build` is killed by SIGKILL in a process of its own, before and after calls that
change files and in the middle of writes, spread over all there are. What is left must
not be taken for a complete set, and the same command must then make all files as if
nothing had happened, by SHA-256.

The processes are forks of one that has imported TensorFlow and not yet used it. The
teacher is made up; all else is as the commands do it, but for threads in place of
worker processes. The tests of these commands use the same code with Pillow as decoder.
"""

import argparse
import collections
import contextlib
import json
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks import interruptions, made_sets
from benchmarks.made_sets import begin, digests, run, stand_ins
from maskdepth_tf import errors
from maskdepth_tf.input import packed


def die() -> None:
    """Ends this process as nothing can prevent."""
    os.kill(os.getpid(), signal.SIGKILL)


def run_killed(command: str, folder: Path, number: int, with_pillow: bool) -> None:
    """Runs a command until a point; meant for another process."""
    with open(os.devnull, "w") as nowhere, contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.redirect_stderr(nowhere))
        stack.enter_context(contextlib.redirect_stdout(nowhere))
        stack.enter_context(stand_ins(with_pillow))
        stack.enter_context(interruptions.Points(number, die).installed())
        run(command, folder)


def count_points(root: Path, command: str, with_pillow: bool) -> int:
    """At how many points a command can be killed."""
    points, folder = interruptions.Points(None, die), begin(root, command, "counted")
    with stand_ins(with_pillow), points.installed():
        run(command, folder)
    return points.count


def check_left(command: str, folder: Path, expected: dict[str, str]) -> None:
    """Raises an AssertionError if a reader would take a part for the whole."""
    found = digests(folder)
    if command == "compose":
        output = {path: s for path, s in found.items() if path.startswith("set/")}
        assert output in ({}, expected)
    elif command == "depth":
        manifest = json.loads((folder / "set" / "manifest.json").read_bytes())
        is_whole = manifest.get("depth", {}).get("complete", False)
        for path, sha256 in expected.items():
            if path in found and not path.endswith((".json", ".csv")):
                assert found[path] == sha256, path
            assert not is_whole or found[path] == sha256, path
    elif (folder / "packed").exists():
        output = {path: s for path, s in found.items() if path.startswith("packed/")}
        older = digests(folder.parent / made_sets.BEFORE.get(command, "none"))
        assert output in (expected, older)
        packed.check(folder / "packed", packed.read_manifest(folder / "packed"))
    else:
        with contextlib.suppress(errors.DataError):
            packed.read_manifest(folder / "packed.partial")
            raise AssertionError("a part was taken for a packed set")


def check_kill(
    root: Path, command: str, number: int, expected: dict, with_pillow: bool
) -> None:
    """Kills a command at a point, looks at what is left, and runs it again.

    Raises:
        AssertionError: It was not killed, or something is not as it must be.
    """
    folder = begin(root, command, str(number))
    process = multiprocessing.get_context("forkserver").Process(
        target=run_killed, args=(command, folder, number, with_pillow)
    )
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL, (command, number, process.exitcode)
    check_left(command, folder, expected)
    output = "set" if command == "compose" else "packed"
    is_done = command not in made_sets.BEFORE and (folder / output).exists()
    with stand_ins(with_pillow):
        code = run(command, folder)
    assert code == (errors.UsageError.exit_code if is_done else 0), (command, number)
    found = digests(folder)
    if is_done:  # what lies beside it nobody needs any more
        found = {k: v for k, v in found.items() if k.startswith(f"{output}/")}
    assert found == expected, (command, number, set(found.items()) ^ expected.items())
    shutil.rmtree(folder)


def check_kills(root: Path, kills: int, with_pillow: bool) -> dict[str, int]:
    """Kills all commands, in turns; the number of kills of each."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["benchmarks.kills"])
    expected = made_sets.prepare(root, with_pillow)
    before = digests(root / "cutouts") | digests(root / "rooms")
    counts = collections.Counter()
    for command in made_sets.ARGUMENTS:
        last = count_points(root, command, with_pillow) - 1
        for number in np.linspace(0, last, kills // len(made_sets.ARGUMENTS)).round():
            check_kill(root, command, int(number), expected[command], with_pillow)
            counts[command] += 1
    assert digests(root / "cutouts") | digests(root / "rooms") == before
    return dict(counts)


def main() -> None:
    """Prints how many kills of each command there were."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=60)
    args = parser.parse_args()
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        counts = check_kills(Path(name), args.kills, with_pillow=False)
    seconds = time.monotonic() - started
    print(f"{sum(counts.values())} kills, all made good: {counts}, {seconds:.0f} s")


if __name__ == "__main__":
    sys.exit(main())
