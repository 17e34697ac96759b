"""Scores over whole splits: by hand, by the command, and what is refused."""

import json
import re
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf

from maskdepth_tf import cli, config, evaluate, export, streams
from maskdepth_tf.errors import DataError, StateError, UsageError
from maskdepth_tf.images import pictures
from maskdepth_tf.inference import loading, scoring
from maskdepth_tf.input import labels, pipeline
from maskdepth_tf.network import metrics
from maskdepth_tf.network.metric_list import by_output
from maskdepth_tf.network.model import resnet_unet
from tests.support.labelled_sets import make_labelled_set

MASK, DEPTH = ({metric.name for metric in group} for group in by_output().values())


DISTURBED = r"IoU clean (\S+), disturbed (\S+) \(severity 2, {} rows\)"


def scored_by_hand():
    """Three examples in batches of two and one, and an answer for each."""
    rng = np.random.default_rng(0)
    shape = (3, 16, 16, 1)
    bg = np.full((3, 16, 16, 3), 100, "uint8")
    fg_bg = bg.copy()
    # Seen by the rule: a quarter of the picture; of it only half is foreground.
    fg_bg[:, :8, :8] = 250
    mask = np.zeros(shape, "float32")
    mask[:, :8, :4] = 1
    depth = rng.uniform(size=shape).astype("float32")
    arrays = ({"bg": bg, "fg_bg": fg_bg}, {"mask": mask, "depth": depth})
    return arrays, tf.data.Dataset.from_tensor_slices(arrays).batch(2)


def perfect(arrays):
    """A network that knows the answers, whatever the batches."""
    _, targets = arrays
    place = [0]

    def outputs(inputs):
        start, place[0] = place[0], place[0] + len(inputs["bg"])
        return {
            "mask": metrics.to_logits(tf.constant(targets["mask"][start : place[0]])),
            "depth": tf.constant(targets["depth"][start : place[0]]),
        }

    return scoring.Scorable(outputs, outputs, 16, 123)


def assert_figures(figures):
    assert set(figures["mask"]) == MASK
    assert set(figures["depth"]) == DEPTH
    for group in (figures["mask"], figures["depth"]):
        assert all(np.isfinite(value) for value in group.values())


def assert_scores(scores):
    keys = ["examples", "image_size", "parameters", "mask", "depth", "baseline"]
    more = {"splits", "disturbed_iou", "fitted_depth"}
    assert [key for key in scores if key not in more] == keys
    assert set(scores["baseline"]) == {"mask", "depth"}
    assert_figures(scores)
    assert_figures(scores["baseline"])


def test_names_of_the_figures():
    assert MASK == {"dice", "dice_hard", "iou", "bce"}
    assert DEPTH == {"ssim", "dssim", "rmse", "mae", "delta1"}


def test_score_by_hand():
    arrays, dataset = scored_by_hand()
    scores = scoring.score(perfect(arrays), dataset)
    assert_scores(scores)
    assert scores["examples"] == 3
    assert scores["parameters"] == 123
    assert scores["mask"]["iou"] == pytest.approx(1, abs=1e-5)
    assert scores["depth"]["rmse"] == pytest.approx(0, abs=1e-6)
    rule = scores["baseline"]
    # 32 of 64 pixels that the rule finds are foreground.
    assert rule["mask"]["iou"] == pytest.approx(32 / 64, abs=1e-5)
    assert rule["mask"]["dice_hard"] == pytest.approx(2 * 32 / (64 + 32), abs=1e-5)
    assert rule["mask"]["bce"] == pytest.approx(32 / 256 * -np.log(1e-7), rel=0.02)
    depth = arrays[1]["depth"]
    error = depth - depth.mean(axis=0)
    rmse = np.sqrt((error**2).mean(axis=(1, 2, 3))).mean()
    assert rule["depth"]["rmse"] == pytest.approx(rmse, rel=1e-5)
    assert rule["depth"]["mae"] == pytest.approx(np.abs(error).mean(), rel=1e-5)


def test_score_does_not_depend_on_batches():
    arrays, dataset = scored_by_hand()
    by_two = scoring.score(perfect(arrays), dataset)
    at_once = scoring.score(perfect(arrays), dataset.unbatch().batch(3))
    for part in ("mask", "depth"):
        assert by_two[part] == pytest.approx(at_once[part], abs=1e-6)
        assert by_two["baseline"][part] == pytest.approx(
            at_once["baseline"][part], abs=1e-6
        )


