"""Lists the runs of a folder with their best figures."""

import fcntl
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from maskdepth_tf import cli
from maskdepth_tf.errors import MaskDepthError, UsageError
from maskdepth_tf.training import runs

COLUMNS = ("run", "begun", "network", "data", "epochs", "validation", "test", "state")
"""Pairs of figures are hard Dice of the mask and SSIM of the depth."""


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
    found = sorted(_described(folder))
    if not found:
        print(f"no runs in {folder}")
        return 0
    lines = [COLUMNS, *(line for _, line in found)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = (f"{cell:{width}}" for cell, width in zip(line, widths, strict=True))
        print("  ".join(cells).rstrip())
    return 0


def _described(folder: Path) -> Iterator[tuple[str, tuple[str, ...]]]:
    """When a run was begun, and its line."""
    for saved in sorted(folder.glob("**/run.json")):
        run_dir = saved.parent
        line: tuple[str, ...]
        try:
            told = json.loads(saved.read_bytes())
            settings, begun = told["config"], told["started"]
            history = runs.read_metrics(run_dir)
            line = (
                str(run_dir),
                begun[:16].replace("T", " "),
                settings["model"]["preset"],
                settings["data"]["labels"],
                f"{len(history)}/{settings['training']['epochs']}",
                _best(history),
                _scored(run_dir),
                _state(run_dir, told),
            )
        except (MaskDepthError, ValueError, KeyError, TypeError) as error:
            begun, damaged = "", f"damaged: {type(error).__name__}"
            line = (str(run_dir), *[""] * (len(COLUMNS) - 2), damaged)
        yield begun, line


def _best(history: list[dict]) -> str:
    if not history:
        return ""
    best = min(history, key=lambda row: row[runs.MONITOR])
    return f"{best['val_mask_dice_hard']:.4f} {best['val_depth_ssim']:.4f}"


def _scored(run_dir: Path) -> str:
    path = run_dir / "evaluation.json"
    if not path.exists():
        return ""
    scores = json.loads(path.read_bytes())
    return f"{scores['mask']['dice_hard']:.4f} {scores['depth']['ssim']:.4f}"


def _state(run_dir: Path, told: dict) -> str:
    path = run_dir / runs.LOCK
    if path.exists():
        with path.open("rb") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return "training"
    return "finished" if "finished" in told else "stopped"


if __name__ == "__main__":
    sys.exit(cli.run(main))
