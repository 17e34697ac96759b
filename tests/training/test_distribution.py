"""Several devices and several processes train as one does, and survive each other."""

import csv
import functools
import json
import os
import re
import signal
import socket
import subprocess
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from maskdepth_tf.errors import DataError, UsageError
from maskdepth_tf.input import augmentation, pipeline
from maskdepth_tf.training import checkpoints, cluster, distribution
from tests.support.once import made_once
from tests.support.paths import ROOT
from tests.support.train_process import TrainProcess
from tests.support.training_runs import tiny_overrides, train_run

EPOCHS = 5  # of 3 steps


def overrides(data, run_dir):
    """All that depends on how a batch is divided: norms, decay, a part of a batch."""
    return [
        *tiny_overrides(data, run_dir),
        "data.split=random",
        f"training.epochs={EPOCHS}",
        "optimizer.drop_epochs=3",
        "optimizer.clip_norm=0.1",
        "optimizer.weight_decay=0.001",
    ]


def start_workers(data, run_dir, *flags, signum=None):
    """Starts a training of two processes on 127.0.0.1.

    Args:
        data: Packed set.
        run_dir: Run folder.
        *flags: More arguments.
        signum: Signal that the second one gets in its fifth step.
    """
    servers = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    names = [f"127.0.0.1:{server.getsockname()[1]}" for server in servers]
    for server in servers:
        server.close()
    started = []
    for index in range(2):
        task = {"type": "worker", "index": index}
        described = json.dumps({"cluster": {"worker": names}, "task": task})
        more = signaled(signum) if signum and index else {}
        values = overrides(data, run_dir)
        started.append(TrainProcess(values, *flags, TF_CONFIG=described, **more))
    return started


def signaled(signum):
    """Arguments of a `TrainProcess` that gets a signal in its fifth step."""
    return {"act": functools.partial(signal.raise_signal, signum), "after": 5}


def finish(started):
    """Waits for processes. Returns exit codes and what they printed."""
    ends = [process.finish() for process in started]
    return [code for code, _ in ends], [printed for _, printed in ends]


def state(run_dir):
    """Variables of model and optimizer, and the log but for its times."""
    model = checkpoints.load_model(run_dir / checkpoints.LAST)
    variables = [np.asarray(v) for v in (*model.variables, *model.optimizer.variables)]
    with open(run_dir / "metrics.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    figures = [
        [float(v) for k, v in row.items() if k not in ("seconds", "images_per_second")]
        for row in rows
    ]
    return variables, np.array(figures)


def assert_same_training(run_dir, other):
    """Weights and losses within 1e-5."""
    (variables, figures), (others, other_figures) = state(run_dir), state(other)
    assert len(variables) == len(others) > 20
    for variable, expected in zip(variables, others, strict=True):
        np.testing.assert_allclose(variable, expected, atol=1e-5)
    assert figures.shape[0] == EPOCHS
    np.testing.assert_allclose(figures, other_figures, atol=1e-5)


@pytest.fixture(scope="module")
def alone(tmp_path_factory, packed_dir):
    """Run of one process on one device."""

    def make(folder):
        assert train_run(overrides(packed_dir, folder / "run")) == 0
        return str(folder / "run")

    return Path(made_once(tmp_path_factory, "alone", make))


def fingerprint(run_dir):
    return json.loads((run_dir / "run.json").read_text())["weights_sha256"]


def test_two_devices_of_one_host(packed_dir, tmp_path, alone):
    run_dir = tmp_path / "run"
    values = overrides(packed_dir, run_dir)
    stopped = TrainProcess(values, has_two_devices=True, **signaled(signal.SIGTERM))
    code, printed = stopped.finish()
    assert code == 143, printed
    code, printed = TrainProcess(values, "--resume", has_two_devices=True).finish()
    assert code == 0, printed
    assert_same_training(run_dir, alone)


