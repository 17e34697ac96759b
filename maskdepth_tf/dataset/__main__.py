"""Makes and checks data sets of pictures, masks and depth maps."""

import sys
from types import ModuleType

from maskdepth_tf import cli

_LABELS = "--labels data/mine/labels.txt"
COMMANDS = {
    "index": (
        "maskdepth_tf.dataset.index",
        "labels of pictures in other layouts",
        "photos/",
    ),
    "compose": (
        "maskdepth_tf.dataset.compose",
        "paste cut-outs on rooms",
        "--foregrounds cutouts/ --backgrounds rooms/ --output data/mine --rows 24000",
    ),
    "depth": (
        "maskdepth_tf.dataset.depth",
        "depth maps by a trained network",
        "--data data/mine --teacher teacher.tflite",
    ),
    "pack": (
        "maskdepth_tf.dataset.pack",
        "a labelled set as arrays to train from",
        f"{_LABELS} --output data/mine_64",
    ),
    "build": (
        "maskdepth_tf.dataset.build",
        "compose, depth and pack in one",
        "--config build.yaml --set rows=24000",
    ),
    "synthesize": (
        "maskdepth_tf.dataset.synthesize",
        "rendered rooms, exact depth",
        "--output data/synthetic --rows 4800",
    ),
    "verify": (
        "maskdepth_tf.dataset.verify",
        "find bad rows before training",
        f"{_LABELS} --drop-bad data/mine/good.txt",
    ),
    "stats": (
        "maskdepth_tf.dataset.stats",
        "means, deviations, histograms, counts",
        _LABELS,
    ),
    "show": (
        "maskdepth_tf.dataset.show",
        "rows as a picture to look at",
        f"{_LABELS} --output sheet.png",
    ),
    "card": (
        "maskdepth_tf.dataset.card",
        "a data set card in Markdown",
        f"{_LABELS} --output data/mine/CARD.md",
    ),
}
"""Name -> (module, what it does, arguments of its example).

A module has `add_arguments(parser)` and `main(args)`.
"""


def make_parser(name: str, module: ModuleType) -> cli.Parser:
    """The flags of one of the commands."""
    parser = cli.Parser(f"dataset {name}", module.__doc__, COMMANDS[name][2])
    module.add_arguments(parser)
    return parser


def main(argv: list[str] | None = None) -> int | None:
    """Runs the command that the first argument names."""
    argv = sys.argv[1:] if argv is None else argv
    example = "maskdepth dataset synthesize --output data/synthetic --rows 4800"
    module = cli.choose("maskdepth dataset", __doc__, COMMANDS, argv, example)
    if module is None:
        return 0
    return module.main(make_parser(argv[0], module).parse_args(argv[1:]))


if __name__ == "__main__":
    sys.exit(cli.run(main))
