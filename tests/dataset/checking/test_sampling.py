import numpy as np
import pytest

from maskdepth_tf import startup
from maskdepth_tf.dataset.checking import sampling
from maskdepth_tf.errors import DataError
from maskdepth_tf.images import encoding, stores
from maskdepth_tf.input import labels
from tests.support import labelled_rooms


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    labelled_rooms.write(tmp_path, [labelled_rooms.room(rng) for _ in range(4)], 8)
    return tmp_path


def check(folder, rows=None):
    rows = rows or labels.read(folder / "labels.txt")
    sampling.check_rows(folder / "labels.txt", rows, stores.Folder(folder))


@pytest.mark.parametrize("num_bad", [4, 5])
def test_more_than_half_are_too_many(folder, num_bad):
    side = labelled_rooms.SIDE
    for number in range(num_bad):
        mask = np.full((side, side), number, np.uint8)
        encoding.write_image(folder / f"mask/{number}.png", mask)
    if num_bad == 4:
        check(folder)
        return
    text = (
        r"labels\.txt: most rows must be good\. Received: of 8 that were looked at 5 "
        r"bad: 5 empty_mask \(the greatest value of the masks is 4 of 255\); "
    )
    with pytest.raises(DataError, match=text):
        check(folder)


def test_other_rooms_are_told_from_other_light(folder):
    rows = labels.read(folder / "labels.txt")
    rng = np.random.default_rng(0)
    for number in range(4):
        dimmed = np.rint(0.8 * labelled_rooms.room(rng)).astype(np.uint8)
        encoding.write_image(folder / f"bg/{number}.png", dimmed)
    check(folder, rows)
    swapped = [r._replace(bg=f"bg/{(n + 1) % 4}.png") for n, r in enumerate(rows)]
    with pytest.raises(DataError, match=r"8 wrong_background \(fg_bg/0\.jpg: bg and"):
        check(folder, swapped)


def test_jpegs_without_an_end_are_told(folder, capsys):
    for number in (2, 5):
        path = folder / f"fg_bg/{number}.jpg"
        path.write_bytes(path.read_bytes()[:-2])
    check(folder)
    assert capsys.readouterr().err == (
        f"warning: {folder}/labels.txt: of the pictures of 8 rows 2 are JPEGs without "
        "an end marker, as fg_bg/2.jpg\n"
    )


def test_tensorflow_is_loaded_without_what_it_has_to_say(folder, monkeypatch):
    loaded = []
    monkeypatch.setattr(startup, "load_tensorflow", lambda: loaded.append(True))
    source = stores.Folder(folder)
    sampling.tell_remarks("labels.txt", labels.read(folder / "labels.txt"), source)
    assert loaded
