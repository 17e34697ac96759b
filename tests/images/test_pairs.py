import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskdepth_tf.errors import DataError, UsageError
from maskdepth_tf.images import pairs
from maskdepth_tf.images.pairs import Pair


def touch(folder, *names):
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).write_bytes(b"")
    return str(folder)


@pytest.fixture
def room(tmp_path):
    touch(tmp_path, "room.jpg")
    return str(tmp_path / "room.jpg")


def test_two_files(tmp_path, room):
    touch(tmp_path, "anna.v2.PNG")
    picture = str(tmp_path / "anna.v2.PNG")
    assert pairs.find_pairs(room, picture) == [Pair("anna.v2", room, picture)]


def test_one_background_for_a_folder(tmp_path, room):
    frames = touch(tmp_path / "f", "b.png", "A.JPG", "notes.txt", ".hidden.png", "png")
    (tmp_path / "f" / "deeper").mkdir()
    assert pairs.find_pairs(room, frames) == [
        Pair("A", room, os.path.join(frames, "A.JPG")),
        Pair("b", room, os.path.join(frames, "b.png")),
    ]


def test_the_background_is_no_picture_of_itself(tmp_path, room, capsys):
    frames = touch(tmp_path / "f", "a.png", "b.png")
    os.link(room, tmp_path / "f" / "empty.jpg")
    for bg in (room, os.path.join(frames, "empty.jpg")):
        assert [pair.name for pair in pairs.find_pairs(bg, frames)] == ["a", "b"]
        told = f"warning: left out {frames}/empty.jpg, which is the background\n"
        assert capsys.readouterr().err == told
    alone = touch(tmp_path / "alone", "a.png")
    with pytest.raises(DataError, match="alone: expected a picture beside the backgr"):
        pairs.find_pairs(os.path.join(alone, "a.png"), alone)
    # Who names both files means it.
    assert pairs.find_pairs(room, room) == [Pair("room", room, room)]


def test_two_folders_match_by_name(tmp_path):
    bg = touch(tmp_path / "bg", "1.jpg", "2.webp")
    fg_bg = touch(tmp_path / "fg", "2.gif", "1.bmp")
    assert pairs.find_pairs(bg, fg_bg) == [
        Pair("1", os.path.join(bg, "1.jpg"), os.path.join(fg_bg, "1.bmp")),
        Pair("2", os.path.join(bg, "2.webp"), os.path.join(fg_bg, "2.gif")),
    ]


@pytest.mark.parametrize("lonely", ["bg", "fg"])
def test_unmatched_pictures_are_named(tmp_path, lonely):
    for side in ("bg", "fg"):
        touch(tmp_path / side, "1.jpg", *(["2.jpg"] if side == lonely else []))
    other = {"bg": "fg", "fg": "bg"}[lonely]
    text = f"{other}: expected a picture of the same name for each of .*{lonely}/2.jpg$"
    with pytest.raises(DataError, match=text):
        pairs.find_pairs(str(tmp_path / "bg"), str(tmp_path / "fg"))


def test_many_unmatched_are_counted(tmp_path):
    bg = touch(tmp_path / "bg", "x.jpg")
    names = [f"{n:02}.jpg" for n in range(13)]
    fg_bg = touch(tmp_path / "fg", "x.jpg", *names)
    with pytest.raises(DataError, match=r"09\.jpg and 3 more$"):
        pairs.find_pairs(bg, fg_bg)


def test_same_name_twice(tmp_path, room):
    frames = touch(tmp_path / "f", "a.jpg", "a.png")
    with pytest.raises(
        DataError, match=r"more than the suffix, received a.jpg and a.p"
    ):
        pairs.find_pairs(room, frames)


def test_missing_and_empty(tmp_path, room):
    with pytest.raises(DataError, match=r"nowhere: No such file or directory"):
        pairs.find_pairs(room, str(tmp_path / "nowhere"))
    with pytest.raises(DataError, match=r"nowhere: No such file or directory"):
        pairs.find_pairs(str(tmp_path / "nowhere"), room)
    with pytest.raises(
        DataError, match=r"expected a folder with pictures \(.bmp, .gif"
    ):
        pairs.find_pairs(room, touch(tmp_path / "f", "a.txt"))


def test_folder_of_backgrounds_for_one_picture(tmp_path, room):
    with pytest.raises(UsageError, match="--bg must be a picture where --fg-bg is one"):
        pairs.find_pairs(touch(tmp_path / "bg", "room.jpg"), room)


FILE_NAME = st.text(
    st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1
).filter(lambda name: name not in (".", ".."))


@given(st.lists(FILE_NAME, min_size=1, max_size=3))
def test_results_stay_in_the_folder_and_apart(names):
    stems = {pairs._stem(f"/in/{name}") for name in names}
    found = [p for stem in stems for p in pairs.output_paths("/out", stem).values()]
    assert {os.path.dirname(os.path.normpath(path)) for path in found} == {"/out"}
    assert len(set(found)) == 4 * len(stems)


def prepare(tmp_path, force=False):
    frames, out = str(tmp_path / "in"), str(tmp_path / "out")
    found = [Pair(n, "/room.jpg", os.path.join(frames, f"{n}.jpg")) for n in "ab"]
    pairs.prepare_output(out, ("/room.jpg", frames), found, force)


def test_output_folder_is_made(tmp_path):
    prepare(tmp_path)
    assert (tmp_path / "out").is_dir()


@pytest.mark.parametrize("kind", ["file", "link", "dangling"])
def test_earlier_results_are_kept_without_force(tmp_path, kind):
    prepare(tmp_path)
    result = tmp_path / "out" / "b_depth.png"
    if kind == "file":
        result.write_bytes(b"old")
    else:
        result.symlink_to("/dev/null" if kind == "link" else "/nowhere")
    with pytest.raises(
        UsageError, match=r"b_depth.png: exists, as 1 of 8 results do; -"
    ):
        prepare(tmp_path)
    prepare(tmp_path, force=True)


def test_an_input_is_never_replaced(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "in")
    touch(tmp_path / "in", "a.png", "a_mask.png")
    picture = str(tmp_path / "in" / "a_mask.png")
    for found in ([Pair("a", picture, "/a.png")], [Pair("a", "/room.jpg", picture)]):
        with pytest.raises(
            UsageError, match="a_mask.png: is read and would be replaced"
        ):
            pairs.prepare_output(str(tmp_path / "out"), (), found, force=True)


@pytest.mark.parametrize("source", [0, 1])
def test_output_folder_is_no_source(tmp_path, source):
    sources = ["/elsewhere", "/elsewhere"]
    sources[source] = os.path.join(tmp_path, "x", "..")
    with pytest.raises(
        UsageError, match="--output must be another folder than the pic"
    ):
        pairs.prepare_output(str(tmp_path), sources, [], force=True)


def test_output_is_a_file(tmp_path):
    touch(tmp_path, "out")
    with pytest.raises(UsageError, match="--output must be a folder, received .*out: "):
        prepare(tmp_path)
