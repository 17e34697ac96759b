import numpy as np
import pytest

from maskdepth_tf.disturbing import samples
from maskdepth_tf.disturbing.kinds import KINDS
from maskdepth_tf.disturbing.pairs import Pair
from maskdepth_tf.disturbing.samples import Place
from maskdepth_tf.disturbing.source import Source, open_reader
from maskdepth_tf.disturbing.yardsticks import RULE, YARDSTICKS
from maskdepth_tf.images import preprocessing
from maskdepth_tf.input import labels


@pytest.fixture(scope="module")
def source(labels_file):
    return Source(labels.read(labels_file), str(labels_file.parent), 8)


@pytest.fixture(scope="module")
def reader(source):
    return open_reader(source)


def read(source, number, column):
    path = f"{source.root}/{getattr(source.rows[number], column)}"
    return preprocessing.read_rgb(path)


def pairs(reader, number, case):
    return [pair for _, pair in reader.pairs(number, case)]


def test_a_kind_has_a_sample_for_each_severity(reader):
    found = reader.samples((3, "noise"))
    assert [one.place for one in found] == [Place("noise", "", s + 1) for s in range(5)]
    assert {one.number for one in found} == {3}
    for one in found:
        assert one.pair.bg.shape == one.pair.fg_bg.shape == (8, 8, 3)
        assert one.pair.mask.shape == (8, 8)
        assert list(one.scores) == list(YARDSTICKS)
    assert found[0].scores[RULE].iou > found[-1].scores[RULE].iou


def test_one_severity_is_the_same_alone(reader):
    (alone,) = reader.samples((3, "shift"), 4)
    together = reader.samples((3, "shift"))[3]
    assert alone.place == together.place
    np.testing.assert_array_equal(alone.pair.bg, together.pair.bg)
    (last,) = reader.samples((3, "shift"), 9)
    assert last.place.severity == 5


def test_the_order_of_tasks_changes_nothing(source, reader):
    first = reader.samples((5, "all"))
    other = open_reader(source)
    for task in ((6, "clean"), (5, "shift")):
        other.samples(task)
    for one, another in zip(first, other.samples((5, "all")), strict=True):
        for a, b in zip(one.pair, another.pair, strict=True):
            np.testing.assert_array_equal(a, b)
        assert one.scores[RULE].iou == another.scores[RULE].iou


def test_clean_and_swapped(source, reader):
    (clean,), (swapped,) = pairs(reader, 2, "clean"), pairs(reader, 2, "swapped")
    np.testing.assert_array_equal(clean.bg, read(source, 2, "bg"))
    np.testing.assert_array_equal(clean.fg_bg, read(source, 2, "fg_bg"))
    assert (swapped.bg is clean.fg_bg, swapped.fg_bg is clean.bg) == (True, True)


def test_another_room_and_somebody_in_the_background(source, reader):
    (pair,) = pairs(reader, 2, "wrong_room")
    np.testing.assert_array_equal(pair.bg, read(source, 3, "bg"))
    np.testing.assert_array_equal(pair.fg_bg, read(source, 2, "fg_bg"))
    (pair,) = pairs(reader, 2, "figure_in_background")
    there = preprocessing.read_mask(f"{source.root}/{source.rows[3].mask}")[..., 0] > 0
    np.testing.assert_array_equal(pair.bg[there], read(source, 3, "fg_bg")[there])
    np.testing.assert_array_equal(pair.bg[~there], read(source, 2, "bg")[~there])


def test_views_of_a_room_are_the_same_room():
    rows = [labels.Row(bg, "f.png", "a.png", "m.png", "d.png") for bg in ("a@1.png",)]
    rows += [rows[0]._replace(bg="a.png"), rows[0]._replace(bg="b.png")]
    assert [samples.another_room(rows, number) for number in range(3)] == [2, 2, 0]
    assert samples.another_room(rows[:2], 0) is None


def test_one_room_alone_has_no_wrong_one(source):
    rows = [row for row in source.rows if row.bg == source.rows[0].bg]
    reader = open_reader(Source(rows, source.root, 8))
    assert reader.samples((0, "wrong_room")) == []


def test_nobody(reader):
    found = reader.samples((0, "nobody"))
    names = {kind.name for kind in KINDS} - {"shadow", "camouflage"}
    assert {one.place.name for one in found} == names
    assert {one.place.severity for one in found} == {3}
    assert not any(one.pair.truth.any() for one in found)


def test_score():
    mask, truth = np.zeros((2, 4, 4), bool)
    mask[:2], truth[1:3] = True, True
    assert samples.score(mask, truth, 0.5) == (4 / 12, 0.5, 0.5)
    assert samples.score(mask & False, truth & False, 0).iou == 1


def test_the_sweep_has_the_rule_at_every_threshold():
    rng = np.random.default_rng(0)
    bg, fg_bg = rng.integers(0, 256, (2, 8, 8, 3), np.uint8)
    pair = Pair(bg, fg_bg, rng.choice([0, 255], (8, 8)).astype(np.uint8))
    swept = samples.sweep(pair)
    difference = np.abs(bg.astype(int) - fg_bg).max(axis=-1)
    for threshold in (0, 30, 200, 255):
        expected = samples.score(difference > threshold, pair.truth, 0).iou
        assert swept[threshold] == pytest.approx(expected)


def test_without_yardsticks(source):
    quick = open_reader(Source(source.rows, source.root, 8, False))
    (clean,) = quick.samples((0, "clean"))
    assert clean.scores == {}
    assert len(clean.sweep) == 0
