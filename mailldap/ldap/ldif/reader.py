"""Records out of a stream of bytes, one at a time, or only its faults.

The stream is cut at blank lines into the text of one record each. A record of the common kind
(an entry, or one to add; nothing folded, no comment, ASCII) takes a short path of few operations
a line; all others, and everything that is wrong, go through the grammar in
:mod:`mailldap.ldap.ldif.record`, which is written for its messages. Where only faults are looked
for, one regular expression passes over many records of that kind. All paths give the same answer
where they apply.
"""

from __future__ import annotations

import re
from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO

from mailldap.errors import LdifError
from mailldap.ldap.change import Add
from mailldap.ldap.entry import Entry
from mailldap.ldap.ldif.lines import Names
from mailldap.ldap.ldif.record import Record, parse_record

_CHUNK = 1 << 16
#: Bytes of the longest record that is read: what goes on longer, as /dev/zero does, is no LDIF.
#: slapd takes messages of up to 4 MB (slapd.conf(5), sockbuf_max_incoming_auth).
_LONGEST = 1 << 28
#: A DN without anything that RFC 4514 escapes or quotes; others are given to the DN parser.
_PLAIN_DN = re.compile(
    rb"[A-Za-z][A-Za-z0-9-]*=[A-Za-z0-9@._-]+(?: [A-Za-z0-9@._-]+)*"
    rb"(?:,[A-Za-z][A-Za-z0-9-]*=[A-Za-z0-9@._-]+(?: [A-Za-z0-9@._-]+)*)*"
)
_ADDED = b"changetype: add\n"
_BASE64 = rb"(?:[A-Za-z0-9+/]{4})*+(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?"
#: Entries without fault, as many as stand together.
_FAULTLESS = re.compile(
    rb"(?:dn: " + _PLAIN_DN.pattern + rb"\n(?:changetype: add\n)?"
    rb"(?:(?!(?i:dn|changetype|control|version):)[A-Za-z][A-Za-z0-9-]*+:"
    rb"(?: [ -~]*+(?:\n [ -~]*+)*+|: " + _BASE64 + rb")\n)++\n++)*+"
)


def read_ldif(
    stream: BinaryIO | Iterable[bytes],
    name: str,
    *,
    on_error: Callable[[LdifError], None] | None = None,
) -> Iterator[Record]:
    """Yield the records of *stream* in order; *name* is the file's name in messages.

    *stream* is a binary file or any iterable of pieces of one (lines, or blocks of any size).
    Memory is that of one record and one block. Raises LdifError at the first fault. With
    *on_error* nothing is raised for a fault: each one is handed to it, in the order of the file,
    a record with a fault is left out, and reading goes on, so that one run names all faults. A
    record of more than 256 MB ends the reading in any case. Source: RFC 2849.
    """
    names = Names()
    for line, section in _sections(_blocks(stream), name):
        for start, text in _paragraphs(line, section):
            record, faults = _record(text, start, name, names)
            for fault in faults:
                if on_error is None:
                    raise fault
                on_error(fault)
            if record is not None:
                yield record


def look_through(stream: BinaryIO | Iterable[bytes], name: str) -> Iterator[list[LdifError]]:
    """Yield the faults of *stream*, a list now and then, which is empty where there is none.

    They are those that :func:`read_ldif` tells, in less than half its time.
    """
    names = Names()
    for line, section in _sections(_blocks(stream), name):
        found: list[LdifError] = []
        at, number = 0, line
        while at < len(section):
            passed = _FAULTLESS.match(section, at)
            end = passed.end() if passed else at
            number += section.count(b"\n", at, end)
            at = end
            blank = section.find(b"\n\n", at)
            end = blank + 2 if blank >= 0 else len(section)
            for start, text in _paragraphs(number, section[at:end]):
                found += _record(text, start, name, names)[1]
            number += section.count(b"\n", at, end)
            at = end
        yield found


def _record(
    text: bytes, line: int, name: str, names: Names
) -> tuple[Record | None, list[LdifError]]:
    record = _plain_entry(text, line, names)
    return (record, []) if record is not None else parse_record(text, line, name, names)


def _blocks(stream: BinaryIO | Iterable[bytes]) -> Iterator[bytes]:
    """Yield the bytes of *stream* with CRLF made LF."""
    read = getattr(stream, "read1", None) or getattr(stream, "read", None)
    pieces = iter(lambda: read(_CHUNK), b"") if read else stream
    held = b""
    for piece in pieces:
        block = held + piece
        held = b""
        if b"\r" in block:
            if block.endswith(b"\r"):  # its newline may come with the next piece
                block, held = block[:-1], b"\r"
            block = block.replace(b"\r\n", b"\n")
        yield block
    if held:
        yield held


def _sections(blocks: Iterable[bytes], name: str) -> Iterator[tuple[int, bytes]]:
    """Yield whole records together, as they come in, with the number of the first line.

    Raises LdifError where no blank line comes.
    """
    pending = bytearray()
    line = 1
    for block in blocks:
        start = max(0, len(pending) - 1)
        pending += block
        cut = pending.rfind(b"\n\n", start) + 2
        if cut < 2:
            if len(pending) > _LONGEST:
                reason = f"a record of more than {_LONGEST >> 20} MB"
                raise LdifError(name, line, reason, hint="records end at a blank line")
            continue
        section = bytes(memoryview(pending)[:cut])
        yield line, section
        line += section.count(b"\n")
        del pending[:cut]
    yield line, bytes(pending)


def _paragraphs(line: int, section: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield what stands between blank lines, with the number of its first line."""
    for text in section.split(b"\n\n"):
        stripped = text.lstrip(b"\n")
        if stripped:
            yield line + len(text) - len(stripped), stripped.removesuffix(b"\n")
        line += text.count(b"\n") + 2


def _plain_entry(text: bytes, line: int, names: Names) -> Record | None:
    """Return the record of a plain content record; None sends it to the whole grammar."""
    if (
        not text.startswith(b"dn: ")
        or not text.isascii()
        or b"\n " in text  # folded
        or b"\n#" in text
        or b"\r" in text
        or b"\0" in text
        or b":  " in text  # perhaps spaces before a value
    ):
        return None
    first, _, body = text.partition(b"\n")
    dn = first[4:]
    added = body.startswith(_ADDED)
    if added:
        body = body[len(_ADDED) :]
    if not body or not _PLAIN_DN.fullmatch(dn):
        return None
    values: dict[bytes, list[bytes]] = {}
    for item in body.split(b"\n"):
        raw, _, value = item.partition(b": ")
        if not value:  # perhaps there is no colon
            return None
        if raw in values:
            values[raw].append(value)
        else:
            values[raw] = [value]
    attributes = _attributes(values, names)
    if attributes is None:
        return None
    entry = Entry(dn.decode(), attributes)
    return Record(line, Add(entry) if added else entry)


def _attributes(
    values: dict[bytes, list[bytes]], names: Names
) -> tuple[tuple[str, tuple[bytes, ...]], ...] | None:
    """Return the attributes; None for a name that is new, reserved or none, or bad base64."""
    spellings = names.spellings
    found = []
    for raw, written in values.items():
        given = written
        name = spellings.get(raw)
        if name is None:  # the second colon of base64 is still with the name
            name = spellings.get(raw[:-1])
            if name is None or not raw.endswith(b":") or raw[:-1] in values:
                return None
            try:
                given = [a2b_base64(value, strict_mode=True) for value in written]
            except Base64Error:
                return None
        found.append((name, tuple(given)))
    if names.mixed and len({name.lower() for name, _ in found}) < len(found):
        return None
    return tuple(found)
