"""What `predict --webcam` does: a camera's pictures, drawn at once.

They go into a window, or to a virtual camera that other programs take for a real one.
"""

import contextlib
import functools
import math
import os
import re
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

import cv2
import numpy as np

from maskdepth_tf import startup
from maskdepth_tf.errors import DataError, StateError
from maskdepth_tf.images import preprocessing
from maskdepth_tf.inference import loading
from maskdepth_tf.video import backgrounds, rendering
from maskdepth_tf.video.following import Follower

TITLE = "maskdepth"
AWAY = 4.0
"""Time that one has to leave the picture, for `backgrounds.AUTO` [s]."""
EMPTY = 15
"""Frames of which the empty scene is made then."""
QUIT, TAKE = (27, ord("q")), ord("b")
"""Keys of the window: end, and take the background anew."""
_RATE = 30
"""Frames a second, of cameras that tell neither times nor a rate."""
_RATES = (1, 1000)
"""Rates that are believed."""


class Frame(NamedTuple):
    """A picture of a camera.

    Attributes:
        time: When it was taken, in seconds after the first one, by the camera's clock.
        pixels: uint8 [H, W, 3].
    """

    time: float
    pixels: np.ndarray


class Screen(Protocol):
    """Where pictures go."""

    def show(self, picture: np.ndarray) -> int:
        """Shows a picture, uint8 [H, W, 3]; returns the key that was pressed, or -1."""


def run(number: int, bg: str, onto: str, model: str, is_virtual: bool) -> None:
    """Draws what a camera sees until its window is closed.

    Args:
        number: Of the camera.
        bg: Picture of the scene alone, or `backgrounds.AUTO`.
        onto: What stands behind the foreground, as `rendering.find_backdrop`.
        model: The network, as `loading.load_network`.
        is_virtual: Whether the pictures go to a virtual camera.

    Raises:
        DataError: If the camera gives no pictures, or the background is none.
        StateError: If there is no screen, or what is needed for it is not installed.
    """
    if not is_virtual:
        check_screen()
    draw = rendering.composite(rendering.find_backdrop(onto))
    picture = None if bg == backgrounds.AUTO else preprocessing.read_rgb(bg)
    network, side = loading.load_network(model)
    follow = functools.partial(Follower, network, side, has_depth=False)
    with contextlib.ExitStack() as stack:
        camera = open_camera(number)
        stack.callback(camera.release)
        frames = _frames(camera, number)
        first = next(frames)
        opened = _virtual(first.pixels) if is_virtual else _window()
        screen = stack.enter_context(opened)
        show(frames, screen, follow, draw, picture)


def show(frames, screen: Screen, follow, draw: rendering.Draw, bg) -> None:
    """Draws pictures until they end or a key asks to.

    Args:
        frames: A `Frame` each.
        screen: Where they go.
        follow: Makes a follower of a background.
        draw: Draws an answer.
        bg: uint8 [H', W', 3]; None has it found first.
    """
    picture = _find_background(frames, screen) if bg is None else bg
    follower = None if picture is None else follow(picture)
    for frame in frames:
        if follower is None:
            return
        answer = follower.answer(follower.see(frame.pixels))
        key = screen.show(draw(follower, answer))
        if key in QUIT:
            return
        if key == TAKE:
            picture = _find_background(frames, screen)
            follower = None if picture is None else follow(picture)


def _find_background(frames, screen) -> np.ndarray | None:
    """The empty scene, after time to leave it; None if a key asked to end."""
    taken: list[np.ndarray] = []
    begin = None
    for time, pixels in frames:
        begin = time if begin is None else begin
        left = AWAY - (time - begin)
        if left <= 0:
            taken.append(pixels)
            text = "stay away"
        else:
            text = f"leave the picture: {math.ceil(left)}"
        if screen.show(_with_text(pixels, text)) in QUIT:
            return None
        if len(taken) == EMPTY:
            break
    if not taken:
        return None
    return np.sort(np.stack(taken), axis=0)[len(taken) // 2]


def open_camera(number: int) -> Any:
    """Opens a camera.

    Raises:
        DataError: If there is none of that number.
    """
    with startup.quietly():
        camera = cv2.VideoCapture(number)
    # What waits would only be late.
    camera.set(cv2.CAP_PROP_BUFFERSIZE, 1)
    if not camera.isOpened():
        camera.release()
        raise DataError(f"--webcam {number}: there is no such camera")
    return camera


def check_screen() -> None:
    """Refuses, before a library ends the process, to open a window where none can be.

    Raises:
        StateError: If there is no screen, or no library for windows.
    """
    hint = "or give --virtual-camera"
    names = ("DISPLAY", "WAYLAND_DISPLAY")
    if sys.platform == "linux" and not any(os.environ.get(name) for name in names):
        raise StateError(f"--webcam needs a screen, and there is none; {hint}")
    if re.search(r"GUI:\s+NONE", cv2.getBuildInformation()):
        raise StateError(
            "--webcam needs the extra gui: pip uninstall opencv-python-headless, then "
            f"pip install 'maskdepth_tf[gui]'; {hint}"
        )


def _frames(camera, number) -> Iterator[Frame]:
    """A camera's pictures until it gives no more.

    Their times are the camera's own where it has a clock that goes on. Else they follow
    from its rate.
    """
    rate = camera.get(cv2.CAP_PROP_FPS)
    rate = rate if _RATES[0] <= rate <= _RATES[1] else _RATE
    given, begin, time = 0, 0.0, 0.0
    while True:
        is_there, picture = camera.read()
        if not is_there:
            break
        told = camera.get(cv2.CAP_PROP_POS_MSEC) / 1000
        begin = begin if given else told
        time = max(time, told - begin if told > begin else given / rate)
        given += 1
        yield Frame(time, cv2.cvtColor(picture, cv2.COLOR_BGR2RGB))
    if not given:
        raise DataError(f"--webcam {number}: the camera gives no pictures")


def _with_text(pixels, text) -> np.ndarray:
    """A picture with a line of text, readable on anything."""
    picture, at = pixels.copy(), (20, pixels.shape[0] - 24)
    for colour, width in (((0, 0, 0), 6), ((255, 255, 255), 2)):
        cv2.putText(picture, text, at, cv2.FONT_HERSHEY_SIMPLEX, 1.0, colour, width)
    return picture


class _Window:
    def show(self, picture: np.ndarray) -> int:
        cv2.imshow(TITLE, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
        key = cv2.waitKey(1)
        if cv2.getWindowProperty(TITLE, cv2.WND_PROP_VISIBLE) < 1:
            return QUIT[0]
        return key


@contextlib.contextmanager
def _window() -> Iterator[Screen]:
    """A window of this computer's."""
    print("in the window: q ends, b takes the background anew")
    try:
        yield _Window()
    finally:
        cv2.destroyAllWindows()


@contextlib.contextmanager
def _virtual(first: np.ndarray) -> Iterator[Screen]:
    """A virtual camera for pictures like the first one."""
    try:
        import pyvirtualcam
    except ImportError:
        raise StateError(
            "--virtual-camera needs the extra: pip install "
            "'maskdepth_tf[virtual-camera]'"
        ) from None
    height, width = first.shape[:2]
    try:
        device = pyvirtualcam.Camera(width, height, _RATE)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[0]
        raise StateError(f"--virtual-camera: {reason}") from None
    with device:
        print(f"the virtual camera is {device.device}; Ctrl-C ends it")
        yield _Virtual(device)


class _Virtual:
    def __init__(self, device: Any) -> None:
        self._device = device

    def show(self, picture: np.ndarray) -> int:
        self._device.send(picture)
        return -1
