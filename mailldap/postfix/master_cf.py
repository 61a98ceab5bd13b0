"""master.cf as master(8) reads it: services with their fields, defaults and places in the file.

Source: master(5); Postfix's master_ent.c and master_conf.c.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mailldap.errors import ConfigError
from mailldap.postfix.lines import LogicalLine, decode, logical_lines
from mailldap.postfix.words import BLANKS, SPACE, c_string, number_of, unbrace

TYPES = ("inet", "unix", "unix-dgram", "fifo", "pass")
_FIELDS = (
    "transport type",
    "private",
    "unprivileged",
    "chroot",
    "wakeup_time",
    "max_proc",
    "command",
)


@dataclass(frozen=True, slots=True)
class Word:
    """One word of an entry, as written, with the place of its first character.

    ``line`` counts from 1, ``column`` from 0 within the physical line.
    """

    text: str
    line: int
    column: int

    @property
    def value(self) -> str:
        """The word without the braces around it."""
        return unbrace(self.text, strip=True)[0] if self.text.startswith("{") else self.text


@dataclass(frozen=True, slots=True)
class Service:
    """One service.

    Fields with ``-`` have their default: ``private`` and ``unprivileged`` true, ``chroot`` as the
    compatibility level says, no ``wakeup`` (seconds), ``max_proc`` None for
    $default_process_limit. ``wakes_if_used`` is the ``?`` after the wakeup time.
    """

    name: str
    type: str
    private: bool
    unprivileged: bool
    chroot: bool
    wakeup: int
    wakes_if_used: bool
    max_proc: int | None
    command: str
    arguments: tuple[Word, ...]
    words: tuple[Word, ...]
    source: LogicalLine

    @property
    def line(self) -> int:
        """The physical line on which the entry starts."""
        return self.source.line

    @property
    def key(self) -> str:
        """``name/type``, which is unique among the services that run."""
        return f"{self.name}/{self.type}"

    def options(self) -> dict[str, str]:
        """Return the main.cf parameters that ``-o name=value`` arguments override, as written.

        Both ``-o name=value`` and ``-o { name = value }`` are understood; the last of several
        equal names counts.
        """
        found: dict[str, str] = {}
        values = [word.value for word in self.arguments]
        position = 0
        while position < len(values):
            word = values[position]
            setting = None
            if word == "-o":
                position += 1
                setting = values[position] if position < len(values) else None
            elif word.startswith("-o"):
                setting = word[2:]
            if setting is not None and "=" in setting:
                name, _, value = setting.partition("=")
                found[name.strip(SPACE)] = value.strip(SPACE)
            position += 1
        return found


class MasterCf:
    """A master.cf that has been read.

    ``services`` are the ones that run: of several with the same name and type the last.
    ``entries`` holds all, in file order; ``warnings`` what master(8) logs.
    """

    def __init__(self, entries: tuple[Service, ...], name: str, warnings: list[str]) -> None:
        self.entries = entries
        self.name = name
        self.warnings = warnings
        self.services = {entry.key: entry for entry in entries}

    @classmethod
    def load(cls, directory: str | Path, *, chroot: bool = False) -> MasterCf:
        """Return the master.cf of a configuration directory. Raises ConfigError."""
        path = Path(directory) / "master.cf"
        try:
            data = path.read_bytes()
        except OSError as error:
            raise ConfigError(f"open {path}: {error.strerror}") from error
        return cls.parse(decode(data), str(path), chroot=chroot)

    @classmethod
    def parse(cls, text: str, name: str = "master.cf", *, chroot: bool = False) -> MasterCf:
        """Return the master.cf with that text; *name* is for messages.

        *chroot* is what ``-`` means in that field: true below compatibility level 1. Raises
        ConfigError at the first entry that master(8) refuses.
        """
        warnings: list[str] = []
        lines = text.split("\n")
        entries: dict[int, Service] = {}
        seen: dict[str, int] = {}
        for line in logical_lines(text, name, warnings.append):
            words = tuple(_words(line, lines))
            service = _Entry(words, line, name).service(chroot=chroot)
            if service.key in seen:
                warnings.append(
                    f'duplicate master.cf entry for service "{service.name}" '
                    f"({name}, line {line.line}) -- using the last entry"
                )
            seen[service.key] = line.line
            entries[line.line] = service
        return cls(tuple(entries.values()), name, warnings)

    def transport(self, name: str) -> Service | None:
        """Return the delivery service of that name, which other programs reach by its socket."""
        return self.services.get(f"{name}/unix")


def _words(line: LogicalLine, lines: list[str]) -> Iterator[Word]:
    """Yield the words of an entry; ``{…}`` is one word from the eighth field's successor on."""
    text = c_string(line.text)
    position = 0
    while True:
        position += len(text[position:]) - len(text[position:].lstrip(BLANKS))
        if position >= len(text):
            return
        end = _word_end(text, position)
        number, column = _place(line, lines, position)
        yield Word(text[position:end], number, column)
        position = end


