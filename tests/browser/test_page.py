"""The page in Chromium: camera, background, views, files, warnings, problems."""

import contextlib

import cv2
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from benchmarks import chromium
from maskdepth_tf.images import encoding
from tests.browser.conftest import shipped

FRAMES = """(count) => new Promise((resolve) => {
  document.addEventListener("maskdepth:frame", function see({ detail }) {
    if (--count > 0) return;
    document.removeEventListener("maskdepth:frame", see);
    resolve(detail);
  });
})"""
"""Waits for so many answers and gives what is known of the last one."""


KEEP_STATES = """() => {
  window.states = [];
  const keep = () => states.push(document.body.dataset.state);
  new MutationObserver(keep).observe(document.body, {attributeFilter: ["data-state"]});
}"""
"""Keeps the states that the page goes through, also those between two looks at it."""

CUTS = """(count) => new Promise((resolve) => {
  const small = document.createElement("canvas");
  small.width = small.height = 8;
  const context = small.getContext("2d", { willReadFrequently: true });
  context.imageSmoothingQuality = "high";
  const cuts = [];
  document.addEventListener("maskdepth:frame", function see() {
    context.drawImage(document.getElementById("canvas"), 0, 0, 8, 8);
    const { data } = context.getImageData(0, 0, 8, 8);
    cuts.push(Array.from({ length: 64 }, (_, i) => [...data.slice(4 * i, 4 * i + 4)]));
    if (cuts.length < count) return;
    document.removeEventListener("maskdepth:frame", see);
    resolve(cuts);
  });
})"""
"""What is painted for so many answers: colours of 8 x 8 parts each."""

WHILE_IN_FRONT = """() => new Promise((resolve) => {
  document.addEventListener("maskdepth:frame", function see({ detail }) {
    if (detail.coverage < 0.1) return;
    document.removeEventListener("maskdepth:frame", see);
    resolve();
  });
})"""
"""Waits until something is in front."""


@contextlib.contextmanager
def opened(browser, url, query="", **options):
    with chromium.page_of(browser, url, query, **options) as page:
        page.wait_for_selector("body[data-ready]")
        yield page


def open_camera(page):
    page.click("#choose-camera")
    page.wait_for_selector("body[data-state=ready]")


def give(page, selector, pixels, name="picture.png"):
    data = encoding.encode_png(pixels)
    file = {"name": name, "mimeType": "image/png", "buffer": data}
    page.set_input_files(selector, file)


def live_before(page, room):
    """Opens the camera and gives a picture as the background."""
    open_camera(page)
    give(page, "#background-file", room)
    page.wait_for_selector("body[data-state=live]")
    return page.evaluate(FRAMES, 3)


def saved(page, name):
    """What a button of the page lets the browser save."""
    with page.expect_download() as download:
        page.click(f"#save-{name}")
    assert download.value.suggested_filename == f"maskdepth_{name}.png"
    with Image.open(download.value.path()) as picture:
        return np.asarray(picture)


def view(page, name):
    page.check(f"input[name=view][value={name}]", force=True)


def shown(page):
    """Mean colour of each of 8 x 8 parts of the picture."""
    return np.array(
        page.evaluate(
            """() => {
  const small = document.createElement("canvas");
  small.width = small.height = 8;
  const context = small.getContext("2d");
  context.drawImage(document.getElementById("canvas"), 0, 0, 8, 8);
  return [...context.getImageData(0, 0, 8, 8).data];
}"""
        )
    )


def iou(one, other):
    return np.sum(one & other) / np.sum(one | other)


def test_background_is_taken_and_nothing_is_in_front(browser, live_url, camera, room):
    camera(*[room] * 4)
    with opened(browser, live_url) as page:
        assert page.evaluate("document.body.dataset.ready") == "browser"
        open_camera(page)
        page.evaluate(KEEP_STATES)
        page.click("#capture")
        page.wait_for_selector("body[data-state=live]")
        assert page.evaluate("states") == ["countdown", "capturing", "live"]
        frame = page.evaluate(FRAMES, 12)
        assert frame["coverage"] < 0.002
        assert frame["mismatch"] < 0.002
        assert page.is_hidden("#warning")
        assert "Live" in page.inner_text("#announcement")


