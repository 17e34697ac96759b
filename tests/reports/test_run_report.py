import base64
import json
import os
import subprocess
import sys

import pytest
from PIL import Image

from maskdepth_tf.errors import StateError
from maskdepth_tf.reports import run_report
from tests.support import pages

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


def tree_of(run_dir):
    return pages.parse(written(run_dir))


def facts_of(tree):
    """What the report says was run, by its terms."""
    return dict(
        zip(pages.texts(tree, ".//dt"), pages.texts(tree, ".//dd"), strict=True)
    )


def gaps_of(tree):
    """What the report says is missing or damaged."""
    return pages.texts(tree, ".//div[@class='card notice']/ul/li")


def pictures_of(tree):
    return [image.get("alt") for image in tree.iter("img")]


def test_whole_run_is_reported(run_dir):
    path = run_report.write_report(run_dir)
    assert path == run_dir / "report.html"
    tree = tree_of(run_dir)
    assert pages.texts(tree, ".//h1") == ["my run"]
    assert gaps_of(tree) == []
    assert (
        "started 2026-03-01 10:00 UTC · took 1 h 2 min · 730,000 parameters · 3 epochs"
        in pages.texts(tree, ".//p")
    )
    assert facts_of(tree) == {
        "command": "python -m maskdepth_tf.train --set 'data.labels=my data.txt'",
        "started": "2026-03-01 10:00 UTC",
        "finished": "2026-03-01 11:02 UTC",
        "commit": "0123abc",
        "labels": "data/labels.txt",
        "rows": "4,800 (train 1,900, new background 1,000)",
        "data SHA-256": "ab" * 32,
        "weights SHA-256": "cd" * 32,
        "versions": "tensorflow 2.21.0, keras 3.15.0",
        "machine": "cores 2, memory_gb 15.5, gpus none",
    }
    assert tree.findtext(".//pre/code") == "seed: 0\nworkdir: runs/<x>\n"


def test_results_stand_beside_the_rules(run_dir):
    better = {"mask": FIGURES["mask"] | {"iou": 0.9, "bce": 0.2}}
    splits = {"validation": SIDE, "test": SIDE | better}
    (run_dir / "evaluation.json").write_text(json.dumps({"splits": splits}))
    tree = tree_of(run_dir)
    note = "On the test split: backgrounds that were never trained on."
    assert note in pages.texts(tree, ".//p")
    assert pages.texts(tree, ".//div[@class='tiles']/div")[:2] == [
        "mask Dice 0.9100 equal to the difference rule's 0.9100",
        "mask IoU 0.9000 better than the difference rule's 0.8300",
    ]
    test, validation = tree.findall(".//div[@class='card']/ul/li")
    assert pages.words(test).startswith("Test backgrounds that were never")
    assert pages.texts(test, "div")[0] == (
        "Compared with the difference rule, the mask is better in IoU; worse in "
        "cross-entropy; equal in Dice and soft Dice."
    )
    mask, depth, _ = tree.iter("table")
    assert pages.table(mask)[1:3] == [
        ["Test (1,440)", "0.9100", "0.9000", "0.9000", "0.2000"],
        ["difference rule", "0.9100", "0.8300", "0.9000", "0.0500"],
    ]
    marks = [cell.get("class") for cell in mask.findall("tbody/tr[1]/td")]
    assert marks[:4] == ["even", "good", "even", "bad"]
    assert pages.table(depth)[0][1] == "SSIM ↑-1 to 1, window 11"


def test_a_missing_baseline_is_said(run_dir):
    alone = {key: value for key, value in SIDE.items() if key != "baseline"}
    (run_dir / "evaluation.json").write_text(json.dumps({"splits": {"test": alone}}))
    tiles = pages.texts(tree_of(run_dir), ".//div[@class='tiles']/div")
    assert [tile.endswith("no baseline") for tile in tiles] == [True] * 4


def test_pictures_are_embedded_and_nothing_else_is_asked_for(run_dir):
    text = written(run_dir)
    sources = [image.get("src") for image in pages.parse(text).iter("img")]
    expected = (run_dir / "pictures/curves.png").read_bytes()
    assert sources[0] == "data:image/png;base64," + base64.b64encode(expected).decode()
    assert len(sources) == 2
    assert pages.addresses(text) == []


def test_course_of_training_names_the_best_epoch(run_dir):
    tree = tree_of(run_dir)
    assert (
        "3 epochs in 1 min 30 s. The validation loss is least after epoch 2: 0.4000. "
        "The network of that epoch is kept as the best."
    ) in pages.texts(tree, ".//p")
    header, first, *_ = pages.table(tree.findall(".//table")[-1])
    cells = dict(zip(header, first, strict=True))
    assert {key: cells[key] for key in ("epoch", "learning rate", "loss")} == {
        "epoch": "1",
        "learning rate": "0.01",
        "loss": "0.9000",
    }
    assert cells["val. IoU"] == "0.4000"
    assert cells["val. SSIM"] == "–"
    assert (cells["seconds"], cells["images/s"]) == ("30.0", "152")


def test_other_pictures_follow_the_predictions(run_dir):
    data = (run_dir / "pictures/curves.png").read_bytes()
    (run_dir / "pictures/extra.png").write_bytes(data)
    tree = tree_of(run_dir)
    assert pictures_of(tree) == ["curves", "predictions", "extra"]
    assert "extra" in pages.texts(tree, ".//h3")


