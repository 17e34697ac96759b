"""Our server's answers, by REST and by gRPC, and the client as a command."""

import contextlib
import io
import re
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from maskdepth_tf import cli, client
from maskdepth_tf.client import Client, VersionStatus
from maskdepth_tf.clients.grpc_client import GrpcClient
from maskdepth_tf.errors import DataError, ServerError
from tests.support import fixed_replies, servers
from tests.support.exported import BG, FG_BG, SIZE
from tests.support.paths import ROOT


@pytest.fixture(scope="module", params=["rest", "grpc"])
def connect(request, office):
    """Makes clients of the server, all by REST or all by gRPC."""

    def make(model="maskdepth", retries=4):
        options = {"timeout": servers.PATIENCE, "retries": retries}
        if request.param == "rest":
            return Client(office.rest, model, **options)
        return clients.enter_context(GrpcClient(office.grpc, model, **options))

    with contextlib.ExitStack() as clients:
        yield make


@pytest.fixture(scope="module")
def asker(connect):
    """A client of the server."""
    return connect()


def files_of(folder):
    """Paths of the first pair of pictures, written into a folder."""
    paths = folder / "room.png", folder / "person.jpg"
    for path, data in zip(paths, (BG[0], FG_BG[0]), strict=True):
        path.write_bytes(data)
    return paths


def open_png(data):
    return Image.open(io.BytesIO(data))


def test_predict(asker, tmp_path):
    answer = asker.predict(BG[0], FG_BG[0])
    kinds = [(open_png(data).mode, open_png(data).size) for data in answer]
    assert kinds == [("L", (50, 40)), ("I;16", (50, 40)), ("RGBA", (50, 40))]
    assert np.array_equal(open_png(answer.cutout).getchannel(3), open_png(answer.mask))
    assert asker.predict(*files_of(tmp_path)) == answer
    assert asker.predict(*map(str, files_of(tmp_path))) == answer


def test_pictures_that_are_too_large(connect):
    asker = connect(retries=0)
    for _ in range(5):
        with pytest.raises(ServerError, match="at most 1048576 b|larger than max"):
            asker.predict(bytes(2**22), FG_BG[0])


def test_arrays_are_those_of_predict(asker, office_outputs):
    arrays = asker.predict_arrays(BG, FG_BG)
    assert set(arrays) == {"mask", "depth"}
    for name, values in arrays.items():
        assert values.shape == (3, SIZE, SIZE, 1)
        np.testing.assert_array_equal(values, office_outputs[name])


def test_status(asker):
    assert asker.status() == [VersionStatus(1, "AVAILABLE", "")]


def test_what_the_server_says(asker, connect):
    with pytest.raises(ServerError, match=r"(400|INVALID_ARGUMENT): bg_bytes\[0\]"):
        asker.predict(b"no picture", FG_BG[0])
    with pytest.raises(ServerError, match="(400|INVALID_ARGUMENT): .*at most 16 rows"):
        asker.predict_arrays(BG[:1] * 17, FG_BG[:1] * 17)
    with pytest.raises(ServerError, match="(404|NOT_FOUND): model other has no ver"):
        connect("other").status()


def test_tokens(shift_folder):
    with servers.running(shift_folder, token="secret") as running:
        for kind, place in ((Client, running.rest), (GrpcClient, running.grpc)):
            for token in ("secret", "other", None):
                asker = kind(place, "shift", token, timeout=servers.PATIENCE)
                with contextlib.ExitStack() as stack:
                    if kind is GrpcClient:
                        stack.enter_context(asker)
                    if token == "secret":
                        assert asker.status()[0].state == "AVAILABLE"
                        continue
                    with pytest.raises(ServerError, match="(401|UNAUTHENTICATED): a v"):
                        asker.status()


def test_a_file_that_is_not_there(asker, tmp_path):
    path = tmp_path / "none.png"
    with pytest.raises(DataError, match=f"{path}: No such file or directory"):
        asker.predict(path, FG_BG[0])


