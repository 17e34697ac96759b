"""Made-up labelled sets and one tiny trained run, shared by all tests."""

import importlib.util
import os
import shutil
import signal

import pytest

from tests.support.labelled_sets import make_labelled_set
from tests.support.training_runs import tiny_overrides, train_run

# Before TensorFlow is imported: its notes would fill every captured output.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

# Beam has an environment of its own, where `make test` runs these.
collect_ignore = (
    [] if importlib.util.find_spec("apache_beam") else ["dataset/packing/test_beam.py"]
)


@pytest.fixture(scope="session")
def sets(tmp_path_factory):
    """A folder of sources, and SHA-256 of what each command makes of them."""
    from benchmarks import made_sets

    root = tmp_path_factory.mktemp("sets")
    return root, made_sets.prepare(root, with_pillow=True)


@pytest.fixture(autouse=True)
def signals_as_before():
    """Processes inherit blocked signals: the servers of later tests would never end."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    yield
    assert signal.pthread_sigmask(signal.SIG_SETMASK, before) == before


@pytest.fixture
def ctrl_c():
    """SIGINT as it is in a terminal; tests may run where it is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def labels_file(tmp_path_factory):
    """Labels of 40 rows, 16 pixels a side; for reading only."""
    return make_labelled_set(tmp_path_factory.mktemp("set"))


@pytest.fixture(scope="session")
def packed_dir(tmp_path_factory, labels_file):
    """The labelled set, packed, of which trainings begin sooner; for reading only."""
    from maskdepth_tf.dataset import pack

    output = tmp_path_factory.mktemp("packed") / "set"
    pack.pack(labels_file, output, image_size=16, test_fraction=0.25)
    return output


@pytest.fixture(scope="session")
def exported(tmp_path_factory):
    """Run folder and version folder of `tests.support.exported`; for reading only."""
    from tests.support import exported

    return exported.make(tmp_path_factory.mktemp("exported"))


@pytest.fixture(scope="session")
def shift_folder(tmp_path_factory):
    """Folder of a model, `servers.Shift`, that adds 100; for reading only."""
    from tests.support import servers

    folder = tmp_path_factory.mktemp("models") / "shift"
    servers.write_version(folder, 1, 100)
    return folder


@pytest.fixture(scope="session")
def trained(tmp_path_factory, labels_file):
    """Folder of a finished run of two epochs; for reading only."""
    run_dir = tmp_path_factory.mktemp("runs") / "trained"
    assert train_run(tiny_overrides(labels_file, run_dir), is_scored=True) == 0
    return run_dir


@pytest.fixture(scope="session")
def shift_versions(tmp_path_factory):
    """Versions 1 to 6 that add 1 to 6; to be copied from."""
    from tests.support import servers

    folder = tmp_path_factory.mktemp("versions")
    for number in range(1, 7):
        servers.write_version(folder, number, number, signatures=False)
    return folder


@pytest.fixture
def put(shift_versions, tmp_path):
    """Makes a version appear in the model's folder, complete at once."""
    folder = tmp_path / "shift"
    folder.mkdir()

    def copy(number, change=lambda version: None):
        aside = folder / ".aside"
        shutil.copytree(shift_versions / str(min(number, 6)), aside)
        change(aside)
        os.rename(aside, folder / str(number))

    copy.folder = folder
    return copy


@pytest.fixture
def models(put):
    """What is served of that folder; the latest version, unless a test says else."""
    from maskdepth_tf.serving import model_config, models

    declared = {"shift": model_config.Declared(str(put.folder))}
    found = models.Models(lambda: declared)
    found.declared = declared
    return found
