import json
import shutil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskdepth_tf import cli, errors
from maskdepth_tf.dataset import __main__ as dataset
from maskdepth_tf.dataset import card
from maskdepth_tf.images import preprocessing
from maskdepth_tf.images.stores import Archives, Folder
from tests.support.labelled_sets import make_labelled_set

FOUND = {
    "rows": 3400,
    "backgrounds": 1000,
    "views": 0,
    "foregrounds": 240,
    "bg": {"mean": [0.5, 0.25, 0.125], "deviation": [0.1, 0.2, 0.3]},
    "fg_bg": {"mean": [0.5, 0.25, 0.125], "deviation": [0.1, 0.2, 0.3]},
    "mask": {"mean": [0.2], "deviation": [0.4]},
    "depth": {"mean": [0.55558], "deviation": [0.3]},
    "mask_area": [0.75, 0.25, 0, 0, 0, 0, 0, 0, 0, 0],
    "depth_histogram": [0.1] * 9 + [0.1004],
    "depth_known": 1.0,
}
MANIFEST = {
    "recipe": {"image_size": 80, "scale": [0.4, 0.8], "shadow": True, "preset": None},
    "depth": {"teacher": {"name": "a|b.tflite"}, "convention": "metric"},
    "versions": {"numpy": "2.4.6"},
    "licence": "CC BY 4.0",
    "files": {"labels.txt": "1234"},
}


def run(*arguments):
    return cli.run(dataset.main, ["card", "--workers", "1", *map(str, arguments)])


def text(manifest=MANIFEST, name="rooms", picture="CARD.png"):
    return card.write_text(name, FOUND, manifest, picture)


@pytest.fixture
def small(tmp_path):
    return make_labelled_set(tmp_path / "set", rows=6)


def test_figures():
    lines = text().splitlines()
    assert lines[0] == "# Data set rooms"
    assert "| rows | 3,400 |" in lines
    assert "| bg | 0.5000 0.2500 0.1250 | 0.1000 0.2000 0.3000 |" in lines
    assert "| depth | 0.5556 | 0.3000 |" in lines
    assert f"| 0.0 | 0.1 | 75.0 % {'█' * 30} | 10.0 % ████ |" in lines
    assert "| 0.9 | 1.0 | 0.0 % | 10.0 % ████ |" in lines


def test_manifest():
    lines = text().splitlines()
    start = lines.index("## Recipe")
    assert lines[start + 2 : start + 7] == [
        "| key | value |",
        "| --- | --- |",
        "| image_size | 80 |",
        "| scale | 0.4, 0.8 |",
        "| shadow | yes |",
    ]
    assert "| teacher.name | a\\|b.tflite |" in lines
    assert "| convention | metric |" in lines
    assert "| numpy | 2.4.6 |" in lines
    assert "| licence | CC BY 4.0 |" in lines
    assert "1234" not in text()


@pytest.mark.parametrize("manifest", [{}, {"recipe": {}, "depth": None}])
def test_what_is_not_said_is_left_out(manifest):
    headings = [line for line in text(manifest).splitlines() if line[:3] == "## "]
    expected = ["## Contents", "## Mask area and depth", "## Sources", "## Format"]
    assert headings == expected


def test_sources_by_licence():
    of = {"author": "A_ B", "licence": "CC0-1.0"}
    sources = {"a": of, "b": of, "c": of | {"author": "C"}, "d": {"name": "d.png"}}
    lines = text({"sources": sources | {"e": 3}}).splitlines()
    start = lines.index("## Sources")
    assert lines[start + 2 : start + 6] == [
        "| pictures | licence | authors |",
        "| --- | --- | --- |",
        "| 3 | CC0-1.0 | A\\_ B, C |",
        "| 2 | not known | not known |",
    ]


@pytest.mark.parametrize(
    ("manifest", "sentence"),
    [
        ({}, "Of whose pictures the set is made, and under which licence, is not"),
        ({"sources": [1]}, "Of whose pictures the set is made, and under which"),
        ({"sources": {}}, "All of it is rendered: no pictures of others are in it."),
    ],
)
def test_sources_in_a_sentence(manifest, sentence):
    assert f"## Sources\n\n{sentence}" in text(manifest)


