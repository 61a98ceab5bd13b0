r"""Search filters: RFC 4511 §4.5.1.7 as values, RFC 4515 and libldap's looser grammar as text.

libldap (``ldapsearch``, Postfix) also takes a single item without parentheses, blanks in front of
an item, between the parts of ``&`` and ``|`` and before the part of ``!``, and the escapes ``\*``,
``\(``, ``\)`` and ``\\`` of RFC 1960. What else it refuses, :func:`parse_libldap` refuses.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from mailldap.errors import FilterError

#: How deep ``&``, ``|`` and ``!`` may nest. No mail system needs ten.
MAX_DEPTH = 200


@dataclass(frozen=True, slots=True)
class _FilterSet:
    filters: tuple[Filter, ...]


class And(_FilterSet):
    """True when all are; without any it is absolutely true (RFC 4526)."""

    __slots__ = ()


class Or(_FilterSet):
    """True when one is; without any it is absolutely false (RFC 4526)."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite; of Undefined it is Undefined."""

    filter: Filter


@dataclass(frozen=True, slots=True)
class _Assertion:
    attribute: str
    value: bytes


class Equality(_Assertion):
    """``(attribute=value)``."""

    __slots__ = ()


class GreaterOrEqual(_Assertion):
    """``(attribute>=value)``."""

    __slots__ = ()


class LessOrEqual(_Assertion):
    """``(attribute<=value)``."""

    __slots__ = ()


