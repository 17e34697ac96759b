"""The network for runtimes other than TensorFlow's: pixels in, answers out.

In the version's folder `formats/` get what was asked for:

    maskdepth.onnx          ONNX
    maskdepth.tflite        LiteRT, batches of one
    maskdepth_int8.tflite   the same with 8-bit weights and activations
    maskdepth.xml, .bin     OpenVINO
    maskdepth_bfloat16.xml, .bin    the same, computed in bfloat16, weights of 16 bits

All take float32 `bg` and `fg_bg` [B, S, S, 3], 0 to 255, and answer float32 `mask` and
`depth` [B, S, S, 1], as `serving_registered`: of backgrounds that fit their pictures.
No file can decode pictures or bring a background onto its picture: ONNX and the others
have no operations for that. Each is run by its own runtime before it is
published; FILE.json says how far its answers are from the SavedModel's.
"""

import dataclasses
import functools
import importlib.util
import os
import tempfile
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from maskdepth_tf import files, startup, streams
from maskdepth_tf.errors import StateError, UsageError

if TYPE_CHECKING:
    import keras

Pixels = dict[str, np.ndarray]
"""Arrays by name: inputs or answers."""

FOLDER = "formats"
TOLERANCE = 1e-4
"""Most that an answer of a float format may differ from the SavedModel's."""

NUM_PICTURES = 64
"""Every other one calibrates the 8-bit format, the rest check all formats."""


@dataclass(frozen=True)
class Format:
    """How a format is written and run.

    Attributes:
        file: Its file's name.
        modules: What must be installed.
        write: From the network, the file's path and pictures to calibrate on.
        load: From the path to a function of inputs.
        is_exact: Whether `TOLERANCE` holds.
    """

    file: str
    modules: tuple[str, ...]
    write: Callable[["keras.Model", str, Pixels], None]
    load: Callable[[str], Callable[[Pixels], Pixels]]
    is_exact: bool = True


def check_installed(names: Sequence[str]) -> None:
    """Refuses formats whose packages are missing.

    Raises:
        UsageError: With the first such format.
    """
    for name in names:
        missing = [m for m in FORMATS[name].modules if not importlib.util.find_spec(m)]
        if missing:
            raise UsageError(
                f"{name} needs the extra `formats`: pip install "
                f"'maskdepth_tf[formats]'. Missing: {', '.join(missing)}"
            )


def write(
    model: "keras.Model",
    folder: str | os.PathLike,
    names: Sequence[str],
    run_dir: str | os.PathLike | None,
) -> None:
    """Writes formats beside a SavedModel, checks each and prints how exact they are.

    Args:
        model: The network.
        folder: Of the version, with the SavedModel in it.
        names: Keys of `FORMATS`.
        run_dir: Run folder whose test rows are used, if its data is there.

    Raises:
        StateError: If the answers of a float format differ too much.
    """
    from maskdepth_tf.inference.loading import load_saved_model

    pictures, source = sample(run_dir, model.inputs[0].shape[1])
    calibration = {name: value[::2] for name, value in pictures.items()}
    checked = {name: value[1::2] for name, value in pictures.items()}
    loaded = load_saved_model(os.fspath(folder))
    # Looked up here: a signature alone does not keep the variables it reads.
    expected = _ask(lambda x: loaded.signatures["serving_registered"](**x), checked)
    target = Path(folder, FOLDER)
    target.mkdir()
    for name in names:
        kind = FORMATS[name]
        path = str(target / kind.file)
        with startup.quietly(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            kind.write(model, path, calibration)
            answers = _ask(kind.load(path), checked)
        figures: dict = {"pictures": f"{len(checked['bg'])} {source}"}
        figures |= compare(expected, answers)
        worst = max(figures["largest_difference"].values())
        print(
            f"{kind.file}: differs by up to {worst:.1e} on {figures['pictures']}; "
            f"mask Dice {figures['mask_dice_hard']:.4f}, "
            f"depth SSIM {figures['depth_ssim']:.4f}"
        )
        # NaN is no smaller.
        if kind.is_exact and not worst <= TOLERANCE:
            raise StateError(
                f"{kind.file}: answers must equal the SavedModel's within {TOLERANCE}. "
                f"Received: a difference of {worst:.1e}"
            )
        files.write_json(f"{path}.json", figures)


def compare(expected: Pixels, answers: Pixels) -> dict:
    """How far answers are from those expected; `mask` and `depth` [N, S, S, 1].

    Returns:
        `largest_difference` and `mean_difference` by output, `mask_dice_hard` of
        the two masks at 0.5, and `depth_ssim`.
    """
    import tensorflow as tf

    from maskdepth_tf.network import metrics

    errors = {name: np.abs(answers[name] - expected[name]) for name in expected}
    mask = tf.cast(expected["mask"] >= 0.5, tf.float32)
    dice = metrics.dice_hard(mask, metrics.to_logits(tf.constant(answers["mask"])))
    ssim = metrics.ssim(expected["depth"], tf.constant(answers["depth"]))
    return {
        "largest_difference": {k: float(v.max()) for k, v in errors.items()},
        "mean_difference": {k: float(v.mean()) for k, v in errors.items()},
        "mask_dice_hard": float(np.mean(dice)),
        "depth_ssim": float(np.mean(ssim)),
    }


def sample(run_dir: str | os.PathLike | None, image_size: int) -> tuple[Pixels, str]:
    """Pictures to check with: a run's test rows, or rendered rooms.

    Args:
        run_dir: Run folder, if there is one.
        image_size: Side of the pictures, in pixels.

    Returns:
        float32 [N, S, S, 3] of each input, and what they are.
    """
    from maskdepth_tf import config
    from maskdepth_tf.dataset import synthesize
    from maskdepth_tf.input import examples
    from maskdepth_tf.training import batches

    saved = Path(run_dir or "", "config.yaml")
    if run_dir is not None and saved.is_file():
        settings = config.load_config([saved])
        # Nothing is kept in memory: few rows are used.
        where = dataclasses.replace(settings.data, memory_gb=0.0)
        if Path(where.labels).exists():
            data = batches.open_data(dataclasses.replace(settings, data=where))
            rows = data.split["test"]
            places = np.linspace(0, len(rows) - 1, min(NUM_PICTURES, len(rows)))
            return _load(data.examples, rows[places.astype(int)]), "test rows"
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "rooms")
        synthesize.synthesize(
            root, NUM_PICTURES, image_size=image_size, rooms=8, figures=8
        )
        labelled = examples.open_examples(
            str(root / "labels.txt"), image_size=image_size, memory_gb=0.0
        )
        return _load(labelled, np.arange(len(labelled.rows))), "rendered rooms"


