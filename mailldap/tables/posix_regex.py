"""The C library's regular expressions, which ``regexp:`` tables are made of.

POSIX wants the leftmost longest match, which decides what ``$1`` stands for; Python's ``re`` has
other rules, so the library that Postfix uses is asked itself, in the C locale like Postfix.
Source: regcomp(3), regexp_table(5).
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

EXTENDED, ICASE, NEWLINE, NOSUB = 1, 2, 4, 8
_NO_MATCH = 1
_LC_ALL_MASK = 0x1FBF
#: regex_t takes 64 bytes where pointers have 8; re_nsub comes after six words.
_SPACE = 256


class RegexError(Exception):
    """A pattern that does not compile, in regerror(3)'s words, or a library that is not there."""


class _Span(ctypes.Structure):
    _fields_ = (("start", ctypes.c_int), ("end", ctypes.c_int))


@cache
def _library() -> tuple[Any, Any]:
    """Return the C library and its "C" locale. Raises RegexError where it is not GNU's."""
    library = ctypes.CDLL(None)
    try:
        library.gnu_get_libc_version  # noqa: B018  is it there?
        library.newlocale.restype = ctypes.c_void_p
        library.newlocale.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p]
        library.uselocale.restype = ctypes.c_void_p
        library.uselocale.argtypes = [ctypes.c_void_p]
    except AttributeError as error:
        raise RegexError("regexp tables need the GNU C library") from error
    return library, library.newlocale(_LC_ALL_MASK, b"C", None)


class Regex:
    """One compiled pattern."""

    def __init__(self, pattern: bytes, flags: int, wanted: int) -> None:
        """Compile; *wanted* is the highest group whose span is needed. Raises RegexError."""
        self._compiled: Any = None
        library, locale = _library()
        memory = ctypes.create_string_buffer(_SPACE)
        before = library.uselocale(locale)
        try:
            code = library.regcomp(memory, pattern, flags)
            if code:
                text = ctypes.create_string_buffer(256)
                library.regerror(code, memory, text, len(text))
                raise RegexError(text.value.decode("ascii", "replace"))
        finally:
            library.uselocale(before)
        self._compiled = memory
        words = ctypes.cast(memory, ctypes.POINTER(ctypes.c_size_t))
        #: The number of parenthesised subexpressions.
        self.groups = int(words[6])
        self._wanted = min(wanted, self.groups)

    def match(self, text: bytes) -> list[tuple[int, int]] | None:
        """Return the spans of the match and of the wanted subexpressions, or None.

        (-1, -1) stands for a subexpression that took no part. Raises RegexError.
        """
        library, locale = _library()
        count = self._wanted + 1 if self._wanted else 0
        spans = (_Span * max(count, 1))()
        before = library.uselocale(locale)
        try:
            code = library.regexec(self._compiled, text, count, spans, 0)
            if code == _NO_MATCH:
                return None
            if code:
                message = ctypes.create_string_buffer(256)
                library.regerror(code, self._compiled, message, len(message))
                raise RegexError(message.value.decode("ascii", "replace"))
        finally:
            library.uselocale(before)
        return [(span.start, span.end) for span in spans]

    def __del__(self) -> None:
        if self._compiled is not None:
            _library()[0].regfree(self._compiled)
