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
from maskdepth_tf.errors import StateError

if TYPE_CHECKING:
    from maskdepth_tf.training import batches


def make_parser() -> cli.Parser:
    """The command's flags."""
    parser = cli.Parser("robustness", __doc__, "--workdir runs/quickstart")
    parser.add("--workdir", "RUN", "measure a run on the test side of its split")
    parser.add("--labels", "FILE", "measure a model on a labels file")
    parser.add("--root", "DIR", "folder that the paths in it start from (its own)")
    text = "run folder, .keras file or SavedModel (the run's best)"
    parser.add("--model", "PATH", text)
    text = "rows that are measured, evenly spread"
    parser.add("--rows", "N", text, type=cli.number(int, 1), default=200)
    text = (
        "where to write the figures (with --workdir robustness.json in the run folder)"
    )
    parser.add("--json", "FILE", text, type=Path)
    text = "where to write the page (with --workdir robustness.html in the run folder)"
    parser.add("--output", "FILE", text, type=Path)
    flags.add_workers(parser)
    return parser


def main(argv: list[str] | None = None) -> int | None:
    """Measures as the arguments say, prints a table, writes figures and a page."""
    parser = make_parser()
    args = parser.parse_args(argv)
    _check(parser, args)
    startup.load_tensorflow()
    import numpy as np

    from maskdepth_tf.disturbing import answering, measuring, table, yardsticks
    from maskdepth_tf.inference import scoring
    from maskdepth_tf.input import examples
    from maskdepth_tf.reports import robustness_page

    path = args.model or args.workdir
    if args.workdir:
        data = open_run(Path(args.workdir))
        found, ids = data.examples, data.split["test"]
        model = scoring.load_scorable(path)
    else:
        measuring.check_not_packed(args.labels)
        model = scoring.load_scorable(path)
        found = examples.open_examples(
            args.labels,
            args.root,
            image_size=model.image_size,
            memory_gb=0,
            foregrounds=False,
        )
        ids = np.arange(len(found.rows))
    ids = measuring.spread(ids, args.rows)
    result, shown = measuring.measure(model, found, ids, args.num_workers)
    print(table.table(result))
    if args.json:
        files.write_json(args.json, {"model": str(path)} | result)
        print(f"wrote {args.json}")
    if args.output:
        text = robustness_page.render(
            result, shown, str(path), answering.NETWORK, [*yardsticks.YARDSTICKS]
        )
        files.write_atomically(args.output, text.encode("utf-8", "replace"))
        print(f"look at  {args.output}")
    return 0


def open_run(run_dir: Path) -> "batches.TrainingData":
    """Opens the labelled set of a run, and splits it; no picture is kept in memory.

    Raises:
        DataError: If it is a packed set, or not there any more.
        StateError: If there is no such run.
    """
    from maskdepth_tf import config
    from maskdepth_tf.disturbing import measuring
    from maskdepth_tf.training import batches

    path = run_dir / "config.yaml"
    if not path.is_file():
        raise StateError(f"{run_dir}: a run folder must hold config.yaml")
    settings = config.load_config([path])
    measuring.check_not_packed(settings.data.labels)
    data = dataclasses.replace(settings.data, memory_gb=0.0)
    return batches.open_data(dataclasses.replace(settings, data=data))


def _check(parser: cli.Parser, args: argparse.Namespace) -> None:
    """Refuses flags that do not go together, and fills in where a run's results go."""
    if bool(args.workdir) == bool(args.labels):
        parser.error("give either --workdir RUN, or --labels FILE with --model PATH")
    if args.labels and not args.model:
        parser.error("--labels needs --model PATH")
    for flag, path in (("--json", args.json), ("--output", args.output)):
        if path and not path.absolute().parent.is_dir():
            parser.error(f"the folder of {flag} must be there. Received: {path}")
    if args.workdir:
        args.json = args.json or Path(args.workdir) / "robustness.json"
        args.output = args.output or Path(args.workdir) / "robustness.html"


if __name__ == "__main__":
    sys.exit(cli.run(main))
