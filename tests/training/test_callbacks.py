"""What is kept of an epoch, and what is shown of it."""

import io
import itertools
import signal

import keras
import numpy as np
import pytest
import rich.console
import tensorflow as tf

from maskdepth_tf.errors import NonFiniteError, StateError
from maskdepth_tf.images import preprocessing
from maskdepth_tf.network import model
from maskdepth_tf.training import callbacks, checkpoints, runs
from maskdepth_tf.training.state import SAVE_SECONDS, RunState, StopRequest

LOGS = {
    "loss": 0.5,
    "val_loss": 0.25,
    "val_mask_dice_hard": 0.75,
    "val_depth_ssim": 0.5,
}


@pytest.fixture(scope="module")
def net():
    keras.utils.set_random_seed(0)
    net = model.resnet_unet(16, (4, 4), 2)
    net.compile(keras.optimizers.SGD(0.125), loss={"mask": "mse", "depth": "mse"})
    return net


def state_of(run_dir, net, history=()):
    progress = checkpoints.RunProgress(list(history))
    state = RunState(run_dir, progress, 100, StopRequest())
    state.set_model(net)
    return state


@pytest.fixture
def saved(monkeypatch):
    """Names of the files that are written, in their order; nothing is."""
    names = []
    monkeypatch.setattr(
        checkpoints, "save_model", lambda net, path: names.append(path.name)
    )
    monkeypatch.setattr(
        checkpoints, "save_state", lambda *_: names.append(checkpoints.LAST)
    )
    return names


def end_epoch(state, epoch, **logs):
    state.on_epoch_begin(epoch)
    state.on_test_begin()
    state.on_epoch_end(epoch, LOGS | logs)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_one_epoch(tmp_path, net):
    end_epoch(state_of(tmp_path, net), 0)
    assert names(tmp_path) == ["best.keras", "last.keras", "metrics.csv"]
    (row,) = runs.read_metrics(tmp_path)
    assert row["epoch"] == 1
    assert row["learning_rate"] == 0.125
    assert {key: row[key] for key in LOGS} == LOGS
    assert row["images_per_second"] * row["seconds"] >= 100


def test_rate_is_the_one_that_the_epoch_was_trained_with(tmp_path, net, saved):
    state = state_of(tmp_path, net)
    state.on_epoch_begin(0)
    net.optimizer.learning_rate = 0.5
    try:
        state.on_epoch_end(0, LOGS)
    finally:
        net.optimizer.learning_rate = 0.125
    assert runs.read_metrics(tmp_path)[0]["learning_rate"] == 0.125


def test_best_is_the_least_validation_loss(tmp_path, net, saved):
    state = state_of(tmp_path, net)
    for epoch, loss in enumerate((0.5, 0.6, 0.4, 0.4)):
        end_epoch(state, epoch, val_loss=loss)
    best, last = checkpoints.BEST, checkpoints.LAST
    assert saved == [best, last, last, best, last, last]


def test_resumed_run_remembers_its_best(tmp_path, net, saved):
    state = state_of(tmp_path, net)
    for epoch, loss in enumerate((0.3, 0.5, 0.1)):
        end_epoch(state, epoch, val_loss=loss)
    history = runs.read_metrics(tmp_path)
    # The third epoch's state was not saved: what it had written counts no more.
    saved.clear()
    state = state_of(tmp_path, net, history[:2])
    assert runs.read_metrics(tmp_path) == history[:2]
    state.on_epoch_begin(2)
    state.on_epoch_end(2, {"val_loss": 0.4})
    assert saved == [checkpoints.LAST]
    state.on_epoch_begin(3)
    state.on_epoch_end(3, {"val_loss": 0.2})
    assert saved == [checkpoints.LAST, checkpoints.BEST, checkpoints.LAST]


@pytest.mark.parametrize("loss", [np.nan, np.inf])
def test_broken_epoch_is_not_kept(tmp_path, net, loss):
    state = state_of(tmp_path, net)
    end_epoch(state, 0)
    before = {name: (tmp_path / name).read_bytes() for name in names(tmp_path)}
    with pytest.raises(NonFiniteError, match=f"the validation loss is {loss}"):
        end_epoch(state, 1, val_loss=loss)
    assert {name: (tmp_path / name).read_bytes() for name in names(tmp_path)} == before


