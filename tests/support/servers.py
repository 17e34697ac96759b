"""Servers in this process on free ports of 127.0.0.1, and small models for them."""

import asyncio
import base64
import contextlib
import http.client
import json
import os
import threading
import time
from pathlib import Path
from typing import NamedTuple
from unittest import mock
from urllib.parse import urlsplit

import numpy as np
import tensorflow as tf

from maskdepth_tf.serving import connections, grpc_api, model_config, rest, server
from maskdepth_tf.serving.models import Models, Spec
from maskdepth_tf.serving.running.batching import Limits
from maskdepth_tf.serving.saved_model import SavedModel

PATIENCE = 150
"""Longest that anything may take, in seconds: machines stand still at times."""

FLOATS = tf.TensorSpec([None, 2], tf.float32, "x")
TEXTS = tf.TensorSpec([None], tf.string, "text")
NUMBERS = tf.TensorSpec([None], tf.int32, "number")


class Shift(tf.Module):
    """Adds a constant to its input; other signatures have other types and shapes."""

    def __init__(self, constant):
        super().__init__()
        self.constant = tf.Variable(float(constant))

    @tf.function(input_signature=[FLOATS])
    def shifted(self, x):
        return {"y": x + self.constant}

    @tf.function(input_signature=[FLOATS, NUMBERS])
    def two(self, x, number):
        return {"sum": x + tf.cast(number, tf.float32)[:, None], "number": number}

    @tf.function(input_signature=[TEXTS])
    def echo(self, text):
        is_bad = tf.reduce_any(text == "bad")
        tf.debugging.assert_equal(is_bad, False, "a bad text")
        return {"text": text, "text_bytes": text}

    @tf.function(input_signature=[FLOATS])
    def total(self, x):
        return {"total": tf.reduce_sum(x)}

    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.uint8, "small"),
            tf.TensorSpec([None], tf.bool, "flag"),
            tf.TensorSpec([None], tf.float64, "double"),
        ]
    )
    def kinds(self, small, flag, double):
        return {"small": small, "flag": flag, "double": double}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float16, "half")])
    def half(self, half):
        return {"half": half}


def write_version(folder, number, constant=0.0, signatures=True) -> Path:
    """Writes a version that adds a constant, complete at once.

    Its manifest says that rows are independent.

    Args:
        folder: Of the model.
        number: Of the version.
        constant: What it adds.
        signatures: Whether with the other signatures, which take a second.
    """
    module = Shift(constant)
    names = ["two", "echo", "total", "kinds", "half"] if signatures else []
    functions = {name: getattr(module, name) for name in names}
    functions["serving_default"] = module.shifted
    aside = Path(folder) / f".writing-{number}"
    tf.saved_model.save(module, str(aside), functions)
    (aside / "manifest.json").write_text('{"files": {}, "rows": "independent"}')
    final = Path(folder) / str(number)
    os.rename(aside, final)
    return final


class Gated:
    """Loads models that wait for a gate, and count how often they have run."""

    def __init__(self):
        self.gate, self.runs = threading.Event(), []
        self.gate.set()

    def __call__(self, folder):
        gated = self

        class Model(SavedModel):
            def run(self, name, arrays):
                gated.runs.append(arrays)
                gated.gate.wait(PATIENCE)
                return super().run(name, arrays)

        return Model(folder)


class Running(NamedTuple):
    """A server in a thread, and how to talk to it."""

    service: object
    rest: str
    grpc: str
    advance: object = None
    """Makes the server's clock, of its time limits, go forward by seconds."""

    def request(self, method, path, body=None, headers=None):
        """Status and body, parsed if it is JSON."""
        connection = http.client.HTTPConnection(
            urlsplit(self.rest).netloc, timeout=PATIENCE
        )
        with contextlib.closing(connection):
            if isinstance(body, dict):
                body = json.dumps(body)
            connection.request(method, path, body, headers or {})
            reply = connection.getresponse()
            data = reply.read()
        is_json = data and reply.headers.get_content_type() == "application/json"
        return reply.status, json.loads(data) if is_json else data

    def predict(self, body, path="/v1/models/shift:predict"):
        return self.request("POST", path, body)


class Clock:
    """The clock of an event loop, which a test can advance."""

    def __init__(self, loop):
        self.loop, self.time, self.offset = loop, loop.time, 0.0
        loop.time = lambda: self.time() + self.offset

    def advance(self, seconds):
        """Returns when all that was due by then has been called."""
        self.offset += seconds
        due = asyncio.run_coroutine_threadsafe(asyncio.sleep(0), self.loop)
        due.result(PATIENCE)


@contextlib.contextmanager
def patient():
    """Clients and requests may take as long as the tests have patience."""
    with (
        mock.patch.object(rest, "REQUEST_SECONDS", PATIENCE),
        mock.patch.object(rest, "BODY_SECONDS", PATIENCE),
        mock.patch.object(grpc_api, "REQUEST_SECONDS", PATIENCE),
        mock.patch.object(connections, "HEADER_SECONDS", PATIENCE),
    ):
        yield


def base64_object(data):
    """Bytes as JSON has them."""
    return {"b64": base64.b64encode(data).decode()}


def until(condition):
    """Waits for something to become true, and returns it."""
    end = time.monotonic() + PATIENCE
    while not (value := condition()):
        if time.monotonic() > end:
            raise TimeoutError("what is waited for does not happen")
        time.sleep(0.005)
    return value


def settings(**changes):
    """Free ports, and limits that a test changes."""
    values = {
        "host": "127.0.0.1",
        "rest_port": 0,
        "grpc_port": 0,
        "limits": Limits(),
        "max_body": 2**20,
        "grace": PATIENCE,
        "token": None,
        "poll": 0.05,
    }
    return server.Settings(**(values | changes))


@contextlib.contextmanager
def running(folder, load=SavedModel, **changes):
    """A server of a model's folder or, as a function, of what is declared."""
    declare = folder if callable(folder) else lambda: model_config.find_models(folder)
    models = Models(declare, load)
    started, box = threading.Event(), {}

    async def main():
        try:
            box["loop"], box["stop"] = asyncio.get_running_loop(), asyncio.Event()
            clock = Clock(box["loop"])
            async with server.running(models, settings(**changes)) as started_server:
                box["server"] = Running(*started_server, clock.advance)
                started.set()
                await box["stop"].wait()
        finally:
            started.set()

    with patient():
        thread = threading.Thread(target=asyncio.run, args=[main()])
        thread.start()
        try:
            started.wait(PATIENCE)
            yield box["server"]
        finally:
            box["loop"].call_soon_threadsafe(box["stop"].set)
            thread.join(PATIENCE)


def answer(models, version=None, label=None):
    """Number of the version that answers, which is what it adds."""
    with models.pinned(Spec("shift", version, label)) as (number, model):
        assert (
            model.run("serving_default", {"x": np.zeros((1, 2), np.float32)})["y"][0, 0]
            == number
        )
        return number


def states(models):
    """Version -> its state."""
    return {s.number: s.state for s in models.statuses(Spec("shift"))}
