"""What can be wrong with a new version of a model: kind -> change, and what is said.

A change is made to the folder of a version of `servers.Shift`, which is good.
"""

import hashlib
import json
import shutil

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.apis import prediction_log_pb2

from maskdepth_tf.serving.tensors import protos
from tests.support import servers

DATA, INDEX = "variables/variables.data-00000-of-00001", "variables/variables.index"
GRAPH = "saved_model.pb"
WARM_UP = "assets.extra/tf_serving_warmup_requests"
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"


def without(name):
    """A file or folder was not copied."""

    def change(version):
        path = version / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()

    return change


def holding(name, content):
    """A file has other bytes: given ones, or what a function makes of its own."""

    def change(version):
        path = version / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content(path.read_bytes()) if callable(content) else content)

    return change


def flipped(data):
    """One bit of the first byte is another."""
    return bytes([data[0] ^ 1]) + data[1:]


def half(data):
    """The first half."""
    return data[: len(data) // 2]


def zeros(data):
    """What a copy leaves that reserved its room and was broken off."""
    return bytes(len(data))


def all_of(*changes):
    """One after the other."""

    def change(version):
        for step in changes:
            step(version)

    return change


def a_folder(name):
    """A folder has the name of a file."""
    return all_of(without(name), lambda version: (version / name).mkdir())


def a_link(name, target):
    """A link has the name of a file."""
    return all_of(without(name), lambda version: (version / name).symlink_to(target))


def one_deeper(version):
    """The folder was copied into the folder."""
    aside = version.with_name(".inner")
    version.rename(aside)
    version.mkdir()
    aside.rename(version / aside.name)


def nothing(version):
    """Only the folder is there yet."""
    shutil.rmtree(version)
    version.mkdir()


def write_manifest(version, **others):
    """A manifest of all files, but for what is given."""
    own = version / "manifest.json"
    names = [path for path in version.rglob("*") if path.is_file() and path != own]
    sums = {
        str(path.relative_to(version)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in names
    }
    own.write_text(json.dumps({"files": sums | others}))


def manifest(**others):
    """A whole version but for its manifest."""
    return lambda version: write_manifest(version, **others)


def warm_up(inputs, name=""):
    """It comes with a request."""

    def change(version):
        log = prediction_log_pb2.PredictionLog()
        request = log.predict_log.request
        request.model_spec.signature_name = name
        protos.fill(inputs, request.inputs)
        (version / "assets.extra").mkdir()
        with tf.io.TFRecordWriter(str(version / WARM_UP)) as writer:
            writer.write(log.SerializeToString())

    return change


def warm_up_x(value, dtype=np.float32, **options):
    """It comes with a request for one row."""
    return warm_up({"x": np.array([[value, 0]], dtype)}, **options)


def rebuilt(make):
    """Another model is in its place; `make` returns module and signatures."""

    def change(version):
        shutil.rmtree(version)
        module, signatures = make()
        tf.saved_model.save(module, str(version), signatures)

    return change


def asserting():
    """A model that refuses what the server tries it out with."""
    module = tf.Module()

    @tf.function(input_signature=[servers.FLOATS])
    def answer(x):
        tf.debugging.assert_greater(x, 1.0, "too small")
        return {"y": x}

    module.answer = answer
    return module, {"serving_default": answer}


def of_constant(constant, signature="serving_default"):
    """As it is, but with another constant or name."""

    def make():
        module = servers.Shift(constant)
        return module, {signature: module.shifted}

    return rebuilt(make)


def with_asset(version):
    """It looks things up in a file, which is missing."""
    words = version.with_name(".words.txt")
    words.write_text("a\nb\n")

    def make():
        module = tf.Module()
        module.path = tf.saved_model.Asset(str(words))
        table = tf.lookup.TextFileInitializer(
            module.path, tf.string, 0, tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER
        )
        module.table = tf.lookup.StaticHashTable(table, -1)
        module.answer = tf.function(
            lambda text: {"y": module.table.lookup(text)},
            input_signature=[servers.TEXTS],
        )
        return module, {"serving_default": module.answer}

    rebuilt(make)(version)
    words.unlink()
    shutil.rmtree(version / "assets")


def edited(edit):
    """The graph is another; `edit` changes the MetaGraphDef."""

    def change(data):
        saved = saved_model_pb2.SavedModel.FromString(data)
        edit(saved.meta_graphs[0])
        return saved.SerializeToString()

    return holding(GRAPH, change)


def rename_operation(graph):
    for function in graph.graph_def.library.function:
        for node in function.node_def:
            node.op = node.op.replace("AddV2", "NoSuchOperation")


def rename_tags(graph):
    graph.meta_info_def.tags[:] = ["train"]


def drop_outputs(graph):
    graph.signature_def["serving_default"].outputs.clear()


def drop_functions(graph):
    del graph.graph_def.library.function[:]


def change_input_type(graph):
    graph.signature_def["serving_default"].inputs[
        "x"
    ].dtype = tf.string.as_datatype_enum


def change_input_name(graph):
    inputs = graph.signature_def["serving_default"].inputs
    inputs["z"].CopyFrom(inputs["x"])
    del inputs["x"]


NO_GRAPH = "saved_model.pb: cannot be read: [Errno 2] No such file"
NO_PROTO = "saved_model.pb: cannot be read: Error parsing"
NO_TAG = "saved_model.pb: holds no graph for serving"
NO_INDEX = "Failed to find any matching files for"
SHORT = "Read less bytes than requested"
OTHER_SUM = "saved_model.pb: is damaged: its SHA-256 is not the manifest's"
NO_OBJECT = "manifest.json: must be a JSON object"
NOT_FINITE = "must answer with finite numbers, y has others"
NO_RECORD = "cannot be used: corrupted record at 0"

BAD = {
    "empty": (nothing, NO_GRAPH),
    "one deeper": (one_deeper, NO_GRAPH),
    "no variables": (without("variables"), NO_INDEX),
    "no index": (without(INDEX), NO_INDEX),
    "no data": (without(DATA), "variables.data-00000-of-00001; No such file"),
    "truncated data": (holding(DATA, lambda data: data[:-1]), SHORT),
    "empty data": (holding(DATA, b""), SHORT),
    "zero data": (holding(DATA, zeros), "The length checksum does not match"),
    "damaged data": (holding(DATA, flipped), "cannot be used: TensorBundle at "),
    "pointer data": (holding(DATA, POINTER), SHORT),
    "empty index": (holding(INDEX, b""), "file is too short to be an sstable"),
    "half index": (holding(INDEX, half), "not an sstable"),
    "zero index": (holding(INDEX, zeros), "not an sstable"),
    "variables are a file": (
        all_of(without("variables"), holding("variables", b"")),
        NO_INDEX,
    ),
    "no graph": (without(GRAPH), NO_GRAPH),
    "empty graph": (holding(GRAPH, b""), NO_TAG),
    "half graph": (holding(GRAPH, half), NO_PROTO),
    "zero graph": (holding(GRAPH, zeros), NO_PROTO),
    "pointer graph": (holding(GRAPH, POINTER), NO_PROTO),
    "text graph": (holding(GRAPH, b"saved_model_schema_version: 1\n"), NO_PROTO),
    "graph is a folder": (a_folder(GRAPH), "[Errno 21] Is a directory"),
    "graph links to nothing": (a_link(GRAPH, "nothing"), NO_GRAPH),
    "graph links to itself": (a_link(GRAPH, GRAPH), "[Errno 40] Too many levels"),
    "unknown operation": (
        edited(rename_operation),
        "Op type not registered 'NoSuchOperation'",
    ),
    "other tags": (edited(rename_tags), NO_TAG),
    "no outputs": (
        all_of(edited(drop_outputs), warm_up_x(1)),
        "must answer with what it declares, []. Received: ['y']",
    ),
    "no functions": (edited(drop_functions), "cannot be used: KeyError: '__inference_"),
    "other input type": (
        all_of(
            edited(change_input_type), warm_up({"x": np.full((1, 2), b"a", object)})
        ),
        "to be a float tensor but is a string",
    ),
    "other input name": (
        all_of(edited(change_input_name), warm_up({"z": np.ones((1, 2), np.float32)})),
        "missing a required argument: 'x'",
    ),
    "manifest: other sum": (manifest(**{GRAPH: "0" * 64}), OTHER_SUM),
    "manifest: short sum": (manifest(**{GRAPH: "0"}), OTHER_SUM),
    "manifest: no sum": (manifest(**{GRAPH: None}), OTHER_SUM),
    "manifest: extra": (manifest(extra="0" * 64), "/extra: is missing"),
    "manifest: outside": (
        manifest(**{"../1/a": "0" * 64}),
        "manifest.json: ../1/a is outside of the folder",
    ),
    "manifest: absolute": (
        manifest(**{"/etc/hostname": "0" * 64}),
        "manifest.json: /etc/hostname is outside of the folder",
    ),
    "manifest: NUL": (manifest(**{"\0": "0" * 64}), "\0: is missing"),
    "manifest: lines": (manifest(**{"a\nb": "0" * 64}), "a b: is missing"),
    "manifest: half": (
        all_of(write_manifest, holding("manifest.json", half)),
        NO_OBJECT,
    ),
    "manifest: Latin": (holding("manifest.json", b'{"files": {"\xe9": 0}}'), NO_OBJECT),
    "manifest: list": (holding("manifest.json", b"[]"), NO_OBJECT),
    "manifest: files": (
        holding("manifest.json", b"{}"),
        "must name the files with their SHA-256",
    ),
    "manifest: deep": (holding("manifest.json", b"[" * 100_000), NO_OBJECT),
    "warm-up: truncated": (
        all_of(warm_up_x(1), holding(WARM_UP, half)),
        "cannot be used: truncated record at 0",
    ),
    "warm-up: damaged": (all_of(warm_up_x(1), holding(WARM_UP, flipped)), NO_RECORD),
    "warm-up: text": (holding(WARM_UP, b'{"instances": [[1, 2]]}'), NO_RECORD),
    "warm-up: NaN": (warm_up_x(np.nan), NOT_FINITE),
    "warm-up: type": (
        warm_up_x(1, np.float64),
        "x: must be of type float32. Received: float64",
    ),
    "warm-up: shape": (
        warm_up({"x": np.zeros((1, 3), np.float32)}),
        "x: the shape must be [?,2]. Received: [1,3]",
    ),
    "warm-up: input": (
        warm_up({"z": np.zeros((1, 2), np.float32)}),
        "the inputs must be x. Received: z",
    ),
    "warm-up: signature": (
        warm_up_x(1, name="no"),
        "the signature must be one of serving_default. Received: no",
    ),
    "NaN": (all_of(of_constant(np.nan), warm_up_x(1)), NOT_FINITE),
    "Inf": (all_of(of_constant(np.inf), warm_up_x(1)), NOT_FINITE),
    "other signature": (
        all_of(of_constant(0, "other"), warm_up_x(1)),
        "the signature must be one of other. Received: serving_default",
    ),
    "assertion": (
        all_of(rebuilt(asserting), warm_up_x(1)),
        "cannot be used: assertion failed: [too small]",
    ),
    "assets": (with_asset, "words.txt; No such file"),
}
