"""LDAP requests as bytes (RFC 4511 §4): protocolOps, and :func:`message`, which wraps them.

No I/O, no ldap3. What comes back is read by directory/answers.py; changes are in
directory/wire_update.py, for most processes make none.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple, assert_never

from mailldap.directory import ber
from mailldap.directory.base import SearchRequest
from mailldap.errors import FilterError
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

# Identifier octets of the protocolOps.
SEARCH_ENTRY = 0x64
SEARCH_DONE = 0x65
SEARCH_REFERENCE = 0x73
EXTENDED_RESPONSE = 0x78
INTERMEDIATE_RESPONSE = 0x79

UNBIND_REQUEST = b"\x42\x00"

START_TLS = "1.3.6.1.4.1.1466.20037"
WHO_AM_I = "1.3.6.1.4.1.4203.1.11.3"
NOTICE_OF_DISCONNECTION = "1.3.6.1.4.1.1466.20036"
#: RFC 5805: start, the control that names the transaction, end.
TXN_START = "1.3.6.1.1.21.1"
TXN_SPECIFICATION = "1.3.6.1.1.21.2"
TXN_END = "1.3.6.1.1.21.3"
#: RFC 2696.
PAGED_RESULTS = "1.2.840.113556.1.4.319"

#: RFC 4511 §4.1.1.1.
MAX_INT = 0x7FFFFFFF


class Control(NamedTuple):
    """RFC 4511 §4.1.11."""

    oid: str
    critical: bool = False
    value: bytes | None = None


def message(message_id: int, operation: bytes, controls: Sequence[Control] = ()) -> bytes:
    """Return the LDAPMessage that carries *operation*."""
    return frame(message_id, operation, encode_controls(controls))


def frame(message_id: int, operation: bytes, controls: bytes) -> bytes:
    """Return the LDAPMessage of parts that are encoded already."""
    return ber.tlv(ber.SEQUENCE, ber.integer(message_id) + operation + controls)


def encode_controls(controls: Sequence[Control]) -> bytes:
    """Return the controls of a message (§4.1.11), empty where there are none."""
    return ber.tlv(0xA0, b"".join(map(_control, controls))) if controls else b""


def _control(control: Control) -> bytes:
    content = ber.text(control.oid)
    if control.critical:
        content += ber.boolean(True)
    if control.value is not None:
        content += ber.octets(control.value)
    return ber.tlv(ber.SEQUENCE, content)


def bind_simple(dn: str, password: str, version: int = 3) -> bytes:
    """Return a simple bind (§4.2); empty *dn* and *password* make it anonymous."""
    return ber.tlv(0x60, ber.integer(version) + ber.text(dn) + ber.text(password, 0x80))


def bind_sasl(mechanism: str, credentials: bytes | None, dn: str = "", version: int = 3) -> bytes:
    """Return one step of a SASL bind (§4.2)."""
    sasl = ber.text(mechanism)
    if credentials is not None:
        sasl += ber.octets(credentials)
    return ber.tlv(0x60, ber.integer(version) + ber.text(dn) + ber.tlv(0xA3, sasl))


def abandon(message_id: int) -> bytes:
    """Return the request to forget another one (§4.11); it has no answer."""
    return ber.integer(message_id, 0x50)


def extended(oid: str, value: bytes | None = None) -> bytes:
    """Return an extended request (§4.12)."""
    content = ber.text(oid, 0x80)
    if value is not None:
        content += ber.octets(value, 0x81)
    return ber.tlv(0x77, content)


def search(request: SearchRequest, filter_: bytes | None = None) -> bytes:
    """Return a search request (§4.5.1). Raises FilterError for one too deep to encode.

    *filter_* is an encoded filter that takes the place of the request's.
    """
    return ber.tlv(
        0x63,
        b"".join(
            (
                ber.text(request.base),
                ber.integer(request.scope, ber.ENUMERATED),
                ber.integer(request.deref, ber.ENUMERATED),
                ber.integer(request.size_limit),
                ber.integer(request.time_limit),
                ber.boolean(request.types_only),
                encode_filter(request.filter) if filter_ is None else filter_,
                _strings(request.attributes),
            )
        ),
    )


def _strings(values: Iterable[str]) -> bytes:
    return ber.tlv(ber.SEQUENCE, b"".join(map(ber.text, values)))


def encode_filter(filter: Filter) -> bytes:  # noqa: A002  LDAP's own name for it
    """Return the Filter element (§4.5.1.7). Raises FilterError for one too deep to encode."""
    try:
        return _filter(filter)
    except RecursionError:
        raise FilterError("the filter is nested too deeply") from None


def _filter(node: Filter) -> bytes:
    match node:
        case Equality(attribute, value):
            return _assertion(0xA3, attribute, value)
        case And(filters):
            return ber.tlv(0xA0, b"".join(map(_filter, filters)))
        case Or(filters):
            return ber.tlv(0xA1, b"".join(map(_filter, filters)))
        case Not(inner):
            return ber.tlv(0xA2, _filter(inner))
        case Present(attribute):
            return ber.text(attribute, 0x87)
        case Substrings():
            return _substrings(node)
        case GreaterOrEqual(attribute, value):
            return _assertion(0xA5, attribute, value)
        case LessOrEqual(attribute, value):
            return _assertion(0xA6, attribute, value)
        case Approx(attribute, value):
            return _assertion(0xA8, attribute, value)
        case Extensible():
            return _extensible(node)
        case _:
            assert_never(node)


def _assertion(tag: int, attribute: str, value: bytes) -> bytes:
    return ber.tlv(tag, ber.text(attribute) + ber.octets(value))


def _substrings(node: Substrings) -> bytes:
    parts = [ber.octets(value, 0x81) for value in node.any]
    if node.initial is not None:
        parts.insert(0, ber.octets(node.initial, 0x80))
    if node.final is not None:
        parts.append(ber.octets(node.final, 0x82))
    return ber.tlv(0xA4, ber.text(node.attribute) + ber.tlv(ber.SEQUENCE, b"".join(parts)))


def _extensible(node: Extensible) -> bytes:
    content = b""
    if node.rule is not None:
        content += ber.text(node.rule, 0x81)
    if node.attribute is not None:
        content += ber.text(node.attribute, 0x82)
    content += ber.octets(node.value, 0x83)
    if node.dn_attributes:
        content += ber.boolean(True, 0x84)
    return ber.tlv(0xA9, content)


def paged(size: int, cookie: bytes) -> Control:
    """Return the control that asks for a page (RFC 2696 §2)."""
    value = ber.tlv(ber.SEQUENCE, ber.integer(size) + ber.octets(cookie))
    return Control(PAGED_RESULTS, critical=False, value=value)


def txn_end(identifier: bytes, *, commit: bool = True) -> bytes:
    """Return the request that settles a transaction, or gives it up (RFC 5805 §2.4)."""
    content = b"" if commit else ber.boolean(False)
    return extended(TXN_END, ber.tlv(ber.SEQUENCE, content + ber.octets(identifier)))
