"""The lines of an LDIF record: unfolded, without comments, values decoded (RFC 2849).

As the OpenLDAP tools allow, valid UTF-8 may stand unencoded in a value, and after a space a value
may begin with a colon or ``<``.
"""

from __future__ import annotations

import re
from binascii import Error as Base64Error
from binascii import a2b_base64
from dataclasses import dataclass, field

#: RFC 2849 AttributeDescription; numeric OIDs as RFC 4512 §1.4 has them.
ATTRIBUTE = re.compile(
    rb"(?:[A-Za-z][A-Za-z0-9-]*|[0-9]+(?:\.[0-9]+)*)(?:;[A-Za-z0-9-]+)*", re.ASCII
)
#: Words that LDIF keeps for itself; they are never attributes of an entry.
RESERVED = frozenset({"dn", "changetype", "control", "version"})


@dataclass(slots=True)
class Names:
    """The attribute descriptions of one file that have passed the grammar, and their text.

    ``mixed`` tells that one of them was met in two spellings (``mail``, ``Mail``).
    """

    spellings: dict[bytes, str] = field(default_factory=dict)
    mixed: bool = False
    _lowered: set[bytes] = field(default_factory=set)

    def learn(self, raw: bytes) -> str | None:
        """Return the text of the description; None when it is none."""
        known = self.spellings.get(raw)
        if known is None and ATTRIBUTE.fullmatch(raw):
            known = raw.decode("ascii")
            if known.lower() not in RESERVED:
                self.spellings[raw] = known
                self.mixed = self.mixed or raw.lower() in self._lowered
                self._lowered.add(raw.lower())
        return known


class Fault(Exception):
    """A fault on its way to becoming an LdifError; never leaves the package."""

    def __init__(self, line: int, reason: str, hint: str | None = None) -> None:
        super().__init__(reason)
        self.line = line
        self.reason = reason
        self.hint = hint


@dataclass(slots=True)
class Line:
    """A logical line, unfolded, its value decoded; ``bare`` is the line ``-``."""

    number: int
    name: str
    value: bytes
    bare: bool = False

    @property
    def word(self) -> str:
        """The name as LDIF's own words are compared."""
        return self.name.lower()

    def text(self) -> str:
        """Return the value as text. Raises Fault when it is not UTF-8."""
        try:
            return self.value.decode()
        except UnicodeDecodeError:
            raise Fault(self.number, f"the value of {self.name}: is not UTF-8") from None


def shown(raw: bytes) -> str:
    """Return the beginning of *raw* as printable text for a message."""
    text = raw[:60].decode("utf-8", "backslashreplace")
    text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return f"'{text}'" + (" …" if len(raw) > 60 else "")


def logical_lines(text: bytes, line: int, names: Names, faults: list[Fault]) -> list[Line]:
    """Return the lines of a record's text, which starts at line *line* of its file.

    What is wrong with single lines is added to *faults*; such a line stays in the result with
    an empty name, for what follows must not be taken for what it is not.
    """
    if line == 1 and text.startswith(b"\xef\xbb\xbf"):
        text = text[3:]
        faults.append(
            Fault(1, "the file starts with a byte order mark", "save it as UTF-8 without BOM")
        )
    unfolded: list[tuple[int, bytearray]] = []
    lines = []
    for number, raw in enumerate(text.split(b"\n"), line):
        if not raw.startswith(b" "):
            unfolded.append((number, bytearray(raw)))
        elif unfolded:
            unfolded[-1][1].extend(raw[1:])
        else:
            faults.append(
                Fault(
                    number,
                    "the line starts with a space, so it continues the line before it, "
                    "and there is none",
                )
            )
            lines.append(Line(number, "", b""))
    for number, gathered in unfolded:
        if gathered.startswith(b"#"):
            continue
        try:
            lines.append(_logical_line(number, bytes(gathered), names))
        except Fault as fault:
            faults.append(fault)
            lines.append(Line(number, "", b""))
    return lines


def _logical_line(number: int, raw: bytes, names: Names) -> Line:
    if raw == b"-":
        return Line(number, "-", b"", bare=True)
    head, colon, rest = raw.partition(b":")
    if not colon:
        raise Fault(
            number,
            f"no colon in {shown(raw)}",
            "a line is 'name: value'; a long value goes on in a next line that starts with a space",
        )
    name = names.learn(head)
    if name is None:
        raise Fault(number, f"{shown(head)} is not an attribute name")
    return Line(number, name, _value(number, name, rest))


def _value(number: int, name: str, rest: bytes) -> bytes:
    """Return the value that *rest*, all after the first colon, stands for."""
    if rest.startswith(b":"):
        try:
            return a2b_base64(rest[1:].lstrip(b" "), strict_mode=True)
        except Base64Error as error:
            raise Fault(
                number,
                f"the value of {name}:: is not base64 ({str(error).lower()})",
                f"write '{name}: value' with one colon if it is meant as it stands",
            ) from None
    if rest.startswith(b"<"):
        raise Fault(
            number,
            f"{name}:< takes its value from a URL, which is not followed",
            f"put the value itself into the file, in base64 after '{name}::'",
        )
    value = rest.lstrip(b" ")
    in_base64 = f"write it in base64, after '{name}::'"
    for byte, called in ((b"\0", "a NUL byte"), (b"\r", "a carriage return")):
        if byte in value:
            raise Fault(number, f"the value of {name} contains {called}", in_base64)
    if not value.isascii():
        try:
            value.decode()
        except UnicodeDecodeError:
            raise Fault(
                number, f"the value of {name} has bytes that are not UTF-8", in_base64
            ) from None
    return value
