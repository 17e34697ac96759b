"""Makes and checks data sets of pictures, masks and depth maps."""

import sys
from types import ModuleType

from maskdepth_tf import cli

_SET = "--labels data/mine/labels.txt"
_SOURCES = "--foregrounds cutouts/ --backgrounds rooms/ --output data/mine "
_SOURCES += "--preset realistic --rows 24000"
_TEACHER = "--data data/mine --teacher keras_hub:depth_anything_v2_small "
_TEACHER += "--convention disparity"
_SYNTHETIC = "--output data/synthetic --rows 4800"

COMMANDS = {
    name: (f"maskdepth_tf.dataset.{name}", summary, example)
    for name, summary, example in (
        ("index", "labels of pictures in other layouts", "photos/"),
        ("compose", "paste cut-outs on rooms", _SOURCES),
        ("depth", "depth maps by a trained network", _TEACHER),
        ("pack", "a labelled set as arrays", f"{_SET} --output data/mine_64"),
        ("build", "compose, depth and pack in one", "--config build.yaml"),
        ("synthesize", "rendered rooms, exact depth", _SYNTHETIC),
        ("verify", "find bad rows before training", _SET),
        ("stats", "means, deviations, histograms, counts", _SET),
        ("show", "rows as a picture to look at", f"{_SET} --output sheet.png"),
        ("card", "a data set card in Markdown", f"{_SET} --output data/mine/CARD.md"),
    )
}
"""Name -> (module with `add_arguments(parser)` and `main(args)`, summary, example)."""


def make_parser(name: str, module: ModuleType) -> cli.Parser:
    """The flags of one of the commands."""
    parser = cli.Parser(f"dataset {name}", module.__doc__, COMMANDS[name][2])
    module.add_arguments(parser)
    return parser


def main(argv: list[str] | None = None) -> int | None:
    """Runs the command that the first argument names."""
    argv = sys.argv[1:] if argv is None else argv
    example = f"maskdepth dataset synthesize {_SYNTHETIC}"
    module = cli.choose("maskdepth dataset", __doc__, COMMANDS, argv, example)
    if module is None:
        return 0
    return module.main(make_parser(argv[0], module).parse_args(argv[1:]))


if __name__ == "__main__":
    sys.exit(cli.run(main))
