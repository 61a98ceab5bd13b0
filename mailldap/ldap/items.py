"""The items of a filter as predicates, each by the matching rule of what it is about.

A predicate tells of an entry True, False, or None for Undefined; see mailldap.ldap.matching.
"""

from __future__ import annotations

from collections.abc import Callable

from mailldap.errors import DNError
from mailldap.ldap.entry import Entry
from mailldap.ldap.filter import Substrings
from mailldap.ldap.phonetic import ascii_of, sounds_like
from mailldap.ldap.rules import RULES, Kind, MatchingRule, Normalizer, Part, split_uid
from mailldap.ldap.schema import Schema
from mailldap.ldap.schema_types import AttributeType, Description

Verdict = bool | None
Predicate = Callable[[Entry], Verdict]
#: Tells of one stored value of one attribute type whether it matches; None is Undefined.
ValueTest = Callable[[bytes], Verdict]

ENTRY_DN = "1.3.6.1.1.20"
HAS_SUBORDINATES = "2.5.18.9"
SUBSCHEMA_SUBENTRY = "2.5.18.10"
#: Equality rules of text, to which OpenLDAP has a phonetic rule for ``~=``.
_PHONETIC = frozenset(
    RULES[name]
    for name in ("caseignorematch", "caseexactmatch", "caseignoreia5match", "caseexactia5match")
)


def undefined(_entry: Entry) -> Verdict:
    """Return Undefined."""
    return None


def never(_entry: Entry) -> Verdict:
    """Return False."""
    return False


def always(_entry: Entry) -> Verdict:
    """Return True."""
    return True


def each_value(
    description: Description,
    schema: Schema,
    test_of: Callable[[AttributeType], ValueTest | None],
) -> Predicate:
    """Return a predicate that is True when a value of the attribute or a subtype passes.

    *test_of* gives the test for an attribute type, None where its rule is missing: then the
    verdict is Undefined unless a value of another subtype passes.
    """
    known: dict[str, tuple[bool, ValueTest | None]] = {}

    def learn(name: str) -> tuple[bool, ValueTest | None]:
        other = schema.describe(name)
        covered = other is not None and description.covers(other)
        found = known[name] = (covered, test_of(other.type) if other and covered else None)
        return found

    def test(entry: Entry) -> Verdict:
        verdict: Verdict = False
        for name, values in entry.attributes:
            found = known.get(name)
            covered, passes = found if found is not None else learn(name)
            if not covered:
                continue
            if passes is None:
                verdict = None
                continue
            for value in values:
                passed = passes(value)
                if passed or passed is None:
                    return passed
        return verdict

    return test


def present(description: Description, schema: Schema) -> Predicate:
    """Return the predicate of ``(attribute=*)``."""
    if description.type.oid in {ENTRY_DN, HAS_SUBORDINATES, SUBSCHEMA_SUBENTRY}:
        return always
    known: dict[str, bool] = {}

    def test(entry: Entry) -> Verdict:
        for name, _ in entry.attributes:
            covered = known.get(name)
            if covered is None:
                other = schema.describe(name)
                covered = known[name] = other is not None and description.covers(other)
            if covered:
                return True
        return False

    return test


def equality(description: Description, value: bytes, schema: Schema) -> Predicate:
    """Return the predicate of ``(attribute=value)``."""
    asserted = schema.key(description.type, value)
    if asserted is None:
        return undefined
    if description.type.oid == ENTRY_DN:
        return entry_dn(asserted, RULES["distinguishednamematch"], schema)
    if description.type.is_class_name:
        return each_value(description, schema, lambda _: class_test(value, schema))

    def test_of(attribute: AttributeType) -> ValueTest | None:
        rule = attribute.equality
        if rule is None or rule.normalize is None:
            return None
        return key_test(rule, rule.normalize, asserted, schema)

    return each_value(description, schema, test_of)


def key_test(rule: MatchingRule, key_of: Normalizer, asserted: bytes, schema: Schema) -> ValueTest:
    """Return the test of one value by *rule*, whose normalizer is *key_of*."""
    if rule.kind is Kind.EQUALITY:

        def same(value: bytes) -> bool:
            return key_of(schema, value, Part.WHOLE) == asserted

        return same
    compare = rule.less if rule.kind is Kind.ORDERING else rule.matches

    def passes(value: bytes) -> Verdict:
        key = key_of(schema, value, Part.WHOLE)
        return False if key is None else compare(key, asserted)

    return passes


def class_test(value: bytes, schema: Schema) -> ValueTest:
    """Object classes are matched by inheritance: a person is found by each of its superclasses."""
    wanted = schema.object_class(value.decode("ascii", "replace"))
    oid = wanted.oid if wanted else ""

    def passes(stored: bytes) -> bool:
        found = schema.object_class(stored.decode("ascii", "replace"))
        return found is not None and oid in found.superiors

    return passes


