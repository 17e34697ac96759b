"""Of `zips` and `zip_directory`: hostile, damaged and large archives."""

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
from tests.support import pictures as samples
from tests.support import zip_files
from tests.support.zip_files import Entry, make

GOOD = Entry("good.txt")
TEXT = b"some text, some text"
MIB = 2**20


def large(*values):
    """The extra field that holds values of more than 32 bits."""
    return struct.pack(f"<HH{len(values)}Q", 1, 8 * len(values), *values)


def overlapping():
    """Members that share one body: each quotes the headers of those after it."""
    kernel = zip_files.deflate(bytes(MIB))
    headers = [zip_files.local(Entry(f"{i}.png", body=kernel))[0] for i in range(9)]
    data = b"".join(headers) + kernel
    directory = b""
    for i in range(9):
        offset = sum(map(len, headers[:i]))
        entry = Entry(f"{i}.png", packed=len(data) - offset - 35, size=MIB)
        directory += zip_files.central(entry, offset, 0)
    return data + directory + zip_files.end(9, len(directory), len(data))


NAMES = {
    "../a.jpg": "a name without empty, '.' or '..' parts",
    "a/../b.jpg": "a name without empty",
    "a/..": "a name without empty",
    "./a.jpg": "a name without empty",
    "a//b.jpg": "a name without empty",
    "": "a name without empty",
    "/a.jpg": "a relative name",
    "//host/a.jpg": "a relative name",
    "/": "a relative name",
    "C:/a.jpg": "a relative name",
    "c:a.jpg": "a relative name",
    "..\\a.jpg": "a name with forward slashes",
    "a\\b.jpg": "a name with forward slashes",
    "\\\\host\\a.jpg": "a name with forward slashes",
    "a\0.jpg": "a name without control characters",
    "a.jpg\n": "a name without control characters",
    "a\x85.jpg": "a name without control characters",
    "a/" * 600 + "b.jpg": "a name of at most 1024 bytes, 255 a part",
    "a" * 256: "a name of at most 1024 bytes, 255 a part",
    "é" * 128: "a name of at most 1024 bytes, 255 a part",
}
KINDS = {"fifo": 1, "character": 2, "folder": 4, "block": 6, "link": 10, "socket": 12}
TWINS = {
    "same": ("a.jpg", "a.jpg"),
    "case": ("a.jpg", "A.jpg"),
    "folders": ("a/B/", "A/b/"),
    "accents": ("é.jpg", "É.jpg"),
    "normal forms": tuple(unicodedata.normalize(f, "é.jpg") for f in ("NFC", "NFD")),
}
OTHERS = {
    "encrypted": (make(GOOD, Entry(flags=1)), "a.txt: expected bytes that are not enc"),
    "strongly": (make(GOOD, Entry(flags=65)), "a.txt: expected bytes that are not enc"),
    "hidden": (make(Entry(flags=1 << 13)), "a.txt: expected bytes that are not encr"),
    "bzip2": (make(Entry(method=12)), "a.txt: .*or deflated bytes, .* of method 12"),
    "aes": (make(Entry(method=99)), "a.txt: .*or deflated bytes, .* of method 99"),
    "stored less": (make(Entry(method=0, size=30)), "more than 30 packed .* 20$"),
    "stored more": (make(Entry(method=0, size=10)), "more than 10 packed .* 20$"),
    "packed more": (make(Entry(size=3, packed=2000)), "more than 3 packed .* 2000$"),
    "picture": (
        make(Entry("a.jpg", size=33 * MIB)),
        "most 33554432 bytes, .* 34603008",
    ),
    "text": (make(Entry(size=129 * MIB)), "most 134217728 bytes, received 135266304"),
    "ratio": (
        make(Entry(size=MIB + 1)),
        r"most 200 times .* received 1048577 for \d+$",
    ),
    "offset": (
        make(Entry(offset=20)),
        "bytes before the directory, received an offset",
    ),
    "far": (
        make(Entry(offset=2**32 - 1, extra=large(2**64 - 1))),
        "bytes before the directory",
    ),
    "huge": (
        make(Entry(size=2**32 - 1, extra=large(2**64 - 1))),
        "expected at most 134217728 bytes, received 18446744073709551615",
    ),
    "no extra": (make(Entry(size=2**32 - 1)), "received 4294967295"),
    "cut extra": (make(Entry(size=2**32 - 1, extra=large(1)[:8])), "a damaged one"),
    "signature": (make(Entry(signature=b"PK\1\3")), "a damaged one"),
    "too few": (make(GOOD, Entry(), count=1), "expected 1 members, received 2"),
    "too many": (make(GOOD, count=3), "expected 3 members, received 1"),
    "none": (make(), "expected some members, received 0"),
    "split": (make(GOOD, disk=1), "a whole zip archive, received one of several"),
    "shifted": (make(GOOD, shift=1), "a directory at the end, received a damaged one"),
    "prepended": (b"#!" + make(GOOD), "a directory at the end, received a damaged one"),
    "gap": (
        make(GOOD)[:-22] + b"gap" + make(GOOD)[-22:],
        "a directory at the end, received a damaged one",
    ),
    "appended": (
        make(GOOD) + b"\n",
        "a zip archive, received something else or a part",
    ),
    "empty": (b"", "a zip archive, received something else or a part"),
    "text file": (b"a\tb\tc\n" * 99, "a zip archive, received something else"),
    "far record": (
        struct.pack("<4sLQL", b"PK\6\7", 0, 2**64 - 1, 1) + zip_files.end(1, 1, 1),
        "a whole zip archive, received a part",
    ),
    "twice": (
        make(GOOD, Entry(offset=0)),
        "a.txt: expected bytes of its own, received some of 'good.txt'",
    ),
}


