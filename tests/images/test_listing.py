"""What lies in a folder: pictures, what is left out in words, what nobody asks for."""

from maskdepth_tf.images import listing


def test_pictures_are_sorted_and_the_rest_is_told(tmp_path, capsys):
    for name in (
        "b.JPG",
        "a.png",
        ".hidden.png",
        "Thumbs.db",
        "desktop.ini",
        "readme.md",
    ):
        (tmp_path / name).touch()
    assert listing.pictures(tmp_path) == ["a.png", "b.JPG"]
    assert capsys.readouterr().err == ""
    (tmp_path / "IMG_0002.HEIC").touch()
    (tmp_path / "more.png").mkdir()
    assert listing.pictures(tmp_path) == ["a.png", "b.JPG"]
    line = capsys.readouterr().err
    assert line == (
        f"warning: {tmp_path}: left out 2, which are no pictures (.bmp .gif .jpeg .jpg "
        ".png .webp): IMG_0002.HEIC, more.png/\n"
    )


def test_of_many_a_few_are_named(tmp_path, capsys):
    listing.tell_left_out(tmp_path, [f"{i}.tif" for i in range(7)])
    assert ": 0.tif, 1.tif, 2.tif, 3.tif, 4.tif, ...\n" in capsys.readouterr().err
