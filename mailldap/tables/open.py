"""From ``type:name`` to a table, and from a list of them to something that can be searched.

Source: Postfix's dict_open.c, mail_dict.c, dynamicmaps.c (which types there are), maps.c and
postmap.c (how several are searched).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from mailldap.errors import ConfigError, TableUnavailable
from mailldap.postfix.words import split_braced
from mailldap.tables.base import Answer, Failed, Found, NotFound, Table, TableContext
from mailldap.tables.simple import (
    FailTable,
    StaticTable,
    UnavailableTable,
    UnixTable,
    open_inline,
    open_nis,
)
from mailldap.tables.text import DATABASE_SUFFIXES, TextTable, open_database, open_texthash

#: Postfix has them, Debian's does not.
_NOT_IN_DEBIAN = frozenset({"dbm", "sdbm"})
_NOT_HERE = {
    "environ": "it answers from the environment of each Postfix process",
    "memcache": "it answers from a memcache server",
    "mysql": "it answers from a MySQL server",
    "pgsql": "it answers from a PostgreSQL server",
    "randmap": "its answers are random",
    "socketmap": "it answers from another program's socket",
    "sqlite": "it answers from an SQLite database",
    "tcp": "it answers from another program's socket",
}


def open_table(spec: str, context: TableContext) -> Table:
    """Return the table that ``type:name`` means, as dict_open(3) does.

    ``proxy:`` is seen through; a daemon needs proxy_read_maps to allow it. Raises ConfigError for
    a table that Postfix could not use either, or that cannot be asked from here; where
    ``context.daemon`` is set, a table that a daemon would start without is returned as one whose
    lookups fail.
    """
    kind, _, name = spec.partition(":")
    if not kind or not name:
        raise ConfigError(f'open dictionary: expecting "type:name" form instead of "{spec}"')
    try:
        return _open(kind, name, context)
    except TableUnavailable as error:
        if not context.daemon:
            raise
        context.warn(error.message)
        return UnavailableTable(spec, error.message, context)


def _open(kind: str, name: str, context: TableContext) -> Table:
    if kind == "proxy":
        return _open_proxy(name, context)
    opener = _OPENERS.get(kind)
    if opener is not None:
        return opener(name, context)
    if kind in DATABASE_SUFFIXES and not (context.debian and kind in _NOT_IN_DEBIAN):
        return open_database(kind, name, context)
    if kind in _NOT_HERE:
        raise ConfigError(
            f"{kind}:{name} cannot be asked from here: {_NOT_HERE[kind]}",
            hint="ask the Postfix that uses it, with postmap -q",
        )
    raise TableUnavailable(
        f"unsupported dictionary type: {kind}",
        hint="type names are case-sensitive; postconf -m lists Postfix's",
    )


# A short command asks tables of one type: the others need not be imported.


def _open_proxy(name: str, context: TableContext) -> Table:
    from mailldap.tables.proxy import behind_proxy

    # proxymap is a daemon, whoever asks it.
    return open_table(behind_proxy(name, context), replace(context, daemon=True))


def _open_cidr(name: str, context: TableContext) -> Table:
    from mailldap.tables.cidr import open_cidr

    return open_cidr(name, context)


def _open_ldap(name: str, context: TableContext) -> Table:
    from mailldap.tables.ldap_table import LdapTable

    return LdapTable(name, context, open_table)


def _open_pipe(name: str, context: TableContext) -> Table:
    from mailldap.tables.union import PipeTable

    return PipeTable(name, context, open_table)


def _open_union(name: str, context: TableContext) -> Table:
    from mailldap.tables.union import UnionTable

    return UnionTable(name, context, open_table)


def _open_regexp(name: str, context: TableContext) -> Table:
    from mailldap.tables.regexp import open_regexp

    return open_regexp(name, context)


def _open_pcre(name: str, context: TableContext) -> Table:
    from mailldap.tables.regexp import open_pcre

    return open_pcre(name, context)


_OPENERS: dict[str, Callable[[str, TableContext], Table]] = {
    "cidr": _open_cidr,
    "fail": FailTable,
    "inline": open_inline,
    "internal": lambda name, context: TextTable("internal", name, context, {}),
    "ldap": _open_ldap,
    "nis": open_nis,
    "pcre": _open_pcre,
    "pipemap": _open_pipe,
    "regexp": _open_regexp,
    "static": StaticTable,
    "texthash": open_texthash,
    "unionmap": _open_union,
    "unix": UnixTable,
}


#: Every type of table that Postfix knows, with all its packages.
MAP_TYPES = frozenset({*_OPENERS, *DATABASE_SUFFIXES, *_NOT_HERE, "proxy"})


class Maps:
    """Tables that are searched in order, as a daemon searches the value of a parameter.

    ``title`` is the parameter's name, for messages.
    """

    def __init__(self, title: str, tables: Sequence[Table], context: TableContext) -> None:
        self.title = title
        self.tables = tuple(tables)
        self._context = context

    def find(self, key: str, *, partial: bool = False) -> Answer:
        """Return the first value or failure; *partial* keys are not shown to pattern tables.

        The empty key is in no table; an empty value is a failure.
        """
        if not key:
            return NotFound()
        for table in self.tables:
            if partial and not table.fixed:
                continue
            answer = table.get(key)
            if isinstance(answer, Found) and not answer.value:
                self._context.warn(f"{self.title} lookup of {key} returns an empty string result")
                self._context.warn(f"{self.title} should return NO RESULT in case of NOT FOUND")
                return Failed(f"{table.name}: empty result for {key}", "config")
            if isinstance(answer, Failed):
                self._context.warn(f'{table.name} lookup error for "{key}"')
            if not isinstance(answer, NotFound):
                return answer
        return NotFound()

    def close(self) -> None:
        """Close all tables."""
        for table in self.tables:
            table.close()


def open_maps(specs: str, context: TableContext, *, title: str = "maps") -> Maps:
    """Return the tables of a parameter's value, all of them opened.

    Raises ConfigError as :func:`open_table`.
    """
    return Maps(title, [open_table(spec, context) for spec in split_braced(specs)], context)


def lookup(specs: Sequence[str], key: str, context: TableContext) -> Answer:
    """Return what ``postmap -q KEY SPEC…`` finds: tables are opened and asked one by one.

    A failure of one table is the answer; later ones are then not even opened. Raises ConfigError
    as :func:`open_table`.
    """
    return Lookup(specs, context).get(key)


class Lookup:
    """Asks tables as postmap does with several keys: each is opened when it is first needed.

    Here, and nowhere in a configuration, a bare path has $default_database_type (postmap(1)).
    """

    def __init__(self, specs: Sequence[str], context: TableContext) -> None:
        self._specs = specs
        self._context = context
        self._tables: list[Table] = []

    def get(self, key: str) -> Answer:
        """Return the first value or failure for *key*."""
        position = 0
        while (table := self.table(position)) is not None:
            answer = self.checked(table, key, table.get(key))
            if not isinstance(answer, NotFound):
                return answer
            position += 1
        return NotFound()

    def table(self, position: int) -> Table | None:
        """Return the table at *position*, opened if need be; None behind the last."""
        if position == len(self._specs):
            return None
        if position == len(self._tables):
            self._tables.append(open_table(self._typed(self._specs[position]), self._context))
        return self._tables[position]

    def _typed(self, spec: str) -> str:
        kind = self._context.parameter("default_database_type") or "hash"
        return spec if ":" in spec else f"{kind}:{spec}"

    def checked(self, table: Table, key: str, answer: Answer) -> Answer:
        """Return *answer*, after the warnings about one that is empty."""
        if isinstance(answer, Found) and not answer.value:
            self._context.warn(f"table {table.name}: key {key}: empty string result is not allowed")
            self._context.warn(f"table {table.name} should return NO RESULT in case of NOT FOUND")
        return answer

    def close(self) -> None:
        """Close the tables that were opened."""
        for table in self._tables:
            table.close()
