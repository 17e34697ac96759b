"""Labels of pictures in a folder a stream."""

import posixpath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskdepth_tf.dataset.index import index
from maskdepth_tf.errors import DataError
from maskdepth_tf.input.labels import Row
from tests.support.layouts import put, refused, rows_of


def test_of_the_same_path(tmp_path):
    put(tmp_path, "bg/b.jpg", "bg/a/10.jpg", "bg/a/9.jpg", "bg/unused.jpg")
    put(tmp_path, "fg_bg/b.jpg", "fg_bg/a/10.jpg", "fg_bg/a/9.JPEG")
    put(tmp_path, "mask/b.png", "mask/a/10.png", "mask/a/9.gif")
    put(tmp_path, "depth/b.png", "depth/a/10.png", "depth/a/9.webp")
    put(tmp_path, "fg/b.png", "fg/a.png", "notes.txt", "other/1.jpg")
    put(tmp_path, "fg_bg/.hidden.jpg", "fg_bg/.trash/1.jpg", "fg_bg/read.me")
    assert ["\t".join(row) for row in rows_of(tmp_path)] == [
        "bg/a/10.jpg\tfg/a.png\tfg_bg/a/10.jpg\tmask/a/10.png\tdepth/a/10.png",
        "bg/a/9.jpg\tfg/a.png\tfg_bg/a/9.JPEG\tmask/a/9.gif\tdepth/a/9.webp",
        "bg/b.jpg\tfg/b.png\tfg_bg/b.jpg\tmask/b.png\tdepth/b.png",
    ]


def test_background_of_a_folder_above(tmp_path):
    put(tmp_path, "bg/room.jpg", "bg/x/hall.jpg")
    for name in ("room/left/1", "x/hall/1"):
        put(tmp_path, f"fg_bg/{name}.jpg", f"mask/{name}.png")
    assert [row.bg for row in rows_of(tmp_path)] == ["bg/room.jpg", "bg/x/hall.jpg"]


def test_fixed_camera(tmp_path):
    put(tmp_path, "bg/empty.jpg", "fg_bg/1.jpg", "fg_bg/2.jpg")
    put(tmp_path, "mask/1.png", "mask/2.png")
    assert [row.bg for row in rows_of(tmp_path)] == ["bg/empty.jpg"] * 2


def test_one_background_that_is_one_rows_is_not_for_all(tmp_path):
    put(tmp_path, "bg/1.jpg", "fg_bg/1.jpg", "fg_bg/2.jpg")
    put(tmp_path, "mask/1.png", "mask/2.png")
    refused(
        tmp_path,
        "expected for each fg_bg one bg of the same path or that of a folder above "
        "it, suffixes aside, received none for 1: fg_bg/2.jpg",
    )


def test_what_is_not_known(tmp_path):
    put(tmp_path, "bg/1.jpg", "fg_bg/a/1.jpg", "mask/a/1.png")
    assert rows_of(tmp_path) == [
        Row("bg/1.jpg", "bg/1.jpg", "fg_bg/a/1.jpg", "mask/a/1.png", "depth/a/1.jpg")
    ]


def test_names_of_2020(tmp_path):
    names = ("BACKGROUND", "Foreground", "Fg-Bg", "fg-bg-MASK", "Depth")
    put(tmp_path, *(f"{name}/1.jpg" for name in names))
    assert rows_of(tmp_path) == [Row(*(f"{name}/1.jpg" for name in names))]


@pytest.mark.parametrize("column", ["mask", "depth"])
def test_lonely_pictures(tmp_path, column):
    put(tmp_path, "bg/1.jpg", "fg_bg/0.jpg", "mask/0.png", "depth/0.png")
    put(tmp_path, *(f"fg_bg/{n}.jpg" for n in range(1, 8)))
    other = {"mask": "depth", "depth": "mask"}[column]
    put(tmp_path, *(f"{other}/{n}.jpg" for n in range(1, 8)))
    names = ", ".join(f"fg_bg/{n}.jpg" for n in range(1, 6))
    put(tmp_path, "bg/2.jpg", *(f"bg/{n}.jpg" for n in (0, 3, 4, 5, 6, 7)))
    refused(
        tmp_path,
        f"{tmp_path}: expected for each fg_bg one {column} of the same path, "
        f"suffixes aside, received none for 7: {names}, ...",
    )
    put(tmp_path, *(f"{column}/{n}.png" for n in range(1, 9)))
    refused(
        tmp_path,
        f"expected for each {column} one fg_bg of the same path, suffixes aside, "
        f"received none for 1: {column}/8.png",
    )


def test_two_backgrounds_for_one(tmp_path):
    put(tmp_path, "bg/a.jpg", "bg/a/1.jpg", "fg_bg/a/1.jpg", "mask/a/1.png")
    refused(
        tmp_path,
        "expected for each fg_bg one bg of the same path or that of a folder above "
        "it, suffixes aside, received several for 1: fg_bg/a/1.jpg",
    )


