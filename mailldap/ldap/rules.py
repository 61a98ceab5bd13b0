"""Matching rules (RFC 4517 §4.2) as OpenLDAP implements them.

A rule compares in two steps: :attr:`MatchingRule.normalize` makes a key of an assertion value or
a stored value (None: not of the rule's assertion syntax, the match is Undefined), and keys are
compared as bytes unless the rule says otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from mailldap.errors import DNError
from mailldap.ldap import syntax
from mailldap.ldap.dn import DN, parse_rdn
from mailldap.ldap.prepare import fold_unicode, squeeze

if TYPE_CHECKING:
    from mailldap.ldap.schema import Schema


class Part(Enum):
    """What a value is being normalised as: whole, or a piece of a substring assertion."""

    WHOLE = 0
    INITIAL = 1
    ANY = 2
    FINAL = 3


class Kind(Enum):
    """The place that a rule takes in an attribute type's definition (RFC 4512 §4.1.2)."""

    EQUALITY = "EQUALITY"
    ORDERING = "ORDERING"
    SUBSTR = "SUBSTR"
    OTHER = ""


Normalizer = Callable[["Schema", bytes, Part], bytes | None]
#: Tells whether a stored value's key (first) matches the assertion's key; None is Undefined.
Matcher = Callable[[bytes, bytes], bool | None]


@dataclass(frozen=True, slots=True, eq=False)
class MatchingRule:
    """One rule; ``syntax`` is its assertion syntax.

    ``extensible`` tells whether it may stand in an extensible match with any attribute of that
    syntax, ``compatible`` names further attribute syntaxes. Without ``normalize`` OpenLDAP knows
    the rule and cannot apply it. ``less`` orders two keys.
    """

    oid: str
    name: str
    syntax: str
    kind: Kind
    normalize: Normalizer | None
    extensible: bool = True
    compatible: frozenset[str] = frozenset()
    matches: Matcher = bytes.__eq__
    less: Callable[[bytes, bytes], bool] = bytes.__lt__

    def usable_with(self, attribute_syntax: str, own_equality: MatchingRule | None) -> bool:
        """Tell whether the rule may be asserted of an attribute in an extensible match."""
        if attribute_syntax in self.compatible:
            return True
        return self.extensible and (
            attribute_syntax == self.syntax
            or self is own_equality
            or self.syntax in syntax.SUPERIOR.get(attribute_syntax, ())
        )


def _valid(oid: str, value: bytes) -> bool:
    return syntax.VALIDATORS[oid](value)


def _unicode(*, ignore_case: bool) -> Normalizer:
    def normalize(_schema: Schema, value: bytes, part: Part) -> bytes | None:
        if not value:
            return None
        if b" " not in value and value.isascii():
            return value.lower() if ignore_case else value
        folded = fold_unicode(value, ignore_case=ignore_case)
        if folded is None:
            return None
        return squeeze(
            folded,
            leading=part in {Part.WHOLE, Part.INITIAL},
            trailing=part in {Part.WHOLE, Part.FINAL},
        )

    return normalize


def _ia5(*, ignore_case: bool) -> Normalizer:
    def normalize(_schema: Schema, value: bytes, _part: Part) -> bytes | None:
        if not value.isascii():
            return None
        key = value
        if b" " in value or b"\0" in value:
            # slapd forgets what stands behind a NUL, and takes a piece's outer spaces away, too.
            key = squeeze(value.partition(b"\0")[0])
            if key == b" ":
                return b""
        return key.lower() if ignore_case else key

    return normalize


def _without(oid: str, characters: bytes) -> Normalizer:
    def normalize(_schema: Schema, value: bytes, _part: Part) -> bytes | None:
        if not _valid(oid, value):
            return None
        return value.translate(None, characters) or b" "

    return normalize


def _plain(oid: str) -> Normalizer:
    def normalize(_schema: Schema, value: bytes, _part: Part) -> bytes | None:
        return value if _valid(oid, value) else None

    return normalize


