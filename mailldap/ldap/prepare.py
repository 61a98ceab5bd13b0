"""Strings prepared for comparison, as OpenLDAP prepares them (RFC 4518, with slapd's deviations).

A prepared value equals another one exactly when slapd's matching rule says so. slapd lower-cases
*before* it decomposes (so a mathematical bold A stays an upper-case A), knows the simple case
mappings of letters in Unicode 3.2 (ß stays ß, Ⅷ is no letter), and takes nothing but U+0020 for a
space.
"""

from __future__ import annotations

import re
from functools import lru_cache
from unicodedata import ucd_3_2_0

_SPACES = re.compile(b"  +")
#: A run that slapd normalises as one string: what is not ASCII, with the ASCII character before
#: it, to which it may be a combining mark. Its table of compatibility mappings ends at U+1D60E.
_RUN = re.compile("[\x00-\x7f]?[^\x00-\x7f\U0001d60f-\U0001d7ff]+")


def fold_unicode(value: bytes, *, ignore_case: bool) -> bytes | None:
    """Return *value* in slapd's normal form, spaces untouched; None when it is not UTF-8."""
    if value.isascii():
        return value.lower() if ignore_case else value
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        return None
    if ignore_case:
        text = "".join(map(_simple_lower, text))
    return _RUN.sub(_compose, text).encode("utf-8")


def _compose(run: re.Match[str]) -> str:
    return ucd_3_2_0.normalize("NFKC", run[0])


@lru_cache(maxsize=4096)
def _simple_lower(char: str) -> str:
    if ucd_3_2_0.category(char) not in {"Lu", "Lt"}:
        return char
    if char == "İ":
        return "i"
    lower = char.lower()
    return lower if ucd_3_2_0.category(lower) != "Cn" else char


def squeeze(value: bytes, *, leading: bool = True, trailing: bool = True) -> bytes:
    """Return *value* without insignificant spaces; only spaces become one space.

    *leading* and *trailing* say whether the spaces at that end are insignificant: they are not
    where a piece of a substring assertion meets its neighbour (RFC 4518 §2.6.1).
    """
    if b" " not in value:
        return value
    squeezed = _SPACES.sub(b" ", value)
    if leading and squeezed.startswith(b" "):
        squeezed = squeezed[1:]
        if not squeezed:
            return b" "
    if trailing and squeezed.endswith(b" "):
        squeezed = squeezed[:-1]
    return squeezed


def prepare_text(value: bytes, *, ignore_case: bool = True) -> bytes:
    """Return a key of a text value: folded, spaces squeezed; bytes that are no UTF-8 stay bytes."""
    folded = fold_unicode(value, ignore_case=ignore_case)
    if folded is None:
        folded = value.lower() if ignore_case else value
    return squeeze(folded)
