"""The Basic Encoding Rules as far as LDAP uses them (RFC 4511 §5.1): definite lengths only.

Encoders return bytes. Decoders take a buffer and offsets, copy nothing, and raise DecodingError
for whatever is cut short or contradicts itself.
"""

from __future__ import annotations

BOOLEAN = 0x01
INTEGER = 0x02
OCTET_STRING = 0x04
ENUMERATED = 0x0A
SEQUENCE = 0x30
SET = 0x31

#: A longer message than this is taken for garbage, not waited for.
MAX_MESSAGE = 1 << 28


class DecodingError(ValueError):
    """Bytes that are no LDAP message; the caller turns it into an error of the conversation."""


def encode_length(length: int) -> bytes:
    """Return the length octets, in the shortest form (X.690 §8.1.3)."""
    if length < 0x80:
        return bytes((length,))
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((0x80 | len(octets),)) + octets


def tlv(tag: int, content: bytes) -> bytes:
    """Return one element; *tag* is its identifier octet."""
    length = len(content)
    if length < 0x80:
        return bytes((tag, length)) + content
    return bytes((tag,)) + encode_length(length) + content


def integer(value: int, tag: int = INTEGER) -> bytes:
    """Return an INTEGER (or ENUMERATED, by *tag*) in the fewest octets."""
    if 0 <= value < 0x80:
        return bytes((tag, 1, value))
    size = (value if value >= 0 else ~value).bit_length() // 8 + 1
    return tlv(tag, value.to_bytes(size, "big", signed=True))


def boolean(value: bool, tag: int = BOOLEAN) -> bytes:
    """Return a BOOLEAN; RFC 4511 §5.1 wants 0xFF for true."""
    return bytes((tag, 1, 0xFF if value else 0))


def octets(value: bytes, tag: int = OCTET_STRING) -> bytes:
    """Return an OCTET STRING."""
    return tlv(tag, value)


def text(value: str, tag: int = OCTET_STRING) -> bytes:
    """Return an LDAPString; surrogate escapes become the bytes that they stand for."""
    return tlv(tag, value.encode("utf-8", "surrogateescape"))


def read_header(buffer: bytes, at: int, end: int) -> tuple[int, int, int]:
    """Return ``(tag, start, stop)`` of the element at *at*; its content must end before *end*."""
    if at + 2 > end:
        raise DecodingError("cut short")
    tag = buffer[at]
    length = buffer[at + 1]
    at += 2
    if length >= 0x80:
        size = length & 0x7F
        if not 1 <= size <= 4 or at + size > end:
            raise DecodingError("length of a form that LDAP forbids")
        length = int.from_bytes(buffer[at : at + size], "big")
        at += size
    stop = at + length
    if stop > end:
        raise DecodingError("cut short")
    return tag, at, stop


def read_element(buffer: bytes, at: int, end: int, tag: int) -> tuple[int, int]:
    """Return ``(start, stop)`` of the element at *at*, which must have *tag*."""
    found, start, stop = read_header(buffer, at, end)
    if found != tag:
        raise DecodingError(f"tag 0x{found:02x} where 0x{tag:02x} belongs")
    return start, stop


def read_integer(buffer: bytes, at: int, end: int, tag: int = INTEGER) -> tuple[int, int]:
    """Return ``(value, next offset)``."""
    start, stop = read_element(buffer, at, end, tag)
    if not 1 <= stop - start <= 8:
        raise DecodingError("integer without octets, or too long")
    return int.from_bytes(buffer[start:stop], "big", signed=True), stop


def read_octets(buffer: bytes, at: int, end: int, tag: int = OCTET_STRING) -> tuple[bytes, int]:
    """Return ``(value, next offset)``."""
    start, stop = read_element(buffer, at, end, tag)
    return buffer[start:stop], stop


def read_text(buffer: bytes, at: int, end: int, tag: int = OCTET_STRING) -> tuple[str, int]:
    """Return ``(value, next offset)``; bytes that are not UTF-8 become surrogates."""
    value, after = read_octets(buffer, at, end, tag)
    return value.decode("utf-8", "surrogateescape"), after


def frame_length(buffer: bytes, at: int, end: int, *, patient: bool = False) -> int:
    """Return how many bytes the message at *at* has, 0 where too few are here to tell.

    Raises DecodingError where no LDAP message can start so; a *patient* reader, as libldap is,
    waits for the whole element before it looks at the tag.
    """
    if at >= end:
        return 0
    if buffer[at] != SEQUENCE and not patient:
        raise DecodingError(f"tag 0x{buffer[at]:02x} where a message begins with 0x30")
    if at + 1 >= end:
        return 0
    length = buffer[at + 1]
    if length < 0x80:
        return length + 2
    size = length & 0x7F
    if not 1 <= size <= 4:
        raise DecodingError("length of a form that LDAP forbids")
    if at + 2 + size > end:
        return 0
    length = int.from_bytes(buffer[at + 2 : at + 2 + size], "big")
    if length > MAX_MESSAGE:
        raise DecodingError(f"a message of {length} bytes")
    return 2 + size + length
