"""The command: flags, addresses, and an end in which no accepted request is lost."""

import asyncio
import contextlib
import io
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from maskdepth_tf import cli, serve
from maskdepth_tf.errors import DataError, UsageError
from maskdepth_tf.serving import model_config, server
from maskdepth_tf.serving.models import Models
from tests.support import servers
from tests.support.exported import BG
from tests.support.paths import ROOT


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "shift"
    servers.write_version(folder, 1, 100, signatures=False)
    return folder


def by_rest(running, number):
    status, reply = running.predict({"instances": [[number, 0]]})
    return status, reply.get("predictions")


def by_grpc(stub, number):
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "shift"
    array = np.array([[number, 0]], np.float32)
    request.inputs["x"].CopyFrom(tf.make_tensor_proto(array))
    reply = stub.Predict(request, timeout=servers.PATIENCE)
    return 200, tf.make_ndarray(reply.outputs["y"]).tolist()


def served(folder, capsys, client, grace):
    """Serves as the command does, while `client` is called in a thread.

    Args:
        folder: Of the model.
        capsys: Where the addresses are printed.
        client: Takes the server and the gate of its models; sends a signal at last.
        grace: In seconds.

    Returns:
        Exit code, and what the client returned.
    """
    gated = servers.Gated()

    def find_and_ask():
        printed = []

        def addresses():
            printed.append(capsys.readouterr().out)
            return re.search(r"REST on (\S+), gRPC on (\S+)\n", "".join(printed))

        rest, address = servers.until(addresses).groups()
        return client(servers.Running(None, rest, address), gated)

    async def serve_and_ask(thread):
        models = Models(lambda: model_config.find_models(str(folder)), gated)
        async with asyncio.timeout(3 * servers.PATIENCE):
            asking = asyncio.get_running_loop().run_in_executor(thread, find_and_ask)
            serving = server.serve(models, servers.settings(grace=grace))
            # Whichever fails ends the wait for the other.
            return tuple(await asyncio.gather(serving, asking))

    with servers.patient(), ThreadPoolExecutor(1) as thread:
        return asyncio.run(serve_and_ask(thread))


def metric(running, text):
    page = running.request("GET", "/monitoring/prometheus/metrics")[1]
    return text in page.decode().splitlines()


def ask_and_stop(running, gated, signum, requests=32):
    """What those received who had asked when the signal came."""
    gated.gate.clear()
    with (
        grpc.insecure_channel(running.grpc) as channel,
        ThreadPoolExecutor(requests) as threads,
        contextlib.ExitStack() as at_the_end,
    ):
        at_the_end.callback(gated.gate.set)
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        asked = [
            threads.submit(by_grpc, stub, number)
            if number % 2
            else threads.submit(by_rest, running, number)
            for number in range(requests)
        ]

        def are_accepted():
            early = [future.result() for future in asked if future.done()]
            assert not early, "answered while the gate is closed"
            return metric(running, f"maskdepth_in_flight {requests}.0")

        servers.until(are_accepted)
        os.kill(os.getpid(), signum)
        # What comes now is refused in words, while the others are answered.
        servers.until(lambda: running.request("GET", "/health/ready")[0] == 503)
        assert by_rest(running, 0)[0] == 503
        with pytest.raises(grpc.RpcError) as caught:
            by_grpc(stub, 0)
        assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
        assert running.request("GET", "/health/live")[0] == 200
        gated.gate.set()
        return [future.result(servers.PATIENCE) for future in asked]


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_no_accepted_request_is_lost(folder, capsys, ctrl_c, signum):
    code, received = served(
        folder,
        capsys,
        lambda running, gated: ask_and_stop(running, gated, signum),
        grace=servers.PATIENCE,
    )
    assert code == 0
    assert received == [(200, [[number + 100, 100]]) for number in range(32)]


