"""The same pictures in a folder and in zip archives."""

import multiprocessing
import pickle
import random
import shutil
import unicodedata
import zipfile
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from maskdepth_tf.errors import DataError
from maskdepth_tf.images import headers
from maskdepth_tf.images.stores import Archives, Folder, open_pictures
from maskdepth_tf.input import labels
from tests.support.pictures import CORPUS, write

NAMES = {f"{key[:4]}/{key}.x": data for key, data in CORPUS.items()}


def pack(path, members, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One picture in every format, in folders."""
    root = tmp_path_factory.mktemp("corpus")
    for name, data in NAMES.items():
        (root / name).parent.mkdir(exist_ok=True)
        write(root / name, data)
    return root


@pytest.fixture(scope="module")
def archives(tmp_path_factory):
    """The same pictures in three archives, packed in two ways."""
    root = tmp_path_factory.mktemp("archives")
    names = sorted(NAMES)
    return [
        pack(
            root / f"part{i}.zip",
            {name: NAMES[name] for name in names[i::3]},
            (zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED)[i % 2],
        )
        for i in range(3)
    ]


class TestBoth:
    @pytest.mark.parametrize("name", NAMES)
    def test_give_equal_bytes_and_headers(self, folder, archives, name):
        for pictures in (open_pictures([folder]), open_pictures(archives)):
            assert name in pictures
            assert pictures.read(name) == NAMES[name]
            assert pictures.header(name) == headers.check(folder / name)

    def test_serve_threads_and_other_processes(self, folder, archives):
        context = multiprocessing.get_context("spawn")
        for pictures in (open_pictures([str(folder)]), open_pictures(archives)):
            with ThreadPoolExecutor(8) as threads:
                found = threads.map(pictures.read, list(NAMES) * 20)
            assert list(found) == list(NAMES.values()) * 20
            with ProcessPoolExecutor(1, context) as processes:
                assert list(processes.map(pictures.read, NAMES)) == [*NAMES.values()]
            assert pickle.loads(pickle.dumps(pictures)).read("gif/gif.x")

    def test_headers_need_the_first_bytes_only(self, tmp_path):
        data = CORPUS["rgb"] + random.Random(0).randbytes(500_000)
        files = open_pictures([pack(tmp_path / "a.zip", {"a.png": data})])
        at = (tmp_path / "a.zip").read_bytes().index(data[-100:])
        with open(tmp_path / "a.zip", "r+b") as file:
            file.seek(at)
            file.write(bytes(9))
        assert files.header("a.png") == headers.check_bytes(CORPUS["rgb"], "")
        with pytest.raises(DataError, match=r"a\.zip: a\.png: expected"):
            files.read("a.png")

    def test_what_is_missing_or_no_picture_is_named(self, tmp_path):
        (tmp_path / "set").mkdir()
        for name, data in {"a.png": b"<svg>", "b.png": b""}.items():
            write(tmp_path / "set" / name, data)
        zipped = pack(tmp_path / "a.zip", {"a.png": b"<svg>", "b.png": b""})
        for root in (tmp_path / "set", zipped):
            pictures = open_pictures([root])
            for name, match in [
                ("a.png", r"a\.png: expected a picture \(PNG"),
                ("b.png", r"b\.png: expected a picture, received an empty file"),
                (
                    "c.png",
                    r"c\.png: (No such|expected a member of .*a\.zip, rec.* none)",
                ),
                ("\0.png", "null byte|received none"),
            ]:
                with pytest.raises(DataError, match=match):
                    pictures.header(name)
            assert pictures.read("a.png") == b"<svg>"
            assert [n in pictures for n in ("a.png", "c.png", "\0.png")] == [1, 0, 0]

    def test_only_texts_may_be_larger_than_pictures(self, tmp_path, monkeypatch):
        (tmp_path / "set").mkdir()
        monkeypatch.setattr(headers, "MAX_BYTES", 5)
        for name in ("a.png", "a.txt"):
            write(tmp_path / "set" / name, b"123456")
        text = pack(tmp_path / "a.zip", {"a.TXT": b"123456"})
        assert open_pictures([tmp_path / "set"]).read("a.txt") == b"123456"
        assert open_pictures([text]).read("a.TXT") == b"123456"
        with pytest.raises(DataError, match=r"a\.png: expected at most 5 bytes, rec"):
            open_pictures([tmp_path / "set"]).read("a.png")
        with pytest.raises(DataError, match=r"a\.png: expected at most 5 bytes, rec"):
            open_pictures([pack(tmp_path / "b.zip", {"a.png": b"123456"})])


class TestFolder:
    @pytest.mark.parametrize("name", ["../secret.png", "link.png", "out/secret.png"])
    def test_nothing_outside_is_read(self, tmp_path, name):
        root = tmp_path / "set"
        root.mkdir()
        write(tmp_path / "secret.png", CORPUS["rgb"])
        (root / "link.png").symlink_to(tmp_path / "secret.png")
        (root / "out").symlink_to(tmp_path)
        pictures = Folder(root)
        for bad in (name, str(tmp_path / "secret.png")):
            assert bad not in pictures
            for read in (pictures.read, pictures.header):
                with pytest.raises(
                    DataError, match="a file in .*, received a link out"
                ):
                    read(bad)


class TestArchives:
    def test_a_leading_folder_may_be_left_out(self, tmp_path):
        (tmp_path / "set").mkdir()
        for name in ("bg", "fg"):
            (tmp_path / "set" / name).mkdir()
            write(tmp_path / "set" / name / "1.png", CORPUS["rgb"])
        shutil.make_archive(tmp_path / "a", "zip", tmp_path, "set")
        with zipfile.ZipFile(tmp_path / "a.zip", "a") as archive:
            archive.writestr("__MACOSX/set/bg/._1.png", b"notes")
        pictures = open_pictures([tmp_path / "a.zip"])
        for name in ("bg/1.png", "fg/1.png", "set/fg/1.png"):
            assert pictures.read(name) == CORPUS["rgb"]
        assert "1.png" not in pictures

    def test_two_folders_are_not_left_out(self, tmp_path):
        pictures = open_pictures([pack(tmp_path / "a.zip", {"a/1.png": b"", "2": b""})])
        assert "1.png" not in pictures

    def test_names_that_mean_two_pictures_are_refused(self, tmp_path):
        first = pack(tmp_path / "1.zip", {"a/1.png": b"one", "a/2.png": b"same"})
        second = pack(tmp_path / "2.zip", {"b/1.png": b"two", "b/2.png": b"same"})
        pictures = open_pictures([first, second])
        assert pictures.read("a/1.png") == b"one"
        assert pictures.read("2.png") == b"same"
        for read in (pictures.read, pictures.header):
            with pytest.raises(DataError) as caught:
                read("1.png")
            assert str(caught.value) == (
                f"1.png: expected one picture, received {first}: a/1.png, "
                f"{second}: b/1.png"
            )

    def test_a_damaged_member_is_not_taken_for_another_kind_of_file(self, tmp_path):
        path = pack(tmp_path / "a.zip", {"a.png": CORPUS["rgb"]})
        write(path, path.read_bytes().replace(b"a.png", b"b.png", 1))
        with pytest.raises(DataError, match=r"a\.png: expected the bytes that"):
            open_pictures([path]).header("a.png")

    def test_a_part_that_is_left_out_is_noticed(self, archives):
        pictures = open_pictures(archives[:2])
        missing = sorted(NAMES)[2]
        with pytest.raises(
            DataError, match=f"^{missing}: .*0.zip, .*1.zip, received no"
        ):
            pictures.read(missing)


class TestOpenPictures:
    @pytest.mark.parametrize("roots", [[], [".", "."], [".", "a.zip"]])
    def test_what_is_neither(self, roots):
        received = ", ".join(roots) or "nothing"
        match = f"^expected one folder or zip archives, received {received}$"
        with pytest.raises(DataError, match=match):
            open_pictures(roots)

    def test_missing_and_other_files(self, tmp_path):
        with pytest.raises(DataError, match=r"no\.zip: No such file or directory"):
            open_pictures([tmp_path / "no.zip"])
        write(tmp_path / "labels.txt", b"a\tb\n")
        with pytest.raises(
            DataError, match=r"labels\.txt: expected a zip archive, rec"
        ):
            open_pictures([tmp_path / "labels.txt"])


def bytes_or_error(path, names):
    """What is read of an archive that may be damaged: bytes or an error each."""
    try:
        pictures = Archives([path])
    except DataError as error:
        return [error for _ in names]
    found = []
    for name in names:
        try:
            found.append(pictures.read(name))
        except DataError as error:
            found.append(error)
    return found


MEMBERS = {key: NAMES[key] for key in ("rgb/rgb.x", "jpeg/jpeg.x", "gif/gif.x")}


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """The bytes of an archive."""
    return pack(tmp_path_factory.mktemp("sound") / "a.zip", MEMBERS).read_bytes()


def num_detected(path, data):
    """How many members are refused; the others must be as they were."""
    write(path, data)
    found = bytes_or_error(path, MEMBERS)
    for truth, result in zip(MEMBERS.values(), found, strict=True):
        assert isinstance(result, DataError) or result == truth
    return sum(isinstance(result, DataError) for result in found)


class TestDamage:
    """Damage is noticed, or the bytes are the true ones all the same."""

    def test_100_bytes_flipped(self, sound, tmp_path):
        rng = random.Random(0)
        detected = 0
        for _ in range(100):
            data = bytearray(sound)
            data[rng.randrange(len(data))] ^= rng.randrange(1, 256)
            detected += num_detected(tmp_path / "a.zip", data) > 0
        assert detected > 80

    def test_every_packed_byte_counts(self, sound, tmp_path):
        start = sound.index(b"jpeg/jpeg.x") + len("jpeg/jpeg.x")
        for at in range(start, start + 500, 3):
            data = bytearray(sound)
            data[at] ^= 0xFF
            assert num_detected(tmp_path / "a.zip", data) == 1

    def test_every_byte_of_the_directory(self, sound, tmp_path):
        detected = []
        for at in range(sound.index(b"PK\1\2"), len(sound)):
            for bit in (0x01, 0x80):
                data = bytearray(sound)
                data[at] ^= bit
                detected.append(num_detected(tmp_path / "a.zip", data) > 0)
        # Dates, versions and permissions do not matter.
        assert sum(detected) > len(detected) / 2

    @settings(max_examples=200, deadline=None)
    @given(data=st.data())
    def test_any_part_replaced(self, sound, tmp_path_factory, data):
        start = data.draw(st.integers(0, len(sound)))
        size = data.draw(st.integers(0, 300))
        other = data.draw(st.binary(max_size=300))
        path = tmp_path_factory.getbasetemp() / "replaced.zip"
        num_detected(path, sound[:start] + other + sound[start + size :])


PARTS = st.text(
    st.characters(
        codec="utf-8", exclude_categories=("C", "Z"), exclude_characters="/\\:"
    ),
    min_size=1,
    max_size=20,
).filter(lambda part: part.strip(".") and len(part.encode()) < 200)
PATHS = st.lists(PARTS, min_size=1, max_size=3).map("/".join)


@settings(max_examples=40, deadline=None)
@given(
    members=st.dictionaries(PATHS, st.binary(max_size=3000), min_size=1, max_size=8),
    method=st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]),
)
def test_what_was_packed_is_read(tmp_path_factory, members, method):
    # Names that differ in case only, say, are refused.
    members = {
        unicodedata.normalize("NFC", name.casefold()): data
        for name, data in members.items()
    }
    path = pack(tmp_path_factory.getbasetemp() / "any.zip", members, method)
    assert bytes_or_error(path, members) == list(members.values())


class TestLabels:
    @pytest.fixture
    def both(self, tmp_path):
        """A labelled set with faults in a folder, and the same in an archive."""
        root, rows = tmp_path / "set", []
        for i in range(6):
            names = [f"{name}/{i}.png" for name in ("bg", "c", "mask", "depth")]
            rows.append(labels.Row(names[0], "fg.png", *names[1:]))
            for name in names:
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                write(root / name, CORPUS["grey"])
        Image.new("L", (5, 4)).save(root / "mask/2.png")
        write(root / "depth/3.png", b"text")
        labels.write(root / "labels.txt", rows)
        shutil.make_archive(tmp_path / "a", "zip", root)
        return root / "labels.txt", Folder(root), Archives([tmp_path / "a.zip"])

    def test_faults_are_the_same(self, both):
        path, *sources = both
        rows = labels.read(path)
        for every_row, fg_lines in ((False, [1]), (True, [1, 2, 3, 4, 5, 6])):
            for source in sources:
                looked = dict(labels.look(labels.names_of(rows), source))
                faults = labels.find_faults(rows, looked, path, every_row=every_row)
                assert [n for n, text in faults if "fg.png" in text] == fg_lines
                assert [n for n, text in faults if "depth/3.png" in text] == [4]
                assert len(faults) == len(fg_lines) + 1
            names = labels.names_of(rows, foregrounds=False)
            faults = [
                labels.find_faults(rows, dict(labels.look(names, source)), path)
                for source in sources
            ]
            assert [number for number, _ in faults[0]] == [3, 4]
            assert faults[0][0] == faults[1][0]
            assert faults[0][0][1].endswith("56x40, received 5x4: mask/2.png")

    def test_labels_may_be_in_the_archive(self, both):
        path, _, archives = both
        data = archives.read("labels.txt")
        name = "a.zip: labels.txt"
        rows = labels.read(name, data=data)
        assert rows == labels.read(path)
        names = labels.names_of(rows, foregrounds=False)
        found = labels.find_faults(rows, dict(labels.look(names, archives)), name, data)
        assert [number for number, _ in found] == [3, 4]
        with pytest.raises(DataError, match="^a.zip: labels.txt:1: expected 5 tab-sep"):
            labels.read(name, data=b"a.jpg")
        with pytest.raises(
            DataError, match="^a.zip: labels.txt: expected at least one"
        ):
            labels.read(name, data=b"")
