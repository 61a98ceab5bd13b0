"""The entries of an embedded directory: by DN, by parent, by value, in the order they came.

Entries are kept as OpenLDAP keeps them: attributes under their canonical names, each once, DNs
and names of classes spelled its way. What the schema does not know or forbids is kept as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from operator import attrgetter

from mailldap.directory.index import Index
from mailldap.errors import DNError
from mailldap.ldap.entry import Entry
from mailldap.ldap.schema import Schema
from mailldap.ldap.schema_check import comparison_key, with_naming_values
from mailldap.ldap.schema_types import AttributeType

Attributes = tuple[tuple[str, tuple[bytes, ...]], ...]
BY_NUMBER = attrgetter("number")


class Node:
    """One entry in its place.

    ``number`` is its age, which is the order of answers; ``key`` the normalised DN; ``rdn`` its
    name as spelled; ``superior`` the rest of its DN as spelled with it.
    """

    __slots__ = ("attributes", "key", "number", "rdn", "superior")

    def __init__(
        self, number: int, key: str, rdn: str, superior: str, attributes: Attributes | None
    ) -> None:
        self.number = number
        self.key = key
        self.rdn = rdn
        self.superior = superior
        #: Canonical; None while nobody has looked (see Tree.attributes).
        self.attributes = attributes


def parent_key(key: str) -> str:
    """Return the key of the parent; in keys every comma separates."""
    return key.partition(",")[2]


def canonical_attributes(attributes: Attributes, schema: Schema) -> Attributes:
    """Return *attributes* as OpenLDAP keeps them; what it would refuse stays as it is."""
    merged: dict[str, tuple[bytes, ...]] = {}
    for spelled, values in attributes:
        description = schema.describe(spelled)
        if description is None:
            name = spelled
            for other in merged:
                if other.lower() == spelled.lower():
                    name = other
        else:
            name = description.name
            attribute = description.type
            if attribute.is_class_name or attribute.syntax not in _STORED_AS_IS:
                pretty = (schema.pretty(attribute, value) for value in values)
                values = tuple(  # noqa: PLW2901
                    new if new is not None else old for new, old in zip(pretty, values, strict=True)
                )
        merged[name] = (*merged[name], *values) if name in merged else values
    return tuple(merged.items())


def loaded_attributes(dn: str, attributes: Attributes, schema: Schema) -> Attributes:
    """Return what OpenLDAP would hold of a loaded entry: canonical, with the RDN's values."""
    canonical = canonical_attributes(attributes, schema)
    name, _, value = dn.partition(",")[0].partition("=")
    if "\\" not in value and "+" not in value:
        raw = value.encode("utf-8", "surrogateescape")
        if any(own == name and raw in values for own, values in canonical):
            return canonical
    return with_naming_values(Entry(dn, canonical), schema).attributes


def dn_forms(text: str, schema: Schema) -> tuple[str, str]:
    """Return spelling and key of an entry's DN, also of one that OpenLDAP would refuse.

    Raises DNError where *text* is no DN at all.
    """
    try:
        return schema.dn_forms(text)
    except DNError:
        return schema.dn_forms(text, strict=False)


_STORED_AS_IS = frozenset(
    f"1.3.6.1.4.1.1466.115.121.1.{number}" for number in (15, 26, 40, 27, 24, 50, 36, 41, 44, 28)
)


_NONE: frozenset[Node] = frozenset()


