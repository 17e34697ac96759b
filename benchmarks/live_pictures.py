"""Pictures and a clip of the live page, for the documentation.

    python -m benchmarks.live_films --output films
    python -m benchmarks.live_pictures --films films --output docs/images

writes `live.jpg`, the page with somebody in front, `live_states.jpg`, the states that
it goes through, and `live.webp`, a clip. All that they show is rendered.
"""

import argparse
import io
import signal
from pathlib import Path

from PIL import Image

from benchmarks import chromium
from benchmarks.live import go_live, start_page
from maskdepth_tf import cli

SIZE = {"width": 1280, "height": 800}
COLUMNS = 3
SMALL = (480, 300)
CLIP = {"width": 960, "height": 600}
CLIP_SIZE = (720, 450)
CLIP_FRAMES = 18
"""Of each view."""

IN_FRONT = """() => new Promise((resolve) => {
  document.addEventListener("maskdepth:frame", function see({ detail }) {
    if (detail.coverage < 0.12) return;
    document.removeEventListener("maskdepth:frame", see);
    resolve();
  });
})"""
REFUSED = """() => navigator.mediaDevices.getUserMedia = async () => {
  throw new DOMException("refused", "NotAllowedError");
}"""
NO_CAMERA = REFUSED.replace("NotAllowedError", "NotFoundError")
ASKED = "() => navigator.mediaDevices.getUserMedia = () => new Promise(() => {})"
# It has the name of its film.
NAME_CAMERA = "document.querySelector('#camera option').textContent = 'Camera'"
FRAME = """() => new Promise((resolve) =>
  document.addEventListener("maskdepth:frame", resolve, { once: true }))"""


def shot(page):
    """What the page looks like."""
    return Image.open(io.BytesIO(page.screenshot())).convert("RGB")


def opened(browser, url, size=SIZE, scheme="light"):
    """The page, ready."""
    page = browser.new_page(viewport=size, color_scheme=scheme)
    page.goto(url)
    page.wait_for_selector("body[data-ready]")
    return page


def show(page, view, behind=None):
    """Chooses a view."""
    page.check(f"input[name=view][value={view}]", force=True)
    if behind:
        page.check(f"input[name=behind][value={behind}]", force=True)
    for _ in range(3):
        page.evaluate(FRAME)


def before_live(browser, url):
    """Pictures of the states before the background was taken."""
    page = opened(browser, url)
    yield shot(page)
    page.click("#choose-pictures")
    yield shot(page)
    page.close()
    for script in (ASKED, REFUSED, NO_CAMERA):
        page = opened(browser, url)
        page.evaluate(script)
        page.click("#choose-camera")
        yield shot(page)
        page.close()


def live(browser, url):
    """Pictures of the states from the countdown to a warning."""
    page = opened(browser, url)
    page.click("#choose-camera")
    page.wait_for_selector("#camera option", state="attached")
    page.evaluate(NAME_CAMERA)
    page.click("#capture")
    yield shot(page)
    page.wait_for_selector("body[data-state=live]", timeout=120_000)
    page.evaluate(IN_FRONT)
    for view, behind in (
        ("overlay", None),
        ("cutout", "squares"),
        ("cutout", "blur"),
        ("depth", None),
        ("relief", None),
    ):
        show(page, view, behind)
        yield shot(page)
    show(page, "overlay")
    page.wait_for_selector("#warning:not([hidden])", timeout=120_000)
    yield shot(page)
    page.close()


def clip(browser, url):
    """Pictures of a clip: the views, one after the other."""
    page = opened(browser, url, CLIP, "dark")
    go_live(page)
    page.evaluate(NAME_CAMERA)
    page.evaluate(IN_FRONT)
    frames = []
    for view in ("overlay", "cutout", "depth", "relief"):
        show(page, view, "blur" if view == "cutout" else None)
        page.focus("#canvas")
        for number in range(CLIP_FRAMES):
            if view == "relief":
                page.keyboard.press("ArrowLeft" if number % 14 < 7 else "ArrowRight")
            page.evaluate(FRAME)
            frames.append(shot(page).resize(CLIP_SIZE, Image.Resampling.LANCZOS))
    page.close()
    return frames


def sheet(pictures):
    """Pictures side by side."""
    rows = -(-len(pictures) // COLUMNS)
    width, height = SMALL
    whole = Image.new("RGB", (COLUMNS * width, rows * height), "white")
    for number, picture in enumerate(pictures):
        row, column = divmod(number, COLUMNS)
        small = picture.resize((width - 8, height - 8), Image.Resampling.LANCZOS)
        whole.paste(small, (column * width + 4, row * height + 4))
    return whole


def main() -> None:
    """Writes them."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--films", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args()
    process, url, _ = start_page(cli.PRESET)
    try:
        with chromium.driver() as driver:
            film = (args.films / "exposed.mjpeg").resolve()
            with chromium.running(driver, film) as browser:
                states = [*before_live(browser, url), *live(browser, url)]
            film = (args.films / "steady.mjpeg").resolve()
            with chromium.running(driver, film) as browser:
                frames = clip(browser, url)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()
    states[6].save(args.output / "live.jpg", quality=85, optimize=True)
    sheet(states).save(args.output / "live_states.jpg", quality=85, optimize=True)
    options = {"duration": 120, "loop": 0, "quality": 60, "method": 4}
    path = args.output / "live.webp"
    frames[0].save(path, save_all=True, append_images=frames[1:], **options)


if __name__ == "__main__":
    main()
