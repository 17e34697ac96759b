"""Models that TF Serving's behaviour is checked with, and the tables of what it is."""

from pathlib import Path

import tensorflow as tf
import yaml

from maskdepth_tf.serving.model_config import Declared, Policy
from tests.support.paths import ROOT

FOLDER = ROOT / "tests" / "serving" / "conformance"

KINDS = "float32 float64 int8 int16 int32 int64 uint8 uint16 uint32 uint64 bool".split()
KINDS += "string half bfloat16 complex64".split()
"""Signatures of the model `kinds`, each of that type, shapes as they come."""

FLOATS = tf.TensorSpec([None], tf.float32, "x")
SIGNATURES = {
    "half_plus_two": {"serving_default": (lambda x: {"y": x / 2 + 2}, [FLOATS])},
    "kinds": {
        kind: (
            lambda x: {"y": tf.identity(x)},
            [tf.TensorSpec(None, tf.as_dtype(kind), "x")],
        )
        for kind in KINDS
    },
    "named": {
        "serving_default": (
            lambda count, text, ratio: {
                "count": count + 1,
                "ratio": ratio / 2,
                "text": tf.identity(text),
                "text_bytes": tf.identity(text),
            },
            [
                tf.TensorSpec(None, tf.int32, "count"),
                tf.TensorSpec(None, tf.string, "text"),
                tf.TensorSpec(None, tf.float32, "ratio"),
            ],
        )
    },
    "outputs": {
        "scalar": (lambda x: {"y": tf.reduce_sum(x)}, [FLOATS]),
        "uneven": (lambda x: {"all": tf.identity(x), "first": x[:1]}, [FLOATS]),
        "none": (lambda x: {"y": x[:0]}, [FLOATS]),
        "constant": (lambda: {"y": tf.constant([1.0, 2.0])}, []),
        "half": (lambda x: {"y": tf.cast(x, tf.half)}, [FLOATS]),
        "complex": (lambda x: {"y": tf.cast(x, tf.complex64)}, [FLOATS]),
        "uint16": (lambda x: {"y": tf.cast(x, tf.uint16)}, [FLOATS]),
        "positive": (lambda x: {"y": _positive(x)}, [FLOATS]),
    },
}
"""Model -> signature -> function and what it takes."""


def _positive(x):
    tf.debugging.assert_positive(x, "not positive")
    return tf.identity(x)


def write_models(folder) -> None:
    """Writes the models, a folder each, of which `broken` is none."""
    for name, signatures in SIGNATURES.items():
        _write(Path(folder) / name / "123", signatures)
    for version in (1, 2):
        step = float(version)
        added = {"serving_default": (lambda x, y=step: {"y": x + y}, [FLOATS])}
        _write(Path(folder) / "steps" / str(version), added)
    (Path(folder) / "broken" / "1").mkdir(parents=True)


def declared(folder) -> dict[str, Declared]:
    """What is served: two versions of `steps`, with labels, one of the others."""
    models = {
        name: Declared(str(Path(folder) / name)) for name in [*SIGNATURES, "broken"]
    }
    labels = {"stable": 1, "canary": 2, "a b": 1}
    return models | {
        "steps": Declared(str(Path(folder) / "steps"), Policy(latest=2), labels)
    }


def rows(table: str) -> list[dict]:
    """Rows of a table, each with the file of TF Serving, as `source`."""
    groups = yaml.safe_load((FOLDER / f"{table}.yaml").read_text())
    return [
        row | {"source": group["source"]} for group in groups for row in group["rows"]
    ]


def _write(path, signatures) -> None:
    module = tf.Module()
    module.functions = [
        tf.function(function, input_signature=taken)
        for function, taken in signatures.values()
    ]
    tf.saved_model.save(
        module, str(path), dict(zip(signatures, module.functions, strict=True))
    )
