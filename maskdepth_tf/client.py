"""Asks a server for the mask, depth and cut-out of a picture; needs no TensorFlow.

The server is ours or TF Serving, with a model that `maskdepth_tf.export` wrote:

    answer = Client("http://127.0.0.1:8501").predict("bg.jpg", "fg_bg.jpg")
    Path("mask.png").write_bytes(answer.mask)

`Client` speaks REST; `maskdepth_tf.clients.grpc_client.GrpcClient` has the same
methods. A predict request may be sent again without harm, so one that fails to get
through is. A pair that the server refuses is reported, and the others are asked for all
the same.
"""

import sys

from maskdepth_tf import cli, files
from maskdepth_tf.clients.model_client import Answer, VersionStatus
from maskdepth_tf.clients.rest_client import Client
from maskdepth_tf.errors import DataError, RefusedError
from maskdepth_tf.images import pairs
from maskdepth_tf.serving import tokens

__all__ = ["Answer", "Client", "VersionStatus", "main", "make_parser"]


def main(argv: list[str] | None = None) -> int | None:
    """Asks for all pairs that the arguments name; 3 if some could not be answered."""
    args = make_parser().parse_args(argv)
    token = tokens.read_token(args.token_file) if args.token_file else None
    client = Client(args.url, args.model, token, args.timeout)
    asked = pairs.find_pairs(args.bg, args.fg_bg)
    pairs.prepare_output(args.output, (args.bg, args.fg_bg), asked, args.force)
    code = 0
    for pair in asked:
        try:
            written = _ask(client, pair, args.output)
        except (DataError, RefusedError, OSError) as error:
            print(f"error: {pairs.failure(pair, error)}", file=sys.stderr)
            code = DataError.exit_code
        else:
            print(*written, sep="\n", flush=True)
    return code


def _ask(client: Client, pair: pairs.Pair, output: str) -> list[str]:
    """Writes the answer to a pair; where it is."""
    answer = client.predict(pair.bg, pair.fg_bg)._asdict()
    paths = pairs.output_paths(output, pair.name)
    for name, data in answer.items():
        files.write_atomically(paths[name], data)
    return [paths[name] for name in answer]


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
