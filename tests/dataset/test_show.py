import json
import shutil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskdepth_tf import cli, errors
from maskdepth_tf.dataset import __main__ as dataset
from maskdepth_tf.dataset.checking import sheets
from maskdepth_tf.images import encoding, preprocessing
from maskdepth_tf.images.stores import Folder
from maskdepth_tf.input import labels
from maskdepth_tf.reports import sheet
from tests.support.labelled_sets import make_labelled_set


def run(*arguments):
    return cli.run(dataset.main, ["show", *map(str, arguments)])


@pytest.fixture
def small(tmp_path):
    """Labels of six rows that a test may damage."""
    return make_labelled_set(tmp_path / "set", rows=6)


@pytest.fixture
def drawn(monkeypatch):
    """The rows of the sheets, as they are drawn."""
    rows = []

    def draw(drawn_rows, *sizes, columns=1):
        rows.extend(drawn_rows)
        return np.zeros((2, 2, 3), np.uint8)

    monkeypatch.setattr(sheet, "draw", draw)
    return rows


def write_faults(path, *rows, detail="why"):
    bad = [{"row": row, "fault": fault, "detail": detail} for row, fault in rows]
    path.write_text(json.dumps({"rows": 6, "bad": bad}))
    return path


@pytest.mark.parametrize(
    ("count", "expected"),
    [(1, [0]), (2, [0, 9]), (3, [0, 4, 9]), (4, [0, 3, 6, 9]), (10, [*range(10)])],
)
def test_spread_by_hand(count, expected):
    assert sheets.spread(range(10), count) == expected


@given(st.integers(1, 50), st.integers(1, 60))
def test_spread(length, count):
    chosen = sheets.spread(range(length), count)
    assert len(chosen) == min(length, count)
    steps = np.diff(chosen)
    assert not len(steps) or (steps.min() > 0 and np.ptp(steps) <= 1)


def test_a_row_is_drawn_as_it_is(labels_file, drawn):
    sheets.spread_sheet(labels_file, Folder(labels_file.parent), 3)
    assert [row.lines for row in drawn] == [["line 1"], ["line 20"], ["line 40"]]
    row, folder = labels.read(labels_file)[19], labels_file.parent
    bg, fg_bg, mask, depth = drawn[1].cells
    assert np.array_equal(bg, preprocessing.read_rgb(folder / row.bg))
    assert np.array_equal(fg_bg, preprocessing.read_rgb(folder / row.fg_bg))
    assert np.array_equal(mask, preprocessing.read_mask(folder / row.mask)[..., 0])
    expected = sheet.depth_to_color(
        preprocessing.read_depth(folder / row.depth)[..., 0]
    )
    assert np.array_equal(depth, expected)


def test_lines_are_those_of_the_file(small, drawn):
    lines = small.read_text().splitlines()
    small.write_text("\n\n".join(lines))
    sheets.spread_sheet(small, Folder(small.parent), 12)
    assert [row.lines[0] for row in drawn] == [f"line {n}" for n in (1, 3, 5, 7, 9, 11)]


def test_sheet_and_row_are_written(labels_file, tmp_path, capsys):
    path = tmp_path / "a.png"
    assert run("--labels", labels_file, "--output", path, "--rows", 4) == 0
    assert capsys.readouterr().out == f"wrote {path}\n"
    expected = (54 + 2 * (168 + 19) + 16 + 24, 2 * 690 + 36 + 48, 3)
    assert preprocessing.read_rgb(path).shape == expected
    assert run("--labels", labels_file, "--output", path, "--row", 2) == 0
    # Four panels of 480 pixels, six lines of text.
    expected = (54 + 480 + 6 * 19 + 24, 4 * 486 - 6 + 48, 3)
    assert preprocessing.read_rgb(path).shape == expected


def test_a_set_in_a_zip_is_drawn_the_same(labels_file, tmp_path):
    archive = shutil.make_archive(tmp_path / "set", "zip", labels_file.parent)
    folder, packed = tmp_path / "folder.png", tmp_path / "zip.png"
    flags = ("--rows", 2, "--output")
    assert run("--labels", labels_file, *flags, folder) == 0
    assert run("--labels", "labels.txt", "--root", archive, *flags, packed) == 0
    assert folder.read_bytes() == packed.read_bytes()


def test_a_row_says_what_it_is_made_of(small, drawn):
    (small.parent / "mask/1.png").unlink()
    sheets.row_sheet(small, Folder(small.parent), 2)
    assert [cell is None for cell in drawn[0].cells] == [False, False, True, False]
    lines = drawn[0].lines
    assert lines[0] == f"line 2 of {small}"
    assert lines[1:3] == [
        "background: bg/1.png, 16 x 16",
        "picture: fg_bg/1.png, 16 x 16",
    ]
    assert lines[3].startswith("mask: ")
    assert "mask/1.png: No such file" in lines[3]
    assert lines[4:] == ["depth: depth/1.png, 16 x 16", "cut-out: fg/0.png"]
    row = labels.read(small)[0]
    unknown = small.with_name("unknown.txt")
    labels.write(unknown, [row._replace(fg=row.bg)])
    sheets.row_sheet(unknown, Folder(small.parent), 1)
    assert drawn[1].lines[-1] == "cut-out: not known"


