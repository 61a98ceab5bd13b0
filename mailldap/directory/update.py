"""Changes of a tree of entries, checked as slapd with back-mdb checks them (RFC 4511 §4.6 to 4.9).

Each change is made wholly or refused with slapd's result code and words, checks in slapd's order.
What is made can be taken back.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from mailldap.directory.base import Scope
from mailldap.directory.find import base_key
from mailldap.directory.operational import SUBSCHEMA_KEY
from mailldap.directory.referral import rewrite
from mailldap.directory.tree import Attributes, Node, Tree, canonical_attributes, parent_key
from mailldap.errors import DNError, MailldapError, ReferralReceived, from_result
from mailldap.ldap.change import Add, Change, Delete, Modify, ModOp, Rename
from mailldap.ldap.dn import parse_rdn
from mailldap.ldap.entry import Entry
from mailldap.ldap.schema_check import (
    check_attributes,
    check_classes,
    check_description,
    comparison_key,
    structural_class_of,
    with_naming_values,
)
from mailldap.ldap.schema_types import Description

Undo = Callable[[], None]
#: Attributes of an entry while it is being changed; order and values as answered.
_Draft = dict[str, list[bytes]]

_PROTOCOL_ERROR, _NO_SUCH_ATTRIBUTE, _INAPPROPRIATE, _CONSTRAINT, _EXISTS = 2, 16, 18, 19, 20
_NO_SUCH_OBJECT, _ALIAS_PROBLEM, _BAD_DN, _UNWILLING = 32, 33, 34, 53
_NAMING, _NOT_LEAF, _ALREADY_EXISTS, _MULTIPLE_DSAS = 64, 66, 68, 71


def apply(tree: Tree, change: Change) -> Undo:
    """Make *change*; return what takes it back. Raises what Writer.apply raises."""
    match change:
        case Add(entry):
            return _add(tree, entry)
        case Delete(dn):
            return _delete(tree, dn)
        case Modify():
            return _modify(tree, change)
        case Rename():
            return _rename(tree, change)


def _key(tree: Tree, text: str, what: str = "invalid DN") -> str:
    key = base_key(text, tree)
    if key is None:
        raise from_result(_BAD_DN, what)
    return key


def _check_place(tree: Tree, key: str) -> None:
    """Refuse what is outside of the directory."""
    base = tree.base
    if base and key != base and not key.endswith("," + base):
        raise from_result(_UNWILLING, "no global superior knowledge")


def _check_referral(tree: Tree, key: str) -> None:
    """Refuse what is at or below a referral."""
    referrals = tree.of_class(b"referral")
    at = key if referrals else ""
    while at:
        node = tree.nodes.get(at)
        if node in referrals:
            raise _referral(tree, node, tree.spelled(node) if at == key else key)
        at = parent_key(at)


def _referral(tree: Tree, node: Node, target: str) -> MailldapError:
    uris = rewrite(tree.entry(node), target, Scope.SUB, tree.schema)
    return ReferralReceived(10, uris=uris)


def _existing(tree: Tree, key: str) -> Node:
    _check_referral(tree, key)
    node = tree.nodes.get(key)
    if node is None:
        raise from_result(_NO_SUCH_OBJECT)
    return node


def _add(tree: Tree, entry: Entry) -> Undo:
    schema = tree.schema
    try:
        spelled, key = schema.dn_forms(entry.dn)
    except DNError:
        raise from_result(_BAD_DN, "invalid DN") from None
    if not entry.attributes:
        raise from_result(_PROTOCOL_ERROR, "no attributes provided")
    if not all(values for _, values in entry.attributes):
        raise from_result(_PROTOCOL_ERROR, "no values for attribute type")
    if not key:
        raise from_result(_ALREADY_EXISTS, "root DSE already exists")
    if key == SUBSCHEMA_KEY:
        raise from_result(_ALREADY_EXISTS, "subschema subentry already exists")
    twice = None
    for fault in check_attributes(entry.attributes, schema):
        if not fault[1].endswith("' provided more than once"):
            raise from_result(*fault)
        twice = twice or fault
    _check_place(tree, key)
    for name, _ in entry.attributes:
        _check_user_modification(name, schema.describe(name))
    if twice:
        raise from_result(*twice)
    attributes = canonical_attributes(entry.attributes, schema)
    complete = with_naming_values(Entry(spelled, attributes), schema)
    for fault in check_classes(complete, schema):
        raise from_result(*fault)
    if key in tree.nodes:
        raise from_result(_ALREADY_EXISTS)
    _check_referral(tree, key)
    _check_parent(tree, key)
    rdn, _, superior = spelled.partition(",")
    node = tree.new_node(tree.next_number, key, rdn, superior, complete.attributes)
    tree.add(node)
    return lambda: tree.remove(node)


def _check_parent(tree: Tree, key: str) -> None:
    above = parent_key(key)
    if key == tree.base or not above:
        return
    parent = tree.nodes.get(above)
    if parent is not None and parent in tree.of_class(b"alias"):
        raise from_result(_ALIAS_PROBLEM, "parent is an alias")
    if parent is None and not tree.is_glue(above):
        raise from_result(_NO_SUCH_OBJECT)


def _check_user_modification(name: str, description: Description | None) -> None:
    if description is not None and description.type.no_user_modification:
        raise from_result(_CONSTRAINT, f"{name}: no user modification allowed")


def _delete(tree: Tree, text: str) -> Undo:
    key = _key(tree, text)
    if not key or key == SUBSCHEMA_KEY:
        what = "the root DSE" if not key else "subschema subentry"
        raise from_result(_UNWILLING, f"cannot delete {what}")
    _check_place(tree, key)
    node = _existing(tree, key)
    if tree.has_children(key):
        raise from_result(_NOT_LEAF, "subordinate objects must be deleted first")
    tree.remove(node)
    return lambda: tree.add(node)


def _modify(tree: Tree, change: Modify) -> Undo:
    schema = tree.schema
    for mod in change.mods:
        if mod.op is ModOp.ADD and not mod.values:
            raise from_result(_PROTOCOL_ERROR, "modify/add operation requires values")
    key = _key(tree, change.dn)
    for mod in change.mods:
        adding = mod.op is not ModOp.DELETE
        description = schema.describe(mod.attribute)
        fault = check_description(mod.attribute, description)
        if fault:
            raise from_result(*fault)
        pair = (mod.attribute, mod.values if adding else mod.values[:])
        for found in check_attributes([pair], schema, duplicates=adding):
            if adding or found[0] != _CONSTRAINT:
                raise from_result(*found)
    if not key or key == SUBSCHEMA_KEY:
        what = "modify upon the root DSE" if not key else "modification of subschema subentry"
        raise from_result(_UNWILLING, f"{what} not supported")
    _check_place(tree, key)
    for mod in change.mods:
        _check_user_modification(mod.attribute, schema.describe(mod.attribute))
    node = _existing(tree, key)
    before = tree.attributes(node)
    draft: _Draft = {name: list(values) for name, values in before}
    for mod in change.mods:
        description = schema.describe(mod.attribute)
        assert description is not None
        values = [schema.pretty(description.type, value) or value for value in mod.values]
        match mod.op:
            case ModOp.ADD:
                _add_values(tree, draft, description, values, "add")
            case ModOp.DELETE:
                _delete_values(tree, draft, description, values)
            case ModOp.REPLACE:
                draft.pop(description.name, None)
                if values:
                    _add_values(tree, draft, description, values, "replace")
    after = _checked(tree, tree.spelled(node), before, draft)
    tree.set_attributes(node, after)
    return lambda: tree.set_attributes(node, before)


def _checked(tree: Tree, dn: str, before: Attributes, draft: _Draft) -> Attributes:
    """Return the draft as attributes where the schema allows it."""
    _refresh(draft)
    entry = Entry(dn, tuple((name, tuple(values)) for name, values in draft.items()))
    was = structural_class_of(Entry(dn, before), tree.schema)
    for fault in check_classes(entry, tree.schema, was=was):
        raise from_result(*fault)
    return entry.attributes


def _refresh(draft: _Draft) -> None:
    """Bring operational attributes up to date that the entry holds."""
    now = datetime.now(UTC)
    if "modifyTimestamp" in draft:
        draft["modifyTimestamp"] = [f"{now:%Y%m%d%H%M%SZ}".encode()]
    if "entryCSN" in draft:
        draft["entryCSN"] = [f"{now:%Y%m%d%H%M%S.%fZ}#000000#000#000000".encode()]


def _add_values(
    tree: Tree, draft: _Draft, description: Description, values: list[bytes], verb: str
) -> None:
    kind, name = description.type, description.name
    own = draft.get(name)
    if own is not None:
        if kind.equality is None or kind.equality.normalize is None:
            raise from_result(_INAPPROPRIATE, f"modify/{verb}: {name}: no equality matching rule")
        known = {comparison_key(kind, value, tree.schema) for value in own}
        for number, value in enumerate(values):
            if comparison_key(kind, value, tree.schema) in known:
                raise from_result(_EXISTS, f"modify/{verb}: {name}: value #{number} already exists")
    draft.setdefault(name, []).extend(values)


def _delete_values(
    tree: Tree, draft: _Draft, description: Description, values: list[bytes]
) -> None:
    kind, name = description.type, description.name
    if not values:
        if draft.pop(name, None) is None:
            raise from_result(_NO_SUCH_ATTRIBUTE, f"modify/delete: {name}: no such attribute")
        return
    if kind.equality is None or kind.equality.normalize is None:
        raise from_result(_INAPPROPRIATE, f"modify/delete: {name}: no equality matching rule")
    if name not in draft:
        raise from_result(_NO_SUCH_ATTRIBUTE, f"modify/delete: {name}: no such attribute")
    gone = {comparison_key(kind, value, tree.schema) for value in values}
    keys = [comparison_key(kind, value, tree.schema) for value in draft[name]]
    if not gone.issubset(keys):
        raise from_result(_NO_SUCH_ATTRIBUTE, f"modify/delete: {name}: no such value")
    left = [value for value, key in zip(draft[name], keys, strict=True) if key not in gone]
    if left:
        draft[name] = left
    else:
        del draft[name]


def _rename(tree: Tree, change: Rename) -> Undo:
    schema = tree.schema
    key = _key(tree, change.dn)
    try:
        spelled_rdn, rdn_key = schema.dn_forms(change.new_rdn)
        new_rdn = parse_rdn(spelled_rdn)
    except DNError:
        raise from_result(_BAD_DN, "invalid new RDN") from None
    superior_key = parent_key(key)
    if change.new_superior is not None:
        superior_key = _key(tree, change.new_superior, "invalid newSuperior")
    descriptions = [(schema.describe(ava.attribute), ava.value) for ava in new_rdn.avas]
    for description, _ in descriptions:
        if description is not None and description.type.equality is None:
            raise from_result(_NAMING, "naming attribute has no equality matching rule")
    new_key = f"{rdn_key},{superior_key}" if superior_key else rdn_key
    _check_rename(tree, key, new_key)
    node = _existing(tree, key)
    _check_superior(tree, node, superior_key)
    if new_key != key and new_key in tree.nodes:
        raise from_result(_ALREADY_EXISTS)
    before = tree.attributes(node)
    draft: _Draft = {name: list(values) for name, values in before}
    if change.delete_old_rdn:
        for ava in parse_rdn(node.rdn).avas:
            description = schema.describe(ava.attribute)
            if description is not None:
                _delete_values(tree, draft, description, [ava.value])
    # slapd hangs each value in front of the list that it works through.
    for description, value in reversed(descriptions):
        if description is not None:
            _soft_add(tree, draft, description, value)
    above = tree.nodes.get(superior_key)
    superior = tree.spelled(above) if above else _superior_spelled(node, superior_key, key)
    dn = f"{spelled_rdn},{superior}" if superior else spelled_rdn
    after = _checked(tree, dn, before, draft)
    return _move(tree, node, new_key, spelled_rdn, superior, after)


def _superior_spelled(node: Node, superior_key: str, key: str) -> str:
    return node.superior if superior_key == parent_key(key) else superior_key


def _check_rename(tree: Tree, key: str, new_key: str) -> None:
    if not key or key == SUBSCHEMA_KEY:
        what = "the root DSE" if not key else "subschema subentry"
        raise from_result(_UNWILLING, f"cannot rename {what}")
    if new_key.endswith("," + key):
        raise from_result(_UNWILLING, "cannot place an entry below itself")
    if key.endswith("," + new_key):
        raise from_result(_UNWILLING, "cannot place an entry above itself")
    _check_place(tree, key)
    base = tree.base
    if base and new_key != base and not new_key.endswith("," + base):
        raise from_result(_MULTIPLE_DSAS, "cannot rename between DSAs")
    if key == base:
        raise from_result(_NAMING, "cannot rename suffix entry")


def _check_superior(tree: Tree, node: Node, superior_key: str) -> None:
    if superior_key == parent_key(node.key):
        return
    above = tree.nodes.get(superior_key)
    if above is None and not tree.is_glue(superior_key):
        raise from_result(_NO_SUCH_OBJECT, "new superior not found")
    if above is not None and above in tree.of_class(b"alias"):
        raise from_result(_ALIAS_PROBLEM, "new superior is an alias")
    if above is not None and above in tree.of_class(b"referral"):
        raise from_result(80, "new superior is a referral")


def _soft_add(tree: Tree, draft: _Draft, description: Description, value: bytes) -> None:
    kind = description.type
    key = comparison_key(kind, value, tree.schema)
    own = draft.get(description.name, [])
    if all(comparison_key(kind, known, tree.schema) != key for known in own):
        draft.setdefault(description.name, []).append(value)


def _move(tree: Tree, node: Node, new_key: str, rdn: str, superior: str, after: Attributes) -> Undo:
    """Put *node* and all under it in their new places."""
    old_key = node.key
    moved = [
        (below, below.key, below.rdn, below.superior, tree.attributes(below))
        for below in tree.below(old_key)
    ]
    for below, *_ in moved:
        tree.remove(below)
    for below, key, *_ in moved:
        below.key = key.removesuffix(old_key) + new_key
        if below is node:
            below.rdn, below.superior, below.attributes = rdn, superior, after
    for below, *_ in moved:
        tree.add(below)
    tree.renamed(node, (below for below, *_ in moved))

    def undo() -> None:
        for below, *_ in moved:
            tree.remove(below)
        for below, key, own, above, attributes in moved:
            below.key, below.rdn, below.superior = key, own, above
            below.attributes = attributes
        for below, *_ in moved:
            tree.add(below)
        tree.renamed(node, (below for below, *_ in moved))

    return undo
