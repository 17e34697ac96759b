"""Makes and checks data sets: `python -m maskdepth_tf.dataset COMMAND`."""

import argparse
import importlib
import sys

from maskdepth_tf import cli

COMMANDS = {
    "index": ("maskdepth_tf.dataset.index", "labels of pictures in other layouts"),
    "compose": ("maskdepth_tf.dataset.compose", "paste cut-outs on rooms"),
    "depth": ("maskdepth_tf.dataset.depth", "depth maps by a trained network"),
    "pack": ("maskdepth_tf.dataset.pack", "a labelled set as arrays to train from"),
    "build": ("maskdepth_tf.dataset.build", "compose, depth and pack in one"),
    "synthesize": ("maskdepth_tf.dataset.synthesize", "rendered rooms, exact depth"),
    "verify": ("maskdepth_tf.dataset.verify", "find bad rows before training"),
    "stats": ("maskdepth_tf.dataset.stats", "means, deviations, histograms, counts"),
    "show": ("maskdepth_tf.dataset.show", "rows as a picture to look at"),
    "card": ("maskdepth_tf.dataset.card", "a data set card in Markdown"),
}
"""Name -> (module with `add_arguments(parser)` and `main(args)`, what it does)."""


def main(argv: list[str] | None = None) -> int | None:
    """Runs the subcommand that the first argument names."""
    argv = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser("maskdepth dataset", description=__doc__)
    subparsers = parser.add_subparsers(dest="command", required=True)
    for name, (_, summary) in COMMANDS.items():
        command = subparsers.add_parser(name, help=summary, description=summary)
        # Only the module that will run is imported: the others may be heavy.
        if argv and argv[0] == name:
            module = importlib.import_module(COMMANDS[name][0])
            module.add_arguments(command)
    args = parser.parse_args(argv)
    return module.main(args)


if __name__ == "__main__":
    sys.exit(cli.run(main))
