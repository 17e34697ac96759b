import os
import random
import re
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from maskdepth_tf.errors import DataError
from maskdepth_tf.input import labels
from maskdepth_tf.input.labels import Row
from tests.support import audit

LINE = b"bg/1.jpg\tfg/1.png\tc/1.jpg\tmask/1.jpg\tdepth/1.jpg"
ROW = Row("bg/1.jpg", "fg/1.png", "c/1.jpg", "mask/1.jpg", "depth/1.jpg")
OTHER = Row("bg/2.jpg", "fg/1.png", "c/2.jpg", "mask/2.jpg", "depth/2.jpg")
OTHER_LINE = b"bg/2.jpg\tfg/1.png\tc/2.jpg\tmask/2.jpg\tdepth/2.jpg"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "labels.txt"


class TestRead:
    @pytest.mark.parametrize(
        "data",
        [
            LINE + b"\n" + OTHER_LINE + b"\n",
            LINE + b"\n" + OTHER_LINE,
            LINE + b"\r\n" + OTHER_LINE + b"\r\n",
            b"\xef\xbb\xbf" + LINE + b"\r\n" + OTHER_LINE,
            b"\n\r\n" + LINE + b"\n  \n\t\n" + OTHER_LINE + b"\n\n",
        ],
        ids=["plain", "no_final_newline", "crlf", "bom", "blank_lines"],
    )
    def test_what_editors_do_to_a_file_is_accepted(self, path, data):
        path.write_bytes(data)
        assert labels.read(path) == [ROW, OTHER]
        assert labels.read(str(path)) == [ROW, OTHER]

    @pytest.mark.parametrize(
        ("line", "fault"),
        [
            (b"a.jpg\tb.jpg\tc.jpg\td.jpg", "5 tab-separated fields, received 4"),
            (LINE + b"\tmore.jpg", "5 tab-separated fields, received 6"),
            (LINE + b"\t", "5 tab-separated fields, received 6"),
            (LINE + b"\t\t", "5 tab-separated fields, received 7"),
            (LINE.replace(b"\t", b" "), "5 tab-separated fields, received 1"),
            (LINE.replace(b"\t", b",", 1), "5 tab-separated fields, received 4"),
            (LINE.replace(b"1", b"\0"), "without control characters, received 'bg"),
            (LINE.replace(b"1", b"\r"), "without control characters, received 'bg"),
            (LINE.replace(b"fg/1", b" fg/1"), "without spaces at its ends"),
            (LINE.replace(b"fg/1.png", b""), "without empty, '.' or '..' parts"),
            (LINE.replace(b"1", b"\xff", 1), "UTF-8, received byte 0xff"),
            (b"bg\tfg\tfg_bg\tmask\tdepth", r"suffix .* \(and no header row\), rec"),
            (b"x" * 10_000_000, "at most 65536 bytes, received a longer line"),
            (LINE, "every row once, received again the row of line 1"),
            (LINE + b"\r", "every row once, received again the row of line 1"),
        ],
    )
    def test_a_faulty_line_is_named(self, path, line, fault):
        path.write_bytes(LINE + b"\n\n" + line + b"\n" + OTHER_LINE)
        with pytest.raises(DataError, match=f"labels.txt:3: expected .*{fault}") as e:
            labels.read(path)
        assert "\n" not in str(e.value)
        assert len(str(e.value)) < 400

    @pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
    def test_other_encodings_are_refused(self, path, encoding):
        path.write_bytes((LINE + b"\n").decode().encode(encoding))
        with pytest.raises(DataError, match="labels.txt:1: expected"):
            labels.read(path)

    def test_utf_16_is_named(self, path):
        path.write_bytes(LINE.decode().encode("utf-16"))
        with pytest.raises(DataError, match="expected UTF-8, received UTF-16"):
            labels.read(path)

    def test_other_letters_are_accepted(self, path):
        row = Row("räume/1.jpg", "fg/人.png", "a b (2).jpg", "x~/m.jpg", "d.e.jpg")
        labels.write(path, [row])
        assert labels.read(path) == [row]

    @pytest.mark.parametrize(
        "name",
        [
            "/etc/passwd.jpg",
            "//host/share.jpg",
            "../secret.jpg",
            "bg/../../secret.jpg",
            "bg/..",
            "..",
            "./bg.jpg",
            "bg/./1.jpg",
            "bg//1.jpg",
            "bg/",
            "~/1.jpg",
            "~root/1.jpg",
            "$HOME/1.jpg",
            "bg/${HOME}.jpg",
            "C:/windows/1.jpg",
            "c:1.jpg",
            "C:\\windows\\1.jpg",
            "bg\\1.jpg",
            "\\\\host\\1.jpg",
            "..\\1.jpg",
            "gs://bucket/1.jpg",
            "s3://bucket/1.jpg",
            "http://host/1.jpg",
            "file:///etc/1.jpg",
            "data:image/png;base64,//8=.jpg",
            "bg/1.jpg\0",
            "bg/\x01.jpg",
            "bg/\x7f.jpg",
            "\ufeffbg/1.jpg",
            "bg/1.jpg ",
            "\u2003bg/1.jpg",
            ".jpg",
            "bg/1",
        ],
    )
    @pytest.mark.parametrize("column", range(5))
    def test_unsafe_paths_are_refused(self, path, name, column):
        row = ROW._replace(**{Row._fields[column]: name})
        text = "\n" + "\t".join(OTHER) + "\n" + "\t".join(row) + "\n"
        path.write_bytes(text.encode())
        with audit.opened() as opened:
            with pytest.raises(DataError, match="labels.txt:3: expected .*, received"):
                labels.read(path)
        assert set(opened) == {str(path)}
        with pytest.raises(DataError, match="new.txt:2: expected .*, received"):
            labels.write(path.with_name("new.txt"), [OTHER, row])
        assert os.listdir(path.parent) == ["labels.txt"]

    def test_all_faults_are_in_one_report(self, path):
        path.write_bytes(b"one\n" + LINE + b"\n" + b"two\tthree\n" * 2 + LINE)
        with pytest.raises(DataError, match="labels.txt:1: ") as caught:
            labels.read(path)
        lines = str(caught.value).splitlines()
        assert [line.split(":")[1] for line in lines] == ["1", "3", "4", "5"]

    def test_a_long_report_is_cut(self, path):
        for count in (21, 70):
            path.write_bytes(b"x\n" * count)
            with pytest.raises(DataError, match="labels.txt:1: ") as caught:
                labels.read(path)
            lines = str(caught.value).splitlines()
            assert len(lines) == 20 + 1
            assert lines[-1] == f"... and {count - 20} more"
        path.write_bytes(b"x\n" * 20)
        with pytest.raises(DataError, match="labels.txt:20: expected 5 .*received 1$"):
            labels.read(path)

    @pytest.mark.parametrize("data", [b"", b"\n", b"\xef\xbb\xbf", b" \r\n\t\n"])
    def test_a_file_without_rows_is_refused(self, path, data):
        path.write_bytes(data)
        with pytest.raises(DataError, match=r"labels\.txt: expected at least one row"):
            labels.read(path)

    def test_what_is_no_file_is_refused(self, path):
        with pytest.raises(DataError, match=r"labels\.txt: No such file or directory"):
            labels.read(path)
        with pytest.raises(DataError, match="expected a file, received a folder"):
            labels.read(path.parent)
        os.mkfifo(path)
        with pytest.raises(DataError, match="expected a file, received a folder"):
            labels.read(path)

    @pytest.mark.parametrize("extra", [-1, 0, 1, 2, 70000])
    def test_lines_up_to_the_limit_are_accepted(self, path, extra):
        name = "n" * (labels.MAX_LINE_BYTES - len(LINE) - 1 + extra)
        path.write_bytes(LINE.replace(b"bg/", b"bg/" + name.encode()) + b"\n")
        if extra > 0:
            with pytest.raises(DataError, match="labels.txt:1: expected at most 65536"):
                labels.read(path)
        else:
            assert len(labels.read(path)) == 1

    def test_100_000_rows_are_read_at_once(self, path):
        rows = [
            Row(
                f"Background/bg{i % 100}.jpg",
                f"Foreground/fg{i % 100}.png",
                f"data_1/Fg-Bg/fg-bg{i}.jpg",
                f"data_1/Fg-Bg-Mask/fg-bg-mask{i}.jpg",
                f"data_1/Depth/depth{i}.jpg",
            )
            for i in range(100_000)
        ]
        labels.write(path, rows)
        started = time.process_time()
        assert labels.read(path) == rows
        assert time.process_time() - started < 20

    @given(
        st.lists(
            st.one_of(
                st.binary(max_size=40),
                st.sampled_from([LINE, OTHER_LINE, b"\xef\xbb\xbf", b"\r", b"\n\n"]),
                st.lists(
                    st.sampled_from([b"a.jpg", b"..", b"/x.png", b"b/c.d", b"", b" "]),
                    min_size=4,
                    max_size=6,
                ).map(b"\t".join),
            ),
            max_size=6,
        ),
    )
    @settings(max_examples=1000, deadline=None)
    def test_any_bytes_give_safe_rows_or_a_located_error(self, tmp_path_factory, parts):
        path = tmp_path_factory.getbasetemp() / "any.txt"
        path.write_bytes(b"\n".join(parts))
        try:
            rows = labels.read(path)
        except DataError:
            with pytest.raises(DataError, match=r"any\.txt(:\d+)?: expected"):
                labels.read(path)
            return
        for row in rows:
            for name in row:
                full = os.path.normpath(os.path.join("/root", name))
                assert full == f"/root/{name}"


