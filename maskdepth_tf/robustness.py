"""Measures how much disturbed pictures spoil the masks, beside rules with no learning.

Cameras move, light changes, sensors are noisy, people cast shadows: each kind of
disturbance is made in five severities of whole pictures. docs/robustness.md tells how
to read the figures.
"""

import argparse
import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from maskdepth_tf import cli, files, startup
from maskdepth_tf.dataset import flags
from maskdepth_tf.errors import DataError, StateError

if TYPE_CHECKING:
    import numpy as np

    from maskdepth_tf import config
    from maskdepth_tf.inference import scoring
    from maskdepth_tf.input import examples


def make_parser() -> cli.Parser:
    """The command's flags."""
    parser = cli.Parser("robustness", __doc__, "--workdir runs/quickstart")
    run = "measure a run on the test side of its split"
    cli.add_scored(parser, run, "measure a model on a labels file")
    text = "rows that are measured, evenly spread"
    parser.add("--rows", "N", text, type=cli.number(int, 1), default=200)
    text = (
        "where to write the figures (with --workdir robustness.json in the run folder)"
    )
    parser.add("--json", "FILE", text, type=Path)
    text = "where to write the page (with --workdir robustness.html in the run folder)"
    parser.add("--output", "FILE", text, type=Path)
    text = (
        "labels file of pairs of a camera that moved, measured beside, as "
        "`dataset synthesize --hand-held` writes them"
    )
    parser.add("--hand-held", "FILE", text)
    flags.add_workers(parser)
    return parser


def main(argv: list[str] | None = None) -> int | None:
    """Measures as the arguments say, prints a table, writes figures and a page."""
    parser = make_parser()
    args = parser.parse_args(argv)
    _check(parser, args)
    startup.load_tensorflow()
    from maskdepth_tf.disturbing import answering, measuring, table, yardsticks
    from maskdepth_tf.input import examples, packed, splits
    from maskdepth_tf.reports import robustness_page

    labels = labels_of(args)
    if packed.is_packed(labels):
        raise DataError(
            f"{labels}: must be a labels file, whose pictures have their own size. "
            "Received: a folder"
        )
    model, found, ids = open_rows(args)
    ids = splits.spread(ids, args.rows)
    hand_held = args.hand_held and examples.open_examples(
        args.hand_held, image_size=model.image_size, memory_gb=0.0, foregrounds=False
    )
    result, shown = measuring.measure(model, found, ids, args.num_workers, hand_held)
    print(table.table(result))
    model_path = args.model or args.workdir
    if args.json:
        files.write_json(args.json, {"model": model_path} | result)
        print(f"wrote {args.json}")
    if args.output:
        text = robustness_page.render(
            result, shown, model_path, answering.NETWORK, [*yardsticks.YARDSTICKS]
        )
        files.write_atomically(args.output, text.encode("utf-8", "replace"))
        print(f"look at  {args.output}")
    return 0


def labels_of(args: argparse.Namespace) -> str:
    """The labels file, or packed set, that `--workdir` or `--labels` means.

    Raises:
        StateError: If there is no such run.
    """
    return args.labels or _settings(args.workdir).data.labels


def open_rows(
    args: argparse.Namespace,
) -> tuple["scoring.Scorable", "examples.Examples", "np.ndarray"]:
    """Opens what `--workdir`, `--labels`, `--root` and `--model` mean.

    Returns:
        The network, the labelled set with no picture in memory, and the numbers of its
        rows, int64 [N]: the test side of a run's split, or all.

    Raises:
        DataError: If a row or a picture is bad.
        StateError: If there is no such run or model.
    """
    import numpy as np

    from maskdepth_tf.inference import scoring
    from maskdepth_tf.input import examples
    from maskdepth_tf.training import batches

    model = scoring.load_scorable(args.model or args.workdir)
    if args.workdir:
        settings = _settings(args.workdir)
        data = dataclasses.replace(settings.data, memory_gb=0.0)
        opened = batches.open_data(dataclasses.replace(settings, data=data))
        return model, opened.examples, opened.split["test"]
    found = examples.open_examples(
        args.labels,
        args.root,
        image_size=model.image_size,
        memory_gb=0.0,
        foregrounds=False,
    )
    return model, found, np.arange(len(found.rows))


def _settings(run_dir: str) -> "config.Config":
    from maskdepth_tf import config

    path = Path(run_dir) / "config.yaml"
    if not path.is_file():
        raise StateError(f"{run_dir}: a run folder must hold config.yaml")
    return config.load_config([path])


def _check(parser: cli.Parser, args: argparse.Namespace) -> None:
    """Refuses flags that do not go together, and fills in where a run's results go."""
    cli.check_scored(parser, args)
    for flag, path in (("--json", args.json), ("--output", args.output)):
        if path and not path.absolute().parent.is_dir():
            parser.error(f"the folder of {flag} must be there. Received: {path}")
    if args.workdir:
        args.json = args.json or Path(args.workdir) / "robustness.json"
        args.output = args.output or Path(args.workdir) / "robustness.html"


if __name__ == "__main__":
    sys.exit(cli.run(main))
