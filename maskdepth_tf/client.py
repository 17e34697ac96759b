"""Asks a server for the mask, depth and cut-out of a picture; needs no TensorFlow.

The server is ours or TF Serving, with a model that `maskdepth_tf.export` wrote:

    answer = Client("http://127.0.0.1:8501").predict("bg.jpg", "fg_bg.jpg")
    Path("mask.png").write_bytes(answer.mask)

`Client` speaks REST; `maskdepth_tf.clients.grpc_client.GrpcClient` has the same
methods. A predict request may be sent again without harm, so one that fails to get
through is.
"""

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


def make_parser() -> cli.Parser:
    """The command's flags."""
    example = "--bg empty.jpg --fg-bg with_me.jpg --output answers"
    parser = cli.Parser("client", __doc__, example)
    cli.add_pairs(parser, "where to write NAME_mask.png, _depth and _cutout")
    place = "http://127.0.0.1:8501"
    parser.add("--url", "URL", "the server's REST interface", default=place)
    name = "the model's name on the server"
    parser.add("--model", "NAME", name, default="maskdepth")
    patience = "seconds for a picture, all tries together"
    parser.add("--timeout", "SECONDS", patience, type=float, default=30.0)
    parser.add("--token-file", "FILE", "holds the bearer token the server wants")
    return parser


if __name__ == "__main__":
    sys.exit(cli.run(main))