def test_command(office, tmp_path, capsys):
    bg, fg_bg = files_of(tmp_path)
    token = tmp_path / "token"
    token.write_text("secret")
    output = tmp_path / "out"
    flags = ["--url", office.rest, "--bg", str(bg), "--fg-bg", str(fg_bg)]
    flags += ["--output", str(output), "--token-file", str(token)]
    flags += ["--timeout", str(servers.PATIENCE)]
    assert cli.run(client.main, flags) == 0
    answer = Client(office.rest, timeout=servers.PATIENCE).predict(bg, fg_bg)
    names = [f"person_{name}.png" for name in ("mask", "depth", "cutout")]
    assert [(output / name).read_bytes() for name in names] == list(answer)
    assert sorted(path.name for path in output.iterdir()) == sorted(names)
    assert capsys.readouterr().out.split() == [str(output / name) for name in names]
    assert cli.run(client.main, flags) == 2
    assert "--force replaces them" in capsys.readouterr().err
    fg_bg.write_bytes(b"no picture")
    assert cli.run(client.main, [*flags, "--force"]) == 3
    assert re.fullmatch(
        rf"error: {fg_bg}: {office.rest}: 400: fg_bg_bytes\[0\]: expected a pict.*\n",
        capsys.readouterr().err,
    )
    assert (output / names[0]).read_bytes() == answer.mask


def test_a_picture_that_is_refused_is_named_and_the_others_asked_for(
    office, tmp_path, capsys
):
    bg, good = files_of(tmp_path)
    folder, output = tmp_path / "photos", tmp_path / "out"
    folder.mkdir()
    (folder / "a.png").write_bytes(b"no picture")
    (folder / "b.png").write_bytes(bytes(2**22))
    # With "_mask.png" the name is too long for the disk.
    for name in ("c", "x" * 248, "z"):
        (folder / f"{name}.jpg").write_bytes(good.read_bytes())
    flags = ["--url", office.rest, "--bg", str(bg), "--fg-bg", str(folder)]
    flags += ["--output", str(output), "--timeout", str(servers.PATIENCE)]
    assert cli.run(client.main, flags) == DataError.exit_code
    captured = capsys.readouterr()
    lines = captured.err.splitlines()
    assert lines[0].startswith(f"error: {folder}/a.png: {office.rest}: 400: fg_bg_by")
    assert lines[1].startswith(f"error: {folder}/b.png: {office.rest}: 413: ")
    assert lines[2].startswith(f"error: {folder}/{'x' * 248}.jpg: [Errno ")
    assert len(lines) == 3
    names = [f"{n}_{kind}.png" for n in "cz" for kind in ("mask", "depth", "cutout")]
    assert captured.out.split() == [str(output / name) for name in names]
    assert sorted(path.name for path in output.iterdir()) == sorted(names)


@pytest.mark.parametrize("reply", [401, 404, 500])
def test_what_no_picture_changes_ends_the_command(tmp_path, capsys, reply):
    bg, fg_bg = files_of(tmp_path)
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in "ab":
        (folder / f"{name}.jpg").write_bytes(fg_bg.read_bytes())
    with fixed_replies.rest_server((reply, b'{"error": "no"}')) as (url, asked):
        flags = ["--url", url, "--bg", str(bg), "--fg-bg", str(folder)]
        flags += ["--output", str(tmp_path / "out")]
        assert cli.run(client.main, flags) == ServerError.exit_code
    assert len(asked) == 1
    assert capsys.readouterr() == ("", f"error: {url}: {reply}: no\n")


WITHOUT_TENSORFLOW = """
import sys
from maskdepth_tf.client import Client
from maskdepth_tf.clients.grpc_client import GrpcClient
rest, address, bg, fg_bg = sys.argv[1:]
pictures = [open(path, "rb").read() for path in (bg, fg_bg)]
with GrpcClient(address, timeout=150) as by_grpc:
    for client in (Client(rest, timeout=150), by_grpc):
        client.status()
        client.predict(bg, fg_bg)
        client.predict_arrays(*[[data] for data in pictures])
imported = {name.split(".")[0] for name in sys.modules}
print(sorted(imported & {"tensorflow", "keras", "tensorflow_serving", "PIL"}))
"""


def test_tensorflow_is_not_imported(office, tmp_path):
    paths = map(str, files_of(tmp_path))
    command = [sys.executable, "-c", WITHOUT_TENSORFLOW]
    done = subprocess.run(
        [*command, office.rest, office.grpc, *paths],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=4 * servers.PATIENCE,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "[]\n", "")
