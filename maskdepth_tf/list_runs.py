"""Lists the runs of a folder with their best figures."""

import fcntl
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from maskdepth_tf import cli
from maskdepth_tf.errors import MaskDepthError, UsageError
from maskdepth_tf.network import metric_list
from maskdepth_tf.training import runs


def make_parser() -> cli.Parser:
    """The command's flags."""
    parser = cli.Parser("runs", __doc__, "runs/")
    parser.add("folder", "FOLDER", "where runs are", nargs="?", default="runs")
    return parser


def main(argv: list[str] | None = None) -> int | None:
    """Prints a line a run, in the order in which they were begun."""
    folder = Path(make_parser().parse_args(argv).folder)
    if not folder.is_dir():
        raise UsageError(f"FOLDER must be a folder. Received: {folder}")
    lines = [line for _, line in sorted(map(_line, folder.glob("**/run.json")))]
    if not lines:
        print(f"no runs in {folder}")
        return 0
    table = [columns(), *lines]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for line in table:
        cells = (f"{cell:{width}}" for cell, width in zip(line, widths, strict=True))
        print("  ".join(cells).rstrip())
    return 0


def columns() -> list[str]:
    """Returns the titles of the columns."""
    labels = [metric.label for metric in metric_list.within(metric_list.LINE)]
    figures = [f"{side} {label}" for side in ("val.", "test") for label in labels]
    return ["run", "begun", "network", "data", "epochs", *figures, "state"]


def _line(path: Path) -> tuple[str, list[str]]:
    """Returns when the run of a `run.json` was begun, and its line."""
    run_dir = path.parent
    try:
        run = json.loads(path.read_bytes())
        settings, begun = run["config"], run["started"]
        history = runs.read_metrics(run_dir)
        return begun, [
            str(run_dir),
            begun[:16].replace("T", " "),
            settings["model"]["preset"],
            settings["data"]["labels"],
            f"{len(history)}/{settings['training']['epochs']}",
            *_figures(run_dir, history),
            _state(run_dir, run),
        ]
    except (MaskDepthError, AttributeError, KeyError, TypeError, ValueError) as error:
        empty = [""] * (len(columns()) - 2)
        return "", [str(run_dir), *empty, f"damaged: {type(error).__name__}"]


def _figures(run_dir: Path, history: list[dict]) -> Iterator[str]:
    """Returns the figures of the best epoch and of the test; "" where there is none."""
    best = min(history, key=lambda row: row[runs.MONITOR], default={})
    path = run_dir / "evaluation.json"
    scores = json.loads(path.read_bytes()) if path.exists() else {}
    metrics = list(metric_list.within(metric_list.LINE))
    values = [best.get(f"val_{metric.key}") for metric in metrics]
    values += [scores.get(metric.output, {}).get(metric.name) for metric in metrics]
    return ("" if value is None else f"{value:.4f}" for value in values)


def _state(run_dir: Path, run: dict) -> str:
    path = run_dir / runs.LOCK
    if path.exists():
        with path.open("rb") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return "training"
    return "finished" if "finished" in run else "stopped"


if __name__ == "__main__":
    sys.exit(cli.run(main))
