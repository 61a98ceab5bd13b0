"""Distinguished names (RFC 4514), read as libldap reads them.

Beside RFC 4514, libldap (and so slapd and Postfix) takes what older writers left behind: spaces
around ``,``, ``+`` and ``=``, ``;`` for ``,``, and quoted values (RFC 2253 §4).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property, lru_cache

from mailldap.errors import DNError
from mailldap.ldap.prepare import prepare_text

_WS = "[ \t\r\n]*"
#: One attribute type, its ``=`` and the blanks that libldap skips; options are dropped.
_TYPE = re.compile(
    rf"{_WS}(?:([A-Za-z][A-Za-z0-9-]*)(?:;[A-Za-z0-9;-]*)?|([0-9]+(?:\.[0-9]+)*)){_WS}={_WS}"
)
_STRING = re.compile(r'(?:[^\\,;+"<>\x00]|\\[\\,;+"<>= \t\r\n#]|\\[0-9A-Fa-f]{2})*')
_QUOTED = re.compile(rf'"((?:[^"\\\x00]|\\[^\x00])*)"{_WS}', re.DOTALL)
#: libldap passes over whatever follows a blank here.
_HEX = re.compile(r"#(?!\Z)((?:[0-9A-Fa-f]{2})*)(?:[ \t\r\n][^,;+\x00]*)?")
_ESCAPE = re.compile(rb"\\([0-9A-Fa-f]{2}|.)", re.DOTALL)
_QUOTED_ESCAPE = re.compile(rb"\\(.)", re.DOTALL)

#: What slapd writes as a hex pair, wherever it stands in a value; blanks only at the ends.
_SPECIAL = re.compile('[,+\\\\\0"<>;=]|^[# \t\r\n]|[ \t\r\n]\\Z')

#: RFC 4514 §3: the attribute types that every implementation knows, by their other names.
_KNOWN = {
    "2.5.4.3": "cn", "commonname": "cn",
    "2.5.4.6": "c", "countryname": "c",
    "2.5.4.7": "l", "localityname": "l",
    "2.5.4.8": "st", "stateorprovincename": "st",
    "2.5.4.9": "street", "streetaddress": "street",
    "2.5.4.10": "o", "organizationname": "o",
    "2.5.4.11": "ou", "organizationalunitname": "ou",
    "0.9.2342.19200300.100.1.1": "uid", "userid": "uid",
    "0.9.2342.19200300.100.1.25": "dc", "domaincomponent": "dc",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class AVA:
    """One attribute type and value; ``ber`` tells that the value was written as ``#`` and hex."""

    attribute: str
    value: bytes
    ber: bool = False

    @property
    def text(self) -> str:
        """The value as text; bytes that are not UTF-8 become surrogates."""
        return self.value.decode("utf-8", "surrogateescape")

    def __str__(self) -> str:
        if self.ber:
            return f"{self.attribute}=#{self.value.hex().upper()}"
        return f"{self.attribute}={escape_dn_value(self.text)}"

    @property
    def normalized(self) -> str:
        """The pair for comparison, by names and case rules that need no schema."""
        name = self.attribute.lower()
        name = _KNOWN.get(name, name)
        if self.ber:
            return f"{name}=#{self.value.hex()}"
        value = prepare_text(self.value).decode("utf-8", "surrogateescape")
        return f"{name}={escape_dn_value(value)}"


@dataclass(frozen=True, slots=True)
class RDN:
    """The pairs of one level of a DN, in the order written; at least one."""

    avas: tuple[AVA, ...]

    def __str__(self) -> str:
        return "+".join(map(str, self.avas))

    @property
    def normalized(self) -> str:
        """The RDN for comparison: the order of its pairs means nothing."""
        if len(self.avas) == 1:
            return self.avas[0].normalized
        return "+".join(sorted(ava.normalized for ava in self.avas))


