"""The entries of master.cf, those that master(8) refuses left out but told about."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mailldap.audit.source import SourceFile
from mailldap.errors import ConfigError
from mailldap.postfix import master_cf
from mailldap.postfix.lines import LogicalLine
from mailldap.postfix.words import BLANKS, COMMA_SPACE, next_word


@dataclass(frozen=True, slots=True)
class Word:
    """A word and the characters ``start`` to ``end`` of its logical line that it stands in."""

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
    """One entry and the file that it stands in."""

    file: SourceFile
    entry: master_cf.Service

    @property
    def name(self) -> str:
        """The service name."""
        return self.entry.name

    @property
    def command(self) -> str:
        """The program."""
        return self.entry.command

    @property
    def line(self) -> int:
        """The physical line on which the entry starts."""
        return self.entry.line

    @property
    def source(self) -> LogicalLine:
        """The logical line."""
        return self.entry.source

    @property
    def arguments(self) -> list[Word]:
        """The words behind the command."""
        return [self._placed(word) for word in self.entry.arguments]

    @property
    def overrides(self) -> dict[str, Override]:
        """The main.cf parameters that the entry sets for its program."""
        found = {}
        words = iter(self.arguments)
        for word in words:
            if word.text == "-o":
                following = next(words, None)
            elif word.text.startswith("-o"):
                following = Word(word.text[2:], word.start + 2)
            else:
                continue
            if following is not None and "=" in following.text:
                name, override = self._override(following)
                found[name] = override
        return found

    def _override(self, word: Word) -> tuple[str, Override]:
        text = word.text[1:-1] if word.text.startswith("{") else word.text
        start = word.start + (1 if word.text.startswith("{") else 0)
        name, _, value = text.partition("=")
        start += len(name) + 1 + len(value) - len(value.lstrip(BLANKS))
        line = self.file.line_at(self.source, start)
        return name.strip(BLANKS), Override(value.strip(BLANKS), start, line)

    def _placed(self, word: master_cf.Word) -> Word:
        before = (n for n in self.source.numbers if n < word.line)
        return Word(word.text, word.column + sum(len(self.file.physical(n)) for n in before))


def services_of(file: SourceFile) -> tuple[tuple[Service, ...], tuple[ConfigError, ...]]:
    """Return the entries in file order, and for each that master(8) refuses its fault."""
    lines = file.text.split("\n")
    faults = []
    while True:
        try:
            parsed = master_cf.MasterCf.parse("\n".join(lines), file.name)
        except ConfigError as fault:
            faults.append(fault)
            for number in next(line for line in file.lines if line.line == fault.line).numbers:
                lines[number - 1] = "#"
        else:
            return tuple(Service(file, entry) for entry in parsed.entries), tuple(faults)


def words_of(text: str, separators: str = COMMA_SPACE) -> Iterator[Word]:
    """Yield the words of a list with their places; ``{…}`` protects separators."""
    rest = text
    while (step := next_word(rest, separators)) is not None:
        word, after = step
        start = len(text) - len(rest.lstrip(separators))
        yield Word(word, start)
        rest = after
