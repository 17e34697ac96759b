"""What the server does when things go wrong: swaps, kills, overload, and a long time.

    python benchmarks/serving_faults.py [--models DIR] [swaps kills stops overload soak]

Starts `python -m maskdepth_tf.serve` as a process of its own and asks it by REST for
pictures (`--signature`) of pairs of small JPEG (`--side`):

swaps      --clients ask without a pause while versions change places: exports of two
           networks in turn, each made aside and renamed. A reply is mixed if it has
           not the bits that one of the two gave at rest, in a batch of some size, and
           stale if it is of a version that was gone before it was asked.
kills      SIGKILL under load, then a start: whether it gives the same bits.
stops      SIGTERM or SIGINT with requests in flight: whether all were answered.
overload   Ten times what the server can answer, at times that do not wait for it.
soak       Memory, files and threads, once a minute; half of the clients use gRPC.

Clients share the processor with the server. Without --models an untrained network of
--preset is exported and served; another one is the swaps' second.
"""

import argparse
import asyncio
import collections
import contextlib
import itertools
import json
import math
import multiprocessing
import os
import platform
import random
import re
import shutil
import signal
import statistics
import sys
import tempfile
import time
import urllib.request
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import serving
import serving_load

OVERLOAD, CONNECTIONS = 10, 512
"""Times the peak, and on how many connections."""


def main():
    """Runs what is named."""
    args = make_parser().parse_args()
    # So that whatever was started is ended.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    print(
        f"{platform.platform()}, {os.cpu_count()} cores, load {os.getloadavg()}, "
        f"{args.signature}, pictures of {args.side} pixels"
    )
    with tempfile.TemporaryDirectory() as folder:
        if not args.models:
            args.models = os.path.join(folder, "maskdepth")
            export(args.models, args.preset)
        for name in args.names or FAULTS:
            FAULTS[name](args, Path(folder))


def make_parser():
    """The flags."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(FAULTS))
    parser.add_argument("--models", metavar="DIR", help="folder of one model")
    parser.add_argument("--preset", default="fast")
    parser.add_argument("--signature", default="serving_png")
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--swaps", type=int, default=50)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--stops", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=10.0, help="of steady load")
    parser.add_argument("--minutes", type=float, default=30.0)
    return parser


def export(folder, preset):
    """Exports in a process that then is gone; returns the version's folder."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context) as pool:
        return pool.submit(serving.export, str(folder), preset).result()


class Server(NamedTuple):
    """A server that is ready.

    Attributes:
        process: Its process.
        model: Name of its model.
        rest: HOST:PORT.
        grpc: HOST:PORT.
        seconds: From its start until it was ready.
    """

    process: object
    model: str
    rest: str
    grpc: str
    seconds: float

    def send(self):
        """A connection: a function that sends a body and returns the reply's."""
        return serving_load.connect_rest(self.rest, self.model)

    def answers(self, requests, sizes=(1,)):
        """(number of the request, answer) of all at rest, in batches of itself.

        The size of a batch decides in which order sums are made, and so the last bit.
        """
        answers = set()
        with self.send() as send:
            for (number, body), size in itertools.product(enumerate(requests), sizes):
                request = json.loads(body)
                inputs = request["inputs"].items()
                request["inputs"] = {name: value * size for name, value in inputs}
                rows = serving_load.rows_of(send(json.dumps(request)))
                answers |= {(number, row) for row in rows}
        return answers

    def state(self):
        """Memory in MiB, open files and threads."""
        folder = Path("/proc", str(self.process.pid))
        status = dict(re.findall(r"(\w+):\s+(\d+)", (folder / "status").read_text()))
        files = len(os.listdir(folder / "fd"))
        return int(status["VmRSS"]) / 1024, files, int(status["Threads"])


@contextlib.contextmanager
def served(models):
    """A server on free ports, ended at last."""
    command = [sys.executable, "-m", "maskdepth_tf.serve", "--models", str(models)]
    start = time.monotonic()
    with serving.running([*command, "--rest-port", "0", "--grpc-port", "0"]) as worker:
        model = worker.readline().split(":")[0]
        line = worker.readline()
        seconds = time.monotonic() - start
        rest, grpc = re.search(r"REST on http://(\S+), gRPC on (\S+)", line).groups()
        yield Server(worker.process, model, rest, grpc, seconds)


@contextlib.contextmanager
def on_own_core(models):
    """A server that shares its core with nobody; its clients are on the others."""
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, cores[:1])
    try:
        with served(models) as server:
            os.sched_setaffinity(0, cores[1:] or cores)
            yield server
    finally:
        os.sched_setaffinity(0, cores)


