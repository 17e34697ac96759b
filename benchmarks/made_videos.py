"""Small videos with made-up frames, and what ffmpeg says of videos.

`ffprobe` does not come with imageio-ffmpeg, so ffmpeg itself tells all of it.
"""

import subprocess
from fractions import Fraction

import numpy as np
import tensorflow as tf

from maskdepth_tf.video.codecs import ffmpeg

WIDTH, HEIGHT = 64, 48
SIDE = 16
TICK = Fraction(1, 600)
UNEVEN = "20*N+6*mod(N,3)"
"""Times of frames in ticks: no two that follow each other are as far apart."""


def uneven(count):
    """The times that `UNEVEN` gives, in seconds."""
    return [(20 * n + 6 * (n % 3)) * TICK for n in range(count)]


def room():
    """A grey room whose edges nothing can be mistaken for, uint8 [H, W, 3]."""
    picture = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
    picture[:, ::16] = 120
    return picture


def frames(count):
    """A red thing that goes from left to right through the room."""
    shown = []
    for number in range(count):
        picture = room()
        left = 4 + (number * 3) % (WIDTH - 24)
        picture[12:40, left : left + 16] = (230, 20, 30)
        shown.append(picture)
    return shown


def make_clip(path, shown, times=UNEVEN, sound="aac", arguments=()):
    """Writes a video.

    Args:
        path: Where.
        shown: Its frames.
        times: When each is shown, an expression of its number N, in `TICK`.
        sound: Codec of its sound; None makes it silent.
        arguments: More of ffmpeg's, for what is written.
    """
    height, width = shown[0].shape[:2]
    given = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}"]
    given += ["-r", "30", "-i", "-"]
    if sound:
        seconds = len(shown) / 30
        given += ["-f", "lavfi", "-i", f"sine=frequency=440:duration={seconds}"]
    made = ["-vf", f"settb=1/600,setpts={times.replace(',', chr(92) + ',')}"]
    made += ["-fps_mode", "passthrough", "-enc_time_base", "1/600"]
    made += ["-c:v", "libx264", "-qp", "0", "-preset", "ultrafast"]
    made += ["-pix_fmt", "yuv444p", "-bf", "0"] + (["-c:a", sound] if sound else [])
    command = [ffmpeg.find(), "-v", "error", "-y", *given, *made, *arguments, str(path)]
    data = b"".join(picture.tobytes() for picture in shown)
    subprocess.run(command, input=data, check=True)


def turned(clip, path):
    """A copy that says that it is to be shown turned by 90 degrees."""
    ways = (
        ["-display_rotation", "90", "-i", clip, "-c", "copy"],  # since ffmpeg 6
        ["-i", clip, "-c", "copy", "-metadata:s:v:0", "rotate=90"],
    )
    for way in ways:
        command = [ffmpeg.find(), "-v", "error", "-y", *map(str, way), str(path)]
        if not subprocess.run(command, capture_output=True, check=False).returncode:
            return


def told(path, *arguments, before=()):
    """What ffmpeg writes to its output of a video, in lines."""
    command = [ffmpeg.find(), "-v", "error", *before, "-i", str(path), *arguments, "-"]
    done = subprocess.run(command, capture_output=True, check=True, text=True)
    return done.stdout.splitlines()


def times(path):
    """When the frames of a video are shown, in seconds, in order."""
    lines = told(path, "-map", "0:v:0", "-c", "copy", "-copyts", "-f", "framecrc")
    tick = next(Fraction(line.split()[-1]) for line in lines if line[:3] == "#tb")
    stamps = [int(line.split(",")[2]) for line in lines if line[0] != "#"]
    return [stamp * tick for stamp in sorted(stamps)]


def sound(path):
    """The bytes of a video's sound, as their sum, packet by packet."""
    lines = told(path, "-map", "0:a", "-c", "copy", "-f", "framehash")
    return [line.split(",")[5] for line in lines if line[0] != "#"]


def sums(path):
    """MD5 of the pixels of each frame."""
    lines = told(path, "-map", "0:v:0", "-fps_mode", "passthrough", "-f", "framemd5")
    return [line.split(",")[-1] for line in lines if line[0] != "#"]


def pixels(path, kind, shape, before=()):
    """All frames of a video, [frames, *shape], as ffmpeg decodes them to a kind."""
    arguments = ["-map", "0:v:0", "-fps_mode", "passthrough", "-f", "rawvideo"]
    command = [ffmpeg.find(), "-v", "error", *before, "-i", str(path), *arguments]
    command += ["-pix_fmt", kind, "-"]
    data = subprocess.run(command, capture_output=True, check=True).stdout
    dtype = np.uint16 if kind == "gray16le" else np.uint8
    return np.frombuffer(data, dtype).reshape(-1, *shape)


def network(bg, fg_bg):
    """Answers as a network: the mask is where the pictures differ, depth falls."""
    mask = tf.reduce_max(tf.abs(bg - fg_bg), axis=-1, keepdims=True) > 50
    fall = tf.linspace(1.0, 0.0, SIDE)[tf.newaxis, :, tf.newaxis, tf.newaxis]
    return {
        "mask": tf.cast(mask, tf.float32),
        "depth": tf.broadcast_to(fall, [1, SIDE, SIDE, 1]),
        "background_mismatch": tf.reduce_mean(tf.cast(mask, tf.float32), [1, 2, 3]),
    }
