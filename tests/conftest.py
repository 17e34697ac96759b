"""Made-up labelled sets and one tiny trained run, shared by all tests."""

import importlib.util
import os
import shutil
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

# Before TensorFlow is imported: its notes would fill every captured output.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

# Beam has an environment of its own, where `make test` runs these.
collect_ignore = [] if importlib.util.find_spec("apache_beam") else ["test_beam.py"]


def thing(rng, side=16):
    """A picture with broad structure, uint8 [side, side, 3]: each differs from each."""
    coarse = rng.integers(0, 256, (8, 8, 3), dtype="uint8")
    return coarse.repeat(side // 8, axis=0).repeat(side // 8, axis=1)


def make_labelled_set(folder: Path, rows=40, scenes=8, cutouts=5, side=16) -> Path:
    """Writes pictures and labels; every row has a scene and a cut-out.

    Returns:
        The labels file.
    """
    from maskdepth_tf.images import preprocessing
    from maskdepth_tf.input import labels

    rng = np.random.default_rng(0)
    bgs = [thing(rng, side) for _ in range(scenes)]
    fgs = [thing(rng, side) for _ in range(cutouts)]
    for name, pictures in (("bg", bgs), ("fg", fgs)):
        (folder / name).mkdir(parents=True)
        for i, picture in enumerate(pictures):
            preprocessing.write_image(folder / name / f"{i}.png", picture)
    for name in ("fg_bg", "mask", "depth"):
        (folder / name).mkdir()
    lines = []
    for i in range(rows):
        scene, cutout = i % scenes, i // scenes % cutouts
        mask = np.zeros((side, side), "uint8")
        top, left = rng.integers(0, side // 2, 2)
        mask[top : top + side // 2, left : left + side // 2] = 255
        whole = np.where(mask[..., None] > 0, fgs[cutout], bgs[scene])
        depth = np.linspace(0, 65535, side * side).reshape(side, side)
        depth = np.where(mask > 0, depth / 2, depth).astype("uint16")
        preprocessing.write_image(folder / f"fg_bg/{i}.png", whole)
        preprocessing.write_image(folder / f"mask/{i}.png", mask)
        preprocessing.write_image(folder / f"depth/{i}.png", depth)
        lines.append(
            labels.Row(
                f"bg/{scene}.png",
                f"fg/{cutout}.png",
                f"fg_bg/{i}.png",
                f"mask/{i}.png",
                f"depth/{i}.png",
            )
        )
    labels.write(folder / "labels.txt", lines)
    return folder / "labels.txt"


@pytest.fixture(scope="session")
def sets(tmp_path_factory):
    """A folder of sources, and SHA-256 of what each command makes of them."""
    from tests import made_sets

    root = tmp_path_factory.mktemp("sets")
    return root, made_sets.prepare(root, with_pillow=True)


def thread_pool(num_workers, prepare=None, arguments=()):
    """Threads in place of `workers.pool`: processes take long to import TensorFlow."""
    if prepare is not None:
        prepare(*arguments)
    return ThreadPoolExecutor(num_workers)


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
    """Run folder and version folder of `tests.exported`; for reading only."""
    from tests import exported

    return exported.make(tmp_path_factory.mktemp("exported"))


@pytest.fixture(scope="session")
def shift_folder(tmp_path_factory):
    """Folder of a model, `servers.Shift`, that adds 100; for reading only."""
    from tests import servers

    folder = tmp_path_factory.mktemp("models") / "shift"
    servers.write_version(folder, 1, 100)
    return folder


def tiny_overrides(labels_path, workdir) -> list[str]:
    """Two quick epochs of 2 steps on a labelled set."""
    return [
        f"data.labels={labels_path}",
        f"workdir={workdir}",
        "data.image_size=16",
        "data.test_fraction=0.25",
        "model.widths=[4, 4]",
        "model.patch_size=2",
        "augmentation.flip_probability=0.5",
        "augmentation.cutout_holes=1",
        "augmentation.cutout_size=4",
        "training.epochs=2",
        "training.batch_size=8",
        "training.test_batch_size=3",
        "training.pictures=2",
        "optimizer.drop_epochs=1",
    ]


def train_run(overrides, *flags, is_scored=False) -> int:
    """The train command as it is called, but for the export, which takes long.

    Args:
        overrides: As "a.b=1".
        *flags: More arguments.
        is_scored: Whether evaluation and curves are left in, which take long, too.

    Returns:
        Its exit code.
    """
    from maskdepth_tf import cli, export, train
    from maskdepth_tf.inference import scoring
    from maskdepth_tf.reports import run_report

    arguments = [word for text in overrides for word in ("--set", text)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export, "export_run", lambda run_dir, folder: "no export")
        patch.setattr(train, "QUICKSTART", os.devnull)
        if not is_scored:
            patch.setattr(scoring, "evaluate_split", lambda *arguments: {})
            patch.setattr(scoring, "table", lambda scores: "no scores")
            patch.setattr(run_report, "write_curves", lambda history, path: None)
        return cli.run(train.main, [*arguments, *flags])


@pytest.fixture(scope="session")
def trained(tmp_path_factory, labels_file):
    """Folder of a finished run of two epochs; for reading only."""
    run_dir = tmp_path_factory.mktemp("runs") / "trained"
    assert train_run(tiny_overrides(labels_file, run_dir), is_scored=True) == 0
    return run_dir


@pytest.fixture(scope="session")
def shift_versions(tmp_path_factory):
    """Versions 1 to 6 that add 1 to 6; to be copied from."""
    from tests import servers

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