class Approx(_Assertion):
    """``(attribute~=value)``."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Present:
    """``(attribute=*)``."""

    attribute: str


@dataclass(frozen=True, slots=True)
class Substrings:
    """``(attribute=initial*any*any*final)``; None where there is no initial or final."""

    attribute: str
    initial: bytes | None
    any: tuple[bytes, ...]
    final: bytes | None


@dataclass(frozen=True, slots=True)
class Extensible:
    """``(attribute:dn:rule:=value)``; attribute or rule may be None, not both."""

    rule: str | None
    attribute: str | None
    value: bytes
    dn_attributes: bool = False


Filter = (
    And
    | Or
    | Not
    | Equality
    | Present
    | Substrings
    | GreaterOrEqual
    | LessOrEqual
    | Approx
    | Extensible
)

_DESCRIPTION = r"(?:[A-Za-z][A-Za-z0-9-]*|[0-9]+(?:\.[0-9]+)*)(?:;[A-Za-z0-9-]+)*"
_OID = r"(?:[A-Za-z][A-Za-z0-9-]*|[0-9]+(?:\.[0-9]+)*)"
_SIMPLE = re.compile(rf"({_DESCRIPTION})([<>~]?)=(.*)", re.DOTALL)
#: [attribute] [:dn] [:rule] := value; compiled when one is met, for it takes long and few are.
_EXTENSIBLE = rf"({_DESCRIPTION})?(:[dD][nN])?(?::({_OID}))?:=(.*)"
#: libldap lets the rule after a colon be empty.
_EXTENSIBLE_LIBLDAP = rf"({_DESCRIPTION})?(:[dD][nN](?=:))?(?::({_OID})?)?:=(.*)"
_PARENTHESISED = re.compile(r"((?:[^()\\]|\\.)*)\)", re.DOTALL)
_VALUE = re.compile(rb"(?:[^\\()*\x00]|\\[0-9A-Fa-f]{2})*")
_VALUE_LIBLDAP = re.compile(rb"(?:[^\\()*\x00]|\\(?:[0-9A-Fa-f]{2}|[\\()*]))*")
_ESCAPE = re.compile(rb"\\([0-9A-Fa-f]{2}|.)")
_BLANKS = re.compile("[ \t\n]*")
_NO_BLANKS = re.compile("")
_UNESCAPED_STAR = re.compile(rb"((?:[^\\*]|\\.)*)(\*|\Z)", re.DOTALL)
_COMPARISONS: dict[str, Callable[[str, bytes], Filter]] = {
    "<": LessOrEqual,
    ">": GreaterOrEqual,
    "~": Approx,
}


def parse_filter(text: str) -> Filter:
    """Return the filter that *text* spells by RFC 4515 §3. Raises FilterError."""
    if not text.startswith("("):
        raise FilterError(f"a filter begins with '(': {text!r}")
    return _parse(text, strict=True)


def parse_libldap(text: str) -> Filter:
    """Return the filter that libldap makes of *text*; see the module. Raises FilterError.

    The empty text, which libldap sends as no filter at all (the server answers protocolError),
    is refused too.
    """
    if not text.startswith("("):
        return _parse_item(text, text, strict=False)
    return _parse(text, strict=False)


def _parse(text: str, *, strict: bool) -> Filter:
    """Walk over the parentheses; ``levels`` holds what is open: its sign and its parts so far."""
    blanks = _NO_BLANKS if strict else _BLANKS
    levels: list[tuple[str, list[Filter]]] = []
    at = 0
    while True:
        # At the "(" of a filter.
        at = _skip(blanks, text, at + 1)
        operator = text[at : at + 1]
        if operator in {"&", "|", "!"}:
            if len(levels) == MAX_DEPTH:
                raise FilterError(f"nested deeper than {MAX_DEPTH}: {text[:40]!r}…")
            levels.append((operator, []))
            at = _skip(blanks, text, at + 1)
            if text.startswith("(", at):
                continue
        else:
            match = _PARENTHESISED.match(text, at)
            if not match:
                raise FilterError(f"no ')' for the '(' before character {at + 1} of {text!r}")
            done = _parse_item(match[1], text, strict=strict)
            at = match.end()
            if not levels:
                break
            levels[-1][1].append(done)
        at, finished = _close(text, at, levels, blanks)
        if finished is not None:
            done = finished
            break
    if at != len(text):
        raise FilterError(f"characters after the end of filter {text!r}, from the {at + 1}th")
    return done


def _close(
    text: str,
    at: int,
    levels: list[tuple[str, list[Filter]]],
    blanks: re.Pattern[str],
) -> tuple[int, Filter | None]:
    """Close every level that ends here; return where the next "(" stands, or the whole filter."""
    while True:
        operator, parts = levels[-1]
        if operator != "!":
            at = _skip(blanks, text, at)
        following = text[at : at + 1]
        if following == "(" and (operator != "!" or not parts):
            return at, None
        if following != ")":
            raise FilterError(f"neither '(' nor ')' at character {at + 1} of filter {text!r}")
        levels.pop()
        at += 1
        done = _combine(operator, parts, text)
        if not levels:
            return at, done
        levels[-1][1].append(done)


def _combine(operator: str, parts: list[Filter], text: str) -> Filter:
    if operator == "&":
        return And(tuple(parts))
    if operator == "|":
        return Or(tuple(parts))
    if len(parts) != 1:
        raise FilterError(f"'!' takes one filter: {text!r}")
    return Not(parts[0])


def _skip(blanks: re.Pattern[str], text: str, at: int) -> int:
    match = blanks.match(text, at)
    assert match is not None
    return match.end()


def _parse_item(item: str, text: str, *, strict: bool) -> Filter:
    simple = _SIMPLE.fullmatch(item)
    if simple:
        attribute, comparison = simple[1], simple[2]
        value = simple[3].encode("utf-8", "surrogateescape")
        if comparison:
            return _COMPARISONS[comparison](attribute, _unescape(value, text, strict=strict))
        if value == b"*":
            return Present(attribute)
        if b"*" in value:
            return _parse_substrings(attribute, value, text, strict=strict)
        return Equality(attribute, _unescape(value, text, strict=strict))
    extensible = re.fullmatch(_EXTENSIBLE if strict else _EXTENSIBLE_LIBLDAP, item, re.DOTALL)
    if not extensible or not (extensible[1] or extensible[3]):
        raise FilterError(f"neither attribute=value nor another filter item: {item!r} in {text!r}")
    value = _unescape(extensible[4].encode("utf-8", "surrogateescape"), text, strict=strict)
    return Extensible(extensible[3] or None, extensible[1], value, bool(extensible[2]))


def _parse_substrings(attribute: str, raw: bytes, text: str, *, strict: bool) -> Filter:
    pieces: list[bytes] = []
    at = 0
    while True:
        match = _UNESCAPED_STAR.match(raw, at)
        if not match:
            raise FilterError(f"a backslash that escapes nothing in filter {text!r}")
        pieces.append(_unescape(match[1], text, strict=strict))
        if not match[2]:
            break
        at = match.end()
    if len(pieces) == 1:
        return Equality(attribute, pieces[0])
    initial, *middle, final = pieces
    if not all(middle):
        raise FilterError(f"two asterisks with nothing between them in filter {text!r}")
    return Substrings(attribute, initial or None, tuple(middle), final or None)


def _unescape(raw: bytes, text: str, *, strict: bool) -> bytes:
    if not (_VALUE if strict else _VALUE_LIBLDAP).fullmatch(raw):
        raise FilterError(f"a character that must be escaped as \\HH in filter {text!r}")
    if b"\\" not in raw:
        return raw
    return _ESCAPE.sub(_from_escape, raw)


def _from_escape(match: re.Match[bytes]) -> bytes:
    return bytes.fromhex(match[1].decode()) if len(match[1]) == 2 else match[1]


_SPECIAL = re.compile(r"[*()\\]")


def escape_filter_value(value: str | bytes) -> str:
    r"""Return *value* as it stands in a filter (RFC 4515 §3).

    Beside ``*``, ``(``, ``)``, ``\`` and NUL, whatever cannot be shown (control characters,
    private use, bytes that are not UTF-8) becomes ``\HH``.
    """
    if isinstance(value, bytes):
        value = value.decode("utf-8", "surrogateescape")
    if value.isprintable():
        return _SPECIAL.sub(lambda match: _escaped(match[0]), value)
    return "".join(c if c.isprintable() and not _SPECIAL.match(c) else _escaped(c) for c in value)


def _escaped(character: str) -> str:
    return "".join(f"\\{byte:02x}" for byte in character.encode("utf-8", "surrogateescape"))


def format_filter(filter: Filter) -> str:  # noqa: A002  the name that every LDAP interface gives it
    """Return *filter* as RFC 4515 text, which :func:`parse_filter` reads back."""
    match filter:
        case And(parts):
            return f"(&{''.join(map(format_filter, parts))})"
        case Or(parts):
            return f"(|{''.join(map(format_filter, parts))})"
        case Not(part):
            return f"(!{format_filter(part)})"
        case Present(attribute):
            return f"({attribute}=*)"
        case Substrings(attribute, initial, middle, final):
            pieces = (initial or b"", *middle, final or b"")
            return f"({attribute}={'*'.join(map(escape_filter_value, pieces))})"
        case Extensible(rule, attribute, value, dn_attributes):
            left = (attribute or "") + ":dn" * dn_attributes + (f":{rule}" if rule else "")
            return f"({left}:={escape_filter_value(value)})"
    return f"({filter.attribute}{_sign(filter)}{escape_filter_value(filter.value)})"


def _sign(
    item: Equality | GreaterOrEqual | LessOrEqual | Approx,
) -> Literal["=", ">=", "<=", "~="]:
    match item:
        case GreaterOrEqual():
            return ">="
        case LessOrEqual():
            return "<="
        case Approx():
            return "~="
    return "="