def _load(labelled, rows) -> Pixels:
    with labelled.damage_named():
        example = labelled.load(rows)
    return {s.name: example[s.name].numpy().astype(np.float32) for s in streams.INPUTS}


def _ask(function, pictures: Pixels) -> Pixels:
    """Answers of pictures, one at a time."""
    answers = [
        function({name: value[i : i + 1] for name, value in pictures.items()})
        for i in range(len(pictures["bg"]))
    ]
    return {
        name: np.concatenate([answer[name] for answer in answers])
        for name in ("mask", "depth")
    }


def _pixels(model):
    """The network from pixels to answers, and its arguments."""
    from maskdepth_tf.inference import graph

    inference = graph.of_model(model)
    return inference.network, inference.signatures()["serving_registered"][1]


def _save(model, folder, batch_size) -> None:
    """Writes a SavedModel of pixels alone, which other converters start from."""
    import tensorflow as tf

    function, arguments = _pixels(model)
    arguments = [
        tf.TensorSpec([batch_size, *spec.shape[1:]], spec.dtype, spec.name)
        for spec in arguments
    ]
    root = tf.train.Checkpoint()
    root.variables = [variable.value for variable in model.variables]
    graph = tf.function(function, arguments, autograph=False)
    tf.saved_model.save(root, folder, signatures=graph)


def _write_onnx(model, path, calibration) -> None:
    import tensorflow as tf
    import tf2onnx

    function, arguments = _pixels(model)
    graph = tf.function(function, autograph=False)
    tf2onnx.convert.from_function(graph, arguments, output_path=path)


def _load_onnx(path):
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return lambda pictures: dict(zip(names, session.run(names, pictures), strict=True))


def _write_litert(model, path, calibration, num_bits=32) -> None:
    import tensorflow as tf

    with tempfile.TemporaryDirectory() as folder:
        # A batch of unknown size keeps the fast kernels of phones away.
        _save(model, folder, batch_size=1)
        converter = tf.lite.TFLiteConverter.from_saved_model(
            folder, signature_keys=["serving_default"]
        )
        if num_bits == 8:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = lambda: (
                {name: value[i : i + 1] for name, value in calibration.items()}
                for i in range(len(calibration["bg"]))
            )
        Path(path).write_bytes(converter.convert())


def _load_litert(path):
    from ai_edge_litert.interpreter import Interpreter

    run = Interpreter(path).get_signature_runner("serving_default")
    return lambda pictures: run(**pictures)


def _write_openvino(model, path, calibration, num_bits=32) -> None:
    import openvino

    with tempfile.TemporaryDirectory() as folder:
        _save(model, folder, batch_size=None)
        # Not convert_model: that one reports its use to Intel.
        graph = openvino.Core().read_model(folder)
        openvino.save_model(graph, path, compress_to_fp16=num_bits == 16)


def _load_openvino(path, precision="f32"):
    import openvino

    hint = {"INFERENCE_PRECISION_HINT": precision}
    model = openvino.Core().compile_model(path, "CPU", hint)
    # A request is one thread's at a time, and dear to make.
    idle = []

    def run(pictures):
        try:
            request = idle.pop()
        except IndexError:
            request = model.create_infer_request()
        outputs = request.infer(pictures, share_inputs=True)
        idle.append(request)
        return {name: value for key, value in outputs.items() for name in key.names}

    return run


_LITERT = ("ai_edge_litert",)
_OPENVINO = ("openvino",)
FORMATS = {
    "onnx": Format(
        "maskdepth.onnx", ("onnx", "onnxruntime", "tf2onnx"), _write_onnx, _load_onnx
    ),
    "litert": Format("maskdepth.tflite", _LITERT, _write_litert, _load_litert),
    "litert_int8": Format(
        "maskdepth_int8.tflite",
        _LITERT,
        functools.partial(_write_litert, num_bits=8),
        _load_litert,
        is_exact=False,
    ),
    "openvino": Format("maskdepth.xml", _OPENVINO, _write_openvino, _load_openvino),
    "openvino_bfloat16": Format(
        "maskdepth_bfloat16.xml",
        _OPENVINO,
        functools.partial(_write_openvino, num_bits=16),
        functools.partial(_load_openvino, precision="bf16"),
        is_exact=False,
    ),
}
"""By the name that `--format` takes."""
