"""Files of what is nearest and farthest in depth maps."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskdepth_tf import errors
from maskdepth_tf.dataset.teachers import ranges

NAMES = st.text(
    st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1, max_size=8
).map(lambda name: f"{name}.jpg")
METRES = st.floats(0, 1e4).map(lambda value: float(f"{value:.6g}"))


def test_by_hand(tmp_path):
    known = [("depth/1.jpg", 1.0, 2.5), ('depth/a, "b".jpg', 1 / 3, 1e6)]
    text = ranges.to_csv(known, is_metric=True)
    assert text == (
        b'depth,near_m,far_m\ndepth/1.jpg,1,2.5\n"depth/a, ""b"".jpg",0.333333,1e+06\n'
    )
    assert ranges.to_csv([], is_metric=False) == b"depth,near,far\n"
    (tmp_path / "x.csv").write_bytes(text)
    expected = {"depth/1.jpg": (1.0, 2.5), 'depth/a, "b".jpg': (0.333333, 1e6)}
    assert ranges.read(tmp_path / "x.csv") == expected


def test_none_yet(tmp_path):
    assert ranges.read(tmp_path / "x.csv") == {}


@given(known=st.dictionaries(NAMES, st.tuples(METRES, METRES)))
def test_what_is_written_is_read(tmp_path_factory, known):
    path = tmp_path_factory.mktemp("ranges") / "x.csv"
    rows = [(name, *pair) for name, pair in known.items()]
    path.write_bytes(ranges.to_csv(rows, is_metric=False))
    assert ranges.read(path) == known


def test_journal_of_a_killed_process(tmp_path):
    ranges.mend_journal(tmp_path)  # there is none yet
    for number in range(3):
        ranges.note(tmp_path, f"{number}.jpg", number, 9)
    journal = tmp_path / ranges.JOURNAL
    whole = journal.read_bytes()
    assert whole == b"0.jpg,0,9\n1.jpg,1,9\n2.jpg,2,9\n"
    journal.write_bytes(whole[:-3])
    ranges.mend_journal(tmp_path)
    assert journal.read_bytes() == b"0.jpg,0,9\n1.jpg,1,9\n"
    (tmp_path / ranges.RANGES).write_bytes(b"depth,near,far\n9.jpg,5,6\n")
    ranges.complete(tmp_path, ["9.jpg", "1.jpg", "2.jpg"], is_metric=False)
    done = (tmp_path / ranges.RANGES).read_bytes()
    assert done == b"depth,near,far\n9.jpg,5,6\n1.jpg,1,9\n"


@pytest.mark.parametrize(
    "line",
    [b"a.jpg,1", b"a.jpg,1,2,3", b"a.jpg,1,x", b"\xff.jpg,1,2", b"", b"a\0.jpg,,"],
)
def test_a_damaged_line_of_ranges_is_named(tmp_path, line):
    path = tmp_path / "depth_range.csv"
    path.write_bytes(b"depth,near,far\nb.jpg,1,2\n" + line + b"\nc.jpg,3,4\n")
    message = r"depth_range.csv:3: expected a path and two numbers, received b['\"]"
    with pytest.raises(errors.DataError, match=message):
        ranges.read(path)
