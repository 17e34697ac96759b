"""The models to serve: their folders, versions and labels."""

import contextlib
import os
from collections.abc import Iterable
from typing import NamedTuple

from maskdepth_tf.errors import UsageError


class Policy(NamedTuple):
    """Which versions of a model are served.

    Attributes:
        latest: This many of the highest; 0 for all of them.
        specific: These alone, if any are given.
    """

    latest: int = 1
    specific: frozenset[int] = frozenset()

    def pick(self, numbers: Iterable[int]) -> list[int]:
        """Returns the numbers to serve, highest first."""
        numbers = sorted(numbers, reverse=True)
        if self.specific:
            return [number for number in numbers if number in self.specific]
        return numbers[: self.latest or None]


class Declared(NamedTuple):
    """A model to serve.

    Attributes:
        folder: Holds a folder for each version.
        policy: Picks the versions.
        labels: Label -> version.
    """

    folder: str
    policy: Policy = Policy()
    labels: dict[str, int] = {}


def find_models(folder: str) -> dict[str, Declared]:
    """Finds the models in a folder: itself, if it has versions, else those within.

    A model has its folder's name.

    Raises:
        UsageError: If there is no such folder.
    """
    folder = os.path.abspath(folder)
    if not os.path.isdir(folder):
        raise UsageError(f"--models must be a folder. Received: {folder}")
    if version_folders(folder):
        return {os.path.basename(folder): Declared(folder)}
    paths = [os.path.join(folder, name) for name in sorted(os.listdir(folder))]
    return {
        os.path.basename(path): Declared(path)
        for path in paths
        if os.path.isdir(path) and version_folders(path)
    }


def version_folders(folder: str) -> dict[int, str]:
    """Finds the versions in a model's folder: number -> path."""
    # TF Serving counts in 64 bits.
    return {
        int(name): path
        for name in sorted(os.listdir(folder))
        if name.isascii() and name.isdecimal() and int(name) < 2**63
        if os.path.isdir(path := os.path.join(folder, name))
    }


def has_versions(models: Iterable[Declared]) -> bool:
    """Whether some model's folder holds a version, sound or not."""
    for model in models:
        with contextlib.suppress(OSError):
            if version_folders(model.folder):
                return True
    return False


def read_config(path: str) -> dict[str, Declared]:
    """Reads the models of a file with TF Serving's `ModelServerConfig` as text.

    Raises:
        UsageError: If it cannot be read or asks for something that is not supported.
    """
    from google.protobuf import text_format
    from tensorflow_serving.config import model_server_config_pb2

    try:
        with open(path) as file:
            config = text_format.Parse(
                file.read(), model_server_config_pb2.ModelServerConfig()
            )
    except (OSError, ValueError, text_format.ParseError) as error:
        raise UsageError(f"{path}: cannot be read: {error}") from error
    models = config.model_config_list.config
    if not models:
        raise UsageError(f"{path}: must have a model_config_list with models")
    declared: dict[str, Declared] = {}
    for model in models:
        if not model.name or not model.base_path or model.name in declared:
            raise UsageError(f"{path}: each model needs a name of its own, a base_path")
        if model.model_platform not in ("", "tensorflow"):
            raise UsageError(
                f"{path}: model_platform must be tensorflow. "
                f"Received: {model.model_platform}"
            )
        folder = os.path.join(os.path.dirname(os.path.abspath(path)), model.base_path)
        labels = dict(model.version_labels)
        declared[model.name] = Declared(folder, _policy(model, path), labels)
    return declared


def _policy(model, path) -> Policy:
    policy = model.model_version_policy
    kind = policy.WhichOneof("policy_choice")
    if kind == "specific":
        if not policy.specific.versions:
            raise UsageError(f"{path}: {model.name}: specific must name versions")
        return Policy(specific=frozenset(policy.specific.versions))
    if kind == "all":
        return Policy(latest=0)
    return Policy(latest=max(1, policy.latest.num_versions))
