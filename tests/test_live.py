"""The command that opens the live page."""

import http.client
import os
import re
import signal
import socket
import subprocess
import sys

import keras
import numpy as np
import pytest

from maskdepth_tf import cli, live
from maskdepth_tf.browser import litert
from maskdepth_tf.network import model
from tests.support import litert_js
from tests.support.paths import ROOT
from tests.support.servers import PATIENCE


def test_serves_until_it_is_ended():
    litert_js.fetch()
    process = subprocess.Popen(
        [sys.executable, "-m", "maskdepth_tf.live", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    try:
        line = process.stdout.readline()
        (port,) = re.fullmatch(r"open  http://127\.0\.0\.1:(\d+)/\n", line).groups()
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        connection.request("GET", "/network.tflite")
        reply = connection.getresponse()
        assert reply.status == 200
        assert 1e6 < int(reply.headers["Content-Length"]) < 3.5e6
        connection.close()
    finally:
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate()
    assert process.returncode == 0
    assert errors.endswith("Ctrl-C ends it\n")  # TensorFlow may talk before


def test_masks_alone_are_those_beside_depths():
    from ai_edge_litert.interpreter import Interpreter

    keras.utils.set_random_seed(0)
    network = model.resnet_unet(160, widths=(16, 32))
    found = live.to_litert(live.network_of_page(network))
    interpreter = Interpreter(model_content=found)
    whole, mask = map(interpreter.get_signature_runner, ("whole", "mask"))
    bg, fg_bg = np.random.default_rng(1).uniform(0, 255, (2, 1, 128, 128, 3))
    pictures = {"bg": bg.astype("float32"), "fg_bg": fg_bg.astype("float32")}
    both = whole(**pictures)
    assert sorted(both) == ["depth", "mask"]
    assert both["mask"].shape == (1, 128, 128, 1)
    assert both["mask"].std() > 1e-3
    alone = mask(**pictures)
    assert list(alone) == ["mask"]
    np.testing.assert_array_equal(alone["mask"], both["mask"])
    # The weights are there once.
    assert len(found) < 1.5 * 4 * network.count_params()


def test_the_page_shows_at_most_128_pixels():
    def side(image_size, patch_size):
        network = model.resnet_unet(image_size, (4, 8), patch_size)
        return live.network_of_page(network).inputs[0].shape[1]

    assert side(192, 4) == 128
    assert side(96, 4) == 96
    assert side(192, 3) == 126


def test_says_how_to_get_what_is_missing(monkeypatch, capsys):
    monkeypatch.setattr(litert, "missing", lambda: ["litert_wasm_internal.js"])
    assert cli.run(live.main, []) != 0
    assert "python -m maskdepth_tf.browser.litert" in capsys.readouterr().err


def test_a_port_that_is_taken_is_said_at_once(capsys, monkeypatch):
    monkeypatch.setattr(litert, "missing", lambda: [])
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert cli.run(live.main, ["--port", str(port)]) == 2
    assert f"--port must be free. Received: {port}" in capsys.readouterr().err


@pytest.mark.parametrize("port", ["-1", "65536", "x"])
def test_port_is_one(port):
    assert cli.run(live.main, ["--port", port]) == 2
