import base64
import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from maskdepth_tf.errors import StateError
from maskdepth_tf.reports import drawings, run_report

FIGURES = {
    "mask": {"dice": 0.9, "dice_hard": 0.91, "iou": 0.83, "bce": 0.05},
    "depth": {"ssim": 0.8, "dssim": 0.1, "rmse": 0.12, "mae": 0.08, "delta1": 0.6},
}
SIDE = {"examples": 1440, "parameters": 730000, **FIGURES, "baseline": FIGURES}
RUN = {
    "command": [
        "python",
        "-m",
        "maskdepth_tf.train",
        "--set",
        "data.labels=my data.txt",
    ],
    "started": "2026-03-01T10:00:00+00:00",
    "finished": "2026-03-01T11:02:05+00:00",
    "versions": {"tensorflow": "2.21.0", "keras": "3.15.0"},
    "commit": "0123abc",
    "machine": {"cores": 2, "memory_gb": 15.5, "gpus": []},
    "config": {"data": {"split": "unseen"}},
    "data": {
        "labels": "data/labels.txt",
        "rows": 4800,
        "sha256": "ab" * 32,
        "splits": {"train": 1900, "new_bg": 1000},
    },
    "weights_sha256": "cd" * 32,
}
METRICS = """epoch,learning_rate,loss,val_loss,val_mask_iou,seconds,images_per_second
1,0.01,0.9,0.8,0.4,30.04,151.6
2,0.01,0.5,0.4,0.6,30.0,150.0
3,0.001,0.4,0.45,,30.0,150.0
"""


@pytest.fixture
def run_dir(tmp_path):
    """A whole run folder."""
    folder = tmp_path / "my run"
    (folder / "pictures").mkdir(parents=True)
    (folder / "config.yaml").write_text("seed: 0\nworkdir: runs/<x>\n")
    (folder / "run.json").write_text(json.dumps(RUN))
    (folder / "metrics.csv").write_text(METRICS)
    splits = {"test": SIDE, "validation": SIDE}
    (folder / "evaluation.json").write_text(json.dumps(SIDE | {"splits": splits}))
    for name in ("curves", "predictions"):
        Image.new("RGB", (4, 3)).save(folder / "pictures" / f"{name}.png")
    return folder


def written(run_dir):
    return run_report.write_report(run_dir).read_text(encoding="utf-8")


def test_whole_run_is_reported(run_dir):
    path = run_report.write_report(run_dir)
    assert path == run_dir / "report.html"
    text = path.read_text(encoding="utf-8")
    assert "This report is not complete" not in text
    for fact in (
        "<h1>my run</h1>",
        "started 2026-03-01 10:00 UTC · took 1 h 2 min · 730,000 parameters · 3 epochs",
        "python -m maskdepth_tf.train --set &#x27;data.labels=my data.txt&#x27;",
        "<dd>2026-03-01 11:02 UTC</dd>",
        "<code>0123abc</code>",
        "<code>data/labels.txt</code>",
        "4,800 (train 1,900, new background 1,000)",
        "ab" * 32,
        "cd" * 32,
        "tensorflow 2.21.0, keras 3.15.0",
        "cores 2, memory_gb 15.5, gpus none",
        "The mask is equal to the difference rule in every figure.",
        "workdir: runs/&lt;x&gt;",
    ):
        assert fact in text, fact


def test_pictures_are_embedded_and_nothing_else_is_asked_for(run_dir):
    text = written(run_dir)
    sources = re.findall(r'src="([^"]*)"', text)
    expected = (run_dir / "pictures/curves.png").read_bytes()
    assert sources[0] == "data:image/png;base64," + base64.b64encode(expected).decode()
    assert len(sources) == 2
    assert not re.search(r"https?://|href=|<script|<link|@import|url\(", text)


def test_course_of_training_names_the_best_epoch(run_dir):
    text = written(run_dir)
    assert "3 epochs in 1 min 30 s." in text
    assert "The validation loss is least after epoch 2: 0.4000." in text
    cells = ["1", "0.01", "0.9000", "0.8000", "–", "0.4000", "–", "–", "30.0", "152"]
    assert "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>" in text


def test_other_pictures_follow_the_predictions(run_dir):
    data = (run_dir / "pictures/curves.png").read_bytes()
    (run_dir / "pictures/extra.png").write_bytes(data)
    text = written(run_dir)
    assert text.index("<h3>extra</h3>") > text.index('alt="predictions"')


