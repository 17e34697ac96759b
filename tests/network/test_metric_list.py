"""A metric that is declared once is shown everywhere."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from matplotlib.figure import Figure

from maskdepth_tf import list_runs
from maskdepth_tf.exporting import model_card
from maskdepth_tf.inference import scoring
from maskdepth_tf.network import metric_list, metrics
from maskdepth_tf.reports import curves, run_report
from maskdepth_tf.training import callbacks, runs
from tests.support import pages, run_folders

NEW = metric_list.Metric(
    "depth", "largest", "largest error", False, "0 to 1", metric_list.LINE
)


@pytest.fixture(scope="module", autouse=True)
def largest():
    """Declares the new metric and its function."""

    def largest(y_true, y_pred):
        return tf.reduce_max(tf.abs(y_true - y_pred), axis=[1, 2, 3])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(metric_list, "METRICS", (*metric_list.METRICS, NEW))
        patch.setitem(metrics.FUNCTIONS, "largest", largest)
        yield


@pytest.fixture(scope="module")
def net():
    """A network whose depth misses the truth of the test by a quarter."""
    inputs = {name: keras.Input((4, 4, 1), name=name) for name in ("mask", "depth")}
    same = keras.layers.Activation("linear")
    net = keras.Model(inputs, {name: same(value) for name, value in inputs.items()})
    net.compile(loss={"mask": "mse", "depth": "mse"}, metrics=metrics.make_metrics())
    return net


@pytest.fixture(scope="module")
def logs(net):
    """What Keras calls the figures of an epoch that scored the new metric 0.25."""
    truth = {name: np.zeros((2, 4, 4, 1), "float32") for name in ("mask", "depth")}
    truth["depth"][:, 0] = 0.5  # of one value it would not be known
    inputs = truth | {"depth": truth["depth"] + 0.25}
    scores = net.evaluate(inputs, truth, verbose=0, return_dict=True)
    return scores | {f"val_{name}": value for name, value in scores.items()}


@pytest.fixture
def run_dir(tmp_path, logs):
    """A run of an epoch that has been evaluated."""
    settings = run_folders.settings_of(tmp_path / "run")
    with runs.claim(settings, resume=False) as run_dir:
        runs.begin(run_dir, settings, run_folders.DATA)
    runs.write_metrics(run_dir, [{"epoch": 1} | logs])
    figures = {
        output: {m.name: logs[m.key] for m in group}
        for output, group in metric_list.by_output().items()
    }
    side = figures | {"examples": 2, "baseline": figures}
    scores = side | {"splits": {"test": side}}
    (run_dir / "evaluation.json").write_text(json.dumps(scores))
    return run_dir


def test_logs_and_tensorboard(tmp_path, net, logs):
    assert logs["depth_largest"] == 0.25
    board = keras.callbacks.TensorBoard(tmp_path)
    board.set_model(net)
    board.on_epoch_end(0, dict(logs))
    board.on_train_end()
    tags = {
        value.tag
        for path in tmp_path.glob("*/events*")
        for event in tf.compat.v1.train.summary_iterator(str(path))
        for value in event.summary.value
    }
    assert "epoch_depth_largest" in tags


def test_scores_and_the_table_of_evaluate(run_dir):
    assert "largest" in scoring.Scores().result()["depth"]
    text = scoring.table(json.loads((run_dir / "evaluation.json").read_text()))
    (header,) = (line for line in text.splitlines() if line.startswith("depth"))
    assert header.endswith("largest error ↓")


def test_the_line_of_an_epoch(capsys, logs):
    progress = callbacks.ProgressBar(1, 1, 1, 0)
    progress.on_train_begin()
    progress.on_epoch_begin(0)
    progress.on_epoch_end(0, logs)
    progress.stop()
    assert "largest error 0.2500" in capsys.readouterr().out


def test_the_list_of_runs(run_dir, capsys):
    list_runs.main([str(run_dir.parent)])
    header, line = capsys.readouterr().out.splitlines()
    for title in ("val. largest error", "test largest error"):
        place = header.index(title)
        assert line[place : place + 6] == "0.2500"


def test_the_report(run_dir):
    tree = pages.parse(run_report.write_report(run_dir).read_text())
    tile = "depth largest error 0.2500 equal to the constant depth map's 0.2500"
    assert tile in pages.texts(tree, ".//div[@class='tiles']/div")
    _, depth, epochs = (pages.table(table) for table in tree.iter("table"))
    assert "largest error ↓0 to 1" in depth[0]
    assert depth[1][depth[0].index("largest error ↓0 to 1")] == "0.2500"
    assert epochs[1][epochs[0].index("val. largest error")] == "0.2500"


def test_the_words_of_the_report(run_dir):
    scores = json.loads((run_dir / "evaluation.json").read_text())
    scores["splits"]["test"]["baseline"]["depth"]["largest"] = 0.5
    (run_dir / "evaluation.json").write_text(json.dumps(scores))
    text = pages.words(pages.parse(run_report.write_report(run_dir).read_text()))
    assert "the depth is better in largest error; equal in" in text


def test_curves(tmp_path, logs, monkeypatch):
    labels = []
    monkeypatch.setattr(
        Figure,
        "savefig",
        lambda figure, *_, **__: labels.extend(
            text.get_text()
            for axes in figure.axes
            if axes.get_legend()
            for text in axes.get_legend().get_texts()
        ),
    )
    curves.write_curves([{"epoch": 1} | logs], tmp_path / "curves.png")
    assert "largest error" in labels


def test_the_model_card(tmp_path, run_dir):
    model_card.write(tmp_path, "a", 48, 1, run_dir)
    text = (tmp_path / model_card.NAME).read_text()
    assert "| depth largest error ↓ |" in text


def test_the_list_needs_no_tensorflow():
    code = (
        "import sys; from maskdepth_tf import list_runs; "
        "print([name for name in ('tensorflow', 'keras') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
