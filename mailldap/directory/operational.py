"""What a directory tells of an entry beside its own attributes (RFC 4512 §3.4), and of itself.

Derived for every entry, as OpenLDAP derives them: structuralObjectClass, entryDN,
subschemaSubentry, hasSubordinates. Others (entryUUID, createTimestamp, …) are answered where the
entry holds them, as an export with operational attributes does.
"""

from __future__ import annotations

from mailldap.directory.tree import Attributes, Node, Tree
from mailldap.ldap.entry import Entry
from mailldap.ldap.rules import RULES
from mailldap.ldap.schema import Schema
from mailldap.ldap.schema_check import structural_class_of

SUBSCHEMA = "cn=Subschema"
SUBSCHEMA_KEY = "cn=subschema"
_DERIVED = {"structuralObjectClass", "entryDN", "subschemaSubentry", "hasSubordinates"}


def derived_attributes(tree: Tree, node: Node, entry: Entry) -> Attributes:
    """Return the attributes that follow from the entry and its place."""
    derived: list[tuple[str, tuple[bytes, ...]]] = []
    if "structuralObjectClass" not in entry:
        name = structural_class_of(entry, tree.schema)
        if name:
            derived.append(("structuralObjectClass", (name.encode(),)))
    derived.append(("entryDN", (entry.dn.encode("utf-8", "surrogateescape"),)))
    derived.append(("subschemaSubentry", (SUBSCHEMA.encode(),)))
    has_children = b"TRUE" if tree.has_children(node.key) else b"FALSE"
    derived.append(("hasSubordinates", (has_children,)))
    return tuple(derived)


def is_derived(name: str) -> bool:
    """Tell whether an attribute of that canonical name is made up by :func:`derived_attributes`."""
    return name in _DERIVED


def is_searchable(name: str) -> bool:
    """Tell whether a filter compares the derived attribute's value.

    entryDN is compared with the entry's name, and OpenLDAP holds no subschemaSubentry at all.
    """
    return name in {"structuralObjectClass", "hasSubordinates"}


def root_dse(tree: Tree) -> Entry:
    """Return the entry of the empty DN (RFC 4512 §5.1)."""
    return Entry.of(
        "",
        {
            "objectClass": ["top", "OpenLDAProotDSE"],
            "structuralObjectClass": ["OpenLDAProotDSE"],
            "namingContexts": [tree.base_spelled],
            "supportedFeatures": [
                "1.3.6.1.1.14",  # modify-increment is not offered, but (&) and (|) are: RFC 4526
                "1.3.6.1.4.1.4203.1.5.1",
                "1.3.6.1.4.1.4203.1.5.3",
            ],
            "supportedLDAPVersion": ["3"],
            "entryDN": [""],
            "subschemaSubentry": [SUBSCHEMA],
        },
    )


def subschema(schema: Schema) -> Entry:
    """Return the entry that publishes *schema* (RFC 4512 §4.2)."""
    rules = {rule.oid: rule for rule in RULES.values()}
    return Entry.of(
        SUBSCHEMA,
        {
            "objectClass": ["top", "subentry", "extensibleObject"],
            "cn": ["Subschema"],
            "structuralObjectClass": ["subentry"],
            "matchingRules": [
                f"( {rule.oid} NAME '{rule.name}' SYNTAX {rule.syntax} )" for rule in rules.values()
            ],
            "attributeTypes": [str(found.definition) for found in schema.attribute_types],
            "objectClasses": [str(found.definition) for found in schema.object_classes],
            "entryDN": [SUBSCHEMA],
            "subschemaSubentry": [SUBSCHEMA],
        },
    )