def until(condition):
    """Waits for something to become true."""
    end = time.monotonic() + 600
    while not condition():
        if time.monotonic() > end:
            raise SystemExit("what is waited for does not happen")
        time.sleep(0.05)


def p99(replies):
    """Of the times to answer, in ms."""
    return 1000 * serving.percentiles([r.answered - r.asked for r in replies])[2]


def swaps(args, folder):
    """New versions under load."""
    other = export(folder / "other", args.preset)
    sources = [other, serving.version_folder(args.models)]
    models = folder / "swapped"
    models.mkdir()
    put_times, only_times = {}, {}

    def put(number):
        shutil.copytree(sources[number % 2], models / ".aside")
        put_times[number] = time.monotonic()
        os.rename(models / ".aside", models / str(number))

    def is_alone(number):
        address = f"http://{server.rest}/v1/models/{server.model}"
        with urllib.request.urlopen(address, timeout=60) as reply:
            states = json.load(reply)["model_version_status"]
        live = [s["version"] for s in states if s["state"] == "AVAILABLE"]
        return live == [str(number)]

    put(1)
    sizes = [2**n for n in range(args.clients.bit_length() + 1)]
    with served(models) as server:
        requests = serving_load.rest_requests(server.model, args.signature, args.side)
        golden = {1: server.answers(requests, sizes)}
        put(2)
        until(lambda: is_alone(2))
        golden[0] = server.answers(requests, sizes)
        with serving_load.asked_all_the_time(
            server.send, requests, args.clients
        ) as replies:
            time.sleep(args.seconds)
            steady = list(replies)
            for number in range(3, args.swaps + 3):
                put(number)
                until(lambda n=number: is_alone(n))
                only_times[number] = time.monotonic()
                shutil.rmtree(models / str(number - 1))
                enough = len(steady) + args.requests * (number - 2) / args.swaps
                until(lambda n=enough: len(replies) >= n)
    line = swaps_line(replies[len(steady) :], steady, golden, put_times, only_times)
    print(line, flush=True)


def swaps_line(replies, steady, golden, put_times, only_times):
    """What became of the requests during the swaps."""
    counts = collections.Counter()
    for reply in replies:
        oldest = max([2, *(n for n, at in only_times.items() if at < reply.asked)])
        newest = max(n for n, at in put_times.items() if at < reply.answered)
        rows = serving_load.rows_of(reply.data) if reply.data else [None]
        kinds = [k for k in golden if (reply.number, rows[0]) in golden[k]]
        possible = {number % 2 for number in range(oldest, newest + 1)}
        if reply.data is None:
            counts["failed"] += 1
        elif not kinds:
            counts["mixed"] += 1
        elif not possible & set(kinds):
            counts["stale"] += 1
    times = p99(replies), p99(steady)
    return (
        f"swaps: {len(only_times)} under {len(replies)} requests: "
        f"{counts['failed']} failed, {counts['mixed']} mixed, {counts['stale']} stale; "
        f"p99 {times[0]:.0f} ms, steady {times[1]:.0f} ms: {times[0] / times[1]:.1f} x"
    )


def kills(args, folder):
    """SIGKILL, and a start again."""
    seconds, same, answered, draw = [], 0, 0, random.Random(0)
    golden = None
    for number in range(args.kills + 1):
        with served(args.models) as server:
            requests = serving_load.rest_requests(
                server.model, args.signature, args.side
            )
            answers = server.answers(requests)
            golden = golden or answers
            seconds.append(server.seconds)
            same += answers == golden
            if number < args.kills:
                with serving_load.asked_all_the_time(
                    server.send, requests, args.clients
                ) as replies:
                    time.sleep(draw.uniform(0.2, 2))
                    server.process.kill()
                    server.process.wait()
                answered += sum(reply.data is not None for reply in replies)
    print(
        f"kills: {args.kills} under load ({answered} answers); {same - 1} of "
        f"{args.kills} starts gave the same bits; ready after "
        f"{statistics.median(seconds):.1f} s, at most {max(seconds):.1f} s"
    )


def stops(args, folder):
    """SIGTERM, each fifth time SIGINT, under load."""
    codes, draw = collections.Counter(), random.Random(0)
    for number in range(args.stops):
        with served(args.models) as server:
            requests = serving_load.rest_requests(
                server.model, args.signature, args.side
            )
            with serving_load.asked_all_the_time(server.send, requests, 32):
                time.sleep(draw.uniform(0.2, 2))
                signum = signal.SIGINT if number % 5 == 4 else signal.SIGTERM
                server.process.send_signal(signum)
                # It says so if requests were cut off.
                codes[server.process.wait(600)] += 1
    print(f"stops: {args.stops} with 32 clients; exit codes {dict(codes)}")


