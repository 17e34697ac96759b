"""What happens beside the training steps: state, log, pictures, progress."""

import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import numpy as np
import rich.console
import rich.progress
import tensorflow as tf

from maskdepth_tf.errors import NonFiniteError, Stopped
from maskdepth_tf.images import preprocessing
from maskdepth_tf.network import answers
from maskdepth_tf.reports import run_report
from maskdepth_tf.training import checkpoints, cluster, compile_cache, runs

SAVE_SECONDS = 300.0
"""Time after which the state is saved in the middle of an epoch [s]."""
LINE_SECONDS = 60.0
"""Least time from one line to the next in the middle of an epoch [s]."""
PICTURES_SECONDS = 60.0
"""Least time from one drawing of the pictures to the next [s]."""


class StopRequest:
    """Turns SIGTERM and SIGINT into a wish: the step that is under way is finished.

    A context manager. The second signal does what it would do without this. One that
    is ignored, as SIGINT is by what a shell puts in the background, stays so.

    Attributes:
        signum: The signal that came; None so far.
    """

    signum: int | None = None

    def __enter__(self) -> "StopRequest":
        self._before = {
            signum: signal.signal(signum, self._note)
            for signum in (signal.SIGTERM, signal.SIGINT)
            if signal.getsignal(signum) != signal.SIG_IGN
        }
        return self

    def __exit__(self, *exception: object) -> None:
        for signum, handler in self._before.items():
            signal.signal(signum, handler)

    def _note(self, signum: int, frame: object) -> None:
        self.signum = signum
        self.__exit__()


class RunState(keras.callbacks.Callback):
    """Keeps `metrics.csv`, the best model and the state that training goes on from.

    The state is the commit: a run resumes after its step, whatever else of a later
    one had been written, and that is written anew. It is saved after every epoch, in
    one that takes long every `SAVE_SECONDS`, and when a signal asks to stop.

    Args:
        run_dir: Run folder.
        progress: How far the run has come.
        examples: Training examples of an epoch, for the rate.
        stop: Whether a signal has come.
        agree: From what holds here to what holds on any worker; all workers have
            this callback, and only the chief writes.

    Raises:
        NonFiniteError: If a loss or a weight is NaN or infinite; nothing of it is
            saved.
        Stopped: After a step, if a signal asked to stop.
    """

    def __init__(
        self,
        run_dir: Path,
        progress: checkpoints.Progress,
        examples: int,
        stop: StopRequest,
        agree: Callable[[Sequence[bool]], list[bool]] = list,
    ):
        super().__init__()
        self._agree = agree
        self._is_chief = cluster.from_environment().is_chief
        self._run_dir = run_dir
        self._progress = progress
        self._examples = examples
        self._stop = stop
        self._saved_at = time.perf_counter()
        self._write_history()

    def on_epoch_begin(self, epoch, logs=None):
        self._started = time.perf_counter()
        if self._progress.epoch:
            self._restore_metrics()
        else:
            # After the epoch's last step it would be the next epoch's.
            rate = float(self.model.optimizer.learning_rate)
            self._progress.epoch = {"learning_rate": rate, "trained": 0.0}

    def on_train_batch_end(self, batch, logs=None):
        loss = (logs or {}).get("loss", 0.0)
        is_due = time.perf_counter() - self._saved_at > SAVE_SECONDS
        broken, stop, is_due = self._agree(
            [not np.isfinite(loss), self._stop.signum is not None, is_due]
        )
        if broken:
            raise NonFiniteError(f"the loss is {loss}")
        if stop or is_due:
            self._save_epoch_under_way()
        if stop:
            raise self._stopped()

    def on_test_begin(self, logs=None):
        # Validation inside `fit`: what came before it is the training itself.
        self._note_time()
        self._trained_metrics = self._metric_values()

    def on_test_batch_end(self, batch, logs=None):
        if self._is_stopping():
            self._check_weights()
            self._save(self._trained_metrics)
            raise self._stopped()

    def on_epoch_end(self, epoch, logs=None):
        # Keras weighs batches alike in these two, also smaller and empty ones; out of
        # the logs that all callbacks share.
        for name in ("val_mask_loss", "val_depth_loss"):
            (logs or {}).pop(name, None)
        known = self._progress.epoch
        row = {"epoch": epoch + 1, "learning_rate": known["learning_rate"]}
        row |= {key: float(value) for key, value in (logs or {}).items()}
        if not np.isfinite(row[runs.MONITOR]):
            raise NonFiniteError(f"the validation loss is {row[runs.MONITOR]}")
        self._check_weights()
        since = time.perf_counter() - self._started
        row["seconds"] = known["trained"] + since
        row["images_per_second"] = self._examples / max(known["trained"], 1e-9)
        history = self._progress.history
        best = min((past[runs.MONITOR] for past in history), default=np.inf)
        history.append(row)
        self._progress.epoch = {}
        self._write_history()
        if self._is_chief and row[runs.MONITOR] < best:
            checkpoints.save_model(self.model, self._run_dir / checkpoints.BEST)
        self._save([])
        if self._is_stopping():
            raise self._stopped()

    def _is_stopping(self) -> bool:
        return any(self._agree([self._stop.signum is not None]))

    def _write_history(self) -> None:
        if self._is_chief and self._progress.history:
            runs.write_metrics(self._run_dir, self._progress.history)

    def _note_time(self) -> None:
        now = time.perf_counter()
        self._progress.epoch["trained"] += now - self._started
        self._started = now

    def _save_epoch_under_way(self) -> None:
        self._check_weights()
        self._note_time()
        self._save(self._metric_values())

    def _check_weights(self) -> None:
        # A step may break them after its loss was taken.
        if not checkpoints.is_finite(self.model):
            raise NonFiniteError("a weight is NaN or infinite")

    def _save(self, values: list[np.ndarray]) -> None:
        self._progress.metrics = values
        if self._is_chief:
            checkpoints.save_state(self.model, self._run_dir, self._progress)
            compile_cache.seal(self._run_dir)
        self._saved_at = time.perf_counter()

    def _metric_variables(self) -> list:
        return [v for metric in self.model.metrics for v in metric.variables]

    def _metric_values(self) -> list[np.ndarray]:
        return [np.asarray(variable) for variable in self._metric_variables()]

    def _restore_metrics(self) -> None:
        """Gives the running means of an epoch under way what its first part left."""
        pairs = zip(self._metric_variables(), self._progress.metrics, strict=True)
        for variable, value in pairs:
            variable.assign(value)

    def _stopped(self) -> Stopped:
        # Of another worker's signal all that is known here is that it came.
        signum = self._stop.signum or signal.SIGTERM
        name = signal.Signals(signum).name
        return Stopped(
            f"stopped by {name}; --resume --workdir {self._run_dir} goes on", signum
        )


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
        preprocessing.write_image(self._run_dir / "pictures/predictions.png", grid)
        run_report.write_curves(history, self._run_dir / "pictures/curves.png")
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


