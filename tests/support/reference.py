"""The original network's weights and numbers, for tests of parity."""

import functools
import json

import numpy as np

from tests.support.paths import ROOT

GOLDEN = ROOT / "tests" / "golden"


@functools.cache
def arrays() -> dict[str, np.ndarray]:
    """The stored arrays; pictures [B, C, H, W] become [B, H, W, C]."""
    stored = np.load(GOLDEN / "golden.npz")
    return {
        key: stored[key].transpose(0, 2, 3, 1) if stored[key].ndim == 4 else stored[key]
        for key in stored.files
    }


@functools.cache
def scalars() -> dict:
    """The stored losses and metrics."""
    return json.loads((GOLDEN / "scalars.json").read_text())


def parameters() -> list[dict]:
    """Name, shape, kind, sum and l2 of every parameter, in order."""
    stored = json.loads((GOLDEN / "params.json").read_text())
    return next(value for value in stored.values() if isinstance(value, list))


def weight(parameter: dict) -> np.ndarray:
    """A parameter's value, in its PyTorch layout, float64."""
    rng = np.random.default_rng(parameter["index"])
    shape = parameter["shape"]
    value = rng.standard_normal(shape)
    if parameter["kind"] == "bn_gamma":
        return 1 + 0.1 * value
    if parameter["kind"] == "bn_beta":
        return 0.1 * value
    return value * np.sqrt(2 / np.prod(shape[1:]))


def our_name(name: str) -> tuple[str, str]:
    """A PyTorch parameter's name -> our layer's name and its variable's."""
    if name == "conv1.weight":
        return "stem_conv", "kernel"
    part, *path, leaf = name.split(".")
    variable = {"weight": "gamma", "bias": "beta"}[leaf]
    task = {"e": "encoder", "d": "depth", "M": "mask"}[part[0]]
    level = int(part.lstrip("Mencd").partition("_")[0]) - 1
    if part.endswith("_1"):
        head = {"0": "_norm", "2": "_conv1", "3": "_conv2"}[path[-1]]
        return f"{task}_head{head}", variable if path[-1] == "0" else "kernel"
    if part.endswith("_down"):
        return f"encoder{level + 1}_down_conv", "kernel"
    if part.endswith("_up"):
        return f"{task}{level}_up", "kernel"
    layer = {
        "conv1.0": "_pre1_norm",
        "conv1.2": "_conv1",
        "conv1.3": "_pre2_norm",
        "conv1.5": "_conv2",
        "shortcut.0": "_shortcut",
    }[".".join(path)]
    return f"{task}{level}{layer}", variable if layer.endswith("norm") else "kernel"


def load_weights(net) -> None:
    """Gives a `resnet_unet` the original's weights."""
    for parameter in parameters():
        layer, variable = our_name(parameter["name"])
        value = weight(parameter).astype("float32")
        if value.ndim == 4:
            value = value.transpose(2, 3, 1, 0)
        getattr(net.get_layer(layer), variable).assign(value)
