"""Models on disk: whole, exact, and refused with a reason."""

import gc
import os
import re
import zipfile

import keras
import numpy as np
import pytest

from maskdepth_tf.errors import StateError
from maskdepth_tf.network import model as network
from maskdepth_tf.training import checkpoints
from tests.support import open_files


def compiled(seed=0):
    """A network of one layer that has taken one step, so that momentum is there."""
    keras.utils.set_random_seed(seed)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), "mse")
    model.train_on_batch(np.ones((4, 3)), np.zeros((4, 2)))
    return model


def test_round_trip_is_exact(tmp_path):
    model, path = compiled(), tmp_path / "last.keras"
    checkpoints.save_model(model, path)
    assert [p.name for p in tmp_path.iterdir()] == ["last.keras"]
    again = checkpoints.load_model(path)
    assert checkpoints.weights_sha256(again) == checkpoints.weights_sha256(model)
    assert int(again.optimizer.iterations) == 1


def test_training_goes_on_the_same(tmp_path):
    model, path = compiled(), tmp_path / "last.keras"
    checkpoints.save_model(model, path)
    again = checkpoints.load_model(path)
    for one in (model, again):
        one.train_on_batch(np.ones((4, 3)), np.ones((4, 2)))
    assert checkpoints.weights_sha256(again) == checkpoints.weights_sha256(model)


def test_older_file_stays_if_writing_fails(tmp_path, monkeypatch):
    model, path = compiled(), tmp_path / "last.keras"
    checkpoints.save_model(model, path)
    before = path.read_bytes()

    def save(target):
        with open(target, "wb") as file:
            file.write(b"half")
        raise OSError(28, "full")

    monkeypatch.setattr(model, "save", save)
    with pytest.raises(OSError, match="full"):
        checkpoints.save_model(model, path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["last.keras"]


def test_answers_are_float32(tmp_path):
    shape = {"image_size": 16, "widths": (4, 4), "patch_size": 2, "difference": True}
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        trained = network.resnet_unet(**shape)
        trained.compile(keras.optimizers.SGD(0.1), {"mask": "mse", "depth": "mse"})
    finally:
        keras.mixed_precision.set_global_policy("float32")
    checkpoints.save_model(trained, tmp_path / checkpoints.BEST)
    found = checkpoints.load_model(tmp_path)
    assert {layer.compute_dtype for layer in found.layers} == {"float32"}
    plain = network.resnet_unet(**shape)
    plain.set_weights(trained.get_weights())
    rng = np.random.default_rng(0)
    pictures = {
        name: rng.integers(0, 256, (2, 16, 16, 3)).astype("float32")
        for name in ("bg", "fg_bg")
    }
    rough = trained(pictures, training=False)
    for name, answer in found(pictures, training=False).items():
        np.testing.assert_array_equal(answer, plain(pictures, training=False)[name])
        assert 0 < np.abs(answer - rough[name]).max() < 0.1
    checkpoints.save_state(trained, tmp_path, checkpoints.RunProgress())
    resumed, _ = checkpoints.load_state(tmp_path)
    assert "bfloat16" in {layer.compute_dtype for layer in resumed.layers}


def test_folder_means_its_best_model(tmp_path):
    for seed, name in enumerate((checkpoints.BEST, checkpoints.LAST)):
        checkpoints.save_model(compiled(seed), tmp_path / name)
    found = checkpoints.weights_sha256(checkpoints.load_model(tmp_path))
    assert found == checkpoints.weights_sha256(compiled(0))


def test_fingerprint_sees_weights_and_momentum():
    model = compiled()
    first = checkpoints.weights_sha256(model)
    assert re.fullmatch("[0-9a-f]{64}", first)
    assert checkpoints.weights_sha256(compiled()) == first
    assert checkpoints.weights_sha256(compiled(1)) != first
    for variable in (model.variables[0], model.optimizer.variables[-1]):
        before = checkpoints.weights_sha256(model)
        variable.assign(variable + 1e-3)
        assert checkpoints.weights_sha256(model) != before


@pytest.mark.parametrize("name", ["", "some.keras"])
def test_missing(tmp_path, name):
    message = r"(best|some)\.keras: a trained model must be there, and is not"
    with pytest.raises(StateError, match=message):
        checkpoints.load_model(tmp_path / name)


def test_another_kind_of_file(tmp_path):
    (tmp_path / "notes.md").write_text("no model")
    message = r"notes\.md: a model must be a run folder, a \.keras file or a SavedModel"
    with pytest.raises(StateError, match=message):
        checkpoints.load_model(tmp_path / "notes.md")


def truncate(path):
    path.write_bytes(path.read_bytes()[:1000])


def empty(path):
    path.write_bytes(b"")


def flip(path):
    # In the middle of the weights, where only a checksum can see it.
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)


def drop_weights(path):
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            if not name.endswith(".h5"):
                archive.writestr(name, data)


def be_text(path):
    path.write_text("no model")


@pytest.mark.parametrize("damage", [truncate, empty, flip, drop_weights, be_text])
def test_damaged(tmp_path, damage):
    path = tmp_path / "best.keras"
    checkpoints.save_model(compiled(), path)
    damage(path)
    with pytest.raises(
        StateError, match=r"best\.keras: (cannot be loaded as a model|is damaged): ."
    ) as e:
        checkpoints.load_model(tmp_path)
    assert "\n" not in str(e.value)


