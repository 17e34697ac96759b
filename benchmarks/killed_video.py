"""Kills `maskdepth predict --video` again and again, and compares what it ends with.

    python -m benchmarks.killed_video --kills 20 --seed 11

A clip goes once through a run that nobody kills, then through runs that get SIGKILL at
random moments, from their start to their last file, and are begun again. The frames of
all outputs (`framemd5`), their times and the sound must be the same.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
from PIL import Image

from benchmarks import made_videos as videos

LENGTH = 20
"""Frames of a segment: many segments make many places to be killed at."""
OUTPUTS = {"--output": "out.mp4", "--depth": "depth.mkv"}
MAIN = (
    "import sys; from maskdepth_tf import cli, predict; "
    "from maskdepth_tf.video import segments; "
    f"segments.LENGTH = {LENGTH}; sys.exit(cli.run(predict.main))"
)


def begin(folder: Path) -> subprocess.Popen:
    """Begins a run, or goes on with it; it tells all in one pipe."""
    flags = [part for pair in OUTPUTS.items() for part in pair]
    command = [sys.executable, "-c", MAIN, "--video", "clip.mp4", "--bg", "room.png"]
    root = Path(__file__).resolve().parent.parent
    return subprocess.Popen(
        [*command, *flags, "--json"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=os.environ | {"PYTHONPATH": str(root)},
    )


def found(folder: Path) -> list:
    """Frames, times and sound of all outputs."""
    paths = [folder / name for name in OUTPUTS.values()]
    return [(videos.sums(p), videos.times(p), videos.sound(p)) for p in paths]


def check(folder: Path, num_kills: int, num_frames: int, seed: int) -> list[int]:
    """Kills runs, and compares.

    Returns:
        Segments that were done at each kill.
    """
    draws = random.Random(seed)
    size = (160, 120)
    shown = [cv2.resize(f, size) for f in videos.frames(num_frames)]
    videos.make_clip(folder / "clip.mp4", shown)
    Image.fromarray(cv2.resize(videos.room(), size)).save(folder / "room.png")
    whole = begin(folder)
    said = whole.communicate()[0]
    assert whole.returncode == 0, said.decode()
    expected, done = found(folder), []
    for name in OUTPUTS.values():
        (folder / name).unlink()
    names = OUTPUTS.values()
    partial = folder / f"{OUTPUTS['--output']}.partial"
    while True:
        process = begin(folder)
        if len(done) < num_kills:
            before = len(list(partial.glob("0*")))
            if draws.random() < 0.1:
                # While it starts, or at once.
                after = draws.uniform(0, 3)
                wait(process, lambda: False, after)
            else:
                # When so many more segments are there, and a moment later.
                goal = before + draws.randint(0, 2)
                wait(process, lambda g=goal: len(list(partial.glob("0*"))) >= g, 60)
                wait(process, lambda: False, draws.uniform(0, 0.5))
            process.send_signal(signal.SIGKILL)
        said = process.communicate()[0]
        if process.returncode == -signal.SIGKILL:
            done.append(len(list(partial.glob("0*"))))
            if not partial.exists() and all((folder / n).exists() for n in names):
                # It was at its end, and all is there.
                for name in names:
                    (folder / name).unlink()
            print(f"kill {len(done)}: {done[-1]} segments are done", flush=True)
            continue
        assert process.returncode == 0, said.decode()
        assert found(folder) == expected
        if len(done) >= num_kills:
            return done
        for name in OUTPUTS.values():
            (folder / name).unlink()


def wait(process, is_reached, seconds: float) -> None:
    """Waits for something, for the end, or for so long."""
    for _ in range(max(1, int(seconds / 0.02))):
        if is_reached():
            return
        try:
            process.wait(0.02)
            return
        except subprocess.TimeoutExpired:
            pass


def main() -> None:
    """Prints how it went."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--frames", type=int, default=130)
    parser.add_argument("--seed", type=int, default=11)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        check(Path(folder), args.kills, args.frames, args.seed)
    print(f"{args.kills} kills: the same frames, times and sound as without any")


if __name__ == "__main__":
    main()
