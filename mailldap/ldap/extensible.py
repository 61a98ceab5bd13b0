"""The extensible match (RFC 4511 §4.5.1.7.7) as OpenLDAP evaluates it."""

from __future__ import annotations

from collections.abc import Iterator

from mailldap.errors import DNError
from mailldap.ldap.dn import DN
from mailldap.ldap.entry import Entry
from mailldap.ldap.filter import Extensible
from mailldap.ldap.items import (
    ENTRY_DN,
    HAS_SUBORDINATES,
    Predicate,
    Verdict,
    class_test,
    each_value,
    entry_dn,
    key_test,
    never,
    undefined,
)
from mailldap.ldap.rules import RULES, Kind, MatchingRule, Part
from mailldap.ldap.schema import Schema
from mailldap.ldap.schema_types import Description


def extensible(item: Extensible, schema: Schema) -> Predicate:
    """Return the predicate of ``(attribute:dn:rule:=value)``."""
    description = None
    if item.attribute is not None:
        description = schema.describe(item.attribute)
        if description is None:
            return undefined
    if item.rule is not None:
        rule = RULES.get(item.rule.lower())
    else:
        rule = description.type.equality if description else None
        if rule is not None and not rule.extensible:
            rule = None
    if rule is None or rule.normalize is None or rule.kind is Kind.SUBSTR:
        return undefined
    if description is not None and not rule.usable_with(
        description.type.syntax, description.type.equality
    ):
        return undefined
    if description is not None and description.type.is_class_name:
        # No rule may be named: what OpenLDAP does with classes is not what any rule says.
        asserted = schema.key(description.type, item.value) if item.rule is None else None
    else:
        asserted = rule.normalize(schema, item.value, Part.WHOLE)
        if description is None and asserted is not None:
            # slapd prepares the value once more for each attribute: Ⅷ becomes VIII, then viii.
            asserted = rule.normalize(schema, asserted, Part.WHOLE)
    if asserted is None:
        return undefined
    in_attributes = _extensible_values(item, description, rule, asserted, schema)
    if not item.dn_attributes:
        return in_attributes
    passes = key_test(rule, rule.normalize, asserted, schema)

    def test(entry: Entry) -> Verdict:
        if in_attributes(entry):
            return True
        return any(passes(value) for value in _dn_values(entry, description, rule, schema))

    return test


def _extensible_values(
    item: Extensible,
    description: Description | None,
    rule: MatchingRule,
    asserted: bytes,
    schema: Schema,
) -> Predicate:
    assert rule.normalize is not None
    if description is not None and description.type.oid == ENTRY_DN:
        return entry_dn(asserted, rule, schema)
    if description is not None and description.type.oid == HAS_SUBORDINATES:
        # OpenLDAP makes it up for equality alone.
        return never
    if description is not None and description.type.is_class_name:
        return each_value(description, schema, lambda _: class_test(item.value, schema))
    passes = key_test(rule, rule.normalize, asserted, schema)
    if description is not None:
        return each_value(description, schema, lambda _: passes)

    def test(entry: Entry) -> Verdict:
        for name, values in entry.attributes:
            other = schema.describe(name)
            if other is None or other.type.is_class_name:
                continue
            if rule.usable_with(other.type.syntax, other.type.equality) and any(
                passes(value) for value in values
            ):
                return True
        return False

    return test


def _dn_values(
    entry: Entry, description: Description | None, rule: MatchingRule, schema: Schema
) -> Iterator[bytes]:
    """Yield the values in the entry's DN that the rule is to be applied to."""
    try:
        dn = DN.parse(entry.dn)
    except DNError:
        return
    for rdn in dn.rdns:
        for ava in rdn.avas:
            other = schema.describe(ava.attribute)
            if other is None:
                continue
            if description is not None:
                if description.covers(other):
                    yield ava.value
            elif rule.usable_with(other.type.syntax, other.type.equality):
                yield ava.value