TOKENS = [
    b"\t",
    b"\n",
    b"\r\n",
    b"\0",
    b"..",
    b"/",
    b"\\",
    b"\xff",
    b"\xef\xbb\xbf",
    b" ",
]


def test_10_000_damaged_files_give_safe_rows_or_a_located_error():
    rng = random.Random(0)
    whole = b"\n".join([LINE, OTHER_LINE, b"", LINE.replace(b"1", b"3"), b""])
    refused = 0
    for _ in range(10_000):
        data = bytearray(whole)
        for _ in range(rng.randrange(1, 4)):
            start = rng.randrange(len(data) + 1)
            new = rng.choice([*TOKENS, b"", rng.randbytes(rng.randrange(1, 9))])
            data[start : start + rng.choice([0, 1, 1, 40])] = new
        try:
            rows = labels.read("any.txt", data=bytes(data))
        except DataError as error:
            for line in str(error).splitlines():
                assert re.match(r"any\.txt(:\d+)?: expected ", line), line
            refused += 1
            continue
        for name in (name for row in rows for name in row):
            assert os.path.normpath(f"/root/{name}") == f"/root/{name}"
    assert 1000 < refused < 9900


PART = st.text(
    st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="/\\$\ufeff"),
    min_size=1,
    max_size=8,
).filter(lambda part: part.strip(". ") == part == part.strip())
NAME = st.lists(PART, min_size=1, max_size=3).map(
    lambda parts: "/".join(["d", *parts]) + ".jpg"
)
ROWS = st.lists(st.builds(Row, NAME, NAME, NAME, NAME, NAME), min_size=1, unique=True)


