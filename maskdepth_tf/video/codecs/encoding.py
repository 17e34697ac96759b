"""Frames to video files, each frame with its own time."""

import os
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from maskdepth_tf.video.codecs import ffmpeg, matroska
from maskdepth_tf.video.codecs.decoding import Look

MOST_TICKS = 10**6
"""Finest clock that is kept, in ticks a second: what joins files knows no finer one."""
_MATRICES = {
    "bt709": "bt709",
    "smpte170m": "smpte170m",
    "bt470bg": "smpte170m",
    "smpte240m": "smpte240m",
    "fcc": "fcc",
    "bt2020nc": "bt2020",
    "bt2020c": "bt2020",
}


@dataclass(frozen=True)
class Format:
    """A kind of video file.

    Attributes:
        suffix: How its name ends.
        pixels: What is encoded, a name in `matroska.FOURCC`.
        encoded: What of it is stored, as ffmpeg calls it.
        arguments: Of ffmpeg, for the encoder.
        holds: Codecs of sounds that such a file may hold; none of them holds all.
        converts: What other sounds are converted to.
        is_in_milliseconds: Whether its times are whole milliseconds.
        tells_range: Whether it can say that its values take the full range.
    """

    suffix: str
    pixels: str
    encoded: str
    arguments: tuple[str, ...]
    holds: frozenset[str] = frozenset()
    converts: str = ""
    is_in_milliseconds: bool = False
    tells_range: bool = True


_MP4_SOUNDS = "aac mp3 mp2 ac3 eac3 alac opus flac"
# Without frames that wait for later ones (-bf 0), times stay what they are wherever
# two segments meet.
H264 = Format(
    ".mp4",
    "rgb24",
    "yuv420p",
    ("-c:v", "libx264", "-preset", "veryfast", "-crf", "18", "-bf", "0"),
    frozenset(_MP4_SOUNDS.split()),
    "aac",
)
PRORES = Format(
    ".mov",
    "rgba",
    "yuva444p10le",
    ("-c:v", "prores_ks", "-profile:v", "4444", "-alpha_bits", "16", "-vendor", "apl0"),
    frozenset([*_MP4_SOUNDS.split(), *"pcm_s16le pcm_s24le pcm_s16be".split()]),
    "pcm_s16le",
    tells_range=False,
)
VP9 = Format(
    ".webm",
    "rgba",
    "yuva420p",
    # Frames that are never shown (alt-ref) would have no alpha.
    ("-c:v", "libvpx-vp9", "-crf", "24", "-b:v", "0", "-auto-alt-ref", "0")
    + ("-deadline", "realtime", "-cpu-used", "6", "-row-mt", "1", "-tile-columns", "2"),
    frozenset(["opus", "vorbis"]),
    "libopus",
    is_in_milliseconds=True,
)
FFV1 = Format(
    ".mkv",
    "gray16le",
    "gray16le",
    ("-c:v", "ffv1", "-level", "3", "-g", "1", "-slices", "4"),
    is_in_milliseconds=True,
)


class Encoder:
    """A video file that is being written.

    Args:
        path: Where.
        kind: What is written.
        look: Of the video that its frames come from.
        begin: Time of the first frame, in seconds.
        threads: Cores that it may use; the file depends on them.
    """

    def __init__(
        self,
        path: Path,
        kind: Format,
        look: Look,
        begin: Fraction,
        threads: int,
    ) -> None:
        # Times start at 0 and are whole ticks of the file: joined, they are as before.
        self._tick = tick = tick_of(kind, look)
        self._begin = stamp(begin, tick)
        arguments = [
            "-y",
            "-f",
            "matroska",
            "-i",
            "pipe:0",
            "-vf",
            _filters(kind, look),
        ]
        arguments += [*kind.arguments, *_tags(look, kind), "-threads", str(threads)]
        arguments += ["-fps_mode", "passthrough", "-flags", "+bitexact"]
        arguments += ["-enc_time_base", f"{tick.numerator}/{tick.denominator}"]
        self._process = ffmpeg.Process([*arguments, f"file:{path}"], path, reads=True)
        self._process.write(
            matroska.header(look.width, look.height, kind.pixels, look.rate)
        )

    def write(self, time: Fraction, pixels: np.ndarray) -> None:
        """Adds a frame.

        Args:
            time: When it is shown, in seconds after the video's beginning.
            pixels: [H, W, 3] or [H, W, 4], uint8, or [H, W], uint16.
        """
        data = np.ascontiguousarray(pixels).data.cast("B")
        begun = matroska.before(stamp(time, self._tick) - self._begin, len(data))
        self._process.write(begun, data)

    def end(self) -> None:
        """Completes the file."""
        self._process.wait()

    def close(self) -> None:
        """Ends the encoder, whether it is done or not."""
        self._process.kill()


