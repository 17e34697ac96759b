"""Input services: the same batches as without, and one line when they are gone."""

import contextlib
import functools
import json
import os
import signal
import socket
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from maskdepth_tf import cli, input_server, streams
from maskdepth_tf.errors import DataError, ServerError, UsageError, WorkerLostError
from maskdepth_tf.input import augmentation, examples, labels, pipeline, services
from tests.support.paths import ROOT
from tests.support.train_process import TrainProcess
from tests.support.training_runs import tiny_overrides, train_run


def launch(*flags):
    """A server that is starting."""
    return subprocess.Popen(
        [sys.executable, "-m", "maskdepth_tf.input_server", *flags],
        cwd="/",
        env=os.environ | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def address(server):
    """Where a server is, once it is ready."""
    line = server.stdout.readline()
    assert line.startswith("input service on 127.0.0.1:"), line
    return line.split()[-1]


@pytest.fixture(scope="module")
def two():
    """Where two servers are."""
    servers = [launch("--port", "0") for _ in range(2)]
    try:
        yield tuple(address(server) for server in servers)
    finally:
        for server in servers:
            server.kill()
            server.communicate()


def batches(labels_file, prepared_by, first_step, replicas, in_memory):
    """Steps up to 7 of three a epoch, every augmentation in use."""
    # A path that the service, which starts in /, must not take as it is.
    rows, root = labels.read(labels_file), os.path.relpath(labels_file.parent)
    load = pipeline.load_rows(rows, root, 16, streams.STREAMS if in_memory else ())
    augment = augmentation.make_augmentation(
        flip_probability=0.5,
        zoom_minimum=0.6,
        contrast_range=0.3,
        gain_range=0.3,
        grey_probability=0.3,
        cutout_holes=1,
        cutout_size=4,
    )
    return pipeline.make_training_dataset(
        load,
        np.arange(30),
        augment,
        batch_size=8,
        steps_per_epoch=3,
        first_step=first_step,
        last_step=7,
        seed=5,
        replicas=replicas,
        num_replicas=len(replicas),
        prepared_by=prepared_by,
    )


# From files it takes seconds to begin; once shows that a service reads them the same.
@pytest.mark.parametrize(
    ("count", "first_step", "replicas", "in_memory"),
    [
        (1, 0, (0,), True),
        (1, 4, (0,), True),
        (2, 0, (0,), True),
        (2, 3, (0,), False),
        (2, 1, (0, 1), True),
    ],
)
def test_the_same_batches(labels_file, two, count, first_step, replicas, in_memory):
    how = (first_step, replicas, in_memory)
    here = batches(labels_file, (), *how)
    there = batches(labels_file, two[:count], *how)
    assert here.element_spec == there.element_spec
    here, there = (list(ds.as_numpy_iterator()) for ds in (here, there))
    assert len(here) == len(there) == (7 - first_step) * len(replicas)
    for ours, theirs in zip(here, there, strict=True):
        for a, b in zip(tf.nest.flatten(ours), tf.nest.flatten(theirs), strict=True):
            assert a.dtype == b.dtype
            np.testing.assert_array_equal(a, b)


def fingerprint(run_dir):
    return json.loads((run_dir / "run.json").read_text())["weights_sha256"]


def services_flag(*names):
    return f"data.services={json.dumps(names)}"


def test_the_same_training(labels_file, trained, two, tmp_path):
    run_dir = tmp_path / "run"
    overrides = tiny_overrides(labels_file, run_dir)
    assert train_run([*overrides, services_flag(*two)]) == 0
    assert fingerprint(run_dir) == fingerprint(trained)


def test_a_killed_service(labels_file, two, tmp_path):
    run_dir, whole = tmp_path / "run", tmp_path / "whole"
    # More steps than are fetched ahead, in few epochs: each opens the files anew.
    more = ["training.epochs=4", "training.batch_size=1", "optimizer.drop_epochs=5"]
    server = launch("--port", "0")
    name = address(server)
    overrides = [*tiny_overrides(labels_file, run_dir), *more]
    kill = functools.partial(os.kill, server.pid, signal.SIGKILL)
    # In this process other tests may have set up TensorFlow otherwise, and the last
    # bits would differ.
    values = [*overrides, services_flag(two[0], name)]
    code, printed = TrainProcess(values, act=kill, after=20).finish()
    server.communicate()
    assert code == 8, printed
    gone = f"error: data.services: {name} is gone or was started anew; when all are "
    assert gone + "there, go on with --resume" in printed.splitlines()
    with pytest.raises(KeyError):
        fingerprint(run_dir)
    # Another may go on, and alone.
    resumed = TrainProcess([*overrides, services_flag(two[1])], "--resume")
    alone = TrainProcess([*tiny_overrides(labels_file, whole), *more])
    for training in (resumed, alone):
        code, printed = training.finish()
        assert code == 0, printed
    assert fingerprint(run_dir) == fingerprint(whole)


def lasting_port():
    """A free port, and the next, below those that the system lends to clients.

    Of those that it lends, one might be another's before a server is started anew.
    """
    for port in range(20_000 + 2 * (os.getpid() % 5_000), 32_000, 2):
        with contextlib.suppress(UsageError):
            input_server.check_free(port)
            input_server.check_free(port + 1)
            return port
    raise AssertionError("no port is free")


def test_a_server_that_ends_and_one_that_is_started_anew():
    server = launch("--port", str(lasting_port()))
    name = address(server)
    numbers = services.take_turns(
        tf.data.Dataset.range(10**9), lambda ds: ds.map(lambda x: x + 1), (name,)
    )

    def read(found, count):
        with services.watched((name,)):
            return [int(next(found)) for _ in range(count)]

    found = iter(numbers)
    assert read(found, 3) == [1, 2, 3]
    server.send_signal(signal.SIGTERM)
    assert server.communicate() == ("", None)
    assert server.returncode == 0
    server = launch("--port", name.rpartition(":")[2])
    try:
        assert address(server) == name
        with pytest.raises(WorkerLostError, match="is gone or was started anew; when"):
            read(found, 10**6)
    finally:
        server.send_signal(signal.SIGINT)
        assert server.communicate() == ("", None)
    assert server.returncode == 0


def test_a_missing_file(labels_file, two, monkeypatch):
    rows = labels.read(labels_file)
    rows[3] = rows[3]._replace(mask="mask/none.png")
    root = str(labels_file.parent)
    load = pipeline.load_files(rows, root, 16)
    found = examples.Examples(rows, root, load)
    ids = tf.data.Dataset.range(0, 8).batch(8)

    def read():
        with found.damage_named():
            list(services.take_turns(ids, lambda ds: ds.map(load), two[:1]))

    with pytest.raises(DataError, match=r"none\.png"):
        read()
    # As if it were there for this process.
    monkeypatch.setattr(pipeline, "name_damaged", lambda *arguments: None)
    with pytest.raises(DataError, match="an input service must see the files in /.*th"):
        read()


def test_no_service(labels_file, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(services, "START_SECONDS", 0.3)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        name = f"127.0.0.1:{taken.getsockname()[1]}"
        overrides = tiny_overrides(labels_file, tmp_path / "run")
        code = train_run([*overrides, services_flag(name)])
    assert code == ServerError.exit_code
    assert capsys.readouterr().err == (
        f"error: data.services: {name} must be an input service, as "
        "`maskdepth input-server` starts. Received: no connection in 0.3 s\n"
    )
    assert not (tmp_path / "run").exists()


def test_packed_sets_are_refused(labels_file, two, tmp_path, capsys):
    overrides = tiny_overrides(tmp_path, tmp_path / "run")
    assert train_run([*overrides, services_flag(*two)]) == UsageError.exit_code
    expected = "error: data.services must be empty for a packed set, which is read fast"
    assert capsys.readouterr().err.startswith(expected)


def test_ports_that_are_taken(two):
    port = int(two[0].rpartition(":")[2])
    for bad in (port, 70000):
        with pytest.raises(UsageError, match=f"the next must be free. Received: {bad}"):
            input_server.check_free(bad)


def test_hosts(capsys, monkeypatch):
    assert input_server.is_loopback("localhost")
    assert not input_server.is_loopback("192.0.2.1")
    with pytest.raises(UsageError, match=r"--host no\.such\.name\.invalid: must be an"):
        input_server.is_loopback("no.such.name.invalid")
    # Processes that other tests start would inherit a mask that is set here.
    monkeypatch.setattr(input_server.signal, "pthread_sigmask", lambda *arguments: None)
    monkeypatch.setattr(input_server.startup, "load_tensorflow", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        cli.run(input_server.main, ["--port", "0", "--host", "192.0.2.1"])
    expected = "warning: --host 192.0.2.1: whoever can connect can read and write all"
    assert capsys.readouterr().err.startswith(expected)


def test_kept_to_this_machine(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        input_server.keep_local()
        device = listening.getsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, 16)
        assert device.rstrip(b"\0") == b"lo"

        def refuse(*arguments):
            raise PermissionError(1, "Operation not permitted")

        monkeypatch.setattr(socket.socket, "setsockopt", refuse)
        with pytest.raises(UsageError, match="cannot be kept to this machine here; wi"):
            input_server.keep_local()
