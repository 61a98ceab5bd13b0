"""Lists of strings with exceptions, files and tables among them, as ldap_table(5) ``domain``.

Source: Postfix's match_list.c and string_list(3). The first item that matches decides.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from mailldap.errors import ConfigError, TableUnavailable
from mailldap.postfix.lines import decode
from mailldap.postfix.words import fold, next_word
from mailldap.tables.base import Failed, Found, Table, TableContext
from mailldap.tables.simple import UnavailableTable

#: Opens the table of a ``type:name`` item.
Opener = Callable[[str, TableContext], Table]


class Pattern(NamedTuple):
    """One item: a folded literal, or a table; ``wanted`` is false behind an odd number of ``!``."""

    text: str
    wanted: bool
    table: Table | None = None


def read_patterns(
    parameter: str, value: str, context: TableContext, opener: Opener
) -> list[Pattern]:
    """Return the items of a list, those of ``/file`` items in place.

    *parameter* is for messages. Raises ConfigError for a lone ``!``, a file that cannot be read or
    a table that cannot be opened.
    """
    return list(_read(parameter, value, context, opener, wanted=True))


def _read(
    parameter: str, text: str, context: TableContext, opener: Opener, *, wanted: bool
) -> list[Pattern]:
    patterns: list[Pattern] = []
    while (step := next_word(text)) is not None:
        word, text = step
        if word.startswith("#"):
            context.warn(f"{parameter}: comment at end of line is not supported: {word} {text}")
            break
        item = word.lstrip("!")
        match = wanted != bool((len(word) - len(item)) % 2)
        if not item:
            raise ConfigError(f"{parameter}: no pattern after '!'", hint="write !name")
        if item.startswith("/"):
            patterns += _from_file(item, parameter, context, opener, wanted=match)
        elif ":" in item and not item.startswith("["):
            patterns.append(Pattern(item, match, opener(item, context)))
        else:
            patterns.append(Pattern(fold(item, utf8=context.utf8), match))
    return patterns


def _from_file(
    path: str, parameter: str, context: TableContext, opener: Opener, *, wanted: bool
) -> list[Pattern]:
    try:
        text = decode(context.read_file(path))
    except IsADirectoryError as error:  # it could be opened: that ends daemons too
        text = f"match_list_parse: read file {path}: {error.strerror}"
        raise ConfigError(text, hint="name a file, with one pattern a line") from error
    except OSError as error:
        reason = f"open file {path}: {error.strerror}"
        if not context.daemon:
            raise TableUnavailable(reason) from error
        context.warn(reason)
        # What takes the file's place is not negated.
        raw = replace(context, utf8=False)  # it fails for keys that are not UTF-8, too
        return [Pattern(path, True, UnavailableTable(f"non-existent:{path}", reason, raw))]
    patterns: list[Pattern] = []
    for line in text.split("\n"):
        if not line.startswith("#"):
            patterns += _read(parameter, line, context, opener, wanted=wanted)
    return patterns


def match_string(
    parameter: str, patterns: list[Pattern], text: str, context: TableContext
) -> bool | Failed:
    """Return whether the list holds *text* in any case, or the failure of a table in it."""
    folded = fold(text, utf8=context.utf8)
    for pattern in patterns:
        if pattern.table is None:
            if folded == pattern.text:
                return pattern.wanted
            continue
        answer = pattern.table.get(folded)
        if isinstance(answer, Found):
            return pattern.wanted
        if isinstance(answer, Failed):
            message = f"{parameter}: {pattern.table.name}: table lookup problem"
            context.warn(message)
            return Failed(message, answer.kind)
    return False
