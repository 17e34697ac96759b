"""Pictures for people: coloured depth, grids of predictions, curves of a training.

Depth is drawn warm where it is near and cold where it is far; the grey pictures on
disk keep the rule of the data (bright is far). Nothing here needs TensorFlow, a
display or a font that the machine must have.
"""

import io
import math
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from PIL import Image, ImageDraw, ImageFont

from maskdepth_tf import files

CAPTIONS = (
    "background",
    "picture",
    "true mask",
    "predicted mask",
    "true depth",
    "predicted depth",
    "cut-out",
)
"""Columns of a prediction grid."""

_DEPTH_COLORS = colormaps["Spectral"]
_INK = (44, 50, 60)
_LINE, _FAINT, _TEXT = "#dde1e7", "#6b7280", "#2c323c"
# Okabe and Ito's colours, which colour-blind readers can tell apart.
_BLUE, _ORANGE, _GREEN = "#0072b2", "#d55e00", "#009e73"

# Title of each panel; its curves by label, with their column of `metrics.csv`; the
# value that the axis ends at, which is perfection but for the last two.
_PANELS = (
    ("Loss", {"total": "loss", "mask": "mask_loss", "depth": "depth_loss"}, 0),
    ("Mask: Dice and IoU", {"Dice": "mask_dice_hard", "IoU": "mask_iou"}, 1),
    ("Depth: SSIM and delta1", {"SSIM": "depth_ssim", "delta1": "depth_delta1"}, 1),
    ("Depth: RMSE and MAE", {"RMSE": "depth_rmse", "MAE": "depth_mae"}, 0),
    ("Learning rate", {"learning rate": "learning_rate"}, 0),
    ("Images per second", {"images per second": "images_per_second"}, 0),
)


def depth_to_color(depth: np.ndarray) -> np.ndarray:
    """Colours a depth map: red is near, blue is far.

    Args:
        depth: float [H, W] in [0, 1], 0 is nearest; values outside are clipped, NaN
            is black.

    Returns:
        uint8 [H, W, 3], RGB.
    """
    depth = np.clip(np.asarray(depth, "float32"), 0.0, 1.0)
    return _DEPTH_COLORS(depth, bytes=True)[..., :3]


