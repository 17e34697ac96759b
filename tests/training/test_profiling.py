"""Stages are timed and told; a profile trains and keeps nothing."""

import pytest

from maskdepth_tf.training import batches, profiling
from maskdepth_tf.training.profiling import Stage
from tests.support.training_runs import tiny_overrides, train_run


def test_table():
    stages = [
        Stage("gather", 0.001),
        Stage("change", -0.0001),
        Stage("input together", 0.0009),
        Stage("compute", 0.0045),
        Stage("training", 0.005),
    ]
    assert profiling.table(stages, 16).splitlines() == [
        "                 ms a step    images/s",
        "gather                1.00      16,000",
        "change                0.00           -",
        "input together        0.90      17,778",
        "compute               4.50       3,556",
        "training              5.00       3,200",
        "limited by compute: input alone could go 5.0 times as fast",
    ]
    slow_input = [Stage("input together", 0.02), Stage("compute", 0.01)]
    last = profiling.table(slow_input, 16).splitlines()[-1]
    assert last == "limited by input: compute alone could go 2.0 times as fast"


def test_what_the_step_prepares_is_computing(
    labels_file, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(profiling, "STEPS", 3)
    monkeypatch.setattr(batches.TrainingData, "is_prepared_in_step", True)
    assert train_run(tiny_overrides(labels_file, tmp_path), "--profile") == 0
    stages = [line[:15].strip() for line in capsys.readouterr().out.splitlines()]
    assert stages[1:5] == ["gather", "input together", "compute", "training"]


@pytest.mark.parametrize("memory_gb", [0, 1])
def test_profile(labels_file, tmp_path, capsys, monkeypatch, memory_gb):
    monkeypatch.setattr(profiling, "STEPS", 3)
    run_dir = tmp_path / "run"
    overrides = [*tiny_overrides(labels_file, run_dir), f"data.memory_gb={memory_gb}"]
    assert train_run(overrides, "--profile") == 0
    lines = capsys.readouterr().out.splitlines()
    first = "gather" if memory_gb else "read from files"
    names = [first, *["decode"] * (not memory_gb), "register", "change"]
    stages = [*names, "input together", "compute", "training"]
    assert [line[:15].strip() for line in lines[1 : len(stages) + 1]] == stages
    assert lines[-2].startswith("limited by ")
    assert lines[-1] == f"trace    {run_dir / 'profile'}"
    assert list(run_dir.rglob("*.xplane.pb"))
    assert [path.name for path in run_dir.iterdir()] == ["profile"]
