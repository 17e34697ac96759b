"""What others notice of clients who mean ill, and what it costs the server.

    python benchmarks/serving_hostile.py [--models DIR] [--slow 500] [--seconds 30]

Starts `python -m maskdepth_tf.serve` as a process of its own. --clients ask it by REST
without a pause, first alone, then beside

- --slow connections that send a byte a second, half of them of the headers, half of
  the body;
- requests, one after the other, that state a body of 100 MB, send chunks without end,
  a compressed body or a megabyte of headers.

Prints how long the slow ones were let live, what the large ones were told, and of the
others how many failed and how long they waited. All share the processor.
"""

import argparse
import asyncio
import collections
import itertools
import os
import platform
import tempfile
import time

import serving_faults
import serving_load

SIDE = 64
"""Pixels of a side of the pictures that the others send."""

LARGE = [
    (b"Content-Length: 100000000\r\n\r\n", bytes(10**5), 1000),
    (b"Transfer-Encoding: chunked\r\n\r\n", b"2710\r\n%b\r\n" % bytes(10**4), 10**4),
    (b"Content-Encoding: gzip\r\nContent-Length: 1000\r\n\r\n", bytes(1000), 1),
    (b"", b"a: %b\r\n" % (b"b" * 1000), 1000),
]
"""Last headers of a request, and what follows on them, how often."""


async def trickle(address, at_once, slowly, seconds):
    """Sends a byte a second until the server hangs up: seconds that it took."""
    start = time.monotonic()
    reader, writer = await asyncio.open_connection(*address.split(":"))
    writer.write(at_once)
    gone = asyncio.ensure_future(reader.read())
    for byte in itertools.islice(slowly, int(seconds)):
        writer.write(bytes([byte]))
        await asyncio.wait([gone], timeout=1)
        if gone.done():
            break
    gone.cancel()
    writer.close()
    return time.monotonic() - start


async def flood(address, start, seconds):
    """Sends large requests: how often each first line of a reply, or none, came."""
    counts, end = collections.Counter(), time.monotonic() + seconds
    for rest, more, times in itertools.cycle(LARGE):
        if time.monotonic() > end:
            return counts
        reader, writer = await asyncio.open_connection(*address.split(":"))
        line = asyncio.ensure_future(reader.readline())
        try:
            writer.write(start + rest)
            for _ in range(times):
                writer.write(more)
                await writer.drain()
                if line.done():
                    break
            status = (await asyncio.wait_for(line, 20)).decode().strip()
        except TimeoutError:
            status = "nothing in 20 s"
        except OSError:
            status = ""
        counts[status or "hung up"] += 1
        line.cancel()
        writer.close()
        await asyncio.sleep(0.05)


async def annoy(server, num_slow, seconds):
    """Annoys the server at once: lives of the slow ones, replies to the large ones."""
    address = server.rest
    start = f"POST /v1/models/{server.model}:predict HTTP/1.1\r\nHost: a\r\n".encode()
    head = start + b"Content-Length: 1000\r\n\r\n"
    slow = [
        trickle(address, *((head, bytes(1000)) if n % 2 else (b"", head)), seconds)
        for n in range(num_slow)
    ]
    statuses, *lives = await asyncio.gather(flood(address, start, seconds), *slow)
    return lives, statuses


def main():
    """Prints a line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", metavar="DIR", help="folder of one model")
    parser.add_argument("--clients", type=int, default=2, help="who ask as they should")
    parser.add_argument("--slow", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=30.0)
    args = parser.parse_args()
    print(f"{platform.platform()}, {os.cpu_count()} cores, load {os.getloadavg()}")
    with tempfile.TemporaryDirectory() as folder:
        if not args.models:
            args.models = os.path.join(folder, "maskdepth")
            serving_faults.export(args.models, "fast")
        with serving_faults.served(args.models) as server:
            requests = serving_load.rest_requests(server.model, "serving_png", SIDE)
            with serving_load.asked_all_the_time(
                server.send, requests, args.clients
            ) as replies:
                time.sleep(args.seconds)
                steady, before = list(replies), server.state()[0]
                lives, statuses = asyncio.run(annoy(server, args.slow, args.seconds))
                beside, memory = replies[len(steady) :], server.state()[0] - before
    failed = sum(reply.data is None for reply in beside)
    times = serving_faults.p99(beside), serving_faults.p99(steady)
    print(
        f"{args.slow} slow connections lived {min(lives, default=0):.1f} to "
        f"{max(lives, default=0):.1f} s; the large ones were told {dict(statuses)}; "
        f"{len(beside)} requests of others: {failed} failed, p99 {times[0]:.0f} ms, "
        f"steady {times[1]:.0f} ms: {times[0] / times[1]:.1f} x; "
        f"memory {memory:+.0f} MiB"
    )


if __name__ == "__main__":
    main()