@dataclass(frozen=True)
class DN:
    """A distinguished name, leaf first; the empty one is the root.

    Two DNs are ``==`` when they are spelled alike; compare ``normalized`` for what a directory
    takes for the same name.
    """

    rdns: tuple[RDN, ...]

    @classmethod
    def parse(cls, text: str) -> DN:
        """Return the DN that *text* spells. Raises DNError."""
        return _parse(text)

    def __str__(self) -> str:
        return ",".join(map(str, self.rdns))

    def __len__(self) -> int:
        return len(self.rdns)

    @property
    def parent(self) -> DN | None:
        """The DN one level up; None above the root."""
        return DN(self.rdns[1:]) if self.rdns else None

    @cached_property
    def normalized(self) -> str:
        """A key: equal for DNs that differ in case, blanks, escapes or RFC 4514's short names.

        Attributes whose values compare with case need a schema: see Schema.normalize_dn.
        """
        return ",".join(rdn.normalized for rdn in self.rdns)

    def is_below(self, base: DN, *, or_equal: bool = True) -> bool:
        """Tell whether this DN lies in the subtree of *base* (RFC 4511 §4.5.1.2)."""
        surplus = len(self.rdns) - len(base.rdns)
        if surplus < 0 or (surplus == 0 and not or_equal):
            return False
        return DN(self.rdns[surplus:]).normalized == base.normalized

    def child(self, attribute: str, value: str | bytes) -> DN:
        """Return the DN one level down, named by *attribute* and *value* (not escaped)."""
        raw = value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value
        return DN((RDN((AVA(attribute, raw),)), *self.rdns))


def escape_dn_value(value: str) -> str:
    """Return *value* as it stands in a DN (RFC 4514 §2.4), escaped the way slapd escapes."""
    return _SPECIAL.sub(_escape, value)


def _escape(match: re.Match[str]) -> str:
    return f"\\{ord(match[0]):02X}"


def parse_rdn(text: str) -> RDN:
    """Return the one RDN that *text* spells. Raises DNError, also where there are several."""
    dn = _parse(text)
    if len(dn.rdns) != 1:
        raise DNError(f"not one relative distinguished name: {text!r}")
    return dn.rdns[0]


@lru_cache(maxsize=1024)
def _parse(text: str) -> DN:
    if not text:
        return DN(())
    rdns: list[RDN] = []
    avas: list[AVA] = []
    at = 0
    while True:
        ava, at = _parse_ava(text, at)
        avas.append(ava)
        separator = text[at : at + 1]
        if separator != "+":
            rdns.append(RDN(tuple(avas)))
            avas = []
            if not separator:
                return DN(tuple(rdns))
        at += 1


def _parse_ava(text: str, at: int) -> tuple[AVA, int]:
    head = _TYPE.match(text, at)
    if not head:
        raise DNError(f"not an attribute type and '=' at character {at + 1} of DN {text!r}")
    attribute = head[1] or head[2]
    at = head.end()
    value: bytes
    ber = False
    if text.startswith('"', at):
        match = _QUOTED.match(text, at)
        if not match:
            raise DNError(f"quote without end at character {at + 1} of DN {text!r}")
        value = _QUOTED_ESCAPE.sub(rb"\1", _encode(match[1]))
    elif text.startswith("#", at):
        match = _HEX.match(text, at)
        if not match:
            raise DNError(f"not hexadecimal pairs at character {at + 1} of DN {text!r}")
        value, ber = bytes.fromhex(match[1]), True
    else:
        match = _STRING.match(text, at)
        assert match is not None
        value = _ESCAPE.sub(_unescape, _encode(_strip_end(match[0])))
    end = match.end()
    if end < len(text) and text[end] not in ",;+":
        raise DNError(f"a character that must be escaped, {end + 1}th of DN {text!r}")
    return AVA(attribute, value, ber), end


def _strip_end(raw: str) -> str:
    end = len(raw)
    while end > 1 and raw[end - 1] in " \t\r\n" and raw[end - 2] != "\\":
        end -= 1
    return raw[:end]


def _unescape(match: re.Match[bytes]) -> bytes:
    return bytes.fromhex(match[1].decode()) if len(match[1]) == 2 else match[1]


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
