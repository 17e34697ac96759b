import contextlib

import cv2
import numpy as np
import pytest

from benchmarks import made_videos as videos
from benchmarks.made_videos import SIDE
from maskdepth_tf import cli, predict
from maskdepth_tf.errors import DataError, StateError
from maskdepth_tf.inference import loading
from maskdepth_tf.video import rendering, webcam
from maskdepth_tf.video.following import Follower

LEAVING = 120
"""Pictures of four seconds, at 30 a second."""


class Screen:
    """Keeps what it is shown, and presses keys."""

    def __init__(self, keys=()):
        self.shown, self._keys = [], dict(keys)

    def show(self, picture):
        self.shown.append(picture)
        return self._keys.get(len(self.shown), -1)


class Camera:
    """A camera that shows an empty room, then a thing that goes by.

    Args:
        empty: Pictures of the room.
        count: Pictures after them.
        rate: What it says of its rate.
        clock: From the number of a picture to its time, in milliseconds.
    """

    def __init__(self, empty, count, rate=30.0, clock=lambda number: 0.0):
        self._left = [videos.room()] * empty + videos.frames(count)
        self.is_released = False
        self._rate, self._clock, self._number = rate, clock, -1

    def get(self, name):
        if name == cv2.CAP_PROP_FPS:
            return self._rate
        assert name == cv2.CAP_PROP_POS_MSEC
        return self._clock(self._number)

    def set(self, name, value):
        pass

    def isOpened(self):
        return True

    def read(self):
        if not self._left:
            return False, None
        self._number += 1
        return True, np.ascontiguousarray(self._left.pop(0)[..., ::-1])

    def release(self):
        self.is_released = True


@pytest.fixture
def camera(monkeypatch):
    """A camera and a window: what the window is shown."""
    device = Camera(1 + LEAVING + webcam.EMPTY, 4)
    screen = Screen()
    monkeypatch.setattr(webcam.cv2, "VideoCapture", lambda number: device)
    monkeypatch.setattr(webcam, "check_screen", lambda: None)
    monkeypatch.setattr(webcam, "_window", lambda: contextlib.nullcontext(screen))
    monkeypatch.setattr(loading, "load_network", lambda path: (videos.network, SIDE))
    return device, screen


def run(*arguments):
    return cli.run(predict.main, ["--webcam", "--bg", "auto", *arguments])


def test_background_is_taken_and_the_thing_cut_out(camera):
    device, screen = camera
    assert run("--onto", "#0000ff") == 0
    assert device.is_released
    drawn = screen.shown[LEAVING + webcam.EMPTY :]
    assert len(drawn) == 4
    for picture, frame in zip(drawn, videos.frames(4), strict=True):
        inside = np.flatnonzero(frame[20, :, 0] == 230)
        np.testing.assert_array_equal(
            picture[24, inside[6:10]], frame[24, inside[6:10]]
        )
        np.testing.assert_array_equal(picture[24, -8:], [(0, 0, 255)] * 8)


def test_keys(camera):
    rooms = [videos.room()] * (LEAVING + webcam.EMPTY)
    shown = [*rooms, *videos.frames(3), *rooms, *videos.frames(2)]
    frames = [webcam.Frame(n / 30, picture) for n, picture in enumerate(shown)]
    made = []

    def follow(pixels):
        made.append(pixels)
        return Follower(videos.network, SIDE, pixels, has_depth=False)

    draw = rendering.composite(rendering.find_backdrop("#0000ff"))
    # Taken anew at the third picture that is cut out, and ended at the next but one.
    screen = Screen({len(rooms) + 3: webcam.TAKE, 2 * len(rooms) + 4: ord("q")})
    webcam.show(iter(frames), screen, follow, draw, None)
    assert len(made) == 2
    for pixels in made:
        np.testing.assert_array_equal(pixels, videos.room())
    assert len(screen.shown) == 2 * len(rooms) + 4
    early = Screen({5: 27})
    webcam.show(iter(frames), early, follow, draw, None)
    assert len(early.shown) == 5


@pytest.mark.parametrize(
    ("rate", "clock", "expected"),
    [
        (30.0, lambda n: 0.0, 120),
        (15.0, lambda n: 0.0, 60),
        (60.0, lambda n: -1.0, 240),
        (0.0, lambda n: 0.0, 120),  # it says nothing
        (1e9, lambda n: 0.0, 120),
        (float("nan"), lambda n: 0.0, 120),
        # In the dark it takes 10 a second, whatever it says; its clock began long ago.
        (30.0, lambda n: 5e6 + 100 * n, 40),
        (30.0, lambda n: 1000 * (n // 25), 100),  # a clock of whole seconds
    ],
)
def test_time_to_leave_is_the_cameras(rate, clock, expected):
    device = Camera(300, 0, rate, clock)
    screen = Screen()
    picture = webcam._find_background(webcam._frames(device, 0), screen)
    np.testing.assert_array_equal(picture, videos.room())
    assert len(screen.shown) == expected + webcam.EMPTY


def test_no_camera_and_no_screen(monkeypatch, capsys):
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(loading, "load_network", lambda path: (videos.network, SIDE))
    assert run() == StateError.exit_code
    expected = "error: --webcam needs a screen, and there is none; or give "
    assert capsys.readouterr().err == f"{expected}--virtual-camera\n"
    argv = ["--webcam", "77", "--bg", "auto", "--virtual-camera"]
    assert cli.run(predict.main, argv) == DataError.exit_code
    assert capsys.readouterr().err == "error: --webcam 77: there is no such camera\n"


def test_no_library_for_windows(monkeypatch, capsys):
    monkeypatch.setenv("DISPLAY", ":77")
    text = "  GUI:      NONE\n"
    monkeypatch.setattr(webcam.cv2, "getBuildInformation", lambda: text)
    assert run() == StateError.exit_code
    assert "error: --webcam needs the extra gui: " in capsys.readouterr().err
