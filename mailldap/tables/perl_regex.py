"""Perl-compatible regular expressions for ``pcre:`` tables: libpcre2, or Python's ``re``.

libpcre2 is what Postfix uses; where it is not installed, the patterns that mean the same to
``re`` still work, and the others say so. Patterns and keys are bytes, as for Postfix.
Source: pcre_table(5), pcre2pattern(3).
"""

from __future__ import annotations

import ctypes
import re
from functools import cache
from typing import Any, Protocol

CASELESS, MULTILINE, DOTALL, EXTENDED = 0x8, 0x400, 0x20, 0x80
ANCHORED, DOLLAR_ENDONLY, UNGREEDY = 0x80000000, 0x10, 0x40000
_NO_MATCH = -1
_CAPTURE_COUNT = 4


class PerlError(Exception):
    """A pattern that does not compile or a match that failed, in libpcre2's words."""


class Compiled(Protocol):
    """One compiled pattern with the number of its groups."""

    groups: int

    def match(self, text: bytes) -> list[tuple[int, int]] | None:
        """Return the spans of the match and of each group (equal ends: empty), or None."""
        ...


def compile_pattern(pattern: bytes, options: int) -> Compiled:
    """Return the compiled pattern. Raises PerlError."""
    library = _library()
    return _Python(pattern, options) if library is None else _Pcre2(library, pattern, options)


@cache
def _library() -> Any:
    """Return libpcre2, or None where it is not installed."""
    for name in ("libpcre2-8.so.0", "libpcre2-8.dylib"):
        try:
            library = ctypes.CDLL(name)
        except OSError:
            continue
        pointer, size = ctypes.c_void_p, ctypes.c_size_t
        library.pcre2_compile_8.restype = pointer
        library.pcre2_compile_8.argtypes = [
            ctypes.c_char_p, size, ctypes.c_uint32,
            ctypes.POINTER(ctypes.c_int), ctypes.POINTER(size), pointer,
        ]  # fmt: skip
        library.pcre2_match_data_create_from_pattern_8.restype = pointer
        library.pcre2_match_data_create_from_pattern_8.argtypes = [pointer, pointer]
        library.pcre2_match_8.argtypes = [
            pointer, ctypes.c_char_p, size, size, ctypes.c_uint32, pointer, pointer,
        ]  # fmt: skip
        library.pcre2_get_ovector_pointer_8.restype = ctypes.POINTER(size)
        library.pcre2_get_ovector_pointer_8.argtypes = [pointer]
        library.pcre2_pattern_info_8.argtypes = [pointer, ctypes.c_uint32, pointer]
        library.pcre2_code_free_8.argtypes = [pointer]
        library.pcre2_match_data_free_8.argtypes = [pointer]
        library.pcre2_get_error_message_8.argtypes = [ctypes.c_int, ctypes.c_char_p, size]
        return library
    return None


class _Pcre2:
    def __init__(self, library: Any, pattern: bytes, options: int) -> None:
        self._library = library
        error, offset = ctypes.c_int(), ctypes.c_size_t()
        self._code = library.pcre2_compile_8(
            pattern, len(pattern), options, ctypes.byref(error), ctypes.byref(offset), None
        )
        if not self._code:
            raise PerlError(f"error in regex at offset {offset.value}: {self._text(error.value)}")
        self._data = library.pcre2_match_data_create_from_pattern_8(self._code, None)
        count = ctypes.c_uint32()
        library.pcre2_pattern_info_8(self._code, _CAPTURE_COUNT, ctypes.byref(count))
        self.groups = count.value

    def _text(self, error: int) -> str:
        buffer = ctypes.create_string_buffer(256)
        self._library.pcre2_get_error_message_8(error, buffer, len(buffer))
        return buffer.value.decode("ascii", "replace")

    def match(self, text: bytes) -> list[tuple[int, int]] | None:
        result = self._library.pcre2_match_8(self._code, text, len(text), 0, 0, self._data, None)
        if result == _NO_MATCH:
            return None
        if result <= 0:
            raise PerlError(self._text(result))
        vector = self._library.pcre2_get_ovector_pointer_8(self._data)
        return [(vector[2 * n], vector[2 * n + 1]) for n in range(self.groups + 1)]

    def __del__(self) -> None:
        if getattr(self, "_code", None):
            self._library.pcre2_match_data_free_8(self._data)
            self._library.pcre2_code_free_8(self._code)


#: What means the same to both libraries, one token at a time.
_COMMON = re.compile(
    rb"""
    [^\\\[\](){}*+?.^$|\x80-\xff]           # itself
  | \\[^0-9A-Za-z]                          # escaped punctuation
  | \\[dDwWsSbBA]
  | \[\^?(?:[^\\\[\]\-] | \\[^0-9A-Za-z] | \\[dDwWsS] | (?<=[0-9A-Za-z])-(?=[0-9A-Za-z]))+\]
  | \((?!\?) | \(\?: | \(\?[=!] | \)
  | [.^$|]
  | (?:[*+?] | \{[0-9]+(?:,[0-9]*)?\}) [?]?
    """,
    re.VERBOSE | re.DOTALL,
)


class _Python:
    def __init__(self, pattern: bytes, options: int) -> None:
        strange = ANCHORED | DOLLAR_ENDONLY | UNGREEDY | EXTENDED
        position = 0
        while position < len(pattern) and (token := _COMMON.match(pattern, position)):
            position = token.end()
        if options & strange or position < len(pattern):
            raise PerlError(
                "this pattern needs libpcre2, which is not installed here "
                f"(its meaning is not Python's from character {position + 1} on)"
            )
        flags = re.IGNORECASE if options & CASELESS else 0
        flags |= re.MULTILINE if options & MULTILINE else 0
        flags |= re.DOTALL if options & DOTALL else 0
        try:
            self._pattern = re.compile(pattern, flags)
        except re.error as error:
            raise PerlError(f"error in regex at offset {error.pos}: {error.msg}") from error
        self.groups = self._pattern.groups

    def match(self, text: bytes) -> list[tuple[int, int]] | None:
        found = self._pattern.search(text)
        return found and [found.span(group) for group in range(self.groups + 1)]
