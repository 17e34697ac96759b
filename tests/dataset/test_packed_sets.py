"""Packed sets, looked at by the commands that take labels."""

import json
import shutil

import numpy as np
import pytest

from maskdepth_tf import cli
from maskdepth_tf.dataset import __main__ as dataset
from maskdepth_tf.dataset import pack, stats, verify
from maskdepth_tf.dataset.checking import decoding
from maskdepth_tf.errors import DataError
from maskdepth_tf.images.stores import Folder
from maskdepth_tf.input import labels, packed


def run(command, *arguments):
    return cli.run(dataset.main, [command, *map(str, arguments)])


@pytest.mark.parametrize("column", decoding.COLUMNS)
def test_pictures_are_the_pixels(packed_dir, column):
    pictures = packed.Pictures(packed_dir)
    array = np.load(packed_dir / f"{column}.npy")
    places = np.load(packed_dir / "places.npy")[:, decoding.COLUMNS.index(column)]
    rows = labels.read(packed_dir / "labels.txt")
    scale = {"mask": 255, "depth": 1 / 65535}.get(column, 1)
    for row, place in list(zip(rows, places, strict=True))[::7]:
        name = getattr(row, column)
        assert name in pictures
        header = pictures.header(name)
        assert (header.width, header.height) == (16, 16)
        pixels = decoding.decode(pictures, column, name)
        np.testing.assert_allclose(pixels, array[place] * scale, rtol=1e-6)


def test_cutouts_are_not_packed(packed_dir):
    pictures = packed.Pictures(packed_dir)
    assert "fg/0.png" not in pictures
    with pytest.raises(DataError) as caught:
        pictures.read("fg/0.png")
    expected = f"{packed_dir}: fg/0.png: expected a picture, received none"
    assert str(caught.value) == expected


def test_figures_are_those_of_the_labelled_set(labels_file, packed_dir):
    """Of one size, pixels are the same."""
    path = packed_dir / "labels.txt"
    found = stats.stats(path, packed.Pictures(packed_dir))
    assert found == stats.stats(labels_file, Folder(labels_file.parent))
    report = verify.verify(path, packed.Pictures(packed_dir), foregrounds=False)
    assert report == verify.verify(labels_file, Folder(labels_file.parent))


@pytest.mark.parametrize("name", ["", "labels.txt"])
def test_commands_take_a_packed_set(packed_dir, tmp_path, capsys, name):
    path = packed_dir / name
    assert run("show", "--labels", path, "--output", tmp_path / "a.png") == 0
    assert (tmp_path / "a.png").exists()
    assert run("stats", "--labels", path, "--workers", 1) == 0
    assert f"{packed_dir / 'labels.txt'}: 40 rows, " in capsys.readouterr().out
    card = ("--labels", path, "--output", tmp_path / "CARD.md", "--workers", 1)
    assert run("card", *card) == 0
    assert (tmp_path / "CARD.md").read_text().startswith("# Data set set\n")
    report = verify.verify(
        packed_dir / "labels.txt", packed.Pictures(packed_dir), 1, False
    )
    assert run("verify", "--labels", path, "--workers", 1) == (3 if report.bad else 0)
    assert "next " not in capsys.readouterr().out.split("CARD")[-1]


def test_a_folder_is_its_labels_file(labels_file, tmp_path, capsys):
    assert run("stats", "--labels", labels_file.parent, "--workers", 1) == 0
    whole = capsys.readouterr().out
    assert run("stats", "--labels", labels_file, "--workers", 1) == 0
    assert capsys.readouterr().out == whole
    assert run("stats", "--labels", tmp_path, "--workers", 1) == 3
    assert f"{tmp_path}/labels.txt: No such file" in capsys.readouterr().err


def test_good_rows_are_not_written(packed_dir, tmp_path, capsys):
    good = tmp_path / "good.txt"
    assert run("verify", "--labels", packed_dir, "--drop-bad", good) == 2
    message = "--drop-bad must be left out where --labels is a packed set: pack the go"
    assert message in capsys.readouterr().err


def test_damage_is_named(packed_dir, tmp_path, capsys):
    shutil.copytree(packed_dir, tmp_path / "set")
    data = bytearray((tmp_path / "set" / "mask.npy").read_bytes())
    data[-1] ^= 1
    (tmp_path / "set" / "mask.npy").write_bytes(data)
    assert (
        run("show", "--labels", tmp_path / "set", "--output", tmp_path / "a.png") == 3
    )
    assert "set/mask.npy: " in capsys.readouterr().err


def test_what_the_manifest_tells_is_packed(labels_file, tmp_path):
    folder = shutil.copytree(labels_file.parent, tmp_path / "labelled")
    told = {"recipe": {"seed": 3}, "sources": {"bg/0.png": {"licence": "CC0-1.0"}}}
    (folder / "manifest.json").write_text(json.dumps(told | {"counts": {"rows": 9}}))
    manifest = pack.pack(folder / "labels.txt", tmp_path / "set", image_size=16)
    assert {key: manifest[key] for key in told} == told
    assert manifest["counts"]["rows"] == 40
    assert packed.read_manifest(tmp_path / "set")["sources"] == told["sources"]