def tick_of(kind: Format, look: Look) -> Fraction:
    """The unit of a file's times, in seconds."""
    if kind.is_in_milliseconds:
        return Fraction(1, 1000)
    return max(look.tick, Fraction(1, MOST_TICKS))


def stamp(time: Fraction, tick: Fraction) -> Fraction:
    """The nearest whole number of ticks, in seconds."""
    return (time / tick + Fraction(1, 2)) // 1 * tick


def join(
    parts: list[tuple[str, Fraction]],
    folder: Path,
    source: str | os.PathLike,
    sounds: tuple[str, ...],
    kind: Format,
    look: Look,
) -> Path:
    """Joins the segments of a video and puts the source's sounds beside them.

    Args:
        parts: Their paths, from `folder`, and the times of their first frames.
        folder: Where the file is made.
        source: The video whose sounds these are.
        sounds: Codecs of its sounds.
        kind: What the segments are.
        look: Of the source.

    Returns:
        The file.
    """
    tick = tick_of(kind, look)
    begins = [stamp(time, tick) for _, time in parts]
    # ffmpeg counts in microseconds here: of the sums, so that none of them drifts.
    offsets = [round((begin - begins[0]) * 10**6) for begin in begins]
    lines = ["ffconcat version 1.0"]
    for number, (path, _) in enumerate(parts):
        lines.append(f"file '{path}'")
        if number + 1 < len(parts):
            length = offsets[number + 1] - offsets[number]
            lines.append(f"duration {length // 10**6}.{length % 10**6:06d}")
    listed, joined = folder / "segments.ffconcat", folder / f"joined{kind.suffix}"
    listed.write_text("\n".join(lines) + "\n", encoding="ascii")
    arguments = ["-y", "-itsoffset", f"{float(begins[0]):.6f}"]
    arguments += ["-f", "concat", "-safe", "0", "-i", f"file:{listed}"]
    arguments += ["-i", f"file:{os.fspath(source)}", "-map", "0:v:0", "-map", "1:a?"]
    arguments += ["-c", "copy", "-map_metadata", "1"]
    for number in converted(sounds, kind):
        arguments += [f"-c:a:{number}", kind.converts]
    if kind.suffix in (".mp4", ".mov"):
        if tick.numerator == 1:
            arguments += ["-video_track_timescale", str(tick.denominator)]
        arguments += ["-movflags", "+faststart"]
    else:
        # Sounds may begin before 0, with what players skip; frames keep their times.
        arguments += ["-avoid_negative_ts", "disabled"]
    ffmpeg.run([*arguments, f"file:{joined}"], joined)
    return joined


def converted(sounds: tuple[str, ...], kind: Format) -> list[int]:
    """Numbers of the sounds that a kind of file can't hold as they are."""
    if not kind.holds:
        return []
    return [number for number, codec in enumerate(sounds) if codec not in kind.holds]


def _filters(kind, look) -> str:
    """From pixels to what is stored of them, in the source's colours."""
    if kind.encoded == kind.pixels:
        return "null"
    colour = _colour(kind, look)
    scale = f"scale=in_range=pc:out_range={colour['range']}"
    matrix = colour.get("colorspace")
    if matrix in _MATRICES:
        scale += f":out_color_matrix={_MATRICES[matrix]}"
    if kind.encoded.endswith("420p"):
        # Its colours are stored for squares of four pixels.
        scale = f"crop=trunc(iw/2)*2:trunc(ih/2)*2:0:0,{scale}"
    aspect = look.aspect or Fraction(1)
    # ProRes is told by each frame what its colours are, the others by the flags.
    told = ":".join(f"{name}={value}" for name, value in colour.items())
    return (
        f"{scale}:flags=bicubic+accurate_rnd+full_chroma_int,format={kind.encoded},"
        f"setsar={aspect.numerator}/{aspect.denominator},setparams={told}"
    )


def _tags(look, kind) -> list[str]:
    if kind.encoded == kind.pixels:
        return []
    colour = _colour(kind, look)
    tags = ["-color_range", colour.pop("range")]
    for name, value in colour.items():
        tags += [f"-{name}", value]
    return tags


def _colour(kind, look) -> dict[str, str]:
    """What is said of the colours, by ffmpeg's names: the range, and what is known."""
    value_range, *others = look.colour
    is_full = value_range == "pc" and kind.tells_range
    names = ("colorspace", "color_primaries", "color_trc")
    return {"range": "pc" if is_full else "tv"} | {
        name: value
        for name, value in zip(names, others, strict=True)
        if value not in ("unknown", "gbr", "unspecified", "reserved")
    }