def test_same_run_gives_the_same_report(run_dir):
    assert written(run_dir) == written(run_dir)
    assert "report.html" in os.listdir(run_dir)
    assert not [name for name in os.listdir(run_dir) if name.startswith(".")]


def test_random_split_is_told_apart(run_dir):
    run = RUN | {"config": {"data": {"split": "random"}}}
    (run_dir / "run.json").write_text(json.dumps(run))
    assert "random rows: their backgrounds" in written(run_dir)


def test_empty_folder_says_all_that_is_missing(tmp_path):
    text = written(tmp_path)
    for name in ("config.yaml", "run.json", "metrics.csv", "evaluation.json"):
        assert f"<li>{name} is missing</li>" in text
    for name in ("curves", "predictions"):
        assert f"<li>pictures/{name}.png is missing</li>" in text
    assert "the run has not been evaluated" in text
    assert "Not known: run.json says nothing." in text
    assert "Not known: config.yaml says nothing." in text


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("run.json", b"{", "run.json is damaged: Expecting property name"),
        ("run.json", b"[]", "run.json is damaged: expected an object, received list"),
        ("evaluation.json", b"\xff", "evaluation.json is damaged: &#x27;utf-8&#x27;"),
        ("config.yaml", b"\xff", "config.yaml is damaged: &#x27;utf-8&#x27;"),
        (
            "metrics.csv",
            b"a\n" + b"1" * 200_000,
            "metrics.csv is damaged: field larger",
        ),
        ("pictures/curves.png", b"", "pictures/curves.png is damaged: not a whole PNG"),
    ],
)
def test_damage_is_said_and_the_rest_shown(run_dir, name, content, words):
    (run_dir / name).write_bytes(content)
    text = written(run_dir)
    assert words in text
    assert 'alt="predictions"' in text


def test_cut_off_picture_is_not_shown(run_dir):
    path = run_dir / "pictures/predictions.png"
    path.write_bytes(path.read_bytes()[:-20])
    text = written(run_dir)
    assert "pictures/predictions.png is damaged: not a whole PNG" in text
    assert 'alt="predictions"' not in text


def test_folder_in_place_of_a_file_is_said(run_dir):
    (run_dir / "run.json").unlink()
    (run_dir / "run.json").mkdir()
    assert "run.json cannot be read: Is a directory" in written(run_dir)


@pytest.mark.parametrize("odd", [None, 3, "text", [], ["x"], {"a": None}, {"a": [1]}])
def test_odd_facts_do_not_crash(run_dir, odd):
    (run_dir / "run.json").write_text(json.dumps(dict.fromkeys(RUN, odd)))
    written(run_dir)
    data = {"rows": odd, "splits": odd, "sha256": odd}
    (run_dir / "run.json").write_text(json.dumps({"data": data}))
    written(run_dir)


def test_a_run_without_a_commit_says_so(run_dir):
    (run_dir / "run.json").write_text(json.dumps(RUN | {"commit": None}))
    assert "not known: run outside a checkout" in written(run_dir)


def test_text_of_the_run_is_escaped(run_dir):
    bad = "<script>alert(1)</script>"
    odd = RUN | {"command": [bad], "versions": {bad: bad}, "commit": bad}
    (run_dir / "run.json").write_text(json.dumps(odd))
    (run_dir / "config.yaml").write_text(bad)
    (run_dir / "metrics.csv").write_text(f"epoch,val_loss\n{bad},1\n")
    renamed = run_dir.rename(run_dir.with_name("<img src=x>"))
    text = written(renamed)
    assert "<script" not in text
    assert "<img src=x>" not in text


def test_one_epoch_and_ragged_rows(run_dir):
    (run_dir / "metrics.csv").write_text("epoch,val_loss\n1,0.5,7,8\n")
    assert "1 epoch. The validation loss is least after epoch 1" in written(run_dir)


def test_missing_folder_is_refused(tmp_path):
    with pytest.raises(StateError, match="nowhere: a run folder must be there"):
        run_report.write_report(tmp_path / "nowhere")


def test_functions_of_the_figures_are_here():
    assert run_report.depth_to_color(np.zeros((2, 3))).shape == (2, 3, 3)
    assert run_report.prediction_grid is drawings.prediction_grid
    assert run_report.write_curves is drawings.write_curves


def test_neither_tensorflow_nor_pyplot_is_imported():
    code = (
        "import sys, maskdepth_tf.reports.run_report; "
        "print([m for m in ('tensorflow', 'keras', 'matplotlib.pyplot') "
        "if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