def entry_dn(asserted: bytes, rule: MatchingRule, schema: Schema) -> Predicate:
    """Return the predicate of the entry's own name, by *rule*."""

    def test(entry: Entry) -> Verdict:
        try:
            key = schema.dn_forms(entry.dn, strict=False)[1]
        except DNError:
            return False
        return rule.matches(key.encode("utf-8", "surrogateescape"), asserted)

    return test


def ordering(description: Description, value: bytes, schema: Schema, *, greater: bool) -> Predicate:
    """Return the predicate of ``>=`` or ``<=``."""
    own = description.type.ordering
    if own is None or own.normalize is None:
        return undefined
    if description.type.oid in {ENTRY_DN, HAS_SUBORDINATES}:
        return undefined
    asserted = own.normalize(schema, value, Part.WHOLE)
    if asserted is None:
        return undefined

    def test_of(attribute: AttributeType) -> ValueTest | None:
        rule = attribute.ordering
        if rule is None or rule.normalize is None:
            return None
        key_of, less = rule.normalize, rule.less

        def passes(stored: bytes) -> bool:
            key = key_of(schema, stored, Part.WHOLE)
            if key is None:
                return False
            return not less(key, asserted) if greater else not less(asserted, key)

        return passes

    return each_value(description, schema, test_of)


def approx(description: Description, value: bytes, schema: Schema) -> Predicate:
    """Return the predicate of ``(attribute~=value)``."""
    rule = description.type.equality
    if rule is RULES["uniquemembermatch"]:
        return _approx_member(description, value, schema)
    if rule is RULES["caseignorelistmatch"] and schema.key(description.type, value) is not None:
        # The equality rule, but for the assertion's characters beyond ASCII, which slapd drops.
        return equality(description, ascii_of(value).encode(), schema)
    if rule not in _PHONETIC:
        return equality(description, value, schema)
    # The phonetic rules take the assertion as it is, and refuse what their equality rule refuses.
    if schema.key(description.type, value) is None:
        return undefined

    def test_of(attribute: AttributeType) -> ValueTest | None:
        rule = attribute.equality
        if rule is None or rule.normalize is None:
            return None
        key_of = rule.normalize

        def passes(stored: bytes) -> bool:
            key = key_of(schema, stored, Part.WHOLE)
            return key is not None and sounds_like(key, value)

        return passes

    return each_value(description, schema, test_of)


def _approx_member(description: Description, value: bytes, schema: Schema) -> Predicate:
    """Names match where only one of them has a unique identifier behind it."""
    asserted = schema.key(description.type, value)
    if asserted is None:
        return undefined
    name, uid = split_uid(asserted)

    def passes(stored: bytes) -> Verdict:
        key = schema.key(description.type, stored)
        if key is None:
            return False
        other, other_uid = split_uid(key)
        return name == other and (not uid or not other_uid or uid == other_uid)

    return each_value(description, schema, lambda _: passes)


def substrings(description: Description, item: Substrings, schema: Schema) -> Predicate:
    """Return the predicate of ``(attribute=initial*any*final)``."""
    equality = description.type.equality
    if description.type.substr is None or equality is None or equality.normalize is None:
        return undefined
    pieces: list[tuple[Part, bytes]] = [(Part.ANY, piece) for piece in item.any]
    if item.initial is not None:
        pieces.insert(0, (Part.INITIAL, item.initial))
    if item.final is not None:
        pieces.append((Part.FINAL, item.final))
    initial, final = b"", b""
    middle: list[bytes] = []
    for part, piece in pieces:
        key = equality.normalize(schema, piece, part) if piece else None
        if key is None:
            return undefined
        match part:
            case Part.INITIAL:
                initial = key
            case Part.FINAL:
                final = key
            case _:
                middle.append(key)
    if not pieces:
        return undefined

    def test_of(attribute: AttributeType) -> ValueTest | None:
        rule = attribute.equality
        if attribute.substr is None or rule is None or rule.normalize is None:
            return None
        key_of = rule.normalize

        def passes(value: bytes) -> bool:
            key = key_of(schema, value, Part.WHOLE)
            return key is not None and _contains(key, initial, middle, final)

        return passes

    return each_value(description, schema, test_of)


def _contains(key: bytes, initial: bytes, middle: list[bytes], final: bytes) -> bool:
    if not key.startswith(initial):
        return False
    at = len(initial)
    for piece in middle:
        at = key.find(piece, at)
        if at < 0:
            return False
        at += len(piece)
    return len(key) - at >= len(final) and key.endswith(final)