def test_two_workers(packed_dir, tmp_path, alone):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    codes, printed = finish(start_workers(packed_dir, whole))
    assert codes == [0, 0], printed
    assert_same_training(whole, alone)

    # What one is asked all do, after the same step.
    codes, printed = finish(start_workers(packed_dir, broken, signum=signal.SIGTERM))
    assert codes == [143, 143], printed
    killed = start_workers(packed_dir, broken, "--resume", signum=signal.SIGKILL)
    codes, printed = finish(killed)
    assert codes == [8, -signal.SIGKILL], printed
    last = printed[0].splitlines()[-1]
    assert last.startswith("error: another worker is gone; start all of them again ")
    codes, printed = finish(start_workers(packed_dir, broken, "--resume"))
    assert codes == [0, 0], printed
    assert fingerprint(broken) == fingerprint(whole)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", cluster.Cluster()),
        (
            '{"cluster": {"worker": ["a:1", "b:1"]}, '
            '"task": {"type": "worker", "index": 1}}',
            cluster.Cluster(2, 1),
        ),
    ],
)
def test_cluster(monkeypatch, text, expected):
    monkeypatch.setenv("TF_CONFIG", text)
    assert cluster.from_environment() == expected
    assert expected.is_chief == (expected.index == 0)


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "[" * 100_000,
        '{"cluster": {}, "task": {}}',
        '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}',
        '{"cluster": {"worker": ["a:1"]}, "task": {"type": "ps", "index": 0}}',
        '{"cluster": {"worker": ["a:1"], "ps": ["b:1"]}, '
        '"task": {"type": "worker", "index": 0}}',
        '{"cluster": {"worker": "a:1"}, "task": {"type": "worker", "index": 0}}',
    ],
)
def test_bad_cluster(monkeypatch, text):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(UsageError, match="TF_CONFIG must name workers alone and"):
        cluster.from_environment()


def test_replicas_share_each_batch():
    def load(indices):
        grey = tf.cast(indices[:, None, None, None], tf.uint8)
        picture = tf.repeat(grey, 3, axis=3)
        return {"bg": picture, "fg_bg": picture, "mask": grey, "depth": grey}

    def shown(replicas, num_replicas):
        dataset = pipeline.make_training_dataset(
            load,
            np.arange(20),
            augmentation.make_augmentation(),
            batch_size=6,
            steps_per_epoch=3,
            first_step=1,
            last_step=5,
            seed=3,
            replicas=replicas,
            num_replicas=num_replicas,
        )
        return [inputs["bg"][:, 0, 0, 0] for inputs, _ in dataset.as_numpy_iterator()]

    whole = shown((0,), 1)
    assert len(whole) == 4
    first, others = shown((0,), 3), shown((1, 2), 3)
    assert {len(share) for share in first + others} == {2}
    together = [
        np.concatenate([first[i], others[2 * i], others[2 * i + 1]]) for i in range(4)
    ]
    np.testing.assert_array_equal(together, whole)


def test_slurm_script(tmp_path):
    text = (ROOT / "docs/distributed_training.md").read_text()
    script = re.search(r"```\n(#!/bin/bash\n.*?)```", text, re.DOTALL)[1]
    (tmp_path / "job.sh").write_text(script)
    for name, body in {
        "scontrol": "printf 'node7\\nnode9\\n'",
        "srun": 'export SLURM_PROCID=1; exec "$@"',
        ".venv/bin/maskdepth": 'echo "$TF_CONFIG"; echo "$@"',
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
    done = subprocess.run(
        ["bash", "job.sh"],
        cwd=tmp_path,
        env=os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )
    described, _, command = done.stdout.rpartition("\ntrain ")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TF_CONFIG", described)
        assert cluster.from_environment() == cluster.Cluster(2, 1)
    assert json.loads(described)["cluster"]["worker"] == ["node7:2222", "node9:2222"]
    assert command.startswith("--config reference ")


class TwoReplicas:
    """As much of a strategy as the checks ask for."""

    num_replicas_in_sync = 2
    cluster_resolver = None


def test_batch_that_cannot_be_shared():
    distribution.check_batch(TwoReplicas, 8)
    with pytest.raises(UsageError, match=r"divisible by 2, the .*batch_size=9"):
        distribution.check_batch(TwoReplicas, 9)


@pytest.mark.parametrize(
    ("examples", "batch_size", "expected"), [(100, 32, 32), (100, 7, 6), (5, 32, 4)]
)
def test_first_evaluation_batch_is_shared_evenly(examples, batch_size, expected):
    def make(batch_size, worker, workers):
        return batch_size, worker, workers

    share = distribution.distribute_evaluation
    assert share(TwoReplicas, examples, batch_size, make) == (expected, 0, 1)
    with pytest.raises(DataError, match="for each of 2 devices. Received: 1 rows"):
        share(TwoReplicas, 1, batch_size, make)


def test_default_strategy(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    strategy = distribution.make_strategy()
    assert strategy.num_replicas_in_sync == distribution.num_workers(strategy) == 1
    assert distribution.any_worker(strategy)([True, False]) == [True, False]
