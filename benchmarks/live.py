"""How fast, how exact and how small the live page is, in Chromium without a window.

    python -m benchmarks.live_films --output films
    python -m benchmarks.live --films films [--minutes 1] [--model fine]

The camera is a film of 640x480 at 30 frames a second. It prints, one a line and as
JSON,

    start_s           until `maskdepth live` can be opened
    ready_s           from the request of the page until the network has answered once
    megabytes         all that was sent, packed
    elsewhere         requests to other hosts
    frames_a_second   shown, over the minutes
    ms                median and tenth percentile of a frame's parts
    heap_mb           of the page after garbage collection, every tenth of the minutes
    steady_warnings   in those minutes
    warned_after_s    of a pushed camera, and of another exposure
    iou               of masks with those of `predict`, over 20 frames: least and mean,
                      and with those of a network that `predict` shows the page's square

A machine that does something else gives larger times: the tenth percentile says then
more than the median.
"""

import argparse
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks import chromium, live_films
from maskdepth_tf import cli
from maskdepth_tf.images import encoding

KEEP = """() => {
  window.kept = [];
  window.warned = [];
  window.watched = false;
  const small = document.createElement("canvas");
  [small.width, small.height] = [64, 48];
  const context = small.getContext("2d", { willReadFrequently: true });
  let last = null;
  document.addEventListener("maskdepth:frame", ({ detail }) => {
    const at = performance.now();
    let change = 0;
    if (watched) {
      context.drawImage(document.getElementById("canvas"), 0, 0, 64, 48);
      const { data } = context.getImageData(0, 0, 64, 48);
      if (last) data.forEach((value, i) => (change += Math.abs(value - last[i])));
      last = data;
    }
    kept.push({ ...detail, at, change });
  });
  const warning = document.getElementById("warning");
  const see = () => warned.push([performance.now(), !warning.hidden]);
  new MutationObserver(see).observe(warning, { attributeFilter: ["hidden"] });
}"""
PARTS = ("shrink", "registration", "network", "edges", "paint", "all")


def start_page(model):
    """The command's process, its address, and how long it took."""
    began = time.perf_counter()
    words = [sys.executable, "-m", "maskdepth_tf.live", "--port", "0"]
    process = subprocess.Popen(
        [*words, "--model", model], stdout=subprocess.PIPE, text=True
    )
    line = process.stdout.readline()
    url = re.search(r"http\S+", line)[0]
    return process, url, time.perf_counter() - began


def open_page(browser, url, found):
    """The page, once its network has answered."""
    page = browser.new_page()
    sent, elsewhere = [], []
    page.on("response", lambda reply: sent.append(reply.headers["content-length"]))
    page.on(
        "request", lambda r: None if r.url.startswith(url) else elsewhere.append(r.url)
    )
    page.goto(url)
    page.wait_for_selector("body[data-ready]")
    found["ready_s"] = round(page.evaluate("performance.now()") / 1000, 2)
    found["megabytes"] = round(sum(map(int, sent)) / 1e6, 2)
    found["elsewhere"] = len(elsewhere)
    session = page.context.new_cdp_session(page)
    page.evaluate(KEEP)
    return page, session


def go_live(page):
    """Takes the background from the film's beginning."""
    page.click("#choose-camera")
    page.wait_for_selector("body[data-state=ready]")
    page.click("#capture")
    page.wait_for_selector("body[data-state=live]", timeout=120_000)


def measure_film(page, session, minutes, found):
    """Rate, times, memory and warnings of a steady camera."""
    page.evaluate("kept.length = warned.length = 0")
    heaps, frames = [], []
    for _ in range(10):
        page.wait_for_timeout(minutes * 6000)
        frames += page.evaluate("kept.splice(0)")  # not to be measured itself
        session.send("HeapProfiler.collectGarbage")
        heap = session.send("Runtime.getHeapUsage")["usedSize"]
        heaps.append(round(heap / 1e6, 1))
    seconds = (frames[-1]["at"] - frames[0]["at"]) / 1000
    found["frames_a_second"] = round((len(frames) - 1) / seconds, 1)
    found["ms"] = {
        part: {
            "median": round(statistics.median(f[part] for f in frames), 1),
            "p10": round(float(np.percentile([f[part] for f in frames], 10)), 1),
        }
        for part in PARTS
    }
    found["heap_mb"] = heaps
    found["steady_warnings"] = sum(shown for _, shown in page.evaluate("warned"))


