"""Which tables proxymap(8) opens for others: those that proxy_read_maps names behind ``proxy:``.

Source: proxymap(8); Postfix's proxymap.c (authorize_proxied_maps, proxy_map_find).
"""

from __future__ import annotations

from collections.abc import Iterator

from mailldap.errors import ConfigError
from mailldap.postfix.words import balanced, split_braced
from mailldap.tables.base import TableContext

_PROXY = "proxy:"
_NESTED = ("unionmap:", "pipemap:")


def behind_proxy(name: str, context: TableContext) -> str:
    """Return the table behind ``proxy:``, *name* being what follows that.

    Raises ConfigError, in Postfix's words, where it is none, and for a daemon where proxymap would
    not open it: no daemon starts then. Somebody who asks a table by its name is told, and answered.
    """
    while name.startswith(_PROXY):
        name = name.removeprefix(_PROXY)
    if ":" not in name:
        raise ConfigError(f'open dictionary: expecting "type:name" form instead of "{name}"')
    listed = context.parameter("proxy_read_maps")
    if listed is not None and name not in approved(listed):
        refusal = f'proxymap service is not configured for table "{name}"'
        way_out = f"add {_PROXY}{name} to proxy_read_maps, or leave {_PROXY} out"
        if context.daemon:
            raise ConfigError(refusal, hint=way_out)
        context.warn(f"{refusal}; {way_out}")
    return name


def approved(value: str) -> frozenset[str]:
    """Return the tables that a value of proxy_read_maps approves."""
    return frozenset(_approved(value))


def _approved(value: str) -> Iterator[str]:
    for word in split_braced(value):
        name = word
        if name.startswith("{"):
            if balanced(name) != len(name):
                continue  # proxymap warns
            name = next(iter(split_braced(name[1:-1])), "")
        nested = next((p for p in _NESTED if name.startswith(p)), None)
        if nested is not None:
            inner = name.removeprefix(nested)
            if inner.startswith("{") and balanced(inner) == len(inner):
                yield from _approved(inner[1:-1])
        elif name.startswith(_PROXY):
            while name.startswith(_PROXY):
                name = name.removeprefix(_PROXY)
            if ":" in name:
                yield name