class Progress(keras.callbacks.Callback):
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
        self._started = self._told_at = time.perf_counter()
        self._name = f"epoch {epoch + 1}/{self._epochs}"
        self._bar.update(self._bar.tasks[0].id, description=self._name)

    def on_train_batch_end(self, batch, logs=None):
        now, done = time.perf_counter(), self._done + batch + 1
        rate = (batch + 1) * self._batch_size / (now - self._started)
        figures = f"{rate:,.0f} images/s  {_losses(logs or {})}"
        self._bar.update(self._bar.tasks[0].id, completed=done, figures=figures)
        if self._bar.disable and now - self._told_at > LINE_SECONDS:
            step = (done - 1) % self._steps + 1
            self._tell(f"{self._name}  step {step:,}/{self._steps:,}  {figures}")
            self._told_at = now

    def on_epoch_end(self, epoch, logs=None):
        logs = logs or {}
        seconds = time.perf_counter() - self._started
        self._tell(
            f"{self._name}  {seconds:.0f} s  {_losses(logs)}  "
            f"validation: Dice {logs['val_mask_dice_hard']:.4f}, "
            f"SSIM {logs['val_depth_ssim']:.4f}"
        )

    def _tell(self, line: str) -> None:
        self._bar.print(line, highlight=False, soft_wrap=True)

    def stop(self) -> None:
        """Gives the terminal its cursor back, whatever ended the training."""
        self._bar.stop()


def predict_grid(model: keras.Model, inputs: dict, targets: dict) -> np.ndarray:
    """A picture of examples beside a model's answers: uint8 [H, W, 3]."""
    predictions = answers.of_outputs(model(inputs, training=False))
    return run_report.prediction_grid(
        {name: np.asarray(image) for name, image in inputs.items()},
        {name: np.asarray(image) for name, image in targets.items()},
        {name: np.asarray(image) for name, image in predictions.items()},
    )


def _losses(logs):
    names = ("loss", "mask_loss", "depth_loss")
    return "  ".join(f"{name} {logs[name]:.4f}" for name in names if name in logs)
