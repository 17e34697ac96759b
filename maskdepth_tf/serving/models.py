"""The versions that are served, and how a new one replaces an old one.

The folders are polled. A new version is loaded and tried out beside the old one,
which answers meanwhile, and only then do requests go to the new one. Each request
holds its version; a version that is not wanted any more ends with its last request.
A version that cannot be used changes nothing: its status gives the reason, and it is
tried again once its files change.
"""

import contextlib
import dataclasses
import os
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from maskdepth_tf.errors import MaskDepthError
from maskdepth_tf.serving.failures import ServingError, invalid
from maskdepth_tf.serving.model_config import Declared, version_folders
from maskdepth_tf.serving.saved_model import SavedModel


class Spec(NamedTuple):
    """The version of a model that a request asks for; the latest by default."""

    name: str
    version: int | None = None
    label: str | None = None


@dataclasses.dataclass(eq=False)
class Version:
    """A version that is served, or was, or could not be.

    Attributes:
        number: Its number.
        fingerprint: State of its files when it was loaded.
        model: The loaded SavedModel; None before and after it is served.
        state: In TF Serving's words.
        code: As of a ServingError, or "OK" unless it could not be loaded.
        message: Why it could not be loaded, if so.
        uses: Number of requests that hold it.
    """

    number: int
    fingerprint: object
    model: Any = None
    state: str = "LOADING"
    code: str = "OK"
    message: str = ""
    uses: int = 0


class Models:
    """All models.

    Args:
        declare: Returns the models to serve, by name; called at each poll.
        load: Makes a model of a version's folder.
    """

    def __init__(
        self,
        declare: Callable[[], dict[str, Declared]],
        load: Callable[[str], SavedModel] = SavedModel,
    ) -> None:
        self._declare = declare
        self._load_folder = load
        self._declared = declare()
        self._versions: dict[str, dict[int, Version]] = {}
        self._lock = threading.Lock()
        self._complaint = ""
        self._has_polled = False

    def poll(self) -> None:
        """Loads and unloads versions, as declared; one caller at a time."""
        try:
            self._declared = self._declare()
            self._complaint = ""
        except OSError:
            pass
        except MaskDepthError as error:
            # What was declared before stays; a complaint is printed once.
            if str(error) != self._complaint:
                _warn(str(error))
            self._complaint = str(error)
        for name, declared in self._declared.items():
            # A folder that cannot be read just now says nothing about its versions.
            with contextlib.suppress(OSError):
                self._update(name, declared)
        for name in set(self._versions) - set(self._declared):
            self._unload(name, set())
        self._has_polled = True

    @contextlib.contextmanager
    def pinned(self, spec: Spec) -> Iterator[tuple[int, SavedModel]]:
        """Version number and model for a request, which stay for as long as it lasts.

        Raises:
            ServingError: NOT_FOUND or, for a label, INVALID_ARGUMENT if there is none;
                UNAVAILABLE while it may still come.
        """
        with self._lock:
            live, number = self._live(spec.name), self._number(spec)
            version = live.get(max(live, default=0) if number is None else number)
            if version is None and self._is_loading(spec.name, number):
                # Not found would be final: clients ask again for this.
                raise ServingError("UNAVAILABLE", f"model {spec.name} is being loaded")
            if version is None:
                raise _not_found(spec.name, number)
            version.uses += 1
        try:
            yield version.number, version.model
        finally:
            with self._lock:
                version.uses -= 1
                self._end_if_drained(version)

    def statuses(self, spec: Spec) -> list[Version]:
        """States of a version or, if none is named, of all, highest first.

        A label is not looked at: TF Serving tells of all versions then too.

        Returns:
            Copies without the models.

        Raises:
            ServingError: NOT_FOUND if there is none.
        """
        with self._lock:
            versions, number = self._versions.get(spec.name, {}), spec.version
            wanted = sorted(versions, reverse=True) if number is None else [number]
            if not wanted or wanted[0] not in versions:
                raise _not_found(spec.name, number)
            return [dataclasses.replace(versions[n], model=None) for n in wanted]

    def available(self) -> dict[str, list[int]]:
        """Versions that answer, ascending, of each model that has one."""
        with self._lock:
            live = {name: sorted(self._live(name)) for name in self._versions}
        return {name: numbers for name, numbers in live.items() if numbers}

    def _is_loading(self, name, number) -> bool:
        if not self._has_polled:
            return name in self._declared
        versions = self._versions.get(name, {})
        states = versions.values() if number is None else [versions.get(number)]
        return any(version and version.state == "LOADING" for version in states)

    def _live(self, name) -> dict[int, Version]:
        versions = self._versions.get(name, {})
        return {n: v for n, v in versions.items() if v.state == "AVAILABLE"}

    def _update(self, name, declared) -> None:
        try:
            folders = version_folders(declared.folder)
        except FileNotFoundError:
            folders = {}
        with self._lock:
            versions = self._versions.setdefault(name, {})
        while True:
            usable = [n for n in folders if not _is_bad(versions.get(n), folders[n])]
            wanted = declared.policy.pick(usable)
            new = [n for n in wanted if n not in self.available().get(name, ())]
            if not new:
                break
            self._load(name, new[0], folders[new[0]])
        # While all that is there is bad, what was loaded before goes on.
        if wanted or not folders:
            self._unload(name, set(wanted))

    def _load(self, name, number, folder) -> None:
        version = Version(number, _fingerprint(folder))
        with self._lock:
            self._versions[name][number] = version
        try:
            model = self._load_folder(folder)
        except Exception as error:
            message = " ".join(str(error).splitlines()) or repr(error)
            with self._lock:
                version.state, version.code = "END", "FAILED_PRECONDITION"
                version.message = message
            _warn(f"version {number} of {name} is not served: {message}")
            return
        with self._lock:
            version.model, version.state = model, "AVAILABLE"

    def _unload(self, name, wanted) -> None:
        with self._lock:
            for number, version in self._live(name).items():
                if number not in wanted:
                    version.state = "UNLOADING"
                    self._end_if_drained(version)

    def _end_if_drained(self, version) -> None:
        if version.state == "UNLOADING" and not version.uses:
            version.model, version.state = None, "END"

    def _number(self, spec) -> int | None:
        if spec.label is None:
            return spec.version
        declared = self._declared.get(spec.name)
        if declared is None or spec.label not in declared.labels:
            raise invalid(f"model {spec.name} has no label {spec.label}")
        return declared.labels[spec.label]


def _not_found(name, number) -> ServingError:
    reason = "no version" if number is None else f"no version {number}"
    return ServingError("NOT_FOUND", f"model {name} has {reason} that is served")


def _warn(text) -> None:
    print(f"warning: {text}", file=sys.stderr, flush=True)


def _is_bad(version, folder) -> bool:
    """Whether these very files could not be used before."""
    return (
        version is not None
        and version.code != "OK"
        and version.fingerprint == _fingerprint(folder)
    )


def _fingerprint(folder) -> list[tuple[str, int, int]]:
    states = []
    for parent, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(parent, name)
            with contextlib.suppress(OSError):
                state = os.stat(path)
                states.append((path, state.st_size, state.st_mtime_ns))
    return sorted(states)
