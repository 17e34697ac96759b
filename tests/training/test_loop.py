"""Whole runs: what they leave, what they refuse, and that a stop changes nothing."""

import csv
import json
import os
import re
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from maskdepth_tf import cli, config, train
from maskdepth_tf.errors import DataError, UsageError
from maskdepth_tf.input import labels
from maskdepth_tf.training import batches, building, checkpoints, runs
from tests.support.training_runs import tiny_overrides, train_run

TIMES = ("seconds", "images_per_second")


def settings_of(labels_path, *overrides):
    return config.load_config([], [*tiny_overrides(labels_path, "none"), *overrides])


def fingerprint(run_dir):
    return json.loads((run_dir / "run.json").read_text())["weights_sha256"]


def epochs(run_dir):
    """`metrics.csv` but for the times."""
    with open(run_dir / "metrics.csv", newline="") as file:
        return [
            {k: v for k, v in row.items() if k not in TIMES}
            for row in csv.DictReader(file)
        ]


def test_finished_run_is_complete(trained):
    for name in (
        "config.yaml",
        "run.json",
        "metrics.csv",
        "last.keras",
        "best.keras",
        "evaluation.json",
        "pictures/predictions.png",
        "pictures/curves.png",
        "export/1/saved_model.pb",
        "report.html",
    ):
        assert (trained / name).stat().st_size > 0, name
    assert not list(trained.rglob("*.partial*"))
    assert [row["epoch"] for row in epochs(trained)] == ["1", "2"]
    rates = [float(row["learning_rate"]) for row in epochs(trained)]
    assert rates == pytest.approx([0.01, 0.001])


def test_run_is_described(trained, labels_file):
    found = json.loads((trained / "run.json").read_text())
    assert {"command", "versions", "commit", "machine", "config"} <= set(found)
    assert found["finished"] >= found["started"]
    assert found["data"]["labels"] == str(labels_file)
    assert found["data"]["rows"] == 40
    assert sum(found["data"]["splits"].values()) == 40
    last = checkpoints.load_model(trained / checkpoints.LAST)
    assert checkpoints.weights_sha256(last) == found["weights_sha256"]


def test_run_folder_is_taken(trained, labels_file, capsys):
    assert train_run(tiny_overrides(labels_file, trained)) == 4
    error = capsys.readouterr().err
    assert error.startswith(
        f"error: {trained}: a run is there already; go on with --res"
    )
    assert error.count("\n") == 1


def test_resume_with_another_configuration(trained, capsys):
    overrides = ["training.batch_size=4"]
    assert train_run(overrides, "--workdir", str(trained), "--resume") == 4
    error = capsys.readouterr().err
    assert "training.batch_size=4, begun with 8" in error
    assert error.count("\n") == 1


def test_broken_loss_is_not_kept(packed_dir, tmp_path, capsys):
    overrides = [
        *tiny_overrides(packed_dir, tmp_path / "run"),
        "training.batch_size=4",
        "training.epochs=1",
        "optimizer.learning_rate=1e6",
        "losses.depth.terms={mean_squared_error: 1e37}",
    ]
    assert train_run(overrides) == 7
    error = capsys.readouterr().err.splitlines()[-1]
    run_dir = tmp_path / "run"
    assert error.startswith(f"error: {run_dir}: losses and weights must stay finite: ")
    assert error.endswith("lower optimizer.learning_rate")
    assert not list(run_dir.glob("*.keras"))
    step = int(re.search(r"after step (\d+) of epoch 1\. ", error)[1])
    settings = config.load_config([run_dir / "config.yaml"])
    data = batches.open_data(settings)
    examples = data.examples
    dataset = data.training_batches(step - 1, tf.distribute.get_strategy())
    rows = labels.read(run_dir / "nonfinite.txt")
    ids = [examples.rows.index(row) for row in rows]
    masks = examples.load(tf.constant(ids, tf.int64))["mask"].numpy().sum((1, 2, 3))
    assert len(rows) == 4
    if settings.augmentation.cutout_holes:  # which leaves the mask as it is
        trained = next(iter(dataset))[1]["mask"].numpy().sum((1, 2, 3))
        assert trained.tolist() == masks.tolist()


