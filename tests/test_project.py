"""What is declared about the project agrees with what is there."""

import ast
import configparser
import importlib.metadata
import json
import os
import re
import shlex
import subprocess
import sys

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import maskdepth_tf
from maskdepth_tf import cli
from maskdepth_tf.dataset import __main__ as dataset
from tests.support.paths import ROOT

PACKAGE = ROOT / "maskdepth_tf"
LOCKS = {
    "env.txt": ("dev", "teacher", "addons", "serving", "formats", "video"),
    "gpu.txt": ("gpu",),
    "beam.txt": ("dev", "beam"),
}
"""Lock -> the extras that it covers besides the core."""

COMMANDS = [
    (),
    *((name,) for name in cli.COMMANDS),
    *(("dataset", name) for name in dataset.COMMANDS),
]
HELP = """
import contextlib, io, json, sys
from maskdepth_tf import cli
imported, answers = set(), []
for command in json.loads(sys.argv[1]):
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        try:
            code = cli.run(cli.main, [*command, "--help"])
        except SystemExit as stop:
            code = stop.code
    new = {name.split(".")[0] for name in sys.modules} - imported
    imported |= new
    answers.append((code, text.getvalue(), sorted(new)))
print(json.dumps(answers))
"""
"""Exit code and text of each `--help`, and what it was the first to import."""

SLOW_IMPORTS = {"ai_edge_litert", "apache_beam", "embreex", "keras", "keras_hub"}
SLOW_IMPORTS |= {"matplotlib", "onnx", "onnxruntime", "openvino", "pandas", "scipy"}
SLOW_IMPORTS |= {"tensorflow", "tf2onnx", "trimesh"}
"""What some commands need and `--help` must not wait for."""

FORBIDDEN_IMPORTS = {"dill", "joblib", "marshal", "pickle", "shelve"}
FORBIDDEN_CALLS = {"eval", "exec", "os.system", "os.popen", "yaml.load"}
FORBIDDEN_NAMES = {
    "enable_unsafe_deserialization",
    "extractall",
    "full_load",
    "ignore_errors",
    "unsafe_load",
    "LOAD_TRUNCATED_IMAGES",
}
FORBIDDEN_KEYWORDS = {
    "allow_pickle=True",
    "safe_mode=False",
    "shell=True",
    "try_recover_truncated=True",
}


