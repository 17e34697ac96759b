"""Hostile, damaged and large archives."""

import io
import os
import struct
import subprocess
import sys
import unicodedata
import zipfile
import zlib

import pytest

from maskdepth_tf.errors import DataError
from maskdepth_tf.images.zips import Zip
from tests.support import open_files
from tests.support import pictures as samples
from tests.support.zip_files import make

TEXT = b"some text, some text"
GOOD = ("good.txt", TEXT)
MIB = 2**20


@pytest.fixture
def path(tmp_path):
    """Where the archive of a test is."""
    return tmp_path / "x.zip"


def refused(path, match):
    before = samples.digests(path.parent)
    with pytest.raises(DataError, match=match) as caught:
        Zip(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert len(str(caught.value).splitlines()) == 1
    assert samples.digests(path.parent) == before


BAD_NAMES = (
    *("../a.jpg", "a/../b.jpg", "a/..", "./a.jpg", "a//b.jpg", "", "/a.jpg"),
    *("//host/a.jpg", "/", "C:/a.jpg", "c:a.jpg", "..\\a.jpg", "a\\b.jpg"),
    *("\\\\host\\a.jpg", "a\0.jpg", "a.jpg\n", "a\x85.jpg", "a/" * 600 + "b.jpg"),
    *("a" * 256, "é" * 128, "a\u2028.jpg"),
)
KINDS = {"fifo": 1, "character": 2, "folder": 4, "block": 6, "link": 10, "socket": 12}
TWINS = {
    "same": ("a.jpg", "a.jpg"),
    "case": ("a.jpg", "A.jpg"),
    "folders": ("a/B/", "A/b/"),
    "accents": ("é.jpg", "É.jpg"),
    "normal forms": tuple(unicodedata.normalize(f, "é.jpg") for f in ("NFC", "NFD")),
}
LIES = {
    "encrypted": ({"flag_bits": 1}, "bytes that are not encrypted"),
    "strongly": ({"flag_bits": 65}, "bytes that are not encrypted"),
    "hidden": ({"flag_bits": 1 << 13}, "bytes that are not encrypted"),
    "bzip2": ({"compress_type": 12}, "stored or deflated bytes, received method 12"),
    "aes": ({"compress_type": 99}, "stored or deflated bytes, received method 99"),
    "stored less": ({"compress_type": 0}, "as 20 can become, received "),
    "packed more": ({"file_size": 3, "compress_size": 2000}, "as 3 can .* 2000"),
    "text": ({"file_size": 129 * MIB}, "most 134217728 bytes, received 135266304"),
    "huge": ({"file_size": 2**64 - 1}, "most 134217728 .* 18446744073709551615"),
    "ratio": ({"file_size": MIB + 1}, "most 200 times its packed bytes, .* 1048577"),
    "offset": ({"header_offset": 70}, "bytes of its own, received also those after"),
    "far": ({"header_offset": 2**64 - 1}, "bytes of its own"),
    "twice": ({"header_offset": 0}, "bytes of its own, received also those after"),
}


class TestRefusedUnread:
    @pytest.mark.parametrize("name", BAD_NAMES, ids=lambda name: ascii(name)[:20])
    def test_names(self, path, name):
        make(path, GOOD, ("a.jpg", TEXT, {"filename": name}))
        refused(path, "expected a relative name with forward slashes, no control")

    @pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
    def test_kinds(self, path, kind):
        make(path, GOOD, ("a.jpg", TEXT, {"external_attr": kind << 28 | 0o777 << 16}))
        refused(path, "a.jpg: expected a file or a folder, received a link or a d")

    @pytest.mark.filterwarnings("ignore:Duplicate name")
    @pytest.mark.parametrize("names", TWINS.values(), ids=TWINS)
    def test_twins(self, path, names):
        make(path, (names[0], b""), GOOD, (names[1], b""))
        refused(path, f"{names[1]}: .* in more than case, received also '")

    @pytest.mark.parametrize(("stated", "match"), LIES.values(), ids=LIES)
    def test_what_the_directory_states(self, path, stated, match):
        refused(
            make(path, GOOD, ("a.txt", TEXT, stated)), rf"\.txt: expected .*{match}"
        )

    def test_one_part_of_several(self, path):
        data = bytearray(make(path, GOOD).read_bytes())
        data[data.index(b"PK\1\2") + 34] = 1  # the number of the part
        path.write_bytes(data)
        refused(path, "good.txt: expected an archive of one part, received one of")

    def test_a_large_picture(self, path):
        make(path, ("a.jpg", TEXT, {"file_size": 33 * MIB}))
        refused(path, "a.jpg: expected at most 33554432 bytes, received 34603008")

    def test_what_is_no_archive_alone(self, path):
        data = make(path, GOOD, ("a.txt", TEXT)).read_bytes()
        parts = [data[:size] for size in range(len(data))]
        directory, last = data[:-22], data[-22:]
        one_entry_less = last[:12] + struct.pack("<L", 99) + last[16:]
        for wrong in (
            *parts,
            data + b"\n",
            directory + b"gap" + last,
            directory + one_entry_less,
            data.replace(b"PK\1\2", b"PK\1\3", 1),
            b"a\tb\tc\n" * 99,
        ):
            path.write_bytes(wrong)
            refused(path, "x.zip: expected a zip archive, received other or damaged")
        path.write_bytes(b"#!" + data)
        refused(path, "good.txt: expected its bytes at the start")
        refused(make(path), "x.zip: expected a zip archive")

    def test_what_is_no_file(self, tmp_path):
        refused(tmp_path / "no.zip", "No such file")
        (tmp_path / "folder.zip").mkdir()
        refused(tmp_path / "folder.zip", "expected a file, received a folder")
        os.mkfifo(tmp_path / "pipe.zip")
        with pytest.raises(DataError, match=r"pipe.zip: expected a file, received"):
            Zip(tmp_path / "pipe.zip")


DEFLATED = zlib.compress(TEXT)[2:-4]
FOUND_WHEN_READ = {
    "longer": (TEXT, {"file_size": 19}),
    "shorter": (TEXT, {"file_size": 21}),
    "sum": (TEXT, {"CRC": 1}),
    "sum of nothing": (b"", {"CRC": 1}),
    "no deflate": (b"\7" * 20, {"compress_type": 8}),
    "half": (DEFLATED[:9], {"compress_type": 8, "file_size": 20}),
    "name": (TEXT, {"filename": "b.txt"}),
}


class TestRead:
    @pytest.mark.parametrize(
        ("data", "stated"), FOUND_WHEN_READ.values(), ids=FOUND_WHEN_READ
    )
    def test_lies_are_found(self, path, data, stated):
        method = zipfile.ZIP_STORED if "compress_type" in stated else None
        make(path, ("a.txt", data, stated), method=method)
        name = stated.get("filename", "a.txt")
        opened = Zip(path)
        with pytest.raises(DataError, match=rf"x\.zip: {name}: expected the bytes"):
            opened.read(opened.find(name))

    def test_what_tools_write_is_read(self, path):
        stream = io.BytesIO()
        stream.seekable = lambda: False  # sizes then follow the bytes
        for target in (io.BytesIO(), stream):
            with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
                archive.comment = b"a comment"
                archive.mkdir("b")
                archive.writestr("b/é ü.txt", TEXT)
                archive.writestr("empty.txt", b"")
                with archive.open("c.txt", "w", force_zip64=True) as file:
                    file.write(TEXT * 9999)
            opened = Zip(samples.write(path, target.getvalue()))
            for name, data in {
                "b/é ü.txt": TEXT,
                "empty.txt": b"",
                "c.txt": TEXT * 9999,
            }.items():
                assert opened.read(opened.find(name)) == data
            assert [opened.find(n) for n in ("b", "b/", "B/é ü.txt")] == [None] * 3

    def test_a_stream_may_be_read_in_any_order(self, path):
        archive = Zip(make(path, ("a.txt", TEXT * 999)))
        with archive.open(archive.find("a.txt")) as stream:
            assert stream.seek(-4, io.SEEK_END) == 20 * 999 - 4
            assert stream.read() == TEXT[-4:]
            assert stream.seek(20) == 20
            assert stream.read(10) == TEXT[:10]
            assert stream.seek(5, io.SEEK_CUR) == 35
            assert stream.read(5) == TEXT[15:]

    def test_names_of_old_tools(self, path):
        data = make(path, ("1.txt", TEXT), ("22e.txt", TEXT)).read_bytes()
        data = data.replace(b"1.txt", b"\x82.txt").replace(b"22e.", b"\xc3\xa9e.")
        opened = Zip(samples.write(path, data))
        for name in ("é.txt", "ée.txt"):
            assert opened.read(opened.find(name)) == TEXT

    def test_a_failing_disk_is_named(self, path, monkeypatch):
        archive = Zip(make(path, GOOD))

        def fail(*arguments):
            raise OSError(5, "Input/output error")

        monkeypatch.setattr(zipfile.ZipExtFile, "read", fail)
        with pytest.raises(DataError, match=r"good\.txt: Input/output error$"):
            archive.read(archive.find("good.txt"))

    def test_cut_while_open(self, path):
        archive = Zip(make(path, GOOD, ("b.txt", TEXT)))
        os.truncate(path, 70)
        with pytest.raises(DataError, match=r"b\.txt: expected the bytes that"):
            archive.read(archive.find("b.txt"))

    def test_the_file_is_closed(self, path):
        make(path, GOOD)
        with path.open("rb"):
            assert open_files.below(path.parent) == [str(path)]
        archive = Zip(path)
        assert archive.find("good.txt") is not None
        del archive
        assert open_files.below(path.parent) == []


def bomb_lying(path):
    """Says that it is small, and grows until it is stopped."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = packer.compress(bytes(MIB)) + packer.flush(zlib.Z_FULL_FLUSH)
    # So that a reader of pictures takes it for one that is read as a whole.
    head = b"RIFF\xf8\xff\x0f\0WEBPVP8L"
    start = packer.compress(head) + packer.flush(zlib.Z_FULL_FLUSH)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.png", start + block * 400 + b"\3\0")
        archive.filelist[0].compress_type = zipfile.ZIP_DEFLATED
        archive.filelist[0].file_size = MIB


def bomb_nested(path):
    inner = path.with_suffix(".inner")
    make(inner, *((f"{i}.png", bytes(MIB)) for i in range(9)))
    make(inner, *((f"{i}.zip", inner.read_bytes()) for i in range(9)))
    make(path, ("a.png", inner.read_bytes()))
    inner.unlink()


def bomb_overlapping(path):
    """Members that share one body: each holds the headers of those after it."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for i in range(9):
            archive.writestr(f"{i}.png", bytes(MIB) if i == 8 else b"")
        for member in archive.filelist[:-1]:
            member.file_size = MIB
            member.compress_size = archive.start_dir - member.header_offset - 35


def bomb_total(path):
    """8193 members that say 32 MiB each, with holes for bytes."""
    packed = 32 * MIB // 200 + 1
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for i in range(8193):
            archive.writestr(f"{i}.png", b"")
            member = archive.filelist[i]
            member.file_size, member.compress_size = 32 * MIB, packed
            member.header_offset = i * (packed + 99)
        archive.start_dir = 8193 * (packed + 99)


def hole(path, size, data=b""):
    """A directory of which the count is a lie."""
    last = struct.pack("<4s4HLLH", b"PK\5\6", 0, 0, 7, 7, size, 0, 0)
    with open(path, "wb") as file:
        file.write(data)
        file.seek(size)
        file.write(last)


def bomb_members(path):
    """Two million entries of nothing, and one."""
    entry = b"PK\1\2" + bytes(24) + b"\1\0" + bytes(16) + b"a"
    hole(path, 47 * 2_000_001, entry * 2_000_001)


BOMBS = {
    "ratio": (
        lambda path: make(path, ("a.png", bytes(30 * MIB))),
        r"a\.png: expected at most 200 times its packed bytes",
    ),
    "member": (
        lambda path: make(path, ("a.png", bytes(33 * MIB))),
        r"a\.png: expected at most 33554432 bytes",
    ),
    "lying": (bomb_lying, r"a\.png: expected (a picture|the bytes that)"),
    "nested": (bomb_nested, r"a\.png: expected a picture"),
    "overlapping": (bomb_overlapping, r"0\.png: expected bytes of its own"),
    "total": (bomb_total, r"8192\.png: expected at most 274877906944 bytes in all"),
    "members": (bomb_members, "expected at most 2000000 members, .*, received more"),
    "directory": (lambda path: hole(path, 257 * MIB), "in 268435456 bytes, received"),
}
OPEN = """
import sys
from maskdepth_tf.errors import DataError
from maskdepth_tf.images.stores import open_pictures

for method in ("header", "read"):
    try:
        getattr(open_pictures([sys.argv[1]]), method)("a.png")
    except DataError as error:
        print(error)
print(next(line.split()[1] for line in open("/proc/self/status") if "VmHWM" in line))
"""


@pytest.mark.parametrize(("make_bomb", "match"), BOMBS.values(), ids=BOMBS)
def test_bombs_are_refused_in_little_memory(path, make_bomb, match):
    make_bomb(path)
    before = os.listdir(path.parent)
    run = subprocess.run(
        [sys.executable, "-c", OPEN, str(path)],
        capture_output=True,
        text=True,
        check=True,
    )
    *messages, kilobytes = run.stdout.splitlines()
    # A nested archive is sound, only no picture.
    assert len(messages) == (1 if make_bomb is bomb_nested else 2)
    with pytest.raises(DataError, match=match):
        raise DataError(messages[0])
    assert int(kilobytes) < 200 * 1024
    assert os.listdir(path.parent) == before
