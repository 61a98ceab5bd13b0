"""Logical lines, the syntax under main.cf, master.cf and every table file.

Source: postconf(5) and postmap(1); Postfix's readllines(). Every line knows the physical lines
that it was made of, so that files can be rewritten without touching anything else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from mailldap.postfix.words import SPACE, c_string


class LogicalLine(NamedTuple):
    """One logical line: its text without newlines, and where it came from.

    ``numbers`` are the physical lines (from 1) that contributed text, in order; comment and blank
    lines between them did not.
    """

    text: str
    numbers: tuple[int, ...]

    @property
    def line(self) -> int:
        """The first physical line: what Postfix names in its messages."""
        return self.numbers[0]

    @property
    def last(self) -> int:
        """The last physical line."""
        return self.numbers[-1]


def decode(data: bytes) -> str:
    """Return file contents as text in which any bytes survive."""
    return data.decode("utf-8", "surrogateescape")


def encode(text: str) -> bytes:
    """Return the bytes that :func:`decode` made *text* of."""
    return text.encode("utf-8", "surrogateescape")


def physical_lines(text: str) -> list[str]:
    """Return the physical lines with their newlines: joined they are *text* again.

    Only a newline ends a line; carriage returns and Unicode's separators are text.
    """
    lines = text.split("\n")
    last = lines.pop()
    return [line + "\n" for line in lines] + ([last] if last else [])


def logical_lines(
    text: str, name: str, warn: Callable[[str], None] | None = None
) -> Iterator[LogicalLine]:
    """Yield the logical lines of *text*, which came from the file *name*.

    *warn* is told of the lines that Postfix ignores because nothing stands before them that they
    could continue.
    """
    lines = text.split("\n")
    if not lines[-1]:
        lines.pop()
    parts: list[str] = []
    numbers: list[int] = []
    for number, line in enumerate(lines, 1):
        start = line.lstrip(SPACE)
        if start and not start.startswith("#"):
            parts.append(line)
            numbers.append(number)
        if parts and (number == len(lines) or not _goes_on(lines[number])):
            whole = "".join(parts)
            if whole[0] not in SPACE:
                yield LogicalLine(whole, tuple(numbers))
            elif warn:
                shown = decode(encode(c_string(whole))[:30])
                dots = "..." if len(encode(whole)) > 30 else ""
                warn(f'{name}: logical line must not start with whitespace: "{shown}{dots}"')
            parts, numbers = [], []


def _goes_on(following: str) -> bool:
    """Return whether a logical line may go on with the physical line *following*."""
    return not following or following[0] == "#" or following[0] in SPACE
