"""Labels of pictures that a table names."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskdepth_tf.dataset.index import index
from maskdepth_tf.input.labels import Row
from tests.support.layouts import put, refused, rows_of


@pytest.fixture
def filed(tmp_path):
    """Pictures of two rows, and no table yet."""
    put(tmp_path, "r.jpg", "f.png", "x/1.jpg", "x/2.jpg", "m/1.png", "m/2.png")
    put(tmp_path, "d/1.png", "d/2.png")
    return tmp_path


FIRST = Row("r.jpg", "f.png", "x/1.jpg", "m/1.png", "d/1.png")
SECOND = Row("r.jpg", "f.png", "x/2.jpg", "m/2.png", "d/2.png")


@pytest.mark.parametrize("name", ["metadata.csv", "any.CSV"])
def test_columns_in_any_order(filed, name):
    (filed / name).write_bytes(
        b"\xef\xbb\xbfdepth, note,mask,BG,Fg-Bg,foreground\r\n"
        b'd/2.png,,m/2.png,r.jpg,"x/2.jpg",f.png\r\n\r\n'
        b'd/1.png,"a,\nb",m/1.png, r.jpg,x/1.jpg,f.png'
    )
    layout, rows = index(filed)
    assert rows == [SECOND, FIRST]
    assert layout.source.name == name


def test_image_folder(filed):
    lines = [
        {
            "file_name": row.fg_bg,
            "bg_file_name": "./r.jpg",
            "fg_file_name": row.fg,
            "mask_file_name": row.mask.replace("/", "\\"),
            "depth_file_name": f"m//../{row.depth}",
            "text": 1,
        }
        for row in (FIRST, SECOND)
    ]
    text = "\n".join(map(json.dumps, lines)) + "\n\n"
    (filed / "metadata.jsonl").write_text(text)
    assert rows_of(filed) == [FIRST, SECOND]


def test_comes_before_folders_and_other_tables(filed):
    put(filed, "bg/1.jpg", "fg_bg/1.jpg", "mask/1.jpg", "empty.csv")
    (filed / "depth_range.csv").write_text("depth,near_m,far_m\n")
    (filed / "metadata.jsonl").write_text('{"file_name": "x/1.jpg", "text": ""}')
    assert [row.bg for row in rows_of(filed)] == ["bg/1.jpg"]
    (filed / "z.csv").write_text("bg,fg_bg,mask\nr.jpg,x/1.jpg,m/1.png\n")
    assert rows_of(filed) == [
        Row("r.jpg", "r.jpg", "x/1.jpg", "m/1.png", "depth/x/1.jpg")
    ]


@pytest.mark.parametrize("line", ["", "[", "[" * 60000, '["bg", {}]', "7"])
def test_other_json_is_no_table(filed, line):
    (filed / "metadata.jsonl").write_text(line)
    refused(filed, "expected folders bg, fg_bg and mask, or a CSV")


def test_two_tables(filed):
    for name in ("a.csv", "b.csv"):
        (filed / name).write_text("bg,fg_bg\n")
    refused(filed, "expected one table of rows, received a.csv, b.csv")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("bg,fg_bg\n", "a.csv: expected a mask for each fg_bg, grey"),
        ("bg,fg_bg,mask\n", "a.csv: expected at least one row, received none"),
        (
            "bg,fg_bg,file_name\n",
            "a.csv: expected one fg_bg, received fg_bg and fi",
        ),
        ("HEAD\nr.jpg,x/1.jpg", "a.csv:2: expected a path in mask, received None"),
        ("HEAD\nr.jpg,,m/1.png", "a.csv:2: expected a path in fg_bg, received ''"),
        (
            "HEAD\nr.jpg,x,1,y",
            "a.csv:2: expected a field for each column, received",
        ),
        ('HEAD\n"r.jpg"x,x', "a.csv: after line 0: ',' expected after '\"'"),
        (
            "HEAD\nr.jpg,/x/1.jpg,m/1.png",
            "a.csv:2: expected a path relative to the",
        ),
        (
            "HEAD\n../r.jpg,x/1.jpg,m/1.png",
            "a.csv:2: expected a path without empty",
        ),
        (
            "HEAD\n..\\r.jpg,x/1.jpg,m/1.png",
            "'.' or '..' parts or a scheme, receiv",
        ),
        (
            'HEAD\nr.jpg,"x/\t1.jpg",m/1.png',
            "a path without control characters, re",
        ),
        (
            'HEAD\nr.jpg,"x/\n1.jpg",m/1.png',
            "a.csv:3: expected a path without cont",
        ),
        (
            "HEAD\nr.jpg,x/1.jpg,m/1.png\nr.jpg,x/3.jpg,m/9.png\n",
            "a.csv:3: expected fg_bg to be a file that no link leads out to, "
            "received 'x/3.jpg'",
        ),
        (
            "HEAD\nr.jpg,x/1.jpg,m/1.png\n\nr.jpg,x/1.jpg,m/1.png\n",
            "a.csv:4: expected every row once, received again line 2's",
        ),
        (
            "HEAD\nr.jpg,x/1.jpg,m/1.png\nr.jpg,x/1.png,m/1.png\n",
            "a.csv:3: expected a depth for each fg_bg, received depth/x/1.jpg for "
            "x/1.jpg and x/1.png",
        ),
    ],
)
def test_faults(filed, text, message):
    put(filed, "x/1.png")
    text = text.replace("HEAD", "bg,fg_bg,mask")
    (filed / "a.csv").write_bytes(text.encode())
    refused(filed, message)


def test_not_utf_8(filed):
    (filed / "a.csv").write_bytes(b"bg,fg_bg,mask\nr\xff.jpg,x/1.jpg,m/1.png\n")
    refused(filed, "a.csv: after line 0: 'utf-8' codec can't decode byte 0xff")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("[]", "metadata.jsonl:2: expected a JSON object, received []"),
        ('{"bg": 1}', "metadata.jsonl:2: expected a path in bg, received 1"),
        ("{", "metadata.jsonl: after line 2: Expecting property name"),
    ],
)
def test_json_lines_at_fault(filed, line, message):
    first = '{"bg": "r.jpg", "fg_bg": "x/1.jpg", "mask": "m/1.png"}'
    (filed / "metadata.jsonl").write_text(f"{first}\n{line}\n")
    refused(filed, message)


def test_many_faults_are_counted(filed):
    rows = "".join(f"r.jpg,x/{n}.png,m/1.png\n" for n in range(30))
    (filed / "a.csv").write_text(f"bg,fg_bg,mask\n{rows}")
    refused(filed, "... and 10 more")


@settings(deadline=None, max_examples=60)
@given(
    order=st.permutations(["bg", "fg", "fg_bg", "mask", "depth"]),
    picks=st.lists(st.sampled_from([FIRST, SECOND]), unique=True, min_size=1),
    is_hugging_face=st.booleans(),
    is_csv=st.booleans(),
)
def test_any_table(tmp_path_factory, order, picks, is_hugging_face, is_csv):
    root = tmp_path_factory.mktemp("table")
    for row in picks:
        put(root, *row)
    suffix = "_file_name" if is_hugging_face else ""
    records = [{f"{c}{suffix}": getattr(row, c) for c in order} for row in picks]
    if is_csv:
        lines = [",".join(records[0]), *(",".join(r.values()) for r in records)]
        (root / "metadata.csv").write_text("\n".join(lines))
    else:
        text = "\n".join(map(json.dumps, records))
        (root / "metadata.jsonl").write_text(text)
    assert rows_of(root) == picks
