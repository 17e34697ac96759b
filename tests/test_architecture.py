"""The layers, the sizes and the names of modules are as CONTRIBUTING.md says."""

import ast
import re

import pytest

from tests.support.paths import ROOT

PACKAGE = ROOT / "maskdepth_tf"

# A module imports from its own layer and from those above it in this list. A name
# with a star stands for all modules of that folder that are not named themselves.
LAYERS = {
    "contract": "__init__ cluster config errors schema streams",
    "parts": (
        "answers augmentation baseline comparison compile_cache contact_sheet decoders "
        "figures files headers images losses metrics model model_card optimizers "
        "overview page pictures report robustness schedules services similarity "
        "startup tf_serving zip_directory zips"
    ),
    "data": "dataset.* examples input_pipeline labels packed pairs splits",
    "running": (
        "callbacks checkpoints distribution evaluation inference profiling runs "
        "training"
    ),
    "entry points": (
        "cli client dataset.__main__ evaluate export formats grpc_client grpc_messages "
        "input_server list_runs predict serve serving.* train"
    ),
}
KNOWS_CONFIG = ("running", "entry points")
FORBIDDEN_WORDS = {"utils", "util", "common", "base", "helpers", "lib", "fn", "my"}
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60


def modules():
    """Name, without the package's, -> path."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        if len(parts) > 1 and parts[-1] == "__init__":
            parts = parts[:-1]
        found[".".join(parts)] = path
    return found


MODULES = modules()


def layer_of(module):
    """Name of a module's layer."""
    for wanted in (module, module.split(".")[0] + ".*"):
        for layer, names in LAYERS.items():
            if wanted in names.split():
                return layer
    raise LookupError(f"{module}: give it a layer in tests/test_architecture.py")


def imports(source, known):
    """The package's modules that a source imports, also inside functions."""
    found = set()
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
            while inner and inner not in known:
                inner = inner.rpartition(".")[0]
            found.add(inner or "__init__")
    return found


def test_imports_are_found():
    source = (
        "import maskdepth_tf\n"
        "from maskdepth_tf import losses, __version__\n"
        "from maskdepth_tf.errors import DataError\n"
        "from maskdepth_tf.dataset import compose\n"
        "import numpy\n"
        "def late():\n    import maskdepth_tf.network.model\n"
    )
    known = {"__init__", "losses", "errors", "dataset", "dataset.compose", "model"}
    assert imports(source, known) == known - {"dataset"}


@pytest.mark.parametrize("module", MODULES)
def test_layers(module):
    order = list(LAYERS)
    layer = layer_of(module)
    imported = imports(MODULES[module].read_text(), MODULES)
    higher = {n for n in imported if order.index(layer_of(n)) > order.index(layer)}
    assert not higher, f"{module} ({layer}) imports from a layer above"
    if layer not in KNOWS_CONFIG and module != "config":
        assert "config" not in imported, f"{module} ({layer}) takes plain values"
    if module.startswith("dataset."):
        assert not imported & {"model", "training"}, "data sets know no network"


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
    assert decoding == {"decoders", "headers"}


@pytest.mark.parametrize(
    "path",
    sorted(
        p
        for d in (PACKAGE, ROOT / "tests", ROOT / "benchmarks")
        for p in d.rglob("*.py")
    ),
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_sizes(path):
    source = path.read_text()
    assert len(source.splitlines()) <= MAX_FILE_LINES
    if PACKAGE not in path.parents:
        return
    lengths = {
        node.name: node.end_lineno - node.lineno + 1
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert {k: v for k, v in lengths.items() if v > MAX_FUNCTION_LINES} == {}


@pytest.mark.parametrize("module", MODULES)
def test_names_say_something(module):
    words = module.replace(".", "_").lower().split("_")
    assert not FORBIDDEN_WORDS & set(words), "a missing idea; see CONTRIBUTING.md"