@given(st.text(), st.text(), st.text())
@settings(max_examples=50, deadline=None)
def test_any_text_stays_in_its_cell(name, key, value):
    lines = text({"recipe": {key: value}}, name).split("\n")
    assert len(lines) == len(text({"recipe": {"a": "b"}}).split("\n"))
    row = lines[lines.index("## Recipe") + 4]
    cells = row.replace("\\\\", "").replace("\\|", "").count("|")
    assert (row[:2], row[-2:], cells) == ("| ", " |", 3)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a_b *c* <d> [e]", r"a_b \*c\* \<d\> \[e\]"),
        ("_a_ __b__c _", r"\_a\_ \_\_b\_\_c \_"),
        ("~~x~~ $y$ R&amp;D #", r"\~\~x\~\~ \$y\$ R\&amp;D \#"),
        ("two\n# lines", r"two \# lines"),
    ],
)
def test_names_are_shown_as_they_are(name, shown):
    assert text(name=name).startswith(f"# Data set {shown}\n")


def test_the_name_of_the_picture_may_have_spaces():
    assert "](my%20card.png)" in text(picture="my card.png")


def test_card_and_picture(small, tmp_path, capsys):
    (small.parent / "manifest.json").write_text(json.dumps(MANIFEST))
    path = tmp_path / "CARD.md"
    assert run("--labels", small, "--output", path) == 0
    out = capsys.readouterr().out
    assert f"wrote {path} and {tmp_path / 'CARD.png'}\n" in out
    written = path.read_text(encoding="utf-8")
    assert written.startswith("# Data set set\n")
    assert "| foregrounds | 1 |" in written
    assert "](CARD.png)" in written
    assert "| convention | metric |" in written
    assert preprocessing.read_rgb(tmp_path / "CARD.png").shape[1] == 2 * 690 + 36 + 48
    left = {entry.name for entry in tmp_path.iterdir()}
    assert left == {"set", "CARD.md", "CARD.png"}


@pytest.mark.parametrize("name", ["CARD.md", "CARD.png"])
def test_only_force_replaces(small, tmp_path, capsys, name):
    (tmp_path / name).write_text("old")
    flags = ("--labels", small, "--output", tmp_path / "CARD.md")
    assert run(*flags) == 2
    assert f"{name}: exists; --force replaces it" in capsys.readouterr().err
    assert (tmp_path / name).read_text() == "old"
    assert run(*flags, "--force") == 0
    assert (tmp_path / name).read_bytes() != b"old"


def test_a_manifest_in_a_zip(small, tmp_path, monkeypatch):
    (small.parent / "manifest.json").write_text(json.dumps(MANIFEST))
    archive = shutil.make_archive(tmp_path / "set", "zip", small.parent)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    (elsewhere / "manifest.json").write_text('{"recipe": "of another set"}')
    assert run("--labels", "labels.txt", "--root", archive, "--output", "a.md") == 0
    written = (elsewhere / "a.md").read_text(encoding="utf-8")
    assert written.startswith("# Data set set.zip\n")
    assert "| licence | CC BY 4.0 |" in written
    (small.parent / "manifest.json").unlink()
    bare = shutil.make_archive(tmp_path / "bare", "zip", small.parent)
    assert card.read_manifest(small.relative_to(small.parent), Archives([bare])) == {}


def test_no_manifest(small):
    assert card.read_manifest(small, Folder(small.parent)) == {}


def test_damaged_manifest(small):
    (small.parent / "manifest.json").write_bytes(b"[]")
    with pytest.raises(errors.DataError, match=r"/manifest\.json: must be a JSON obj"):
        card.read_manifest(small, Folder(small.parent))


def test_errors(small, tmp_path, capsys):
    output = tmp_path / "CARD.md"
    assert run("--labels", small, "--output", output, "--workers", 0) == 2
    assert "--workers must be 1 or more. Received: 0" in capsys.readouterr().err
    for name in (tmp_path / "CARD", ".", ""):
        assert run("--labels", small, "--output", name) == 2
        assert "--output must end in .md. Received: " in capsys.readouterr().err
    assert run("--labels", small, "--output", tmp_path / "no/CARD.md") == 2
    assert "the folder of --output must be there" in capsys.readouterr().err
    shutil.rmtree(small.parent / "depth")
    assert run("--labels", small, "--output", output) == 3
    message = "labels.txt: expected a depth map for each row, received none for "
    assert message in capsys.readouterr().err
    assert [entry.name for entry in tmp_path.iterdir()] == ["set"]
