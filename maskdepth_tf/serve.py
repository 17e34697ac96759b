"""Serves models as TF Serving does: REST and gRPC, versions, labels, batches.

For development, tests and small installations; what it serves is what
`maskdepth_tf.export` writes, and clients of TF Serving can ask it for predictions,
metadata and status. By default it listens on this machine alone.
"""

import asyncio
import functools
import os
import sys
import tempfile
from collections.abc import Mapping
from typing import TYPE_CHECKING

from maskdepth_tf import cli, export, startup, streams
from maskdepth_tf.errors import UsageError
from maskdepth_tf.exporting import formats
from maskdepth_tf.serving import tokens

if TYPE_CHECKING:
    import numpy as np


def main(argv: list[str] | None = None) -> int | None:
    """Serves until SIGTERM or SIGINT."""
    parser = make_parser()
    args = parser.parse_args(argv)
    if args.models and args.model_config:
        parser.error("give either --models DIR or --model-config FILE")
    if args.models or args.model_config:
        return _serve(args)
    with tempfile.TemporaryDirectory(prefix="maskdepth_") as folder:
        # Its card and warm-up are those of any export.
        args.models = os.path.join(folder, "maskdepth")
        print(f"exporting the preset {cli.PRESET}", file=sys.stderr, flush=True)
        export.export_run(cli.PRESET, args.models)
        return _serve(args)


def _serve(args) -> int | None:
    token = tokens.read_token(args.token_file) if args.token_file else None
    startup.load_tensorflow()
    try:
        from maskdepth_tf.serving import model_config, server
        from maskdepth_tf.serving.models import Models
    except ImportError as error:
        raise UsageError(
            f"serving needs packages that are not there: {error}; "
            "pip install 'maskdepth_tf[serving]'"
        ) from None

    if not server.is_loopback(args.host):
        print(
            f"warning: --host {args.host} can be reached from other machines"
            + ("" if token else ", by anybody: there is no --token-file"),
            file=sys.stderr,
        )
    if args.models:
        declare = functools.partial(model_config.find_models, args.models)
    else:
        declare = functools.partial(model_config.read_config, args.model_config)
    # It may still come, as a training that exports at its end puts it there.
    if not model_config.has_versions(declare().values()):
        print(
            f"warning: {args.models or args.model_config}: expected versions of a "
            "model, NAME/1/saved_model.pb, received none; what is put there is served",
            file=sys.stderr,
        )
    settings = server.Settings(
        host=args.host,
        rest_port=args.rest_port,
        grpc_port=args.grpc_port,
        limits=_limits(args),
        max_body=int(args.max_body_mb * 2**20),
        grace=args.grace_seconds,
        token=token,
        poll=args.poll_seconds,
        check=check_pictures,
        fills_tensor_content=args.enable_serialization_as_tensor_content,
        allows_origins=args.rest_api_enable_cors_support,
    )
    return asyncio.run(server.serve(Models(declare, _loader(args.backend)), settings))


def check_pictures(arrays: Mapping[str, "np.ndarray"]) -> None:
    """Reads the headers of encoded pictures: a graph decodes pictures of any size.

    Args:
        arrays: A request's inputs by name; those of encoded pictures have bytes.

    Raises:
        DataError: If one is no picture, or over a limit; names it.
    """
    from maskdepth_tf.images import headers

    for stream in streams.INPUTS:
        name = f"{stream.name}_bytes"
        for number, data in enumerate(arrays[name].flat if name in arrays else ()):
            headers.check_bytes(data, f"{name}[{number}]")


def _loader(backend):
    """The class that makes a model of a version's folder."""
    from maskdepth_tf.serving.saved_model import SavedModel

    if backend == "tensorflow":
        return SavedModel
    formats.check_installed([backend])
    from maskdepth_tf.exporting.openvino_model import OpenVinoModel

    return functools.partial(OpenVinoModel, kind=backend)


def make_parser() -> cli.Parser:
    """The command's flags."""
    parser = cli.Parser("serve", __doc__, "--models models")
    text = "a model's folder, or a folder of such folders (the preset that comes with "
    parser.add("--models", "DIR", f"{text}the package, as maskdepth)")
    parser.add("--model-config", "FILE", "TF Serving's ModelServerConfig instead")
    parser.add(
        "--backend",
        "NAME",
        "what runs the network: %(choices)s; OpenVINO is faster on CPUs and needs "
        "versions that were exported with --format of the same name",
        choices=["tensorflow", "openvino", "openvino_bfloat16"],
        default="tensorflow",
    )
    parser.add("--host", "ADDRESS", "address to listen on", default="127.0.0.1")
    largest = "most rows that run together (batching.config's, else 16)"
    parser.add("--max-batch-size", "N", largest, type=cli.number(int, 1, 2**31))
    port, count = cli.number(int, 0, 65535), cli.number(int, 1, 2**31)
    amount, positive = cli.number(float, 0, 1e6), cli.number(float, 1e-3, 1e6)
    for flag, kind, default, text in (
        ("--rest-port", port, 8501, "0 picks a free one"),
        ("--grpc-port", port, 8500, "0 picks a free one"),
        ("--batch-timeout-ms", amount, 0, "how long an incomplete batch waits"),
        ("--max-queue", count, 128, "most requests that wait"),
        ("--max-body-mb", positive, 16, "largest request, in MiB"),
        ("--grace-seconds", amount, 10, "for open requests when the server ends"),
        ("--poll-seconds", positive, 1, "between looks for new versions"),
    ):
        parser.add(flag, "N", text, type=kind, default=default)
    parser.add("--token-file", "FILE", "holds the bearer token clients must send")
    # By TF Serving's names.
    parser.switch(
        "--enable-serialization-as-tensor-content",
        "numbers of gRPC replies as tensor_content, faster, which not all clients read",
    )
    parser.switch(
        "--rest-api-enable-cors-support", "let pages from anywhere ask by REST"
    )
    return parser


def _limits(args):
    """Of the flags and, where there is one, of the models' batching.config."""
    from maskdepth_tf.serving.running import batching

    folder = args.models or os.path.dirname(os.path.abspath(args.model_config))
    path = os.path.join(folder, batching.CONFIG)
    largest, sizes = batching.read_config(path) if os.path.isfile(path) else (None, ())
    largest = args.max_batch_size or largest or batching.Limits().max_batch_size
    return batching.Limits(
        batches_all=os.path.isfile(path),
        max_batch_size=largest,
        max_queue=args.max_queue,
        delay=args.batch_timeout_ms / 1000,
        sizes=tuple(size for size in sizes if size <= largest),
    )


if __name__ == "__main__":
    sys.exit(cli.run(main))