def test_same_run_gives_the_same_report(run_dir):
    assert written(run_dir) == written(run_dir)
    assert "report.html" in os.listdir(run_dir)
    assert not [name for name in os.listdir(run_dir) if name.startswith(".")]


@pytest.mark.parametrize(
    ("kind", "names", "note"),
    [
        ("unseen", ["test"], "backgrounds that were never trained on"),
        (None, ["test"], "backgrounds and foregrounds that were never trained on"),
        (
            "unseen",
            ["test", "new_fg"],
            "backgrounds and foregrounds that were never trained on",
        ),
        (
            "random",
            ["test"],
            "random rows: their backgrounds and foregrounds were trained on too",
        ),
    ],
)
def test_test_split_means_what_the_run_made_it(run_dir, kind, names, note):
    run = RUN | {"config": {"data": {"split": kind}}}
    (run_dir / "run.json").write_text(json.dumps(run))
    scores = {"splits": dict.fromkeys(names, SIDE)}
    (run_dir / "evaluation.json").write_text(json.dumps(scores))
    tree = tree_of(run_dir)
    assert f"On the test split: {note}." in pages.texts(tree, ".//p")
    labels = pages.texts(tree, ".//div[@class='card']/ul/li/strong")
    assert labels == ["Test", "New foreground"][: len(names)]


def test_empty_folder_says_all_that_is_missing(tmp_path):
    tree = tree_of(tmp_path)
    assert gaps_of(tree) == [
        "config.yaml is missing",
        "run.json is missing",
        "metrics.csv is missing",
        "evaluation.json is missing",
        "pictures/curves.png is missing",
        "pictures/predictions.png is missing",
    ]
    assert {
        "No figures: the run has not been evaluated.",
        "No picture: pictures/curves.png.",
        "Not known: run.json says nothing.",
        "Not known: config.yaml says nothing.",
    } <= set(pages.texts(tree, ".//p"))


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("run.json", b"{", "run.json is damaged: Expecting property name"),
        ("run.json", b"[]", "run.json is damaged: expected an object, received list"),
        ("evaluation.json", b"\xff", "evaluation.json is damaged: 'utf-8'"),
        ("config.yaml", b"\xff", "config.yaml is damaged: 'utf-8'"),
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
    tree = tree_of(run_dir)
    (gap,) = gaps_of(tree)
    assert gap.startswith(words)
    assert "predictions" in pictures_of(tree)


def test_cut_off_picture_is_not_shown(run_dir):
    path = run_dir / "pictures/predictions.png"
    path.write_bytes(path.read_bytes()[:-20])
    tree = tree_of(run_dir)
    assert gaps_of(tree) == ["pictures/predictions.png is damaged: not a whole PNG"]
    assert pictures_of(tree) == ["curves"]


def test_folder_in_place_of_a_file_is_said(run_dir):
    (run_dir / "run.json").unlink()
    (run_dir / "run.json").mkdir()
    assert gaps_of(tree_of(run_dir)) == ["run.json cannot be read: Is a directory"]


@pytest.mark.parametrize("odd", [None, 3, "text", [], ["x"], {"a": None}, {"a": [1]}])
def test_odd_facts_do_not_crash(run_dir, odd):
    (run_dir / "run.json").write_text(json.dumps(dict.fromkeys(RUN, odd)))
    written(run_dir)
    data = {"rows": odd, "splits": odd, "sha256": odd}
    (run_dir / "run.json").write_text(json.dumps({"data": data}))
    written(run_dir)


def test_a_run_without_a_commit_says_so(run_dir):
    (run_dir / "run.json").write_text(json.dumps(RUN | {"commit": None}))
    commit = facts_of(tree_of(run_dir))["commit"]
    assert commit == "not known: run outside a checkout"


def test_text_of_the_run_is_escaped(run_dir):
    bad = "<script>alert(1)</script>"
    odd = RUN | {"command": [bad], "versions": {bad: bad}, "commit": bad}
    odd |= {"started": bad, "data": {"splits": {bad: 1}}}
    (run_dir / "run.json").write_text(json.dumps(odd))
    (run_dir / "config.yaml").write_text(bad)
    (run_dir / "metrics.csv").write_text(f"epoch,val_loss\n{bad},1\n")
    (run_dir / "evaluation.json").write_text(json.dumps({"splits": {bad: SIDE}}))
    tree = tree_of(run_dir.rename(run_dir.with_name("<img src=x>")))
    assert pages.texts(tree, ".//h1") == ["<img src=x>"]
    assert list(tree.iter("script")) == []
    assert f"started {bad} · 1 epoch" in pages.texts(tree, ".//p")
    assert facts_of(tree)["versions"] == f"{bad} {bad}"
    assert facts_of(tree)["rows"] == f"– ({bad} 1)"
    assert tree.findtext(".//pre/code") == bad


def test_one_epoch_and_ragged_rows(run_dir):
    (run_dir / "metrics.csv").write_text("epoch,val_loss\n1,0.5,7,8\n")
    text = pages.words(tree_of(run_dir))
    assert "1 epoch. The validation loss is least after epoch 1" in text


def test_missing_folder_is_refused(tmp_path):
    with pytest.raises(StateError, match="nowhere: a run folder must be there"):
        run_report.write_report(tmp_path / "nowhere")


def test_neither_tensorflow_nor_pyplot_is_imported():
    code = (
        "import sys; from maskdepth_tf.reports import curves, overview, run_report; "
        "print([m for m in ('tensorflow', 'keras', 'matplotlib.pyplot') "
        "if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
