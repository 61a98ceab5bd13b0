"""A directory in memory, which answers and refuses as OpenLDAP does."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence

from mailldap.directory.base import Scope, SearchRequest, SearchResult
from mailldap.directory.find import search
from mailldap.directory.tree import Node, Tree, dn_forms, loaded_attributes
from mailldap.directory.update import Undo, apply
from mailldap.errors import BadData, DNError
from mailldap.ldap.change import Change
from mailldap.ldap.entry import Entry
from mailldap.ldap.filter import Filter, Present, parse_libldap
from mailldap.ldap.schema import Schema, default_schema


class EmbeddedDirectory(ABC):
    """Searches and changes of a tree; how it came into being and where it is kept is not here.

    Writer, Session and Transactional of :mod:`mailldap.directory.base`.
    """

    def __init__(self, uri: str, schema: Schema | None) -> None:
        self._uri = uri
        self._schema = schema or default_schema()

    @property
    def uri(self) -> str:
        """The URI, for messages."""
        return self._uri

    @property
    def schema(self) -> Schema:
        """The schema by which the directory matches and checks."""
        return self._schema

    @property
    def base(self) -> str:
        """The suffix below which all entries lie."""
        return self._tree().base_spelled

    @abstractmethod
    def _tree(self) -> Tree:
        """Return the tree as it is now."""

    def run(self, request: SearchRequest) -> SearchResult:
        """Return what slapd would answer, refusals included; see Session.run."""
        return search(self._tree(), request)

    def search(
        self,
        base: str,
        scope: Scope,
        filter: Filter | str,  # noqa: A002
        attributes: Sequence[str] = (),
        *,
        size_limit: int = 0,
    ) -> Iterator[Entry]:
        """Yield the matching entries, oldest first; see Reader.search."""
        parsed = parse_libldap(filter) if isinstance(filter, str) else filter
        request = SearchRequest(base, scope, parsed, tuple(attributes), size_limit)
        return _entries(self.run(request))

    def get(self, dn: str, attributes: Sequence[str] = ()) -> Entry | None:
        """Return the entry of that DN, or None; see Reader.get."""
        request = SearchRequest(dn, Scope.BASE, Present("objectClass"), tuple(attributes))
        result = self.run(request)
        if result.code == 32:
            return None
        result.raise_for_code()
        return result.entries[0] if result.entries else None

    def apply(self, change: Change) -> None:
        """Make the change; see Writer.apply."""
        apply(self._tree(), change)

    @property
    def has_transactions(self) -> bool:
        """Whether changes can be made together: always."""
        return True

    def apply_together(self, changes: Sequence[Change]) -> None:
        """Make all the changes or none; errors as apply."""
        apply_together(self._tree(), changes)

    def close(self) -> None:  # noqa: B027  most have nothing to close
        """Nothing is held open."""


def _entries(result: SearchResult) -> Iterator[Entry]:
    yield from result.entries
    result.raise_for_code()


def apply_together(tree: Tree, changes: Iterable[Change]) -> None:
    """Make all the changes in *tree*, or none and raise what the first impossible one raises."""
    done: list[Undo] = []
    try:
        for change in changes:
            done.append(apply(tree, change))  # noqa: PERF401  what was made must be known
    except Exception:
        for undo in reversed(done):
            undo()
        raise


class MemoryDirectory(EmbeddedDirectory):
    """A directory of the given entries, below *base*; gone with the process.

    The entries need not be legal: what the schema forbids is told when it is changed. Raises
    DNError for an entry whose DN is none, BadData for two entries of one DN.
    """

    def __init__(
        self,
        entries: Iterable[Entry] = (),
        *,
        base: str,
        schema: Schema | None = None,
        uri: str = "memory:",
    ) -> None:
        super().__init__(uri, schema)
        spelled, key = dn_forms(base, self._schema)
        self._nodes = Tree(self._schema, key)
        self._nodes.base_spelled = spelled
        for entry in entries:
            self._load(entry)

    def _tree(self) -> Tree:
        return self._nodes

    def _load(self, entry: Entry) -> None:
        tree = self._nodes
        spelled, key = dn_forms(entry.dn, self._schema)
        if key in tree.nodes:
            raise BadData(f"two entries have the DN {spelled}")
        if not key:
            raise DNError("an entry without a DN")
        rdn, _, superior = spelled.partition(",")
        attributes = loaded_attributes(spelled, entry.attributes, self._schema)
        tree.add(Node(tree.next_number, key, rdn, superior, attributes))
