"""Masks and depth maps that hold other values, and what is made of them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from maskdepth_tf import cli
from maskdepth_tf.dataset import __main__ as dataset
from maskdepth_tf.dataset.indexing import values
from maskdepth_tf.errors import DataError
from maskdepth_tf.images import stores
from maskdepth_tf.input import labels
from tests.support import labelled_rooms

FAR = values.Meaning(large_is="far", holes=((0, 0),))


@pytest.fixture
def folder(tmp_path):
    """A good set of 24 rows."""
    root = tmp_path / "set"
    root.mkdir()
    rng = np.random.default_rng(0)
    labelled_rooms.write(root, [labelled_rooms.room(rng) for _ in range(4)], 24)
    return root


def change(folder, column, function):
    """Writes all pictures of a column anew."""
    for path in sorted((folder / column).iterdir()):
        pixels = np.asarray(Image.open(path))
        Image.fromarray(function(pixels)).save(path)


def run(*arguments):
    return cli.run(dataset.main, [*map(str, arguments)])


def verify(folder):
    return run("verify", "--workers", "1", "--labels", folder / "labels.txt")


def pack(folder, output):
    words = ("--output", output, "--image-size", "16", "--workers", "1")
    return run("pack", "--labels", folder / "labels.txt", *words)


def coloured(mask):
    figure = Image.fromarray((mask > 127).astype(np.uint8)).convert("P")
    figure.putpalette([0, 0, 0, 128, 0, 0])
    return np.asarray(figure.convert("RGB"))


MASKS = {
    "0 and 1": lambda mask: (mask > 127).astype(np.uint8),
    "red": coloured,
    "alpha": lambda mask: np.dstack([0 * mask, 0 * mask, 0 * mask, mask]),
    "alpha of 0 and 1": lambda m: np.dstack([0 * m, 0 * m, 0 * m, m // 128]),
    "16 bits": lambda mask: (mask > 127).astype(np.uint16),
}


@pytest.mark.parametrize("kind", MASKS)
def test_masks_of_two_values(folder, tmp_path, capsys, kind):
    change(folder, "mask", MASKS[kind])
    assert pack(folder, tmp_path / "packed") == 3
    text = capsys.readouterr().err
    assert "24 empty_mask (the greatest value of the masks is " in text
    assert not (tmp_path / "packed").exists()
    new = tmp_path / "new"
    assert run("index", folder, "--convert", new, "--foreground") == 0
    assert verify(new) == 0
    assert np.unique(np.asarray(Image.open(new / "mask/0.png"))).tolist() == [0, 255]
    assert labels.read(new / "labels.txt") == labels.read(folder / "labels.txt")


def test_inverted_masks(folder, tmp_path, capsys):
    change(folder, "mask", lambda mask: 255 - mask)
    assert pack(folder, tmp_path / "packed") == 3
    assert "24 inverted_mask (" in capsys.readouterr().err
    assert verify(folder) == 3
    words = ["--convert", "data/converted", "--foreground", "0-127"]
    assert capsys.readouterr().out.split()[-4:] == words
    run("index", folder, "--convert", tmp_path / "new", "--foreground", "0-127")
    assert verify(tmp_path / "new") == 0


def with_holes(depth):
    metres = 500 + depth.astype(int) // 20
    metres[:20, :20] = 0
    return metres.astype(np.uint16)


def test_depth_in_millimetres(folder, tmp_path, capsys):
    change(folder, "depth", with_holes)
    assert pack(folder, tmp_path / "packed") == 3
    assert "24 unscaled_depth (depth/0.png: expected depths" in capsys.readouterr().err
    new = tmp_path / "new"
    more = ("--depth", "far", "--depth-unit", "0.001", "--hole", "0")
    assert run("index", folder, "--convert", new, *more) == 0
    assert verify(new) == 0
    header, first = (new / "depth_range.csv").read_text().splitlines()[:2]
    assert (header, first) == ("depth,near_m,far_m", "depth/0.png,0.5,3.776")


def raised_with_holes(depth):
    """From 0.5 to 1, and 0 in a corner."""
    raised = depth // 2 + 32767
    raised[:20, :20] = 0
    return raised.astype(np.uint16)


def test_holes_of_a_map_that_reaches_from_0_to_1(folder, capsys):
    change(folder, "depth", raised_with_holes)
    assert verify(folder) == 3
    kinds = [line.split()[0] for line in capsys.readouterr().out.splitlines()[3:4]]
    assert kinds == ["holes_in_depth"]


def test_rows_without_known_depth_are_left_out(folder, tmp_path, capsys):
    path = folder / "depth/3.png"
    Image.fromarray(np.zeros((96, 96), np.uint16)).save(path)
    more = ("--depth", "far", "--hole", "0")
    assert run("index", folder, "--convert", tmp_path / "new", *more) == 0
    assert "left out 1 rows whose depth is not known, as depth/3.png" in (
        capsys.readouterr().err
    )
    assert len(labels.read(tmp_path / "new/labels.txt")) == 23


def test_a_map_by_hand():
    held = np.array([[0, 10, 20, 30]], np.int32)
    # 10 stands for the hole, that of its neighbour; 10 is near and 30 far.
    pixels, near, far = values.to_depth(held, FAR)
    assert pixels.dtype == np.int32
    assert pixels.tolist() == [[-1 - 0, 0, 32768, 65535]]
    assert (near, far) == (10.0, 30.0)
    pixels, near, far = values.to_depth(held, FAR._replace(large_is="near"))
    assert pixels.tolist() == [[-1 - 65535, 65535, 32768, 0]]
    assert (near, far) == (-30.0, -10.0)
    # A map says itself what is not known, whatever it holds there.
    pixels, near, far = values.to_depth(np.array([[-1 - 20, 10, 30]], np.int32), FAR)
    assert (pixels.tolist(), near, far) == ([[-1 - 0, 0, 65535]], 10.0, 30.0)
    pixels, _, _ = values.to_depth(np.array([[10, 30]], np.int32), FAR)
    assert (pixels.dtype, pixels.tolist()) == (np.uint16, [[0, 65535]])
    assert values.to_depth(np.array([[0, 7, 7]], np.int32), FAR) is None


@given(st.lists(st.integers(0, 5), min_size=4, max_size=60), st.integers(2, 4))
def test_known_depth_keeps_its_order(numbers, width):
    held = np.array(numbers[: len(numbers) // width * width], np.int32)
    held = held.reshape(-1, width)
    found = values.to_depth(held, FAR)
    known = held[held > 0]
    assert (found is None) == (len(set(known.tolist())) < 2)
    if found:
        pixels = found[0][held > 0]
        assert (pixels.min(), pixels.max()) == (0, 65535)
        assert (np.diff(pixels[np.argsort(known)].astype(int)) >= 0).all()


def test_which_values_are_foreground():
    assert values.greater_of_two({0, 38}) == (38, 38)
    text = r"--foreground must name .* Received: 0, 38, 75$"
    with pytest.raises(DataError, match=text):
        values.greater_of_two({75, 0, 38})


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("--foreground 1", "--foreground needs --convert DIR"),
        ("--hole 0", "--hole needs --convert DIR"),
        ("--convert {new}", "--convert needs --foreground, --depth or both"),
        ("--convert {new} --foreground --hole 0", "--hole needs --depth far or near"),
        (
            "--convert {new} --depth near --depth-unit 1",
            "--depth-unit goes with --depth far alone",
        ),
        ("--convert {new} --foreground 9-1", "--foreground must be a value or a span"),
        ("--convert {set} --foreground 1", "--convert must not contain the source"),
    ],
)
def test_flags(folder, tmp_path, capsys, words, text):
    words = words.format(new=tmp_path / "new", set=folder)
    assert run("index", folder, *words.split()) == 2
    assert text in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_values_of_16_bits_are_kept(folder):
    assert values.read_depth(stores.Folder(folder), "depth/0.png").max() == 65535
    assert values.read_mask(stores.Folder(folder), "mask/0.png").max() == 255


def test_alpha_is_a_hole_in_depth_and_nothing_in_a_mask_of_two_colours(tmp_path):
    pixels = np.array([[[3, 0], [9, 255]]], np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    source = stores.Folder(tmp_path)
    assert values.read_depth(source, "a.png").tolist() == [[-1 - 3, 9]]
    assert values.read_mask(source, "a.png").tolist() == [[3, 9]]
