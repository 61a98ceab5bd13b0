"""The entries of master.cf with the places of their words (master(5))."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mailldap.audit.source import SourceFile
from mailldap.postfix.lines import LogicalLine
from mailldap.postfix.words import BLANKS, COMMA_SPACE, next_word, unbrace


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a logical line and the characters ``start`` to ``end`` that it stands in."""

    text: str
    start: int

    @property
    def end(self) -> int:
        """The first character behind the word."""
        return self.start + len(self.text)


@dataclass(frozen=True, slots=True)
class Override:
    """``-o name=value`` of a service; ``start`` is where in the logical line the value begins."""

    value: str
    start: int
    line: int


@dataclass(frozen=True, slots=True)
class Service:
    """One entry. ``fields`` are the words up to the command, ``arguments`` those behind it."""

    file: SourceFile
    source: LogicalLine
    fields: tuple[Word, ...]
    arguments: tuple[Word, ...]

    @property
    def name(self) -> str:
        """The service name, its first field."""
        return self.fields[0].text

    @property
    def kind(self) -> str:
        """inet, unix, unix-dgram, fifo or pass."""
        return self.fields[1].text

    @property
    def chroot(self) -> str:
        """``y``, ``n`` or ``-``."""
        return self.fields[4].text

    @property
    def command(self) -> str:
        """The program."""
        return self.fields[7].text

    @property
    def line(self) -> int:
        """The physical line on which the entry starts."""
        return self.source.line

    @property
    def overrides(self) -> dict[str, Override]:
        """The main.cf parameters that the entry sets for its program."""
        found = {}
        for name, value, start in self._options():
            found[name] = Override(value, start, self.file.line_at(self.source, start))
        return found

    def _options(self) -> Iterator[tuple[str, str, int]]:
        words = iter(self.arguments)
        for word in words:
            if word.text == "-o":
                assignment = next(words, None)
            elif word.text.startswith("-o"):
                assignment = Word(word.text[2:], word.start + 2)
            else:
                continue
            if assignment is None:
                return
            text, start = assignment.text, assignment.start
            if text.startswith("{"):
                inside, _ = unbrace(text, strip=True)
                start += text.index(inside) if inside else 0
                text = inside
            name, equals, value = text.partition("=")
            if equals:
                start += len(name) + 1 + len(value) - len(value.lstrip(BLANKS))
                yield name.rstrip(BLANKS), value.strip(BLANKS), start


def services_of(file: SourceFile) -> Iterator[Service]:
    """Yield the entries that have all eight fields; a later one of the same name and type wins."""
    for line in file.lines:
        words = tuple(words_of(line.text, BLANKS))
        if len(words) >= 8:
            yield Service(file, line, words[:8], words[8:])


def words_of(text: str, separators: str = COMMA_SPACE) -> Iterator[Word]:
    """Yield the words of a list with their places; ``{…}`` protects separators."""
    rest = text
    while (step := next_word(rest, separators)) is not None:
        word, after = step
        start = len(text) - len(rest.lstrip(separators))
        yield Word(word, start)
        rest = after