def test_the_grace_has_an_end(folder, capsys):
    def client(running, gated):
        gated.gate.clear()
        gated.runs.clear()
        with ThreadPoolExecutor(1) as thread:
            asked = thread.submit(running.predict, {"instances": [[1, 2]]})
            servers.until(lambda: gated.runs)
            os.kill(os.getpid(), signal.SIGTERM)
            status, _ = asked.result(servers.PATIENCE)
        gated.gate.set()
        return status

    # Without an end the request would be answered: its gate opens in the end.
    assert served(folder, capsys, client, grace=0.2) == (1, 500)
    assert capsys.readouterr().err == "warning: 1 requests were cut off\n"


def open_files_and_threads():
    return len(os.listdir("/proc/self/fd")), threading.active_count()


def test_requests_leave_nothing_behind(folder):
    with (
        servers.running(folder) as running,
        grpc.insecure_channel(running.grpc) as channel,
    ):
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)

        def ask(times):
            for number in range(times):
                assert by_rest(running, number) == by_grpc(stub, number)
                running.request("POST", "/v1/models/shift:predict", "{")
            assert running.service.in_flight == running.service.batcher.waiting() == 0

        ask(20)
        before = open_files_and_threads()
        ask(60)

        def is_as_before():
            # Connections take a moment to close.
            now = open_files_and_threads()
            return now[0] <= before[0] + 2 and now[1] <= before[1] + 2

        servers.until(is_as_before)


def answered(running):
    """Status and reply, as soon as the server's own limits of time let it answer."""
    with contextlib.suppress(OSError):
        status, reply = running.predict({"instances": [[1, 2]]})
        return status < 500 and (status, reply)


def test_command(folder):
    """Models are served to curl's like until SIGTERM, and nothing else is printed."""
    process = subprocess.Popen(
        [sys.executable, "-m", "maskdepth_tf.serve", "--models", str(folder)]
        + ["--rest-port", "0", "--grpc-port", "0"],
        cwd=ROOT,
        env={k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout.readline() == "shift: version 1\n"
        line = process.stdout.readline()
        rest, address = re.search(r"REST on (\S+), gRPC on (\S+)", line).groups()
        running = servers.Running(None, rest, address)
        reply = servers.until(lambda: answered(running))
        assert reply == (200, {"predictions": [[101, 102]]})
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=servers.PATIENCE)
    finally:
        process.kill()
    assert (process.returncode, out, err) == (0, "", "")


def test_pictures_of_any_size_are_not_decoded():
    bomb = io.BytesIO()
    Image.new("1", (13_000, 13_000)).save(bomb, "PNG")
    good, bad = (np.array([data], object) for data in (BG[0], bomb.getvalue()))
    serve.check_pictures({"bg_bytes": good, "fg_bg_bytes": good, "other": bad})
    with pytest.raises(
        DataError, match=r"fg_bg_bytes\[0\]: expected at most 51000000 pix"
    ):
        serve.check_pictures({"bg_bytes": good, "fg_bg_bytes": bad})


def test_only_this_machine_by_default():
    assert serve.make_parser().parse_args([]).host == "127.0.0.1"
    for host, expected in (
        ("127.0.0.1", True),
        ("localhost", True),
        ("127.1.2.3", True),
        ("0.0.0.0", False),
        ("192.0.2.1", False),
    ):
        assert server.is_loopback(host) == expected
    with pytest.raises(
        UsageError, match="--host must be an address of this machine. R"
    ):
        server.is_loopback("no host")


@pytest.mark.parametrize("token", [False, True])
def test_warning_for_other_addresses(tmp_path, capsys, monkeypatch, token):
    async def serve_nothing(models, settings):
        assert settings.token == ("secret" if token else None)
        return 0

    monkeypatch.setattr(server, "serve", serve_nothing)
    (tmp_path / "token").write_text("secret\n")
    argv = ["--models", str(tmp_path), "--host", "0.0.0.0"]
    argv += ["--token-file", str(tmp_path / "token")] if token else []
    assert serve.main(argv) == 0
    err = capsys.readouterr().err
    assert "warning: --host 0.0.0.0 can be reached from other machines" in err
    assert ("there is no --token-file" in err) != token


def settings_of(argv, monkeypatch):
    received = []

    async def serve_nothing(models, settings):
        received.append(settings)

    monkeypatch.setattr(server, "serve", serve_nothing)
    serve.main(argv)
    return received[0]


def test_limits(tmp_path, monkeypatch, capsys):
    argv = ["--models", str(tmp_path)]
    (tmp_path / "1").mkdir()
    limits = settings_of(argv, monkeypatch).limits
    assert (limits.max_batch_size, limits.max_queue, limits.sizes) == (16, 128, ())
    (tmp_path / "batching.config").write_text(
        "max_batch_size { value: 8 } allowed_batch_sizes: 4 allowed_batch_sizes: 8"
    )
    settings = settings_of([*argv, "--batch-timeout-ms", "5"], monkeypatch)
    assert (settings.limits.max_batch_size, settings.limits.sizes) == (8, (4, 8))
    assert settings.limits.delay == 0.005
    assert settings.max_body == 16 * 2**20
    assert settings.check is serve.check_pictures
    limits = settings_of([*argv, "--max-batch-size", "4"], monkeypatch).limits
    assert (limits.max_batch_size, limits.sizes) == (4, (4,))
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--models", "a", "--model-config", "b"], "give either --models DIR or"),
        (
            ["--models", "a", "--rest-port", "65536"],
            "must be 0 to 65535. Received",
        ),
        (["--models", "a", "--max-queue", "0"], "must be 1 to"),
        (["--models", "a", "--poll-seconds", "nan"], "must be 0.001 to"),
        (["--models", "a", "--grace-seconds", "-1"], "must be 0 to"),
    ],
)
def test_bad_flags(argv, message):
    with pytest.raises(UsageError, match=message):
        serve.main(argv)


