"""Strict YAML: what loads, what is refused, and in which words."""

import contextlib
import dataclasses
import subprocess
import sys

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from maskdepth_tf import config, schema
from maskdepth_tf.errors import UsageError
from tests.support import config_page
from tests.support.paths import ROOT

CONFIGS = sorted((ROOT / "configs").rglob("*.yaml"))

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
garbage = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(scalars, inner),
    max_leaves=6,
)


FIELDS = dict(config_page.fields())
KEYS = sorted(FIELDS)
CHOICES = {k: f.metadata["choices"] for k, f in FIELDS.items() if f.metadata["choices"]}
RANGES = {
    key: (field.metadata["least"], field.metadata["most"])
    for key, field in FIELDS.items()
    if field.metadata["least"] is not None and not key.endswith(".terms")
}


def write(folder, text, name="some.yaml"):
    path = folder / name
    path.write_text(text)
    return path


def test_files_are_found():
    assert len(CONFIGS) >= 2


def test_fields_are_found():
    assert len(KEYS) > 40
    assert RANGES["data.synthesize.rows"] == (1, None)
    assert RANGES["optimizer.clip_norm"] == (1e-12, None)
    assert CHOICES["data.split"] == ("unseen", "random")
    assert all(field.metadata["meaning"] for field in FIELDS.values())


def test_page_is_of_these_fields():
    text = config_page.PATH.read_text()
    assert text == config_page.page(), "python -m tests.support.config_page"


