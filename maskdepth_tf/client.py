"""Asks a server for the mask, depth and cut-out of a picture; needs no TensorFlow.

The server is ours or TF Serving, with a model that `maskdepth_tf.export` wrote:

    answer = Client("http://127.0.0.1:8501").predict("bg.jpg", "fg_bg.jpg")
    Path("mask.png").write_bytes(answer.mask)

`Client` speaks REST; `maskdepth_tf.clients.grpc_client.GrpcClient` has the same
methods. A predict request may be sent again without harm, so one that fails to get
through is.
"""

import argparse
import sys

from maskdepth_tf import cli, files
from maskdepth_tf.clients.model_client import Answer, VersionStatus
from maskdepth_tf.clients.rest_client import Client
from maskdepth_tf.images import pairs
from maskdepth_tf.serving import tokens

__all__ = ["Answer", "Client", "VersionStatus", "main", "make_parser"]


def main(argv: list[str] | None = None) -> int | None:
    """Asks for all pairs that the arguments name and writes the answers."""
    args = make_parser().parse_args(argv)
    token = tokens.read_token(args.token_file) if args.token_file else None
    client = Client(args.url, args.model, token, args.timeout)
    asked = pairs.find_pairs(args.bg, args.fg_bg)
    pairs.prepare_output(args.output, (args.bg, args.fg_bg), asked, args.force)
    for pair in asked:
        answer = client.predict(pair.bg, pair.fg_bg)
        paths = pairs.output_paths(args.output, pair.name)
        for name, data in answer._asdict().items():
            files.write_atomically(paths[name], data)
            print(paths[name])
    return 0


def make_parser() -> argparse.ArgumentParser:
    """The command's flags."""
    parser = argparse.ArgumentParser(
        prog="python -m maskdepth_tf.client", description=__doc__.splitlines()[0]
    )
    for flag, value, text in (
        ("--bg", "PATH", "the scene alone: one for all pictures, or a folder of them"),
        ("--fg-bg", "PATH", "the scene with something in front; a picture or a folder"),
        ("--output", "DIR", "where to write NAME_mask.png, _depth and _cutout"),
    ):
        parser.add_argument(flag, required=True, metavar=value, help=text)
    for flag, kind, default, text in (
        ("--url", str, "http://127.0.0.1:8501", "of the server's REST interface"),
        ("--model", str, "maskdepth", "the model's name on the server"),
        ("--timeout", float, 30.0, "seconds for a picture, all tries together"),
    ):
        parser.add_argument(
            flag, type=kind, default=default, help=f"{text} (%(default)s)"
        )
    parser.add_argument(
        "--token-file", metavar="FILE", help="holds the bearer token the server wants"
    )
    parser.add_argument("--force", action="store_true", help="replace earlier results")
    return parser


if __name__ == "__main__":
    sys.exit(cli.run(main))