def test_a_row_is_as_large_as_its_pictures(tmp_path):
    path = make_labelled_set(tmp_path / "set", rows=1, side=512)
    canvas = sheets.row_sheet(path, Folder(path.parent), 1)
    assert canvas.shape[1] == 4 * 518 - 6 + 48
    assert np.array_equal(
        canvas[54 + 1 : 54 + 511, 24 + 1 : 24 + 511],
        preprocessing.read_rgb(tmp_path / "set/bg/0.png")[1:-1, 1:-1],
    )


def test_faults_are_captions(small, tmp_path, drawn):
    lines = small.read_text().splitlines()
    lines[3] = "no row"
    small.write_text("\n".join(lines))
    (small.parent / "depth/1.png").write_bytes(b"no picture")
    faults = write_faults(
        tmp_path / "a.json", (4, "bad_line"), (2, "unreadable"), (2, "empty_mask")
    )
    sheets.fault_sheet(small, Folder(small.parent), faults, 12)
    assert [row.lines for row in drawn] == [
        ["line 2", "unreadable: why", "empty_mask: why"],
        ["line 4", "bad_line: why"],
    ]
    assert [cell is None for cell in drawn[0].cells] == [False, False, False, True]
    assert drawn[1].cells == [None] * 4


def test_it_reads_what_verify_writes(small, tmp_path, drawn):
    encoding.write_image(small.parent / "mask/4.png", np.zeros((16, 16), "uint8"))
    faults, output = tmp_path / "faults.json", tmp_path / "a.png"
    verify = ["verify", "--labels", small, "--json", faults, "--workers", "1"]
    assert cli.run(dataset.main, list(map(str, verify))) == 3
    assert run("--labels", small, "--worst", faults, "--output", output) == 0
    assert [row.lines[0] for row in drawn] == ["line 5"]
    assert drawn[0].lines[1].startswith("empty_mask: ")


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"bad": 3}', '{"bad": [{"row": 1}]}', '{"bad": [{"row": {}}]}']
    + ['{"bad": [{"row": Infinity, "fault": "a", "detail": "b"}]}', '{"bad": "x"}']
    + ["[" * 100_000],
)
def test_other_files_are_no_faults(tmp_path, text):
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(
        errors.DataError, match=r"a\.json: must be what `verify --json`"
    ):
        sheets.read_faults(path)


def test_errors_of_faults(small, tmp_path):
    source = Folder(small.parent)
    with pytest.raises(errors.DataError, match=r"no\.json: No such file"):
        sheets.read_faults(tmp_path / "no.json")
    with pytest.raises(errors.DataError, match="expected a bad row to show, received"):
        sheets.read_faults(write_faults(tmp_path / "a.json"))
    faults = write_faults(tmp_path / "a.json", (7, "missing"))
    with pytest.raises(errors.DataError, match="a row in line 7, received 6 rows and"):
        sheets.fault_sheet(small, source, faults, 12)


def test_errors_of_rows(small):
    source = Folder(small.parent)
    with pytest.raises(errors.DataError, match="a row in line 0, received 6 rows and"):
        sheets.row_sheet(small, source, 0)
    (small.parent / "depth/5.png").write_bytes(b"no picture")
    with pytest.raises(errors.DataError, match=r"labels\.txt:6: .*depth/5\.png"):
        sheets.spread_sheet(small, source, 2)
    with small.open("a") as file:
        file.write("no row\n")
    with pytest.raises(errors.DataError, match=r"labels\.txt:7: expected 5 tab"):
        sheets.row_sheet(small, source, 7)
    with pytest.raises(errors.DataError, match=r"labels\.txt:7: expected 5 tab"):
        sheets.spread_sheet(small, source, 12)
    small.write_text("\n")
    with pytest.raises(errors.DataError, match="expected at least one row, received"):
        sheets.spread_sheet(small, source, 12)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--output", "a.jpg"], "--output must end in .png. Received: a.jpg"),
        (["--output", "no/a.png"], "the folder of --output must be there"),
        (["--rows", 0], "--rows must be 1 to 500. Received: 0"),
        (["--rows", 501], "--rows must be 1 to 500. Received: 501"),
        (["--rows", 5, "--row", 1], "--rows must be left out where --row is given"),
    ],
)
def test_errors_of_flags(
    labels_file, tmp_path, monkeypatch, capsys, arguments, message
):
    monkeypatch.chdir(tmp_path)
    assert run("--labels", labels_file, "--output", "a.png", *arguments) == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
