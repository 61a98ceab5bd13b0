"""A writer that keeps its changes instead of making them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mailldap.directory.base import Reader, Scope
from mailldap.ldap.change import Change
from mailldap.ldap.entry import Entry
from mailldap.ldap.filter import Filter


class DryRun:
    """Reads from a directory and collects what would be written to it.

    It is a Writer. Later reads do not see the collected changes.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self.changes: list[Change] = []

    @property
    def uri(self) -> str:
        """The URI of the directory that is read."""
        return self._reader.uri

    @property
    def base(self) -> str:
        """The base of the directory that is read."""
        return self._reader.base

    def search(
        self,
        base: str,
        scope: Scope,
        filter: Filter | str,  # noqa: A002  the name that every LDAP interface gives it
        attributes: Sequence[str] = (),
        *,
        size_limit: int = 0,
    ) -> Iterator[Entry]:
        """Search the directory; see Reader.search."""
        return self._reader.search(base, scope, filter, attributes, size_limit=size_limit)

    def get(self, dn: str, attributes: Sequence[str] = ()) -> Entry | None:
        """Read the directory; see Reader.get."""
        return self._reader.get(dn, attributes)

    def apply(self, change: Change) -> None:
        """Keep the change in ``changes``."""
        self.changes.append(change)

    def close(self) -> None:
        """Close the directory."""
        self._reader.close()