@pytest.mark.parametrize("name", ["fast", "fast.yaml", "configs/fast.yaml"])
def test_shipped_file_by_name(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fast").mkdir()
    assert config.find(name) == ROOT / "configs" / "fast.yaml"
    (tmp_path / "configs").mkdir()
    path = write(tmp_path, "seed: 1", "configs/fast.yaml")
    assert (config.find(name).resolve() == path) == (name == "configs/fast.yaml")


def test_shipped_file_in_a_folder():
    path = ROOT / "configs" / "losses" / "bce_bce.yaml"
    assert config.find("losses/bce_bce") == path


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("fst", "fast"),
        ("fast.yml", "fast.yaml"),
        ("none.yaml", ".*"),
        ("../configs/fast", ".*"),
        ("/fast", "fast"),
        ("", ".*"),
    ],
)
def test_neither_a_file_nor_shipped(name, near, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    message = (
        f"one of debug, fast, fine, gpu, .*, losses/smooth_l1_dssim. Received: {name}. "
    )
    message += f"The nearest is: {near}$"
    with pytest.raises(UsageError, match=message):
        config.find(name)


def test_nothing_gives_the_defaults():
    assert config.load_config() == config.Config()


def test_empty_file_changes_nothing(tmp_path):
    assert config.load_config([write(tmp_path, "# nothing\n")]) == config.Config()


def test_later_files_and_overrides_replace_single_values(tmp_path):
    first = write(tmp_path, "seed: 1\ntraining: {epochs: 5, batch_size: 4}", "a.yaml")
    second = write(tmp_path, "training: {epochs: 6}\nmodel: {widths: [8, 8]}", "b.yaml")
    loaded = config.load_config([first, second], ["training.epochs=7", "workdir=x/y"])
    assert loaded.seed == 1
    assert loaded.training == config.Training(epochs=7, batch_size=4)
    assert loaded.model == config.Model(widths=(8, 8))
    assert loaded.workdir == "x/y"
    other = config.load_config([second, first])
    assert other.training.epochs == 5


def test_terms_are_replaced_as_a_whole(tmp_path):
    first = write(tmp_path, "losses: {mask: {terms: {dice: 1}, weight: 3}}")
    loaded = config.load_config([first], ["losses.mask.terms={dssim: 2}"])
    assert loaded.losses.mask == config.Output({"dssim": 2.0}, {}, 3.0)


def test_one_term_is_changed_alone(tmp_path):
    first = write(tmp_path, "losses: {mask: {terms: {dice: 1, dssim: 2}}}")
    override = ["losses.mask.terms.dice=3", "losses.mask.terms.smooth_l1=4"]
    loaded = config.load_config([first], override)
    assert loaded.losses.mask.terms == {"dice": 3.0, "dssim": 2.0, "smooth_l1": 4.0}


def test_one_part_of_a_loss_can_be_given_alone():
    loaded = config.load_config([], ["losses.mask.weight=2"])
    assert loaded.losses.mask.weight == 2.0
    assert loaded.losses.mask.terms == config.Losses().mask.terms


def test_options_of_a_term():
    text = "losses.depth.options={dssim: {filter_size: 3, padding: reflect}}"
    loaded = config.load_config([], [text])
    options = {"dssim": {"filter_size": 3, "padding": "reflect"}}
    assert loaded.losses.depth.options == options
    assert loaded.losses.depth.terms == config.Losses().depth.terms


def test_numbers_become_the_declared_type():
    loaded = config.load_config(
        [], ["optimizer.learning_rate=1e-4", "data.memory_gb=1"]
    )
    assert loaded.optimizer.learning_rate == 1e-4
    assert type(loaded.data.memory_gb) is float


def test_null_where_it_means_something():
    loaded = config.load_config([], ["data.synthesize=null", "data.max_rows=null"])
    assert loaded.data.synthesize is None
    assert loaded.data.max_rows is None


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_file_loads_and_round_trips(path, tmp_path):
    loaded = config.load_config([path])
    again = config.load_config([write(tmp_path, config.to_yaml(loaded))])
    assert again == loaded
    assert config.to_yaml(again) == config.to_yaml(loaded)


def test_to_dict_is_plain():
    plain = schema.to_dict(config.load_config([], ["model.widths=[8, 16]"]))
    assert plain["model"]["widths"] == [8, 16]
    assert plain["losses"]["depth"]["terms"] == {"dssim": 1.0}
    assert list(plain)[:2] == ["seed", "workdir"]
    plain["losses"]["depth"]["terms"]["dice"] = 1.0
    assert config.Config().losses.depth.terms == {"dssim": 1.0}


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("sed=1", "unknown configuration key: sed. The nearest is: seed$"),
        (
            "training.epoch=1",
            r"unknown configuration key: training\.epoch\. "
            r"The nearest is: training\.epochs$",
        ),
        ("seed.x=1", "seed must be of type int. Received: {'x': 1}"),
        ("data.synthesize.row=1", r"The nearest is: data\.synthesize\.rows$"),
        ("epochs=1", r"The nearest is: training\.epochs$"),
        ("1=2", "unknown configuration key: 1. The nearest is: "),
        ("seed=true", "seed must be of type int. Received: True"),
        ("seed=1.5", "seed must be of type int. Received: 1.5"),
        ("seed=one", "seed must be of type int. Received: 'one'"),
        ("seed=null", "seed must be of type int. Received: None"),
        ("workdir=3", "workdir must be of type str. Received: 3"),
        ("optimizer.momentum=much", "optimizer.momentum must be of type float"),
        ("optimizer.momentum=true", "optimizer.momentum must be of type float"),
        ("optimizer.nesterov=1", "optimizer.nesterov must be of type bool"),
        ("model.widths=8", "model.widths must be of type list. Received: 8"),
        ("model.widths=[8, x]", "model.widths must be of type int. Received: 'x'"),
        ("losses.mask.terms=dice", "losses.mask.terms must be of type dict"),
        ("losses.mask.terms={dice: x}", "losses.mask.terms.dice must be of type float"),
        ("losses.mask.options={dice: 3}", "options.dice must be of type dict"),
        ("losses.mask=3", "losses.mask must be a mapping. Received: 3"),
        ("data=null", "data must be a mapping. Received: None"),
        ("seed", "--set takes KEY=VALUE, as a.b=1. Received: seed$"),
        ("=1", "--set takes KEY=VALUE, as a.b=1. Received: =1$"),
        ("seed=[", r"--set seed: the value must be YAML. Received: seed=\["),
        ("data.labels=2020-13-45", "--set data.labels: the value must be YAML"),
        ("seed=0x_", "--set seed: the value must be YAML"),
        ("seed=!!bool x", "--set seed: the value must be YAML"),
        ("seed=" + "[" * 1000, "--set seed: the value must be YAML"),
        (
            "data.split=unsen",
            "data.split must be one of unseen, random. Received: unsen. "
            "The nearest is: unseen$",
        ),
        ("model.preset=''", "model.preset must be one of fast, fine, reference"),
        ("training.epochs=0", "training.epochs must be 1 or more. Received: 0"),
        ("data.test_fraction=1", "must be 0.001 to 0.999. Received: 1.0"),
        ("optimizer.learning_rate=.nan", "1e-12 to 1000000.0. Received: nan"),
        ("data.memory_gb=.inf", "data.memory_gb must be 0 or more. Received: inf"),
        ("losses.mask.weight=-1", "losses.mask.weight must be 0 or more"),
        (
            "losses.mask.terms={dice: .nan}",
            "losses.mask.terms.dice must be 0 or more. Received: nan",
        ),
        ("losses.depth.terms={dssim: -1}", "losses.depth.terms.dssim must be 0 or"),
        (
            "augmentation.cutout_size=7",
            "augmentation.cutout_size must be even. Received: 7",
        ),
        ("data.services=host:1", "data.services must be of type list. Received: 'ho"),
        ("data.services=[host]", "data.services must be HOST:PORT each. Received: hos"),
        ("data.services=['http://h:1']", "HOST:PORT each. Received: http://h:1"),
        (
            "model.widths=[]",
            r"model.widths must name at least one level, .* Received: \[\]",
        ),
        ("model.widths=[8, -1]", r"at least 1 channel. Received: \[8, -1\]"),
    ],
)
def test_refused(override, message):
    with pytest.raises(UsageError, match=message):
        config.load_config([], [override])


