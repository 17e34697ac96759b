"""What typed fields of gRPC messages cost, compared with `tensor_content`.

    python benchmarks/serving_fields.py [--seconds 1] [--rounds 10]

Replies hold numbers in `float_val` and so on, which all clients read, or, with
--enable-serialization-as-tensor-content, as bytes. The server writes a reply of either
kind and a client reads it, in turns on the same array, so that a busy machine slows
both alike. The columns are the typed fields' time divided by the bytes', the median of
the rounds; the last is how much longer messages are.
"""

import argparse
import os
import statistics
import time

import numpy as np

SHAPES = [(1, 64, 64, 1), (16, 64, 64, 1), (1, 224, 224, 3)]
TYPES = ["float32", "float64", "float16", "uint8", "int64"]


def main():
    """Prints a table."""
    args = make_parser().parse_args()
    # Only now, for it takes seconds.
    import tensorflow as tf
    from tensorflow_serving.apis import predict_pb2

    from maskdepth_tf.serving.tensors import protos

    def write(array, as_content):
        reply = predict_pb2.PredictResponse()
        protos.fill({"y": array}, reply.outputs, as_content)
        return reply.SerializeToString()

    def read(data):
        reply = predict_pb2.PredictResponse.FromString(data)
        return tf.make_ndarray(reply.outputs["y"])

    print(f"{os.cpu_count()} cores, load {os.getloadavg()}\n")
    print("| | written | read | length |\n|---|---|---|---|")
    rng = np.random.default_rng(0)
    for kind in TYPES:
        for shape in SHAPES:
            array = rng.uniform(0, 255, shape).astype(kind)
            typed, content = (write(array, as_content) for as_content in (False, True))
            np.testing.assert_array_equal(read(typed), array)
            cells = [
                ratio(
                    args,
                    lambda a=array: write(a, False),
                    lambda a=array: write(a, True),
                ),
                ratio(args, lambda d=typed: read(d), lambda d=content: read(d)),
            ]
            cells = [
                *(f"{cell:.1f}" for cell in cells),
                f"{len(typed) / len(content):.1f}",
            ]
            print(f"| {kind} {list(shape)} | {' | '.join(cells)} |", flush=True)


def make_parser():
    """The flags."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=1.0, help="of a cell")
    parser.add_argument("--rounds", type=int, default=10)
    return parser


def ratio(args, first, second):
    """Median of how much longer the first function takes."""
    share = args.seconds / args.rounds / 2
    return statistics.median(
        seconds_of(first, share) / seconds_of(second, share) for _ in range(args.rounds)
    )


def seconds_of(function, share):
    """Time of a call, the median of as many as take that long."""
    end, seconds = time.perf_counter() + share, []
    while not seconds or time.perf_counter() < end:
        start = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


if __name__ == "__main__":
    main()
