"""An installed wheel does what a checkout does, from any folder."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
import zipfile

import pytest

from tests.support.paths import ROOT

SOURCES = ("maskdepth_tf", "configs", "setup.py", "setup.cfg", "pyproject.toml")
SOURCES += ("README.md", "LICENSE")

SDIST = "from setuptools import build_meta; build_meta.build_sdist('dist')"

COMMANDS = """
import sys
import maskdepth_tf
from maskdepth_tf import cli
from maskdepth_tf.dataset import __main__ as dataset

def call(*words):
    print("$ maskdepth", *words, flush=True)
    try:
        code = cli.run(cli.main, list(words))
    except SystemExit as stop:
        code = stop.code
    if code:
        sys.exit(f"maskdepth {' '.join(words)}: {code}")

print(maskdepth_tf.__file__)
call("--version")
call("--help")
for name in cli.COMMANDS:
    call(name, "--help")
for name in dataset.COMMANDS:
    call("dataset", name, "--help")
tiny = (
    "data.synthesize={rows: 16, rooms: 4, figures: 4, image_size: 32}",
    "data.split=random",
    "training.epochs=1",
    "training.batch_size=4",
    "training.pictures=2",
    "model.widths=[4, 4]",
)
sets = [word for text in tiny for word in ("--set", text)]
call("train", "--config", "debug", *sets)
pair = "--bg data/debug/Background/bg1.jpg --fg-bg data/debug/data_1/Fg-Bg/fg-bg1.jpg"
call("predict", "--model", "runs/debug", *pair.split(), "--output", "predictions")
call("export", "--workdir", "runs/debug", "--output", "models/maskdepth")
call(*"serve --models models --rest-port 0 --grpc-port 0".split())
"""
"""Every help, then the way from nothing to a server, in one process."""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of the source archive of this checkout."""
    source = tmp_path_factory.mktemp("source")
    for name in SOURCES:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, source / name)
    output(sys.executable, "-c", SDIST, cwd=source)
    (archive,) = (source / "dist").iterdir()
    pip("wheel", "--no-build-isolation", "--wheel-dir", source, archive)
    (path,) = source.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """The wheel's folder; it hides the checkout from a process that finds it first."""
    target = tmp_path_factory.mktemp("target")
    pip("install", "--target", target, wheel)
    return target


def pip(command, *words):
    flags = ("--no-deps", "--no-index", "--no-cache-dir", "--disable-pip-version-check")
    output(sys.executable, "-m", "pip", command, *flags, *words, cwd=ROOT)


def output(*words, **options):
    done = subprocess.run(words, capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def environment(installed):
    kept = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    return kept | {"PYTHONPATH": str(installed)}


def test_holds_all_files(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    package = {path for path in (ROOT / "maskdepth_tf").rglob("*") if path.is_file()}
    wanted = {path.relative_to(ROOT) for path in package if path.suffix != ".pyc"}
    configs = {path.relative_to(ROOT) for path in (ROOT / "configs").rglob("*.yaml")}
    assert len(configs) > 10
    wanted |= {"maskdepth_tf" / path for path in configs}
    assert {str(path) for path in wanted} - names == set()
    assert {name for name in names if name.startswith(("tests", "configs"))} == set()


def test_every_command(installed, tmp_path):
    errors = tmp_path / "stderr"
    with open(errors, "w") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-c", COMMANDS],
            cwd=tmp_path,
            env=environment(installed),
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
    try:
        lines = []
        for line in process.stdout:
            lines.append(line)
            if rest := re.match(r"REST on (\S+),", line):
                break
        else:
            pytest.fail("".join(lines) + errors.read_text())
        # Where it comes from is what all else rests on.
        assert lines[0] == f"{installed}/maskdepth_tf/__init__.py\n"
        photos = "--bg empty.jpg --fg-bg with_me.jpg --output predictions"
        assert f"next     maskdepth predict --model runs/debug {photos}\n" in lines
        assert "look at  predictions/fg-bg1_overview.png\n" in lines
        pair = ("--bg", "data/debug/Background/bg1.jpg")
        pair += ("--fg-bg", "data/debug/data_1/Fg-Bg/fg-bg1.jpg")
        maskdepth = installed / "bin" / "maskdepth"
        written = output(
            *(maskdepth, "client", "--url", rest[1], *pair, "--output", "answers"),
            cwd=tmp_path,
            env=environment(installed),
        )
    finally:
        process.send_signal(signal.SIGTERM)
        code = process.wait()
        process.stdout.close()
    assert code == 0, errors.read_text()
    names = ["fg-bg1_mask.png", "fg-bg1_depth.png", "fg-bg1_cutout.png"]
    assert written.split() == [f"answers/{name}" for name in names]
    for name in names:
        assert (tmp_path / "predictions" / name).exists()
        assert (tmp_path / "answers" / name).exists()
    assert (tmp_path / "runs" / "debug" / "report.html").exists()
    assert (tmp_path / "models" / "maskdepth" / "1" / "saved_model.pb").exists()


def test_the_quickstart_begins(installed, tmp_path):
    with open(tmp_path / "output", "w") as file:
        process = subprocess.Popen(
            [installed / "bin" / "maskdepth", "train"],
            cwd=tmp_path,
            env=environment(installed),
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
    try:
        # Of a set that is not complete the folder has another name.
        while not any(tmp_path.glob("data/**/Background/*.jpg")):
            assert process.poll() is None, (tmp_path / "output").read_text()
            time.sleep(0.05)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()
