"""Which models are found in folders and in configurations."""

import shutil

import pytest

from maskdepth_tf.errors import UsageError
from maskdepth_tf.serving import model_config
from maskdepth_tf.serving.model_config import Declared, Policy
from maskdepth_tf.serving.models import Models
from tests.support import servers


def test_what_is_no_version(tmp_path, shift_versions):
    model = tmp_path / "shift"
    for name in ("x1", "²", ".export-new", "-1", "1.5", str(2**63)):
        (model / name).mkdir(parents=True)
    (model / "7").write_text("a file")
    assert model_config.version_folders(str(model)) == {}
    shutil.copytree(shift_versions / "1", model / "00000123")
    models = Models(lambda: model_config.find_models(str(model)))
    models.poll()
    assert models.available() == {"shift": [123]}


def test_a_folder_of_models(tmp_path, shift_versions):
    for name in ("a", "b"):
        shutil.copytree(shift_versions / "1", tmp_path / name / "1")
    (tmp_path / "nothing").mkdir()
    models = Models(lambda: model_config.find_models(str(tmp_path)))
    models.poll()
    assert models.available() == {"a": [1], "b": [1]}
    shutil.rmtree(tmp_path / "a")
    shutil.copytree(shift_versions / "1", tmp_path / "c" / "1")
    models.poll()
    assert models.available() == {"b": [1], "c": [1]}
    with pytest.raises(UsageError, match="--models must be a folder. Received: .*none"):
        model_config.find_models(str(tmp_path / "none"))


CONFIG = """
model_config_list {
  config {
    name: "shift" base_path: "models/shift" model_platform: "tensorflow"
    model_version_policy { specific { versions: 1 versions: 2 } }
    version_labels { key: "stable" value: 1 }
    version_labels { key: "canary" value: 2 }
  }
  config { name: "all" base_path: "/models/all" model_version_policy { all {} } }
  config {
    name: "two" base_path: "t" model_version_policy { latest { num_versions: 2 } }
  }
  config { name: "one" base_path: "o" }
}
"""


def test_model_config(tmp_path):
    path = tmp_path / "models.config"
    path.write_text(CONFIG)
    models = model_config.read_config(str(path))
    labels = {"stable": 1, "canary": 2}
    specific = Policy(specific=frozenset([1, 2]))
    assert models["shift"] == Declared(str(tmp_path / "models/shift"), specific, labels)
    assert models["all"] == Declared("/models/all", Policy(latest=0))
    assert models["two"].policy == Policy(latest=2)
    assert models["one"].policy == Policy(latest=1)
    assert Policy(latest=2).pick([1, 10, 9]) == [10, 9]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model_config_list { confg {} }", "cannot be read: .*confg"),
        ("", "must have a model_config_list with models"),
        (
            'model_config_list { config { name: "a" } }',
            "each model needs a name of its",
        ),
        (
            'model_config_list { config { name: "a" base_path: "b" } '
            'config { name: "a" base_path: "b" } }',
            "each model needs a name of its own",
        ),
        (
            'model_config_list { config { name: "a" base_path: "b" '
            'model_platform: "c" } }',
            "model_platform must be tensorflow. Received: c",
        ),
        (
            'model_config_list { config { name: "a" base_path: "b" '
            "model_version_policy { specific {} } } }",
            "a: specific must name versions",
        ),
    ],
)
def test_bad_model_config(tmp_path, text, message):
    path = tmp_path / "models.config"
    path.write_text(text)
    with pytest.raises(UsageError, match=message):
        model_config.read_config(str(path))


def test_a_config_that_becomes_bad_changes_nothing(put, tmp_path, capsys):
    put(1)
    path = tmp_path / "models.config"
    path.write_text(
        f'model_config_list {{ config {{ name: "shift" base_path: "{put.folder}" }} }}'
    )
    models = Models(lambda: model_config.read_config(str(path)))
    models.poll()
    path.write_text("model_config_list {")
    models.poll()
    models.poll()
    assert servers.answer(models) == 1
    assert capsys.readouterr().err.count("models.config: cannot be read") == 1