def overload(args, folder):
    """Ten times the peak."""
    with (
        on_own_core(args.models) as server,
        ThreadPoolExecutor(1) as pool,
    ):
        requests = serving_load.rest_requests(server.model, args.signature, args.side)

        def ask(connections, times):
            address = server.rest, server.model
            load = serving_load.ask_on_time(*address, requests, connections, times)
            return asyncio.run(load)

        def one():
            ((asked, answered, status),) = ask(1, [0.0])
            return answered - asked if status == 200 else math.inf

        usual = statistics.median(one() for _ in range(50))
        peak = 0.0
        for clients in (8, 32, 64):
            replies = ask(clients, serving_load.times(math.inf, args.seconds / 2))
            peak = max(peak, answers_a_second(replies, args.seconds / 2))
        before = server.state()[0]
        due = serving_load.times(OVERLOAD * peak, args.seconds)
        load, during = pool.submit(ask, CONNECTIONS, due), []
        while not load.done():
            during.append(server.state()[0])
            time.sleep(0.1)
        replies, start = load.result(), time.perf_counter()
        waited = max(answered for _, answered, _ in replies) - args.seconds
        while one() > 2 * usual:
            pass
        recovery = waited + time.perf_counter() - start
        memory = before, max(during), server.state()[0]
    print(overload_line(replies, args.seconds, peak, memory, usual, recovery))


def overload_line(replies, seconds, peak, memory, usual, recovery):
    """What became of the requests."""
    counts = collections.Counter(status for _, _, status in replies)
    offered = sum(asked < seconds for asked, _, _ in replies) / seconds
    answered = answers_a_second(replies, seconds)
    others = {code: n for code, n in counts.items() if code not in (200, 503)}
    refusals = [b - a for a, b, status in replies if status == 503] or [0.0]
    return (
        f"overload: peak {peak:.0f}/s, offered {offered:.0f}/s for {seconds:g} s on "
        f"{CONNECTIONS} connections: {answered:.0f}/s answered ({answered / peak:.0%} "
        f"of the peak), {counts[503]} of 503 (median "
        f"{1000 * statistics.median(refusals):.0f} ms), others: {others or 'none'}; "
        "memory before, during, after: "
        f"{', '.join(f'{value:.0f}' for value in memory)} MiB; a request takes "
        f"{1000 * usual:.0f} ms, and less than twice that {recovery:.1f} s after the "
        "last was offered"
    )


def answers_a_second(replies, seconds):
    """Answers a second."""
    return sum(s == 200 and answered <= seconds for _, answered, s in replies) / seconds


def soak(args, folder):
    """Memory, files and threads over time."""
    with served(args.models) as server, ThreadPoolExecutor(2) as pool:
        loads = [
            pool.submit(
                serving_load.ask,
                lambda c=connect, a=address: c(a, server.model),
                serving_load.REQUESTS[way](server.model, args.signature, args.side),
                args.clients // 2,
                60 * args.minutes,
            )
            for way, connect, address in (
                ("REST", serving_load.connect_rest, server.rest),
                ("gRPC", serving_load.connect_grpc, server.grpc),
            )
        ]
        print("| minute | MiB | files | threads |\n|---|---|---|---|")
        states = []
        for minute in range(int(args.minutes) + 1):
            # The first ones after the load has begun, the last before it ends.
            time.sleep(60 if minute else 2)
            states.append(server.state())
            cells = " | ".join(f"{value:.0f}" for value in states[-1])
            print(f"| {minute} | {cells} |", flush=True)
        answers = sum(len(load.result()[1]) for load in loads)
    late = states[5:] if len(states) > 6 else states
    growth = [10 * slope([s[n] for s in late]) for n in range(3)]
    print(
        f"soak: {answers} answers; in 10 minutes {growth[0]:+.1f} MiB "
        f"({growth[0] / late[0][0]:+.2%}), {growth[1]:+.1f} files, "
        f"{growth[2]:+.1f} threads"
    )


def slope(values):
    """Of a line through values."""
    return statistics.linear_regression(range(len(values)), values).slope


FAULTS = {
    "swaps": swaps,
    "kills": kills,
    "stops": stops,
    "overload": overload,
    "soak": soak,
}
"""What can be named -> what does it, given the flags and a folder to write in."""


if __name__ == "__main__":
    main()
