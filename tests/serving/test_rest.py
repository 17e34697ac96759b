"""REST: the replies of TF Serving, and limits that it has not."""

import pytest

from tests.support import audit, servers

PREDICT = "/v1/models/shift:predict"


@pytest.fixture(scope="module")
def running(shift_folder):
    with servers.running(shift_folder) as found:
        yield found


@pytest.mark.parametrize(
    ("body", "reply"),
    [
        # One input and one output go without names.
        (
            {"instances": [[1, 2.5], [3, 4]]},
            {"predictions": [[101, 102.5], [103, 104]]},
        ),
        ({"instances": [{"x": [1, 2]}]}, {"predictions": [[101, 102]]}),
        ({"inputs": [[1, 2]]}, {"outputs": [[101, 102]]}),
        ({"inputs": {"x": [[1, 2]]}}, {"outputs": [[101, 102]]}),
        ({"instances": [[1, 2]], "signature_name": ""}, {"predictions": [[101, 102]]}),
        # Several are named.
        (
            {"signature_name": "two", "instances": [{"x": [1, 2], "number": 3}]},
            {"predictions": [{"number": 3, "sum": [4, 5]}]},
        ),
        (
            {"signature_name": "two", "inputs": {"x": [[1, 2]], "number": [3]}},
            {"outputs": {"number": [3], "sum": [[4, 5]]}},
        ),
        # Strings, and bytes both ways.
        (
            {
                "signature_name": "echo",
                "instances": ["ä", servers.base64_object("ä".encode())],
            },
            {
                "predictions": [
                    {"text": "ä", "text_bytes": servers.base64_object("ä".encode())}
                ]
                * 2
            },
        ),
        (
            {"signature_name": "echo", "inputs": [servers.base64_object(b"a")]},
            {"outputs": {"text": ["a"], "text_bytes": [servers.base64_object(b"a")]}},
        ),
        (
            {
                "signature_name": "kinds",
                "inputs": {"small": [255], "flag": [True], "double": [1e300]},
            },
            {"outputs": {"small": [255], "flag": [True], "double": [1e300]}},
        ),
        # An output without rows.
        ({"signature_name": "total", "inputs": [[1, 2]]}, {"outputs": 3}),
    ],
)
def test_predictions(running, body, reply):
    assert running.predict(body) == (200, reply)


def test_numbers_that_are_not_finite_pass(running):
    status, reply = running.predict('{"instances": [[NaN, -Infinity]]}')
    assert status == 200
    assert str(reply) == "{'predictions': [[nan, -inf]]}"


