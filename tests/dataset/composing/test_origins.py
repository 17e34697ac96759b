"""Whose pictures are, and under which licence."""

import json

import pytest

from benchmarks import made_sets
from maskdepth_tf.dataset import compose
from maskdepth_tf.dataset.composing import origins
from maskdepth_tf.dataset.composing.recipe import Recipe

TABLE = """file,source,author,licence,note
rooms/a.jpg,a panorama,"Ann, Bob",CC0-1.0,indoor
rooms/deep/b.jpg,,,CC-BY-4.0,
"""


@pytest.fixture
def root(tmp_path):
    (tmp_path / "SOURCES.csv").write_text(TABLE, encoding="utf-8-sig")
    return tmp_path


def test_a_table_names_pictures_by_their_paths(root):
    assert origins.origin_of(root / "rooms" / "a.jpg") == {
        "source": "a panorama",
        "author": "Ann, Bob",
        "licence": "CC0-1.0",
    }
    deep = origins.origin_of(root / "rooms" / "deep" / "b.jpg")
    assert deep == {"licence": "CC-BY-4.0"}
    for other in ("a.jpg", "rooms/c.jpg", "rooms/deep/deeper/a.jpg"):
        assert origins.origin_of(root / other) == {}


def test_a_licence_is_that_of_pictures_without_a_line(root):
    (root / "rooms" / "deep").mkdir(parents=True)
    (root / "rooms" / "LICENSE").write_text("\n  MIT License \n\nmore\n")
    theirs = {"licence": "MIT License (rooms/LICENSE)"}
    assert origins.origin_of(root / "rooms" / "c.jpg") == theirs
    assert origins.origin_of(root / "rooms" / "deep" / "c.jpg") == theirs
    assert origins.origin_of(root / "rooms" / "a" / "b" / "c.jpg") == {}
    assert origins.origin_of(root / "rooms" / "a.jpg")["licence"] == "CC0-1.0"


@pytest.mark.parametrize("text", ["", "other,columns\n1,2\n", "file\nc.jpg\n", "\xff,"])
def test_other_tables_say_nothing(tmp_path, text):
    (tmp_path / "SOURCES.csv").write_text(text, encoding="latin-1")
    assert origins.origin_of(tmp_path / "c.jpg") == {}


def test_a_set_keeps_what_is_known(tmp_path):
    made_sets.write_sources(tmp_path, 2)
    cutouts, rooms = tmp_path / "cutouts", tmp_path / "rooms"
    (rooms / "SOURCES.csv").write_text("file,author,licence\n1.png,Ann,CC0-1.0\n")
    recipe = Recipe(32, scale=(0.3, 0.6))
    compose.compose([cutouts], [rooms], tmp_path / "set", recipe, num_rows=1)
    manifest = json.loads((tmp_path / "set" / "manifest.json").read_text())
    known = manifest["sources"]["Background/bg2.jpg"]
    assert (known["author"], known["licence"]) == ("Ann", "CC0-1.0")
    for name in ("Background/bg1.jpg", "Foreground/fg2.png"):
        assert set(manifest["sources"][name]) == {"name", "source_sha256", "sha256"}