def test_answers_are_brought_to_the_size_that_is_scored():
    (inputs, targets), _ = scored_by_hand()
    large = {name: value.repeat(2, 1).repeat(2, 2) for name, value in inputs.items()}
    # Only the two lines beside the edge are between two values.
    halves = np.zeros((3, 32, 32, 1), "float32")
    halves[:, :16] = 1
    truth = {"mask": halves, "depth": halves / 2 + 0.25}
    small = {"mask": halves[:, ::2, ::2], "depth": truth["depth"][:, ::2, ::2]}
    dataset, shown = (
        tf.data.Dataset.from_tensor_slices(arrays).batch(2)
        for arrays in ((large, truth), (inputs, targets))
    )
    scores = scoring.score(perfect((inputs, small)), dataset, shown)
    assert_scores(scores)
    assert (scores["examples"], scores["image_size"]) == (3, 32)
    # Pixels beside the edge are looked at again, of pictures that tell nothing of it.
    assert scores["mask"]["iou"] == pytest.approx(1, abs=0.03)
    # Two of 32 lines are a quarter of the way to the other side's value, 0.5 away.
    assert scores["depth"]["mae"] == pytest.approx(2 / 32 * 0.125, abs=1e-6)
    # The rule sees the large pictures: a quarter of them has changed.
    rule = 2 * 16 * 16 / (16 * 32 + 16 * 16)
    assert scores["baseline"]["mask"]["dice_hard"] == pytest.approx(rule, abs=1e-5)


def test_holes_are_left_out():
    (inputs, targets), _ = scored_by_hand()
    hole = np.zeros_like(targets["depth"], bool)
    hole[1:, 2:5, 3:9] = True
    held = np.where(hole, -1 - targets["depth"], targets["depth"])
    answer = np.where(hole, 1 - targets["depth"], targets["depth"])
    dataset = tf.data.Dataset.from_tensor_slices((inputs, targets | {"depth": held}))
    found = perfect((inputs, targets | {"depth": answer}))
    scores = scoring.score(found, dataset.batch(2))
    assert scores["depth"]["mae"] == pytest.approx(0, abs=1e-6)
    assert scores["depth"]["ssim"] == pytest.approx(1, abs=1e-5)
    # Where two of three maps have a hole, the mean map is the third.
    known = np.ma.masked_array(targets["depth"], hole)
    error = np.abs(known - known.mean(axis=0)).mean(axis=(1, 2, 3)).mean()
    assert scores["baseline"]["depth"]["mae"] == pytest.approx(error, rel=1e-5)


def test_depths_that_nobody_knows_have_no_figures():
    (inputs, targets), _ = scored_by_hand()
    targets = targets | {"depth": np.full_like(targets["depth"], 0.5)}
    dataset = tf.data.Dataset.from_tensor_slices((inputs, targets)).batch(2)
    scores = scoring.score(perfect((inputs, targets)), dataset)
    assert set(scores["depth"].values()) == {None}
    assert set(scores["baseline"]["depth"].values()) == {None}
    assert scoring.table(scores).splitlines()[-1].split()[-1] == "–"


def test_table():
    arrays, dataset = scored_by_hand()
    scores = scoring.score(perfect(arrays), dataset)
    text = scoring.table(scores)
    header, row, rule, empty, *depth = text.splitlines()
    assert empty == ""
    assert header.split("  ")[0] == "mask"
    assert row.startswith("all rows (3) ")
    assert rule.startswith("  no learning ")
    place = header.index("soft Dice")
    dice = float(row[place : header.index(" ↑") + 2])
    assert dice == pytest.approx(scores["mask"]["dice"], abs=1e-4)
    assert depth[0].split()[:3] == ["depth", "SSIM", "↑"]
    assert max(map(len, text.splitlines())) < 80
    sides = scoring.table({"splits": {"test": scores, "new_bg": scores}})
    assert sides.count("new_bg (3)") == 2


@pytest.fixture(scope="module")
def labels_scores(trained, labels_file):
    """Of the best model of a run, found by its folder, on all rows."""
    return scoring.evaluate_labels(trained, str(labels_file), None, 40)


