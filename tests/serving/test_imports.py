"""The server is the general part: it knows protocols, and nothing of the network."""

import ast

from tests.support.paths import ROOT

PACKAGE = "maskdepth_tf"
ALLOWED = {f"{PACKAGE}.errors", f"{PACKAGE}.files", f"{PACKAGE}.serving"}


def imported_by(path):
    """The package's modules that a file imports, also inside functions."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (name for name in names if name.split(".")[0] == PACKAGE)


def test_serving_knows_only_errors_and_files():
    paths = sorted((ROOT / PACKAGE / "serving").rglob("*.py"))
    names = {(path.name, name) for path in paths for name in imported_by(path)}
    assert ("saved_model.py", f"{PACKAGE}.files") in names
    others = {
        (path, name)
        for path, name in names
        if ".".join(name.split(".")[:2]) not in ALLOWED
    }
    assert others == set()
