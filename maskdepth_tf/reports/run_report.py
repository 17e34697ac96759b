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
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from maskdepth_tf import files
from maskdepth_tf.errors import StateError
from maskdepth_tf.network import metric_list
from maskdepth_tf.reports import comparison, page


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
    gaps: list[str] = []
    config = _read(run_dir / "config.yaml", str, "", gaps)
    run = _read(run_dir / "run.json", _parse_object, {}, gaps)
    epochs = _read(run_dir / "metrics.csv", _parse_history, [], gaps)
    scores = _read(run_dir / "evaluation.json", _parse_object, {}, gaps)
    pictures = _read_pictures(run_dir / "pictures", gaps)
    validated = [row for row in epochs if math.isfinite(row.get("val_loss", math.nan))]
    seconds = sum(s for row in epochs if math.isfinite(s := row.get("seconds", 0.0)))
    command = run.get("command")
    text = page.render(
        "run_report.html",
        name=run_dir.resolve().name,
        gaps=gaps,
        run=run,
        command=shlex.join(map(str, command)) if isinstance(command, list) else command,
        duration=_duration(run),
        config=config,
        splits=comparison.compare(scores),
        rules=comparison.RULES,
        parameters=page.number(scores.get("parameters")),
        epochs=epochs,
        metrics=metric_list.METRICS,
        seconds=_clock(seconds) if seconds else "",
        best=min(validated, key=lambda row: row["val_loss"], default=None),
        pictures=pictures,
        at=comparison.at,
        text=_text,
        moment=_moment,
    )
    path = run_dir / "report.html"
    # Names that are no UTF-8 come from the disk as lone surrogates.
    files.write_atomically(path, text.encode("utf-8", "replace"))
    return path


def _read(path: Path, parse: Callable[[str], Any], default: Any, gaps: list[str]):
    """Reads a file of the run; what is wrong with it is added to `gaps`."""
    try:
        return parse(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        gaps.append(f"{path.name} is missing")
    except OSError as error:
        gaps.append(f"{path.name} cannot be read: {error.strerror}")
    except (ValueError, csv.Error) as error:
        gaps.append(f"{path.name} is damaged: {error}")
    return default


def _parse_object(text: str) -> dict:
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError(f"expected an object, received {type(value).__name__}")
    return value


def _parse_history(text: str) -> list[dict[str, float]]:
    rows = csv.DictReader(text.splitlines())
    return [{key: page.number(value) for key, value in row.items()} for row in rows]


def _read_pictures(folder: Path, gaps: list[str]) -> dict[str, bytes]:
    pictures = {}
    for path in sorted(path for path in folder.glob("*.png") if path.is_file()):
        data = path.read_bytes()
        # Its signature, and the mark before the last checksum.
        if data[:8] == b"\x89PNG\r\n\x1a\n" and data[-8:-4] == b"IEND":
            pictures[path.stem] = data
        else:
            gaps.append(f"pictures/{path.name} is damaged: not a whole PNG")
    for name in ("curves", "predictions"):
        if not (folder / f"{name}.png").is_file():
            gaps.append(f"pictures/{name}.png is missing")
    return pictures


def _duration(run: Mapping) -> str:
    try:
        began, ended = map(datetime.fromisoformat, (run["started"], run["finished"]))
        return _clock((ended - began).total_seconds())
    except (KeyError, TypeError, ValueError):
        return ""


def _text(value: Any) -> str:
    """Writes a value of JSON for people; nothing for what is empty."""
    if value is None or value in ([], {}):
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _moment(value: Any) -> str:
    """Writes an ISO time to the minute; what is none stays as it is."""
    try:
        return datetime.fromisoformat(value).strftime("%Y-%m-%d %H:%M %Z").strip()
    except (TypeError, ValueError):
        return _text(value)


def _clock(seconds: float) -> str:
    """Writes seconds as hours and minutes, or as minutes and seconds.

    >>> _clock(59.6), _clock(3725)
    ('1 min 0 s', '1 h 2 min')
    """
    seconds = round(seconds)
    if seconds >= 3600:
        return f"{seconds // 3600} h {seconds % 3600 // 60} min"
    return f"{seconds // 60} min {seconds % 60} s" if seconds >= 60 else f"{seconds} s"