def test_broken_step_is_told(tmp_path, net, saved):
    state = state_of(tmp_path, net)
    state.on_epoch_begin(0)
    with pytest.raises(NonFiniteError, match="the loss is nan"):
        state.on_train_batch_end(0, {"loss": np.nan})
    assert saved == []


def test_broken_weights_are_not_saved(tmp_path, saved):
    keras.utils.set_random_seed(0)
    net = model.resnet_unet(16, (4, 4), 2)
    net.compile(keras.optimizers.SGD(), loss={"mask": "mse", "depth": "mse"})
    net.variables[0].assign(np.nan * net.variables[0])
    with pytest.raises(NonFiniteError, match="a weight is NaN or infinite"):
        end_epoch(state_of(tmp_path, net), 0)
    assert saved == []


def test_long_epochs_are_saved_on_the_way(tmp_path, net, saved, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(callbacks.time, "perf_counter", lambda: now[0])
    state = state_of(tmp_path, net)
    state.on_epoch_begin(0)
    for batch in range(7):
        now[0] += SAVE_SECONDS / 3
        state.on_train_batch_end(batch, {"loss": 1.0})
    assert saved == [checkpoints.LAST]  # after four thirds, and not yet eight


def test_the_first_signal_is_a_wish_and_the_second_is_not(ctrl_c):
    with StopRequest() as stop:
        assert stop.signum is None
        signal.raise_signal(signal.SIGINT)
        assert stop.signum == signal.SIGINT
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) == signal.default_int_handler


def test_what_is_ignored_stays_so(ctrl_c):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with StopRequest() as stop:
        signal.raise_signal(signal.SIGINT)
        assert stop.signum is None
    assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN


def test_metrics_are_exact(tmp_path):
    rows = [{"epoch": 1, "loss": 1 / 3}, {"epoch": 2, "loss": 1e-300}]
    runs.write_metrics(tmp_path, rows)
    assert runs.read_metrics(tmp_path) == rows
    text = (tmp_path / "metrics.csv").read_bytes()
    assert text == b"epoch,loss\n1,0.3333333333333333\n2,1e-300\n"


def test_no_metrics_yet(tmp_path):
    assert runs.read_metrics(tmp_path) == []


@pytest.mark.parametrize(
    "content",
    [b"epoch,loss\n1,x\n", b"epoch,loss\n1\n", b"epoch,loss\none,1\n", b"epoch\n\xff"],
)
def test_damaged_metrics(tmp_path, content):
    (tmp_path / "metrics.csv").write_bytes(content)
    with pytest.raises(
        StateError, match=r"metrics\.csv: must hold a number a column: ."
    ):
        runs.read_metrics(tmp_path)


def black_batch():
    image = np.zeros((2, 16, 16, 3), "uint8")
    map_ = np.zeros((2, 16, 16, 1), "float32")
    return {"bg": image, "fg_bg": image}, {"mask": map_, "depth": map_}


def test_pictures(tmp_path, net):
    batch = black_batch()
    runs.write_metrics(
        tmp_path, [{"epoch": 1, "learning_rate": 0.1, "mask_loss": 0.1} | LOGS]
    )
    pictures = callbacks.Pictures(batch, tmp_path)
    pictures.set_model(net)
    pictures.on_epoch_end(0, LOGS)
    pictures.on_train_end()
    shown = preprocessing.read_rgb(tmp_path / "pictures/predictions.png")
    np.testing.assert_array_equal(shown, callbacks.predict_grid(net, *batch))
    assert preprocessing.read_rgb(tmp_path / "pictures/curves.png").shape[2] == 3
    (events,) = (tmp_path / "tensorboard/pictures").iterdir()
    tags = {
        value.tag
        for event in tf.compat.v1.train.summary_iterator(str(events))
        for value in event.summary.value
    }
    assert tags == {"predictions"}