def states(folder):
    """Two states, each with its model's fingerprint: the last and the one before."""
    found = []
    for seed in range(2):
        progress = checkpoints.RunProgress([{"epoch": seed + 1}], {"trained": 0.1}, [])
        progress.metrics = [np.float32(seed), np.arange(3)]
        checkpoints.save_state(compiled(seed), folder, progress)
        found.append(checkpoints.weights_sha256(compiled(seed)))
    return found[::-1]


def test_state_round_trip_is_exact(tmp_path):
    last, _ = states(tmp_path)
    model, progress = checkpoints.load_state(tmp_path)
    assert checkpoints.weights_sha256(model) == last
    assert progress.history == [{"epoch": 2}]
    assert progress.epoch == {"trained": 0.1}
    assert [array.tolist() for array in progress.metrics] == [1.0, [0, 1, 2]]
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["last.keras", "previous.keras"]


def test_power_may_fail_at_any_moment(tmp_path, monkeypatch):
    """Data is on the disk before the name, and the name before anything goes on."""
    checkpoints.save_state(compiled(0), tmp_path, checkpoints.RunProgress())
    calls, fsync, replace = [], os.fsync, os.replace

    def note_fsync(descriptor):
        path = os.readlink(f"/proc/self/fd/{descriptor}")
        size = os.fstat(descriptor).st_size if os.path.isfile(path) else None
        calls.append(("fsync", path, size))
        fsync(descriptor)

    def note_replace(source, target):
        calls.append(("replace", str(source), str(target)))
        replace(source, target)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(os, "replace", note_replace)
    checkpoints.save_state(compiled(1), tmp_path, checkpoints.RunProgress())
    last, previous = (
        str(tmp_path / n) for n in (checkpoints.LAST, checkpoints.PREVIOUS)
    )
    (_, partial, size), *renamed, (flushed, folder, _) = calls
    assert size == os.path.getsize(last)
    assert renamed == [("replace", last, previous), ("replace", partial, last)]
    assert (flushed, folder) == ("fsync", str(tmp_path))


def test_saving_and_loading_leaves_nothing_open(tmp_path):
    states(tmp_path)
    for _ in range(2):
        model, progress = checkpoints.load_state(tmp_path)
        checkpoints.save_state(model, tmp_path, progress)
    gc.collect()
    assert open_files.below(tmp_path) == []


def test_no_state_yet(tmp_path):
    assert checkpoints.load_state(tmp_path) is None


def test_killed_between_two_renamings(tmp_path, capsys):
    _, previous = states(tmp_path)
    (tmp_path / checkpoints.LAST).unlink()
    model, progress = checkpoints.load_state(tmp_path)
    assert checkpoints.weights_sha256(model) == previous
    assert progress.history == [{"epoch": 1}]
    assert capsys.readouterr().err == ""


def damage(data, draws):
    """A file cut off, a bit of it flipped, or a stretch of it zeroed or removed."""
    place = int(draws.integers(len(data)))
    length = int(draws.integers(1, 400))
    return [
        lambda: data[:place],
        lambda: (
            data[:place] + bytes([data[place] ^ 1 << place % 8]) + data[place + 1 :]
        ),
        lambda: data[:place] + bytes(len(data[place:])),
        lambda: data[:place] + data[place + length :],
        lambda: b"",
    ][draws.integers(5)]()


def test_damage_is_never_loaded(tmp_path, capsys):
    last, previous = states(tmp_path)
    path = tmp_path / checkpoints.LAST
    bad = tmp_path / f"{checkpoints.LAST}.bad"
    whole, draws = path.read_bytes(), np.random.default_rng(0)
    counts = {last: 0, previous: 0}
    for _ in range(100):
        path.write_bytes(damage(whole, draws))
        model, progress = checkpoints.load_state(tmp_path)
        found = checkpoints.weights_sha256(model)
        counts[found] += 1
        warning = capsys.readouterr().err
        # What is not noticed lies where a zip keeps what nobody reads, as times.
        assert progress.history == [{"epoch": 2 if found == last else 1}]
        assert bad.exists() == (found == previous)
        assert warning.startswith(f"warning: {path}: cannot be ") == bad.exists()
        assert warning.endswith("; going on from previous.keras\n") == bad.exists()
        bad.unlink(missing_ok=True)
    assert sum(counts.values()) == 100
    assert counts[last] < 5


def test_all_states_damaged(tmp_path):
    states(tmp_path)
    for name in (checkpoints.LAST, checkpoints.PREVIOUS):
        (tmp_path / name).write_bytes(b"no zip")
    message = r"last\.keras: cannot be .*; .*previous\.keras: cannot be "
    with pytest.raises(StateError, match=message):
        checkpoints.load_state(tmp_path)
    assert len(list(tmp_path.iterdir())) == 2  # nothing is begun anew over them


def test_a_model_without_progress_is_no_state(tmp_path):
    checkpoints.save_model(compiled(), tmp_path / checkpoints.LAST)
    with pytest.raises(StateError, match=r"last\.keras: cannot be resumed from: "):
        checkpoints.load_state(tmp_path)


def test_infinite_weights_are_seen():
    model = compiled()
    assert checkpoints.is_finite(model)
    variable = model.optimizer.variables[-1]
    variable.assign(variable + np.inf)
    assert not checkpoints.is_finite(model)
