"""REST: the replies of TF Serving, and limits that it has not."""

import pytest

from tests.support import audit, servers

PREDICT = "/v1/models/shift:predict"


@pytest.fixture(scope="module")
def running(shift_folder):
    with servers.running(shift_folder) as server:
        yield server


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
    ("", "the body must be JSON: "),
    ("[", "the body must be JSON: "),
    ('{"instances" 1}', "the body must be JSON: "),
    (f'{{"instances": [[{"9" * 5000}, 1]]}}', "the body must be JSON: "),
    ('{"instances": ' + "[" * 200_000, "the body must be JSON: nested too deeply"),
    ('{"x": ' * 100_000, "the body must be JSON: nested too deeply"),
    (b'{"instances": ["\xff"]}', "x[0]: must be a value of type float32. Received: "),
    ("[1]", "the body must be an object. Received: [1]"),
    ("{}", "the body must have either instances or inputs. Received: []"),
    ('{"instances": [], "inputs": []}', 'Received: ["inputs", "instances"]'),
    ('{"instances": 1}', "instances must be a list with an element for each row"),
    ('{"instances": []}', "an element for each row. Received: []"),
    ('{"signature_name": 1}', "signature_name must be a string. Received: 1"),
    (
        '{"signature_name": "none", "instances": [1]}',
        "the signature must be one of echo, half, kinds, serving_default, total, two. "
        "Received: none",
    ),
    # The place of what does not fit is named.
    ('{"instances": [["x", 1]]}', "x[0][0]: must be a value of type float32. Received"),
    ('{"instances": [[1, 2], [1, null]]}', "x[1][1]: must be a value of type float32."),
    ('{"instances": [[true, 1]]}', "type float32. Received: true"),
    ('{"instances": [[1e39, 1]]}', "type float32. Received: 1e+39"),
    (f'{{"instances": [[{"9" * 4000}, 1]]}}', "type float32. Received: 9999"),
    ('{"instances": [[1, 2], [3]]}', "x[1]: must be a list of 2, as others beside it"),
    ('{"instances": [[[1, 2]], [[3], [4]]]}', "x[1]: must be a list of 1"),
    ('{"instances": [[1, 2], [[3, 4]]]}', "x[1]: must be a list of 2"),
    ('{"inputs": [[1, 2], 3]}', "x[1]: must be a list of 2"),
    ('{"inputs": [[1, [2]]]}', "x[0][0]: must be a list of 1"),
    ('{"instances": [1]}', "x: the shape must be [?,2]. Received: [1]"),
    ('{"inputs": []}', "x: the shape must be [?,2]. Received: [0]"),
    ('{"inputs": {"y": []}}', 'inputs: must be an object of x. Received: {"y": []}'),
    ('{"instances": [{"y": 1}]}', "instances[0]: must be an object of x. Received"),
    ('{"instances": [{"x": [1, 2]}, 1]}', "instances[1]: must be an object of x."),
    ('{"instances": [[1, 2], {"x": 1}]}', "instances[0]: must be an object of x."),
    (
        '{"signature_name": "two", "instances": [{"x": [1, 2]}]}',
        "instances[0]: must be an object of number, x",
    ),
    ('{"signature_name": "two", "instances": [1]}', "must be an object of number, x"),
    ('{"signature_name": "two", "inputs": [1]}', "must be an object of number, x"),
    (
        '{"signature_name": "two", "inputs": {"x": [[1, 2]], "number": [1, 2]}}',
        "all inputs must have the same rows. Received: [1, 2]",
    ),
    (
        '{"signature_name": "echo", "inputs": [{"b64": "!"}]}',
        'text[0]: must be a value of type string. Received: {"b64": "!"}',
    ),
    ('{"signature_name": "echo", "inputs": [{"b64": 1}]}', "of type string. Received"),
    ('{"signature_name": "echo", "inputs": [1]}', "type string. Received: 1"),
    ('{"signature_name": "echo", "inputs": ["\\ud800"]}', "of type string. Received"),
    ('{"signature_name": "echo", "inputs": ["bad"]}', "a bad text"),
    (
        '{"signature_name": "kinds", "inputs": {"small":[256],"flag":[],"double":[]}}',
        "small[0]: must be a value of type uint8. Received: 256",
    ),
    ('{"signature_name": "total", "instances": [[1, 2]]}', "have no rows in common"),
    (
        f'{{"instances": [{"[1, 2]," * 16}[1, 2]]}}',
        "must have at most 16 rows. Received:",
    ),
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
    assert reply["error"] == "half: float16 must be sent by gRPC"


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
NO_PATH = "the request must be GET or POST of /v1/models/NAME... as TF Serving has it. "
PATHS = [
    ("POST", "/v1/models/other:predict", 404, "model other has no version that is se"),
    (
        "POST",
        "/v1/models/shift/versions/9:predict",
        404,
        "model shift has no version 9",
    ),
    ("POST", "/v1/models/shift/labels/a:predict", 400, "model shift has no label a"),
    ("GET", "/v1/models/other", 404, "model other has no version that is served"),
    ("GET", "/v1/models/shift/versions/9", 404, "model shift has no version 9"),
    ("GET", "/v1/models/other/metadata", 404, "model other has no version"),
    ("GET", "/v1/models", 400, NO_PATH + "Received: GET /v1/models"),
    ("GET", "/v1/models/", 400, NO_PATH),
    ("GET", PREDICT, 400, NO_PATH + "Received: GET /v1/models/shift:predict"),
    ("POST", "/v1/models/shift", 400, NO_PATH),
    ("PUT", PREDICT, 400, NO_PATH + "Received: PUT"),
    ("DELETE", "/v1/models/shift", 400, NO_PATH),
    ("POST", "/v1/models/shift:classify", 501, "classify is not served, predict is"),
    ("GET", "/", 404, "there is nothing at /"),
    ("GET", "/v2/models/shift", 404, "there is nothing at /v2/models/shift"),
    ("POST", "/v1/models/shift/versions/-1:predict", 400, NO_PATH),
    ("POST", "/v1/models/shift/versions/latest:predict", 400, NO_PATH),
    (
        "POST",
        f"/v1/models/shift/versions/{2**63}:predict",
        400,
        f"a version must be below 2^63. Received: {2**63}",
    ),
    ("GET", f"/v1/models/shift/versions/{'1' * 5000}", 400, "a version must be below"),
    ("POST", "/v1/models/..:predict", 404, "model .. has no version"),
    ("POST", "/v1/models/%2e%2e%2fshift:predict", 404, "model ../shift has no version"),
    ("POST", "/v1/models/shift%00:predict", 404, "model shift\0 has no version"),
    ("POST", "/v1/models/%ff%fe:predict", 404, "has no version"),
    ("POST", "/v1/models/sh%C3%AFft:predict", 404, "model shïft has no version"),
    ("POST", "/v1/models/../../etc/passwd:predict", 400, NO_PATH),
    ("POST", "//v1/models/shift:predict", 404, "there is nothing at //v1/models/shift"),
    ("GET", f"/v1/models/{LONG}", 404, "model nnn"),
    ("GET", "/v1/models/none/labels/%2e%2e", 404, "model none has no version"),
    ("GET", "/v1/models/shift/versions/1/../../..", 400, NO_PATH),
    ("GET", "/v1/models/shift/versions/1%2f..", 400, NO_PATH),
    ("GET", "/v1/models/shift;a=b", 404, "model shift;a=b has no version"),
    ("GET", "/v1/models/*", 404, "model * has no version"),
    ("GET", "/v1/models/$(id)", 404, "model $(id) has no version"),
    ("GET", "/v1/models/C%3A%5Cwindows", 404, "model C:\\windows has no version"),
    ("GET", "/v1/models/~root/metadata", 404, "model ~root has no version"),
    ("GET", "/v1/models/shift/versions/%31", 400, NO_PATH),
    ("GET", "/v1/models/shift/versions/1/labels/a", 400, NO_PATH),
    ("GET", "/v1/models/shift/versions/1.0", 400, NO_PATH),
    ("GET", "/v1/models/shift/versions/0x1", 400, NO_PATH),
    ("GET", "/v1/models/shift/versions/", 400, NO_PATH),
    ("GET", "/v1/models/.", 404, "model . has no version"),
    ("GET", "/v1/models/%2f", 404, "model / has no version"),
    ("GET", "/v1/models/%2fetc%2fpasswd", 404, "model /etc/passwd has no version"),
    (
        "GET",
        "/v1/models/shift%2f..%2fshift",
        404,
        "model shift/../shift has no version",
    ),
    ("GET", "/v1/models/file%3a%2f%2fshift", 404, "model file://shift has no version"),
    (
        "GET",
        "/v1/models/shift%0d%0aA%3a%20b",
        404,
        "model shift\r\nA: b has no version",
    ),
    ("GET", "/v1/models/shift%0a", 404, "model shift\n has no version"),
    ("GET", "/v1/models/%25%32%65", 404, "model %2e has no version"),
    ("GET", "/v1/models/%e2%80%ae", 404, "model \u202e has no version"),
    ("GET", "/v1/models/Shift", 404, "model Shift has no version"),
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
    for path in ("/V1/Models/shift:predict", PREDICT + "?a=b"):
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