def test_labels_run(trained, labels_file, labels_scores, tmp_path, capsys):
    target = tmp_path / "scores.json"
    arguments = ["--model", str(trained / "best.keras"), "--labels", str(labels_file)]
    assert evaluate.main([*arguments, "--json", str(target), "--batch-size", "13"]) == 0
    scores = json.loads(target.read_text())
    assert_scores(scores)
    assert scores["examples"] == 40
    assert "splits" not in scores
    text = capsys.readouterr().out
    assert "all rows (40)" in text
    clean, disturbed = re.search(DISTURBED.format(40), text).groups()
    assert float(clean) == pytest.approx(scores["mask"]["iou"], abs=0.0051)
    assert float(disturbed) == pytest.approx(scores["disturbed_iou"], abs=0.0051)
    assert "depth after a fit" in text
    assert f"wrote {target}" in text
    # Batches of 13, 13, 13 and one leave no trace.
    for part in ("mask", "depth"):
        assert scores[part] == pytest.approx(labels_scores[part], abs=1e-5)


def test_run_on_its_own_splits(trained, tmp_path, capsys):
    run_dir = tmp_path / "run"
    shutil.copytree(trained, run_dir)
    assert evaluate_code("--workdir", run_dir, "--image-size", 16) == 0
    scores = json.loads((run_dir / "evaluation_16.json").read_text())
    assert_scores(scores)
    sizes = json.loads((trained / "run.json").read_text())["data"]["splits"]
    assert set(scores["splits"]) == set(sizes) - {"train"}
    for side, figures in scores["splits"].items():
        assert_scores(figures)
        assert figures["examples"] == sizes[side]
    assert scores["examples"] == sizes["test"]
    # Training itself has written the same, but for what takes it longer.
    assert 0 <= scores.pop("disturbed_iou") <= 1
    assert 0 <= scores.pop("fitted_depth")["network"]["whole"]["delta1"] <= 1
    assert json.loads((trained / "evaluation.json").read_text()) == scores


def test_a_packed_set_is_not_disturbed(trained, packed_dir, tmp_path, capsys):
    target = tmp_path / "scores.json"
    flags = ("--model", trained, "--labels", packed_dir, "--json", target)
    assert evaluate_code(*flags) == 0
    text = "disturbed: left out, a packed set has no pictures in their own size"
    assert text in capsys.readouterr().out
    assert "disturbed_iou" not in json.loads(target.read_text())


def test_a_run_at_another_size(trained, tmp_path):
    run_dir = tmp_path / "run"
    shutil.copytree(trained, run_dir)
    fewer_sides = ["data.split=random"]  # each is loaded in two sizes
    settings = config.load_config([run_dir / "config.yaml"], fewer_sides)
    (run_dir / "config.yaml").write_text(config.to_yaml(settings))
    before = (run_dir / "evaluation.json").read_bytes()
    assert evaluate_code("--workdir", run_dir, "--image-size", 32) == 0
    scores = json.loads((run_dir / "evaluation_32.json").read_text())
    assert (run_dir / "evaluation.json").read_bytes() == before
    assert_scores(scores)
    assert {side["image_size"] for side in scores["splits"].values()} == {32}


def test_what_predict_writes_is_scored(trained, packed_dir, tmp_path):
    labels_file = make_labelled_set(tmp_path, rows=20, side=32)
    arguments = (str(trained), str(labels_file), None, 13)
    scores = scoring.evaluate_labels(*arguments, image_size=32)
    rows, root = labels.read(labels_file), labels_file.parent
    answer = loading.load_predictor(trained).answer
    answered = [
        answer(*(pictures.read(root / name) for name in (row.bg, row.fg_bg)))
        for row in rows
    ]
    mask, depth = (
        np.stack([getattr(one, name) for one in answered]) for name in ("mask", "depth")
    )
    load = pipeline.load_files(rows, str(root), 32)
    _, targets = pipeline.split_example(load(np.arange(20)))
    rmse = tf.reduce_mean(metrics.rmse(targets["depth"], depth))
    assert scores["depth"]["rmse"] == pytest.approx(float(rmse), abs=1e-6)
    logits = metrics.to_logits(tf.constant(mask))
    soft = tf.reduce_mean(metrics.dice(targets["mask"], logits))
    assert scores["mask"]["dice"] == pytest.approx(float(soft), abs=1e-5)
    with pytest.raises(
        DataError, match="must be packed at image_size=32. Received: im"
    ):
        scoring.evaluate_labels(str(trained), str(packed_dir), None, 13, 32)