ERRORS = [
    ("", "JSON Parse error: The document is empty"),
    ("[", "JSON Parse error: Invalid value. at offset: 1"),
    ('{"instances" 1}', "JSON Parse error: Missing a colon after a name of object mem"),
    ("[1]", "JSON Value: [1] Is not object"),
    ("{}", "Missing 'inputs' or 'instances' key"),
    (
        '{"instances": [], "inputs": []}',
        "expecting only one of 'inputs' or 'instances'",
    ),
    ('{"instances": 1}', "Excepting 'instances' to be an list/array"),
    ('{"instances": []}', "No values in 'instances' array"),
    ('{"instances": [1], "instances": [2]}', 'the key "instances" is there twice'),
    ('{"signature_name": 1}', "'signature_name' key must be a string value."),
    (
        '{"signature_name": "none", "instances": [1]}',
        'Serving signature name: "none" not found in signature def',
    ),
    (
        '{"instances": [["x", 1]]}',
        'JSON Value: "x" Type: String is not of expected type',
    ),
    (
        '{"instances": [[null, 1]]}',
        "JSON Value: null Type: Null is not of expected type",
    ),
    (
        '{"instances": [[true, 1]]}',
        "JSON Value: true Type: True is not of expected type",
    ),
    (
        '{"instances": [[16777216, 1]]}',
        "Cannot convert JSON value: 16777216 to float without loss of precision.",
    ),
    ('{"instances": [[1e39, 1]]}', "to float without loss of precision."),
    (f'{{"instances": [[{"9" * 5000}, 1]]}}', "Number too big to be stored in double."),
    (
        '{"instances": [[1, 2], [3]]}',
        "element: 1 of 'instances' list. Error: INVALID_AR",
    ),
    ('{"instances": [[1, 2], [3]]}', "Expecting tensor size: 2 but got: 1"),
    ('{"instances": [[[1, 2]], [[3], [4]]]}', "Expecting shape [1,2] but got: [2,1]"),
    ('{"instances": [[1, 2], [[3, 4]]]}', "Expecting shape [2] but got: [1,2]"),
    ('{"inputs": [[1, 2], [3]]}', "unexpected size: 1 at level: 1 expected size: 2"),
    ('{"inputs": [[1, 2], 3]}', "JSON Value: 3 found at incorrect level: 2"),
    ('{"inputs": [[1, [2]]]}', "Encountered list at unexpected level: 2 expected < 2"),
    ('{"instances": [1]}', "x: the shape must be [?,2]. Received: [1]"),
    ('{"inputs": []}', "x: the shape must be [?,2]. Received: [0]"),
    ('{"inputs": {"y": []}}', "Missing named input: x in 'inputs' object."),
    ('{"inputs": {"x": [[1, 2]], "y": 1}}', "does not have named input: y"),
    ('{"instances": [{"y": 1}]}', "JSON object: does not have named input: y"),
    ('{"instances": [{"x": [1, 2]}, 1]}', "Expecting object but got list at item 1"),
    (
        '{"instances": [[1, 2], {"x": 1}]}',
        "Expecting value/list but got object at item",
    ),
    (
        '{"signature_name": "two", "instances": [{"x": [1, 2]}]}',
        "keys must be equal to: number,x",
    ),
    ('{"signature_name": "two", "instances": [1]}', "instances is a plain list, but"),
    ('{"signature_name": "two", "inputs": [1]}', "inputs is a plain value/list, but"),
    (
        '{"signature_name": "two", "inputs": {"x": [[1, 2]], "number": [1, 2]}}',
        "input tensors must have equal 0th-dimension size",
    ),
    ('{"signature_name": "echo", "inputs": [{"b64": "!"}]}', "Unable to base64 decode"),
    (
        '{"signature_name": "echo", "inputs": [{"b64": 1}]}',
        "not formatted correctly for",
    ),
    (
        '{"signature_name": "echo", "inputs": [1]}',
        "JSON Value: 1 Type: Number is not of",
    ),
    (
        '{"signature_name": "echo", "inputs": ["\\ud800"]}',
        "The surrogate pair in string",
    ),
    ('{"signature_name": "echo", "inputs": ["bad"]}', "a bad text"),
    (
        '{"signature_name": "kinds", "inputs": {"small":[256],"flag":[],"double":[]}}',
        "JSON Value: 256 Type: Number is not of expected type: uint8",
    ),
    ('{"signature_name": "total", "instances": [[1, 2]]}', "have no rows in common"),
    (
        f'{{"instances": [{"[1, 2]," * 16}[1, 2]]}}',
        "Task size 17 is larger than maximum",
    ),
    ('{"instances": ' + "[" * 200_000, "JSON Parse error: nested too deeply"),
    ('{"x": ' * 100_000, "JSON Parse error: nested too deeply"),
    (b'{"instances": ["\xff"]}', "JSON Parse error: Invalid encoding in string."),
]


@pytest.mark.parametrize(("body", "message"), ERRORS)
def test_malformed_requests(running, body, message):
    status, reply = running.predict(body)
    assert (status, list(reply)) == (400, ["error"])
    assert message in reply["error"]
    assert len(reply["error"]) < 600


def test_types_without_json(running):
    body = {"signature_name": "half", "inputs": [1.0]}
    status, reply = running.predict(body)
    assert status == 501
    assert reply["error"] == "Conversion of JSON Value: 1.0 to type: half"