def test_same_name_twice(tmp_path):
    put(tmp_path, "bg/1.jpg", "fg_bg/1.jpg", "mask/1.png", "mask/1.jpg")
    refused(
        tmp_path,
        "expected names that differ by more than the suffix, received mask/1.jpg "
        "and mask/1.png",
    )


def test_a_folder_without_pictures(tmp_path):
    put(tmp_path, "bg/1.jpg", "fg_bg/1.jpg", "mask/1.tiff")
    refused(tmp_path, "mask: expected pictures (.bmp, .gif, .jpeg, .jpg, .png, .we")


def test_folder_that_cannot_be_read(tmp_path, monkeypatch):
    put(tmp_path, "bg/1.jpg", "fg_bg/1.jpg", "mask/1.png")

    def walk(top, onerror):
        onerror(PermissionError(13, "Permission denied", str(top)))

    monkeypatch.setattr("os.walk", walk)
    refused(tmp_path, f"{tmp_path}/bg: Permission denied")


def test_no_mask(tmp_path):
    put(tmp_path, "bg/1.jpg", "fg_bg/1.jpg", "Depth/1.jpg")
    refused(
        tmp_path,
        f"{tmp_path}: expected a mask for each fg_bg, grey, of its size, 255 where "
        "the foreground is, received Depth, bg, fg_bg",
    )


def test_two_folders_of_one_kind(tmp_path):
    put(tmp_path, "bg/1.jpg", "Background/1.jpg", "fg_bg/1.jpg", "mask/1.jpg")
    refused(tmp_path, f"{tmp_path}: expected one bg, received Background and bg")


def test_no_layout(tmp_path):
    put(tmp_path, "fg_bg/1.jpg", "mask/1.jpg", ".git/x", "a.csv")
    refused(
        tmp_path,
        f"{tmp_path}: expected folders bg, fg_bg and mask, or a CSV or "
        "metadata.jsonl with such columns, received 3: a.csv, fg_bg, mask",
    )


@pytest.mark.parametrize("name", ["a\tb", "a\nb", "a$b", " a"])
def test_names_that_labels_cannot_hold(tmp_path, name):
    put(tmp_path, "bg/1.jpg", f"fg_bg/{name}.jpg", f"mask/{name}.png")
    if name == " a":  # within a path no end
        assert len(rows_of(tmp_path)) == 1
    else:
        refused(tmp_path, f", received {f'mask/{name}.png'!r}")


def test_link_out(tmp_path):
    put(tmp_path, "in/bg/1.jpg", "in/fg_bg/1.jpg", "in/mask/2.png", "out.png")
    (tmp_path / "in/mask/2.png").unlink()
    (tmp_path / "in/mask/1.png").symlink_to(tmp_path / "out.png")
    refused(
        tmp_path / "in",
        "in:fg_bg/1.jpg: expected mask to be a file that no link leads out to, "
        "received 'mask/1.png'",
    )


STEM = st.sampled_from(["a", "b", "a/a", "a/b", "b/a", "b/b", "a/a/a", "b/a/b"])
TREE = st.fixed_dictionaries(
    {name: st.sets(STEM, min_size=1) for name in ("bg", "fg_bg", "mask")}
)


def expected_rows(tree):
    """The rule, told row by row; None where it refuses."""
    if tree["mask"] != tree["fg_bg"]:
        return None
    near = {
        key: [bg for bg in tree["bg"] if key == bg or key.startswith(f"{bg}/")]
        for key in tree["fg_bg"]
    }
    if len(tree["bg"]) == 1 and not any(near.values()):
        near = dict.fromkeys(near, [*tree["bg"]])
    if any(len(found) != 1 for found in near.values()):
        return None
    return {(f"bg/{bg}.png", f"fg_bg/{key}.jpg") for key, (bg,) in near.items()}


@settings(deadline=None, max_examples=150)
@given(tree=TREE, is_masked=st.booleans())
def test_any_tree(tmp_path_factory, tree, is_masked):
    root = tmp_path_factory.mktemp("tree")
    if is_masked:  # else hardly any would be a set
        tree = tree | {"mask": tree["fg_bg"]}
    for name, suffix in (("bg", "png"), ("fg_bg", "jpg"), ("mask", "png")):
        put(root, *(f"{name}/{key}.{suffix}" for key in tree[name]))
    expected = expected_rows(tree)
    if expected is None:
        with pytest.raises(DataError, match="expected for each "):
            index(root)
    else:
        found = rows_of(root)
        assert {(row.bg, row.fg_bg) for row in found} == expected
        assert len(found) == len(expected)
        paths = [row.fg_bg.split("/") for row in found]
        assert paths == sorted(paths)
        for row in found:
            key = posixpath.splitext(row.fg_bg)[0].removeprefix("fg_bg/")
            assert (row.mask, row.depth) == (f"mask/{key}.png", f"depth/{key}.jpg")
