"""The report of a run: one HTML file that says what was run and what came of it.

It is made of what the run folder holds: `config.yaml`, `run.json`, `metrics.csv`,
`evaluation.json` and `pictures/*.png`. What is missing or damaged is said in the
report; the rest is shown all the same.
"""

import csv
import json
import math
import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from maskdepth_tf import files
from maskdepth_tf.errors import StateError
from maskdepth_tf.reports.comparison import at, results, split_label, written
from maskdepth_tf.reports.drawings import (
    depth_to_color,
    number,
    prediction_grid,
    write_curves,
)
from maskdepth_tf.reports.page import Html, definitions, document, element, png

__all__ = ["depth_to_color", "prediction_grid", "write_curves", "write_report"]


_PICTURES = {
    "curves": "Training, dashed, is the mean over an epoch while the network changes; "
    "validation, solid, scores the network after it.",
    "predictions": "A row is an example: the two pictures given, then truth beside "
    "prediction, and the foreground cut out by the predicted mask. Depth is relative "
    "to its own picture; red is near, blue is far.",
}

# Columns of the table of epochs, of those in `metrics.csv`: title and format.
_COLUMNS = {
    "epoch": ("epoch", ".0f"),
    "learning_rate": ("learning rate", "g"),
    "loss": ("loss", ".4f"),
    "val_loss": ("val. loss", ".4f"),
    "val_mask_dice_hard": ("val. Dice", ".4f"),
    "val_mask_iou": ("val. IoU", ".4f"),
    "val_depth_ssim": ("val. SSIM", ".4f"),
    "val_depth_rmse": ("val. RMSE", ".4f"),
    "seconds": ("seconds", ".1f"),
    "images_per_second": ("images/s", ".0f"),
}


@dataclass(frozen=True)
class _Run:
    """What a run folder holds; empty where a part is missing, which `gaps` tells."""

    name: str
    config: str
    run: dict
    history: Sequence[Mapping]
    scores: dict
    pictures: Mapping[str, bytes]
    gaps: Sequence[str]


def write_report(run_dir: str | os.PathLike) -> Path:
    """Writes `report.html` into a run folder; it needs no other file.

    Args:
        run_dir: Run folder. Whatever it lacks, the report says so.

    Returns:
        Path of the report.

    Raises:
        StateError: If there is no such folder.
    """
    run_dir = Path(run_dir)
    if not run_dir.is_dir():
        raise StateError(f"{run_dir}: a run folder must be there, and is not")
    run = _read_run(run_dir)
    page = document(
        f"{run.name}: mask and depth",
        *_head(run),
        element("h2", "Results"),
        *results(run.scores, at(run.run, "config", "data", "split")),
        *_training(run),
        *_predictions(run),
        *_provenance(run),
    )
    path = run_dir / "report.html"
    # Names that are no UTF-8 come from the disk as lone surrogates.
    files.write_atomically(path, page.encode("utf-8", "replace"))
    return path


def _read_run(run_dir: Path) -> _Run:
    gaps: list[str] = []

    def read(name, parse, default):
        try:
            return parse((run_dir / name).read_text(encoding="utf-8"))
        except FileNotFoundError:
            gaps.append(f"{name} is missing")
        except OSError as error:
            gaps.append(f"{name} cannot be read: {error.strerror}")
        except (ValueError, csv.Error) as error:
            gaps.append(f"{name} is damaged: {error}")
        return default

    return _Run(
        name=run_dir.resolve().name,
        config=read("config.yaml", str, ""),
        run=read("run.json", _parse_object, {}),
        history=read("metrics.csv", _parse_history, []),
        scores=read("evaluation.json", _parse_object, {}),
        pictures=_read_pictures(run_dir / "pictures", gaps),
        gaps=gaps,
    )


def _parse_object(text):
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError(f"expected an object, received {type(value).__name__}")
    return value


def _parse_history(text):
    return list(csv.DictReader(text.splitlines()))


def _read_pictures(folder, gaps):
    found = {path.stem: path for path in sorted(folder.glob("*.png")) if path.is_file()}
    gaps.extend(f"pictures/{k}.png is missing" for k in _PICTURES if k not in found)
    pictures = {}
    for name, path in found.items():
        data = path.read_bytes()
        # Its signature, and the mark before the last checksum.
        if data[:8] == b"\x89PNG\r\n\x1a\n" and data[-8:-4] == b"IEND":
            pictures[name] = data
        else:
            gaps.append(f"pictures/{path.name} is damaged: not a whole PNG")
    return pictures


def _head(run):
    started, length = run.run.get("started"), _duration(run.run)
    facts = [f"started {_moment(started)}"] if started else []
    facts += [f"took {length}"] if length else []
    parameters = number(run.scores.get("parameters"))
    if math.isfinite(parameters):
        facts.append(f"{parameters:,.0f} parameters")
    facts += [_plural(len(run.history), "epoch")] if run.history else []
    yield element("h1", run.name)
    yield element("p", " · ".join(facts), class_="faint")
    if run.gaps:
        items = [element("li", gap) for gap in run.gaps]
        yield element(
            "div",
            element("strong", "This report is not complete"),
            element("ul", *items),
            class_="card notice",
        )


