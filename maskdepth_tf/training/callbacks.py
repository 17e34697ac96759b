"""What happens beside the training steps: state, log, pictures, progress."""

import time
from pathlib import Path

import keras
import numpy as np
import rich.console
import rich.progress
import tensorflow as tf

from maskdepth_tf.images import encoding
from maskdepth_tf.network import answers, metric_list
from maskdepth_tf.reports import curves, overview
from maskdepth_tf.training import runs

LINE_SECONDS = 60.0
"""Least time from one line to the next in the middle of an epoch [s]."""
PICTURES_SECONDS = 60.0
"""Least time from one drawing of the pictures to the next [s]."""


class Pictures(keras.callbacks.Callback):
    """Draws the same examples and the curves so far, at the end and as it goes on.

    Drawing takes a second, which short epochs would pay for often: it is done after
    an epoch that ends `PICTURES_SECONDS` or more after the pictures before.

    Args:
        batch: Inputs and targets to show.
        run_dir: Run folder; writes `pictures/predictions.png`, `pictures/curves.png`
            from `metrics.csv`, and a grid of pictures for TensorBoard.
    """

    def __init__(self, batch, run_dir: Path):
        super().__init__()
        self._inputs, self._targets = batch
        self._run_dir = run_dir
        (run_dir / "pictures").mkdir(exist_ok=True)
        self._writer = tf.summary.create_file_writer(
            str(run_dir / "tensorboard/pictures")
        )
        self._drawn_at, self._is_current = -np.inf, False

    def on_epoch_end(self, epoch, logs=None):
        self._is_current = False
        if time.perf_counter() - self._drawn_at >= PICTURES_SECONDS:
            self._draw()

    def _draw(self) -> None:
        history = runs.read_metrics(self._run_dir)
        grid = predict_grid(self.model, self._inputs, self._targets)
        with self._writer.as_default(step=len(history) - 1):
            tf.summary.image("predictions", grid[np.newaxis])
        self._writer.flush()
        encoding.write_image(self._run_dir / "pictures/predictions.png", grid)
        curves.write_curves(history, self._run_dir / "pictures/curves.png")
        self._drawn_at, self._is_current = time.perf_counter(), True

    def on_train_end(self, logs=None):
        if not self._is_current:
            self._draw()
        self._writer.close()


class Throughput(keras.callbacks.Callback):
    """Shows TensorBoard how the rate of an epoch's steps is spread.

    Args:
        run_dir: Run folder; writes the histogram `images_per_second`.
        batch_size: Examples per step.
    """

    def __init__(self, run_dir: Path, batch_size: int):
        super().__init__()
        self._batch_size = batch_size
        self._rates: list[float] = []
        self._writer = tf.summary.create_file_writer(str(run_dir / "tensorboard/train"))

    def on_epoch_begin(self, epoch, logs=None):
        self._rates = []
        self._done, self._ended = -1, time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        # Several steps may have been run at once.
        now, examples = time.perf_counter(), (batch - self._done) * self._batch_size
        self._rates.append(examples / (now - self._ended))
        self._done, self._ended = batch, now

    def on_epoch_end(self, epoch, logs=None):
        with self._writer.as_default(step=epoch):
            tf.summary.histogram("images_per_second", self._rates)
        self._writer.flush()

    def on_train_end(self, logs=None):
        self._writer.close()


class ProgressBar(keras.callbacks.Callback):
    """A bar with rate, time left and losses.

    Where output is a file, a line an epoch, and in one that takes long one every
    `LINE_SECONDS`.

    Args:
        epochs: Epochs of the whole training.
        steps: Steps of an epoch.
        batch_size: Examples per step.
        first_step: Step that training starts at, counted from 0.
    """

    def __init__(self, epochs: int, steps: int, batch_size: int, first_step: int):
        super().__init__()
        self._epochs, self._steps, self._batch_size = epochs, steps, batch_size
        self._first_step = first_step
        console = rich.console.Console()
        self._bar = rich.progress.Progress(
            "{task.description}",
            rich.progress.BarColumn(),
            rich.progress.MofNCompleteColumn(),
            rich.progress.TimeRemainingColumn(),
            "{task.fields[figures]}",
            console=console,
            disable=not console.is_terminal,
        )

    def on_train_begin(self, logs=None):
        if not self._bar.tasks:
            total = self._epochs * self._steps
            self._bar.add_task(
                "train", total=total, completed=self._first_step, figures=""
            )
        self._bar.start()

    def on_epoch_begin(self, epoch, logs=None):
        self._done = max(self._first_step, epoch * self._steps)
        self._started = self._printed_at = time.perf_counter()
        self._name = f"epoch {epoch + 1}/{self._epochs}"
        self._bar.update(self._bar.tasks[0].id, description=self._name)

    def on_train_batch_end(self, batch, logs=None):
        now, done = time.perf_counter(), self._done + batch + 1
        rate = (batch + 1) * self._batch_size / (now - self._started)
        figures = f"{rate:,.0f} images/s  {_losses(logs or {})}"
        self._bar.update(self._bar.tasks[0].id, completed=done, figures=figures)
        if self._bar.disable and now - self._printed_at > LINE_SECONDS:
            step = (done - 1) % self._steps + 1
            self._print(f"{self._name}  step {step:,}/{self._steps:,}  {figures}")
            self._printed_at = now

    def on_epoch_end(self, epoch, logs=None):
        logs = logs or {}
        seconds = time.perf_counter() - self._started
        validation = ", ".join(
            f"{metric.label} {logs[f'val_{metric.key}']:.4f}"
            for metric in metric_list.within(metric_list.LINE)
        )
        self._print(
            f"{self._name}  {seconds:.0f} s  {_losses(logs)}  validation: {validation}"
        )

    def _print(self, line: str) -> None:
        self._bar.print(line, highlight=False, soft_wrap=True)

    def stop(self) -> None:
        """Gives the terminal its cursor back, whatever ended the training."""
        self._bar.stop()


def predict_grid(model: keras.Model, inputs: dict, targets: dict) -> np.ndarray:
    """Draws examples beside a model's answers: uint8 [H, W, 3]."""
    predictions = answers.of_outputs(model(inputs, training=False))
    pictures = tf.nest.map_structure(np.asarray, (inputs, targets, predictions))
    return overview.draw_grid(*pictures)


def _losses(logs):
    names = ("loss", "mask_loss", "depth_loss")
    return "  ".join(f"{name} {logs[name]:.4f}" for name in names if name in logs)
