"""Filters evaluated over entries, with OpenLDAP's three-valued logic (RFC 4511 §4.5.1.7).

True, False, or None for Undefined: an unknown attribute type, an attribute without the matching
rule that the item needs, an assertion value that is not of the rule's syntax. ``!`` of Undefined
is Undefined; only True selects an entry.
"""

from __future__ import annotations

from collections.abc import Iterator

from mailldap.ldap.entry import Entry
from mailldap.ldap.extensible import extensible
from mailldap.ldap.filter import (
    And,
    Approx,
    Equality,
    Extensible,
    Filter,
    GreaterOrEqual,
    LessOrEqual,
    Not,
    Or,
    Present,
    Substrings,
)
from mailldap.ldap.items import (
    Predicate,
    Verdict,
    approx,
    equality,
    ordering,
    present,
    substrings,
    undefined,
)
from mailldap.ldap.rules import RULES
from mailldap.ldap.schema import Schema


def evaluate(filter: Filter, entry: Entry, schema: Schema) -> Verdict:  # noqa: A002
    """Return what *filter* says of *entry*: True, False, or None for Undefined."""
    return compile_filter(filter, schema)(entry)


def normalize(schema: Schema, attribute: str, value: bytes) -> bytes | None:
    """Return the equality key of *value* by the attribute's matching rule.

    None where the attribute is unknown or has no equality rule, or the value is not of its
    assertion syntax: such an assertion matches nothing.
    """
    description = schema.describe(attribute)
    return None if description is None else schema.key(description.type, value)


def attributes_of(filter: Filter) -> Iterator[str]:  # noqa: A002
    """Yield the attribute descriptions that *filter* names, as it spells them."""
    match filter:
        case And(parts) | Or(parts):
            for part in parts:
                yield from attributes_of(part)
        case Not(part):
            yield from attributes_of(part)
        case Extensible(attribute=None):
            return
        case _:
            assert filter.attribute is not None
            yield filter.attribute


def understood(filter: Filter, schema: Schema) -> bool:  # noqa: A002
    """Tell whether this schema can stand in for a server's in evaluating *filter*.

    False where it names an attribute or a rule that the schema lacks, or one that OpenLDAP
    applies and we do not (certificates), or tests every attribute of the entry.
    """
    match filter:
        case And(parts) | Or(parts):
            return all(understood(part, schema) for part in parts)
        case Not(part):
            return understood(part, schema)
        case Extensible(rule, attribute, _, _) if attribute is None or (
            rule is not None and rule.lower() not in RULES
        ):
            return False
        case _:
            assert filter.attribute is not None
            description = schema.describe(filter.attribute)
            if description is None:
                return False
            equality = description.type.equality
            return equality is None or equality.normalize is not None


def compile_filter(filter: Filter, schema: Schema) -> Predicate:  # noqa: A002
    """Return a function that tells of an entry what *filter* says of it; see :func:`evaluate`.

    Operational attributes are matched where the entry carries them; entryDN always.
    """
    match filter:
        case And(parts):
            return _and(tuple(compile_filter(part, schema) for part in parts))
        case Or(parts):
            return _or(tuple(compile_filter(part, schema) for part in parts))
        case Not(part):
            return _not(compile_filter(part, schema))
        case Extensible():
            return extensible(filter, schema)
    return _item(filter, schema)


def _item(
    item: Present | Equality | Substrings | Approx | GreaterOrEqual | LessOrEqual, schema: Schema
) -> Predicate:
    description = schema.describe(item.attribute)
    if description is None:
        return undefined
    match item:
        case Present():
            return present(description, schema)
        case Equality(_, value):
            return equality(description, value, schema)
        case Substrings():
            return substrings(description, item, schema)
        case Approx(_, value):
            return approx(description, value, schema)
        case GreaterOrEqual(_, value):
            return ordering(description, value, schema, greater=True)
        case LessOrEqual(_, value):
            return ordering(description, value, schema, greater=False)


def _and(parts: tuple[Predicate, ...]) -> Predicate:
    def test(entry: Entry) -> Verdict:
        verdict: Verdict = True
        for part in parts:
            found = part(entry)
            if found is False:
                return False
            if found is None:
                verdict = None
        return verdict

    return test


def _or(parts: tuple[Predicate, ...]) -> Predicate:
    def test(entry: Entry) -> Verdict:
        verdict: Verdict = False
        for part in parts:
            found = part(entry)
            if found:
                return True
            if found is None:
                verdict = None
        return verdict

    return test


def _not(part: Predicate) -> Predicate:
    def test(entry: Entry) -> Verdict:
        found = part(entry)
        return None if found is None else not found

    return test
