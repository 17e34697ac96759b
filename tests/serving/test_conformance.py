"""What TF Serving does, row by row, with the line of its source that says so."""

import json
import re
from pathlib import Path

import pytest

from tests.support import conformance, servers
from tests.support.once import made_once
from tests.support.paths import ROOT

REST = [
    row
    for table in ("rest_answers", "rest_refusals", "rest_paths")
    for row in conformance.rows(table)
]


def place(row):
    return f"{Path(row['source']).name}:{row['line']}"


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    def make(folder):
        conformance.write_models(folder)
        return str(folder)

    folder = made_once(tmp_path_factory, "conformance", make)
    with servers.running(lambda: conformance.declared(folder)) as server:
        yield server


@pytest.mark.parametrize("row", REST, ids=place)
def test_rest(running, row):
    method, path = row.get("method", "POST"), row.get("path")
    if path is None:
        path = f"/v1/models/{row.get('to', 'half_plus_two')}:predict"
    sent = row.get("sent")
    status, reply = running.request(method, path, sent and sent.encode())
    if "error" in row:
        assert (status, list(reply)) == (row.get("status", 400), ["error"])
        assert row["error"] in reply["error"]
        return
    assert status == row.get("status", 200)
    if "reply" in row:
        # NaN is not NaN's equal, its text is.
        assert json.dumps(reply) == json.dumps(json.loads(row["reply"]))
