"""What docs/serving.md tells people to type works as it is written."""

import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from maskdepth_tf import client, export, serve
from tests.support import servers
from tests.support.exported import BG, FG_BG
from tests.support.paths import ROOT

TEXT = (ROOT / "docs" / "serving.md").read_text()
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
CURL = [text for _, text in BLOCKS if "curl " in text]
(PYTHON,) = [text for _, text in BLOCKS if "import Client" in text]
COMMANDS = re.findall(
    r"^maskdepth (\w+) (.*)$",
    "".join(text for _, text in BLOCKS).replace("\\\n", " "),
    re.MULTILINE,
)
PARSERS = {
    module.__name__.split(".")[1]: module.make_parser
    for module in (client, export, serve)
}


@pytest.fixture
def here(tmp_path):
    """A folder with the files that the examples read."""
    for name, data in (("bg.jpg", BG[0]), ("fg_bg.jpg", FG_BG[0]), ("token", b"t")):
        (tmp_path / name).write_bytes(data)
    return tmp_path


def typed(office, command, text, here):
    """What a text prints that is run there, but for ports and limits of time."""
    text = text.replace("http://127.0.0.1:8501", office.rest)
    text = text.replace("127.0.0.1:8500", office.grpc)
    text = text.replace("timeout=20", f"timeout={servers.PATIENCE}")
    text = text.replace(".client --", f".client --timeout {servers.PATIENCE} --")
    bin_folder = os.path.dirname(sys.executable)
    path = os.pathsep.join([bin_folder, os.environ["PATH"]])
    done = subprocess.run(
        [*command, text],
        cwd=here,
        env=os.environ | {"PATH": path, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=2 * servers.PATIENCE,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def opened(data):
    return Image.open(io.BytesIO(data))


def modes(here, *names):
    """How the PNG files of these names are stored, all of the picture's size."""
    pictures = [opened((here / f"{name}.png").read_bytes()) for name in names]
    assert {picture.size for picture in pictures} == {opened(FG_BG[0]).size}
    return [picture.mode for picture in pictures]


@pytest.mark.skipif(not shutil.which("curl"), reason="no curl")
def test_curl(office, here):
    bash = ["bash", "-euo", "pipefail", "-c"]
    printed = "".join(typed(office, bash, text, here) for text in CURL)
    for text in ('"AVAILABLE"', '"serving_uint8"', '"ready"', "maskdepth_queue"):
        assert text in printed
    assert modes(here, "mask", "depth", "cutout") == ["L", "I;16", "RGBA"]
    (row,) = json.loads((here / "rows_reply.json").read_text())["predictions"]
    assert np.shape(row["mask"]) == np.shape(row["depth"]) == (32, 32, 1)


def test_python(office, here):
    printed = typed(office, [sys.executable, "-c"], PYTHON, here)
    assert printed.startswith(
        "[VersionStatus(version=1, state='AVAILABLE', message='')]\n"
    )
    assert 0 < float(printed.splitlines()[1]) < 1
    assert modes(here, "client_mask") == ["L"]


def test_the_client_as_a_command(office, here):
    (block,) = [text for _, text in BLOCKS if "maskdepth client --" in text]
    printed = typed(office, ["bash", "-euc"], block, here)
    assert len(printed.split()) == 3
    assert modes(here / "answers", "fg_bg_mask") == ["L"]


@pytest.mark.parametrize(("command", "flags"), COMMANDS)
def test_commands_have_these_flags(command, flags):
    assert PARSERS[command]().parse_args(shlex.split(flags))


def test_every_flag_of_the_server_is_told():
    flags = re.findall(r"--[\w-]+", serve.make_parser().format_help())
    assert {flag for flag in flags if f"`{flag}" not in TEXT} == {"--help"}
    defaults = vars(serve.make_parser().parse_args([]))
    table = dict(re.findall(r"^\| `(--[\w-]+)` \| ([\d.]+) \|", TEXT, re.MULTILINE))
    assert len(table) == 6
    for flag, default in table.items():
        assert str(defaults[flag[2:].replace("-", "_")]) == default