def _postal(schema: Schema, value: bytes, part: Part) -> bytes | None:
    if not _valid(syntax.POSTAL_ADDRESS, value):
        return None
    lines = [_CASE_IGNORE(schema, line, part) if line else b"" for line in value.split(b"$")]
    return b"$".join(line or b"" for line in lines)


def _time(_schema: Schema, value: bytes, _part: Part) -> bytes | None:
    moment = syntax.parse_time(value)
    return bytes(moment) if moment else None


def _uuid(_schema: Schema, value: bytes, _part: Part) -> bytes | None:
    return bytes.fromhex(value.replace(b"-", b"").decode()) if _valid(syntax.UUID, value) else None


def _distinguished_name(schema: Schema, value: bytes, _part: Part) -> bytes | None:
    try:
        dn = schema.normalize_dn(DN.parse(value.decode("utf-8", "surrogateescape")))
    except DNError:
        return None
    return dn.encode("utf-8", "surrogateescape")


def _relative_name(schema: Schema, value: bytes, _part: Part) -> bytes | None:
    try:
        rdn = parse_rdn(value.decode("utf-8", "surrogateescape"))
        dn = schema.normalize_dn(DN((rdn,)))
    except DNError:
        return None
    return dn.encode("utf-8", "surrogateescape")


_UID = re.compile(rb"(.*)(#'[01]*'B)", re.DOTALL)


def split_uid(value: bytes) -> tuple[bytes, bytes]:
    """Return the DN of a Name and Optional UID, and its UID with the ``#``, or nothing."""
    match = _UID.fullmatch(value)
    return (match[1], match[2]) if match else (value, b"")


def _name_and_uid(schema: Schema, value: bytes, part: Part) -> bytes | None:
    name, uid = split_uid(value)
    key = _distinguished_name(schema, name, part)
    return None if key is None else key + uid


def _below_or_equal(value: bytes, asserted: bytes) -> bool:
    return not asserted or value == asserted or value.endswith(b"," + asserted)


def _below(value: bytes, asserted: bytes) -> bool:
    return value != asserted and _below_or_equal(value, asserted)


def _child(value: bytes, asserted: bytes) -> bool:
    _, _, parent = value.partition(b",")
    return bool(value) and parent == asserted


def _time_less(value: bytes, asserted: bytes) -> bool:
    # Without the trailing Z: "…30Z" comes before "…30.5Z".
    return value[:-1] < asserted[:-1]


def _integer_less(value: bytes, asserted: bytes) -> bool:
    return _magnitude(value) < _magnitude(asserted)


def _magnitude(value: bytes) -> tuple[int, bytes]:
    """Return what orders integers of any length (int() refuses very long ones)."""
    if value.startswith(b"-"):
        digits = value[1:].translate(_NINES_COMPLEMENT)
        return -len(digits), digits
    return len(value), value


def _bits_and(value: bytes, asserted: bytes) -> bool | None:
    bits = _two_words(value, asserted)
    return bits and bits[0] & bits[1] == bits[1]


def _bits_or(value: bytes, asserted: bytes) -> bool | None:
    bits = _two_words(value, asserted)
    return bits and bits[0] & bits[1] != 0


def _two_words(value: bytes, asserted: bytes) -> tuple[int, int] | None:
    """Return both numbers where slapd can hold them, in 64 bits."""
    if max(len(value), len(asserted)) > 20:
        return None
    one, other = int(value), int(asserted)
    limit = 1 << 63
    return (one, other) if -limit <= min(one, other) and max(one, other) < limit else None


