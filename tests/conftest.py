"""Made-up labelled sets and one tiny trained run, shared by all tests."""

import gc
import importlib.util
import os
import shutil
import signal
from pathlib import Path

import hypothesis
import pytest

from tests.support.labelled_sets import make_labelled_set
from tests.support.once import made_once
from tests.support.training_runs import tiny_overrides, whole_run

# Before TensorFlow is imported: its notes would fill every captured output.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# The last bits of sums depend on it, and runs of different processes are compared.
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")

# Neither a slow machine nor chance decides what fails: no deadlines, and always the
# same examples. `--hypothesis-profile=search` looks for new ones.
NO_CLOCKS = {
    "deadline": None,
    "suppress_health_check": [hypothesis.HealthCheck.too_slow],
    "print_blob": True,
}
hypothesis.settings.register_profile("search", **NO_CLOCKS)
hypothesis.settings.register_profile("suite", **NO_CLOCKS, derandomize=True)
hypothesis.settings.load_profile("suite")

# Beam has an environment of its own, where `make test` runs these.
OF_BEAM = ["dataset/packing/test_beam.py", "inference/test_beam.py"]
OF_BEAM += ["machines/test_launching.py"]
collect_ignore = [] if importlib.util.find_spec("apache_beam") else OF_BEAM


LONGEST = {"test_distribution.py", "test_resume.py", "test_services.py"}


def pytest_collection_modifyitems(items):
    """Puts the longest tests first: last, one core would wait for them."""
    items.sort(key=lambda item: item.path.name not in LONGEST)


def pytest_collection_finish():
    """Spares the garbage collector what is imported by now, which stays."""
    gc.freeze()


@pytest.fixture(scope="session")
def sets(tmp_path_factory):
    """A folder of sources, and SHA-256 of what each command makes of them."""
    from benchmarks import made_sets

    def make(folder):
        return str(folder), made_sets.prepare(folder, with_pillow=True)

    folder, sums = made_once(tmp_path_factory, "sets", make)
    # Tests write beside the sources.
    root = tmp_path_factory.mktemp("sets")
    return shutil.copytree(folder, root, dirs_exist_ok=True), sums


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

    def make(folder):
        return str(make_labelled_set(folder))

    return Path(made_once(tmp_path_factory, "labelled", make))


@pytest.fixture(scope="session")
def packed_dir(tmp_path_factory, labels_file):
    """The labelled set, packed, of which trainings begin sooner; for reading only."""
    from maskdepth_tf.dataset import pack

    def make(folder):
        pack.pack(labels_file, folder / "set", image_size=16, test_fraction=0.25)
        return str(folder / "set")

    return Path(made_once(tmp_path_factory, "packed", make))


@pytest.fixture(scope="session")
def exported(tmp_path_factory):
    """Run folder and version folder of `tests.support.exported`; for reading only."""
    from tests.support import exported

    def make(folder):
        return [str(path) for path in exported.make(folder)]

    run_dir, version = made_once(tmp_path_factory, "exported", make)
    return Path(run_dir), version


@pytest.fixture(scope="session")
def office(exported):
    """A server of the export, whose model it calls maskdepth; wants no token."""
    from maskdepth_tf import serve
    from maskdepth_tf.serving import model_config
    from tests.support import servers

    declared = {"maskdepth": model_config.Declared(os.path.dirname(exported[1]))}
    with servers.running(lambda: declared, check=serve.check_pictures) as server:
        yield server


@pytest.fixture(scope="session")
def office_outputs(exported):
    """What `serving_default` answers to the pictures of `tests.support.exported`."""
    import tensorflow as tf

    from maskdepth_tf.inference import loading
    from tests.support.exported import inputs

    ask = loading.load_saved_model(exported[1]).signatures["serving_default"]
    outputs = ask(**{k: tf.constant(v) for k, v in inputs("serving_default").items()})
    return {name: value.numpy() for name, value in outputs.items()}


@pytest.fixture(scope="session")
def shift_folder(tmp_path_factory):
    """Folder of a model, `servers.Shift`, that adds 100; for reading only."""
    from tests.support import servers

    def make(folder):
        servers.write_version(folder / "shift", 1, 100)
        return str(folder / "shift")

    return Path(made_once(tmp_path_factory, "shift", make))


@pytest.fixture(scope="session")
def trained(tmp_path_factory, labels_file):
    """Folder of a run of two epochs by the whole command; for reading only."""

    def make(folder):
        run_dir = folder / "trained"
        assert whole_run(tiny_overrides(labels_file, run_dir)) == 0
        return str(run_dir)

    return Path(made_once(tmp_path_factory, "runs", make))


@pytest.fixture(scope="session")
def shift_versions(tmp_path_factory):
    """Versions 1 to 6 that add 1 to 6; to be copied from."""
    from tests.support import servers

    def make(folder):
        for number in range(1, 7):
            servers.write_version(folder, number, number, signatures=False)
        return str(folder)

    return Path(made_once(tmp_path_factory, "versions", make))


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