@pytest.fixture
def save(tmp_path):
    """Puts an archive on the disk."""
    return lambda data, name="x.zip": samples.write(tmp_path / name, data)


def refused(path, match):
    before = samples.digests(path.parent)
    with pytest.raises(DataError, match=match) as caught:
        Zip(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert len(str(caught.value).splitlines()) == 1
    assert samples.digests(path.parent) == before


class TestRefusedUnread:
    @pytest.mark.parametrize("name", NAMES, ids=lambda name: ascii(name)[:20])
    def test_names(self, save, name):
        refused(save(make(GOOD, Entry(name))), NAMES[name])

    @pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
    def test_kinds(self, save, kind):
        data = make(GOOD, Entry("a.jpg", mode=kind << 12 | 0o777))
        refused(
            save(data), "a.jpg: expected a file or a folder, received a link or a d"
        )

    @pytest.mark.parametrize("names", TWINS.values(), ids=TWINS)
    def test_twins(self, save, names):
        data = make(Entry(names[0]), GOOD, Entry(names[1]))
        refused(save(data), f"{names[1]}: .* in more than case, received also '")

    @pytest.mark.parametrize(("data", "match"), OTHERS.values(), ids=OTHERS)
    def test_others(self, save, data, match):
        refused(save(data), match)

    def test_cut_anywhere(self, save):
        data = make(GOOD, Entry())
        for size in range(len(data)):
            refused(save(data[:size]), "x.zip: expected a")

    def test_what_is_no_file(self, tmp_path):
        refused(tmp_path / "no.zip", "No such file")
        (tmp_path / "folder.zip").mkdir()
        refused(tmp_path / "folder.zip", "expected a file, received a folder")
        os.mkfifo(tmp_path / "pipe.zip")
        with pytest.raises(DataError, match=r"pipe.zip: expected a file, received"):
            Zip(tmp_path / "pipe.zip")


LIES = {
    "longer": (Entry(size=19), "expected 19 bytes, received more"),
    "longer stored": (Entry(body=bytes(2000), method=0, size=2000), "expected CRC-32"),
    "shorter": (Entry(size=21), "expected 21 bytes, received 20"),
    "crc": (Entry(crc=1), "expected CRC-32 00000001, received [0-9a-f]{8}$"),
    "crc of nothing": (
        Entry(data=b"", crc=1),
        "expected CRC-32 00000001, received 0+$",
    ),
    "no deflate": (Entry(body=b"\7" * 20), "deflated bytes, received damaged ones"),
    "half": (Entry(body=zip_files.deflate(TEXT)[:9]), "expected 20 bytes, received"),
    "name": (
        Entry(local_name="b.txt"),
        "as in the directory, received another or none",
    ),
    "method": (Entry(local_method=0), "as in the directory, received another or none"),
    "no header": (
        Entry(offset=1, packed=5),
        "as in the directory, received another or none",
    ),
    "extra": (Entry(local_extra=9), "bytes of its own, received also those after it"),
}


class TestRead:
    @pytest.mark.parametrize(("entry", "match"), LIES.values(), ids=LIES)
    def test_lies_are_found(self, save, entry, match):
        archive = Zip(save(make(entry)))
        member = archive.directory.find("a.txt")
        for read in (archive.read, lambda member: archive.open(member).read()):
            with pytest.raises(DataError, match=rf"x\.zip: a\.txt: .*{match}"):
                read(member)

    def test_what_tools_write_is_read(self, save):
        stream = io.BytesIO()
        stream.seekable = lambda: False  # sizes then follow the bytes
        for target in (io.BytesIO(), stream):
            with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
                archive.comment = b"PK\5\6" * 99
                archive.mkdir("b")
                archive.writestr("b/é ü.txt", TEXT)
                archive.writestr("empty.txt", b"")
                with archive.open("c.txt", "w", force_zip64=True) as file:
                    file.write(TEXT * 9999)
            opened = Zip(save(target.getvalue()))
            found = {
                name: opened.read(opened.directory.find(name))
                for name in ("b/é ü.txt", "empty.txt", "c.txt")
            }
            assert list(found.values()) == [TEXT, b"", TEXT * 9999]
            assert [opened.directory.find(n) for n in ("b", "b/", "B/é ü.txt")] == [
                None
            ] * 3

    def test_a_stream_may_be_read_in_any_order(self, save):
        archive = Zip(save(make(Entry(data=TEXT * 999))))
        stream = archive.open(archive.directory.find("a.txt"))
        assert stream.seek(-4, io.SEEK_END) == 20 * 999 - 4
        assert stream.read() == TEXT[-4:]
        assert stream.seek(20) == 20
        assert stream.read(10) == TEXT[:10]
        assert stream.seek(5, io.SEEK_CUR) == 35
        assert stream.read(5) == TEXT[15:]

    def test_names_of_old_tools(self, save):
        opened = Zip(save(make(Entry(b"\x82.txt"), Entry(b"\xc3\xa9e.txt"))))
        assert opened.directory.find("é.txt")
        assert opened.directory.find("ée.txt")

    @pytest.mark.parametrize("is_large", [True, False])
    def test_more_members_than_16_bits(self, save, is_large):
        count = 2**16 + 2
        data, directory = bytearray(), bytearray()
        for i in range(count):
            entry = Entry(f"d/{i}.txt", b"", method=0)
            directory += zip_files.central(entry, len(data), 0)
            data += zip_files.local(entry)[0]
        last = zip_files.end64 if is_large else zip_files.end
        count = count if is_large else count - 2**16
        opened = Zip(save(data + directory + last(count, len(directory), len(data))))
        assert opened.read(opened.directory.find("d/65537.txt")) == b""
        assert opened.directory.folder == "d/"

    def test_a_failing_disk_is_named(self, save, monkeypatch):
        archive = Zip(save(make(GOOD)))

        def fail(*arguments):
            raise OSError(5, "Input/output error")

        monkeypatch.setattr(os, "pread", fail)
        with pytest.raises(DataError, match=r"x\.zip: Input/output error$"):
            archive.read(archive.directory.find("good.txt"))

    def test_cut_while_open(self, save):
        path = save(make(GOOD, Entry("b.txt")))
        archive = Zip(path)
        os.truncate(path, 70)
        with pytest.raises(DataError, match="a whole zip archive, received a part"):
            archive.read(archive.directory.find("b.txt"))

    def test_the_file_is_closed(self, save):
        path = save(make(GOOD))
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(20):
            Zip(path)
        assert len(os.listdir("/proc/self/fd")) == before


def bomb_ratio():
    return make(Entry("a.png", bytes(30 * MIB)))


def bomb_member():
    return make(Entry("a.png", bytes(33 * MIB)))


def bomb_lying():
    # Says that it is small, and grows until it is stopped.
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = packer.compress(bytes(MIB)) + packer.flush(zlib.Z_FULL_FLUSH)
    return make(Entry("a.png", body=block * 400 + b"\3\0", size=MIB))


def bomb_nested():
    inner = make(*(Entry(f"{i}.png", bytes(MIB)) for i in range(9)))
    return make(Entry("a.png", make(*(Entry(f"{i}.zip", inner) for i in range(9)))))


def bomb_total(path):
    """8193 members that say 32 MiB each, with holes for bytes."""
    packed, count = 32 * MIB // 200 + 1, 8193
    directory = b"".join(
        zip_files.central(
            Entry(f"{i}.png", size=32 * MIB, packed=packed), i * (packed + 99), 0
        )
        for i in range(count)
    )
    start = count * (packed + 99)
    with open(path, "wb") as file:
        file.seek(start)
        file.write(directory + zip_files.end(count, len(directory), start))


def bomb_members(path):
    """Three million entries of nothing."""
    count, length = 3_000_000, 3_000_000 * 47
    with open(path, "wb") as file:
        file.seek(length)
        file.write(zip_files.end64(count, length, 0))


def bomb_directory(path):
    """Hides its many entries: a count that older tools would write, too."""
    length = 257 * MIB
    with open(path, "wb") as file:
        file.seek(length)
        file.write(zip_files.end(7, length, 0))


BOMBS = {
    "ratio": (bomb_ratio, r"a\.png: expected at most 200 times its packed bytes"),
    "member": (bomb_member, r"a\.png: expected at most 33554432 bytes"),
    "lying": (bomb_lying, r"a\.png: expected 1048576 bytes, received more"),
    "nested": (bomb_nested, r"a\.png: expected a picture"),
    "overlapping": (overlapping, r"1\.png: expected bytes of its own, .* of '0.png'"),
    "total": (bomb_total, r"8192\.png: expected at most 274877906944 bytes in all"),
    "members": (bomb_members, "expected at most 2000000 members in .* 3000000 in 141"),
    "directory": (
        bomb_directory,
        "members in 268435456 bytes, received 7 in 269484032",
    ),
}
OPEN = """
import sys, time
from maskdepth_tf.errors import DataError
from maskdepth_tf.images.stores import open_pictures

started = time.process_time()
for method in ("header", "read"):
    try:
        getattr(open_pictures([sys.argv[1]]), method)("a.png")
    except DataError as error:
        print(error)
print(time.process_time() - started)
print(next(line.split()[1] for line in open("/proc/self/status") if "VmHWM" in line))
"""


@pytest.mark.parametrize(("make_bomb", "match"), BOMBS.values(), ids=BOMBS)
def test_bombs_are_refused_fast_and_in_little_memory(tmp_path, make_bomb, match):
    path = tmp_path / "x.zip"
    if make_bomb in (bomb_total, bomb_members, bomb_directory):
        make_bomb(path)
    else:
        path.write_bytes(make_bomb())
    before = os.listdir(tmp_path)
    run = subprocess.run(
        [sys.executable, "-c", OPEN, str(path)],
        capture_output=True,
        text=True,
        check=True,
    )
    *messages, seconds, kilobytes = run.stdout.splitlines()
    # A nested archive is sound, only no picture.
    assert len(messages) == (1 if make_bomb is bomb_nested else 2)
    with pytest.raises(DataError, match=match):
        raise DataError(messages[0])
    assert float(seconds) < 2
    assert int(kilobytes) < 200 * 1024
    assert os.listdir(tmp_path) == before
