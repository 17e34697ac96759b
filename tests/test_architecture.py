"""The rooms of the package, what each may know, and README's map of them."""

import ast
import dataclasses
import graphlib
import re

import pytest

from maskdepth_tf import config
from tests.support.paths import ROOT

PACKAGE = ROOT / "maskdepth_tf"

SHARED = "errors startup streams draws files workers schema config".split()
"""Modules at the top of the package that every part may know, lowest first."""

ROOMS = (
    "machines images registration network scenes input reports dataset training".split()
)
ROOMS += "inference video disturbing serving clients exporting browser".split()
"""Folders of the package, lowest first."""

COMMANDS = "input_server list_runs robustness evaluate export predict serve".split()
COMMANDS += ["live", "client", "train", "__main__"]
"""Modules at the top of the package that a user calls, lowest first."""

# `cli` makes the parsers of all commands, also of those in the folder `dataset`.
ORDER = ["__init__", *SHARED, "cli", *ROOMS, *COMMANDS]
"""A module imports from its own place in this list and from those before it."""

KNOWS_ONLY = {
    "machines": {"errors", "files", "workers"},
    "images": {"errors", "files", "streams"},
    "registration": set(),
    "network": {"errors", "streams"},
    "scenes": {"draws"},
    "serving": {"errors", "files"},
    "clients": {"errors"},
}
"""Rooms that may be taken out of the house: all that they import of the package."""

KNOWS_CONFIG = {"config", "training", "inference", "exporting", *COMMANDS}
FORBIDDEN_WORDS = {"utils", "util", "common", "base", "helpers", "lib", "fn", "my"}
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60
MAX_MODULES = 12
"""Modules in a folder, besides `__init__`."""


def modules():
    """Name, without the package's, -> path."""
    paths = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        if len(parts) > 1 and parts[-1] == "__init__":
            parts = parts[:-1]
        paths[".".join(parts)] = path
    return paths


MODULES = modules()


def place_of(module):
    """The top module or folder that a module is, or lies in."""
    return module.split(".")[0]


def imports(source, modules):
    """The package's modules that a source imports, also inside functions."""
    imported = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            if name.split(".")[0] != PACKAGE.name:
                continue
            inner = name.removeprefix(PACKAGE.name).removeprefix(".")
            # The last part may be a name in the module instead of a module.
            while inner and inner not in modules:
                inner = inner.rpartition(".")[0]
            imported.add(inner or "__init__")
    return imported


IMPORTS = {name: imports(path.read_text(), MODULES) for name, path in MODULES.items()}


def test_imports_are_found():
    source = (
        "import maskdepth_tf\n"
        "from maskdepth_tf.network import losses\n"
        "from maskdepth_tf.errors import DataError\n"
        "from maskdepth_tf.dataset import compose\n"
        "import numpy\n"
        "def late():\n    import maskdepth_tf.network.model\n"
    )
    some = {"__init__", "errors", "dataset", "dataset.compose", "network"}
    some |= {"network.losses", "network.model"}
    assert imports(source, some) == some - {"dataset", "network"}


def test_every_place_has_its_place():
    assert len(set(ORDER)) == len(ORDER)
    assert {place_of(module) for module in MODULES} == set(ORDER)


def test_few_things_at_the_top():
    assert len(SHARED) <= 8
    assert len({*COMMANDS, "cli"}) <= 12
    folders = [path.parent for path in MODULES.values() if path.parent != PACKAGE]
    for folder in set(folders):
        count = len([path for path in folder.glob("*.py") if path.stem != "__init__"])
        assert count <= MAX_MODULES, folder


@pytest.mark.parametrize("place", ORDER)
def test_imports_go_downwards(place):
    imported = {
        place_of(name)
        for module, names in IMPORTS.items()
        if place_of(module) == place
        for name in names
    } - {place, "__init__"}
    above = {name for name in imported if ORDER.index(name) > ORDER.index(place)}
    assert not above, f"{place} imports what stands above it"
    if place in KNOWS_ONLY:
        assert imported <= KNOWS_ONLY[place]
    if place not in KNOWS_CONFIG:
        assert "config" not in imported, f"{place} takes plain values"


