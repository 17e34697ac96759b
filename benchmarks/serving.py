"""How fast the server answers, and how much of that is the network.

    python benchmarks/serving.py [--models DIR] [--seconds 3] [--clients 1 4 16 64]
        [--signature serving_png]
    python benchmarks/serving.py --latency [--models DIR] [--torch-python PYTHON]

The first starts the server on free ports, once with batches and once without, and has
clients ask it without a pause, by REST and by gRPC, each on a connection of its own.
Before and after each cell the bare SavedModel runs in a loop in a process of its own,
in batches of 16 or of one, so that a busy machine slows both; the last column is the
server's rate beside it. The clients are threads of this process, and share the
processor. What is asked are pairs of JPEG of 224 pixels.

The second times the network alone, a pair at a time: the SavedModel, what `formats/`
has of it, `serve --backend` without the server, and the PyTorch network of
`train_step.py`, which is `reference`. Each is in a process of its own, and they take
turns.

Without --models an untrained network of --preset is exported and served.
"""

import argparse
import contextlib
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import serving_load

BATCH_SIZE = 16


def main():
    """Prints a table."""
    args = make_parser().parse_args()
    if args.worker:
        work(args.worker, args.models, args.signature, args.preset)
        return
    print(f"{platform.platform()}, {os.cpu_count()} cores, load {os.getloadavg()}")
    with tempfile.TemporaryDirectory() as folder:
        if not args.models:
            args.models = os.path.join(folder, "maskdepth")
            with started("export", args) as export:
                print(f"untrained {args.preset}: {export.readline()}")
        (latency if args.latency else throughput)(args)


def make_parser():
    """The flags."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", metavar="DIR", help="folder of one model")
    parser.add_argument("--preset", default="fast")
    parser.add_argument("--signature", default="serving_png")
    parser.add_argument("--seconds", type=float, default=3.0, help="of a cell")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 4, 16, 64])
    parser.add_argument("--latency", action="store_true")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--torch-python", metavar="PYTHON")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    return parser


class Process:
    """A process that answers each line with a line of JSON."""

    def __init__(self, command):
        self.command = command
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def readline(self):
        """What it says next."""
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"ended early: {' '.join(self.command)}")
        return line.rstrip()

    def ask(self, question):
        """What it answers."""
        self.process.stdin.write(f"{question}\n")
        self.process.stdin.flush()
        return json.loads(self.readline())


@contextlib.contextmanager
def running(command):
    """A process that is ended at last."""
    worker = Process(command)
    try:
        yield worker
    finally:
        worker.process.terminate()
        worker.process.wait(60)


def started(name, args, python=sys.executable):
    """A worker of this file."""
    command = [python, __file__, "--worker", name, "--preset", args.preset]
    command += ["--models", args.models, "--signature", args.signature]
    return running(command)


def work(name, models, signature, preset):
    """What a worker does: says that it is ready, then obeys each line."""
    if name == "export":
        print(export(models, preset), flush=True)
        return
    kind, _, option = name.partition(":")
    run = RUNNERS[kind](models, option or signature)
    run()
    print("ready", flush=True)
    for line in sys.stdin:
        end, seconds = time.perf_counter() + float(line), []
        while not seconds or time.perf_counter() < end:
            start = time.perf_counter()
            run()
            seconds.append(time.perf_counter() - start)
        print(json.dumps(seconds), flush=True)


def export(folder, preset):
    """Exports an untrained network; returns the version's folder."""
    from maskdepth_tf import config, startup

    startup.load_tensorflow()
    settings = config.load_config([], [f"model.preset={preset}"])
    from maskdepth_tf.export import export_model
    from maskdepth_tf.training import building

    return export_model(building.compiled_model(settings, steps=1), folder)


def version_folder(models):
    """The latest version's."""
    numbers = [int(path.name) for path in Path(models).iterdir() if path.name.isdigit()]
    return os.path.join(models, str(max(numbers)))


def saved_model(models, signature, batch_size=1):
    """Returns a function that runs a signature."""
    import numpy as np

    from maskdepth_tf import startup

    startup.load_tensorflow()
    import tensorflow as tf

    loaded = tf.saved_model.load(version_folder(models))
    function = loaded.signatures[signature]
    inputs = function.structured_input_signature[1]
    backgrounds, pictures = zip(*serving_load.make_pairs()[:batch_size], strict=True)
    encoded = {"bg_bytes": backgrounds, "fg_bg_bytes": pictures}
    rng = np.random.default_rng(0)
    arrays = {
        key: encoded.get(key) or rng.integers(0, 256, (batch_size, *spec.shape[1:]))
        for key, spec in inputs.items()
    }

    def run():
        tensors = {k: tf.constant(v, inputs[k].dtype) for k, v in arrays.items()}
        for value in function(**tensors).values():
            value.numpy()

    # The function does not keep the variables that it reads.
    run.model = loaded
    return run


def batches(models, option):
    """As `saved_model`; the option is SIGNATURE,BATCH_SIZE."""
    signature, size = option.split(",")
    return saved_model(models, signature, int(size))


def backend(models, kind):
    """Returns a function that runs `serving_uint8` as `serve --backend` does."""
    import numpy as np

    from maskdepth_tf import startup

    startup.load_tensorflow()
    from maskdepth_tf.exporting.openvino_model import OpenVinoModel

    model = OpenVinoModel(version_folder(models), kind)
    size = model.signature("serving_uint8").inputs["bg"].tensor_shape.dim[1].size
    pixels = np.random.default_rng(0).integers(0, 256, (1, size, size, 3))
    return lambda: model.run("serving_uint8", {"bg": pixels, "fg_bg": pixels})