def test_saved_model_scores_the_same(trained, labels_file, labels_scores, tmp_path):
    model = keras.saving.load_model(trained / "best.keras")
    export.export_model(model, tmp_path)
    scores = scoring.evaluate_labels(tmp_path, str(labels_file), None, 40)
    assert scores["parameters"] == labels_scores["parameters"]
    for part in ("mask", "depth"):
        assert scores[part] == pytest.approx(labels_scores[part], abs=1e-4)
    ours, exported = map(scoring.load_scorable, (trained, tmp_path))
    draws = np.random.default_rng(0)
    wide = {
        name: tf.constant(draws.integers(0, 256, (1, 16, 16, 3)), tf.uint8)
        for name in ("bg", "fg_bg")
    } | {streams.ASPECT: tf.constant([1.5])}
    expected, found = ours.outputs(wide), exported.outputs(wide)
    assert set(found) == set(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, atol=1e-4)


def test_foreign_saved_model(tmp_path):
    tf.saved_model.save(tf.Module(), str(tmp_path / "1"))
    message = "1: a SavedModel must come from `maskdepth export`; it lacks the sign"
    with pytest.raises(StateError, match=message):
        scoring.load_scorable(tmp_path)


def evaluate_code(*arguments):
    return cli.run(evaluate.main, [str(a) for a in arguments])


def test_errors_are_one_line_and_a_code(tmp_path, trained, labels_file, capsys):
    damaged = tmp_path / "damaged.keras"
    damaged.write_bytes((trained / "best.keras").read_bytes()[:2000])
    best, none = trained / "best.keras", tmp_path / "none"
    for code, message, arguments in (
        (
            4,
            "none: a trained model must be there",
            ("--model", none, "--labels", labels_file),
        ),
        (
            4,
            "is damaged: a model is a whole zip archive",
            ("--model", damaged, "--labels", labels_file),
        ),
        (3, "none: No such file", ("--model", best, "--labels", none)),
        (4, "none: a run folder must hold config.yaml", ("--workdir", none)),
    ):
        assert evaluate_code(*arguments) == code
        error = capsys.readouterr().err
        assert error.startswith("error: ")
        assert message in error
        assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give either --workdir RUN, or --labels FILE"),
        (["--workdir", "a", "--labels", "b"], "give either --workdir RUN, or --labels"),
        (
            ["--workdir", "a", "--batch-size", "0"],
            "--batch-size must be 1 or more. Rec",
        ),
        (
            ["--workdir", "a", "--batch-size", "x"],
            "must be a whole number. Received: x",
        ),
        (
            ["--workdir", "a", "--image-size", "7"],
            "--image-size must be 8 to 4096. Rec",
        ),
        (
            ["--workdir", "a", "--json", "no/such/x"],
            "the folder of --json must be there",
        ),
    ],
)
def test_flags_that_do_not_go_together(arguments, message):
    with pytest.raises(UsageError, match=message):
        evaluate.main(arguments)


def test_another_run_of_the_same_data(trained, tmp_path):
    # Its labels are gone: told as bad data, not as a bad run.
    copy = tmp_path / "run"
    shutil.copytree(trained, copy)
    settings = config.load_config([copy / "config.yaml"], ["data.labels=gone.txt"])
    (copy / "config.yaml").write_text(scoring.config.to_yaml(settings))
    assert evaluate_code("--workdir", copy) == 3


def test_a_model_of_somebody_else(tmp_path):
    path = tmp_path / "other.keras"
    keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)], name="other").save(
        path
    )
    with pytest.raises(StateError, match="pictures bg and fg_bg. Received: other"):
        scoring.load_scorable(path)


def test_a_network_is_traced_once_whatever_the_batches(monkeypatch):
    traced = []

    def mismatch(bg, fg_bg):
        traced.append(bg)
        return tf.zeros(tf.shape(bg)[:1])

    monkeypatch.setattr(scoring.comparing, "mismatch", mismatch)
    scorable = scoring._keras_scorable(resnet_unet(16, (4, 8)))
    for count, dtype in ((3, tf.uint8), (2, tf.uint8), (1, tf.float32)):
        picture = tf.zeros((count, 16, 16, 3), dtype)
        found = scorable.outputs({"bg": picture, "fg_bg": picture})
        assert found["mask"].shape == (count, 16, 16, 1)
    assert len(traced) == 1
