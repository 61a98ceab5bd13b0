"""Data made harmless for a terminal: what would be obeyed is shown instead."""

from __future__ import annotations

import re

# C0 and C1 controls, DEL, bidirectional overrides, line separators, and the surrogates that
# stand for bytes that are not UTF-8.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def visible(text: str) -> str:
    r"""Return *text* with every control, override and undecodable byte spelled out.

    ``\x1b`` for controls and bytes, ``\u202e`` for the others. A backslash stays as it is: this
    is for eyes, not for parsing back.
    """
    return _UNSAFE.sub(_spell, text)


def _spell(match: re.Match[str]) -> str:
    character = match.group()
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # one byte, by surrogateescape
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x100:
        return _NAMED.get(character, f"\\x{code:02x}")
    return f"\\u{code:04x}"


def json_safe(text: str) -> str:
    """Return JSON *text* with the same characters as JSON escapes; its value is unchanged."""
    return _UNSAFE.sub(
        lambda match: match.group() if match.group() == "\n" else f"\\u{ord(match.group()):04x}",
        text,
    )
