"""Answers as libldap reads them: one element after the other, whatever the tags say.

Where an answer is well-formed, :mod:`mailldap.directory.answers` reads the same out of it, quicker.
Source: liblber's decode.c; libldap's getattr.c, getvalues.c, error.c.
"""

from __future__ import annotations

from mailldap.directory import ber
from mailldap.directory.answers import Result
from mailldap.ldap.entry import Entry

_REFERRAL = 0xA3
_NOTICE_NAME = 0x8A


def read_entry(buffer: bytes, at: int, end: int) -> Entry:
    """Return the entry whose content begins at *at* in a message that ends at *end*.

    A malformed attribute ends the entry (ldap_next_attribute). The values of each are those of the
    first attribute of that name (ldap_get_values_len), none where they are malformed. An entry
    that does not even name its attributes has none.
    """
    dn = b""
    found: list[tuple[str, tuple[bytes, ...]]] = []
    try:
        start, at = _element(buffer, at, end)
        dn = buffer[start:at]
        first, last = _element(buffer, at, end)
        at = first
        while at < last:
            inner, _stop = _element(buffer, at, last)
            name, at = _string(buffer, inner, last)
            _start, at = _element(buffer, at, last)
            values = _values(buffer, first, end, name.lower())
            found.append((name.decode("utf-8", "surrogateescape"), values))
    except ber.DecodingError:
        pass  # which Postfix does not notice
    return Entry(dn.decode("utf-8", "surrogateescape"), tuple(found))


def _values(buffer: bytes, at: int, end: int, wanted: bytes) -> tuple[bytes, ...]:
    """Return the values of the first attribute of a name; the name is there."""
    while True:
        inner, _stop = _element(buffer, at, end)
        name, at = _string(buffer, inner, end)
        start, stop = _element(buffer, at, end)
        if name.lower() == wanted:
            break
        at = stop
    values = []
    try:
        while start < stop:
            inner, start = _element(buffer, start, end)
            values.append(buffer[inner:start])
    except ber.DecodingError:
        return ()
    return tuple(values) if start == stop else ()


def read_result(buffer: bytes, at: int, end: int) -> Result:
    """Return the LDAPResult whose content begins at *at* in a message that ends at *end*.

    Raises DecodingError.
    """
    start, at = _element(buffer, at, end)
    if at - start > 4:
        raise ber.DecodingError("a result code of more than four octets")
    code = int.from_bytes(buffer[start:at], "big", signed=True)
    matched_dn, at = _string(buffer, at, end)
    text, at = _string(buffer, at, end)
    referral: list[str] = []
    name = None
    if at < end and buffer[at] == _REFERRAL:
        at, stop = _element(buffer, at, end)
        while at < stop:
            uri, at = _string(buffer, at, end)
            referral.append(uri.decode("utf-8", "surrogateescape"))
    elif at < end and buffer[at] == _NOTICE_NAME:
        raw, at = _string(buffer, at, end)
        name = raw.decode("utf-8", "surrogateescape")
    return Result(
        code,
        matched_dn.decode("utf-8", "surrogateescape"),
        text.decode("utf-8", "surrogateescape"),
        tuple(referral),
        name=name,
    )


def read_header(buffer: bytes, at: int, end: int) -> tuple[int, int, int, int]:
    """Return ``(id, tag, start, stop)`` of the message content ``buffer[at:end]``.

    An id below zero belongs to nobody. Raises DecodingError.
    """
    start, first = _element(buffer, at, end)
    if first - start > 4:
        raise ber.DecodingError("a message id of more than four octets")
    start_id = int.from_bytes(buffer[start:first], "big", signed=True)
    start, stop = _element(buffer, first, end)
    return start_id, buffer[first], start, stop


def _string(buffer: bytes, at: int, end: int) -> tuple[bytes, int]:
    """Return ``(text, next offset)``: a C string, so that only its last octet may be NUL."""
    start, stop = _element(buffer, at, end)
    text = buffer[start:stop]
    if b"\0" in text[:-1]:
        raise ber.DecodingError("a text with NUL in it")
    return text.removesuffix(b"\0"), stop


def _element(buffer: bytes, at: int, end: int) -> tuple[int, int]:
    """Return ``(start, stop)`` of the element at *at*, whose tag may be any (ber_peek_element)."""
    if at >= end:
        raise ber.DecodingError("cut short")
    many = buffer[at] & 0x1F == 0x1F
    at += 1
    while many:
        if at >= end:
            raise ber.DecodingError("cut short")
        many = buffer[at] >= 0x80
        at += 1
    if at >= end:
        raise ber.DecodingError("cut short")
    length = buffer[at]
    at += 1
    if length >= 0x80:
        size = length & 0x7F
        if not 1 <= size <= 8 or at + size > end:
            raise ber.DecodingError("a length of another form")
        length = int.from_bytes(buffer[at : at + size], "big")
        at += size
    if at + length > end:
        raise ber.DecodingError("cut short")
    return at, at + length
