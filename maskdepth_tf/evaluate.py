"""Scores a model on labelled pictures, beside the rules with no learning.

Every example of a split counts once and equally, in evaluation mode.
"""

import argparse
import sys
from pathlib import Path

from maskdepth_tf import cli, files, startup, streams


def make_parser() -> argparse.ArgumentParser:
    """The command's flags."""
    parser = argparse.ArgumentParser(
        prog="python -m maskdepth_tf.evaluate", description=__doc__.splitlines()[0]
    )
    parser.add_argument(
        "--model",
        metavar="PATH",
        help="run folder, .keras file or SavedModel; the run folder's by default",
    )
    parser.add_argument(
        "--workdir", metavar="RUN", help="score a run on its own splits"
    )
    parser.add_argument("--labels", metavar="FILE", help="score on all rows of a file")
    parser.add_argument(
        "--root", metavar="DIR", help="folder that its paths start from"
    )
    parser.add_argument(
        "--image-size",
        type=int,
        metavar="S",
        help="side of the square that is scored, in pixels: answers are stretched to "
        "it, as predict does; the network's own by default",
    )
    parser.add_argument(
        "--json",
        metavar="FILE",
        help="where to write the figures; those of a run go to evaluation.json in its "
        "folder or, with --image-size, to evaluation_S.json",
    )
    parser.add_argument("--batch-size", type=int, default=32, metavar="N")
    return parser


def main(argv: list[str] | None = None) -> int | None:
    """Evaluates as the arguments say, prints a table and writes the figures."""
    parser = make_parser()
    args = parser.parse_args(argv)
    if bool(args.workdir) == bool(args.labels):
        parser.error("give either --workdir RUN, or --labels FILE with --model PATH")
    if args.labels and not args.model:
        parser.error("--labels needs --model PATH")
    if args.batch_size < 1:
        parser.error(f"--batch-size must be at least 1. Received: {args.batch_size}")
    if args.image_size is not None:
        if fault := streams.size_fault(args.image_size):
            parser.error(f"--image-size {fault}")
    if args.json and not Path(args.json).absolute().parent.is_dir():
        parser.error(f"the folder of --json must be there. Received: {args.json}")
    startup.load_tensorflow()
    from maskdepth_tf.inference import scoring

    if args.workdir:
        scores = scoring.evaluate_run(Path(args.workdir), args.model, args.image_size)
        size = "" if args.image_size is None else f"_{args.image_size}"
        target = args.json or Path(args.workdir) / f"evaluation{size}.json"
    else:
        scores = scoring.evaluate_labels(
            args.model, args.labels, args.root, args.batch_size, args.image_size
        )
        target = args.json
    print(scoring.table(scores))
    if target:
        files.write_json(Path(target), scores)
        print(f"wrote {target}")
    return 0


if __name__ == "__main__":
    sys.exit(cli.run(main))
