"""Syntaxes of attribute values (RFC 4517 §3.3), as strict as OpenLDAP's validators.

A validator takes a value and tells whether it is one of the syntax. Values that contain DNs or
names of schema elements need the schema and are judged by :mod:`mailldap.ldap.rules`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

#: RFC 4517 §3.3: the arc of the standard syntaxes.
LDAP = "1.3.6.1.4.1.1466.115.121.1."
BINARY = LDAP + "5"
BIT_STRING = LDAP + "6"
BOOLEAN = LDAP + "7"
COUNTRY_STRING = LDAP + "11"
DISTINGUISHED_NAME = LDAP + "12"
DIRECTORY_STRING = LDAP + "15"
GENERALIZED_TIME = LDAP + "24"
IA5_STRING = LDAP + "26"
INTEGER = LDAP + "27"
NAME_AND_OPTIONAL_UID = LDAP + "34"
NUMERIC_STRING = LDAP + "36"
OBJECT_IDENTIFIER = LDAP + "38"
OCTET_STRING = LDAP + "40"
POSTAL_ADDRESS = LDAP + "41"
PRINTABLE_STRING = LDAP + "44"
TELEPHONE_NUMBER = LDAP + "50"
SUBSTRING_ASSERTION = LDAP + "58"
UUID = "1.3.6.1.1.16.1"
CSN = "1.3.6.1.4.1.4203.666.11.2.1"
RDN = "1.2.36.79672281.1.5.0"

_BIT_STRING = re.compile(rb"'[01]*'B")
_INTEGER = re.compile(rb"0|-?[1-9][0-9]*")
_NUMERIC_OID = re.compile(rb"(?:0|[1-9][0-9]*)(?:\.(?:0|[1-9][0-9]*))*")
_PRINTABLE = re.compile(rb"[A-Za-z0-9'()+,\-./:? =]+")
_PRINTABLES = re.compile(rb"[A-Za-z0-9'()+,\-./:? =]+(?:\$[A-Za-z0-9'()+,\-./:? =]+)*")
_NUMERIC = re.compile(rb"[0-9 ]+")
_UUID = re.compile(rb"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_CSN = re.compile(
    rb"[0-9]{14}(?:\.[0-9]{6})?Z#[0-9a-f]{6}#[0-9a-f]{2,3}#[0-9a-f]{6}", re.IGNORECASE
)
_METHOD = rb"(?:any|mhs|physical|telex|teletex|telephone|g3fax|g4fax|ia5|videotex)"
_DELIVERY_METHOD = re.compile(rb"%b(?: *\$ *%b)*" % (_METHOD, _METHOD), re.IGNORECASE)
_POSTAL = re.compile(rb"(?:[^\\]|\\24|\\5[Cc])*", re.DOTALL)
_TIME = re.compile(
    rb"([0-9]{4})([0-9]{2})([0-9]{2})([0-9]{2})(?:([0-9]{2})([0-9]{2})?)?"
    rb"(?:[.,]([0-9]+))?(?:(Z)|([+-])([0-9]{2})([0-9]{2})?)"
)
_MONTH_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


@dataclass(frozen=True, slots=True)
class Time:
    """A Generalized Time in UTC; ``fraction`` is its digits without trailing zeros."""

    year: int
    month: int
    day: int
    hour: int
    minute: int
    second: int
    fraction: bytes

    def __bytes__(self) -> bytes:
        fraction = b"." + self.fraction if self.fraction else b""
        fields = (self.year, self.month, self.day, self.hour, self.minute, self.second)
        return b"%04d%02d%02d%02d%02d%02d%bZ" % (*fields, fraction)


def parse_time(value: bytes) -> Time | None:
    """Return the moment that a Generalized Time spells (RFC 4517 §3.3.13), or None."""
    match = _TIME.fullmatch(value)
    if not match:
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
    if not (1 <= month <= 12 and hour < 24 and minute < 60 and second <= 60):
        return None
    if not 1 <= day <= _days(year, month):
        return None
    if match[9]:
        hours, minutes = int(match[10]), int(match[11] or 0)
        if hours >= 24 or minutes >= 60:
            return None
        offset = hours * 60 + minutes
        if match[9] == b"+":
            offset = -offset
        minute += offset
        hour, minute = hour + minute // 60, minute % 60
        day, hour = day + hour // 24, hour % 24
        if day < 1:
            year, month = (year, month - 1) if month > 1 else (year - 1, 12)
            day += _days(year, month)
        elif day > _days(year, month):
            day -= _days(year, month)
            year, month = (year, month + 1) if month < 12 else (year + 1, 1)
        if not 0 <= year <= 9999:
            return None
    return Time(year, month, day, hour, minute, second, (match[7] or b"").rstrip(b"0"))


def _days(year: int, month: int) -> int:
    if month == 2:
        # slapd takes every fourth century, and every fourth year of the others.
        century, rest = divmod(year, 100)
        return 29 if (rest or century) % 4 == 0 else 28
    return _MONTH_DAYS[month - 1]


def is_text(value: bytes) -> bool:
    """Tell whether *value* is UTF-8 (slapd takes surrogates and planes beyond 16, we do not)."""
    if value.isascii():
        return True
    try:
        value.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _anything(_value: bytes) -> bool:
    return True


def _pattern(regex: re.Pattern[bytes]) -> Callable[[bytes], bool]:
    def matches(value: bytes) -> bool:
        return regex.fullmatch(value) is not None

    return matches


def _directory_string(value: bytes) -> bool:
    return bool(value) and is_text(value)


def _postal_address(value: bytes) -> bool:
    return _POSTAL.fullmatch(value) is not None and is_text(value)


def _country(value: bytes) -> bool:
    return len(value) == 2 and _PRINTABLE.fullmatch(value) is not None


def _sequence(value: bytes) -> bool:
    return len(value) >= 2 and value[0] == 0x30


def _whole_sequence(value: bytes) -> bool:
    """Tell whether *value* is one BER SEQUENCE; what is inside is not looked at."""
    if not _sequence(value):
        return False
    length, at = value[1], 2
    if length & 0x80:
        at += length & 0x7F
        length = int.from_bytes(value[2:at])
    return len(value) == at + length


#: What values of a syntax must satisfy. A syntax that is known and not here has no validator in
#: OpenLDAP either, so that no value of it is accepted.
VALIDATORS: dict[str, Callable[[bytes], bool]] = {
    LDAP + "4": _anything,
    BINARY: _anything,
    BIT_STRING: _pattern(_BIT_STRING),
    BOOLEAN: _pattern(re.compile(rb"TRUE|FALSE")),
    LDAP + "8": _whole_sequence,
    LDAP + "9": _whole_sequence,
    LDAP + "10": _sequence,
    COUNTRY_STRING: _country,
    LDAP + "14": _pattern(_DELIVERY_METHOD),
    DIRECTORY_STRING: _directory_string,
    LDAP + "22": _pattern(_PRINTABLES),
    GENERALIZED_TIME: lambda value: parse_time(value) is not None,
    IA5_STRING: bytes.isascii,
    INTEGER: _pattern(_INTEGER),
    LDAP + "28": _anything,
    NUMERIC_STRING: _pattern(_NUMERIC),
    OBJECT_IDENTIFIER: _pattern(_NUMERIC_OID),
    LDAP + "39": bytes.isascii,
    OCTET_STRING: _anything,
    POSTAL_ADDRESS: _postal_address,
    PRINTABLE_STRING: _pattern(_PRINTABLE),
    LDAP + "45": is_text,
    LDAP + "49": _anything,
    TELEPHONE_NUMBER: _pattern(_PRINTABLE),
    LDAP + "52": _pattern(_PRINTABLES),
    UUID: _pattern(_UUID),
    CSN: _pattern(_CSN),
    # RFC 2307: both are looser here than the RFC's grammar; no attribute of ours has them.
    "1.3.6.1.1.1.0.0": bytes.isascii,
    "1.3.6.1.1.1.0.1": bytes.isascii,
    "1.2.840.113549.1.8.1.1": _whole_sequence,
}

#: Syntaxes that schema files may name: those with a validator, those judged with the schema, and
#: those whose values OpenLDAP refuses for want of a validator.
KNOWN = frozenset(VALIDATORS) | {
    DISTINGUISHED_NAME, NAME_AND_OPTIONAL_UID, RDN, SUBSTRING_ASSERTION,
    *(LDAP + str(n) for n in (1, 2, 3, 13, 16, 17, 19, 20, 21, 23, 25, 29, 30, 31, 32, 33)),
    *(LDAP + str(n) for n in (35, 37, 42, 43, 51, 53, 54, 55, 56, 57)),
}  # fmt: skip

#: Values of these are transferred and named with the option ";binary" (RFC 4522).
TRANSFERRED_BINARY = frozenset(LDAP + str(n) for n in (1, 8, 9, 10, 49)) | {
    "1.2.840.113549.1.8.1.1"
}
#: The syntaxes of which a value is a value of the keyed one, too.
SUPERIOR: dict[str, frozenset[str]] = {
    COUNTRY_STRING: frozenset({DIRECTORY_STRING, IA5_STRING, PRINTABLE_STRING}),
}
