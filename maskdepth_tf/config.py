"""What a run is: frozen dataclasses, read from strict YAML.

A configuration starts as the defaults below; files given later, then `--set`
overrides, replace single values. Unknown keys are errors.

Nothing here imports TensorFlow, so that a mistyped flag is told at once.
"""

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from maskdepth_tf import schema, streams
from maskdepth_tf.errors import UsageError


@dataclass(frozen=True)
class Synthesize:
    """The synthetic data set that is made when `data.labels` does not exist.

    Attributes:
        rows: Examples.
        rooms: Rooms, each seen by one camera.
        figures: Figures that stand in them.
        image_size: Side of the pictures, in pixels.
        quality: Least JPEG quality of the composites.
    """

    rows: int = 4800
    rooms: int = 160
    figures: int = 160
    image_size: int = 128
    quality: int = 30


@dataclass(frozen=True)
class Data:
    """Where examples come from, and which of them train.

    Attributes:
        labels: Labels file.
        root: Folder that its paths start from; its own folder if null.
        synthesize: How to make the set if the labels file is absent; null never does.
        split: "unseen" or "random".
        test_fraction: Share that tests: of rows, or of backgrounds and foregrounds.
        image_size: Side of the network's pictures, in pixels.
        max_rows: Rows used, from the first; all if null.
        memory_gb: Decoded pictures are kept in memory up to this size, whole streams.
        services: Input services that prepare the batches of training, HOST:PORT each;
            none are kept in memory then.
    """

    labels: str = "data/synthetic/labels.txt"
    root: str | None = None
    synthesize: Synthesize | None = None
    split: str = "unseen"
    test_fraction: float = 0.3
    image_size: int = 64
    max_rows: int | None = None
    memory_gb: float = 4.0
    services: tuple[str, ...] = ()


@dataclass(frozen=True)
class Augmentation:
    """As `augmentation.make_augmentation`; the defaults change nothing.

    Attributes:
        flip_probability: Share of examples mirrored.
        zoom_minimum: Least side of the part shown, as a share of the picture's.
        zoom_probability: Share of examples of which only a part is shown.
        contrast_range: Contrast factors lie in 1 plus or minus this.
        gain_range: So do gains of brightness.
        grey_probability: Share of examples in grey.
        cutout_holes: Holes in each picture.
        cutout_size: Side of a hole, in pixels.
    """

    flip_probability: float = 0.0
    zoom_minimum: float = 1.0
    zoom_probability: float = 1.0
    contrast_range: float = 0.0
    gain_range: float = 0.0
    grey_probability: float = 0.0
    cutout_holes: int = 0
    cutout_size: int = 16


@dataclass(frozen=True)
class Model:
    """The network's shape.

    Attributes:
        preset: "reference" or "fast".
        widths: Channels of each level, finest first; the preset's if null.
        patch_size: Pixels on a side of a position of level 0; the preset's if null.
        depth_activation: "sigmoid" or "linear".
        precision: "float32" or "mixed_bfloat16".
    """

    preset: str = "fast"
    widths: tuple[int, ...] | None = None
    patch_size: int | None = None
    depth_activation: str = "sigmoid"
    precision: str = "float32"


@dataclass(frozen=True)
class Output:
    """The loss of one output: a weighted sum of terms.

    Attributes:
        terms: Weight of each term, by its name in `losses.TERMS`.
        options: Arguments of a term, by its name.
        weight: Weight of the output in the total.
    """

    terms: dict[str, float]
    options: dict[str, dict] = field(default_factory=dict)
    weight: float = 1.0


@dataclass(frozen=True)
class Losses:
    """The loss of each output.

    Attributes:
        mask: Of the mask's logits.
        depth: Of the depth.
    """

    mask: Output = Output({"sigmoid_cross_entropy": 1.0})
    depth: Output = Output({"dssim": 1.0})


@dataclass(frozen=True)
class Optimizer:
    """SGD with momentum under a step schedule.

    Attributes:
        learning_rate: Rate of the first epochs.
        momentum: Share of the last update that is kept.
        nesterov: Whether the gradient is taken one step ahead.
        weight_decay: Decoupled decay of the weights; none if null.
        clip_norm: Greatest length of the whole gradient, which longer ones are cut
            to; any if null. It keeps a rare bad batch from undoing an epoch.
        drop_epochs: Epochs between drops of the rate.
        drop_factor: What a drop multiplies the rate by.
    """

    learning_rate: float = 0.01
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float | None = None
    clip_norm: float | None = None
    drop_epochs: int = 10
    drop_factor: float = 0.1


@dataclass(frozen=True)
class Training:
    """How long, and in what steps.

    Attributes:
        epochs: Passes over the training side.
        batch_size: Examples per step.
        test_batch_size: Examples per step of evaluation.
        steps_per_execution: Steps run before Python is asked again.
        jit_compile: Whether XLA compiles the step; it pays on a GPU.
        pictures: Examples shown in grids and reports.
    """

    epochs: int = 20
    batch_size: int = 128
    test_batch_size: int = 32
    steps_per_execution: int = 1
    jit_compile: bool = False
    pictures: int = 8


