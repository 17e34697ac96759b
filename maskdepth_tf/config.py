"""What a run is: frozen dataclasses, read from strict YAML.

A configuration starts as the defaults below; files given later, then `--set`
overrides, replace single values. Unknown keys are errors, and so are values out of the
range that stands with their field.

Nothing here imports TensorFlow, so that a mistyped flag is answered at once.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from maskdepth_tf import errors, schema, streams
from maskdepth_tf.errors import UsageError
from maskdepth_tf.schema import field

_PACKAGE = Path(__file__).resolve().parent
_INSTALLED = _PACKAGE / "configs"

SHIPPED = _INSTALLED if _INSTALLED.is_dir() else _PACKAGE.parent / "configs"
"""Folder of the shipped configurations: in a wheel's package, beside a checkout's."""


@dataclass(frozen=True)
class Synthesize:
    """The synthetic data set that is made when `data.labels` does not exist."""

    rows: int = field(4800, "Examples.", 1)
    rooms: int = field(160, "Rooms, each seen by one camera.", 1)
    figures: int = field(160, "Figures, which stand in the rooms.", 1)
    image_size: int = field(
        128, "Side of the pictures, in pixels.", *streams.IMAGE_SIZES
    )
    quality: int = field(30, "Least JPEG quality of the composites.", 1, 95)


@dataclass(frozen=True)
class Data:
    """Where examples come from, and which of them train."""

    labels: str = field("data/synthetic/labels.txt", "Labels file.")
    root: str | None = field(
        None, "Folder that the paths in it start from; its own if null."
    )
    synthesize: Synthesize | None = field(
        None, "How the set is made if the labels file is absent; null never makes it."
    )
    split: str = field(
        "unseen",
        "How rows are drawn: unseen keeps rooms and cut-outs apart, random does not.",
        choices=("unseen", "random"),
    )
    test_fraction: float = field(
        0.3, "Share of rows, or of rooms and cut-outs, that tests.", 0.001, 0.999
    )
    image_size: int = field(
        64, "Side of the network's pictures, in pixels.", *streams.IMAGE_SIZES
    )
    max_rows: int | None = field(None, "Rows used, from the first; all if null.", 2)
    memory_gb: float = field(
        4.0, "Most memory that keeps decoded pictures, in GB; whole streams.", 0
    )
    services: tuple[str, ...] = field(
        (),
        "Input services, HOST:PORT each, that prepare the batches of training; "
        "nothing is kept in memory then.",
    )


@dataclass(frozen=True)
class Augmentation:
    """How pictures of training are changed; the defaults change nothing."""

    flip_probability: float = field(0.0, "Share of examples that are mirrored.", 0, 1)
    zoom_minimum: float = field(
        1.0, "Least side of the part shown, as a share of the picture's.", 0.1, 1
    )
    zoom_maximum: float = field(
        1.0, "Its greatest side; beyond 1 the picture goes on mirrored.", 1, 2
    )
    zoom_probability: float = field(
        1.0, "Share of examples of which not the whole is shown.", 0, 1
    )
    contrast_range: float = field(
        0.0, "Contrast factors lie in 1 plus or minus this.", 0, 1
    )
    gain_range: float = field(
        0.0, "Gains of brightness lie in 1 plus or minus this.", 0, 1
    )
    grey_probability: float = field(0.0, "Share of examples in grey.", 0, 1)
    cutout_holes: int = field(0, "Holes in each picture.", 0, 16)
    cutout_size: int = field(16, "Side of a hole, in pixels; even.", 2, 4096)


@dataclass(frozen=True)
class Scene:
    """What happens in the room between the pictures; the defaults change nothing."""

    shadow_probability: float = field(
        0.0, "Share of examples whose figures cast a shadow on floor or wall.", 0, 1
    )
    shadow_depth: float = field(0.6, "Most light that a shadow takes.", 0, 1)
    thing_probability: float = field(
        0.0, "Share of examples in whose background a piece was moved.", 0, 1
    )
    thing_range: float = field(
        0.08, "Its greatest radius, as a share of the side.", 0.01, 0.5
    )
    camouflage_probability: float = field(
        0.0, "Share of examples whose figures take on the wall's colour.", 0, 1
    )
    camouflage_range: float = field(0.8, "How far they do at most.", 0, 1)


@dataclass(frozen=True)
class Camera:
    """What happens to one of two pictures of training; the defaults change nothing."""

    move_probability: float = field(
        0.0, "Share of examples whose background's camera moves.", 0, 1
    )
    shift_range: float = field(0.03, "Greatest shift, as a share of the side.", 0, 0.2)
    zoom_range: float = field(0.02, "Greatest zoom, as a share of the side.", 0, 0.2)
    turn_range: float = field(1.5, "Greatest turn, in degrees.", 0, 20)
    light_probability: float = field(
        0.0, "Share of examples of which one picture's light changes.", 0, 1
    )
    exposure_range: float = field(0.5, "Greatest logarithm of its gain.", 0, 2)
    balance_range: float = field(0.15, "That of a channel's own gain.", 0, 1)
    gamma_range: float = field(0.3, "That of its gamma.", 0, 1)
    vignette_range: float = field(0.3, "Most light that its corners lose.", 0, 1)
    blur_probability: float = field(
        0.0, "Share of examples of which one picture is blurred.", 0, 1
    )
    noise_probability: float = field(
        0.0, "Share of examples with noise in both pictures.", 0, 1
    )
    noise_range: float = field(8.0, "Greatest deviation of noise, of 255.", 0, 100)
    compression_probability: float = field(
        0.0, "Share of examples whose pictures went through JPEG once more.", 0, 1
    )
    quality_minimum: int = field(10, "Least quality of these JPEGs.", 1, 95)


@dataclass(frozen=True)
class Model:
    """The network's shape."""

    preset: str = field(
        "fast",
        "The 2020 system's network, one for CPUs, or one for finer edges.",
        choices=("fast", "fine", "reference"),
    )
    widths: tuple[int, ...] | None = field(
        None, "Channels of each level, finest first; those of the preset if null."
    )
    patch_size: int | None = field(
        None,
        "Pixels on a side of a position of level 0; those of the preset if null.",
        1,
        64,
    )
    depth_activation: str = field(
        "sigmoid",
        "Activation of the last layer of the depth.",
        choices=("sigmoid", "linear"),
    )
    precision: str = field(
        "float32",
        "Type of the numbers in the layers.",
        choices=("float32", "mixed_bfloat16"),
    )


