"""The attribute types of a server, as far as it shows them to the identity that asks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from mailldap.directory.base import Scope, SearchRequest, Session
from mailldap.errors import SchemaError
from mailldap.ldap.definitions import Definition, parse_definition
from mailldap.ldap.filter import And, Equality, Filter, Not, Or, Present

_ROOT = ("subschemaSubentry", "vendorName")


@dataclass(frozen=True, slots=True)
class ServerSchema:
    """Attribute types by name and OID in lower case.

    ``lenient`` tells 389 Directory Server, which compares an attribute without a matching rule by
    its syntax.
    """

    types: dict[str, Definition] = field(default_factory=dict)
    lenient: bool = False

    @property
    def known(self) -> bool:
        """Whether the server shows its schema at all."""
        return bool(self.types)

    def has(self, name: str) -> bool:
        """Return whether the server knows the attribute, or nothing is known about it."""
        return not self.known or name.lower() in self.types

    def compares(self, name: str) -> bool:
        """Return whether the server can compare values of the attribute for equality."""
        seen: set[str] = set()
        current: str | None = name.lower()
        while current and current not in seen:
            seen.add(current)
            definition = self.types.get(current)
            if definition is None:
                return False
            if self.lenient or definition.first("EQUALITY"):
                return True
            current = (definition.first("SUP") or "").lower() or None
        return False

    def can_match(self, query: Filter) -> bool:
        """Return whether *query* can be true of any entry (RFC 4511 §4.5.1.7)."""
        if isinstance(query, And):
            return all(map(self.can_match, query.filters))
        if isinstance(query, Or):
            return any(map(self.can_match, query.filters))
        if isinstance(query, Not):
            return self.can_match(query.filter)
        return next(self.faults(query), None) is None

    def faults(self, query: Filter) -> Iterator[str]:
        """Yield why items of *query* can be true of no entry."""
        if isinstance(query, And | Or):
            for inner in query.filters:
                yield from self.faults(inner)
        elif isinstance(query, Not):
            yield from self.faults(query.filter)
        elif query.attribute is not None:
            name = query.attribute.partition(";")[0]
            if not self.has(name):
                yield f"the server knows no attribute {name}"
            elif isinstance(query, Equality) and not self.compares(name):
                yield f"{name} has no EQUALITY rule, so that OpenLDAP finds it equal to nothing"


def read_server_schema(session: Session) -> ServerSchema:
    """Return what the server shows of its schema; nothing where it shows none.

    Raises CouldNotAsk.
    """
    found = session.run(SearchRequest("", Scope.BASE, Present("objectClass"), _ROOT))
    root = found.entries[0] if found.entries else None
    places = root.texts("subschemaSubentry") if root else ()
    if root is None or not places:
        return ServerSchema()
    vendor = " ".join(root.texts("vendorName"))
    request = SearchRequest(places[0], Scope.BASE, Present("objectClass"), ("attributeTypes",))
    types: dict[str, Definition] = {}
    for entry in session.run(request).entries:
        for text in entry.texts("attributeTypes"):
            try:
                definition = parse_definition(text, is_class=False, where=places[0])
            except SchemaError:
                continue  # one that only its server understands
            for name in (definition.oid, *definition.words("NAME")):
                types[name.lower()] = definition
    return ServerSchema(types, lenient="389" in vendor or "Red Hat" in vendor)
