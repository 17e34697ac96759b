"""Runs signatures of a SavedModel through TensorFlow's C library, without Python's.

    python tests/support/c_api.py SAVED_MODEL REQUEST.json INPUTS.npz OUTPUTS.npz

The request names each signature's tensors: {signature: {"inputs": {name: "op:0"},
"outputs": {name: "op:0"}}}. A value is a float32 or uint8 array SIGNATURE/NAME, or
strings as uint8 arrays SIGNATURE/NAME/0, ... It stands for every server that is not
written in Python: these are the calls that it makes.
"""

import ctypes
import importlib.util
import json
import os
import sys

import numpy as np

TYPES = {"float32": 1, "uint8": 4}
STRING = 7
SIZE_OF_STRING = 24  # sizeof(TF_TString)
POINTER = ctypes.c_void_p


class Buffer(ctypes.Structure):
    _fields_ = [("data", POINTER), ("length", ctypes.c_size_t), ("free", POINTER)]


class Output(ctypes.Structure):
    _fields_ = [("operation", POINTER), ("index", ctypes.c_int)]


def open_library():
    folder = importlib.util.find_spec("tensorflow").submodule_search_locations[0]
    for name in ("libtensorflow_framework.so.2", "libtensorflow_cc.so.2"):
        library = ctypes.CDLL(os.path.join(folder, name), mode=ctypes.RTLD_GLOBAL)
    for name, result in {
        "TF_NewStatus": POINTER,
        "TF_GetCode": ctypes.c_int,
        "TF_Message": ctypes.c_char_p,
        "TF_NewGraph": POINTER,
        "TF_NewSessionOptions": POINTER,
        "TF_LoadSessionFromSavedModel": POINTER,
        "TF_GraphOperationByName": POINTER,
        "TF_AllocateTensor": POINTER,
        "TF_TensorData": POINTER,
        "TF_TensorType": ctypes.c_int,
        "TF_StringGetDataPointer": POINTER,
        "TF_StringGetSize": ctypes.c_size_t,
        "TF_TensorByteSize": ctypes.c_size_t,
        "TF_NumDims": ctypes.c_int,
        "TF_Dim": ctypes.c_int64,
    }.items():
        getattr(library, name).restype = result
    return library


def check(library, status):
    if library.TF_GetCode(status):
        sys.exit(library.TF_Message(status).decode())


def load(library, folder, status):
    """The graph and the session of a SavedModel."""
    graph, options = (
        POINTER(library.TF_NewGraph()),
        POINTER(library.TF_NewSessionOptions()),
    )
    tags = (ctypes.c_char_p * 1)(b"serve")
    session = library.TF_LoadSessionFromSavedModel(
        options, None, os.fsencode(folder), tags, 1, graph, None, status
    )
    check(library, status)
    return graph, POINTER(session)


def find(library, graph, name):
    operation, index = name.split(":")
    found = library.TF_GraphOperationByName(graph, operation.encode())
    if not found:
        sys.exit(f"{operation}: not in the graph")
    return Output(found, int(index))


def to_tensor(library, value):
    """A list of bytes objects or an array -> TF_Tensor."""
    is_text = isinstance(value, list)
    shape = (len(value),) if is_text else value.shape
    size = len(value) * SIZE_OF_STRING if is_text else value.nbytes
    tensor = POINTER(
        library.TF_AllocateTensor(
            STRING if is_text else TYPES[str(value.dtype)],
            (ctypes.c_int64 * len(shape))(*shape),
            len(shape),
            ctypes.c_size_t(size),
        )
    )
    data = library.TF_TensorData(tensor)
    if not is_text:
        ctypes.memmove(data, np.ascontiguousarray(value).ctypes.data, size)
        return tensor
    for number, text in enumerate(value):
        place = POINTER(data + number * SIZE_OF_STRING)
        library.TF_StringInit(place)
        library.TF_StringCopy(place, text, ctypes.c_size_t(len(text)))
    return tensor


def to_value(library, tensor):
    """TF_Tensor -> list of bytes objects or array."""
    tensor = POINTER(tensor)
    shape = [library.TF_Dim(tensor, i) for i in range(library.TF_NumDims(tensor))]
    data, kind = library.TF_TensorData(tensor), library.TF_TensorType(tensor)
    if kind == STRING:
        places = [POINTER(data + i * SIZE_OF_STRING) for i in range(shape[0])]
        return [
            ctypes.string_at(
                library.TF_StringGetDataPointer(place), library.TF_StringGetSize(place)
            )
            for place in places
        ]
    (dtype,) = (name for name, number in TYPES.items() if number == kind)
    data = ctypes.string_at(data, library.TF_TensorByteSize(tensor))
    return np.frombuffer(data, dtype).reshape(shape)


def run(library, graph, session, request, inputs):
    status = POINTER(library.TF_NewStatus())
    feeds = [find(library, graph, name) for name in request["inputs"].values()]
    fetches = [find(library, graph, name) for name in request["outputs"].values()]
    tensors = [to_tensor(library, inputs[name]).value for name in request["inputs"]]
    results = (POINTER * len(fetches))()
    library.TF_SessionRun(
        session,
        None,
        (Output * len(feeds))(*feeds),
        (POINTER * len(tensors))(*tensors),
        len(tensors),
        (Output * len(fetches))(*fetches),
        results,
        len(fetches),
        None,
        0,
        None,
        status,
    )
    check(library, status)
    return {
        name: to_value(library, result)
        for name, result in zip(request["outputs"], results, strict=True)
    }


def read(path):
    """Values by signature and name."""
    values = {}
    with np.load(path) as arrays:
        for key in arrays:
            signature, name, *number = key.split("/")
            found = values.setdefault(signature, {})
            if number:
                found.setdefault(name, []).append(arrays[key].tobytes())
            else:
                found[name] = arrays[key]
    return values


def write(path, values):
    """The same, back."""
    arrays = {}
    for signature, found in values.items():
        for name, value in found.items():
            if isinstance(value, list):
                for number, text in enumerate(value):
                    data = np.frombuffer(text, np.uint8)
                    arrays[f"{signature}/{name}/{number}"] = data
            else:
                arrays[f"{signature}/{name}"] = value
    np.savez(path, **arrays)


def main(folder, request_path, inputs_path, outputs_path):
    with open(request_path, encoding="utf-8") as file:
        requests = json.load(file)
    inputs, library = read(inputs_path), open_library()
    graph, session = load(library, folder, POINTER(library.TF_NewStatus()))
    outputs = {
        signature: run(library, graph, session, request, inputs[signature])
        for signature, request in requests.items()
    }
    loaded = {name.partition(".")[0] for name in sys.modules}
    if loaded & {"tensorflow", "keras"}:
        sys.exit("Python's TensorFlow was imported")
    write(outputs_path, outputs)


if __name__ == "__main__":
    main(*sys.argv[1:])