def prediction_grid(
    inputs: Mapping[str, np.ndarray],
    targets: Mapping[str, np.ndarray],
    predictions: Mapping[str, np.ndarray],
    size: int = 160,
) -> np.ndarray:
    """One row an example: both pictures, truth beside prediction, and the cut-out.

    Args:
        inputs: `bg` and `fg_bg`, uint8 [N, S, S, 3].
        targets: `mask` and `depth`, float32 [N, S, S, 1] in [0, 1].
        predictions: `mask`, a probability, and `depth`, as the targets.
        size: Side of a cell, in pixels; at least 96 for captions that fit.

    Returns:
        uint8 [H, W, 3], RGB.
    """
    gutter, band = max(2, size // 40), max(20, size // 6)
    step = size + gutter
    height = band + len(inputs["bg"]) * step + band
    canvas = np.full((height, len(CAPTIONS) * step + gutter, 3), 255, "uint8")
    rows = zip(*_in_order(inputs, targets, predictions), strict=True)
    for row, example in enumerate(rows):
        top = band + row * step
        for column, cell in enumerate(_cells(example, size)):
            left = gutter + column * step
            canvas[top : top + size, left : left + size] = cell
    return _annotate(canvas, step=step, gutter=gutter, band=band)


def write_curves(history: Sequence[Mapping], path: str | os.PathLike) -> None:
    """Draws a training's losses, metrics and learning rate, epoch by epoch.

    Args:
        history: A mapping an epoch, as the rows of `metrics.csv`; validation has the
            prefix `val_`. Keys may be missing; what is no finite number is left out.
        path: PNG to write, complete or not at all.
    """
    # Room for the key above the panels.
    layout = ConstrainedLayoutEngine(rect=(0, 0, 1, 0.95), w_pad=0.08, h_pad=0.08)
    figure = Figure(figsize=(12, 6.8), layout=layout, facecolor="white")
    FigureCanvasAgg(figure)
    epochs = [number(row.get("epoch", i + 1)) for i, row in enumerate(history)]
    for axes, (title, curves, end) in zip(
        figure.subplots(2, 3).flat, _PANELS, strict=True
    ):
        _dress_panel(axes, title, epochs)
        drawn = _draw_curves(axes, history, epochs, curves)
        _set_range(axes, drawn, end)
    styles = [
        Line2D([], [], color=_FAINT, linestyle="--", label="training"),
        Line2D([], [], color=_FAINT, linewidth=2.2, label="validation"),
    ]
    figure.legend(
        handles=styles, loc="upper center", ncols=2, frameon=False, labelcolor=_TEXT
    )
    buffer = io.BytesIO()
    # Without the version in it, equal histories give equal files.
    figure.savefig(buffer, format="png", dpi=130, metadata={"Software": None})
    files.write_atomically(path, buffer.getvalue())


def number(value: Any) -> float:
    """A number, or the text of one, as a float; NaN if it is none or not finite."""
    try:
        value = float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan
    return value if math.isfinite(value) else math.nan


def _in_order(inputs, targets, predictions):
    yield from (inputs["bg"], inputs["fg_bg"])
    for name in ("mask", "depth"):
        yield from (targets[name], predictions[name])


def _cells(example, size):
    """The cells of an example, in the order of `CAPTIONS`, each [size, size, 3]."""
    bg, picture = (_enlarge_picture(image, size) for image in example[:2])
    true_mask, mask, true_depth, depth = (
        _enlarge_map(image[..., 0], size) for image in example[2:]
    )
    return (
        bg,
        picture,
        _grey(true_mask),
        _grey(mask),
        depth_to_color(true_depth),
        depth_to_color(depth),
        _cut_out(picture, mask),
    )


def _enlarge_picture(image, size):
    resized = Image.fromarray(image).resize((size, size), Image.Resampling.BICUBIC)
    return np.asarray(resized)


def _enlarge_map(image, size):
    image = Image.fromarray(np.nan_to_num(image.astype("float32")))
    return np.asarray(image.resize((size, size), Image.Resampling.BILINEAR))


def _grey(values):
    grey = np.round(255.0 * np.clip(values, 0.0, 1.0)).astype("uint8")
    return np.repeat(grey[..., np.newaxis], 3, axis=-1)


def _cut_out(picture, mask):
    """The picture where the mask is, a checkerboard elsewhere."""
    alpha = np.clip(mask, 0.0, 1.0)[..., np.newaxis]
    tile = np.arange(len(picture)) // max(1, len(picture) // 16)
    board = np.where((tile[:, np.newaxis] + tile) % 2, 204.0, 244.0)[..., np.newaxis]
    return np.round(alpha * picture + (1.0 - alpha) * board).astype("uint8")


def _annotate(canvas, step, gutter, band):
    """Writes the captions on top and the key of the depth colours below."""
    image = Image.fromarray(canvas)
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(size=max(9, round(0.54 * band)))
    for column, caption in enumerate(CAPTIONS):
        center = gutter + column * step + (step - gutter) / 2
        draw.text((center, band / 2), caption, fill=_INK, font=font, anchor="mm")
    left = gutter + CAPTIONS.index("true depth") * step
    right, middle = left + 2 * step - gutter, image.height - band / 2
    draw.text((left, middle), "near", fill=_INK, font=font, anchor="lm")
    draw.text((right, middle), "far", fill=_INK, font=font, anchor="rm")
    margin = round(draw.textlength("near  ", font=font))
    ramp = np.linspace(0.0, 1.0, right - left - 2 * margin)[np.newaxis]
    bar = depth_to_color(np.repeat(ramp, band // 3, axis=0))
    image.paste(Image.fromarray(bar), (left + margin, round(middle - len(bar) / 2)))
    return np.asarray(image)


def _dress_panel(axes: Axes, title, epochs):
    axes.set_title(title, loc="left", fontsize=11, fontweight="bold", color=_TEXT)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(_LINE)
    axes.tick_params(colors=_FAINT, labelsize=9, length=0)
    axes.grid(color=_LINE, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.set_xlabel("epoch", color=_FAINT, fontsize=9)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True, min_n_ticks=1))
    known = np.array(epochs)[np.isfinite(epochs)]
    if len(known):
        axes.set_xlim(known.min() - 0.5, known.max() + 0.5)


def _draw_curves(axes: Axes, history, epochs, curves) -> np.ndarray:
    """Draws training dashed and validation solid; returns the finite values drawn."""
    colors = dict(zip(curves, (_BLUE, _ORANGE, _GREEN), strict=False))
    dashed: dict[str, Any] = {"linestyle": "--", "linewidth": 1.3, "alpha": 0.8}
    solid: dict[str, Any] = {"linestyle": "-", "linewidth": 2.2}
    # What has no two sides, as the learning rate, is no training curve either.
    both = len(curves) > 1
    drawn = []
    for prefix, style in (("", dashed if both else solid), ("val_", solid)):
        for label, key in curves.items():
            values = np.array([number(row.get(prefix + key)) for row in history])
            # A single epoch makes no line; a point shows it.
            marker = "o" if np.isfinite(values).sum() == 1 else None
            axes.plot(epochs, values, color=colors[label], marker=marker, **style)
            drawn.extend(values[np.isfinite(values)])
    if both and drawn:
        keys = [
            Line2D([], [], color=colors[name], label=name, **solid) for name in curves
        ]
        axes.legend(handles=keys, fontsize=9, frameon=False, labelcolor=_TEXT)
    return np.array(drawn)


def _set_range(axes: Axes, drawn, end):
    """Shows all of `drawn` and, where it lies beyond all of it, the value `end`."""
    if not drawn.size:
        axes.set(xticks=[], yticks=[])
        center: dict[str, Any] = {"ha": "center", "transform": axes.transAxes}
        axes.text(0.5, 0.5, "not recorded", color=_FAINT, **center)
        return
    low, high = min(drawn.min(), end), max(drawn.max(), end)
    margin = 0.06 * (high - low) or 1.0
    axes.set_ylim(
        low if low == end else low - margin, high if high == end else high + margin
    )
