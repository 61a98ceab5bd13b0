"""The address pattern behind ``=`` in a restriction that asks a DNS list.

Source: postconf(5), reject_rbl_client; Postfix 3.7, ip_match_parse() and rbl_byte_pagein().
"""

from __future__ import annotations

import re

from mailldap.errors import ConfigError
from mailldap.postfix.words import number_of

_OCTET = r"0*(?:[0-9]{1,2}|1[0-9]{2}|2[0-4][0-9]|25[0-5])"
_ITEM = rf"{_OCTET}(?:\.\.{_OCTET})?"
_FIELD = rf"(?:{_OCTET}|\[{_ITEM}(?:;{_ITEM})*\])"
_PATTERN = re.compile(rf"{_FIELD}(?:\.{_FIELD}){{3}}")
_RANGE = re.compile(r"([0-9]+)\.\.([0-9]+)")


def require_pattern(argument: str) -> None:
    """Raise ConfigError where smtpd dies of a list's ``domain=pattern`` when it asks that list."""
    _, equals, pattern = argument.partition("=")
    if not equals or _is_pattern(pattern):
        return
    raise ConfigError(
        f'RBL reply error: "{pattern}" is no address pattern',
        hint="four numbers with dots between them, or lists in brackets: 127.0.0.[2;4..7]",
    )


def _is_pattern(text: str) -> bool:
    if text.startswith("["):
        end = _closing(text)
        if end is None:
            return False
        if end == len(text) - 1:
            text = text[1:-1]
    if _PATTERN.fullmatch(text) is None:
        return False
    return all(number_of(low) <= number_of(high) for low, high in _RANGE.findall(text))


def _closing(text: str) -> int | None:
    """Return where the bracket at the start is closed."""
    level = 0
    for position, character in enumerate(text):
        level += (character == "[") - (character == "]")
        if character == "]" and not level:
            return position
    return None