def warned_after(page):
    """Seconds from the greatest change in a film to the warning that follows it."""
    page.check("input[name=view][value=frame]", force=True)
    page.evaluate("watched = true, kept.length = warned.length = 0")
    page.wait_for_selector("#warning:not([hidden])", timeout=120_000)
    at = page.evaluate("warned.find(([, shown]) => shown)[0]")
    frames = [f for f in page.evaluate("kept") if f["at"] <= at]
    changed = max(frames, key=lambda frame: frame["change"])
    return round((at - changed["at"]) / 1000, 2)


def compare(browser, url, model):
    """IoU of masks of two pictures in the page with those of `predict`."""
    import tensorflow as tf

    from maskdepth_tf import live
    from maskdepth_tf.images import preprocessing
    from maskdepth_tf.images.pictures import Picture
    from maskdepth_tf.inference.loading import load_predictor
    from maskdepth_tf.training import checkpoints, presets

    predictors = {"predict": load_predictor(model)}
    with tempfile.TemporaryDirectory() as folder:
        network = live.network_of_page(checkpoints.load_model(model))
        presets.save_to_preset(network, folder)
        predictors["predict, same square"] = load_predictor(folder)
    room, figure = live_films.render()
    bg = encoding.encode_png(live_films.frame(room, figure, 1.0))
    page = browser.new_page()
    ious = {name: [] for name in predictors}
    for second in np.linspace(live_films.EMPTY + 1, live_films.SECONDS - 1, 20):
        fg_bg = encoding.encode_png(live_films.frame(room, figure, float(second)))
        page.goto(url)
        page.wait_for_selector("body[data-ready]")
        page.click("#choose-pictures")
        for name, data in (("bg", bg), ("fg", fg_bg)):
            file = {"name": f"{name}.png", "mimeType": "image/png", "buffer": data}
            page.set_input_files(f"#picture-{name}", file)
        page.click("#compare")
        page.wait_for_selector("body[data-state=still]")
        with page.expect_download() as download:
            page.click("#save-mask")
        mask = tf.io.decode_png(Path(download.value.path()).read_bytes()).numpy()
        ours = mask[..., 0] > 127
        pair = [Picture(x, preprocessing.decode_rgb(x).numpy()) for x in (bg, fg_bg)]
        for name, predictor in predictors.items():
            theirs = predictor.answer(*pair).mask[..., 0] >= 0.5
            ious[name].append(float(np.sum(ours & theirs) / np.sum(ours | theirs)))
    page.close()
    return {
        name: {
            "least": round(min(all_of), 4),
            "mean": round(statistics.mean(all_of), 4),
        }
        for name, all_of in ious.items()
    }


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--films", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--model", default=cli.PRESET)
    args = parser.parse_args()
    process, url, seconds = start_page(args.model)
    found = {"start_s": round(seconds, 1)}
    try:
        with chromium.driver() as driver:
            film = args.films / "steady.mjpeg"
            with chromium.running(driver, film.resolve()) as browser:
                page, session = open_page(browser, url, found)
                go_live(page)
                measure_film(page, session, args.minutes, found)
                page.close()
                found["iou"] = compare(browser, url, args.model)
            found["warned_after_s"] = {}
            for kind in ("moved", "exposed"):
                film = args.films / f"{kind}.mjpeg"
                with chromium.running(driver, film.resolve()) as browser:
                    page, _ = open_page(browser, url, {})
                    go_live(page)
                    found["warned_after_s"][kind] = warned_after(page)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()
    found["load"] = round(os.getloadavg()[0], 1)
    for name, value in found.items():
        print(f"{name:16} {value}", file=sys.stderr)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
