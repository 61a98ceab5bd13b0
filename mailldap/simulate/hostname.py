"""Which domain names and address literals Postfix takes for valid in an address.

Source: Postfix 3.7, valid_hostname(3), valid_utf8_hostname(3), valid_mailhost_addr(3);
RFC 5321 §4.1.3.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

from mailldap.postfix.words import is_utf8, lower_ascii, number_of

_ALNUM = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
_DIGITS = frozenset("0123456789")
_HEX = frozenset("0123456789abcdefABCDEF")
_MAX_NAME = 255
_MAX_LABEL = 63
#: The longest text that fits Postfix's buffer for a numerical address.
_MAX_LITERAL = 46
_IPV6_PREFIX = "ipv6:"


def is_hostname(name: str) -> bool:
    """Return whether *name* is a host name: labels of letters, digits, ``-`` and ``_``.

    All-numeric names are none; neither are names with an empty label or a dot at the end.
    """
    length = len(name.encode("utf-8", "surrogateescape"))
    if not name or length > _MAX_NAME or all(c in _DIGITS or c == "." for c in name):
        return False
    return all(_is_label(label) for label in name.split("."))


def _is_label(label: str) -> bool:
    if not label or label.startswith("-") or label.endswith("-"):
        return False
    letters = sum(c != "-" for c in label)
    return letters + label.count("-") <= _MAX_LABEL and all(c in _ALNUM or c in "-_" for c in label)


def is_utf8_hostname(name: str, *, utf8: bool) -> bool:
    """Return whether *name* is a host name, with *utf8* also an internationalized one.

    Internationalized labels are judged by what they are in ASCII (UTS 46).
    """
    if not name:
        return False
    if utf8 and not name.isascii():
        from mailldap.simulate.idna import to_ascii  # few names need it

        ascii_name = to_ascii(name) if is_utf8(name) else None
        return ascii_name is not None and is_hostname(ascii_name)
    return is_hostname(name)


def is_ipv4(text: str) -> bool:
    """Return whether *text* is a dotted quad; ``0.x.y.z`` is only valid as ``0.0.0.0``."""
    octets = text.split(".")
    if len(octets) != 4 or not all(o and set(o) <= _DIGITS and number_of(o) <= 255 for o in octets):
        return False
    return number_of(octets[0]) != 0 or set(text) <= {"0", "."}


def is_ipv6(text: str) -> bool:
    """Return whether *text* looks like an IPv6 address (RFC 4291 §2.2).

    As in Postfix, fields may be missing although no ``::`` stands for them.
    """
    at = fields = run = gap = 0
    while at < len(text):
        char = text[at]
        if char == ".":
            return 2 <= fields <= 6 and is_ipv4(text[at - run :])
        if char == ":":
            if fields == 0 and run == 0 and text[at + 1 : at + 2] in _ALNUM:
                return False
            fields += 1
            at += 1
            run = 0
            if text[at : at + 1] == ":":
                if gap:
                    return False
                gap = fields
        else:
            run = next((i for i, c in enumerate(text[at:]) if c not in _HEX), len(text) - at)
            if not 1 <= run <= 4:
                return False
            at += run
        if fields > 7:
            return False
    return fields >= 2 and (run > 0 or gap == fields - 1)


def is_address(text: str) -> bool:
    """Return whether *text* is a numerical address without brackets."""
    return is_ipv6(text) if ":" in text else is_ipv4(text)


def bare_address(text: str) -> str | None:
    """Return the numerical address inside an address literal (``IPv6:`` removed), or None."""
    if lower_ascii(text[: len(_IPV6_PREFIX)]) == _IPV6_PREFIX:
        bare = text[len(_IPV6_PREFIX) :]
        return bare if is_ipv6(bare) else None
    return text if is_ipv4(text) else None


def is_literal(domain: str) -> bool:
    """Return whether *domain* is a valid address literal, brackets included."""
    if not domain.startswith("["):
        return False
    inside, bracket, rest = domain[1:].partition("]")
    if not bracket or rest or len(inside) >= _MAX_LITERAL:
        return False
    return bare_address(inside) is not None


def to_address(text: str) -> IPv4Address | IPv6Address | None:
    """Return the address that a numerical address means, or None where it means none."""
    try:
        return IPv6Address(text) if ":" in text else IPv4Address(text)
    except ValueError:
        return None
