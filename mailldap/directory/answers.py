"""LDAP answers, read from bytes (RFC 4511 §4).

They are cut from a buffer by :func:`parse_message` and read by the function of their kind. No I/O,
no ldap3; a malformed answer raises ber.DecodingError and never anything else.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from mailldap.directory import ber
from mailldap.directory.wire import MAX_INT, PAGED_RESULTS, Control
from mailldap.ldap.entry import Entry, Parts


class Message(NamedTuple):
    """An answer, not yet read: the element ``buffer[start:stop]`` of kind ``tag``."""

    id: int
    tag: int
    buffer: bytes
    start: int
    stop: int
    controls: tuple[Control, ...] = ()


class Result(NamedTuple):
    """LDAPResult with what BindResponse and ExtendedResponse add (RFC 4511 §4.1.9)."""

    code: int
    matched_dn: str = ""
    text: str = ""
    referral: tuple[str, ...] = ()
    credentials: bytes | None = None
    name: str | None = None
    value: bytes | None = None


def parse_message(buffer: bytes, at: int, end: int) -> Message:
    """Return the message that fills ``buffer[at:end]``."""
    start, stop = ber.read_element(buffer, at, end, ber.SEQUENCE)
    if stop != end:
        raise ber.DecodingError("bytes after the message")
    message_id, at = ber.read_integer(buffer, start, stop)
    if not 0 <= message_id <= MAX_INT:
        raise ber.DecodingError(f"message id {message_id}")
    tag, start, after = ber.read_header(buffer, at, stop)
    controls = parse_controls(buffer, after, stop)
    return Message(message_id, tag, buffer, start, after, controls)


def parse_controls(buffer: bytes, at: int, end: int) -> tuple[Control, ...]:
    """Return the controls in ``buffer[at:end]``, which may be empty (§4.1.11)."""
    if at == end:
        return ()
    at, stop = ber.read_element(buffer, at, end, 0xA0)
    if stop != end:
        raise ber.DecodingError("bytes after the controls")
    found = []
    while at < stop:
        start, at = ber.read_element(buffer, at, stop, ber.SEQUENCE)
        oid, start = ber.read_text(buffer, start, at)
        critical = False
        value = None
        if start < at and buffer[start] == ber.BOOLEAN:
            flag, start = ber.read_octets(buffer, start, at, ber.BOOLEAN)
            critical = flag != b"\0"
        if start < at:
            value, start = ber.read_octets(buffer, start, at)
        if start != at:
            raise ber.DecodingError("bytes after a control's value")
        found.append(Control(oid, critical, value))
    return tuple(found)


def parse_entry(buffer: bytes, at: int, end: int) -> Entry:
    """Return the SearchResultEntry in ``buffer[at:end]`` (§4.5.2), order and spelling kept."""
    dn, attributes = parse_parts(buffer, at, end)
    return Entry(
        dn.decode("utf-8", "surrogateescape"),
        tuple([(name.decode("utf-8", "surrogateescape"), tuple(own)) for name, own in attributes]),
    )


def parse_parts(buffer: bytes, at: int, end: int) -> Parts:  # noqa: PLR0912, PLR0915  see below
    """Return the SearchResultEntry in ``buffer[at:end]`` (§4.5.2) as the bytes that it consists of.

    Written out flat: it runs once an entry in the bulk paths. An inner element that runs past
    its outer one shows in the offsets at the end of each loop.
    """
    try:
        length = buffer[at + 1]
        if buffer[at] == 0x04 and length < 0x80:
            stop = at + 2 + length
            dn = buffer[at + 2 : stop]
        else:
            start, stop = ber.read_element(buffer, at, end, 0x04)
            dn = buffer[start:stop]
        at, stop = ber.read_element(buffer, stop, end, 0x30)
        if stop != end:
            raise ber.DecodingError("bytes after an entry")
        attributes = []
        while at < stop:
            length = buffer[at + 1]
            if buffer[at] == 0x30 and length < 0x80:
                at += 2
                inner = at + length
            else:
                at, inner = ber.read_element(buffer, at, stop, 0x30)
            length = buffer[at + 1]
            if buffer[at] == 0x04 and length < 0x80:
                at += 2
                after = at + length
            else:
                at, after = ber.read_element(buffer, at, inner, 0x04)
            name = buffer[at:after]
            at = after
            length = buffer[at + 1]
            if buffer[at] == 0x31 and length < 0x80:
                at += 2
                after = at + length
            else:
                at, after = ber.read_element(buffer, at, inner, 0x31)
            if after != inner or after > stop:
                raise ber.DecodingError("an attribute whose parts do not add up")
            values = []
            while at < after:
                length = buffer[at + 1]
                if buffer[at] == 0x04 and length < 0x80:
                    at += 2
                    last = at + length
                else:
                    at, last = ber.read_element(buffer, at, after, 0x04)
                values.append(buffer[at:last])
                at = last
            if at != after:
                raise ber.DecodingError("a value that runs past its attribute")
            attributes.append((name, values))
        if at != stop:
            raise ber.DecodingError("an attribute that runs past its entry")
    except IndexError:
        raise ber.DecodingError("cut short") from None
    return dn, attributes


def parse_reference(buffer: bytes, at: int, end: int) -> tuple[str, ...]:
    """Return the URIs of a SearchResultReference in ``buffer[at:end]`` (§4.5.3)."""
    uris = []
    while at < end:
        uri, at = ber.read_text(buffer, at, end)
        uris.append(uri)
    return tuple(uris)


def parse_result(buffer: bytes, at: int, end: int) -> Result:
    """Return the LDAPResult in ``buffer[at:end]``, whatever kind of answer it is."""
    code, at = ber.read_integer(buffer, at, end, ber.ENUMERATED)
    matched_dn, at = ber.read_text(buffer, at, end)
    text, at = ber.read_text(buffer, at, end)
    referral: tuple[str, ...] = ()
    rest: dict[int, bytes] = {}
    if at < end and buffer[at] == 0xA3:
        start, at = ber.read_element(buffer, at, end, 0xA3)
        referral = parse_reference(buffer, start, at)
    while at < end:
        tag, start, at = ber.read_header(buffer, at, end)
        rest[tag] = buffer[start:at]
    name = rest.get(0x8A)
    return Result(
        code,
        matched_dn,
        text,
        referral,
        rest.get(0x87),
        None if name is None else name.decode("utf-8", "surrogateescape"),
        rest.get(0x8B),
    )


def parse_paged(controls: Iterable[Control]) -> bytes | None:
    """Return the cookie for the next page, None where the server does not page (RFC 2696 §2)."""
    for control in controls:
        if control.oid == PAGED_RESULTS and control.value is not None:
            end = len(control.value)
            start, stop = ber.read_element(control.value, 0, end, ber.SEQUENCE)
            _estimate, start = ber.read_integer(control.value, start, stop)
            cookie, _after = ber.read_octets(control.value, start, stop)
            return cookie
    return None


def parse_txn_end(value: bytes) -> int | None:
    """Return the message id of the update that broke a transaction, if told (RFC 5805 §2.4)."""
    at, stop = ber.read_element(value, 0, len(value), ber.SEQUENCE)
    if at < stop and value[at] == ber.INTEGER:
        message_id, _after = ber.read_integer(value, at, stop)
        return message_id
    return None
