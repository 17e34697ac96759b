"""Strict reading of YAML into frozen dataclasses.

Every key must be a field and every value of the field's declared type: a number may
be written as 1e-4, but text is not taken for a number, nor a number for a switch.
"""

import contextlib
import dataclasses
import types
import typing
from pathlib import Path

import yaml

from maskdepth_tf import errors
from maskdepth_tf.errors import UsageError

T = typing.TypeVar("T", bound=typing.Any)


class _Loader(yaml.SafeLoader):
    """PyYAML lets the last of two equal keys win in silence."""

    def construct_mapping(self, node, deep=False):
        keys = [key for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        for place, key in enumerate(keys):
            if key.value in [earlier.value for earlier in keys[:place]]:
                raise yaml.constructor.ConstructorError(
                    problem=f"the key {key.value} is there twice",
                    problem_mark=key.start_mark,
                )
        return super().construct_mapping(node, deep)


def read_yaml(path: str | Path) -> dict:
    """Reads a file that holds a mapping; an empty file is an empty one.

    Raises:
        UsageError: If it cannot be read, is no YAML, or something else.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{path}: a configuration must be readable: {error}"
        ) from error
    try:
        values = _Loader(text).get_single_data()
    # PyYAML lets anything out of its constructors: 2020-13-45 is a ValueError.
    except Exception as error:
        place = getattr(error, "problem_mark", None)
        line = f":{place.line + 1}" if place else ""
        problem = getattr(error, "problem", None) or error
        raise UsageError(f"{path}{line}: must be valid YAML: {problem}") from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise UsageError(
            f"{path}: must be a mapping. Received: {type(values).__name__}"
        )
    return values


def parse_override(text: str) -> dict:
    """Turns "a.b=1" into {"a": {"b": 1}}; the value is YAML.

    Raises:
        UsageError: If there is no key or no value, or it is no YAML.
    """
    key, equals, written = text.partition("=")
    if not equals or not key:
        raise UsageError(f"--set takes KEY=VALUE, as a.b=1. Received: {text}")
    try:
        value = yaml.safe_load(written)
    except Exception as error:  # as in `read_yaml`
        raise UsageError(
            f"--set {key}: the value must be YAML. Received: {text}"
        ) from error
    for part in reversed(key.split(".")):
        value = {part: value}
    return value


def merge(values: dict, more: dict, whole: tuple[str, ...] = ()) -> None:
    """Puts `more` into `values`, level by level.

    Args:
        values: Changed in place.
        more: Goes over it.
        whole: Keys whose mappings replace the old ones instead of adding to them.
    """
    for key, value in more.items():
        old = values.get(key)
        if isinstance(value, dict) and isinstance(old, dict) and key not in whole:
            merge(old, value, whole)
        else:
            values[key] = value


def field(
    default: typing.Any = dataclasses.MISSING,
    meaning: str = "",
    least: float | None = None,
    most: float | None = None,
    choices: typing.Sequence[str] = (),
) -> typing.Any:
    """A field of a configuration, with all that there is to know of it.

    Args:
        default: Its value where no other is given; a dict is copied. Without one a
            value must be given.
        meaning: What it is, with its unit.
        least: Least number, or least of the numbers in a dict; any if None.
        most: Greatest one; any if None.
        choices: All that a text may be; anything if empty.
    """
    metadata = {"meaning": meaning, "least": least, "most": most, "choices": choices}
    if isinstance(default, dict):
        return dataclasses.field(default_factory=default.copy, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def fields_of(
    kind: typing.Any, prefix: str = ""
) -> typing.Iterator[tuple[str, dataclasses.Field]]:
    """Yields all fields by their dotted names, those of inner dataclasses after it."""
    hints = typing.get_type_hints(kind)
    for inner in dataclasses.fields(kind):
        yield prefix + inner.name, inner
        for hint in (hints[inner.name], *typing.get_args(hints[inner.name])):
            if dataclasses.is_dataclass(hint):
                yield from fields_of(hint, f"{prefix}{inner.name}.")


def build(kind: type[T], values: dict, where: str = "") -> T:
    """Makes a dataclass of a mapping.

    Args:
        kind: The dataclass.
        values: Its fields; those left out have their defaults.
        where: Dotted name of the mapping, for errors.

    Returns:
        The dataclass, every value of its declared type.

    Raises:
        UsageError: If a key is no field (the nearest is named), or a value has
            another type, or is none that its `field` allows.
    """
    if not isinstance(values, dict):
        raise UsageError(
            f"{where or 'a configuration'} must be a mapping. Received: {values!r}"
        )
    fields = {f.name: f for f in dataclasses.fields(typing.cast(typing.Any, kind))}
    hints = typing.get_type_hints(kind)
    prefix = f"{where}." if where else ""
    built = {}
    for key, value in values.items():
        if key not in fields:
            names = dict(fields_of(kind, prefix))
            raise UsageError(
                f"unknown configuration key: {prefix}{key}. "
                f"The nearest is: {errors.nearest(f'{prefix}{key}', names)}"
            )
        built[key] = _convert(hints[key], value, prefix + key)
        _check(built[key], prefix + key, fields[key].metadata)
    return kind(**built)


def _convert(hint, value, name):
    if isinstance(hint, types.UnionType):
        if value is None:
            return None
        hint = next(arg for arg in hint.__args__ if arg is not types.NoneType)
    if dataclasses.is_dataclass(hint):
        return build(hint, value, name)
    origin, args = typing.get_origin(hint) or hint, typing.get_args(hint)
    if origin is tuple and isinstance(value, list | tuple):
        return tuple(_convert(args[0], item, name) for item in value)
    if origin is dict and args and isinstance(value, dict):
        return {
            str(key): _convert(args[1], item, f"{name}.{key}")
            for key, item in value.items()
        }
    # YAML reads 1 as int and 1e-4 as text; both are numbers to a person.
    if origin is float and isinstance(value, int | str) and not isinstance(value, bool):
        with contextlib.suppress(ValueError, OverflowError):
            return float(value)
    if type(value) is origin:
        return value
    kind = "list" if origin is tuple else origin.__name__  # as YAML has it
    raise UsageError(f"{name} must be of type {kind}. Received: {value!r}")


def _check(value, name, allowed) -> None:
    """Refuses what a field's metadata does not allow."""
    if isinstance(value, dict):
        for key, item in value.items():
            _check(item, f"{name}.{key}", allowed)
    elif value is None or not allowed:
        return
    elif allowed["choices"] and value not in allowed["choices"]:
        choices = allowed["choices"]
        raise UsageError(
            f"{name} must be one of {', '.join(choices)}. Received: {value}. "
            f"The nearest is: {errors.nearest(value, choices)}"
        )
    elif allowed["least"] is not None:
        errors.check_range(name, value, allowed["least"], allowed["most"])


def to_dict(config) -> typing.Any:
    """A dataclass as plain dicts and lists, ready for YAML or JSON."""
    if dataclasses.is_dataclass(config):
        return {
            f.name: to_dict(getattr(config, f.name)) for f in dataclasses.fields(config)
        }
    if isinstance(config, dict):
        return {key: to_dict(value) for key, value in config.items()}
    return list(config) if isinstance(config, tuple) else config
