"""An equality index: from a value's key to the nodes that hold such a value.

Nearly every key belongs to one node (an address has one owner), so that one stands there alone;
only keys of several nodes cost a list.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mailldap.directory.tree import Node


class Index:
    """Nodes by key; a node may be entered under many keys."""

    __slots__ = ("_found",)

    def __init__(self) -> None:
        self._found: dict[bytes, Node | list[Node]] = {}

    def enter(self, key: bytes, node: Node) -> None:
        """Let *node* be found by *key*; what it is entered under again must come at once."""
        found = self._found.setdefault(key, node)
        if found is node:
            return
        if isinstance(found, list):
            if found[-1] is not node:
                found.append(node)
        else:
            self._found[key] = [found, node]

    def leave(self, key: bytes, node: Node) -> None:
        """Let *node* no longer be found by *key*; harmless when it is not."""
        found = self._found.get(key)
        if found is node:
            del self._found[key]
        elif isinstance(found, list) and node in found:
            found.remove(node)
            if len(found) == 1:
                self._found[key] = found[0]

    def get(self, key: bytes) -> list[Node]:
        """Return the nodes under *key*, in no order that matters."""
        found = self._found.get(key)
        if found is None:
            return []
        return found if isinstance(found, list) else [found]
