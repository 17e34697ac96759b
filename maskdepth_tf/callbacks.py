"""What happens beside the training steps: state, log, pictures, progress."""

import csv
import io
import time
from pathlib import Path

import keras
import numpy as np
import rich.console
import rich.progress
import tensorflow as tf

from maskdepth_tf import checkpoints, files, images, report
from maskdepth_tf.errors import NonFiniteError, StateError

MONITOR = "val_loss"
"""What the best epoch is least in: the loss on validation rows, whole and in
evaluation mode."""
PICTURES_SECONDS = 60.0
"""Least time from one drawing of the pictures to the next [s]."""


class RunState(keras.callbacks.Callback):
    """Keeps `metrics.csv`, the best and the last model, in that order.

    The last model is the commit: a run resumes after its epoch, whatever else of a
    later epoch had been written, and the rows of that later epoch are written anew.

    Args:
        run_dir: Run folder.
        first_epoch: Epoch that training starts at, counted from 0.
        examples: Training examples of an epoch, for the rate.

    Raises:
        NonFiniteError: After an epoch, if its validation loss is NaN or infinite.
    """

    def __init__(self, run_dir: Path, first_epoch: int, examples: int):
        super().__init__()
        self._run_dir = run_dir
        self._examples = examples
        self.history = read_metrics(run_dir)[:first_epoch]

    def on_epoch_begin(self, epoch, logs=None):
        self._started = time.perf_counter()
        self._trained = None
        # After the epoch's last step it would be the next epoch's.
        self._learning_rate = float(self.model.optimizer.learning_rate)

    def on_test_begin(self, logs=None):
        # Validation inside `fit`: what came before it is the training itself.
        self._trained = time.perf_counter() - self._started

    def on_epoch_end(self, epoch, logs=None):
        row = {"epoch": epoch + 1, "learning_rate": self._learning_rate}
        row |= {key: float(value) for key, value in (logs or {}).items()}
        if not np.isfinite(row[MONITOR]):
            # The epoch's last step may break the weights after its loss was taken.
            raise NonFiniteError(
                f"{self._run_dir}: the validation loss must stay finite. Received: "
                f"{row[MONITOR]} after epoch {epoch + 1}. Epochs before it are kept; "
                "lower optimizer.learning_rate"
            )
        row["seconds"] = time.perf_counter() - self._started
        row["images_per_second"] = self._examples / (self._trained or row["seconds"])
        best = min((past[MONITOR] for past in self.history), default=np.inf)
        self.history.append(row)
        write_metrics(self._run_dir, self.history)
        if row[MONITOR] < best:
            checkpoints.save_model(self.model, self._run_dir / checkpoints.BEST)
        checkpoints.save_model(self.model, self._run_dir / checkpoints.LAST)


def write_metrics(run_dir: Path, history: list[dict]) -> None:
    """Writes `metrics.csv`: a row an epoch, floats exact."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(history[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    files.write_atomically(run_dir / "metrics.csv", text.getvalue().encode())


def read_metrics(run_dir: Path) -> list[dict]:
    """Reads `metrics.csv`; no rows if it is not there yet.

    Raises:
        StateError: If it is damaged.
    """
    path = run_dir / "metrics.csv"
    if not path.exists():
        return []
    try:
        with open(path, newline="", encoding="utf-8") as file:
            return [
                {k: int(v) if k == "epoch" else float(v) for k, v in row.items()}
                for row in csv.DictReader(file)
            ]
    except (csv.Error, TypeError, ValueError) as error:
        raise StateError(f"{path}: must hold a number a column: {error}") from error


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
        history = read_metrics(self._run_dir)
        grid = predict_grid(self.model, self._inputs, self._targets)
        with self._writer.as_default(step=len(history) - 1):
            tf.summary.image("predictions", grid[np.newaxis])
        self._writer.flush()
        images.write_image(self._run_dir / "pictures/predictions.png", grid)
        report.write_curves(history, self._run_dir / "pictures/curves.png")
        self._drawn_at, self._is_current = time.perf_counter(), True

    def on_train_end(self, logs=None):
        if not self._is_current:
            self._draw()
        self._writer.close()


class Progress(keras.callbacks.Callback):
    """A bar with rate, time left and losses; a line an epoch where output is a file.

    Args:
        epochs: Epochs of the whole training.
        first_epoch: Epoch that training starts at, counted from 0.
        steps: Steps of an epoch.
        batch_size: Examples per step.
    """

    def __init__(self, epochs: int, first_epoch: int, steps: int, batch_size: int):
        super().__init__()
        self._epochs, self._steps, self._batch_size = epochs, steps, batch_size
        self._first_epoch = first_epoch
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
        total = self._epochs * self._steps
        done = self._first_epoch * self._steps
        self._task = self._bar.add_task(
            "train", total=total, completed=done, figures=""
        )
        self._bar.start()

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch, self._started = epoch, time.perf_counter()
        self._bar.update(self._task, description=f"epoch {epoch + 1}/{self._epochs}")

    def on_train_batch_end(self, batch, logs=None):
        rate = (batch + 1) * self._batch_size / (time.perf_counter() - self._started)
        figures = f"{rate:,.0f} images/s  {_losses(logs or {})}"
        done = self._epoch * self._steps + batch + 1
        self._bar.update(self._task, completed=done, figures=figures)

    def on_epoch_end(self, epoch, logs=None):
        logs = logs or {}
        seconds = time.perf_counter() - self._started
        self._bar.print(
            f"epoch {epoch + 1}/{self._epochs}  {seconds:.0f} s  {_losses(logs)}  "
            f"validation: Dice {logs['val_mask_dice_hard']:.4f}, "
            f"SSIM {logs['val_depth_ssim']:.4f}",
            highlight=False,
            soft_wrap=True,
        )

    def stop(self) -> None:
        """Gives the terminal its cursor back, whatever ended the training."""
        self._bar.stop()


def predict_grid(model: keras.Model, inputs: dict, targets: dict) -> np.ndarray:
    """A picture of examples beside a model's answers: uint8 [H, W, 3]."""
    outputs = model(inputs, training=False)
    predictions = {
        "mask": tf.sigmoid(outputs["mask"]).numpy(),
        "depth": outputs["depth"].numpy(),
    }
    return report.prediction_grid(
        {name: np.asarray(image) for name, image in inputs.items()},
        {name: np.asarray(image) for name, image in targets.items()},
        predictions,
    )


def _losses(logs):
    names = ("loss", "mask_loss", "depth_loss")
    return "  ".join(f"{name} {logs[name]:.4f}" for name in names if name in logs)
