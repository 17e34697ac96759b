"""The state of a run: kept after every epoch, in long ones, and when a signal comes."""

import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import numpy as np

from maskdepth_tf.errors import NonFiniteError, Stopped
from maskdepth_tf.training import checkpoints, cluster, compile_cache, runs

SAVE_SECONDS = 300.0
"""Time after which the state is saved in the middle of an epoch [s]."""


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
        progress: checkpoints.RunProgress,
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
            # The running means of an epoch under way go on from its first part's.
            values = self._progress.metrics
            for variable, value in zip(self._metric_variables(), values, strict=True):
                variable.assign(value)
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
            self._check_weights()
            self._note_time()
            self._save(self._metric_values())
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
        # Keras weighs batches alike in these two, also smaller and empty ones. They are
        # taken out of the logs, which all callbacks share.
        for name in ("val_mask_loss", "val_depth_loss"):
            (logs or {}).pop(name, None)
        partial = self._progress.epoch
        row = {"epoch": epoch + 1, "learning_rate": partial["learning_rate"]}
        row |= {key: float(value) for key, value in (logs or {}).items()}
        if not np.isfinite(row[runs.MONITOR]):
            raise NonFiniteError(f"the validation loss is {row[runs.MONITOR]}")
        self._check_weights()
        since = time.perf_counter() - self._started
        row["seconds"] = partial["trained"] + since
        row["images_per_second"] = self._examples / max(partial["trained"], 1e-9)
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

    def _stopped(self) -> Stopped:
        # Of another worker's signal all that is known here is that it came.
        signum = self._stop.signum or signal.SIGTERM
        name = signal.Signals(signum).name
        return Stopped(
            f"stopped by {name}; --resume --workdir {self._run_dir} goes on", signum
        )