def _word_end(text: str, start: int) -> int:
    level = 0
    for position in range(start, len(text)):
        character = text[position]
        if character == "{":
            level += 1
        elif character == "}" and level:
            level -= 1
        elif not level and character in BLANKS:
            return position
    return len(text)


def _place(line: LogicalLine, lines: list[str], position: int) -> tuple[int, int]:
    """Return physical line and column of a position in the logical line."""
    for number in line.numbers:
        length = len(lines[number - 1])
        if position < length:
            return number, position
        position -= length
    raise AssertionError(line)


class _Entry:
    """The words of one entry on their way to a service."""

    def __init__(self, words: tuple[Word, ...], line: LogicalLine, name: str) -> None:
        self.words = words
        self.line = line
        self.file = name

    def service(self, *, chroot: bool) -> Service:
        if not self.words:  # a line that begins with NUL
            raise self.fault('missing "service name" field')
        name = self.words[0].text
        kind = self.field(1)
        if kind not in TYPES:
            raise self.fault(f"bad transport type: {kind}", f"one of {', '.join(TYPES)}")
        private = self.flag(2, default=True)
        if kind == "inet" and private:
            raise self.fault("inet service cannot be private", "write n in the third field")
        unprivileged = self.flag(3, default=True)
        chrooted = self.flag(4, default=chroot)
        wakeup = self.number(5, "0")
        max_proc = None if self.raw(6) == "-" else self.number(6, "0")
        command = self.field(7)
        arguments = self.words[8:]
        for word in arguments:
            error = unbrace(word.text, strip=True)[1] if word.text.startswith("{") else None
            if error:
                raise self.fault(error)
        return Service(
            name=name,
            type=kind,
            private=private,
            unprivileged=unprivileged,
            chroot=chrooted,
            wakeup=wakeup,
            wakes_if_used=wakeup > 0 and self.raw(5).endswith("?"),
            max_proc=max_proc,
            command=command,
            arguments=arguments,
            words=self.words,
            source=self.line,
        )

    def raw(self, index: int) -> str:
        if index >= len(self.words):
            raise self.fault(f'missing "{_FIELDS[index - 1]}" field')
        return self.words[index].text

    def field(self, index: int) -> str:
        text = self.raw(index)
        if text == "-":
            raise self.fault(f'field "{_FIELDS[index - 1]}" has no default value')
        return text

    def flag(self, index: int, *, default: bool) -> bool:
        text = self.raw(index)
        if text not in {"y", "n", "-"}:
            raise self.bad(index, text, "y, n or - (lower case)")
        return default if text == "-" else text == "y"

    def number(self, index: int, default: str) -> int:
        text = self.raw(index)
        text = default if text == "-" else text
        digits = text[: len(text) - len(text.lstrip("0123456789"))]
        number = (number_of(digits) + 2**31) % 2**32 - 2**31  # as atoi(3) has it
        if not digits or number < 0 or number_of(digits) >= 2**63:
            raise self.bad(index, text, "a number or -")
        return number

    def bad(self, index: int, text: str, hint: str) -> ConfigError:
        return self.fault(f'field "{_FIELDS[index - 1]}": bad value: "{text}"', hint)

    def fault(self, message: str, hint: str | None = None) -> ConfigError:
        return ConfigError(message, file=self.file, line=self.line.line, hint=hint)
