"""What the page must know of the package: constants stand in Python alone."""

import json
from types import ModuleType
from typing import Any

import matplotlib

from maskdepth_tf.inference import matting
from maskdepth_tf.registration import (
    comparing,
    describing,
    geometry,
    light,
    registering,
)

MODULES = (geometry, light, registering, comparing, describing)


def of_network(image_size: int) -> dict[str, Any]:
    """Settings of the page, as JSON can hold them.

    Args:
        image_size: Side of the network's square, in pixels.

    Returns:
        `image_size`, the constants of registration by module and name, and those of
        the matting with its `layers`, kernel and bias of each; `depth_colours`, RGBA
        bytes from near to far.
    """
    layers = json.loads(matting.WEIGHTS.read_text(encoding="utf-8"))
    settings = {name_of(module): constants(module) for module in MODULES}
    settings["matting"] = constants(matting) | {"layers": layers}
    # Bright is near.
    far_to_near = matplotlib.colormaps["viridis"](range(256), bytes=True)
    settings["depth_colours"] = far_to_near[::-1].tolist()
    return {"image_size": image_size} | settings


def constants(module: ModuleType) -> dict[str, Any]:
    """Numbers, and tuples of them, that a module calls by a name in capitals."""
    return {
        name: value
        for name, value in vars(module).items()
        if name.isupper() and name[0] != "_" and isinstance(value, int | float | tuple)
    }


def name_of(module: ModuleType) -> str:
    """The last part of its name."""
    return module.__name__.rpartition(".")[2]