def test_status(running):
    version = {
        "version": "1",
        "state": "AVAILABLE",
        "status": {"error_code": "OK", "error_message": ""},
    }
    for path in ("", "/versions/1"):
        assert running.request("GET", f"/v1/models/shift{path}") == (
            200,
            {"model_version_status": [version]},
        )


def test_metadata(running):
    for path in ("", "/versions/1"):
        status, reply = running.request("GET", f"/v1/models/shift{path}/metadata")
        assert status == 200
        assert reply["model_spec"] == {
            "name": "shift",
            "version": "1",
            "signature_name": "",
        }
        (kind,) = reply["metadata"].values()
        x = kind["signature_def"]["serving_default"]["inputs"]["x"]
        assert x["dtype"] == "DT_FLOAT"
        assert [dim["size"] for dim in x["tensor_shape"]["dim"]] == ["-1", "2"]


LONG = "n" * 10_000
PATHS = [
    (
        "POST",
        "/v1/models/other:predict",
        404,
        "Servable not found for request: Latest(",
    ),
    ("POST", "/v1/models/shift/versions/9:predict", 404, "request: Specific(shift, 9)"),
    (
        "POST",
        "/v1/models/shift/labels/a:predict",
        400,
        "Unrecognized servable version la",
    ),
    ("GET", "/v1/models/other", 404, "Could not find any versions of model other"),
    (
        "GET",
        "/v1/models/shift/versions/9",
        404,
        "Could not find version 9 of model shift",
    ),
    (
        "GET",
        "/v1/models/other/metadata",
        404,
        "Servable not found for request: Latest(",
    ),
    ("GET", "/v1/models", 400, "Missing model name in request."),
    ("GET", "/v1/models/", 400, "Malformed request: GET /v1/models/"),
    ("GET", PREDICT, 400, "Malformed request: GET /v1/models/shift:predict"),
    ("POST", "/v1/models/shift", 400, "Malformed request: POST /v1/models/shift"),
    ("PUT", PREDICT, 400, "Malformed request: PUT"),
    ("DELETE", "/v1/models/shift", 400, "Malformed request: DELETE"),
    ("POST", "/v1/models/shift:classify", 501, "classify is not served, predict is"),
    ("GET", "/", 404, "Not found: /"),
    ("GET", "/v2/models/shift", 404, "Not found: /v2/models/shift"),
    ("POST", "/v1/models/shift/versions/-1:predict", 400, "Malformed request"),
    ("POST", "/v1/models/shift/versions/latest:predict", 400, "Malformed request"),
    (
        "POST",
        f"/v1/models/shift/versions/{2**63}:predict",
        400,
        f"Failed to convert version: {2**63} to numeric.",
    ),
    (
        "GET",
        f"/v1/models/shift/versions/{'1' * 5000}",
        400,
        "Failed to convert version",
    ),
    ("POST", "/v1/models/..:predict", 404, "Latest(..)"),
    ("POST", "/v1/models/%2e%2e%2fshift:predict", 404, "Latest(../shift)"),
    ("POST", "/v1/models/shift%00:predict", 404, "Latest(shift\0)"),
    ("POST", "/v1/models/%ff%fe:predict", 404, "Latest("),
    ("POST", "/v1/models/sh%C3%AFft:predict", 404, "Latest(shïft)"),
    ("POST", "/v1/models/../../etc/passwd:predict", 400, "Malformed request"),
    ("POST", "//v1/models/shift:predict", 404, "Not found"),
    ("GET", f"/v1/models/{LONG}", 404, "Could not find any versions of model nnn"),
    (
        "GET",
        "/v1/models/shift/labels/%2e%2e",
        400,
        "Unrecognized servable version label",
    ),
    ("GET", "/v1/models/shift/versions/1/../../..", 400, "Malformed request"),
    ("GET", "/v1/models/shift/versions/1%2f..", 400, "Malformed request"),
    (
        "GET",
        "/v1/models/shift;a=b",
        404,
        "Could not find any versions of model shift;a",
    ),
    ("GET", "/v1/models/*", 404, "Could not find any versions of model *"),
    ("GET", "/v1/models/$(id)", 404, "Could not find any versions of model $(id)"),
    (
        "GET",
        "/v1/models/C%3A%5Cwindows",
        404,
        "Could not find any versions of model C:",
    ),
    ("GET", "/v1/models/~root/metadata", 404, "Latest(~root)"),
    ("GET", "/v1/models/shift/versions/%31", 400, "Malformed request"),
    ("GET", "/v1/models/shift/versions/1/labels/a", 400, "Malformed request"),
    ("GET", "/v1/models/shift/versions/1.0", 400, "Malformed request"),
    ("GET", "/v1/models/shift/versions/0x1", 400, "Malformed request"),
    ("GET", "/v1/models/shift/versions/", 400, "Malformed request"),
    ("GET", "/v1/models/.", 404, "Could not find any versions of model ."),
    ("GET", "/v1/models/%2f", 404, "Could not find any versions of model /"),
    ("GET", "/v1/models/%2fetc%2fpasswd", 404, "of model /etc/passwd"),
    ("GET", "/v1/models/shift%2f..%2fshift", 404, "of model shift/../shift"),
    ("GET", "/v1/models/file%3a%2f%2fshift", 404, "of model file://shift"),
    ("GET", "/v1/models/shift%0d%0aA%3a%20b", 404, "of model shift\r\nA: b"),
    ("GET", "/v1/models/shift%0a", 404, "of model shift\n"),
    ("GET", "/v1/models/%25%32%65", 404, "of model %2e"),
    ("GET", "/v1/models/%e2%80%ae", 404, "of model \u202e"),
    ("GET", "/v1/models/Shift", 404, "Could not find any versions of model Shift"),
]