@dataclass(frozen=True)
class Output:
    """The loss of one output: a weighted sum of terms."""

    terms: dict[str, float] = field(
        meaning="Weight of each term, by its name in `losses.TERMS`.", least=0
    )
    options: dict[str, dict] = field({}, "Arguments of a term, by its name.")
    weight: float = field(1.0, "Weight of the output in the total.", 0)


@dataclass(frozen=True)
class Losses:
    """The loss of each output."""

    mask: Output = field(
        Output({"sigmoid_cross_entropy": 1.0}), "Loss of the mask's logits."
    )
    depth: Output = field(Output({"dssim": 1.0}), "Loss of the depth.")


@dataclass(frozen=True)
class Optimizer:
    """SGD with momentum under a step schedule."""

    learning_rate: float = field(0.01, "Rate of the first epochs.", 1e-12, 1e6)
    momentum: float = field(0.9, "Share of the last update that is kept.", 0, 1)
    nesterov: bool = field(False, "Whether the gradient is taken one step ahead.")
    weight_decay: float | None = field(
        None, "Decoupled decay of the weights; none if null.", 0, 1
    )
    clip_norm: float | None = field(
        None,
        "Greatest length of the whole gradient; longer ones are cut to it, which "
        "keeps a rare bad batch from undoing an epoch. Any length if null.",
        1e-12,
    )
    drop_epochs: int = field(10, "Epochs between drops of the rate.", 1)
    drop_factor: float = field(0.1, "What a drop multiplies the rate by.", 1e-12, 1)


@dataclass(frozen=True)
class Training:
    """How long, and in what steps."""

    epochs: int = field(20, "Passes over the training side.", 1)
    batch_size: int = field(128, "Examples per step.", 1)
    test_batch_size: int = field(32, "Examples per step of evaluation.", 1)
    steps_per_execution: int = field(1, "Steps run before Python is asked again.", 1)
    jit_compile: bool = field(False, "Whether XLA compiles the step; it pays on a GPU.")
    pictures: int = field(8, "Examples shown in grids and reports.", 1, 64)


@dataclass(frozen=True)
class Config:
    """A whole run."""

    seed: int = field(
        0, "Seed of weights, order, augmentation and split.", 0, 2**31 - 1
    )
    workdir: str = field("runs/quickstart", "Run folder.")
    data: Data = field(Data(), "Examples.")
    augmentation: Augmentation = field(Augmentation(), "What changes in them.")
    scene: Scene = field(Scene(), "What happens in the room between its pictures.")
    camera: Camera = field(Camera(), "What happens to one of its pictures.")
    model: Model = field(Model(), "Network.")
    losses: Losses = field(Losses(), "What is minimised.")
    optimizer: Optimizer = field(Optimizer(), "How it is minimised.")
    training: Training = field(Training(), "How long.")


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


def find(name: str) -> Path:
    """The file that `--config` names.

    Args:
        name: A file, or a shipped configuration: "fast", "fast.yaml" or
            "configs/fast.yaml".

    Returns:
        The file of that name if it is there, otherwise the shipped one.

    Raises:
        UsageError: If there is neither.
    """
    if Path(name).exists() and not Path(name).is_dir():
        return Path(name)
    paths = sorted(SHIPPED.rglob("*.yaml"), key=lambda path: (len(path.parts), path))
    shipped = {path.relative_to(SHIPPED).as_posix()[:-5]: path for path in paths}
    key = name.removeprefix("configs/").removesuffix(".yaml")
    if key not in shipped:
        names = [*shipped, *(f"{known}.yaml" for known in shipped)]
        near = errors.nearest(key, names)
        raise UsageError(
            "--config must be a YAML file that is there or one of "
            f"{', '.join(shipped)}. Received: {name}. The nearest is: {near}"
        )
    return shipped[key]


def _check(config):
    """Refuses what no range can tell."""
    widths = config.model.widths
    if widths is not None and min(widths, default=0) < 1:
        raise UsageError(
            "model.widths must name at least one level, each of at least 1 channel. "
            f"Received: {list(widths)}"
        )
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
