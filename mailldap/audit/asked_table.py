"""One LDAP table and its servers, asked as the table itself asks: what the rules look into."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from mailldap.audit.configuration import Configuration
from mailldap.audit.finding import Finding, Severity
from mailldap.audit.server_schema import ServerSchema
from mailldap.audit.source import SourceFile
from mailldap.directory.base import (
    Reader,
    Scope,
    SearchRequest,
    SearchResult,
    Session,
    SessionOpener,
)
from mailldap.errors import FilterError, LdapRefusal
from mailldap.ldap.entry import Entry
from mailldap.ldap.filter import And, Equality, Filter, Or, Present, parse_libldap
from mailldap.tables.ldap_config import LdapConfig

#: Stands for the key in a filter template; no address can be it.
_KEY = "mailldap-key"


@dataclass(slots=True)
class AskedTable:
    """One table with a conversation of its own."""

    conf: Configuration
    file: SourceFile
    table: LdapConfig
    session: Session
    schema: ServerSchema
    #: Who may see more than the table, or None.
    reader: Reader | None
    indexed: frozenset[str] | None
    open_session: SessionOpener
    _addresses: Counter[str] | None = None

    @property
    def base(self) -> str | None:
        """The search base, or None where it depends on the key."""
        if self.table.search_base.dynamic:
            return None
        return self.table.search_base.text.replace("%%", "%")

    @property
    def filter(self) -> Filter | None:
        """The filter with a stand-in for the key, or None where it is none."""
        text = "".join(
            part if isinstance(part, str) else _KEY for part in self.table.query_filter.parts
        )
        try:
            return parse_libldap(text)
        except FilterError:
            return None

    def finding(
        self, code: str, severity: Severity, name: str, message: str, fix: str | None
    ) -> Finding:
        """Return a finding about the table's parameter *name*, on its line where it is set."""
        setting = self.file.last.get(name)
        line = setting.line if setting else None
        return Finding(
            code,
            severity,
            self.file.name,
            line,
            self.file.full_name(name),
            message,
            self.file.advice(fix) if fix else None,
        )

    def addresses(self) -> Counter[str]:
        """Return what the filter compares with keys, in lower case, and of how many entries.

        Asked once; empty where it cannot be found out.
        """
        if self._addresses is None:
            query, base = self.filter, self.base
            names = tuple(dict.fromkeys(_keyed(query))) if query else ()
            found: Counter[str] = Counter()
            for entry in self.owners(base, names) if base and names else ():
                values = (value for name in names for value in entry.values(name))
                found.update({value.decode("utf-8", "replace").lower() for value in values})
            self._addresses = found
        return self._addresses

    def owners(self, base: str, names: tuple[str, ...]) -> Iterator[Entry]:
        """Yield the recipients that have one of *names*, with these."""
        wanted = And((Equality("objectClass", b"mailRecipient"), Or(tuple(map(Present, names)))))
        if self.reader is None:
            yield from self.search(base, self.table.scope, wanted, names).entries
            return
        try:
            yield from self.reader.search(base, self.table.scope, wanted, names)
        except LdapRefusal:
            return  # what could be read counts

    def search(
        self, base: str, scope: Scope, wanted: Filter, attributes: tuple[str, ...], limit: int = 0
    ) -> SearchResult:
        """Return what the table's own identity is answered. Raises CouldNotAsk."""
        return self.session.run(SearchRequest(base, scope, wanted, attributes, limit))


def _keyed(query: Filter) -> Iterator[str]:
    """Yield the attributes that a filter compares with the whole key."""
    if isinstance(query, And | Or):
        for inner in query.filters:
            yield from _keyed(inner)
    elif isinstance(query, Equality) and query.value == _KEY.encode():
        yield query.attribute