_NINES_COMPLEMENT = bytes.maketrans(b"0123456789", b"9876543210")
_CASE_IGNORE = _unicode(ignore_case=True)
_CASE_EXACT = _unicode(ignore_case=False)
_IA5_IGNORE = _ia5(ignore_case=True)
_IA5_EXACT = _ia5(ignore_case=False)
_NUMERIC = _without(syntax.NUMERIC_STRING, b" ")
_TELEPHONE = _without(syntax.TELEPHONE_NUMBER, b" -")
_OCTETS = _plain(syntax.OCTET_STRING)
_INTEGER = _plain(syntax.INTEGER)
_OID = _plain(syntax.OBJECT_IDENTIFIER)
#: Directory String rules also take what Country, Printable and Telephone strings hold.
_STRINGS = frozenset({syntax.COUNTRY_STRING, syntax.PRINTABLE_STRING, syntax.TELEPHONE_NUMBER})
_IA5 = "1.3.6.1.4.1.1466.109.114."
_OPENLDAP = "1.3.6.1.4.1.4203.666."
_TEXT, _SUB, _NAME = syntax.DIRECTORY_STRING, syntax.SUBSTRING_ASSERTION, syntax.DISTINGUISHED_NAME
_EQ, _ORD, _SUBSTR = Kind.EQUALITY, Kind.ORDERING, Kind.SUBSTR


def _substr(oid: str, name: str, normalize: Normalizer, assertion: str = _SUB) -> MatchingRule:
    compatible = _STRINGS if normalize in {_CASE_IGNORE, _CASE_EXACT} else frozenset()
    return MatchingRule(oid, name, assertion, _SUBSTR, normalize, False, compatible)


def _dn(oid: str, name: str, matches: Matcher) -> MatchingRule:
    kind = Kind.OTHER
    return MatchingRule(_OPENLDAP + oid, name, _NAME, kind, _distinguished_name, matches=matches)


