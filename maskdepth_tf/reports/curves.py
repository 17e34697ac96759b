"""Curves of a training, drawn without a display: losses, metrics, rates, by epoch."""

import io
import itertools
import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from maskdepth_tf import files
from maskdepth_tf.network import metric_list

_LINE, _FAINT, _TEXT = "#dde1e7", "#6b7280", "#2c323c"
# Okabe and Ito's colours, which colour-blind readers can tell apart.
_COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
_DASHED: dict[str, Any] = {"linestyle": "--", "linewidth": 1.3, "alpha": 0.8}
_SOLID: dict[str, Any] = {"linestyle": "-", "linewidth": 2.2}


class _Panel(NamedTuple):
    """A panel of the figure.

    Attributes:
        title: Its title.
        curves: Column of `metrics.csv` of each curve, by the curve's label.
        end: The value that the axis ends at: perfection, where there is one.
        is_validated: Whether there are curves of the validation, too.
    """

    title: str
    curves: Mapping[str, str]
    end: float = 0
    is_validated: bool = True


def write_curves(history: Sequence[Mapping], path: str | os.PathLike) -> None:
    """Draws a training's losses, metrics and learning rate, epoch by epoch.

    Args:
        history: A mapping an epoch, as the rows of `metrics.csv`; validation has the
            prefix `val_`. Keys may be missing; what is no finite number is left out.
        path: PNG to write, complete or not at all.
    """
    rows = _panels()
    # Room for the key above the panels.
    layout = ConstrainedLayoutEngine(rect=(0, 0, 1, 0.96), w_pad=0.08, h_pad=0.08)
    figure = Figure((12, 3.2 * len(rows)), layout=layout, facecolor="white")
    FigureCanvasAgg(figure)
    epochs = _column(history, "epoch")
    parts = figure.subfigures(len(rows), 1, squeeze=False)[:, 0]
    for part, panels in zip(parts, rows, strict=True):
        axes_of_row = part.subplots(1, len(panels), squeeze=False)[0]
        for axes, panel in zip(axes_of_row, panels, strict=True):
            _dress(axes, panel.title, epochs)
            _set_range(axes, _draw(axes, history, epochs, panel), panel.end)
    styles = [
        Line2D([], [], color=_FAINT, label="training", **_DASHED),
        Line2D([], [], color=_FAINT, label="validation", **_SOLID),
    ]
    figure.legend(
        handles=styles, loc="upper center", ncols=2, frameon=False, labelcolor=_TEXT
    )
    buffer = io.BytesIO()
    # Without the version in it, equal histories give equal files.
    figure.savefig(buffer, format="png", dpi=130, metadata={"Software": None})
    files.write_atomically(path, buffer.getvalue())


def _panels() -> list[list[_Panel]]:
    """Returns the panels by rows: the training's own, then those of each output."""
    outputs = metric_list.by_output()
    losses = {"total": "loss"} | {output: f"{output}_loss" for output in outputs}
    rows = [[_Panel("Loss", losses)]]
    for name in ("learning rate", "images per second"):
        curves = {name: name.replace(" ", "_")}
        rows[0].append(_Panel(name.capitalize(), curves, is_validated=False))
    for output, group in outputs.items():
        rows.append([])
        for end, words in ((1.0, "higher is better"), (0.0, "lower is better")):
            curves = {m.label: m.key for m in group if m.higher_is_better == bool(end)}
            if curves:
                rows[-1].append(_Panel(f"{output.capitalize()}: {words}", curves, end))
    return rows


def _column(history, key) -> np.ndarray:
    return np.array([row.get(key, np.nan) for row in history], float)


def _dress(axes: Axes, title, epochs) -> None:
    axes.set_title(title, loc="left", fontsize=11, fontweight="bold", color=_TEXT)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(_LINE)
    axes.tick_params(colors=_FAINT, labelsize=9, length=0)
    axes.grid(color=_LINE, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.set_xlabel("epoch", color=_FAINT, fontsize=9)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True, min_n_ticks=1))
    if len(epochs):
        axes.set_xlim(np.nanmin(epochs) - 0.5, np.nanmax(epochs) + 0.5)


def _draw(axes: Axes, history, epochs, panel) -> np.ndarray:
    """Draws training dashed and validation solid; returns the finite values drawn."""
    colors = dict(zip(panel.curves, itertools.cycle(_COLORS), strict=False))
    styles = {"": _DASHED, "val_": _SOLID} if panel.is_validated else {"": _SOLID}
    finite = []
    for prefix, style in styles.items():
        for label, key in panel.curves.items():
            values = _column(history, prefix + key)
            known = values[np.isfinite(values)]
            # A single epoch makes no line; a point shows it.
            marker = "o" if len(known) == 1 else None
            axes.plot(epochs, values, color=colors[label], marker=marker, **style)
            finite.extend(known)
    if panel.is_validated and finite:
        keys = [Line2D([], [], color=c, label=k, **_SOLID) for k, c in colors.items()]
        axes.legend(handles=keys, fontsize=9, frameon=False, labelcolor=_TEXT)
    return np.array(finite)


def _set_range(axes: Axes, values: np.ndarray, end: float) -> None:
    """Shows all values and, where it lies beyond all of them, the value `end`."""
    if not values.size:
        axes.set(xticks=[], yticks=[])
        center: dict[str, Any] = {"ha": "center", "transform": axes.transAxes}
        axes.text(0.5, 0.5, "not recorded", color=_FAINT, **center)
        return
    low, high = min(values.min(), end), max(values.max(), end)
    margin = 0.06 * (high - low) or 1.0
    axes.set_ylim(
        low if low == end else low - margin, high if high == end else high + margin
    )
