"""What outputs of `maskdepth predict --video` keep of a clip, as ffprobe sees it.

    python -m benchmarks.video_outputs --seconds 60

The clip has sound, uneven times, colours that are named, and is to be shown turned. It
goes through every output; each must have all frames at their times, as long a video,
the same packets of sound at their times, the upright size, and its own pixel format.
What differs is marked, and ends the program with 1. The network is small and was not
trained: nothing here depends on what it answers.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2
from PIL import Image

from benchmarks import made_videos as videos
from maskdepth_tf import startup

COLOURS = ("color_range", "color_space", "color_primaries", "color_transfer")
AAC, OPUS = "aac.mp4", "libopus.mkv"
"""The clips, by the codecs of their sounds."""
NETWORK = "small.keras"
PRE_SKIP = 6.5
"""Milliseconds of Opus that are not heard; ffmpeg forgets them where it copies it."""
ROUND = 60
"""Frames that are made; the clip repeats them."""


@dataclass(frozen=True)
class Form:
    """An output.

    Attributes:
        flag: What it is asked for with.
        name: Of its file or folder.
        pixels: Its pixel format, as ffprobe calls it.
        clip: The codec of the clip's sound, one that such a file can hold.
        onto: What stands behind the foreground, if that is not transparent.
        is_coloured: Whether its colours are the clip's.
    """

    flag: str
    name: str
    pixels: str
    clip: str = AAC
    onto: str = ""
    is_coloured: bool = True


RUNS = (
    (
        Form("--output", "colour.mp4", "yuv420p", onto="#204080"),
        Form("--depth", "depth.mkv", "gray16le", is_coloured=False),
    ),
    (
        Form("--output", "picture.mp4", "yuv420p", onto="behind.png"),
        Form("--depth", "depth.mp4", "yuv420p"),
    ),
    (
        Form("--output", "blur.mp4", "yuv420p", onto="blur"),
        Form("--depth", "depth", "gray16be", is_coloured=False),
    ),
    (Form("--output", "cut.mov", "yuva444p12le"),),
    # Of Opus: AAC would be converted. Its alpha is a stream beside these pixels.
    (Form("--output", "cut.webm", "yuv420p", clip=OPUS),),
    (Form("--output", "cut", "rgba", is_coloured=False),),
)
"""What is made together."""


def make_clip(path: Path, seconds: int, size: tuple[int, int]) -> None:
    """Writes a clip with the sound that its name says; MP4 is to be shown turned."""
    made = [cv2.resize(frame, size) for frame in videos.frames(ROUND)]
    shown = [made[number % ROUND] for number in range(30 * seconds)]
    is_turned = path.suffix == ".mp4"
    straight = path.with_name(f"straight-{path.name}") if is_turned else path
    named = ["-pix_fmt", "yuv420p", "-color_range", "tv"]
    for name in ("colorspace", "color_primaries", "color_trc"):
        named += [f"-{name}", "bt709"]
    videos.make_clip(straight, shown, sound=path.stem, arguments=named)
    if is_turned:
        videos.turned(straight, path)


def ask(path: Path, *arguments: str) -> dict:
    """What ffprobe says."""
    command = ["ffprobe", "-v", "error", *arguments, "-of", "json", str(path)]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def times(path: Path, stream: str) -> list[Fraction]:
    """When the packets of a stream are shown, in seconds, in order."""
    wanted = ["-select_streams", stream, "-show_entries", "packet=pts_time"]
    packets = ask(path, *wanted)["packets"]
    return sorted(Fraction(packet["pts_time"]) for packet in packets)


def sums(path: Path) -> list[str]:
    """Of each sound, over all its packets."""
    return videos.told(path, "-map", "0:a?", "-c", "copy", "-f", "streamhash")


def furthest(ours: list[Fraction], theirs: list[Fraction]) -> float:
    """The largest difference of times, in milliseconds; infinite if one lacks some."""
    if len(ours) != len(theirs):
        return float("inf")
    pairs = zip(ours, theirs, strict=True)
    return 1000 * float(max((abs(a - b) for a, b in pairs), default=Fraction()))


def is_turned(stream: dict) -> bool:
    """Whether players turn it."""
    return any("rotation" in side for side in stream.get("side_data_list", []))


def shown_size(stream: dict) -> tuple[int, int]:
    """Width and height, upright; the clips are turned by 90 degrees, if at all."""
    size = (stream["width"], stream["height"])
    return size[::-1] if is_turned(stream) else size


def compare_file(form: Form, made: Path, clip: Path) -> dict[str, tuple[str, bool]]:
    """What of a file is as in the clip: what is shown of it, and whether it is."""
    streams, theirs = (
        {s["codec_type"]: s for s in ask(path, "-show_streams")["streams"]}
        for path in (made, clip)
    )
    video, source = streams["video"], theirs["video"]
    shown, expected = times(made, "v:0"), times(clip, "v:0")
    # Half a millisecond is lost by rounding to whole ones; ffprobe writes microseconds.
    most = 0.501 if made.suffix in (".webm", ".mkv") else 0.002
    if form.clip == OPUS:
        most += PRE_SKIP
    late = furthest(shown, expected)
    longer = length(made, shown) - length(clip, expected)
    heard = furthest(times(made, "a:0"), times(clip, "a:0"))
    size, upright = (video["width"], video["height"]), shown_size(source)
    colours = [video.get(name, "-") for name in COLOURS]
    return {
        "frames": (str(len(shown)), len(shown) == len(expected)),
        "times": (f"{late:.3f}", late <= most),
        "length": (f"{1000 * longer:+.0f}", abs(longer) <= 0.0335),
        "sound": ("same", True) if sums(made) == sums(clip) else ("other", False),
        "its times": (f"{heard:.3f}", heard <= most),
        "size": (
            f"{size[0]}x{size[1]}",
            size == upright and not is_turned(video),
        ),
        "pixels": (video["pix_fmt"], video["pix_fmt"] == form.pixels),
        "colours": ("same", True)
        if colours == [source.get(name, "-") for name in COLOURS]
        else (
            "none" if not form.is_coloured else "/".join(colours),
            not form.is_coloured,
        ),
    }


def length(path: Path, shown: list[Fraction]) -> float:
    """How long the frames of a video take, with the last one, in seconds."""
    wanted = [
        "-select_streams",
        "v:0",
        "-show_entries",
        "packet=pts_time,duration_time",
    ]
    packets = ask(path, *wanted)["packets"]
    last = max(packets, key=lambda packet: Fraction(packet["pts_time"]))
    return float(shown[-1] - shown[0] + Fraction(last.get("duration_time", "0")))


def compare_folder(form: Form, made: Path, clip: Path) -> dict[str, tuple[str, bool]]:
    """The same of a folder of PNGs."""
    source = ask(clip, "-select_streams", "v:0", "-show_streams")["streams"][0]
    expected = times(clip, "v:0")
    names = sorted(path.name for path in made.glob("*.png"))
    lines = (made / "timestamps.txt").read_text().splitlines()[1:]
    late = furthest([Fraction(line) / 1000 for line in lines], expected)
    looks = {
        (stream["width"], stream["height"], stream["pix_fmt"])
        for name in (names[0], names[-1])
        for stream in ask(made / name, "-show_streams")["streams"]
    }
    ((width, height, pixels),) = looks
    wanted = [f"{number:08d}.png" for number in range(len(expected))]
    return {
        "frames": (str(len(names)), names == wanted),
        "times": (f"{late:.3f}", late <= 0.002),
        "length": ("-", True),
        "sound": ("-", True),
        "its times": ("-", True),
        "size": (f"{width}x{height}", (width, height) == shown_size(source)),
        "pixels": (pixels, pixels == form.pixels),
        "colours": ("-", True),
    }


def make(forms: tuple[Form, ...], folder: Path) -> None:
    """Runs the command."""
    command = [sys.executable, "-m", "maskdepth_tf.predict", "--model", NETWORK]
    command += ["--video", forms[0].clip, "--bg", f"{forms[0].clip}.png"]
    for form in forms:
        command += [form.flag, form.name]
        command += ["--onto", form.onto] if form.onto else []
    root = Path(__file__).resolve().parent.parent
    subprocess.run(
        command,
        check=True,
        stdout=subprocess.DEVNULL,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(root)},
    )


def prepare(folder: Path, seconds: int, size: tuple[int, int]) -> None:
    """Makes network, clips, the room as each of them shows it, and what is behind."""
    startup.load_tensorflow()
    from maskdepth_tf.network import model

    model.resnet_unet(32, (4, 8)).save(folder / NETWORK)
    room = cv2.resize(videos.room(), size)
    for clip in {form.clip for forms in RUNS for form in forms}:
        make_clip(folder / clip, seconds, size)
        turned = cv2.rotate(room, cv2.ROTATE_90_COUNTERCLOCKWISE)
        shown = turned if clip.endswith(".mp4") else room
        Image.fromarray(shown).save(folder / f"{clip}.png")
    Image.fromarray(255 - room).save(folder / "behind.png")


def check(folder: Path, seconds: int, size: tuple[int, int]) -> bool:
    """Makes and compares all outputs, prints a row for each; whether all is kept."""
    prepare(folder, seconds, size)
    is_whole, is_first = True, True
    for forms in RUNS:
        make(forms, folder)
        for form in forms:
            made, clip = folder / form.name, folder / form.clip
            compare = compare_folder if made.is_dir() else compare_file
            found = compare(form, made, clip)
            if is_first:
                print("| | " + " | ".join(found) + " |")
                print("|---" * (1 + len(found)) + "|")
                is_first = False
            is_whole &= all(is_kept for _, is_kept in found.values())
            cells = [
                text if is_kept else f"≠ {text}" for text, is_kept in found.values()
            ]
            print(
                f"| `{form.flag} {form.name}` | " + " | ".join(cells) + " |", flush=True
            )
    return is_whole


def main() -> int:
    """Prints the table; 1 if something was not kept."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--size", type=int, nargs=2, default=(320, 240))
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        is_whole = check(Path(folder), args.seconds, tuple(args.size))
    return 0 if is_whole else 1


if __name__ == "__main__":
    sys.exit(main())
