"""Runs that are stopped in every way end as the one that never was."""

import csv
import errno
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest

from maskdepth_tf import config
from maskdepth_tf.training import checkpoints, state
from tests.support.paths import ROOT
from tests.support.training_runs import tiny_overrides, train_run

TIMES = ("seconds", "images_per_second")


def ended(run_dir):
    """All that a run comes to: weights, momentum, best model, and every epoch's row."""
    with open(run_dir / "metrics.csv", newline="") as file:
        rows = [
            {key: value for key, value in row.items() if key not in TIMES}
            for row in csv.DictReader(file)
        ]
    models = [
        checkpoints.weights_sha256(checkpoints.load_model(run_dir / name))
        for name in (checkpoints.LAST, checkpoints.BEST)
    ]
    told = json.loads((run_dir / "run.json").read_text())["weights_sha256"]
    return rows, models, told


def resume(run_dir):
    return train_run([], "--workdir", str(run_dir), "--resume")


def stopped_run(overrides, monkeypatch, after, signum, *flags):
    """Trains until a signal comes in some step of training or validation."""
    count = itertools.count(1)
    with monkeypatch.context() as patch:
        for name in ("on_train_batch_end", "on_test_batch_end"):
            end_step = getattr(state.RunState, name)

            def end_step_and_stop(run_state, batch, logs=None, end_step=end_step):
                if next(count) == after:
                    signal.raise_signal(signum)
                end_step(run_state, batch, logs)

            patch.setattr(state.RunState, name, end_step_and_stop)
        return train_run(overrides, *flags)


# An epoch has 2 steps and a batch of validation.
@pytest.mark.parametrize("moments", [(1, 2), (3, 4)])
def test_signal_at_every_step(
    trained, packed_dir, tmp_path, monkeypatch, capsys, ctrl_c, moments
):
    run_dir = tmp_path / "run"
    overrides, flags, begun = tiny_overrides(packed_dir, run_dir), [], 0
    for moment in moments:
        signum = (signal.SIGTERM, signal.SIGINT)[moment % 2]
        code = stopped_run(overrides, monkeypatch, moment - begun, signum, *flags)
        assert code == 128 + signum
        name = signal.Signals(signum).name
        expected = f"stopped by {name}; --resume --workdir {run_dir} goes on\n"
        assert capsys.readouterr().err == expected
        net, progress = checkpoints.load_state(run_dir)
        epoch, done = divmod(moment, 3)
        assert int(net.optimizer.iterations) == 2 * epoch + done
        assert len(progress.history) == moment // 4
        overrides, flags, begun = [], ["--workdir", str(run_dir), "--resume"], moment
    assert resume(run_dir) == 0
    assert ended(run_dir) == ended(trained)
    assert not list(run_dir.glob(".*"))


def test_leftovers_of_a_killed_run_are_removed(trained, tmp_path):
    run_dir = tmp_path / "run"
    shutil.copytree(trained, run_dir)
    (run_dir / ".0123456789abcdef.partial.keras").write_bytes(b"half")
    (run_dir / ".notes").write_bytes(b"the user's")
    (run_dir / "report.html").unlink()
    assert resume(run_dir) == 0
    assert [path.name for path in run_dir.glob(".*")] == [".notes"]
    assert ended(run_dir) == ended(trained)  # it was finished


def test_full_disk(trained, packed_dir, tmp_path, capsys, monkeypatch):
    run_dir, save = tmp_path / "run", checkpoints.save_state
    calls = []

    def save_or_fail(model, folder, progress):
        calls.append(folder)
        if len(calls) == 2:
            with monkeypatch.context() as patch:
                patch.setattr(os, "fsync", full)
                save(model, folder, progress)
        save(model, folder, progress)

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "save_state", save_or_fail)
        assert train_run(tiny_overrides(packed_dir, run_dir)) == 5
    assert "error: no space left on the disk" in capsys.readouterr().err
    assert not list(run_dir.glob(".*"))
    assert resume(run_dir) == 0
    assert ended(run_dir) == ended(trained)


def test_resume_with_other_pictures(trained, labels_file, tmp_path, capsys):
    folder = tmp_path / "set"
    shutil.copytree(labels_file.parent, folder)
    run_dir = tmp_path / "run"
    shutil.copytree(trained, run_dir)
    moved = [f"data.labels={folder / 'labels.txt'}"]
    settings = config.load_config([trained / "config.yaml"], moved)
    (run_dir / "config.yaml").write_text(config.to_yaml(settings))
    (run_dir / "report.html").unlink()
    weights = (run_dir / checkpoints.LAST).read_bytes()
    with (folder / "mask/3.png").open("ab") as file:
        file.write(b"more")
    assert resume(run_dir) == 4
    error = capsys.readouterr().err.splitlines()[-1]
    assert "labels.txt: a run resumes with its own data. Received: sha256=" in error
    assert (run_dir / checkpoints.LAST).read_bytes() == weights


def test_real_kills():
    program = ROOT / "benchmarks" / "killed_training.py"
    run = subprocess.run(
        [sys.executable, program, "--kills", "5", "--seed", "1"],
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    assert run.stdout.startswith("5 kills in ")
    assert " 0 ended otherwise" in run.stdout


def test_a_finished_run_is_left_as_it_is(trained, tmp_path, capsys):
    run_dir = tmp_path / "run"
    shutil.copytree(trained, run_dir)
    before = {path: path.stat().st_mtime_ns for path in run_dir.rglob("*")}
    assert resume(run_dir) == 0
    told = f"{run_dir}: is finished after 2 epochs; --set training.epochs=N trains on\n"
    assert capsys.readouterr().out == told
    changed = {p for p in run_dir.rglob("*") if p.stat().st_mtime_ns != before.get(p)}
    assert {path.name for path in changed} <= {"run.lock"}


def test_a_run_trained_on_ends_as_one_begun_with_all_epochs(packed_dir, tmp_path):
    first, whole = tmp_path / "first", tmp_path / "whole"
    assert train_run([*tiny_overrides(packed_dir, first), "training.epochs=1"]) == 0
    more = ["training.epochs=3"]
    assert train_run(more, "--workdir", str(first), "--resume") == 0
    assert train_run([*tiny_overrides(packed_dir, whole), *more]) == 0
    assert ended(first) == ended(whole)


def test_one_command_begins_and_goes_on(trained, packed_dir, tmp_path, monkeypatch):
    run_dir = tmp_path / "run"
    overrides = tiny_overrides(packed_dir, run_dir)
    assert stopped_run(overrides, monkeypatch, 2, signal.SIGTERM, "--resume") == 143
    assert train_run(overrides, "--resume") == 0
    assert ended(run_dir) == ended(trained)


def test_beginning_with_other_weights(trained, packed_dir, tmp_path, capsys):
    run_dir = tmp_path / "run"
    still = [*tiny_overrides(packed_dir, run_dir), "optimizer.learning_rate=1e-12"]
    best = trained / checkpoints.BEST
    assert train_run(still, "--init", str(best)) == 0
    own, given = (checkpoints.load_model(path) for path in (run_dir, best))
    for one, other in zip(own.trainable_weights, given.trainable_weights, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
    other = [*tiny_overrides(packed_dir, tmp_path / "wide"), "model.widths=[8]"]
    assert train_run(other, "--init", str(best)) == 4
    error = capsys.readouterr().err
    assert f"error: {best}: a run begins with weights of its own network" in error
    assert error.count("\n") == 1
