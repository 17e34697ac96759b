"""Run folders: never mixed, and complete in what they say of a run."""

import contextlib
import json
import os
import re
import subprocess
import sys
import threading

import pytest

from maskdepth_tf import __version__, config, schema
from maskdepth_tf.errors import LockedError, StateError, UsageError
from maskdepth_tf.training import runs
from tests.support.run_folders import DATA, HOLD, settings_of


@pytest.fixture
def begun(tmp_path):
    """A run folder as it is before the first step, and its configuration."""
    settings = settings_of(tmp_path / "run", "seed=3")
    with runs.claim(settings, False) as run_dir:
        runs.begin(run_dir, settings, DATA)
    return tmp_path / "run", settings


def claimed(settings, resume):
    """The folder, once claimed and let go of."""
    with runs.claim(settings, resume) as run_dir:
        return run_dir


def test_new_run(tmp_path):
    settings = settings_of(tmp_path / "a/b")
    with runs.claim(settings, False) as run_dir:
        assert run_dir == tmp_path / "a/b"
        runs.begin(run_dir, settings, DATA)
    assert run_dir.is_dir()


def test_folder_of_no_run_is_removed(tmp_path):
    claimed(settings_of(tmp_path / "run"), False)
    assert not (tmp_path / "run").exists()
    (tmp_path / "own").mkdir()
    claimed(settings_of(tmp_path / "own"), False)
    assert (tmp_path / "own").is_dir()


def test_another_process_is_at_work(begun):
    run_dir, settings = begun
    command, pipe = [sys.executable, "-c", HOLD, run_dir / runs.LOCK], subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe) as holder:
        assert holder.stdout.readline() == b"held\n"
        for resume in (False, True):
            message = f"{run_dir}: another process is training there"
            with pytest.raises(LockedError, match=message):
                claimed(settings, resume)
    assert claimed(settings, True) == run_dir


def test_one_of_two_gets_the_folder(tmp_path):
    for number in range(50):
        settings = settings_of(tmp_path / str(number))
        meet, got = threading.Barrier(2), []

        def claim(settings=settings, meet=meet, got=got):
            meet.wait()
            try:
                with runs.claim(settings, False) as run_dir:
                    runs.begin(run_dir, settings, DATA)
                    got.append("held")
                    meet.wait()
            except LockedError:
                got.append("locked")
                meet.wait()

        threads = [threading.Thread(target=claim) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(got) == ["held", "locked"]


@pytest.mark.parametrize(
    ("change", "received"),
    [
        ({"rows": 4}, "rows=4, begun with 3"),
        ({"splits": {"train": 2, "test": 1}}, "splits={'train': 2, 'test': 1}, begun"),
        ({"sha256": "1"}, "sha256=1, begun with 000"),
    ],
)
def test_resume_with_other_data(begun, change, received):
    run_dir, _ = begun
    runs.check_data(run_dir, DATA | {"labels": "moved/l.txt"})
    message = f"l.txt: a run resumes with its own data. Received: {received}"
    with pytest.raises(StateError, match=message):
        runs.check_data(run_dir, DATA | change)


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("seed=3", None),
        ("optimizer.learning_rate=0.5", "seed=3 instead of 0"),
        ("seed=4", "seed=3 instead of 4"),
        ("data.test_fraction=0.5", "seed=3 instead of 0"),
    ],
)
def test_weights_that_have_seen_the_test_rows(begun, tmp_path, override, told):
    run_dir, _ = begun
    settings = settings_of(tmp_path / "next", override)
    (run_dir / "best.keras").touch()
    for init in (run_dir, run_dir / "best.keras"):
        doubt = runs.doubt_of_init(str(init), settings, DATA)
        assert (doubt is None) == (told is None)
        assert told is None or f"{init}: was trained on rows that test here" in doubt
        assert told is None or told in doubt
    assert runs.doubt_of_init(str(run_dir), settings, DATA | {"sha256": "1"}) is None
    with contextlib.chdir(run_dir):  # the name of a preset, beside a run's description
        assert runs.doubt_of_init("fine", settings, DATA) is None
    (run_dir / "run.json").write_text("{")
    assert runs.doubt_of_init(str(run_dir), settings, DATA) is None


