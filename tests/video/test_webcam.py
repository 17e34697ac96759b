import contextlib

import numpy as np
import pytest

from benchmarks import made_videos as videos
from benchmarks.made_videos import SIDE
from maskdepth_tf import cli, predict
from maskdepth_tf.errors import DataError, StateError
from maskdepth_tf.inference import loading
from maskdepth_tf.video import rendering, webcam
from maskdepth_tf.video.following import Follower


class Screen:
    """Keeps what it is shown, and presses keys."""

    def __init__(self, keys=()):
        self.shown, self._keys = [], dict(keys)

    def show(self, picture):
        self.shown.append(picture)
        return self._keys.get(len(self.shown), -1)


class Camera:
    """A camera that shows an empty room, then a thing that goes by."""

    def __init__(self, empty, count):
        self._left = [videos.room()] * empty + videos.frames(count)
        self.is_released = False

    def set(self, name, value):
        pass

    def isOpened(self):
        return True

    def read(self):
        if not self._left:
            return False, None
        return True, np.ascontiguousarray(self._left.pop(0)[..., ::-1])

    def release(self):
        self.is_released = True


@pytest.fixture
def camera(monkeypatch):
    """A camera and a window: what the window is shown."""
    device = Camera(1 + webcam.AWAY + webcam.EMPTY, 4)
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
    drawn = screen.shown[webcam.AWAY + webcam.EMPTY :]
    assert len(drawn) == 4
    for picture, frame in zip(drawn, videos.frames(4), strict=True):
        inside = np.flatnonzero(frame[20, :, 0] == 230)
        np.testing.assert_array_equal(
            picture[24, inside[6:10]], frame[24, inside[6:10]]
        )
        np.testing.assert_array_equal(picture[24, -8:], [(0, 0, 255)] * 8)


def test_keys(camera):
    rooms = [videos.room()] * (webcam.AWAY + webcam.EMPTY)
    frames = [*rooms, *videos.frames(3), *rooms, *videos.frames(2)]
    made = []

    def follow(pixels):
        made.append(pixels)
        return Follower(videos.network, SIDE, pixels)

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
