"""mailldap.yaml as a layer: every value with its line."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import yaml

from mailldap.config.layers import Layer, Value
from mailldap.config.secret import must_be_private
from mailldap.errors import ConfigError

#: Keys of the file that are not settings.
_SELECTORS = {"profile", "profiles"}
#: Dots in the longest key, as in ``postfix.relay.host``.
_DEEPEST = 2
#: Bytes of the longest configuration; /dev/zero has no end.
_LONGEST = 1 << 24


def read_yaml(path: Path, profile: str | None) -> list[Layer]:
    """Return the layers of *path*: the chosen profile's, then the file's own.

    The profile is *profile*, else the file's ``profile:``. Raises ConfigError with file and line
    for YAML that does not parse, a repeated key, or a profile that is not there, and SecretExposed
    for a password in a file that others can read.
    """
    try:
        with path.open("rb") as stream:
            mode = os.fstat(stream.fileno()).st_mode
            text = stream.read(_LONGEST + 1)
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", file=str(path)) from error
    if len(text) > _LONGEST:
        raise ConfigError(f"more than {_LONGEST >> 20} MB: no configuration", file=str(path))
    root = _compose(text, path)
    if root is None:
        return []
    layers = _layers(root, profile, path)
    for layer in layers:
        password = layer.get("password")
        if password and password.raw is not None:
            must_be_private(mode, path, line=int(password.origin.rpartition(":")[2]))
    return layers


def _compose(text: bytes, path: Path) -> yaml.Node | None:
    """Return the document, None where it is empty. Raises ConfigError."""
    try:
        return yaml.compose(text, Loader=yaml.SafeLoader)
    except RecursionError as error:
        raise ConfigError("not YAML: nested too deeply", file=str(path)) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        reason = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise ConfigError(
            f"not YAML: {reason}", file=str(path), line=mark.line + 1 if mark else None
        ) from error


def _layers(root: yaml.Node, profile: str | None, path: Path) -> list[Layer]:
    top = _mapping(root, path)
    own = {
        key: value
        for name, node in top.items()
        if name not in _SELECTORS
        for key, value in _flatten(name, node, path)
    }
    wanted = profile
    if wanted is None and "profile" in top:
        wanted = _scalar(top["profile"], path)
    if wanted is None:
        return [own]
    profiles = _mapping(top["profiles"], path) if "profiles" in top else {}
    if wanted not in profiles:
        known = ", ".join(sorted(profiles)) or "none"
        raise ConfigError(f"no profile {wanted!r}; there are: {known}", file=str(path))
    chosen = {
        key: value
        for name, node in _mapping(profiles[wanted], path).items()
        for key, value in _flatten(name, node, path)
    }
    return [chosen, own]


def _mapping(node: yaml.Node, path: Path) -> dict[str, yaml.Node]:
    line = node.start_mark.line + 1
    if isinstance(node, yaml.ScalarNode) and node.tag.endswith(":null"):
        return {}
    if not isinstance(node, yaml.MappingNode):
        raise ConfigError("should be `key: value` lines", file=str(path), line=line)
    found: dict[str, yaml.Node] = {}
    for key, value in node.value:
        name = _scalar(key, path) or ""
        if name in found:
            raise ConfigError(
                f"{name} stands here twice", file=str(path), line=key.start_mark.line + 1
            )
        found[name] = value
    return found


def _flatten(name: str, node: yaml.Node, path: Path) -> Iterator[tuple[str, Value]]:
    origin = f"{path}:{node.start_mark.line + 1}"
    # An anchor can make a mapping that holds itself: nothing is looked for below the deepest key.
    if isinstance(node, yaml.MappingNode) and name.count(".") <= _DEEPEST:
        if not node.value:  # `relay: {}` asks for the part with its defaults
            yield name, Value(True, origin, path.parent)
        for key, value in _mapping(node, path).items():
            yield from _flatten(f"{name}.{key}", value, path)
        return
    yield name, Value(_plain(node, path), origin, path.parent)


def _plain(node: yaml.Node, path: Path) -> str | list[str | None] | None:
    """Return a scalar or a list of scalars; raises ConfigError for anything deeper."""
    if isinstance(node, yaml.SequenceNode):
        return [_scalar(item, path) for item in node.value]
    return _scalar(node, path)


def _scalar(node: yaml.Node, path: Path) -> str | None:
    """Return a scalar as written, not what YAML 1.1 makes of it: a password 0123 is not octal."""
    if not isinstance(node, yaml.ScalarNode):
        kind = "a list" if isinstance(node, yaml.SequenceNode) else "`key: value`"
        raise ConfigError(
            f"should be text, not {kind}", file=str(path), line=node.start_mark.line + 1
        )
    return None if node.tag.endswith(":null") else str(node.value)