@pytest.mark.parametrize("draw", ["processor", "webgl"])
def test_views_and_files_of_a_camera(browser, live_url, camera, room, occupied, draw):
    camera(occupied)
    with opened(browser, live_url, f"?draw={draw}") as page:
        frame = live_before(page, room)
        assert draw in page.inner_text("#drawn-by").lower()
        assert 0.1 < frame["coverage"] < 0.4
        seen = {}
        for name in ("overlay", "cutout", "depth", "relief", "frame"):
            view(page, name)
            page.evaluate(FRAMES, 2)
            seen[name] = shown(page)
        for name in set(seen) - {"frame"}:
            assert np.abs(seen[name] - seen["frame"]).mean() > 4, name
        view(page, "cutout")
        page.check("input[name=behind][value=colour]", force=True)
        page.fill("#colour", "#ff0000")
        page.evaluate(FRAMES, 2)
        np.testing.assert_allclose(shown(page)[:4], [255, 0, 0, 255], atol=2)
        mask, cutout, depth = (saved(page, n) for n in ("mask", "cutout", "depth"))
        assert mask.dtype == np.uint8
        assert mask.shape == depth.shape == (240, 320)
        assert cutout.shape == (240, 320, 4)
        figure = np.abs(occupied.astype(int) - room).max(axis=2) > 0
        assert iou(mask > 127, figure) > 0.9
        assert not cutout[mask == 0].any()
        inside = cutout[100:160, 140:180]
        assert inside[..., 3].min() > 240
        assert (
            np.abs(inside[..., :3] - occupied[100:160, 140:180].astype(int)).mean() < 20
        )
        assert depth.astype(int).max() > 2000
        page.click("#record")
        page.evaluate(FRAMES, 5)
        with page.expect_download() as download:
            page.click("#record")
        assert download.value.path().stat().st_size > 1000


def test_each_mask_is_shown_with_its_own_frame(
    browser, live_url, camera, room, occupied
):
    figure = np.abs(occupied.astype(int) - room).max(axis=2, keepdims=True) > 0
    red = np.array([255, 0, 0], np.uint8)
    pictures, expected = [], []
    for shift in (-80, 80):  # it jumps to and fro
        there = np.roll(figure, shift, axis=1)
        jumped = np.roll(occupied, shift, axis=1)
        pictures.append(np.where(there, jumped, room))
        cut = np.where(there, jumped, red).astype(np.uint8)
        expected.append(cv2.resize(cut, (8, 8), interpolation=cv2.INTER_AREA))
    # Seven in turn: whoever sees every second or third sees both.
    camera(*(pictures[i] for i in (0, 1, 1, 0, 1, 0, 0)))
    with opened(browser, live_url, "?draw=processor") as page:
        live_before(page, room)
        view(page, "cutout")
        page.check("input[name=behind][value=colour]", force=True)
        page.fill("#colour", "#ff0000")
        page.evaluate(FRAMES, 2)
        seen = page.evaluate(CUTS, 20)
    met = set()
    for cut in np.array(seen)[:, :, :3].reshape(-1, 8, 8, 3):
        far = [np.abs(cut - x.astype(int)).mean() for x in expected]
        assert min(far) < 6
        met.add(int(np.argmin(far)))
    assert met == {0, 1}


def test_a_moved_camera_is_said_and_the_background_taken_anew(
    browser, live_url, camera, room
):
    camera(np.roll(room, 12, axis=1))
    with opened(browser, live_url) as page:
        frame = live_before(page, room)
        page.wait_for_selector("#warning:not([hidden])")
        assert "The camera moved 1" in page.inner_text("#warning-text")
        assert frame["warp"][2] == pytest.approx(-12 / 320, abs=0.01)
        page.click("#recapture")
        page.wait_for_selector("body[data-state=live]")
        frame = page.evaluate(FRAMES, 12)
        assert frame["warp"] == [1, 0, 0, 0, 1, 0, 0, 0]
        assert page.is_hidden("#warning")


def test_other_light_and_another_room_are_said(browser, live_url, camera, room):
    camera(room * 0.7)
    with opened(browser, live_url) as page:
        live_before(page, room)
        page.wait_for_selector("#warning:not([hidden])")
        assert "darker" in page.inner_text("#warning-text")
        page.click("#dismiss")
        page.evaluate(FRAMES, 4)
        assert page.is_hidden("#warning")
        give(page, "#background-file", room[::-1, ::-1])
        page.wait_for_selector("#warning:not([hidden])")
        assert "does not fit" in page.inner_text("#warning-text")


@pytest.fixture(scope="module")
def predicted(room, occupied):
    """Mask and depth as `predict` has them."""
    ask, arguments = shipped().signatures()["serving_full_size"]
    data = [tf.constant([encoding.encode_png(pixels)]) for pixels in (room, occupied)]
    found = tf.function(ask, arguments, autograph=False)(*data)
    return found["mask"][0, ..., 0].numpy(), found["depth"][0, ..., 0].numpy()


