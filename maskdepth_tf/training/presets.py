"""Trained networks that come with the package, and folders of the same layout.

A preset is a folder as KerasHub's are:

    config.json         the network's layers
    model.weights.h5    its weights, float32
    metadata.json       SHA-256 of the other two, versions, sizes
    README.md           the model card: sources, licences, figures

Nothing is ever downloaded.

    network = maskdepth_tf.from_preset("fine")
    mask, depth = network({"bg": room, "fg_bg": photo}).values()
"""

import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from maskdepth_tf import __version__, errors, files, startup

if TYPE_CHECKING:
    import keras

SHIPPED = Path(__file__).resolve().parent.parent / "presets"
"""Folder of the presets that come with the package."""
CONFIG, WEIGHTS, METADATA = "config.json", "model.weights.h5", "metadata.json"


def find(name: str | os.PathLike) -> Path:
    """The model that a name or a path means.

    Args:
        name: A path, or the name of a preset that comes with the package.

    Returns:
        The path if something is there, otherwise the preset's folder if there is one
        of the name, otherwise the path.
    """
    is_name = os.path.basename(name) == os.fspath(name) and not os.path.exists(name)
    shipped = SHIPPED / name
    return shipped if is_name and shipped.is_dir() else Path(name)


def is_preset(path: str | os.PathLike) -> bool:
    """Whether a path is the folder of a preset."""
    return os.path.isfile(os.path.join(path, METADATA)) and os.path.isfile(
        os.path.join(path, CONFIG)
    )


def from_preset(name: str | os.PathLike) -> "keras.Model":
    """Loads a trained network.

    Args:
        name: Of a preset that comes with the package, or the folder of one.

    Returns:
        The network, as `model.resnet_unet` builds it; not compiled.

    Raises:
        StateError: If there is none, or it is damaged.
    """
    folder = find(name)
    if not is_preset(folder):
        known = ", ".join(sorted(path.name for path in SHIPPED.iterdir()))
        raise errors.StateError(
            f"a preset must be one of {known}, or a folder with {METADATA}. "
            f"Received: {name}"
        )
    startup.load_tensorflow(with_plotting=True)
    import keras

    import maskdepth_tf.network.model  # noqa: F401  registers its layers

    metadata = files.parse_json((folder / METADATA).read_bytes(), folder / METADATA)
    for file in (CONFIG, WEIGHTS):
        expected = metadata.get("sha256", {}).get(file)
        if not (folder / file).is_file() or files.sha256_of(folder / file) != expected:
            raise errors.StateError(
                f"{folder / file}: is damaged or of another; its SHA-256 must be "
                f"{expected}, as {METADATA} says"
            )
    network = keras.saving.deserialize_keras_object(
        json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    )
    network.load_weights(folder / WEIGHTS)
    return network


def save_to_preset(network: "keras.Model", folder: str | os.PathLike) -> None:
    """Writes a network as a preset.

    Args:
        network: As `model.resnet_unet` builds it, compiled or not.
        folder: Where; made if missing, its files are replaced.
    """
    import keras

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    # Without its optimizer and losses: what answers needs neither.
    plain = type(network).from_config(network.get_config())
    plain.set_weights(network.get_weights())
    config = keras.saving.serialize_keras_object(plain)
    text = json.dumps(config, separators=(",", ":"))  # a quarter of what indented takes
    files.write_atomically(folder / CONFIG, text.encode())
    # Keras wants the whole ending, which a file written aside does not have.
    with tempfile.TemporaryDirectory(dir=folder) as aside:
        plain.save_weights(os.path.join(aside, WEIGHTS))
        os.replace(os.path.join(aside, WEIGHTS), folder / WEIGHTS)
    names = (CONFIG, WEIGHTS)
    metadata = {
        "maskdepth_tf": __version__,
        "keras_version": keras.__version__,
        "image_size": network.inputs[0].shape[1],
        "parameter_count": network.count_params(),
        "sha256": {name: files.sha256_of(folder / name) for name in names},
    }
    files.write_json(folder / METADATA, metadata)