@pytest.mark.parametrize(("method", "path", "status", "message"), PATHS)
def test_names_and_paths(running, method, path, status, message):
    body = '{"instances": [[1, 2]]}' if method == "POST" else None
    with audit.opened() as opened:
        received, reply = running.request(method, path, body)
    assert received == status
    assert message in reply["error"]
    assert opened == []


def test_letters_of_either_case_and_queries(running):
    for path in ("/V1/Models/shift:PREDICT", PREDICT + "?a=b"):
        assert running.predict({"instances": [[1, 2]]}, path)[0] == 200


def test_a_parameter_of_the_content_type_is_of_no_interest(running):
    headers = {"Content-Type": "text/plain"}
    assert running.request("POST", PREDICT, '{"inputs": [[1, 2]]}', headers)[0] == 200


def test_metrics(running):
    assert running.predict({"instances": [[1, 2]]})[0] == 200
    assert running.predict({}, "/v1/models/stranger:predict")[0] == 404
    status, text = running.request("GET", "/monitoring/prometheus/metrics")
    assert status == 200
    names = [line.split(" ")[0] for line in text.decode().splitlines()]
    assert 'maskdepth_requests_total{api="rest",code="OK",model="shift"}' in names
    assert 'maskdepth_requests_total{api="rest",code="NOT_FOUND",model=""}' in names
    assert "maskdepth_queue" in names
    assert "stranger" not in text.decode()


def test_health(running, tmp_path):
    assert running.request("GET", "/health/live") == (200, {"status": "live"})
    assert running.request("GET", "/health/ready") == (200, {"status": "ready"})
    with servers.running(tmp_path) as empty:
        assert empty.request("GET", "/health/live")[0] == 200
        assert empty.request("GET", "/health/ready") == (503, {"error": "not ready"})


def test_token(shift_folder):
    with servers.running(shift_folder, token="secret") as guarded:
        for sent in ({}, {"Authorization": "Bearer no"}, {"Authorization": "secret"}):
            status, reply = guarded.request("GET", "/v1/models/shift", headers=sent)
            assert (status, reply) == (
                401,
                {"error": "a valid bearer token is required"},
            )
        path = "/monitoring/prometheus/metrics"
        assert guarded.request("GET", path)[0] == 401
        headers = {"Authorization": "Bearer secret"}
        assert guarded.request("GET", "/v1/models/shift", headers=headers)[0] == 200
        assert guarded.request("GET", "/health/ready")[0] == 200