@pytest.mark.parametrize("text", [None, "", "{}", "[]", "{"])
def test_damaged_description(begun, text):
    run_dir, _ = begun
    path = run_dir / "run.json"
    path.unlink()
    if text is not None:
        path.write_text(text)
    with pytest.raises(StateError, match=r"run\.json: is missing or damaged: "):
        runs.check_data(run_dir, DATA)


def test_run_is_there_already(begun):
    run_dir, settings = begun
    message = f"{run_dir}: a run is there already; go on with --resume, or name another"
    with pytest.raises(StateError, match=message):
        claimed(settings, False)


def test_a_run_that_is_not_there_is_begun_by_resuming(tmp_path):
    assert claimed(settings_of(tmp_path / "new"), True) == tmp_path / "new"


def test_when_it_was_begun_stays(begun):
    run_dir, settings = begun
    path = run_dir / "run.json"
    description = json.loads(path.read_text())
    path.write_text(json.dumps(description | {"started": "once"}))
    runs.begin(run_dir, settings, DATA)
    assert json.loads(path.read_text())["started"] == "once"


def test_resume_with_the_same_configuration(begun):
    run_dir, settings = begun
    assert claimed(settings, True) == run_dir


def test_folder_may_have_been_moved(begun, tmp_path):
    run_dir, _ = begun
    run_dir.rename(tmp_path / "moved")
    moved = settings_of(tmp_path / "moved", "seed=3")
    assert claimed(moved, True) == tmp_path / "moved"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("seed=4", "seed=4, begun with 3"),
        ("training.epochs=19", "training.epochs=19, begun with 20"),
        ("losses.mask.terms={dice: 1}", "Received: losses.mask.terms"),
        ("model.widths=[8]", r"model.widths=\[8\], begun with None"),
        ("data.synthesize={}", "Received: data.synthesize"),
    ],
)
def test_resume_with_another_configuration(begun, override, message):
    run_dir, _ = begun
    with pytest.raises(StateError, match="a run resumes with its own conf.*" + message):
        claimed(settings_of(run_dir, "seed=3", override), True)


def test_damaged_configuration(begun):
    run_dir, settings = begun
    (run_dir / "config.yaml").write_text("seed: [")
    with pytest.raises(UsageError, match=r"run/config\.yaml:.*must be valid YAML"):
        claimed(settings, True)


def test_saved_configuration_is_the_one_given(begun):
    run_dir, settings = begun
    assert config.load_config([run_dir / "config.yaml"]) == settings


def test_description(begun):
    run_dir, settings = begun
    found = json.loads((run_dir / "run.json").read_text())
    assert list(found) == [
        "command",
        "started",
        "versions",
        "commit",
        "machine",
        "config",
        "data",
    ]
    assert found["config"] == schema.to_dict(settings)
    assert found["data"] == DATA
    assert found["versions"]["maskdepth_tf"] == __version__
    assert set(found["versions"]) == {"maskdepth_tf", "python", *runs.PACKAGES}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", found["started"])
    assert found["machine"]["cores"] == os.cpu_count()
    assert found["commit"] is None or re.fullmatch(r"[0-9a-f]{40}\+?", found["commit"])


def test_finish_adds_the_fingerprint(begun):
    run_dir, _ = begun
    before = json.loads((run_dir / "run.json").read_text())
    runs.finish(run_dir, "ab")
    after = json.loads((run_dir / "run.json").read_text())
    assert after.pop("weights_sha256") == "ab"
    assert after.pop("finished") >= before["started"]
    assert after == before


def test_without_git(begun, monkeypatch):
    run_dir, settings = begun
    monkeypatch.setenv("PATH", "")
    runs.begin(run_dir, settings, DATA)
    assert json.loads((run_dir / "run.json").read_text())["commit"] is None


def test_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    for run_dir in (tmp_path / "file", tmp_path / "file" / "run"):
        settings = settings_of(run_dir)
        with pytest.raises(
            StateError, match=f"{run_dir}: the run folder cannot be made"
        ):
            runs.begin(claimed(settings, False), settings, DATA)
