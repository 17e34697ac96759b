"""The command that labels pictures in other layouts."""

import posixpath

import pytest

from maskdepth_tf import cli
from maskdepth_tf.dataset import __main__ as dataset
from maskdepth_tf.dataset import pack
from maskdepth_tf.errors import UsageError
from maskdepth_tf.images import stores
from maskdepth_tf.input import groups, labels, packed
from tests.support.labelled_sets import make_labelled_set
from tests.support.layouts import put, rows_of


def run(*arguments):
    return dataset.main(["index", *map(str, arguments)])


@pytest.fixture
def folder(tmp_path):
    put(tmp_path, "set/bg/1.jpg", "set/fg_bg/1.jpg", "set/mask/1.png")
    return tmp_path / "set"


def test_says_what_it_did(folder, capsys):
    run(folder)
    assert capsys.readouterr().out.splitlines() == [
        f"{folder}: folders bg, fg_bg, mask; 1 rows in {folder}/labels.txt",
        "no cut-outs are named: the unseen split keeps backgrounds apart, and "
        "foregrounds not",
        f"no depth: `maskdepth dataset depth --data {folder} --teacher NAME` "
        f"writes the maps that {folder}/labels.txt names",
    ]
    assert labels.read(folder / "labels.txt") == rows_of(folder)


def test_labels_that_are_there(folder, capsys):
    old = labels.Row("a.jpg", "b.jpg", "c.jpg", "d.jpg", "e.jpg")
    labels.write(folder / "labels.txt", [old])
    run(folder)
    text = f"{folder}/labels.txt: is there already, 1 rows; nothing to do\n"
    assert capsys.readouterr().out == text
    assert labels.read(folder / "labels.txt") == [old]
    run(folder, "--force")
    assert labels.read(folder / "labels.txt") == rows_of(folder)


def test_labels_elsewhere(folder, capsys):
    (folder / "x.csv").write_text("bg,fg_bg,mask\nbg/1.jpg,fg_bg/1.jpg,mask/1.png")
    output = folder.parent / "my.txt"
    run(folder, "--output", output)
    lines = capsys.readouterr().out.splitlines()
    name = f"{folder}/x.csv: a table with columns bg, fg_bg, mask"
    assert lines[0] == f"{name}; 1 rows in {output}"
    assert lines[1] == f"its paths start from {folder}: give other commands --root"
    assert labels.read(output) == rows_of(folder)
    with pytest.raises(UsageError, match=r"my\.txt: exists; --force replaces it"):
        run(folder, "--output", output)
    run(folder, "--output", output, "--force")


def test_nothing_is_written_after_a_fault(folder):
    labels.write(folder / "labels.txt", rows_of(folder))
    before = (folder / "labels.txt").read_bytes()
    put(folder, "fg_bg/2.jpg")
    assert cli.run(dataset.main, ["index", str(folder), "--force"]) == 3
    assert (folder / "labels.txt").read_bytes() == before
    assert len(list(folder.iterdir())) == 4


def test_bad_flags(folder):
    with pytest.raises(UsageError, match="FOLDER must be a folder. Received: .*no"):
        run(folder / "no")
    with pytest.raises(UsageError, match=r"--output must end in \.txt. Received: "):
        run(folder, "--output", folder / "bg/1.jpg", "--force")
    with pytest.raises(UsageError, match="the folder of --output must be there"):
        run(folder, "--output", folder / "no/a.txt")


def test_from_folders_to_a_packed_set(tmp_path):
    """Without cut-outs the unseen split is one of backgrounds; depth may be renamed."""
    original = labels.read(make_labelled_set(tmp_path / "a", rows=40, scenes=10))
    root = tmp_path / "b"
    for row in original:
        room = posixpath.basename(row.bg).removesuffix(".png")
        for column in ("fg_bg", "mask", "depth"):
            path = root / column / room / posixpath.basename(row.fg_bg)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes((tmp_path / "a" / getattr(row, column)).read_bytes())
    (tmp_path / "a/bg").rename(root / "bg")
    run(root)
    pack.pack(root / "labels.txt", tmp_path / "packed", image_size=16)
    found = packed.open_packed(tmp_path / "packed")
    assert found.manifest["splits"]["not_drawn"] == {}
    assert found.manifest["counts"]["foregrounds"] == 0
    unseen = found.splits["unseen"]
    rooms = {side: {found.rows[i].bg for i in ids} for side, ids in unseen.items()}
    assert len(rooms["test"]) == 3  # of 10, a share of 0.3
    assert (
        rooms["train"] | rooms["validation"]
        == {row.bg for row in found.rows} - rooms["test"]
    )
    assert len(unseen["new_bg"]) == len(unseen["new_fg"]) == 0
    assert sum(map(len, unseen.values())) == 40


def make_set(folder, *names, together=None):
    """A set without its pictures."""
    folder.mkdir(parents=True)
    rows = [
        labels.Row("b.png", "f.png", f"{n}.png", f"{n}m.png", f"{n}d.png")
        for n in names
    ]
    labels.write(folder / "labels.txt", rows)
    if together:
        groups.write(folder, together)


def test_data_sets_in_a_folder_become_one(tmp_path, capsys):
    make_set(tmp_path / "a", "1", "2", together={"b.png": "f.png"})
    make_set(tmp_path / "c", "1")
    (tmp_path / "notes").mkdir()
    run(tmp_path)
    out = capsys.readouterr().out
    assert out.startswith(
        f"{tmp_path}: data sets a, c; 3 rows in {tmp_path}/labels.txt"
    )
    rows = labels.read(tmp_path / "labels.txt")
    assert [row.fg_bg for row in rows] == ["a/1.png", "a/2.png", "c/1.png"]
    assert rows[2] == labels.Row(
        "c/b.png", "c/f.png", "c/1.png", "c/1m.png", "c/1d.png"
    )
    assert groups.read(stores.Folder(tmp_path)) == {"a/b.png": "a/f.png"}
    (tmp_path / "labels.txt").unlink()
    with pytest.raises(UsageError, match="groups.txt: exists; --force replaces it"):
        run(tmp_path)
    run(tmp_path, "--force")


def test_packed_sets_are_left_out_of_a_folder_of_sets(tmp_path, capsys):
    labels_path = make_labelled_set(tmp_path / "all/a", rows=4)
    pack.pack(labels_path, tmp_path / "all/a_16", image_size=16)
    capsys.readouterr()
    run(tmp_path / "all")
    captured = capsys.readouterr()
    assert captured.err == (
        f"warning: {tmp_path}/all: left out 1: a_16: packed sets have arrays in place "
        "of the pictures that rows name\n"
    )
    assert captured.out.startswith(f"{tmp_path}/all: data sets a; 4 rows in ")
    rows = labels.read(tmp_path / "all/labels.txt")
    assert [row.fg_bg.split("/")[0] for row in rows] == ["a"] * 4


def test_packed_sets_alone_are_no_layout(tmp_path, capsys):
    labels_path = make_labelled_set(tmp_path / "a", rows=4)
    pack.pack(labels_path, tmp_path / "all/a_16", image_size=16)
    capsys.readouterr()
    assert cli.run(dataset.main, ["index", str(tmp_path / "all")]) == 3
    lines = capsys.readouterr().err.splitlines()
    assert "left out 1: a_16: packed sets" in lines[0]
    assert "expected folders bg, fg_bg and mask" in lines[1]
    assert not (tmp_path / "all/labels.txt").exists()
