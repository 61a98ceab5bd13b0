"""mailldap.yaml as a layer: every value with its line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from mailldap.config.layers import Layer, Value
from mailldap.errors import ConfigError

#: Keys of the file that are not settings.
_SELECTORS = {"profile", "profiles"}


def read_yaml(path: Path, profile: str | None) -> list[Layer]:
    """Return the layers of *path*: the chosen profile's, then the file's own.

    The profile is *profile*, else the file's ``profile:``. Raises ConfigError with file and line
    for YAML that does not parse, a repeated key, or a profile that is not there.
    """
    try:
        root = yaml.compose(path.read_bytes(), Loader=yaml.SafeLoader)
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", file=str(path)) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        reason = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise ConfigError(
            f"not YAML: {reason}", file=str(path), line=mark.line + 1 if mark else None
        ) from error
    if root is None:
        return []
    top = _mapping(root, path)
    own = {
        key: value
        for name, node in top.items()
        if name not in _SELECTORS
        for key, value in _flatten(name, node, path)
    }
    wanted = profile
    if wanted is None and "profile" in top:
        wanted = str(_plain(top["profile"]))
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
        name = str(_plain(key))
        if name in found:
            raise ConfigError(
                f"{name} stands here twice", file=str(path), line=key.start_mark.line + 1
            )
        found[name] = value
    return found


def _flatten(name: str, node: yaml.Node, path: Path) -> Iterator[tuple[str, Value]]:
    origin = f"{path}:{node.start_mark.line + 1}"
    if isinstance(node, yaml.MappingNode):
        if not node.value:  # `relay: {}` asks for the part with its defaults
            yield name, Value(True, origin, path.parent)
        for key, value in _mapping(node, path).items():
            yield from _flatten(f"{name}.{key}", value, path)
        return
    yield name, Value(_plain(node), origin, path.parent)


def _plain(node: yaml.Node) -> Any:
    """Return the node as Python data; SafeLoader constructs no objects."""
    loader = yaml.SafeLoader("")
    try:
        return loader.construct_object(node, deep=True)
    except (yaml.YAMLError, ValueError, TypeError):
        return str(node.value)
    finally:
        loader.dispose()
