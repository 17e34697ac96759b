"""How fast videos go through `maskdepth predict --video`, and in how much memory.

It films somebody who walks through a room, in 720p with sound, and sends the clip
through every output. Frames a second count from the first frame to the last one, with
decoding and encoding; starting and joining do not count. On a busy machine they tell
little, and the cores' time does: of the frames that one clip has more than another.

    python benchmarks/video.py --seconds 10 --outputs out.mp4 out.webm
"""

import argparse
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np

from benchmarks.steadiness import film
from maskdepth_tf.video.codecs import ffmpeg

WIDTH, HEIGHT, RATE = 1280, 720, 30
MADE = 30
"""Frames that are rendered; the clip goes through them to and fro."""


def make_clips(room: Path, clips: list[Path], seconds: int) -> str:
    """Films clips, each twice as long as the one before, and the room alone."""
    bg, examples = film(4, MADE, 0.1, 10)
    frames = [_enlarged(example.fg_bg) for example in examples]
    cv2.imwrite(str(room), cv2.cvtColor(_enlarged(bg), cv2.COLOR_RGB2BGR))
    for number, clip in enumerate(reversed(clips)):
        _encode(clip, frames, seconds * RATE >> number)
    return str(room)


def _encode(clip: Path, frames: list[np.ndarray], count: int) -> None:
    command = [ffmpeg.find(), "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt"]
    command += ["rgb24", "-s", f"{WIDTH}x{HEIGHT}", "-r", str(RATE), "-i", "-"]
    command += ["-f", "lavfi", "-i", f"sine=duration={count / RATE}"]
    command += ["-c:v", "libx264", "-crf", "20", "-pix_fmt", "yuv420p", str(clip)]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        for number in range(count):
            place = number % (2 * MADE - 2)
            process.stdin.write(frames[min(place, 2 * MADE - 2 - place)].data)
        process.stdin.close()


def _enlarged(picture: np.ndarray) -> np.ndarray:
    """A square picture in 720p, its top and bottom cut off."""
    large = cv2.resize(picture, (WIDTH, WIDTH), interpolation=cv2.INTER_CUBIC)
    top = (WIDTH - HEIGHT) // 4
    return np.ascontiguousarray(large[top : top + HEIGHT])


def measure(clip: Path, bg: str, arguments: list[str]) -> tuple[float, float, int, int]:
    """Frames a second, seconds of cores, and most memory, whole and own, in MB."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "maskdepth_tf.predict", "--video", str(clip)]
    command += ["--bg", bg, "--force", "--json", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        whole = own = 0
        for line in process.stdout:
            told = json.loads(line)
            status = Path(f"/proc/{process.pid}/status")
            if status.exists() and "VmRSS" in (text := status.read_text()):
                whole, own = (
                    max(before, int(re.search(rf"{name}:\s+(\d+)", text)[1]) // 1024)
                    for name, before in (("VmHWM", whole), ("RssAnon", own))
                )
    if process.returncode:
        raise SystemExit(f"{' '.join(command)}: failed")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return told["rate"], seconds, whole, own


def main() -> None:
    """Prints a line for each output."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--outputs", nargs="+", default=["out.mp4", "out.webm"])
    parser.add_argument("--depths", nargs="*", default=[])
    args = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    columns = f"{'frames/s':>9}{'ms of cores':>13}{'RSS, MB':>9}{'without files':>15}"
    print(f"{'':24}{columns}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clips = [folder / "short.mp4", folder / "clip.mp4"]
        room = make_clips(folder / "room.png", clips, args.seconds)
        made = [("--output", name) for name in args.outputs]
        for flag, name in made + [("--depth", name) for name in args.depths]:
            arguments = [flag, str(folder / name)]
            short, whole = (measure(clip, room, arguments) for clip in clips)
            cores = 2000 * (whole[1] - short[1]) / (args.seconds * RATE)
            print(
                f"{flag + ' ' + name:24}{whole[0]:9.1f}{cores:13.1f}{whole[2]:9}"
                f"{whole[3]:15}",
                flush=True,
            )


if __name__ == "__main__":
    main()
