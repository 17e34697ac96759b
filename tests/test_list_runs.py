"""Lists of runs."""

import json
import subprocess
import sys

import pytest

from maskdepth_tf import cli, list_runs
from maskdepth_tf.training import runs
from tests.support.run_folders import DATA, HOLD, settings_of


def listed(folder, capsys):
    """Cells of the lines under the header."""
    assert cli.run(list_runs.main, [str(folder)]) == 0
    header, *lines = capsys.readouterr().out.splitlines()
    starts = [header.index(name) for name in list_runs.columns()]
    ends = [*starts[1:], None]
    return [
        [line[a:b].strip() for a, b in zip(starts, ends, strict=True)] for line in lines
    ]


@pytest.fixture
def begun(tmp_path):
    """Folder of a run that has two of its twenty epochs."""
    settings = settings_of(tmp_path / "deep/er", "model.preset=fast")
    with runs.claim(settings, resume=False) as run_dir:
        runs.begin(run_dir, settings, DATA)
    rows = [
        {
            "epoch": epoch,
            "val_loss": loss,
            "val_mask_dice_hard": dice,
            "val_depth_ssim": ssim,
        }
        for epoch, loss, dice, ssim in ((1, 0.5, 0.8, 0.4), (2, 0.6, 0.9, 0.5))
    ]
    runs.write_metrics(run_dir, rows)
    return run_dir


def test_a_stopped_run(tmp_path, begun, capsys):
    (line,) = listed(tmp_path, capsys)
    date = json.loads((begun / "run.json").read_text())["started"]
    labels = settings_of("x").data.labels
    assert line == [
        str(begun),
        date[:16].replace("T", " "),
        "fast",
        labels,
        "2/20",
        "0.8000",
        "0.4000",
        "",
        "",
        "stopped",
    ]


def test_a_finished_run(tmp_path, begun, capsys):
    runs.finish(begun, "ab")
    scores = {"mask": {"dice_hard": 0.75}, "depth": {"ssim": 0.25}}
    (begun / "evaluation.json").write_text(json.dumps(scores))
    (line,) = listed(tmp_path, capsys)
    assert line[-3:] == ["0.7500", "0.2500", "finished"]


def test_a_run_under_way(tmp_path, begun, capsys):
    command = [sys.executable, "-c", HOLD, begun / runs.LOCK]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe) as holder:
        assert holder.stdout.readline() == b"held\n"
        (line,) = listed(tmp_path, capsys)
    assert line[-1] == "training"


def test_a_damaged_run_is_listed_first(tmp_path, begun, capsys):
    (tmp_path / "z").mkdir()
    (tmp_path / "z/run.json").write_text("{}")
    lines = listed(tmp_path, capsys)
    assert [line[0] for line in lines] == [str(tmp_path / "z"), str(begun)]
    assert lines[0][-1] == "damaged: KeyError"


def test_no_runs(tmp_path, capsys):
    assert cli.run(list_runs.main, [str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"no runs in {tmp_path}\n"


def test_no_folder(capsys):
    assert cli.run(list_runs.main, ["no/such"]) == 2
    expected = "error: FOLDER must be a folder. Received: no/such\n"
    assert capsys.readouterr().err == expected