_RULES = (
    MatchingRule("2.5.13.0", "objectIdentifierMatch", syntax.OBJECT_IDENTIFIER, _EQ, _OID),
    MatchingRule("2.5.13.1", "distinguishedNameMatch", _NAME, _EQ, _distinguished_name),
    MatchingRule("2.5.13.2", "caseIgnoreMatch", _TEXT, _EQ, _CASE_IGNORE, compatible=_STRINGS),
    MatchingRule(
        "2.5.13.3", "caseIgnoreOrderingMatch", _TEXT, _ORD, _CASE_IGNORE, compatible=_STRINGS
    ),
    _substr("2.5.13.4", "caseIgnoreSubstringsMatch", _CASE_IGNORE),
    MatchingRule("2.5.13.5", "caseExactMatch", _TEXT, _EQ, _CASE_EXACT, compatible=_STRINGS),
    MatchingRule(
        "2.5.13.6", "caseExactOrderingMatch", _TEXT, _ORD, _CASE_EXACT, compatible=_STRINGS
    ),
    _substr("2.5.13.7", "caseExactSubstringsMatch", _CASE_EXACT),
    MatchingRule("2.5.13.8", "numericStringMatch", syntax.NUMERIC_STRING, _EQ, _NUMERIC),
    MatchingRule("2.5.13.9", "numericStringOrderingMatch", syntax.NUMERIC_STRING, _ORD, _NUMERIC),
    _substr("2.5.13.10", "numericStringSubstringsMatch", _NUMERIC),
    MatchingRule("2.5.13.11", "caseIgnoreListMatch", syntax.POSTAL_ADDRESS, _EQ, _postal),
    _substr("2.5.13.12", "caseIgnoreListSubstringsMatch", _postal),
    MatchingRule("2.5.13.13", "booleanMatch", syntax.BOOLEAN, _EQ, _plain(syntax.BOOLEAN)),
    MatchingRule("2.5.13.14", "integerMatch", syntax.INTEGER, _EQ, _INTEGER),
    MatchingRule(
        "2.5.13.15", "integerOrderingMatch", syntax.INTEGER, _ORD, _INTEGER, less=_integer_less
    ),
    MatchingRule("2.5.13.16", "bitStringMatch", syntax.BIT_STRING, _EQ, _plain(syntax.BIT_STRING)),
    MatchingRule("2.5.13.17", "octetStringMatch", syntax.OCTET_STRING, _EQ, _OCTETS),
    MatchingRule("2.5.13.18", "octetStringOrderingMatch", syntax.OCTET_STRING, _ORD, _OCTETS),
    _substr("2.5.13.19", "octetStringSubstringsMatch", _OCTETS, syntax.OCTET_STRING),
    MatchingRule("2.5.13.20", "telephoneNumberMatch", syntax.TELEPHONE_NUMBER, _EQ, _TELEPHONE),
    _substr("2.5.13.21", "telephoneNumberSubstringsMatch", _TELEPHONE),
    MatchingRule("2.5.13.22", "presentationAddressMatch", syntax.LDAP + "43", _EQ, None),
    MatchingRule(
        "2.5.13.23", "uniqueMemberMatch", syntax.NAME_AND_OPTIONAL_UID, _EQ, _name_and_uid
    ),
    MatchingRule("2.5.13.24", "protocolInformationMatch", syntax.LDAP + "42", _EQ, None),
    MatchingRule("2.5.13.27", "generalizedTimeMatch", syntax.GENERALIZED_TIME, _EQ, _time),
    MatchingRule(
        "2.5.13.28",
        "generalizedTimeOrderingMatch",
        syntax.GENERALIZED_TIME,
        _ORD,
        _time,
        less=_time_less,
    ),
    MatchingRule("2.5.13.29", "integerFirstComponentMatch", syntax.INTEGER, _EQ, None),
    MatchingRule(
        "2.5.13.30", "objectIdentifierFirstComponentMatch", syntax.OBJECT_IDENTIFIER, _EQ, None
    ),
    MatchingRule("2.5.13.34", "certificateExactMatch", "1.3.6.1.1.15.1", _EQ, None),
    MatchingRule("2.5.13.35", "certificateMatch", "1.3.6.1.1.15.2", _EQ, None),
    MatchingRule("2.5.13.38", "certificateListExactMatch", "1.3.6.1.1.15.5", _EQ, None),
    MatchingRule("2.5.13.39", "certificateListMatch", "1.3.6.1.1.15.6", _EQ, None),
    MatchingRule(_IA5 + "1", "caseExactIA5Match", syntax.IA5_STRING, _EQ, _IA5_EXACT),
    MatchingRule(_IA5 + "2", "caseIgnoreIA5Match", syntax.IA5_STRING, _EQ, _IA5_IGNORE),
    _substr(_IA5 + "3", "caseIgnoreIA5SubstringsMatch", _IA5_IGNORE, syntax.IA5_STRING),
    _substr("1.3.6.1.4.1.4203.1.2.1", "caseExactIA5SubstringsMatch", _IA5_EXACT, syntax.IA5_STRING),
    MatchingRule(
        "1.2.840.113556.1.4.803",
        "integerBitAndMatch",
        syntax.INTEGER,
        Kind.OTHER,
        _INTEGER,
        matches=_bits_and,
    ),
    MatchingRule(
        "1.2.840.113556.1.4.804",
        "integerBitOrMatch",
        syntax.INTEGER,
        Kind.OTHER,
        _INTEGER,
        matches=_bits_or,
    ),
    MatchingRule("1.2.36.79672281.1.13.3", "rdnMatch", syntax.RDN, _EQ, _relative_name),
    MatchingRule("1.3.6.1.1.16.2", "UUIDMatch", syntax.UUID, _EQ, _uuid, extensible=False),
    MatchingRule("1.3.6.1.1.16.3", "UUIDOrderingMatch", syntax.UUID, _ORD, _uuid, extensible=False),
    MatchingRule(
        _OPENLDAP + "11.2.2", "CSNMatch", syntax.CSN, _EQ, _plain(syntax.CSN), extensible=False
    ),
    MatchingRule(_OPENLDAP + "11.2.3", "CSNOrderingMatch", syntax.CSN, _ORD, _plain(syntax.CSN)),
    _dn("4.8", "dnOneLevelMatch", _child),
    _dn("4.9", "dnSubtreeMatch", _below_or_equal),
    _dn("4.10", "dnSubordinateMatch", _below),
    _dn("4.11", "dnSuperiorMatch", lambda value, asserted: _below(asserted, value)),
    MatchingRule(_OPENLDAP + "4.13", "privateKeyMatch", "1.2.840.113549.1.8.1.1", _EQ, None),
)

#: Every rule by OID and by name in lower case.
RULES: dict[str, MatchingRule] = {
    key: rule for rule in _RULES for key in (rule.oid, rule.name.lower())
}