@pytest.mark.parametrize(
    ("override", "code", "message"),
    [
        ("data.labels=none.txt", 3, "none.txt: No such file"),
        ("training.batch_size=1000", 3, "training.batch_size=1000. Received: "),
        ("data.test_fraction=0.001", 3, "the test side of a split must have rows"),
        (
            "data.image_size=18",
            2,
            "cannot be built: `image_size` of 2 levels on patches of 2 must be 8",
        ),
        ("losses.mask.terms={hinge: 1}", 2, "a loss term must be one of"),
        ("training.epoch=3", 2, "unknown configuration key: training.epoch"),
    ],
)
def test_refused_before_anything_is_written(
    labels_file, tmp_path, capsys, override, code, message
):
    run_dir = tmp_path / "run"
    tiny = [*tiny_overrides(labels_file, run_dir), "model.widths=[4, 4]"]
    overrides = [*tiny, "data.memory_gb=0", override]
    assert train_run(overrides) == code
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert message in error
    assert error.count("\n") == 1
    assert not run_dir.exists()


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("losses.depth.options={dssim: {radius: 3}}", "radius"),
        ("losses.depth.options={dssim: {filter_size: 4}}", "positive odd number"),
        (
            "losses.depth.options={dssim: {filter_size: 17}}",
            "must be at least 17 pixels",
        ),
        ("losses.mask.terms={}", "a loss must name at least one of"),
        ("model.patch_size=3", "divisible by 6"),
    ],
)
def test_configuration_that_cannot_be_built(labels_file, override, message):
    settings = settings_of(labels_file, "model.widths=[4, 4]", override)
    with pytest.raises(UsageError, match=f"configuration cannot be built: .*{message}"):
        building.compiled_model(settings, 2)


def steps_per_epoch(settings, rows):
    split = {"train": np.arange(rows)}
    return batches.TrainingData(settings, None, split).steps_per_epoch


def test_training_side_must_fill_a_batch(labels_file):
    settings = settings_of(labels_file)
    assert steps_per_epoch(settings, 23) == 2
    message = "must fill one batch of training.batch_size=8. Received: 7 rows"
    with pytest.raises(DataError, match=message):
        steps_per_epoch(settings, 7)


@pytest.mark.parametrize(
    ("rows", "most", "steps", "together"),
    [
        (23, 1, 2, 1),
        (80, 20, 10, 10),  # fewer steps than one execution may have
        (8 * 23, 20, 22, 11),  # two executions, the 23rd step left out
        (8 * 101, 20, 96, 16),  # six executions of 16
        (8 * 7, 3, 6, 3),
    ],
)
def test_executions_fill_the_epoch(labels_file, rows, most, steps, together):
    settings = settings_of(labels_file, f"training.steps_per_execution={most}")
    assert steps_per_epoch(settings, rows) == steps
    assert building.steps_per_execution(settings, steps) == together


def test_several_steps_an_execution_change_nothing(trained, packed_dir, tmp_path):
    run_dir = tmp_path / "run"
    overrides = tiny_overrides(packed_dir, run_dir)
    assert train_run([*overrides, "training.steps_per_execution=2"]) == 0
    assert epochs(run_dir) == epochs(trained)
    assert fingerprint(run_dir) == fingerprint(trained)


def test_a_step_is_traced_once(packed_dir, tmp_path, monkeypatch):
    traced, train_step = [], keras.Model.train_step

    def counted(self, data):
        traced.append(self.name)
        return train_step(self, data)

    monkeypatch.setattr(keras.Model, "train_step", counted)
    assert train_run(tiny_overrides(packed_dir, tmp_path / "run")) == 0
    assert traced == ["resnet_unet"]


def test_optimizer_is_as_configured(labels_file):
    sgd = config.Optimizer(
        0.5, 0.25, True, 0.125, drop_epochs=1, drop_factor=0.5, clip_norm=2
    )
    optimizer = building.make_optimizer(sgd, 2, 3)
    assert (optimizer.momentum, optimizer.nesterov) == (0.25, True)
    assert (optimizer.weight_decay, optimizer.global_clipnorm) == (0.125, 2)
    rates = []
    for step in (0, 2, 3):
        optimizer.iterations.assign(step)
        rates.append(float(optimizer.learning_rate))
    assert rates == [0.5, 0.5, 0.25]


def test_losses_are_as_configured(labels_file):
    net = building.compiled_model(
        settings_of(
            labels_file,
            "losses.mask={terms: {dice: 2}, weight: 3}",
            "losses.depth.options={dssim: {filter_size: 5}}",
        ),
        2,
    )
    assert net.loss["mask"].weights == {"dice": 2.0}
    assert net.loss["mask"].from_logits
    assert not net.loss["depth"].from_logits
    assert net.loss["depth"].terms["dssim"].window["filter_size"] == 5
    inputs = {k: tf.zeros((1, 16, 16, 3)) for k in ("bg", "fg_bg")}
    targets = {k: tf.ones((1, 16, 16, 1)) for k in ("mask", "depth")}
    outputs = net(inputs, training=False)
    expected = 3 * net.loss["mask"](targets["mask"], outputs["mask"])
    expected += net.loss["depth"](targets["depth"], outputs["depth"])
    total = net.compute_loss(inputs, targets, outputs)
    assert float(total) == pytest.approx(float(expected), rel=1e-5)