def test_no_circle():
    # A folder's `__init__` imports nothing, so that no circle runs through it.
    tuple(graphlib.TopologicalSorter(IMPORTS).static_order())
    for module, path in MODULES.items():
        if path.stem == "__init__":
            assert IMPORTS[module] == set(), module


def test_data_sets_know_no_network():
    for module, names in IMPORTS.items():
        if place_of(module) in ("dataset", "input"):
            assert not {place_of(name) for name in names} & {"network", "training"}


def test_a_command_is_not_imported_by_its_parts():
    commands = {
        name
        for name in MODULES
        if name.count(".") == 1
        and name.startswith("dataset.")
        and MODULES[name].stem != "__init__"
    }
    for module, names in IMPORTS.items():
        if module.startswith("dataset.") and module not in commands:
            assert not names & commands, module


def test_readme_shows_every_place_once_in_order():
    readme = (ROOT / "README.md").read_text()
    (text,) = re.findall(r"```text\nmaskdepth_tf/\n(.*?)```", readme, re.DOTALL)
    # The names stand before the first two spaces, what they are for behind them.
    shown = [
        name for line in text.splitlines() for name in line[2:].split("  ")[0].split()
    ]
    wanted = [f"{name}/" if name in ROOMS else name for name in ORDER]
    assert shown == [name for name in wanted if name not in ("__init__", "__main__")]


def test_one_decoder():
    decoder = re.compile(
        r"Image\.open$|\bim(read|decode)$|^tf\.\w+\.decode_(image|jpeg|png|bmp|gif|webp)$"
    )
    decoding = {
        name
        for name, path in MODULES.items()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and decoder.search(ast.unparse(node.func))
    }
    # `headers` opens pictures only to read how large they say they are.
    assert decoding == {"images.decoders", "images.headers"}


def test_benchmarks_import_no_tests():
    for path in sorted((ROOT / "benchmarks").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in getattr(node, "names", [])]
            names.append(getattr(node, "module", None) or "")
            assert not any(name.split(".")[0] == "tests" for name in names), path


def test_sizes():
    folders = (PACKAGE, ROOT / "tests", ROOT / "benchmarks")
    for path in sorted(path for folder in folders for path in folder.rglob("*.py")):
        source = path.read_text()
        assert len(source.splitlines()) <= MAX_FILE_LINES, path
        if PACKAGE not in path.parents:
            continue
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = node.end_lineno - node.lineno + 1
                assert lines <= MAX_FUNCTION_LINES, f"{path}: {node.name}"


def test_names_say_something():
    for module in MODULES:
        words = module.replace(".", "_").lower().split("_")
        assert not FORBIDDEN_WORDS & set(words), "a missing idea; see CONTRIBUTING.md"


REFERENCE = re.compile(r"`(?:maskdepth_tf\.)?([a-z_]+)\.([A-Za-z_]+)`")
SUFFIXES = {"config", "csv", "html", "json", "jsonl", "txt", "yaml"}


def test_what_docstrings_name_is_there():
    """`module.name` in backticks names what is in our module of that name."""
    names = {"model": {"compile"}}  # Keras'
    for module, path in MODULES.items():
        stem = module.split(".")[-1]
        names.setdefault(stem, set()).update(
            _defined(ast.parse(path.read_text())), _inside(module)
        )
    for section in dataclasses.fields(config.Config):
        if dataclasses.is_dataclass(section.default):
            keys = {key.name for key in dataclasses.fields(section.default)}
            names.setdefault(section.name, set()).update(keys)
    for path in MODULES.values():
        for stem, name in REFERENCE.findall(path.read_text()):
            if stem in names and name not in SUFFIXES:
                assert name in names[stem], f"{path}: `{stem}.{name}`"


def _inside(folder):
    return {
        name.removeprefix(f"{folder}.").split(".")[0]
        for name in MODULES
        if name.startswith(f"{folder}.")
    }


def _defined(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.ImportFrom | ast.Import):
            yield from (alias.asname or alias.name for alias in node.names)