@pytest.mark.parametrize("query", ["", "?server", "?draw=webgl"])
def test_two_pictures_as_predict_has_them(
    browser, live_url, room, occupied, predicted, query
):
    expected, far = predicted
    with opened(browser, live_url, query) as page:
        runtime = "server" if query == "?server" else "browser"
        assert page.evaluate("document.body.dataset.ready") == runtime
        page.click("#choose-pictures")
        assert page.is_disabled("#compare")
        give(page, "#picture-bg", room)
        give(page, "#picture-fg", occupied)
        page.click("#compare")
        page.wait_for_selector("body[data-state=still]")
        mask, depth = saved(page, "mask"), saved(page, "depth")
    assert iou(mask > 127, expected >= 0.5) > 0.99
    assert np.abs(mask / 255 - expected).mean() < 0.004
    assert np.abs(depth / 65535 - far).mean() < 0.01


def test_by_keyboard_alone(browser, live_url, camera, room, occupied):
    camera(occupied)
    with opened(browser, live_url) as page:
        page.focus("#choose-camera")
        page.keyboard.press("Enter")
        page.wait_for_selector("body[data-state=ready]")
        focused = page.evaluate("document.activeElement.id")
        assert focused == "capture"
        page.keyboard.press("Enter")
        page.wait_for_selector("body[data-state=live]")
        page.focus("input[name=view][value=overlay]")
        for name in ("cutout", "depth", "relief"):
            page.keyboard.press("ArrowRight")
            assert page.evaluate("document.body.dataset.view") == name
        page.evaluate(FRAMES, 2)
        before = shown(page)
        page.focus("#canvas")
        for _ in range(6):
            page.keyboard.press("ArrowLeft")
        page.evaluate(FRAMES, 2)
        assert np.abs(shown(page) - before).mean() > 2


def test_narrow_and_dark(browser, live_url, camera, occupied, room):
    camera(occupied)
    size = {"width": 360, "height": 740}
    colours = []
    for scheme in ("light", "dark"):
        with opened(browser, live_url, viewport=size, color_scheme=scheme) as page:
            for step in (lambda page: None, lambda page: live_before(page, room)):
                step(page)
                width = page.evaluate("document.documentElement.scrollWidth")
                assert width <= 360
            colours.append(
                page.evaluate("getComputedStyle(document.body).backgroundColor")
            )
    assert colours[0] != colours[1]


def test_no_camera_and_a_broken_file(driver, live_url):
    with chromium.running(driver) as browser, opened(browser, live_url) as page:
        page.click("#choose-camera")
        page.wait_for_selector("#problem:not([hidden])")
        assert "camera" in page.inner_text("#problem-title").lower()
        page.click("#restart")
        page.wait_for_selector("body[data-state=start]")
        page.click("#choose-pictures")
        for selector in ("#picture-bg", "#picture-fg"):
            file = {"name": "x.png", "mimeType": "image/png", "buffer": b"no picture"}
            page.set_input_files(selector, file)
        page.click("#compare")
        page.wait_for_selector("#problem:not([hidden])")
        assert page.inner_text("#problem-title") == "That file cannot be read"


def test_a_video_file(browser, live_url, room, occupied, tmp_path):
    path = tmp_path / "film.webm"
    size = room.shape[1::-1]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"VP80"), 30, size)
    for picture in [room] * 30 + [occupied] * 30:
        writer.write(picture[..., ::-1])
    writer.release()
    with opened(browser, live_url) as page:
        page.set_input_files("#video-file", path)
        page.wait_for_selector("body[data-state=ready]")
        assert page.inner_text("#source-text") == "film.webm"
        give(page, "#background-file", room)
        page.wait_for_selector("body[data-state=live]")
        page.evaluate(WHILE_IN_FRONT)
        # It is shown over and over, and may be taken anew from any place.
        page.fill("#seek", "0")
        page.click("#capture")
        page.wait_for_selector("body[data-state=live]")
        page.evaluate(FRAMES, 2)


def test_a_refused_camera(browser, live_url):
    with opened(browser, live_url) as page:
        page.evaluate(
            """() => navigator.mediaDevices.getUserMedia = async () => {
  throw new DOMException("refused", "NotAllowedError");
}"""
        )
        page.click("#choose-camera")
        page.wait_for_selector("#problem:not([hidden])")
        assert page.inner_text("#problem-title") == "The camera was refused"
        page.click("#retry")
        page.wait_for_selector("#problem:not([hidden])")