@pytest.mark.parametrize(("key", "limits"), RANGES.items())
def test_range_ends(key, limits):
    def load(value):
        return config.load_config([], ["data.synthesize={}", f"{key}={value!r}"])

    least, most = limits
    step = -1 if isinstance(least, int) else -least / 2
    load(least)
    with pytest.raises(UsageError, match=f"{key} must be"):
        load(least + step)
    if most is not None:
        load(most)
        with pytest.raises(UsageError, match=f"{key} must be {least} to {most}"):
            load(most + 1)


@pytest.mark.parametrize(("key", "choices"), CHOICES.items())
def test_choices(key, choices):
    for choice in choices:
        config.load_config([], [f"{key}={choice}"])
    with pytest.raises(UsageError, match=f"{key} must be one of {', '.join(choices)}"):
        config.load_config([], [f"{key}=zzz"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"seed: 1\n  a: [", "some.yaml:2: must be valid YAML: "),
        (b"seed: 1\nseed: 2", "some.yaml:2: must be valid YAML: the key seed is there"),
        (
            b"data:\n  root: a\n  root: b",
            "some.yaml:3: must be valid YAML: the key root",
        ),
        (b"seed: 2020-13-45", "some.yaml: must be valid YAML: month must be in"),
        (b"- 1\n- 2\n", "some.yaml: must be a mapping. Received: list"),
        (b"seed: \xff\xfe", "some.yaml: a configuration must be readable"),
        (b"!!python/object/apply:os.system [ls]", "some.yaml:1: must be valid YAML"),
    ],
)
def test_bad_file(tmp_path, content, message):
    path = tmp_path / "some.yaml"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=message):
        config.load_config([path])


def test_missing_file_and_folder(tmp_path):
    for path in (tmp_path / "none.yaml", tmp_path):
        with pytest.raises(UsageError, match=f"{path}: a configuration must be read"):
            config.load_config([path])


@settings(deadline=None)
@given(st.sampled_from(KEYS), garbage)
def test_garbage_values_are_refused_or_loaded(key, value):
    text = yaml.safe_dump(value, default_flow_style=True)
    with contextlib.suppress(UsageError):
        loaded = config.load_config([], [f"{key}={text}"])
        assert yaml.safe_load(config.to_yaml(loaded)) == schema.to_dict(loaded)


@settings(deadline=None)
@given(st.lists(st.text(), max_size=3))
def test_garbage_overrides(overrides):
    with contextlib.suppress(UsageError):
        assert isinstance(config.load_config([], overrides), config.Config)


def test_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.Config().seed = 1


def test_imports_no_tensorflow():
    code = "import sys, maskdepth_tf.config; sys.exit('tensorflow' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
