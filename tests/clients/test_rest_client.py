"""The client without TensorFlow: our server's answers, by REST and by gRPC."""

import contextlib
import io
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tensorflow_serving.apis import get_model_status_pb2

from maskdepth_tf import cli, client
from maskdepth_tf.client import Client, VersionStatus
from maskdepth_tf.clients import grpc_client
from maskdepth_tf.clients.grpc_client import GrpcClient
from maskdepth_tf.errors import DataError, ServerError
from maskdepth_tf.inference import loading
from maskdepth_tf.serving import model_config
from tests.support import servers
from tests.support.exported import BG, FG_BG, SIZE
from tests.support.paths import ROOT

TOKEN = "secret"


@pytest.fixture(scope="module")
def running(exported):
    declared = {"maskdepth": model_config.Declared(str(Path(exported[1]).parent))}
    with servers.running(lambda: declared, token=TOKEN) as found:
        yield found


@pytest.fixture(scope="module", params=["rest", "grpc"])
def asker(request, running):
    """A client of the server, by REST or gRPC, that makes others like it."""

    def make(model="maskdepth", token=TOKEN):
        options = model, token, servers.PATIENCE
        if request.param == "rest":
            return Client(running.rest, *options)
        return made.enter_context(GrpcClient(running.grpc, *options))

    with contextlib.ExitStack() as made:
        found = make()
        found.like_it = make
        yield found


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


def test_pictures_that_are_too_large(asker):
    for _ in range(5):
        with pytest.raises(ServerError, match="at most 1048576 b|larger than max"):
            asker.predict(bytes(2**23), FG_BG[0])


@pytest.fixture(scope="module")
def expected(exported):
    return loading.load_predictor(exported[1])(BG, FG_BG)


def test_arrays_are_those_of_predict(asker, expected):
    found = asker.predict_arrays(BG, FG_BG)
    assert set(found) == {"mask", "depth"}
    for name, values in found.items():
        assert values.shape == (3, SIZE, SIZE, 1)
        np.testing.assert_array_equal(values, expected[name])


def test_status(asker):
    assert asker.status() == [VersionStatus(1, "AVAILABLE", "")]


def test_what_the_server_says(asker):
    with pytest.raises(ServerError, match=r"(400|INVALID_ARGUMENT): bg_bytes\[0\]"):
        asker.predict(b"no picture", FG_BG[0])
    with pytest.raises(ServerError, match="(400|INVALID_ARGUMENT): .*Task size 17 is"):
        asker.predict_arrays(BG[:1] * 17, FG_BG[:1] * 17)
    with pytest.raises(ServerError, match="(404|NOT_FOUND): Could not find any versio"):
        asker.like_it("other").status()
    with pytest.raises(ServerError, match="(401|UNAUTHENTICATED): a valid bearer tok"):
        asker.like_it(token=None).status()


def test_a_file_that_is_not_there(asker, tmp_path):
    path = tmp_path / "none.png"
    with pytest.raises(DataError, match=f"{path}: No such file or directory"):
        asker.predict(path, FG_BG[0])


def test_command(running, tmp_path, capsys):
    bg, fg_bg = files_of(tmp_path)
    token = tmp_path / "token"
    token.write_text(TOKEN)
    output = tmp_path / "out"
    flags = ["--url", running.rest, "--bg", str(bg), "--fg-bg", str(fg_bg)]
    flags += ["--output", str(output), "--token-file", str(token)]
    assert cli.run(client.main, flags) == 0
    answer = Client(running.rest, token=TOKEN).predict(bg, fg_bg)
    names = [f"person_{name}.png" for name in ("mask", "depth", "cutout")]
    assert [(output / name).read_bytes() for name in names] == list(answer)
    assert sorted(path.name for path in output.iterdir()) == sorted(names)
    assert capsys.readouterr().out.split() == [str(output / name) for name in names]
    assert cli.run(client.main, flags) == 2
    assert "--force replaces them" in capsys.readouterr().err
    fg_bg.write_bytes(b"no picture")
    assert cli.run(client.main, [*flags, "--force"]) == 9
    assert re.fullmatch(
        rf"error: {running.rest}: 400: fg_bg_bytes\[0\]: expected a picture .*\n",
        capsys.readouterr().err,
    )
    assert (output / names[0]).read_bytes() == answer.mask


WITHOUT_TENSORFLOW = """
import sys
from maskdepth_tf.client import Client
from maskdepth_tf.clients.grpc_client import GrpcClient
rest, address, bg, fg_bg = sys.argv[1:]
pictures = [open(path, "rb").read() for path in (bg, fg_bg)]
with GrpcClient(address, token="secret") as by_grpc:
    for client in (Client(rest, token="secret"), by_grpc):
        client.status()
        client.predict(bg, fg_bg)
        client.predict_arrays(*[[data] for data in pictures])
found = {name.split(".")[0] for name in sys.modules}
print(sorted(found & {"tensorflow", "keras", "tensorflow_serving", "PIL"}))
"""


def test_tensorflow_is_not_imported(running, tmp_path):
    paths = map(str, files_of(tmp_path))
    command = [sys.executable, "-c", WITHOUT_TENSORFLOW]
    found = subprocess.run(
        [*command, running.rest, running.grpc, *paths],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (found.returncode, found.stdout, found.stderr) == (0, "[]\n", "")


def test_states_are_those_of_tf_serving():
    kinds = get_model_status_pb2.ModelVersionStatus.State
    expected = {number: name for name, number in kinds.items() if number}
    assert grpc_client.grpc_messages.STATES == expected
