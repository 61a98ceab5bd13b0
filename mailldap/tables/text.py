"""Tables that are a text file: texthash, and hash, btree, lmdb, cdb, dbm, sdbm by their source.

Source: postmap(1), "TABLE FILE FORMAT"; Postfix's postmap.c and dict_thash.c; aliases(5).
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from mailldap.errors import ConfigError, TableUnavailable
from mailldap.postfix.lines import decode, logical_lines
from mailldap.postfix.words import COMMA_SPACE, c_string, fold, is_utf8, split_key, split_list
from mailldap.tables.base import Answer, Found, NotFound, TableContext, not_opened
from mailldap.tables.table import BaseTable

#: Types that postmap(1) makes from text, and what it appends to the file's name.
DATABASE_SUFFIXES = {
    "hash": (".db",),
    "btree": (".db",),
    "lmdb": (".lmdb",),
    "cdb": (".cdb",),
    "dbm": (".dir", ".pag"),
    "sdbm": (".dir", ".pag"),
}


_LOG_THE_DATABASE = frozenset({"hash", "btree", "cdb"})


class TextTable(BaseTable):
    """A table whose lines have been read."""

    folds = True

    def __init__(
        self, kind: str, path: str, context: TableContext, entries: dict[str, str]
    ) -> None:
        super().__init__(kind, path, context)
        self._entries = entries
        self._hit = False

    @property
    def entries(self) -> Mapping[str, str]:
        """All keys, as they are compared, and their values."""
        return self._entries

    @property
    def logged_name(self) -> str:
        """The name in warnings: some types log the database's file."""
        suffix = DATABASE_SUFFIXES[self.kind][0] if self.kind in _LOG_THE_DATABASE else ""
        return f"{self.name}{suffix}"

    def find(self, key: str) -> Answer:
        """Return the value of exactly that key.

        Raises ConfigError for the empty key where an lmdb table ends the program.
        """
        if self.kind == "lmdb" and not key and not self._hit:
            raise ConfigError(
                f"error reading {self.name}: MDB_BAD_VALSIZE: "
                "Unsupported size of key/DB name/data, or wrong DUPFIXED size",
                hint="the empty key cannot be looked up in lmdb tables",
            )
        value = self._entries.get(key)
        if value is None:
            return NotFound()
        self._hit = True  # from now on Postfix knows that keys end with a null byte there
        return Found(value)


def table_lines(text: str, path: str, context: TableContext) -> Iterator[tuple[int, str]]:
    """Yield the logical lines of a table file that Postfix looks at, with their numbers."""
    for line in logical_lines(text, path, context.warn):
        if context.utf8 and not is_utf8(line.text):
            context.warn(
                f'{path}, line {line.line}: non-UTF-8 input "{line.text}" -- ignoring this line'
            )
        else:
            yield line.line, c_string(line.text)


def read_entries(text: str, path: str, context: TableContext) -> dict[str, str]:
    """Return keys, folded as postmap(1) does, and values of a table file.

    The first of several equal keys counts. ``context.warn`` is told of lines that are ignored.
    """
    entries: dict[str, str] = {}
    for number, content in table_lines(text, path, context):
        where = f"{path}, line {number}"
        pair = split_key(content)
        if pair is None:
            context.warn(f"{where}: unbalanced '\"' in '{content}' -- ignoring this line")
            continue
        key, value = pair
        if not key or not value:
            context.warn(f"{where}: expected format: key whitespace value -- ignoring this line")
            continue
        if key.endswith(":"):
            context.warn(f'{where}: record is in "key: value" format; is this an alias file?')
        folded = fold(key, utf8=context.utf8) if context.fold else key
        if folded in entries:
            duplicate = f'{where}: duplicate entry: "{key}"'
            if context.daemon:
                raise TableUnavailable(duplicate, file=path, line=number)
            context.warn(duplicate)
        entries.setdefault(folded, value)
    return entries


def open_texthash(path: str, context: TableContext) -> TextTable:
    """Return the table of a text file.

    Raises TableUnavailable where it cannot be opened, ConfigError for a directory, which can.
    """
    try:
        text = decode(context.read_file(path))
    except IsADirectoryError as error:
        raise ConfigError(f"read {path}: {error.strerror}") from error
    except OSError as error:
        raise not_opened(path, error, "open database") from error
    return TextTable("texthash", path, context, read_entries(text, path, context))


def open_database(kind: str, path: str, context: TableContext) -> TextTable:
    """Return the table of a database, answered from the text that it is made from.

    That is a table file of postmap(1), or one of postalias(1) where main.cf says so.

    A database file that is missing, or older than its text, is a warning: Postfix would not see
    what we see. Raises ConfigError where there is no text, and TableUnavailable where there is
    no database either: then it is known that Postfix cannot answer.
    """
    suffix = DATABASE_SUFFIXES[kind][0]
    try:
        text = decode(context.read_file(path))
    except OSError as error:
        nothing = isinstance(error, FileNotFoundError | IsADirectoryError)
        if nothing and not os.path.lexists(path + suffix):
            missing = FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
            raise not_opened(path + suffix, missing, "open database") from error
        raise ConfigError(
            f"open database {path}{suffix}: only its text can be read here, "
            f"and that gives: {error.strerror}",
            file=path,
            hint=f"put the text that postmap {kind}:{path} reads beside the database",
        ) from error
    maker, read = "postmap", read_entries
    if _is_alias_file(f"{kind}:{path}", context):
        from mailldap.tables.alias_file import read_aliases

        maker, read = "postalias", read_aliases
    _compare_times(path, path + suffix, maker, context.warn)
    # Keys are folded then whatever the reader wants, and it was said what is ignored.
    entries = read(text, path, replace(context, fold=True, daemon=False, warn=_said_already))
    return TextTable(kind, path, context, entries)


def _said_already(_text: str) -> None:
    """Drop what is no news at a lookup."""


def _is_alias_file(spec: str, context: TableContext) -> bool:
    """Tell whether main.cf has ``type:name`` made by postalias(1).

    newaliases(1) makes what alias_database names, and local(8) asks what alias_maps names.
    """
    for parameter in ("alias_maps", "alias_database"):
        words = split_list(context.parameter(parameter) or "", COMMA_SPACE + "{}")
        if spec in words or f"proxy:{spec}" in words:
            return True
    return False


def _compare_times(text: str, database: str, maker: str, warn: Callable[[str], None]) -> None:
    """Warn where Postfix, which reads the database, may see something else than its text."""
    try:
        text_time = Path(text).stat().st_mtime
    except OSError:
        return  # a text that the caller made up
    try:
        database_time = Path(database).stat().st_mtime
    except OSError as error:
        warn(f"open database {database}: {error.strerror}; run {maker} on {text}")
        return
    if text_time > database_time:
        warn(f"database {database} is older than source file {text}")