def test_ports_that_are_taken(folder, capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for flag, other in (
            ("--rest-port", "--grpc-port"),
            ("--grpc-port", "--rest-port"),
        ):
            argv = ["--models", str(folder), flag, port, other, "0"]
            assert cli.run(serve.main, argv) == 2
            err = capsys.readouterr().err
            assert f"error: {flag}: cannot listen on 127.0.0.1:{port}" in err


def test_replies_do_not_wait_for_acknowledgements():
    with (
        server.listen("127.0.0.1", 0) as listener,
        socket.create_connection(listener.getsockname()),
        listener.accept()[0] as accepted,
    ):
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_no_such_models(tmp_path, capsys):
    assert cli.run(serve.main, ["--models", str(tmp_path / "none")]) == 2
    assert "error: --models must be a folder. Received: " in capsys.readouterr().err


def test_packages_that_are_missing(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "maskdepth_tf.serving.server", None)
    monkeypatch.delattr("maskdepth_tf.serving.server")
    with pytest.raises(UsageError, match=r"pip install 'maskdepth_tf\[serving\]'"):
        serve.main(["--models", str(tmp_path)])


def test_where_no_model_is_that_is_said(tmp_path, capsys, monkeypatch):
    photos, config = tmp_path / "photos", tmp_path / "models.config"
    photos.mkdir()
    (photos / "a.png").touch()
    config.write_text(
        'model_config_list { config { name: "a" base_path: "none" '
        'model_platform: "tensorflow" } }'
    )
    for argv in (["--models", str(photos)], ["--model-config", str(config)]):
        settings_of(argv, monkeypatch)
        assert capsys.readouterr().err == (
            f"warning: {argv[1]}: expected versions of a model, "
            "NAME/1/saved_model.pb, received none; what is put there is served\n"
        )
    (photos / "1").mkdir()
    settings_of(["--models", str(photos)], monkeypatch)
    assert capsys.readouterr().err == ""
