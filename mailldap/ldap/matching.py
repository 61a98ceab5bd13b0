"""Filters evaluated over entries, with OpenLDAP's three-valued logic (RFC 4511 §4.5.1.7).

True, False, or None for Undefined: an unknown attribute type, an attribute without the matching
rule that the item needs, an assertion value that is not of the rule's syntax. ``!`` of Undefined
is Undefined; only True selects an entry.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from mailldap.errors import DNError
from mailldap.ldap.dn import DN
from mailldap.ldap.entry import Entry
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
from mailldap.ldap.phonetic import ascii_of, sounds_like
from mailldap.ldap.rules import RULES, Kind, MatchingRule, Normalizer, Part, split_uid
from mailldap.ldap.schema import AttributeType, Description, Schema

Verdict = bool | None
Predicate = Callable[[Entry], Verdict]
#: Tells of one stored value of one attribute type whether it matches; None is Undefined.
_ValueTest = Callable[[bytes], Verdict]

ENTRY_DN = "1.3.6.1.1.20"
HAS_SUBORDINATES = "2.5.18.9"
SUBSCHEMA_SUBENTRY = "2.5.18.10"
#: Equality rules of text, to which OpenLDAP has a phonetic rule for ``~=``.
_PHONETIC = frozenset(
    RULES[name]
    for name in ("caseignorematch", "caseexactmatch", "caseignoreia5match", "caseexactia5match")
)


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
            return _extensible(filter, schema)
    return _item(filter, schema)


def _item(
    item: Present | Equality | Substrings | Approx | GreaterOrEqual | LessOrEqual, schema: Schema
) -> Predicate:
    description = schema.describe(item.attribute)
    if description is None:
        return _undefined
    match item:
        case Present():
            return _present(description, schema)
        case Equality(_, value):
            return _equality(description, value, schema)
        case Substrings():
            return _substrings(description, item, schema)
        case Approx(_, value):
            return _approx(description, value, schema)
        case GreaterOrEqual(_, value):
            return _ordering(description, value, schema, greater=True)
        case LessOrEqual(_, value):
            return _ordering(description, value, schema, greater=False)


def _undefined(_entry: Entry) -> Verdict:
    return None


def _never(_entry: Entry) -> Verdict:
    return False


def _always(_entry: Entry) -> Verdict:
    return True


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


def _each_value(
    description: Description,
    schema: Schema,
    test_of: Callable[[AttributeType], _ValueTest | None],
) -> Predicate:
    """Return a predicate that is True when a value of the attribute or a subtype passes.

    *test_of* gives the test for an attribute type, None where its rule is missing: then the
    verdict is Undefined unless a value of another subtype passes.
    """
    known: dict[str, tuple[bool, _ValueTest | None]] = {}

    def learn(name: str) -> tuple[bool, _ValueTest | None]:
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


def _present(description: Description, schema: Schema) -> Predicate:
    if description.type.oid in {ENTRY_DN, HAS_SUBORDINATES, SUBSCHEMA_SUBENTRY}:
        return _always
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


def _equality(description: Description, value: bytes, schema: Schema) -> Predicate:
    asserted = schema.key(description.type, value)
    if asserted is None:
        return _undefined
    if description.type.oid == ENTRY_DN:
        return _entry_dn(asserted, RULES["distinguishednamematch"], schema)
    if description.type.is_class_name:
        return _each_value(description, schema, lambda _: _class_test(value, schema))

    def test_of(attribute: AttributeType) -> _ValueTest | None:
        rule = attribute.equality
        if rule is None or rule.normalize is None:
            return None
        return _key_test(rule, rule.normalize, asserted, schema)

    return _each_value(description, schema, test_of)


def _key_test(
    rule: MatchingRule, key_of: Normalizer, asserted: bytes, schema: Schema
) -> _ValueTest:
    if rule.kind is Kind.EQUALITY:

        def same(value: bytes) -> bool:
            return key_of(schema, value, Part.WHOLE) == asserted

        return same
    compare = rule.less if rule.kind is Kind.ORDERING else rule.matches

    def passes(value: bytes) -> Verdict:
        key = key_of(schema, value, Part.WHOLE)
        return False if key is None else compare(key, asserted)

    return passes


def _class_test(value: bytes, schema: Schema) -> _ValueTest:
    """Object classes are matched by inheritance: a person is found by each of its superclasses."""
    wanted = schema.object_class(value.decode("ascii", "replace"))
    oid = wanted.oid if wanted else ""

    def passes(stored: bytes) -> bool:
        found = schema.object_class(stored.decode("ascii", "replace"))
        return found is not None and oid in found.superiors

    return passes


def _entry_dn(asserted: bytes, rule: MatchingRule, schema: Schema) -> Predicate:
    def test(entry: Entry) -> Verdict:
        try:
            key = schema.dn_forms(entry.dn, strict=False)[1]
        except DNError:
            return False
        return rule.matches(key.encode("utf-8", "surrogateescape"), asserted)

    return test


def _ordering(
    description: Description, value: bytes, schema: Schema, *, greater: bool
) -> Predicate:
    own = description.type.ordering
    if own is None or own.normalize is None:
        return _undefined
    if description.type.oid in {ENTRY_DN, HAS_SUBORDINATES}:
        return _undefined
    asserted = own.normalize(schema, value, Part.WHOLE)
    if asserted is None:
        return _undefined

    def test_of(attribute: AttributeType) -> _ValueTest | None:
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

    return _each_value(description, schema, test_of)


def _approx(description: Description, value: bytes, schema: Schema) -> Predicate:
    equality = description.type.equality
    if equality is RULES["uniquemembermatch"]:
        return _approx_member(description, value, schema)
    if equality is RULES["caseignorelistmatch"]:
        # The equality rule, but for the assertion's characters beyond ASCII, which slapd drops.
        return _equality(description, ascii_of(value).encode(), schema)
    if equality not in _PHONETIC:
        return _equality(description, value, schema)
    # The phonetic rules take the assertion as it is, and refuse what their equality rule refuses.
    if schema.key(description.type, value) is None:
        return _undefined

    def test_of(attribute: AttributeType) -> _ValueTest | None:
        rule = attribute.equality
        if rule is None or rule.normalize is None:
            return None
        key_of = rule.normalize

        def passes(stored: bytes) -> bool:
            key = key_of(schema, stored, Part.WHOLE)
            return key is not None and sounds_like(key, value)

        return passes

    return _each_value(description, schema, test_of)


def _approx_member(description: Description, value: bytes, schema: Schema) -> Predicate:
    """Names match where only one of them has a unique identifier behind it."""
    asserted = schema.key(description.type, value)
    if asserted is None:
        return _undefined
    name, uid = split_uid(asserted)

    def passes(stored: bytes) -> Verdict:
        key = schema.key(description.type, stored)
        if key is None:
            return False
        other, other_uid = split_uid(key)
        return name == other and (not uid or not other_uid or uid == other_uid)

    return _each_value(description, schema, lambda _: passes)


def _substrings(description: Description, item: Substrings, schema: Schema) -> Predicate:
    equality = description.type.equality
    if description.type.substr is None or equality is None or equality.normalize is None:
        return _undefined
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
            return _undefined
        match part:
            case Part.INITIAL:
                initial = key
            case Part.FINAL:
                final = key
            case _:
                middle.append(key)
    if not pieces:
        return _undefined

    def test_of(attribute: AttributeType) -> _ValueTest | None:
        rule = attribute.equality
        if attribute.substr is None or rule is None or rule.normalize is None:
            return None
        key_of = rule.normalize

        def passes(value: bytes) -> bool:
            key = key_of(schema, value, Part.WHOLE)
            return key is not None and _contains(key, initial, middle, final)

        return passes

    return _each_value(description, schema, test_of)


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


def _extensible(item: Extensible, schema: Schema) -> Predicate:
    description = None
    if item.attribute is not None:
        description = schema.describe(item.attribute)
        if description is None:
            return _undefined
    if item.rule is not None:
        rule = RULES.get(item.rule.lower())
    else:
        rule = description.type.equality if description else None
        if rule is not None and not rule.extensible:
            rule = None
    if rule is None or rule.normalize is None or rule.kind is Kind.SUBSTR:
        return _undefined
    if description is not None and not rule.usable_with(
        description.type.syntax, description.type.equality
    ):
        return _undefined
    if description is not None and description.type.is_class_name:
        # No rule may be named: what OpenLDAP does with classes is not what any rule says.
        asserted = schema.key(description.type, item.value) if item.rule is None else None
    else:
        asserted = rule.normalize(schema, item.value, Part.WHOLE)
        if description is None and asserted is not None:
            # slapd prepares the value once more for each attribute: Ⅷ becomes VIII, then viii.
            asserted = rule.normalize(schema, asserted, Part.WHOLE)
    if asserted is None:
        return _undefined
    in_attributes = _extensible_values(item, description, rule, asserted, schema)
    if not item.dn_attributes:
        return in_attributes
    passes = _key_test(rule, rule.normalize, asserted, schema)

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
        return _entry_dn(asserted, rule, schema)
    if description is not None and description.type.oid == HAS_SUBORDINATES:
        # OpenLDAP makes it up for equality alone.
        return _never
    if description is not None and description.type.is_class_name:
        return _each_value(description, schema, lambda _: _class_test(item.value, schema))
    passes = _key_test(rule, rule.normalize, asserted, schema)
    if description is not None:
        return _each_value(description, schema, lambda _: passes)

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