def other_format(models, name):
    """Returns a function that runs a file of `formats/`."""
    import numpy as np

    from maskdepth_tf.export import NOTE
    from maskdepth_tf.exporting import formats

    folder = Path(version_folder(models))
    size = json.loads((folder / NOTE).read_text())["image_size"]
    pixels = np.random.default_rng(0).integers(0, 256, (1, size, size, 3))
    pictures = {name: pixels.astype(np.float32) for name in ("bg", "fg_bg")}
    load = formats.FORMATS[name]
    run = load.load(str(folder / formats.FOLDER / load.file))
    return lambda: run(pictures)


def torch_inference(models, option):
    """Returns a function that runs the PyTorch network."""
    import torch
    from train_step import torch_network

    network = torch_network().eval()
    x = torch.rand(1, 6, 64, 64)

    def run():
        with torch.inference_mode():
            return [value.numpy() for value in network(x)]

    return run


RUNNERS = {
    "model": saved_model,
    "batches": batches,
    "backend": backend,
    "format": other_format,
    "torch": torch_inference,
}
"""What is before the colon in a worker's name -> from models and what is after it."""


def throughput(args):
    """A line for each way to ask, number of clients and size of batches."""
    print(
        f"{args.signature}, {args.seconds:g} s a cell\n\n"
        "| | batches | clients | pairs/s | p50 ms | p95 ms | p99 ms | bare pairs/s "
        "| of bare |\n|---|---|---|---|---|---|---|---|---|"
    )
    for size in (BATCH_SIZE, 1):
        bare_name = f"batches:{args.signature},{size}"
        command = [sys.executable, "-m", "maskdepth_tf.serve", "--models", args.models]
        command += ["--rest-port", "0", "--grpc-port", "0", "--max-batch-size"]
        with started(bare_name, args) as bare, running([*command, str(size)]) as server:
            bare.readline()
            model = server.readline().split(":")[0]
            line = server.readline()
            addresses = re.search(r"REST on http://(\S+), gRPC on (\S+)", line)
            for way, connect, address in (
                ("REST", serving_load.connect_rest, addresses[1]),
                ("gRPC", serving_load.connect_grpc, addresses[2]),
            ):
                requests = serving_load.REQUESTS[way](model, args.signature)
                for clients in args.clients:
                    alone = bare.ask(args.seconds / 2)
                    wall, seconds = serving_load.ask(
                        lambda c=connect, a=address, m=model: c(a, m),
                        requests,
                        clients,
                        args.seconds,
                    )
                    alone += bare.ask(args.seconds / 2)
                    report(way, size, clients, wall, seconds, alone)


def report(way, size, clients, wall, seconds, alone):
    """Prints a line of the table."""
    rate = len(seconds) / wall
    bare_rate = size * len(alone) / sum(alone)
    cells = [f"{1000 * value:.0f}" for value in percentiles(seconds)]
    print(
        f"| {way} | {size} | {clients} | {rate:.0f} | {' | '.join(cells)} | "
        f"{bare_rate:.0f} | {rate / bare_rate:.2f} |",
        flush=True,
    )


def percentiles(values):
    """The 50th, 95th and 99th."""
    values = sorted(values)
    return [values[min(len(values) - 1, len(values) * p // 100)] for p in (50, 95, 99)]


def latency(args):
    """A line for each runtime."""
    folder = Path(version_folder(args.models), "formats")
    names = [
        f"model:{name}"
        for name in ("serving_uint8", "serving_arrays", "serving_registered")
    ]
    files = {"onnx": "maskdepth.onnx", "openvino": "maskdepth.xml"}
    files["openvino_bfloat16"] = "maskdepth_bfloat16.xml"
    exported = [name for name, file in files.items() if (folder / file).exists()]
    names += [f"format:{name}" for name in exported]
    names += [f"backend:{name}" for name in exported if name != "onnx"]
    pythons = dict.fromkeys(names, sys.executable)
    if args.torch_python:
        pythons["torch"] = args.torch_python
    seconds = {name: [] for name in pythons}
    with contextlib.ExitStack() as stack:
        workers = {
            name: stack.enter_context(started(name, args, python))
            for name, python in pythons.items()
        }
        for worker in workers.values():
            worker.readline()
            worker.ask(0.2)
        for _ in range(args.rounds):
            for name, worker in workers.items():
                seconds[name].append(worker.ask(args.seconds / args.rounds))
    print(
        f"a pair at a time, {args.seconds:g} s in {args.rounds} rounds\n\n"
        "| | p50 ms | p95 ms | p99 ms | of PyTorch's time |\n|---|---|---|---|---|"
    )
    for name, rounds in seconds.items():
        cells = [f"{1000 * v:.1f}" for v in percentiles(sum(rounds, []))]
        ratio = ""
        if "torch" in seconds:
            pairs = zip(rounds, seconds["torch"], strict=True)
            medians = [statistics.median(a) / statistics.median(b) for a, b in pairs]
            ratio = f"{statistics.median(medians):.2f}"
        print(f"| {name} | {' | '.join(cells)} | {ratio} |")


if __name__ == "__main__":
    main()