def test_throughput(tmp_path, monkeypatch):
    clock = iter([0.0, 2.0, 3.0])
    monkeypatch.setattr(callbacks.time, "perf_counter", lambda: next(clock))
    throughput = callbacks.Throughput(tmp_path, batch_size=4)
    throughput.on_epoch_begin(0)
    throughput.on_train_batch_end(0)  # 4 examples in 2 s
    throughput.on_train_batch_end(2)  # two steps at once: 8 in 1 s
    throughput.on_epoch_end(0)
    throughput.on_train_end()
    (events,) = (tmp_path / "tensorboard/train").iterdir()
    *_, last = tf.compat.v1.train.summary_iterator(str(events))
    (value,) = last.summary.value
    buckets = tf.make_ndarray(value.tensor)  # left edge, right edge, count
    assert value.tag == "images_per_second"
    assert (buckets[0, 0], buckets[-1, 1], buckets[:, 2].sum()) == (2.0, 8.0, 2)


def test_pictures_of_short_epochs_are_drawn_first_and_last(tmp_path, net, monkeypatch):
    history, drawn = [], []
    monkeypatch.setattr(callbacks.time, "perf_counter", lambda: 0.0)
    monkeypatch.setattr(
        callbacks.curves, "write_curves", lambda rows, path: drawn.append(len(rows))
    )
    pictures = callbacks.Pictures(black_batch(), tmp_path)
    pictures.set_model(net)
    for epoch in range(3):
        history.append({"epoch": epoch + 1} | LOGS)
        runs.write_metrics(tmp_path, history)
        pictures.on_epoch_end(epoch, LOGS)
    pictures.on_train_end()
    assert drawn == [1, 3]


def test_pictures_are_not_drawn_twice_at_the_end(tmp_path, net, monkeypatch):
    drawn = []
    monkeypatch.setattr(callbacks, "PICTURES_SECONDS", 0.0)
    monkeypatch.setattr(
        callbacks.curves, "write_curves", lambda rows, path: drawn.append(len(rows))
    )
    runs.write_metrics(tmp_path, [{"epoch": 1} | LOGS])
    pictures = callbacks.Pictures(black_batch(), tmp_path)
    pictures.set_model(net)
    pictures.on_epoch_end(0, LOGS)
    pictures.on_train_end()
    assert drawn == [1]


def run_progress(progress):
    progress.on_train_begin()
    progress.on_epoch_begin(1)
    progress.on_train_batch_end(0, {"loss": 0.75})
    progress.on_epoch_end(1, LOGS)
    progress.stop()


def test_a_line_an_epoch_where_output_is_a_file(capsys, monkeypatch):
    monkeypatch.setattr(
        callbacks.time, "perf_counter", itertools.count(0, 0.001).__next__
    )
    run_progress(callbacks.ProgressBar(3, 5, 8, 5))
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "epoch 2/3  0 s  loss 0.5000  validation: Dice 0.7500, SSIM 0.5000"
    ]


def test_lines_in_long_epochs_where_output_is_a_file(capsys, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(callbacks.time, "perf_counter", lambda: now[0])
    progress = callbacks.ProgressBar(3, 5, 8, 6)  # goes on after a step of the second
    progress.on_train_begin()
    progress.on_epoch_begin(1)
    for batch in range(4):
        now[0] += callbacks.LINE_SECONDS * 0.8
        progress.on_train_batch_end(batch, {"loss": 0.75})
    assert capsys.readouterr().out.splitlines() == [
        "epoch 2/3  step 3/5  0 images/s  loss 0.7500",
        "epoch 2/3  step 5/5  0 images/s  loss 0.7500",
    ]


def test_a_bar_on_a_terminal(monkeypatch):
    text = io.StringIO()
    console = rich.console.Console(file=text, force_terminal=True, width=120)
    monkeypatch.setattr(rich.console, "Console", lambda: console)
    run_progress(callbacks.ProgressBar(3, 5, 8, 5))
    assert "6/15" in text.getvalue()
    assert "loss 0.7500" in text.getvalue()
    # The cursor was hidden and is shown again.
    assert text.getvalue().rindex("\x1b[?25h") > text.getvalue().rindex("\x1b[?25l")


def test_stopping_before_the_start_is_harmless():
    callbacks.ProgressBar(3, 5, 8, 0).stop()