def read_setup():
    """The declarations in setup.cfg."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    return setup


def requirements(text):
    """One requirement a line -> list of them, without comments."""
    lines = (line.strip() for line in text.splitlines())
    return [Requirement(line) for line in lines if line and line[0] != "#"]


def read_lock(name):
    """Entries of a lock: (requirement, hashes)."""
    text = (ROOT / "requirements" / name).read_text().replace("\\\n", " ")
    entries = [line.split() for line in text.splitlines() if line[:1].isalnum()]
    return [
        (
            Requirement(" ".join(word for word in entry if word[:2] != "--")),
            [word for word in entry if word[:2] == "--"],
        )
        for entry in entries
    ]


def test_version():
    assert read_setup()["metadata"]["version"] == "attr: maskdepth_tf.__version__"
    assert importlib.metadata.version("maskdepth_tf") == maskdepth_tf.__version__
    assert re.fullmatch(r"\d+\.\d+\.\d+", maskdepth_tf.__version__)


def test_console_script():
    scripts = importlib.metadata.entry_points(group="console_scripts")
    assert scripts["maskdepth"].load() is cli.entry_point


@pytest.mark.parametrize("name", LOCKS)
def test_lock_pins_and_hashes_all(name):
    entries = read_lock(name)
    assert len(entries) > 50
    for requirement, hashes in entries:
        assert str(requirement.specifier).startswith("=="), requirement
        assert not requirement.url, requirement
        assert hashes, requirement
        assert all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", h) for h in hashes)


@pytest.mark.parametrize("name", LOCKS)
def test_lock_names_no_place(name):
    text = (ROOT / "requirements" / name).read_text()
    assert "://" not in text
    assert not re.findall(r"^ *-.*", re.sub(r"^ +--hash=.*", "", text, flags=re.M))


@pytest.mark.parametrize(("name", "extras"), LOCKS.items())
def test_lock_covers_what_is_declared(name, extras):
    setup = read_setup()
    declared = setup["options"]["install_requires"]
    declared += "".join(setup["options.extras_require"][extra] for extra in extras)
    locked = {}
    for requirement, _ in read_lock(name):
        (pin,) = requirement.specifier
        locked.setdefault(canonicalize_name(requirement.name), []).append(pin.version)
    for requirement in requirements(declared):
        versions = locked.get(canonicalize_name(requirement.name))
        assert versions, f"{requirement} is not locked: make lock"
        assert all(map(requirement.specifier.contains, versions)), requirement


def test_all_imports_are_declared():
    setup = read_setup()
    extras = dict(setup["options.extras_require"])
    extras.pop("dev")
    text = "\n".join([setup["options"]["install_requires"], *extras.values()])
    declared = {canonicalize_name(known.name) for known in requirements(text)}
    imported = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add(node.module.split(".")[0])
    providers = importlib.metadata.packages_distributions()
    for module in imported - sys.stdlib_module_names - {PACKAGE.name}:
        # What is in another environment provides a module of its own name.
        names = {canonicalize_name(name) for name in providers.get(module, [module])}
        assert names & declared, f"{module}: declare what provides it in setup.cfg"


def test_every_extra_is_locked_but_window_and_camera():
    locked = {extra for extras in LOCKS.values() for extra in extras}
    # OpenCV with windows and OpenCV without are the same module: no lock has both.
    assert set(read_setup()["options.extras_require"]) == locked | {
        "gui",
        "virtual-camera",  # nothing here has one
    }


def test_gpu_lock_only_adds_to_the_environment():
    env = {str(requirement) for requirement, _ in read_lock("env.txt")}
    gpu = {str(requirement) for requirement, _ in read_lock("gpu.txt")}
    assert {name for name in gpu - env if not name.startswith("nvidia-")} == set()


@pytest.fixture(scope="module")
def helps():
    """Exit code, text and new imports of each command's `--help`, of one process."""
    run = subprocess.run(
        [sys.executable, "-c", HELP, json.dumps(COMMANDS)],
        cwd=ROOT,
        env=os.environ | {"COLUMNS": "80"},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    return dict(zip(COMMANDS, json.loads(run.stdout), strict=True))


def name_of(command):
    return " ".join(["maskdepth", *command])


@pytest.mark.parametrize("command", COMMANDS, ids=name_of)
def test_help_waits_for_nothing_slow(helps, command):
    code, text, imported = helps[command]
    assert code == 0
    assert text
    assert set(imported) & SLOW_IMPORTS == set()


@pytest.mark.parametrize("command", COMMANDS, ids=name_of)
def test_help_is_of_what_people_type(helps, command):
    text = helps[command][1]
    assert text.startswith(f"usage: {name_of(command)} ")
    assert max(map(len, text.splitlines())) <= 80
    assert "maskdepth_tf" not in text


@pytest.mark.parametrize("command", COMMANDS, ids=name_of)
def test_help_has_an_example_that_works(helps, command):
    example = helps[command][1].partition("\nexample:\n")[2].replace("\\\n", "")
    program, *words = shlex.split(example)
    assert program == "maskdepth"
    assert tuple(words[: len(command)]) == command
    # The example of a command that has commands is one of these.
    name, flags = words[0], words[1:]
    module = importlib.import_module(cli.COMMANDS[name][0])
    if module is dataset:
        name, flags = words[1], words[2:]
        module = importlib.import_module(dataset.COMMANDS[name][0])
        assert dataset.make_parser(name, module).parse_args(flags)
    else:
        assert module.make_parser().parse_args(flags)


def forbidden(source):
    """Uses of what the package must not use, as "line: what"."""
    for node in ast.walk(ast.parse(source)):
        found = set()
        if isinstance(node, ast.Import):
            found = {alias.name.split(".")[0] for alias in node.names}
            found &= FORBIDDEN_IMPORTS
        elif isinstance(node, ast.ImportFrom):
            names = {(node.module or "").split(".")[0]} & FORBIDDEN_IMPORTS
            found = names | ({alias.name for alias in node.names} & FORBIDDEN_NAMES)
        elif isinstance(node, ast.Call):
            found = {ast.unparse(node.func)} & FORBIDDEN_CALLS
        elif isinstance(node, ast.keyword):
            found = {ast.unparse(node)} & FORBIDDEN_KEYWORDS
        elif isinstance(node, ast.Attribute):
            found = {node.attr} & FORBIDDEN_NAMES
        elif isinstance(node, ast.Assign):
            found = set(re.findall(r"MAX_IMAGE_PIXELS = None$", ast.unparse(node)))
        elif isinstance(node, ast.Constant) and node.value == "0.0.0.0":
            found = {node.value}
        elif isinstance(node, ast.ExceptHandler) and node.type is None:
            found = {"except:"}
        line = getattr(node, "lineno", 0)
        yield from (f"{line}: {what}" for what in sorted(found))


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from joblib import load",
        "from keras.config import enable_unsafe_deserialization",
        "eval('1')",
        "exec(text)",
        "os.system('ls')",
        "yaml.load(text, Loader=yaml.Loader)",
        "yaml.unsafe_load(text)",
        "np.load(path, allow_pickle=True)",
        "keras.saving.load_model(path, safe_mode=False)",
        "keras.config.enable_unsafe_deserialization()",
        "archive.extractall(folder)",
        "dataset.ignore_errors()",
        "tf.io.decode_jpeg(data, try_recover_truncated=True)",
        "ImageFile.LOAD_TRUNCATED_IMAGES = True",
        "Image.MAX_IMAGE_PIXELS = None",
        "subprocess.run(text, shell=True)",
        "server.bind('0.0.0.0')",
        "try:\n    pass\nexcept:\n    pass",
    ],
)
def test_forbidden_is_found(source):
    assert len(list(forbidden(source))) == 1


@pytest.mark.parametrize(
    "path",
    sorted(PACKAGE.rglob("*.py")),
    ids=lambda path: str(path.relative_to(PACKAGE)),
)
def test_package_uses_nothing_forbidden(path):
    assert list(forbidden(path.read_text())) == []
