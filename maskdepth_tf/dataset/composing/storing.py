"""Cut-outs and rooms as a data set keeps them, and the composer that starts there."""

import hashlib
import importlib.metadata
from pathlib import Path

import cv2
import numpy as np
import PIL

import maskdepth_tf
from maskdepth_tf import errors, files
from maskdepth_tf.dataset.composing import origins, sources
from maskdepth_tf.dataset.composing.recipe import Recipe
from maskdepth_tf.dataset.composing.rows import Composer
from maskdepth_tf.images import encoding


def check_apart(output: Path, folder: Path, flag: str = "--output") -> None:
    """Raises a UsageError if an output folder, of a flag, contains source pictures."""
    for place in (output, files.partial_of(output, flag)):
        if folder.resolve().is_relative_to(place.resolve()):
            raise errors.UsageError(
                f"{flag} must not contain the source pictures in {folder}. "
                f"Received: {output}"
            )


def store_sources(
    originals: sources.Sources, output: Path, recipe: Recipe
) -> tuple[Composer, dict]:
    """Stores cut-outs and rooms in a data set.

    Returns:
        composer: Makes its rows.
        entries: What the manifest says of them, by path.
    """
    from maskdepth_tf.images import preprocessing

    entries, rooms = {}, []
    for number, (path, cutout) in enumerate(originals.cutouts.items(), 1):
        name = f"Foreground/fg{number}.png"
        entries[name] = _store(output / name, encoding.encode_png(cutout), path)
    for number, (path, room) in enumerate(originals.rooms.items(), 1):
        name = f"Background/bg{number}.jpg"
        entries[name] = _store(output / name, sources.encode_room(room.pixels), path)
        # From now on what the file shows, not what was put into it.
        rooms.append(preprocessing.read_rgb(output / name))
    cutouts = list(originals.cutouts.values())
    aspects = [room.aspect for room in originals.rooms.values()]
    return Composer(recipe, cutouts, rooms, output, aspects), entries


def _store(path: Path, data: bytes, source: Path) -> dict[str, str]:
    """Stores one source; its entry in the manifest."""
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    return {
        "name": source.name,
        "source_sha256": files.sha256_of(source),
        "sha256": hashlib.sha256(data).hexdigest(),
        **origins.origin_of(source),
    }


def versions() -> dict[str, str]:
    """Returns the versions of all that pictures depend on."""
    return {
        "maskdepth_tf": maskdepth_tf.__version__,
        "numpy": np.__version__,
        "opencv": cv2.__version__,
        "pillow": PIL.__version__,
        "tensorflow": importlib.metadata.version("tensorflow"),
    }