class TestWrite:
    @given(rows=ROWS)
    @example(rows=[ROW, OTHER])
    @settings(max_examples=300, deadline=None)
    def test_read_gives_the_rows_back(self, tmp_path_factory, rows):
        path = tmp_path_factory.getbasetemp() / "written.txt"
        labels.write(path, rows)
        assert labels.read(path) == rows

    @given(rows=st.lists(st.builds(Row, *[st.text(max_size=9)] * 5), max_size=3))
    @settings(max_examples=300, deadline=None)
    def test_whatever_is_written_can_be_read(self, tmp_path_factory, rows):
        path = tmp_path_factory.getbasetemp() / "whatever.txt"
        try:
            labels.write(path, rows)
        except DataError:
            return
        assert not rows or labels.read(path) == rows

    def test_the_bytes_are_the_format(self, path):
        labels.write(path, iter([ROW, OTHER]))
        assert path.read_bytes() == LINE + b"\n" + OTHER_LINE + b"\n"

    def test_rows_are_written_once(self, path):
        with pytest.raises(
            DataError, match="labels.txt:3: expected every row once, re"
        ):
            labels.write(path, [ROW, OTHER, ROW])

    def test_blank_rows_are_refused(self, path):
        with pytest.raises(DataError, match="labels.txt:1: expected .*received"):
            labels.write(path, [Row("", "", "", "", "")])

    def test_a_refusal_keeps_the_old_file(self, path):
        labels.write(path, [ROW])
        with pytest.raises(DataError, match="labels.txt:2: "):
            labels.write(path, [OTHER, ROW._replace(bg="/x.jpg")])
        assert labels.read(path) == [ROW]
        assert os.listdir(path.parent) == ["labels.txt"]


@pytest.mark.parametrize(
    ("bg", "room"),
    [
        ("Background/bg1@3.jpg", "Background/bg1.jpg"),
        ("bg1@12.tar.jpg", "bg1@12.tar.jpg"),
        ("a@1/bg1.jpg", "a@1/bg1.jpg"),
        ("me@home.jpg", "me@home.jpg"),
        ("bg@1@2.png", "bg@1.png"),
    ],
)
def test_room_of_a_view(bg, room):
    assert labels.room_of(bg) == room
