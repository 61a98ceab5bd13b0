"""A configuration file with the way back from values to the bytes they stand in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from mailldap.postfix.lines import LogicalLine, decode, logical_lines, physical_lines
from mailldap.postfix.main_cf import Setting
from mailldap.postfix.words import split_assignment


@dataclass(frozen=True)
class Span:
    """A part of a file's text: ``text[start:end]``."""

    start: int
    end: int


@dataclass(frozen=True)
class SourceFile:
    """The text of one file. ``name`` is its path as messages show it, ``path`` where it lies."""

    path: Path
    name: str
    content: bytes
    mode: int | None = None  # permission bits; None: a file that exists only in a plan
    uid: int = 0
    gid: int = 0

    @cached_property
    def text(self) -> str:
        """The content as text in which any bytes survive."""
        return decode(self.content)

    @cached_property
    def starts(self) -> tuple[int, ...]:
        """Where in the text each physical line starts, and at last its length."""
        starts = [0]
        for line in physical_lines(self.text):
            starts.append(starts[-1] + len(line))
        return tuple(starts)

    def physical(self, number: int) -> str:
        """Return the physical line *number* (from 1) without its newline."""
        return self.text[self.starts[number - 1] : self.starts[number]].removesuffix("\n")

    @cached_property
    def lines(self) -> tuple[LogicalLine, ...]:
        """The logical lines."""
        return tuple(logical_lines(self.text, self.name))

    @cached_property
    def settings(self) -> tuple[Setting, ...]:
        """The ``name = value`` lines; lines that are none are left out (see faulty)."""
        return tuple(setting for setting, _ in self._assignments() if setting is not None)

    @cached_property
    def faulty(self) -> tuple[tuple[LogicalLine, str], ...]:
        """The logical lines that are no setting, each with Postfix's complaint."""
        return tuple((line, why) for setting, (line, why) in self._assignments() if not setting)

    def _assignments(self) -> Iterator[tuple[Setting | None, tuple[LogicalLine, str]]]:
        for line in self.lines:
            pair = split_assignment(line.text)
            if isinstance(pair, str):
                yield None, (line, pair)
            else:
                yield Setting(*pair, line), (line, "")

    def full_name(self, name: str) -> str:
        """Return a parameter of this file as the administrator wrote it."""
        return name

    def advice(self, text: str) -> str:
        """Return what to do, with parameters as the administrator writes them."""
        return text

    @cached_property
    def last(self) -> dict[str, Setting]:
        """The setting of each name that counts: the last one."""
        return {setting.name: setting for setting in self.settings}

    def place(self, line: LogicalLine, offset: int) -> int:
        """Return where in the text the character *offset* of a logical line stands."""
        for number in line.numbers:
            length = len(self.physical(number))
            if offset < length:
                return self.starts[number - 1] + offset
            offset -= length
        return self.starts[line.last - 1] + len(self.physical(line.last))

    def span(self, line: LogicalLine, start: int, end: int) -> Span:
        """Return the part of the text that characters *start* to *end* of a line stand in."""
        return Span(self.place(line, start), self.place(line, end - 1) + 1)

    def line_at(self, line: LogicalLine, offset: int) -> int:
        """Return the physical line on which the character *offset* of a logical line stands."""
        for number in line.numbers:
            length = len(self.physical(number))
            if offset < length:
                return number
            offset -= length
        return line.last

    @property
    def newline(self) -> str:
        """The line ending that the file uses."""
        return "\r\n" if "\r\n" in self.text else "\n"
