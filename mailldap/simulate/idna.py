"""Domain names that are not ASCII, as ICU turns them into A-labels for Postfix.

UTS 46 without transitional processing, and without the checks that Postfix does not ask for (STD3,
bidi, contextual joiners). The mapping table is derived from the Unicode database as UTS 46 §6 says.
Source: Postfix 3.7, midna_domain(3); Unicode Technical Standard 46, revision 29.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_DOTS = dict.fromkeys(map(ord, "\u3002\uff0e\uff61"), ".")
#: Deviations: what they are, in processing that is not transitional.
_DEVIATIONS = frozenset("\u00df\u03c2\u200c\u200d")
_IGNORED = re.compile(
    "[\u00ad\u034f\u180b-\u180d\u180f\u200b\u2060\u2064\ufe00-\ufe0f\ufeff\U0001bca0-\U0001bca3"
    "\U000e0100-\U000e01ef]"
)
#: What IDNA2003 mapped otherwise, or had no use for.
_EXCLUDED = re.compile(
    "[\u04c0\u10a0-\u10c5\u115f\u1160\u17b4\u17b5\u1806\u2132\u2183\u2ff0-\u2ffb\u3002\u3164\uffa0"
    "\ufffc\ufffd\U0002f868\U0002f874\U0002f91f\U0002f95f\U0002f9bf]"
)
#: Of Unicode 15, which ICU 72 knows and Python 3.11 does not yet.
_NEWER = re.compile(
    "[\u0cf3\u0ece\U00010efd-\U00010eff\U0001123f-\U00011241\U00011b00-\U00011b09"
    "\U00011f00-\U00011f10\U00011f12-\U00011f3a\U00011f3e-\U00011f59\U0001342f"
    "\U00013440-\U00013455\U0001b132\U0001b155\U0001d2c0-\U0001d2d3\U0001df25-\U0001df2a"
    "\U0001e030-\U0001e06d\U0001e08f\U0001e4d0-\U0001e4f9\U0001f6dc\U0001f774-\U0001f776"
    "\U0001f77b-\U0001f77f\U0001f7d9\U0001fa75-\U0001fa77\U0001fa87\U0001fa88"
    "\U0001faad-\U0001faaf\U0001fabb-\U0001fabd\U0001fabf\U0001face\U0001facf"
    "\U0001fada\U0001fadb\U0001fae8\U0001faf7\U0001faf8\U0002b739\U00031350-\U000323af]"
)
_ACE = "xn--"


def to_ascii(name: str) -> str | None:
    """Return a name of any characters with A-labels, None where one of them cannot be.

    What comes back need not be a host name.
    """
    mapped = []
    for character in name.translate(_DOTS):
        part = _mapped(character)
        if part is None:
            return None
        mapped.append(part)
    labels = unicodedata.normalize("NFC", "".join(mapped)).split(".")
    results = []
    for label in labels:
        result = _label(label)
        if result is None:
            return None
        results.append(result)
    return ".".join(results)


@lru_cache(maxsize=4096)
def _mapped(character: str) -> str | None:
    """Return what stands for a character, None where it may not stand in a name."""
    if character.isascii():
        return character.lower()
    if character in _DEVIATIONS:
        return character
    if _IGNORED.match(character):
        return ""
    if _EXCLUDED.match(character):
        return None
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", character).casefold())
    text = _IGNORED.sub("", text)
    if text == character:
        return text if _is_valid(text) else None
    if not text or "." in text or not all(_is_valid(c) for c in text):
        return None
    return text


def _is_valid(character: str) -> bool:
    """Tell whether a character that is its own mapping may stand in a name."""
    if character.isascii():
        return character > " "
    if character in _DEVIATIONS:
        return True
    if _NEWER.match(character):
        return True
    return unicodedata.category(character)[0] not in "CZ" and not _EXCLUDED.match(character)


def _label(label: str) -> str | None:
    """Return the A-label, or the ASCII label, of a label that has been mapped."""
    if label.startswith(_ACE):
        return label if _is_a_label(label) else None
    if not _is_well_formed(label):
        return None
    if label.isascii():
        return label
    return _ACE + label.encode("punycode").decode("ascii")


def _is_a_label(label: str) -> bool:
    """Tell whether a label in ASCII is what its Unicode form would become."""
    if not label.isascii():
        return False
    try:
        text = label.removeprefix(_ACE).encode().decode("punycode")
    except UnicodeError:
        return False
    return (
        not text.isascii()
        and unicodedata.normalize("NFC", text) == text
        and all(_mapped(c) == c for c in text)
        and _is_well_formed(text)
    )


def _is_well_formed(label: str) -> bool:
    if label.startswith("-") or label.endswith("-"):
        return False
    # ICU counts in UTF-16.
    if "--" in label and label.encode("utf-16-le")[4:8] == "--".encode("utf-16-le"):
        return False
    return not label or unicodedata.category(label[0])[0] != "M"
