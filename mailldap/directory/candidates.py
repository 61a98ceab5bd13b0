"""Which entries a filter can select at all, by the indexes: a superset, to be judged one by one."""

from __future__ import annotations

from mailldap.directory.tree import Node, Tree
from mailldap.ldap.filter import And, Equality, Filter, Or
from mailldap.ldap.items import ENTRY_DN, HAS_SUBORDINATES, SUBSCHEMA_SUBENTRY
from mailldap.ldap.rules import RULES

_UNINDEXED = frozenset({HAS_SUBORDINATES, SUBSCHEMA_SUBENTRY, "2.5.21.9"})


def candidates(filter: Filter, tree: Tree) -> set[Node] | None:  # noqa: A002
    """Return the nodes among which all that *filter* selects are found; None means all nodes.

    Uses equality, in any place where its truth is needed for the whole filter's.
    """
    match filter:
        case Equality(attribute, value):
            return _equal(attribute, value, tree)
        case And(parts):
            # What names a class selects many: it is looked at only where nothing else helps.
            for part in sorted(parts, key=_breadth):
                found = candidates(part, tree)
                if found is not None:
                    return found
            return None
        case Or(parts):
            union: set[Node] = set()
            for part in parts:
                found = candidates(part, tree)
                if found is None:
                    return None
                union |= found
            return union
    return None


def _breadth(filter: Filter) -> int:  # noqa: A002
    match filter:
        case Equality(attribute, _):
            return 2 if attribute.lower() in {"objectclass", "2.5.4.0"} else 0
        case And(parts):
            return min(map(_breadth, parts), default=3)
        case Or(parts):
            return max(map(_breadth, parts), default=0)
    return 3


def _equal(attribute: str, value: bytes, tree: Tree) -> set[Node] | None:
    schema = tree.schema
    description = schema.describe(attribute)
    if description is None:
        return set()
    kind = description.type
    if kind.oid in _UNINDEXED or kind.equality is RULES["certificateexactmatch"]:
        return None
    key = schema.key(kind, value)
    if key is None:
        return set()
    if kind.oid == ENTRY_DN:
        node = tree.nodes.get(key.decode("utf-8", "surrogateescape"))
        return {node} if node else set()
    if not kind.is_class_name:
        return set(tree.lookup(kind, key))
    wanted = schema.object_class(value.decode("ascii", "replace"))
    found: set[Node] = set()
    for oc in schema.object_classes:
        if wanted and wanted.oid in oc.superiors:
            found.update(tree.lookup(kind, oc.name.lower().encode()))
    return found
