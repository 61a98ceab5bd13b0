"""An equality index: from a value's key to the nodes that hold such a value.

Nearly every key belongs to one node (an address has one owner), so that one stands there alone;
only keys of several nodes cost a collection.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mailldap.directory.tree import Node


class Index:
    """Nodes by key; a node may be entered under many keys."""

    __slots__ = ("_found",)

    def __init__(self) -> None:
        #: Where a key has several nodes, they are the keys of a dict: a set that keeps its order.
        self._found: dict[bytes, Node | dict[Node, None]] = {}

    def enter(self, key: bytes, node: Node) -> None:
        """Let *node* be found by *key*."""
        found = self._found.setdefault(key, node)
        if found is node:
            return
        if isinstance(found, dict):
            found[node] = None
        else:
            self._found[key] = {found: None, node: None}

    def leave(self, key: bytes, node: Node) -> None:
        """Let *node* no longer be found by *key*; harmless when it is not."""
        found = self._found.get(key)
        if found is node:
            del self._found[key]
        elif isinstance(found, dict):
            found.pop(node, None)
            if not found:
                del self._found[key]

    def get(self, key: bytes) -> list[Node]:
        """Return the nodes under *key*, in no order that matters."""
        found = self._found.get(key)
        if found is None:
            return []
        return list(found) if isinstance(found, dict) else [found]
