"""A made-up teacher and a set for it, `tests.support.red_teacher`."""

from pathlib import Path

import pytest

from benchmarks.threads import thread_pool
from maskdepth_tf import files, workers
from maskdepth_tf.dataset.teachers import loading
from tests.support import red_teacher


@pytest.fixture
def network(monkeypatch):
    """The teacher that `load_teacher` gives; threads in place of processes."""
    made = red_teacher.RedTeacher()
    monkeypatch.setattr(workers, "pool", thread_pool)

    def load_teacher(name, convention, normalize, input_size):
        made.sha256 = files.sha256_of(Path(name))
        made.input_size = input_size or 16
        return made

    monkeypatch.setattr(loading, "load_teacher", load_teacher)
    return made


@pytest.fixture
def data(tmp_path):
    """A set without depth; see `red_teacher.make_set`."""
    return red_teacher.make_set(tmp_path)
