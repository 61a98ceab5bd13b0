"""Writers that keep the changes: those that were made, or those that would be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext

from mailldap.directory.base import Exclusive, Scope, Transactional, Writer
from mailldap.errors import from_result
from mailldap.ldap.change import Add, Change, Delete, Rename
from mailldap.ldap.entry import Entry
from mailldap.ldap.filter import Filter
from mailldap.provision.find import same_dn

_NO_SUCH_OBJECT = 32
_ENTRY_EXISTS = 68


class Recorder:
    """Makes changes in a directory and keeps them in ``changes``, in their order.

    It is a Writer; Exclusive and Transactional as far as the directory is.
    """

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self.changes: list[Change] = []

    @property
    def uri(self) -> str:
        """The URI of the directory."""
        return self._writer.uri

    @property
    def base(self) -> str:
        """The base of the directory."""
        return self._writer.base

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
        return self._writer.search(base, scope, filter, attributes, size_limit=size_limit)

    def get(self, dn: str, attributes: Sequence[str] = ()) -> Entry | None:
        """Read the directory; see Reader.get."""
        return self._writer.get(dn, attributes)

    def apply(self, change: Change) -> None:
        """Make the change; see Writer.apply."""
        self._writer.apply(change)
        self.changes.append(change)

    def exclusive(self) -> AbstractContextManager[None]:
        """Keep other writers out where the directory can; see Exclusive."""
        writer = self._writer
        return writer.exclusive() if isinstance(writer, Exclusive) else nullcontext()

    @property
    def has_transactions(self) -> bool:
        """Whether the directory has them; see Transactional."""
        return isinstance(self._writer, Transactional) and self._writer.has_transactions

    def apply_together(self, changes: Sequence[Change]) -> None:
        """Make all the changes or none; see Transactional."""
        assert isinstance(self._writer, Transactional)
        self._writer.apply_together(changes)
        self.changes += changes

    def close(self) -> None:
        """Close the directory."""
        self._writer.close()


class DryRun(Recorder):
    """Reads from a directory and keeps what would be written to it; later reads do not see it."""

    def __init__(self, writer: Writer) -> None:
        super().__init__(writer)
        #: Whether an entry would be there, of those that the changes make or remove.
        self._planned: dict[str, bool] = {}

    def apply(self, change: Change) -> None:
        """Keep the change.

        Raises EntryExists for an entry that is there, or would be, NoSuchObject for a change of
        one that is not.
        """
        there = self._is_there(change.dn)
        if isinstance(change, Add) == there:
            raise from_result(_ENTRY_EXISTS if there else _NO_SUCH_OBJECT)
        if (
            isinstance(change, Rename)
            and not same_dn(change.new_dn, change.dn)
            and self._is_there(change.new_dn)
        ):
            raise from_result(_ENTRY_EXISTS)
        match change:
            case Add():
                self._planned[change.dn.lower()] = True
            case Delete():
                self._planned[change.dn.lower()] = False
            case Rename():
                self._planned[change.dn.lower()] = False
                self._planned[change.new_dn.lower()] = True
        self.changes.append(change)

    def _is_there(self, dn: str) -> bool:
        planned = self._planned.get(dn.lower())
        return self.get(dn, ("1.1",)) is not None if planned is None else planned

    def exclusive(self) -> AbstractContextManager[None]:
        """Keep nobody out: nothing is written."""
        return nullcontext()

    def apply_together(self, changes: Sequence[Change]) -> None:
        """Keep the changes."""
        self.changes += changes
