"""Groups of pictures that the unseen split keeps together."""

import pytest

from maskdepth_tf.errors import DataError
from maskdepth_tf.images.stores import Folder
from maskdepth_tf.input import groups


def test_names_that_differ_in_a_number():
    names = {
        "Background/bg1.jpg": "hall_01.jpg",
        "Background/bg2.jpg": "hall_f2.png",
        "Background/bg3.jpg": "hall.jpg",
        "Background/bg4.jpg": "hall_03_00.jpg",
        "Background/bg5.jpg": "hall_03_01.jpg",
        "Background/bg6.jpg": "oid_0bf98072f26753f8.jpg",
        "Background/bg7.jpg": "oid_0c6ca56a6104ee69.jpg",
        "Background/bg8.jpg": "bg001.jpg",
        "Background/bg9.jpg": "bg002.jpg",
        "Background/bg10.jpg": "walk_2024.jpg",
        "Foreground/fg1.png": "hall_0.png",
        "Foreground/fg2.png": "hall_1.png",
    }
    alone = {path: path for path in names}
    assert groups.by_name(names) == alone | {
        "Background/bg2.jpg": "Background/bg1.jpg",
        "Background/bg3.jpg": "Background/bg1.jpg",
        "Background/bg5.jpg": "Background/bg4.jpg",
        "Foreground/fg2.png": "Foreground/fg1.png",
    }


def test_what_is_written_is_read(tmp_path):
    assert groups.read(Folder(tmp_path)) == {}
    together = {"Background/bg1.jpg": "Background/bg1.jpg", "a.png": "b.png"}
    groups.write(tmp_path, together)
    assert groups.read(Folder(tmp_path)) == together


def test_written_by_hand(tmp_path):
    text = "\ufeffbg/1.jpg\tthe hall\r\n\nbg/2.jpg\tthe hall\nbg/2.jpg\tthe hall\n"
    (tmp_path / "groups.txt").write_text(text, "utf-8")
    found = groups.read(Folder(tmp_path))
    assert found == {"bg/1.jpg": "the hall", "bg/2.jpg": "the hall"}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"bg/1.jpg\n", "groups.txt:1: expected a path, a tab and a group"),
        (b"a.jpg\tx\n\tx\n", "groups.txt:2: expected a path, a tab and a group"),
        (b"a.jpg\t \n", "groups.txt:1: expected a path, a tab and a group"),
        (
            b"a.jpg\tx\nb.jpg\ty\na.jpg\ty\n",
            "groups.txt:3: expected one group of each picture: a.jpg",
        ),
        (b"a.jpg\t\xff\n", "groups.txt: expected UTF-8, received byte 0xff"),
    ],
)
def test_faulty_files(data, message, tmp_path):
    (tmp_path / "groups.txt").write_bytes(data)
    with pytest.raises(DataError) as caught:
        groups.read(Folder(tmp_path))
    assert str(caught.value) == f"{tmp_path}/{message}"
