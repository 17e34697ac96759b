"""Every block of README and docs is run, or says above it why it is not.

Blocks of a shell without a mark are run here, those of a document in order and in one
folder, on small data. A mark is a comment in the line above: `not run: REASON`, or
`run by TEST`. Whether a block is run or not, the flags of its commands must be there.
"""

import os
import re
import shlex
import shutil

import numpy as np
import pytest
import yaml
from PIL import Image

from benchmarks import made_sets
from benchmarks import made_videos as videos
from maskdepth_tf import cli, train
from maskdepth_tf.images import encoding
from tests.support import documents
from tests.support.paths import ROOT
from tests.support.training_runs import training_alone

BLOCKS = documents.blocks()
SHELL = [block for block in BLOCKS if not block.language]
LANGUAGES = {"", "text", "python", "yaml", "dockerfile"}
LINES = [
    (block, words)
    for block in SHELL
    for words in documents.commands(block)
    if re.fullmatch(r"(.*/)?maskdepth", words[0])
]
MAKEFILE = (ROOT / "Makefile").read_text()

TINY = "data.image_size=16 data.split=random model.widths=[4] model.patch_size=2 "
TINY += "training.epochs=1 training.batch_size=4 training.pictures=2"
SMALL = {
    "dataset compose": "--rows 12 --views 1 --image-size 32 --workers 1",
    "dataset depth": "--workers 1",
    "dataset synthesize": "--rows 4 --rooms 2 --image-size 32 --workers 1",
    "train": " ".join(f"--set {text}" for text in TINY.split()),
    "robustness": "--rows 1 --workers 1",
}
"""What is added to a command so that it takes a second."""


def put_photos(folder, request):
    rng = np.random.default_rng(0)
    empty = rng.integers(0, 256, (4, 4, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    with_me = empty.copy()
    with_me[8:28, 10:20] = (200, 40, 40)
    for name, pixels in (("empty", empty), ("with_me", with_me)):
        encoding.write_image(folder / f"{name}.jpg", pixels)


def put_clip(folder, request):
    with Image.open(folder / "with_me.jpg") as picture:
        shown = [np.asarray(picture)] * 3
    videos.make_clip(folder / "clip.mp4", shown)


def put_sources(folder, request):
    made_sets.write_sources(folder, 4)


def put_set(folder, request):
    labels_file = request.getfixturevalue("labels_file")
    shutil.copytree(labels_file.parent, folder / "data" / "mine")


def put_run(name):
    def put(folder, request):
        shutil.copytree(request.getfixturevalue("trained"), folder / "runs" / name)

    return put


GIVEN = {
    "README.md": (put_photos, put_clip, put_sources, put_run("quickstart")),
    "docs/data_sets.md": (put_sources, put_run("mine")),
    "docs/robustness.md": (put_set, put_run("quickstart")),
    "docs/training.md": (put_set,),
}
"""What is there before a document's first command."""


def name_of(block):
    return f"{block.document}:{block.line}"


def is_accounted_for(block):
    if block.mark is None:
        is_run = not block.language and block.document in GIVEN
        return is_run or block.language == "text"
    if test := re.fullmatch(r"run by (\S+)", block.mark):
        reader = (ROOT / test[1]).read_text()
        return os.path.basename(block.document) in reader
    return bool(re.fullmatch(r"not run: \S.+", block.mark))


def test_every_block_is_run_or_says_why_not():
    assert {block.language for block in BLOCKS} <= LANGUAGES
    assert [name_of(b) for b in BLOCKS if not is_accounted_for(b)] == []


@pytest.mark.parametrize(
    ("block", "words"), LINES, ids=[f"{name_of(b)} {w[1]}" for b, w in LINES]
)
def test_flags_are_there(block, words):
    name, parser, flags = documents.parser_of(words)
    args = parser.parse_args(flags)
    if name == "train" and not (args.resume and not args.config):
        settings = train.load_settings(args)
        is_made = settings.data.synthesize is not None
        assert is_made or any(text.startswith("data.labels=") for text in args.set)


@pytest.mark.parametrize("document", GIVEN)
def test_document_is_run(document, request, tmp_path, monkeypatch):
    for put in GIVEN[document]:
        put(tmp_path, request)
    monkeypatch.chdir(tmp_path)
    run = [b for b in SHELL if b.document == document and b.mark is None]
    with made_sets.stand_ins(with_pillow=False), training_alone():
        for block in run:
            for words in documents.commands(block):
                name, _, flags = documents.parser_of(words)
                more = SMALL.get(name, "").split()
                code = cli.run(cli.main, [*words[1:], *more])
                assert code == 0, f"{name_of(block)}: {shlex.join(words)}"


def test_masks_are_learned_without_depth(labels_file, tmp_path, monkeypatch):
    shutil.copytree(labels_file.parent, tmp_path / "data/mine")
    shutil.rmtree(tmp_path / "data/mine/depth")
    monkeypatch.chdir(tmp_path)
    (block,) = [b for b in BLOCKS if b.mark == "run by tests/test_documents.py"]
    exec(compile(block.text, name_of(block), "exec"), {})
    words = shlex.split(SMALL["train"])
    words += ["--set", "data.labels=data/mine/labels.txt", "--workdir", "runs/masks"]
    with training_alone():
        assert cli.run(cli.main, ["train", "--config", os.devnull, *words]) == 0


@pytest.mark.parametrize("block", SHELL, ids=name_of)
def test_files_and_targets_are_there(block):
    """What commands that are not ours name."""
    for words in documents.commands(block):
        if words[0] == "make":
            assert all(f"\n{target}:" in MAKEFILE for target in words[1:])
        elif words[0] == "python" and words[1].endswith(".py"):
            source = (ROOT / words[1]).read_text()
            for flag in re.findall(r"--[\w-]+", " ".join(words)):
                assert f'"{flag}"' in source, flag
        for word in words:
            if re.fullmatch(r"(benchmarks|configs|deploy|requirements)/\S+", word):
                assert (ROOT / word).exists(), word


@pytest.mark.parametrize(
    "block", [b for b in BLOCKS if b.language in ("python", "yaml")], ids=name_of
)
def test_python_and_yaml_can_be_read(block):
    if block.language == "python":
        compile(block.text, name_of(block), "exec")
    else:
        assert all(isinstance(part, dict) for part in yaml.safe_load_all(block.text))


def inline_commands():
    """Words of each command that stands within a line of text."""
    for document in documents.DOCUMENTS:
        text = (ROOT / document).read_text()
        prose = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
        for line in re.findall(r"`(maskdepth [^`]+)`", prose):
            words = line.split()
            if words[1] in cli.COMMANDS and words != ["maskdepth", "dataset"]:
                yield words


@pytest.mark.parametrize("words", list(inline_commands()), ids=" ".join)
def test_flags_within_a_line_are_there(words):
    """Such a command names what matters and leaves out the rest."""
    _, parser, flags = documents.parser_of(words)
    for flag in (word for word in flags if word.startswith("--")):
        assert flag in parser.format_help(), flag
