"""Messages of TF Serving's gRPC interface, without the packages that hold them.

`tensorflow_serving.apis` imports all of TensorFlow for the sake of one message. A
message is its fields' numbers and types: those that the client uses are stated here,
and parsers leave out what they don't know. The names are of no account on the wire; a
map is a list of keys with values, an enumeration an integer.
"""

import functools

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_PACKAGE = "maskdepth_tf"
_FIELDS = {
    "Dim": "size 1 int64",
    "Shape": "dim 2 *Dim",
    "Tensor": (
        "dtype 1 int32, shape 2 Shape, content 4 bytes, floats 5 *float, texts 8 *bytes"
    ),
    "Entry": "key 1 string, value 2 Tensor",
    "ModelSpec": "name 1 string, signature_name 3 string",
    "PredictRequest": "model_spec 1 ModelSpec, inputs 2 *Entry",
    "PredictResponse": "outputs 1 *Entry",
    "GetModelStatusRequest": "model_spec 1 ModelSpec",
    "StatusProto": "error_message 2 string",
    "ModelVersionStatus": "version 1 int64, state 2 int32, status 3 StatusProto",
    "GetModelStatusResponse": "versions 1 *ModelVersionStatus",
}
"""Message -> name, number and type of each field; a star for those that repeat."""

FLOAT, STRING = 1, 7
"""Values of `dtype`."""

STATES = {10: "START", 20: "LOADING", 30: "AVAILABLE", 40: "UNLOADING", 50: "END"}
"""Values of `state`."""


@functools.cache
def messages() -> dict[str, type]:
    """Their classes by name, in a pool of their own."""
    file = descriptor_pb2.FileDescriptorProto(
        name=f"{_PACKAGE}.proto", package=_PACKAGE, syntax="proto3"
    )
    kinds = descriptor_pb2.FieldDescriptorProto
    for message, fields in _FIELDS.items():
        added = file.message_type.add(name=message)
        for field in fields.split(", "):
            name, number, kind = field.split()
            label = kinds.LABEL_REPEATED if "*" in kind else kinds.LABEL_OPTIONAL
            kind = kind.removeprefix("*")
            options = {"type": f"TYPE_{kind.upper()}"}
            if kind in _FIELDS:
                options = {"type_name": f".{_PACKAGE}.{kind}", "type": "TYPE_MESSAGE"}
            added.field.add(name=name, number=int(number), label=label, **options)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(
            pool.FindMessageTypeByName(f"{_PACKAGE}.{name}")
        )
        for name in _FIELDS
    }