def _training(run):
    yield element("h2", "Training")
    if run.history:
        yield element("p", *_course(run.history))
    yield _picture(run, "curves", class_="drawing")
    if run.history:
        summary = element("summary", "Every epoch")
        table = element("div", _epochs(run.history), class_="scroll")
        yield element("details", summary, table, class_="card")


def _course(history):
    """What happened over the epochs, in a sentence or two."""
    seconds = sum(s for r in history if math.isfinite(s := number(r.get("seconds"))))
    yield _plural(len(history), "epoch") + (
        f" in {_clock(seconds)}." if seconds else "."
    )
    known = [row for row in history if math.isfinite(number(row.get("val_loss")))]
    if known:
        best = min(known, key=lambda row: number(row["val_loss"]))
        epoch, loss = (number(best.get(key)) for key in ("epoch", "val_loss"))
        yield f" The validation loss is least after epoch {written(epoch, '.0f')}: "
        yield f"{written(loss)}. The network of that epoch is kept as the best."


def _epochs(history):
    heads = [element("th", title, scope="col") for title, _ in _COLUMNS.values()]
    rows = []
    for row in history:
        cells = (written(number(row.get(k)), form) for k, (_, form) in _COLUMNS.items())
        rows.append(element("tr", *(element("td", cell) for cell in cells)))
    head = element("thead", element("tr", *heads))
    return element("table", head, element("tbody", *rows))


def _predictions(run):
    yield element("h2", "Predictions")
    yield _picture(run, "predictions")
    for name in run.pictures:
        if name not in _PICTURES:
            yield element("h3", name)
            yield _picture(run, name)


def _picture(run, name, **attributes):
    if name not in run.pictures:
        return element("p", f"No picture: pictures/{name}.png.", class_="faint")
    image = png(run.pictures[name], name, **attributes)
    return element(
        "figure",
        element("div", image, class_="scroll"),
        element("figcaption", _PICTURES.get(name, "")),
        class_="card",
    )


def _provenance(run):
    yield element("h2", "What was run")
    if not run.run:
        yield element("p", "Not known: run.json says nothing.", class_="faint")
    else:
        yield element("div", definitions(_facts(run.run)), class_="card")
    yield element("h2", "Configuration")
    if not run.config:
        yield element("p", "Not known: config.yaml says nothing.", class_="faint")
    else:
        code = element("pre", element("code", run.config))
        summary = element("summary", "config.yaml, every value in force")
        yield element("details", summary, code, class_="card")


def _facts(run):
    command = run.get("command")
    if isinstance(command, list):
        command = shlex.join(map(str, command))
    return {
        "command": _code(command),
        "started": _moment(run.get("started")),
        "finished": _moment(run.get("finished")),
        "commit": _code(run.get("commit")) or "not known: run outside a checkout",
        "labels": _code(at(run, "data", "labels")),
        "rows": _rows(run),
        "data SHA-256": _code(at(run, "data", "sha256")),
        "weights SHA-256": _code(run.get("weights_sha256")),
        "versions": _pairs(run.get("versions")),
        "machine": _pairs(run.get("machine")),
    }


def _rows(run):
    data = at(run, "data") or {}
    total = written(number(at(data, "rows")), ",.0f")
    splits = at(data, "splits")
    if not isinstance(splits, dict):
        return total
    sides = (
        f"{split_label(k)} {written(number(v), ',.0f')}" for k, v in splits.items()
    )
    return f"{total} ({', '.join(sides)})"


def _pairs(values):
    if not isinstance(values, dict):
        return _text(values)
    return ", ".join(f"{k} {_text(v) or 'none'}" for k, v in values.items())


def _text(value):
    """A value of JSON for people, empty for nothing."""
    if value is None or value in ([], {}):
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _code(value):
    return element("code", _text(value)) if value else Html("")


def _moment(value):
    """An ISO time to the minute, as it stands if it is none."""
    try:
        return datetime.fromisoformat(value).strftime("%Y-%m-%d %H:%M %Z").strip()
    except (TypeError, ValueError):
        return _text(value)


def _duration(run):
    try:
        ends = [datetime.fromisoformat(run.get(key)) for key in ("started", "finished")]
        return _clock((ends[1] - ends[0]).total_seconds())
    except (TypeError, ValueError):
        return ""


def _clock(seconds):
    """Seconds as hours and minutes, or as minutes and seconds.

    >>> _clock(59.6), _clock(3725)
    ('1 min 0 s', '1 h 2 min')
    """
    seconds = round(seconds)
    if seconds >= 3600:
        return f"{seconds // 3600} h {seconds % 3600 // 60} min"
    return f"{seconds // 60} min {seconds % 60} s" if seconds >= 60 else f"{seconds} s"


def _plural(count, noun):
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