@dataclass(frozen=True)
class Config:
    """A whole run.

    Attributes:
        seed: Seed of weights, order, augmentation and split.
        workdir: Run folder.
        data: Examples.
        augmentation: What is changed in them.
        model: Network.
        losses: What is minimised.
        optimizer: How.
        training: How long.
    """

    seed: int = 0
    workdir: str = "runs/quickstart"
    data: Data = Data()
    augmentation: Augmentation = Augmentation()
    model: Model = Model()
    losses: Losses = Losses()
    optimizer: Optimizer = Optimizer()
    training: Training = Training()


CHOICES = {
    "data.split": ("unseen", "random"),
    "model.preset": ("fast", "reference"),
    "model.depth_activation": ("sigmoid", "linear"),
    "model.precision": ("float32", "mixed_bfloat16"),
}

# Least and greatest value, both included.
RANGES = {
    "data.test_fraction": (0.001, 0.999),
    "data.image_size": streams.IMAGE_SIZES,
    "data.max_rows": (2, None),
    "data.memory_gb": (0, None),
    "data.synthesize.rows": (1, None),
    "data.synthesize.rooms": (1, None),
    "data.synthesize.figures": (1, None),
    "data.synthesize.image_size": streams.IMAGE_SIZES,
    "data.synthesize.quality": (1, 95),
    "augmentation.flip_probability": (0, 1),
    "augmentation.zoom_minimum": (0.1, 1),
    "augmentation.zoom_probability": (0, 1),
    "augmentation.contrast_range": (0, 1),
    "augmentation.gain_range": (0, 1),
    "augmentation.grey_probability": (0, 1),
    "augmentation.cutout_holes": (0, 16),
    "augmentation.cutout_size": (2, 4096),
    "model.patch_size": (1, 64),
    "losses.mask.weight": (0, None),
    "losses.depth.weight": (0, None),
    "optimizer.learning_rate": (1e-12, 1e6),
    "optimizer.momentum": (0, 1),
    "optimizer.weight_decay": (0, 1),
    "optimizer.clip_norm": (1e-12, None),
    "optimizer.drop_epochs": (1, None),
    "optimizer.drop_factor": (1e-12, 1),
    "training.epochs": (1, None),
    "training.batch_size": (1, None),
    "training.test_batch_size": (1, None),
    "training.steps_per_execution": (1, None),
    "training.pictures": (1, 64),
    "seed": (0, 2**31 - 1),
}


def load_config(
    paths: Sequence[str | Path] = (), overrides: Sequence[str] = ()
) -> Config:
    """Reads a configuration.

    Args:
        paths: YAML files, later ones over earlier ones.
        overrides: "a.b=value" lines over the files; values are YAML. "terms={a: 1}"
            gives a loss other terms, "terms.a=1" changes or adds one.

    Returns:
        The configuration, every value of its declared type.

    Raises:
        UsageError: If a file cannot be read, a key is unknown (the nearest valid one
            is named), or a value has the wrong type or range.
    """
    values = schema.to_dict(Config())
    for path in paths:
        # The terms of a loss are one value: a new mixture replaces the old one.
        schema.merge(values, schema.read_yaml(path), whole=("terms",))
    for text in overrides:
        is_of_one_term = ".terms." in text.partition("=")[0]
        whole = () if is_of_one_term else ("terms",)
        schema.merge(values, schema.parse_override(text), whole)
    config = schema.build(Config, values)
    _check(config)
    return config


def to_yaml(config: Config) -> str:
    """A configuration as YAML that `load_config` reads back to the same."""
    return yaml.safe_dump(schema.to_dict(config), sort_keys=False)


def _check(config):
    for key, choices in CHOICES.items():
        value = _get(config, key)
        if value not in choices:
            near = difflib.get_close_matches(value, choices, n=1, cutoff=0)
            raise UsageError(
                f"{key} must be one of {', '.join(choices)}. Received: {value}. "
                f"The nearest is: {near[0]}"
            )
    for key, (least, most) in RANGES.items():
        _check_range(key, _get(config, key), least, most)
    for output in ("mask", "depth"):
        for term, weight in getattr(config.losses, output).terms.items():
            _check_range(f"losses.{output}.terms.{term}", weight, 0, None)
    if config.model.widths == ():
        raise UsageError("model.widths must name at least one level. Received: []")
    for service in config.data.services:
        if not re.fullmatch(r"[^\s:/]+:[1-9]\d{0,4}", service):
            raise UsageError(
                f"data.services must be HOST:PORT each. Received: {service}"
            )
    if config.augmentation.cutout_size % 2:
        raise UsageError(
            "augmentation.cutout_size must be even. "
            f"Received: {config.augmentation.cutout_size}"
        )


def _check_range(key, value, least, most):
    # Written so that NaN, which fails every comparison, is refused.
    if value is not None and not (
        value >= least and (most is None or value <= most) and value < float("inf")
    ):
        limit = f"at least {least}" if most is None else f"from {least} to {most}"
        raise UsageError(f"{key} must be {limit}. Received: {value}")


def _get(config, key):
    for part in key.split("."):
        config = getattr(config, part) if config is not None else None
    return config
