"""What `serving.py` and `serving_faults.py` ask a server, and clients that ask it."""

import asyncio
import base64
import contextlib
import http.client
import io
import itertools
import json
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

NUM_PAIRS, SIDE = 32, 224
PREDICT = "/tensorflow.serving.PredictionService/Predict"


def make_pairs(side=SIDE):
    """Encoded pictures of that many pixels a side, each pair another."""
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(0)

    def picture():
        pixels = rng.integers(0, 256, (12, 12, 3), np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(pixels).resize((side, side)).save(buffer, "JPEG", quality=90)
        return buffer.getvalue()

    return [(picture(), picture()) for _ in range(NUM_PAIRS)]


def rest_requests(model, signature, side=SIDE):
    """Bodies."""

    def column(data):
        return [{"b64": base64.b64encode(data).decode()}]

    return [
        json.dumps(
            {
                "signature_name": signature,
                "inputs": {"bg_bytes": column(bg), "fg_bg_bytes": column(fg_bg)},
            }
        )
        for bg, fg_bg in make_pairs(side)
    ]


def grpc_requests(model, signature, side=SIDE):
    """Messages."""
    from maskdepth_tf.clients import grpc_messages

    messages = []
    for pair in make_pairs(side):
        request = grpc_messages.messages()["PredictRequest"]()
        request.model_spec.name = model
        request.model_spec.signature_name = signature
        for name, data in zip(("bg_bytes", "fg_bg_bytes"), pair, strict=True):
            tensor = request.inputs.add(key=name).value
            tensor.dtype = grpc_messages.STRING
            tensor.shape.dim.add(size=1)
            tensor.texts.append(data)
        messages.append(request.SerializeToString())
    return messages


REQUESTS = {"REST": rest_requests, "gRPC": grpc_requests}


@contextlib.contextmanager
def connect_rest(address, model):
    """A function that sends a body and waits for the reply."""
    connection = http.client.HTTPConnection(address, timeout=60)

    def send(body):
        connection.request("POST", f"/v1/models/{model}:predict", body)
        reply = connection.getresponse()
        data = reply.read()
        if reply.status != 200:
            raise SystemExit(f"{reply.status}: {data[:300]!r}")
        return data

    with contextlib.closing(connection):
        yield send


@contextlib.contextmanager
def connect_grpc(address, model):
    """A function that sends a message and waits for the reply."""
    import grpc

    options = [("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(address, options) as channel:
        call = channel.unary_unary(PREDICT)
        yield lambda message: call(message, timeout=60)


def ask(connect, requests, clients, seconds):
    """Has clients ask for some seconds.

    Returns:
        Seconds from the first request to the last reply, and those of each request.
    """
    durations, failed, go = [], [], threading.Event()

    def client(number):
        try:
            with connect() as send:
                send(requests[number % len(requests)])
                ready.release()
                go.wait()
                end = time.perf_counter() + seconds
                while (start := time.perf_counter()) < end:
                    number += 1
                    send(requests[number % len(requests)])
                    durations.append(time.perf_counter() - start)
        except BaseException as error:
            failed.append(error)
            ready.release()

    ready = threading.Semaphore(0)
    threads = [threading.Thread(target=client, args=[n]) for n in range(clients)]
    for thread in threads:
        thread.start()
    for _ in threads:
        ready.acquire()
    start = time.perf_counter()
    go.set()
    for thread in threads:
        thread.join()
    if failed:
        raise SystemExit(f"a request failed: {failed[0]!r}")
    return time.perf_counter() - start, durations


def rows_of(reply):
    """The answer for each row of a request."""
    outputs = json.loads(reply)["outputs"]
    columns = [[json.dumps(row) for row in outputs[name]] for name in sorted(outputs)]
    return list(zip(*columns, strict=True))


class Reply(NamedTuple):
    """When it was asked and answered, and by whom; None for a failure."""

    asked: float
    answered: float
    number: int
    data: bytes | None


@contextlib.contextmanager
def asked_all_the_time(connect, requests, clients):
    """Clients that ask without a pause until they fail; yields their replies."""
    replies, stop = [], threading.Event()

    def ask(first):
        with connect() as send:
            for number in itertools.count(first):
                if stop.is_set():
                    return
                number, asked, data = number % len(requests), time.monotonic(), None
                try:
                    data = send(requests[number])
                except (OSError, http.client.HTTPException, SystemExit):
                    return
                finally:
                    replies.append(Reply(asked, time.monotonic(), number, data))

    with ThreadPoolExecutor(clients) as pool:
        futures = [pool.submit(ask, n) for n in range(clients)]
        try:
            yield replies
        finally:
            stop.set()
    for future in futures:
        future.result()


def times(rate, seconds):
    """When to ask: so many times a second, but never what it is too late for."""
    end = time.perf_counter() + seconds
    for number in itertools.count():
        if number / rate >= seconds or time.perf_counter() >= end:
            return
        yield number / rate


async def ask_on_time(address, model, requests, connections, times):
    """Asks at given times, whatever the server does, as long as a connection is free.

    Args:
        address: HOST:PORT of REST.
        model: Its name.
        requests: Bodies.
        connections: How many; each is kept for as long as the server keeps it.
        times: When to ask, in seconds from now, ascending.

    Returns:
        Of each request, from its beginning on: seconds to its begin and to its end,
        and the status; 0 if there was no reply.
    """
    head = f"POST /v1/models/{model}:predict HTTP/1.1\r\nHost: {address}\r\n"
    messages = [
        f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode() for body in requests
    ]
    host, port = address.split(":")
    due, records, start = enumerate(times), [], time.perf_counter()

    async def ask_in_turn():
        reader = writer = None
        for number, at in due:
            await asyncio.sleep(max(0, start + at - time.perf_counter()))
            asked, status = time.perf_counter(), 0
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                if writer is None:
                    reader, writer = await asyncio.open_connection(host, int(port))
                writer.write(messages[number % len(messages)])
                status, is_kept = await _reply(reader)
            records.append((asked - start, time.perf_counter() - start, status))
            if writer and not (status and is_kept):
                writer.close()
                writer = None
        if writer:
            writer.close()

    await asyncio.gather(*[ask_in_turn() for _ in range(connections)])
    return records


async def _reply(reader):
    """Status, and whether the connection can be used again."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    await reader.readexactly(int(re.search(rb"content-length: (\d+)", head)[1]))
    return int(head.split()[1]), b"connection: close" not in head
