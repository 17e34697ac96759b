"""How long a training step takes: ours beside a PyTorch network of the same shape.

    python benchmarks/train_step.py [--torch-python PYTHON] [--batch-size 16]
        [--precision float32 mixed_bfloat16] [--jit-compile] [--set model.widths=[64]]

Each network and precision lives in a process of its own and they take turns, so that
a busy machine slows all; what counts is the ratio. Without PyTorch only ours is timed.
PyTorch's network is written from the description of the 2020 system: same blocks, same
11,234,066 parameters, cross-entropy and SSIM loss, SGD with momentum. With
mixed_bfloat16 it runs under autocast in channels-last order, with --jit-compile under
torch.compile.
"""

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time

WORKERS = {"ours": "keras_worker", "torch": "torch_worker"}
GFLOP = 21.2
"""Of an image-step of `reference` at 64 pixels, forward and backward."""
H100_FLOOR = 15_900
"""Images/s of `reference` on an H100 if memory and arithmetic were all that counts."""


def keras_worker(batch_size, preset, precision, jit_compile, overrides):
    """Returns functions that run steps of our network and tell its peak memory."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras
    import numpy as np
    import tensorflow as tf

    from maskdepth_tf import config
    from maskdepth_tf.training import building

    overrides = [
        *overrides,
        f"model.preset={preset}",
        f"model.precision={precision}",
        f"training.jit_compile={jit_compile}",
    ]
    settings = config.load_config([], overrides)
    keras.mixed_precision.set_global_policy(precision)
    net = building.compiled_model(settings, steps=1000)
    rng = np.random.default_rng(0)
    shape = (batch_size, settings.data.image_size, settings.data.image_size)
    inputs = {
        name: rng.integers(0, 256, (*shape, 3)).astype("uint8")
        for name in ("bg", "fg_bg")
    }
    targets = {
        "mask": rng.integers(0, 2, (*shape, 1)).astype("float32"),
        "depth": rng.random((*shape, 1)).astype("float32"),
    }
    batches = iter(tf.data.Dataset.from_tensors((inputs, targets)).repeat().prefetch(2))
    net.make_train_function()

    def run(count):
        for _ in range(count):
            logs = net.train_function(batches)
        float(logs["loss"])  # waits for the device

    def memory():
        if not tf.config.list_physical_devices("GPU"):
            return None
        return tf.config.experimental.get_memory_info("GPU:0")["peak"]

    return run, memory


def torch_network():
    """The PyTorch network, float32 on the CPU; inputs [B, 6, S, S]."""
    import torch
    from torch import nn

    def norm_relu_conv(inputs, outputs):
        conv = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        return [nn.BatchNorm2d(inputs), nn.ReLU(), conv]

    class Block(nn.Module):
        def __init__(self, inputs, outputs):
            super().__init__()
            self.body = nn.Sequential(
                *norm_relu_conv(inputs, outputs), *norm_relu_conv(outputs, outputs)
            )
            self.shortcut = nn.Conv2d(inputs, outputs, 1, bias=False)

        def forward(self, x):
            return self.body(x) + self.shortcut(x)

    class Decoder(nn.Module):
        def __init__(self, widths):
            super().__init__()
            self.ups, self.blocks = nn.ModuleList(), nn.ModuleList()
            inputs = widths[-1]
            for width in reversed(widths[:-1]):
                self.ups.append(nn.ConvTranspose2d(inputs, width, 2, 2, bias=False))
                self.blocks.append(Block(2 * width, width))
                inputs = width
            last = nn.Conv2d(1, 1, 3, padding=1, bias=False)
            self.head = nn.Sequential(*norm_relu_conv(inputs, 1), last)

        def forward(self, features):
            *skips, x = features
            for up, block, skip in zip(
                self.ups, self.blocks, reversed(skips), strict=True
            ):
                x = block(torch.cat([skip, up(x)], 1))
            return self.head(x)

    class Network(nn.Module):
        def __init__(self, widths=(64, 128, 128, 256, 256)):
            super().__init__()
            self.stem = nn.Conv2d(6, widths[0], 3, padding=1, bias=False)
            pairs = list(zip(widths, widths[1:], strict=False))
            self.downs = nn.ModuleList(
                nn.Conv2d(a, b, 3, 2, padding=1, bias=False) for a, b in pairs
            )
            self.blocks = nn.ModuleList(Block(width, width) for width in widths)
            self.mask, self.depth = Decoder(widths), Decoder(widths)

        def forward(self, x):
            x = self.blocks[0](self.stem(x))
            features = [x]
            for down, block in zip(self.downs, self.blocks[1:], strict=True):
                x = block(down(x))
                features.append(x)
            return self.mask(features), self.depth(features)

    network = Network()
    count = sum(p.numel() for p in network.parameters())
    if count != 11_234_066:
        raise SystemExit(
            f"the PyTorch network must have 11,234,066 parameters: {count}"
        )
    return network


def torch_worker(batch_size, preset, precision, jit_compile, overrides):
    """Returns the same two functions of the PyTorch network."""
    import torch
    from torch.nn import functional

    if preset != "reference" or overrides:
        raise SystemExit("PyTorch is timed for reference only, as it is")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    is_mixed = precision == "mixed_bfloat16"

    window = torch.exp(-0.5 * ((torch.arange(11.0) - 5) / 1.5) ** 2)
    window = (window / window.sum())[:, None] * (window / window.sum())[None]

    def ssim_loss(a, b):
        def blur(x):
            x = functional.pad(x, (5, 5, 5, 5), mode="reflect")
            return functional.conv2d(x, window[None, None])

        mean_a, mean_b = blur(a), blur(b)
        var_a, var_b = blur(a * a) - mean_a**2, blur(b * b) - mean_b**2
        both = blur(a * b) - mean_a * mean_b
        top = (2 * mean_a * mean_b + 1e-4) * (2 * both + 9e-4)
        bottom = (mean_a**2 + mean_b**2 + 1e-4) * (var_a + var_b + 9e-4)
        return (1 - top / bottom).clamp(0, 1).mean() / 2

    net = torch_network().train().to(device)
    optimizer = torch.optim.SGD(net.parameters(), 0.01, momentum=0.9)
    x = torch.randn(batch_size, 6, 64, 64, device=device)
    mask = torch.randint(0, 2, (batch_size, 1, 64, 64), device=device).float()
    depth = torch.rand(batch_size, 1, 64, 64, device=device)
    window = window.to(device)
    if is_mixed:
        net = net.to(memory_format=torch.channels_last)
        x = x.to(memory_format=torch.channels_last)

    def losses():
        with torch.autocast(device, torch.bfloat16, enabled=is_mixed):
            mask_logits, depth_out = net(x)
        cross_entropy = functional.binary_cross_entropy_with_logits
        loss = cross_entropy(mask_logits.float(), mask)
        return loss + ssim_loss(depth_out.float(), depth)

    if jit_compile:
        losses = torch.compile(losses)

    def run(count):
        for _ in range(count):
            optimizer.zero_grad()
            loss = losses()
            loss.backward()
            optimizer.step()
        loss.item()  # waits for the device

    def memory():
        return torch.cuda.max_memory_allocated() if device == "cuda" else None

    return run, memory


def serve(name, options):
    """Runs as many steps as each line of input says; answers with the seconds."""
    started = time.perf_counter()
    run, memory = globals()[WORKERS[name]](**options)
    run(1)
    print(time.perf_counter() - started, flush=True)
    run(2)
    for line in sys.stdin:
        started = time.perf_counter()
        run(int(line))
        print(time.perf_counter() - started, flush=True)
    peak = memory() or 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(peak, flush=True)


def start(name, python, options):
    """Starts a worker; returns it and the seconds to its first step's end."""
    command = [python, __file__, "--worker", name, "--options", json.dumps(options)]
    worker = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        return worker, float(worker.stdout.readline())
    except ValueError:
        raise SystemExit(f"{name} did not start: {' '.join(command)}") from None


