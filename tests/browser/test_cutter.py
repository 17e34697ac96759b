"""The page's processor cuts as the package does, with SIMD and without."""

import gzip

import cv2
import numpy as np
import pytest
import tensorflow as tf

from benchmarks import chromium
from benchmarks import registration as benchmark
from maskdepth_tf.browser import page_server
from maskdepth_tf.inference import matting
from maskdepth_tf.live import SIDE
from tests.support.made_rooms import made_figure

HEIGHT, WIDTH = 240, 320
STILL = [1.0, 0, 0, 0, 1, 0, 0, 0]
MOVED = [1.0, 0, 8 / WIDTH, 0, 1, -6 / HEIGHT, 0, 0]
"""By whole pixels."""
TILTED = [*MOVED[:6], 0.02, -0.03]
CURVES = [[0.01, 0.05, 0.9, 0.02], [0.0, 0.0, 1.0, 0.0], [0.0, -0.05, 1.1, 0.0]]
GAIN = [0.02, -0.03, 0.01, 0.0, 0.02]
COMPUTE = """async ([layers, planes]) => {
  const { BLOCK, Perceptron } = await import("/perceptron.js");
  const compute = () => {
    const perceptron = new Perceptron(layers);
    planes.forEach((plane, j) => perceptron.features.set(plane, j * BLOCK));
    const count = planes[0].length;
    perceptron.run(count);
    return [perceptron.hasSimd, Array.from(perceptron.sums.subarray(0, count))];
  };
  const found = [compute()];
  WebAssembly.validate = () => false;
  return [...found, compute()];
}"""
"""Sums with SIMD and without."""
CUT = """async ([width, height, warp, curves, gain]) => {
  const settings = await (await fetch("settings.json")).json();
  const scene = await (await fetch("scene")).arrayBuffer();
  const { Cutter } = await import("/cutter.js");
  const { Edges } = await import("/edges.js");
  const side = settings.image_size;
  const cells = side * side;
  const mask = new Float32Array(scene, 0, cells);
  const shown = new Float32Array(scene, 4 * cells, 3 * cells);
  const edges = new Edges(settings.matting, side).find(mask, shown);
  const answer = { ...edges, warp, light: { curves, gain } };
  const start = 16 * cells;
  const length = 4 * width * height;
  const background = new Uint8ClampedArray(scene, start, length);
  const cut = () => {
    const frame = new Uint8ClampedArray(scene.slice(start + length));
    const cutter = new Cutter(settings.matting, side);
    cutter.resize(width, height);
    cutter.cut(frame, background, answer);
    const text = Array.from(frame, (value) => String.fromCharCode(value)).join("");
    return [cutter.perceptron.hasSimd, text];
  };
  const found = [cut()];
  WebAssembly.validate = () => false;
  return [...found, cut()];
}"""
"""RGBA bytes with SIMD and without."""


def some_layers(inputs, units):
    """Kernel and bias of two layers."""
    draws = np.random.default_rng(inputs)
    shapes = ((inputs, units), units), ((units, 1), 1)
    return [[draws.normal(size=shape).tolist() for shape in layer] for layer in shapes]


def both_ways(browser, live_url, script, arguments):
    """What a script finds with SIMD and without."""
    with chromium.page_of(browser, live_url) as page:
        found = page.evaluate(script, arguments)
    assert [has_simd for has_simd, _ in found] == [True, False]
    return [values for _, values in found]


@pytest.mark.parametrize(("inputs", "units", "count"), [(3, 5, 1), (11, 32, 1022)])
def test_sums_are_those_of_numpy(browser, live_url, inputs, units, count):
    layers = some_layers(inputs, units)
    (kernel, bias), (last, last_bias) = (map(np.array, layer) for layer in layers)
    planes = np.random.default_rng(count).normal(size=(len(kernel), count))
    hidden = np.maximum(planes.T @ kernel + bias, 0)
    expected = (hidden @ last + last_bias)[:, 0]
    for sums in both_ways(browser, live_url, COMPUTE, [layers, planes.tolist()]):
        np.testing.assert_allclose(sums, expected, rtol=1e-4, atol=1e-4)


def seen_from(room, warp):
    """A room as a background whose warp this is: uint8 [H, W, 3]."""
    to_points = benchmark.points_of(WIDTH, HEIGHT)
    matrix = np.linalg.inv(to_points) @ np.append(warp, 1).reshape(3, 3) @ to_points
    size, border = (WIDTH, HEIGHT), cv2.BORDER_REPLICATE
    return cv2.warpPerspective(room, matrix, size, borderMode=border)


def publish(server, mask, shown, *frames):
    """Has the server send what the network saw, and frames."""
    opaque = np.full((HEIGHT, WIDTH, 1), 255, np.uint8)
    frames = (np.concatenate([pixels, opaque], axis=2) for pixels in frames)
    data = b"".join(part.tobytes() for part in (mask, shown, *frames))
    kind, packed = "application/octet-stream", gzip.compress(data, 1)
    server.files["scene"] = page_server.File(kind, packed, '"scene"')


# Between pixels the page takes the nearest one.
@pytest.mark.parametrize(("warp", "most"), [(STILL, 1), (MOVED, 1), (TILTED, 2)])
def test_cuts_as_the_package_does(
    browser, live_server, live_url, room, occupied, warp, most
):
    alpha = np.zeros((HEIGHT, WIDTH, 1), np.float32)
    alpha[30:230, 100:220] = made_figure(5)[..., 3:] / 255
    shown, mask = (
        tf.image.resize(x, (SIDE, SIDE), antialias=True) for x in (occupied, alpha)
    )
    bg = seen_from(room, warp)
    publish(live_server, mask.numpy(), shown.numpy(), bg, occupied)
    arguments = [WIDTH, HEIGHT, warp, CURVES, GAIN]
    cuts = [
        np.frombuffer(text.encode("latin1"), np.uint8).reshape(HEIGHT, WIDTH, 4)
        for text in both_ways(browser, live_url, CUT, arguments)
    ]
    simd, plain = (cut.astype(int) for cut in cuts)
    assert np.abs(simd - plain).max() <= 1
    tensors = (tf.constant(x) for x in (warp, CURVES, GAIN))
    alpha, own = matting.refine(matting.Pair(bg, occupied, shown, mask, *tensors))
    alpha, own = alpha.numpy()[..., 0], own.numpy().astype(int)
    is_edge = (0.01 < alpha) & (alpha < 0.99)
    assert is_edge.sum() > 1024  # more than are computed at once
    off = np.abs(simd[..., 3] - 255 * alpha)
    assert off[is_edge].mean() < most  # its logarithms come from tables
    assert off[~is_edge].mean() < 0.1
    is_seen = is_edge & (alpha > 0.1)
    assert np.abs(simd[..., :3] - own)[is_seen].mean() < most
