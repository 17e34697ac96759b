"""The page brings backgrounds onto pictures as the graph does."""

import gzip

import numpy as np
import pytest
import tensorflow as tf

from benchmarks import chromium
from maskdepth_tf.browser import page_server
from maskdepth_tf.live import SIDE
from maskdepth_tf.registration import comparing, registering
from tests.support.made_rooms import made_figure, made_room

COUNT = 20
ASPECTS = [1.0, 4 / 3, 16 / 9, 0.75]
"""Of the pictures before they were made squares, in turn."""
SCRIPT = """async (aspects) => {
  const settings = await (await fetch("settings.json")).json();
  const pixels = new Uint8Array(await (await fetch("pairs")).arrayBuffer());
  const { Registration } = await import("/registering.js");
  const side = settings.image_size;
  const registration = new Registration(settings, side);
  const length = side * side * 3;
  const found = [];
  for (let start = 0; start < pixels.length; start += 2 * length) {
    const aspect = aspects[found.length % aspects.length];
    registration.setBackground(pixels.subarray(start, start + length), aspect);
    const end = start + 2 * length;
    const picture = Float32Array.from(pixels.subarray(start + length, end));
    const { bg, warp, light, mismatch } = registration.register(picture, true);
    // Of arrays each number would be sent with its type.
    const text = Array.from(bg, (value) => String.fromCharCode(value)).join("");
    found.push({ warp, light, mismatch, bg: text });
  }
  return found;
}"""


@pytest.fixture(scope="module")
def pairs():
    """Backgrounds and pictures, uint8 [20, 2, S, S, 3]."""
    from benchmarks import registration as benchmark

    made = []
    for seed in range(COUNT):
        draws = np.random.default_rng(seed)
        figure, tilt = made_figure(seed), 0.05 * (seed % 2)
        pair = benchmark.make_pair(made_room(seed % 5), figure, draws, tilt=tilt)
        both = (tf.image.resize(x, (SIDE, SIDE)) for x in (pair.bg, pair.fg_bg))
        made.append([np.rint(x).astype(np.uint8) for x in both])
    return np.array(made)


def test_registers_as_the_graph_does(browser, live_server, live_url, pairs):
    register = tf.function(registering.register, autograph=False)
    packed = gzip.compress(pairs.tobytes(), 1)
    file = page_server.File("application/octet-stream", packed, '"pairs"')
    live_server.files["pairs"] = file
    with chromium.page_of(browser, live_url) as page:
        found = page.evaluate(SCRIPT, ASPECTS)
    assert len(found) == COUNT
    moved = tilted = 0
    for i, ours in enumerate(found):
        bg, fg_bg = pairs[i].astype(np.float32)
        aspect = tf.constant([ASPECTS[i % len(ASPECTS)]])
        theirs = register(bg[np.newaxis], fg_bg[np.newaxis], aspect=aspect)
        warp = theirs.warp[0].numpy()
        moved += not np.array_equal(warp, [1, 0, 0, 0, 1, 0, 0, 0])
        tilted += warp[6] != 0
        np.testing.assert_allclose(ours["warp"], warp, atol=1e-3)
        light = ours["light"]
        np.testing.assert_allclose(light["curves"], theirs.light.curves[0], atol=1e-3)
        np.testing.assert_allclose(light["gain"], theirs.light.gain[0], atol=1e-3)
        flat = np.frombuffer(ours["bg"].encode("latin1"), np.uint8)
        pixels = flat.reshape(SIDE, SIDE, 3).astype(np.float32)
        assert np.abs(pixels - theirs.bg[0]).mean() / 255 < 1e-3
        mismatch = comparing.mismatch(pixels[np.newaxis], fg_bg[np.newaxis])[0]
        assert ours["mismatch"] == pytest.approx(float(mismatch), abs=1e-4)
    assert moved > COUNT / 2
    assert tilted > COUNT / 4