def main():
    """Times all networks in turns and prints rates and ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--torch-python", default=sys.executable, metavar="PYTHON")
    parser.add_argument("--preset", default="reference")
    parser.add_argument("--precision", nargs="+", default=["float32"])
    parser.add_argument("--jit-compile", action="store_true")
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--set", action="append", default=[], help="as of train")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--steps", type=int, default=2, help="steps of a round")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--options", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        serve(args.worker, json.loads(args.options))
        return
    pythons = {"ours": sys.executable}
    probe = [args.torch_python, "-c", "import torch"]
    if subprocess.run(probe, capture_output=True, check=False).returncode == 0:
        pythons["torch"] = args.torch_python
    else:
        print("PyTorch is not installed: ours alone (--torch-python names another)")
    workers = {}
    for precision in args.precision:
        for name, python in pythons.items():
            options = {
                "batch_size": args.batch_size,
                "preset": args.preset,
                "precision": precision,
                "jit_compile": args.jit_compile,
                "overrides": args.set,
            }
            workers[name, precision] = start(name, python, options)
    seconds = {key: [] for key in workers}
    for _ in range(args.rounds):
        for key, (worker, _) in workers.items():
            worker.stdin.write(f"{args.steps}\n")
            worker.stdin.flush()
            seconds[key].append(float(worker.stdout.readline()))
    report(args, workers, seconds)


def report(args, workers, seconds):
    """Prints a line a network; ratios are medians over the rounds."""
    images = args.batch_size * args.steps
    print(f"{platform.platform()}, {os.cpu_count()} cores, {vars(args)}")
    print(
        f"{'':21}{'images/s':>9} {'ms':>8} {'TFLOP/s':>8} {'first step':>11} "
        f"{'memory':>9}   of PyTorch's time"
    )
    for (name, precision), (worker, first) in workers.items():
        worker.stdin.close()
        peak = int(worker.stdout.readline())
        worker.wait(timeout=60)
        mine = seconds[name, precision]
        rate = images / statistics.median(mine)
        is_known = args.preset == "reference" and not args.set
        tflops = f"{rate * GFLOP / 1000:8.2f}" if is_known else ""
        ratios = [
            f"{other} {statistics.median(a / b for a, b in pairs):.2f}"
            for other in args.precision
            if name == "ours" and ("torch", other) in seconds
            for pairs in [zip(mine, seconds["torch", other], strict=True)]
        ]
        print(
            f"{name:6}{precision:15}{rate:9,.1f} {1000 / rate:8.2f} {tflops:>8} "
            f"{first:9.1f} s {peak / 2**30:5.1f} GiB   {', '.join(ratios)}"
        )
        if name == "ours" and is_known and "H100" in device_name():
            print(f"      {rate / H100_FLOOR:.0%} of the floor of {H100_FLOOR:,}")


def device_name():
    """Name of the first NVIDIA GPU, or nothing."""
    try:
        asked = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
        return subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return ""


if __name__ == "__main__":
    main()