class Tree:
    """Nodes under their DNs. Indexes are built when first asked for, and kept true after."""

    def __init__(self, schema: Schema, base: str = "") -> None:
        self.schema = schema
        self.nodes: dict[str, Node] = {}
        #: Key and spelling of the suffix.
        self.base, self.base_spelled = base, ""
        self._next = 1
        self._sorted = True
        #: The keys right under each key, those of entries that are missing in between included.
        self._children: dict[str, set[str]] | None = None
        self._indexes: dict[str, Index] = {}
        #: How the DN of each key is spelled that has entries under it.
        self._spelled: dict[str, str] = {}
        object_class = schema.attribute("objectClass")
        assert object_class is not None
        self._object_class = object_class

    def add(self, node: Node) -> None:
        """Put *node* in its place, which must be free."""
        assert node.key not in self.nodes
        if node.number < self._next:
            self._sorted = False
        self._next = max(self._next, node.number + 1)
        self.nodes[node.key] = node
        self._spelled.clear()
        if self._children is not None:
            self._hang(node.key, self._children)
        for oid, index in self._indexes.items():
            self._enter(node, oid, index)

    def remove(self, node: Node) -> None:
        """Take *node* out."""
        del self.nodes[node.key]
        self._spelled.clear()
        if self._children is not None:
            self._cut(node.key, self._children)
        for oid, index in self._indexes.items():
            self._leave(node, oid, index)

    def set_attributes(self, node: Node, attributes: Attributes) -> None:
        """Give *node* other attributes."""
        for oid, index in self._indexes.items():
            self._leave(node, oid, index)
        node.attributes = attributes
        for oid, index in self._indexes.items():
            self._enter(node, oid, index)

    def new_node(
        self, number: int, key: str, rdn: str, superior: str, attributes: Attributes
    ) -> Node:
        """Return a node for :meth:`add`."""
        return Node(number, key, rdn, superior, attributes)

    def renamed(self, node: Node, below: Iterable[Node]) -> None:
        """Take note that *node* was renamed, and with it the DNs of all *below*."""

    @property
    def next_number(self) -> int:
        """The number of the next entry."""
        return self._next

    def attributes(self, node: Node) -> Attributes:
        """Return the attributes of *node*, canonical. A file's may raise LdifError."""
        assert node.attributes is not None
        return node.attributes

    def entry(self, node: Node) -> Entry:
        """Return the node's entry. Raises as attributes."""
        return Entry(self.spelled(node), self.attributes(node))

    def spelled(self, node: Node) -> str:
        """Return the DN as OpenLDAP answers it: each RDN as its own entry spells it."""
        if not node.superior:
            return node.rdn
        above_key = parent_key(node.key)
        spelled = self._spelled.get(above_key)
        if spelled is None:
            above = self.nodes.get(above_key)
            spelled = node.superior if above is None else self.spelled(above)
            self._spelled[above_key] = spelled
        return f"{node.rdn},{spelled}"

    def in_order(self) -> Iterable[Node]:
        """Return all nodes, oldest first."""
        if not self._sorted:
            self.nodes = {node.key: node for node in sorted(self.nodes.values(), key=BY_NUMBER)}
            self._sorted = True
        return self.nodes.values()

    def below(self, key: str) -> Iterator[Node]:
        """Yield the node of that key and all under it, oldest first."""
        suffix = "," + key
        for node in self.in_order():
            if not key or node.key == key or node.key.endswith(suffix):
                yield node

    def children(self, key: str) -> list[Node]:
        """Return the nodes right under *key*, oldest first."""
        found = [self.nodes[child] for child in self._below(key) if child in self.nodes]
        return sorted(found, key=BY_NUMBER)

    def has_children(self, key: str) -> bool:
        """Tell whether there is an entry anywhere under *key*."""
        return bool(self._below(key))

    def is_glue(self, key: str) -> bool:
        """Tell whether there is no entry of that key but some under it, as in a partial export."""
        return key not in self.nodes and bool(self._below(key))

    def _below(self, key: str) -> set[str]:
        if self._children is None:
            self._children = {}
            for node in self.nodes.values():
                self._hang(node.key, self._children)
        return self._children.get(key, set())

    def _hang(self, key: str, children: dict[str, set[str]]) -> None:
        while key:
            above = parent_key(key)
            siblings = children.setdefault(above, set())
            if key in siblings:
                break
            siblings.add(key)
            if above in self.nodes:
                break
            key = above

    def _cut(self, key: str, children: dict[str, set[str]]) -> None:
        while key and key not in self.nodes and not children.get(key):
            above = parent_key(key)
            siblings = children[above]
            siblings.discard(key)
            if not siblings:
                del children[above]
            key = above

    def lookup(self, attribute: AttributeType, key: bytes) -> list[Node]:
        """Return the nodes with a value of *attribute* or a subtype that compares as *key*."""
        index = self._indexes.get(attribute.oid)
        if index is None:
            index = self._indexes[attribute.oid] = self._build(attribute)
        return index.get(key)

    def of_class(self, name: bytes) -> frozenset[Node]:
        """Return the nodes that list the object class of that canonical name in lower case."""
        found = self.lookup(self._object_class, name)
        return frozenset(found) if found else _NONE

    def _build(self, attribute: AttributeType) -> Index:
        index = Index()
        for node in self.nodes.values():
            self._enter(node, attribute.oid, index)
        return index

    def _enter(self, node: Node, oid: str, index: Index) -> None:
        for key in self._keys(node, oid):
            index.enter(key, node)

    def _leave(self, node: Node, oid: str, index: Index) -> None:
        for key in self._keys(node, oid):
            index.leave(key, node)

    def _keys(self, node: Node, oid: str) -> Iterator[bytes]:
        for name, values in self.attributes(node):
            description = self.schema.describe(name)
            if description is not None and oid in description.type.superiors:
                for value in values:
                    yield comparison_key(description.type, value, self.schema)
