"""Debian's Chromium without a window, and films for its camera."""

import contextlib
import shutil

from maskdepth_tf.images import encoding

PATIENCE = 150
"""Longest that anything may take, in seconds: machines stand still at times."""
NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync "
    "--disable-background-networking --disable-component-update"
).split()
CAMERA = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]


def find():
    """Its path; None where there is none."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@contextlib.contextmanager
def driver():
    """What drives browsers; while it is there, nothing else may use asyncio."""
    from playwright import sync_api

    with sync_api.sync_playwright() as found:
        yield found


@contextlib.contextmanager
def running(driver, film=None):
    """A browser whose camera shows a film, or one without a camera."""
    path = find()
    flags = [*CAMERA, f"--use-file-for-fake-video-capture={film}"] if film else []
    browser = driver.chromium.launch(
        executable_path=path, args=[*FLAGS, *flags], timeout=1000 * PATIENCE
    )
    try:
        yield browser
    finally:
        browser.close()


@contextlib.contextmanager
def page_of(browser, url, query="", **options):
    """A page that was opened; fails if it asks elsewhere or breaks a rule."""
    context = browser.new_context(**options)
    context.set_default_timeout(1000 * PATIENCE)
    page, wrong = context.new_page(), []

    def see_request(request):
        if not request.url.startswith((url, f"blob:{url}")):
            wrong.append(f"asks {request.url}")

    def see_message(message):
        if message.type == "error":
            wrong.append(message.text)

    page.on("request", see_request)
    page.on("console", see_message)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    try:
        page.goto(url + query)
        yield page
    finally:
        context.close()
    assert not wrong, wrong


def write_film(path, frames):
    """A film that a fake camera shows over and over: RGB pictures, each a JPEG."""
    whole = b"".join(encoding.encode_jpeg(frame, 92) for frame in frames)
    path.write_bytes(whole)
