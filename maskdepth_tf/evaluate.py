"""Scores a model on labelled pictures, beside the rules with no learning.

Every example of a split counts once and equally, in evaluation mode. A few rows are
then disturbed: what the figures of clean pictures say nothing of.
"""

import argparse
import sys
from pathlib import Path

from maskdepth_tf import cli, files, robustness, startup, streams


def make_parser() -> cli.Parser:
    """The command's flags."""
    parser = cli.Parser("evaluate", __doc__, "--workdir runs/quickstart")
    run = "score a run on its own splits"
    cli.add_scored(parser, run, "score a model on all rows of a labels file")
    text = (
        "side of the square that is scored, in pixels: answers are stretched to it, "
        "as predict does (the network's own)"
    )
    parser.add("--image-size", "S", text, type=cli.number(int, *streams.IMAGE_SIZES))
    text = (
        "where to write the figures (with --workdir evaluation.json in the run "
        "folder, or evaluation_S.json)"
    )
    parser.add("--json", "FILE", text)
    count = cli.number(int, 1)
    parser.add("--batch-size", "N", "pairs at a time", type=count, default=32)
    return parser


def main(argv: list[str] | None = None) -> int | None:
    """Evaluates as the arguments say, prints a table and writes the figures."""
    parser = make_parser()
    args = parser.parse_args(argv)
    cli.check_scored(parser, args)
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
    opened = robustness.open_rows(args)
    scores |= _depths(opened, args.batch_size) | _disturbed(args, opened)
    if target:
        files.write_json(Path(target), scores)
        print(f"wrote {target}")
    return 0


def _depths(opened: tuple, batch_size: int) -> dict[str, dict]:
    """Measures and prints depths after a fit, of a run's test side or all rows."""
    from maskdepth_tf.inference import depths

    model, found, ids = opened
    figures = depths.score(model, found, ids, batch_size)
    print(f"\n{depths.table(figures)}")
    return {"fitted_depth": figures}


def _disturbed(args: argparse.Namespace, opened: tuple) -> dict[str, float]:
    """Measures and prints what disturbed pictures spoil; no figure of a packed set."""
    from maskdepth_tf.disturbing import measuring
    from maskdepth_tf.input import packed, splits

    if packed.is_packed(robustness.labels_of(args)):
        print("\ndisturbed: left out, a packed set has no pictures in their own size")
        return {}
    model, found, ids = opened
    ids = splits.spread(ids, measuring.QUICK_ROWS)
    clean = measuring.mean_at_severity(model, found, ids, 0)
    disturbed = measuring.mean_at_severity(model, found, ids)
    print(
        f"\nIoU clean {clean:.2f}, disturbed {disturbed:.2f} "
        f"(severity {measuring.SEVERITY}, {len(ids)} rows)"
    )
    return {"disturbed_iou": disturbed}


if __name__ == "__main__":
    sys.exit(cli.run(main))