def test_set_up_sets_precision_and_seed(labels_file):
    def drawn(*overrides):
        building.set_up(settings_of(labels_file, *overrides))
        return float(keras.random.uniform(()))

    try:
        drawn("model.precision=mixed_bfloat16")
        assert keras.mixed_precision.global_policy().name == "mixed_bfloat16"
    finally:
        assert drawn() == drawn()
    assert keras.mixed_precision.global_policy().name == "float32"
    assert drawn("seed=1") != drawn()


def test_cores_are_divided_for_the_fast_network(labels_file, monkeypatch):
    key = "TF_NUM_INTRAOP_THREADS"
    monkeypatch.setenv(key, "5")
    building.set_up(settings_of(labels_file, "model.preset=fast"))
    assert os.environ[key] == "5"
    monkeypatch.delenv(key)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(6)))
    building.set_up(settings_of(labels_file, "model.preset=reference"))
    assert key not in os.environ
    building.set_up(settings_of(labels_file, "model.preset=fast"))
    assert os.environ[key] == "3"


@pytest.mark.parametrize("name", ["run", "a b", "ü", "😀", "1", "x: y", "#"])
def test_name_of_the_run_folder(name, monkeypatch):
    monkeypatch.setattr(train, "QUICKSTART", train.QUICKSTART.parent / "debug.yaml")
    args = train.make_parser().parse_args(["--workdir", name, "--set", "seed=5"])
    settings = train.load_settings(args)
    assert settings.workdir == name
    assert settings.seed == 5
    assert config.load_config([], [f"workdir={json.dumps('x')}"]).workdir == "x"


def test_later_files_go_over_earlier_ones(tmp_path):
    for name, seed in (("a", 1), ("b", 2)):
        (tmp_path / name).write_text(f"seed: {seed}")
    files = ["--config", str(tmp_path / "a"), "--config", str(tmp_path / "b")]
    assert train.load_settings(train.make_parser().parse_args(files)).seed == 2


def test_sample_set_is_made_only_where_it_is_missing(labels_file, monkeypatch):
    from maskdepth_tf.dataset import synthesize

    made = []
    monkeypatch.setattr(
        synthesize, "synthesize", lambda folder, **how: made.append((folder, how))
    )
    how = config.Synthesize(rows=3)
    train.make_sample_set(config.Data(labels=str(labels_file), synthesize=how))
    with pytest.raises(DataError) as caught:
        train.make_sample_set(config.Data(labels="no/such.txt"))
    assert str(caught.value) == (
        "no/such.txt: No such file or directory; --set data.labels=PATH names the "
        "labels file or packed set to train on"
    )
    assert made == []
    train.make_sample_set(config.Data(labels="no/such.txt", synthesize=how))
    ((folder, arguments),) = made
    assert str(folder) == "no"
    assert arguments["rows"] == 3


def test_no_sample_set_is_made_where_a_path_is_mistyped():
    def how(*overrides):
        words = [word for text in overrides for word in ("--set", text)]
        args = train.make_parser().parse_args(words)
        return train.load_settings(args).data.synthesize

    assert how() is not None
    assert how("data.labels=data/mine/lables.txt") is None
    asked_for = ("data.labels=data/new/labels.txt", "data.synthesize={rows: 9}")
    assert how(*asked_for).rows == 9


def test_flags(capsys):
    assert cli.run(train.main, ["--epochs", "3"]) == 2
    assert "unknown flag: --epochs. The nearest is: " in capsys.readouterr().err


def test_validation_rows_train_nothing(packed_dir):
    data = batches.open_data(settings_of(packed_dir))
    split, strategy = data.split, tf.distribute.get_strategy()
    train_set = data.training_batches(1, strategy)
    validation = data.validation_batches(strategy)
    assert len(list(train_set)) == 3
    assert sum(len(t["mask"]) for _, t in validation) == len(split["validation"])
    assert len(data.picture_batch()[1]["mask"]) == 2
    sides = [set(ids.tolist()) for ids in split.values()]
    assert sum(map(len, sides)) == len(set.union(*sides)) == 40


def test_the_monitor_is_measured(trained):
    assert runs.MONITOR in epochs(trained)[0]


def test_damage_found_in_mid_epoch_is_named(labels_file, tmp_path, capsys):
    root = tmp_path / "set"
    shutil.copytree(Path(labels_file).parent, root)
    path = root / labels.read(labels_file)[3].fg_bg
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    settings = settings_of(
        root / "labels.txt", f"workdir={tmp_path / 'run'}", "data.memory_gb=0"
    )
    with runs.claim(settings, resume=False) as run_dir:
        assert cli.run(lambda _: train.train(settings, run_dir, False)) == 3
    assert f"{path}: cannot be decoded as a picture" in capsys.readouterr().err


@pytest.mark.parametrize("flags", [[], ["--workdir", "none"]])
def test_resume_of_nothing(tmp_path, monkeypatch, capsys, flags):
    monkeypatch.chdir(tmp_path)
    assert cli.run(train.main, ["--resume", *flags]) == 4
    assert "config.yaml: --resume needs a run folder with it" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
