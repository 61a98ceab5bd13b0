"""Many equality searches as few: OR filters, whose entries are given back to the searches.

A server tests fifty alternatives of one filter in little more time than one, so fifty searches
that differ in an asserted value become one. Which of them an entry belongs to is found out here,
by the matching rules that the server itself names in its schema.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar
from unicodedata import normalize

from mailldap.directory import ber, wire
from mailldap.directory.base import Scope, SearchRequest, Session
from mailldap.errors import SchemaError
from mailldap.ldap.block import Block, Together
from mailldap.ldap.definitions import Definition, read_schema_text
from mailldap.ldap.entry import Attributes, Entry
from mailldap.ldap.filter import And, Filter, Present
from mailldap.ldap.rules import RULES, MatchingRule, Part
from mailldap.ldap.schema import Schema

#: The rules of text, whose keys need nothing but the value.
_TEXT_RULES = ("caseignorematch", "caseexactmatch", "caseignoreia5match", "caseexactia5match")
#: IA5 String and Directory String.
_TEXT_SYNTAXES = ("1.3.6.1.4.1.1466.115.121.1.26", "1.3.6.1.4.1.1466.115.121.1.15")
_NO_ALNUM = bytes(code for code in range(0x80) if not chr(code).isalnum())
_NO_SCHEMA = Schema(())

_T = TypeVar("_T")
KeyOf = Callable[[bytes], bytes | None]


@dataclass(frozen=True, slots=True)
class Asserted:
    """An attribute that the searches assert values of: its names, and its values' equality key."""

    attribute: str
    names: frozenset[str]
    key_of: KeyOf
    #: Whether the key of plain ASCII is the value in lower case.
    ignores_case: bool
    #: Whether equal keys are equal values; else only the same bytes surely are.
    certain: bool = True

    def is_named(self, name: str) -> bool:
        """Tell whether an attribute description is this attribute, with options or without."""
        return name.partition(";")[0].lower() in self.names

    def keys_of(self, values: Sequence[bytes]) -> Sequence[bytes | None]:
        """Return the key of each value."""
        joined = b"".join(values)
        if self.ignores_case and is_simple(joined):
            # Most addresses are in lower case: a key is then no copy.
            return values if joined == joined.lower() else list(map(bytes.lower, values))
        return list(map(self.key_of, values))


def is_simple(value: bytes) -> bool:
    """Tell whether the key of a rule that ignores case is just the value in lower case."""
    return value.isascii() and b" " not in value and b"\0" not in value


def asserted(session: Session, attributes: Sequence[str]) -> tuple[Asserted, ...] | None:
    """Return how the server matches *attributes*, None where we cannot do as it does.

    Reads the subschema (RFC 4512 §4.4). We cannot where it is not shown, where an attribute has an
    equality rule that is none of text, or where other attributes are its subtypes. 389 Directory
    Server compares text without an equality rule by a rule of its own. Raises CouldNotAsk.
    """
    texts = _attribute_types(session)
    found = []
    for attribute in attributes:
        around = _mentioning(texts, attribute)
        own = _of_name(around, attribute)
        if own is None:
            return None
        names = frozenset(name.lower() for name in (*own.names, own.oid, attribute))
        relatives = [other for name in names for other in _mentioning(texts, name)]
        if any(name.lower() in names for other in relatives for name in other.superiors):
            return None
        at = _with(texts, own, "EQUALITY")
        rule = RULES.get((at.first("EQUALITY") or "").lower()) if at else None
        if rule is not None and rule.name.lower() in _TEXT_RULES:
            ignores_case = "ignore" in rule.name.lower()
            found.append(Asserted(attribute, names, _key_of(rule), ignores_case))
        elif at is None and _is_text(texts, own):
            found.append(Asserted(attribute, names, _rough_key, ignores_case=False, certain=False))
        else:
            return None
    return tuple(found)


def _attribute_types(session: Session) -> list[str]:
    everything = Present("objectClass")
    root = session.run(SearchRequest("", Scope.BASE, everything, ("subschemaSubentry",)))
    places = [dn for entry in root.entries for dn in entry.texts("subschemaSubentry")]
    if not places:
        return []
    answer = session.run(SearchRequest(places[0], Scope.BASE, everything, ("attributeTypes",)))
    return [text for entry in answer.entries for text in entry.texts("attributeTypes")]


def _mentioning(texts: Iterable[str], name: str) -> list[Definition]:
    """Return the definitions in which *name* occurs: reading all of them takes long."""
    wanted = name.lower()
    chosen = "\n".join(text for text in texts if wanted in text.lower())
    try:
        return list(read_schema_text(chosen, "subschema"))
    except SchemaError:
        return []


def _of_name(definitions: Iterable[Definition], name: str) -> Definition | None:
    wanted = name.lower()
    for definition in definitions:
        if definition.oid == wanted or any(own.lower() == wanted for own in definition.names):
            return definition
    return None


def _with(texts: Sequence[str], own: Definition, field: str) -> Definition | None:
    """Return the definition from which an attribute has or inherits that field, if any has it."""
    at: Definition | None = own
    while at is not None and at.first(field) is None:
        above = at.superiors[0] if at.superiors else None
        at = _of_name(_mentioning(texts, above), above) if above else None
    return at


def _is_text(texts: Sequence[str], own: Definition) -> bool:
    at = _with(texts, own, "SYNTAX")
    return at is not None and (at.first("SYNTAX") or "").partition("{")[0] in _TEXT_SYNTAXES


def _rough_key(value: bytes) -> bytes | None:
    """Return letters and digits without their case: what differs there, no rule takes for equal."""
    if value.isascii():
        return value.lower().translate(None, _NO_ALNUM)
    try:
        text = normalize("NFKC", value.decode()).casefold()
    except UnicodeDecodeError:
        return None
    return "".join(filter(str.isalnum, text)).encode()


def _key_of(rule: MatchingRule) -> KeyOf:
    of = rule.normalize
    assert of is not None
    return lambda value: of(_NO_SCHEMA, value, Part.WHOLE)


def shows_all(
    session: Session, request: SearchRequest, constants: Sequence[Filter], of: Sequence[Asserted]
) -> bool:
    """Tell, by a sample, whether the server shows what it lets us match. Raises CouldNotAsk.

    An access rule may allow to search an attribute and not to read it.
    """
    for one in of:
        sample = SearchRequest(
            request.base,
            request.scope,
            And((*constants, Present(one.attribute))),
            (one.attribute,),
            size_limit=20,
            deref=request.deref,
        )
        answer = session.run(sample)
        if answer.code not in {0, 4}:
            return False
        if not all(_shown(entry, one) for entry in answer.entries):
            return False
    return True


def _shown(entry: Entry, one: Asserted) -> bool:
    return any(values and one.is_named(name) for name, values in entry.attributes)


class OrSearch(Generic[_T]):
    """Searches that assert values of the same attributes, to be put together in batches."""

    def __init__(self, of: Sequence[Asserted], constants: Sequence[Filter]) -> None:
        """*constants* are the filters that all the searches share."""
        #: The attributes, and the filters that all the searches share.
        self.of = of
        self.constants = constants
        self._constants = b"".join(map(wire.encode_filter, constants))
        self._attributes = [ber.text(one.attribute) for one in of]
        #: What stands in front of a value, by attribute and the value's length.
        self._heads: list[dict[int, bytes]] = [{} for _ in of]
        #: The places in *of* of an attribute description as the server spells it.
        self._places: dict[bytes, tuple[int, ...]] = {}

    def batch(self, asked: Sequence[tuple[str, bytes]]) -> OrBatch[_T]:
        """Return a batch of searches: what each is for, and the value that it asserts."""
        return OrBatch(self, asked)

    def filter(self, values: Iterable[bytes]) -> bytes:
        """Return the filter of a batch, encoded; each value is asserted of every attribute."""
        parts: list[bytes] = []
        for value in values:
            for place, heads in enumerate(self._heads):
                parts += (heads.get(len(value)) or self._head(place, len(value)), value)
        alternatives = ber.tlv(0xA1, b"".join(parts))
        return ber.tlv(0xA0, self._constants + alternatives) if self._constants else alternatives

    def _head(self, place: int, length: int) -> bytes:
        attribute = self._attributes[place]
        start = attribute + bytes((ber.OCTET_STRING,)) + ber.encode_length(length)
        head = b"\xa3" + ber.encode_length(len(start) + length) + start
        self._heads[place][length] = head
        return head

    def places(self, name: bytes) -> tuple[int, ...]:
        """Return which of the attributes an attribute description is."""
        found = self._places.get(name)
        if found is None:
            text = name.decode("utf-8", "surrogateescape")
            found = tuple(at for at, one in enumerate(self.of) if one.is_named(text))
            self._places[name] = found
        return found

    def enter(self, batches: Sequence[OrBatch[_T]], entries: Together, made: Sequence[_T]) -> None:
        """Give entries to the searches that they belong to.

        Beside each entry are the batch that it came for, and what was made of it.
        """
        if isinstance(entries, Block) and self._enter_block(batches, entries, made):
            return
        for batch, (_, attributes), own in zip(batches, entries, made, strict=True):
            batch.enter(attributes, own)

    def _enter_block(
        self, batches: Sequence[OrBatch[_T]], block: Block, made: Sequence[_T]
    ) -> bool:
        """Do what OrBatch.enter does, a column at a time; return whether that can be done."""
        one = self.of[0]
        named = [columns for name, columns in block.attributes if self.places(name)]
        if len(self.of) > 1 or not one.certain or len(named) != 1:
            return False
        indexes = [batch.index[0] for batch in batches]
        # An entry with fewer values has empty ones in the last columns.
        columns = [
            [
                index.get(key) if value else None
                for index, key, value in zip(indexes, one.keys_of(column), column, strict=True)
            ]
            for column in named[0]
        ]
        for batch, row, own in zip(batches, zip(*columns, strict=True), made, strict=True):
            found = [numbers for numbers in row if numbers]
            if len(found) == 1:
                for number in found[0]:
                    batch.found[number].append(own)
            elif found:
                for number in {number for numbers in found for number in numbers}:
                    batch.found[number].append(own)
            else:
                batch.unexplained = True
        return True


class OrBatch(Generic[_T]):
    """Searches put as one, and what was made of their entries."""

    def __init__(self, search: OrSearch[_T], asked: Sequence[tuple[str, bytes]]) -> None:
        self._search = search
        #: What each search is for, and the value that it asserts.
        self.asked = asked
        #: Of each search, what was made of its entries.
        self.found: list[list[_T]] = [[] for _ in asked]
        #: What must be searched alone: where one entry belongs to several searches by different
        #: attributes, the server may allow to search only one of them; and where it is not certain
        #: whether the server takes a value for the asserted one.
        self.alone: set[int] = set()
        #: Whether an entry belongs to no search: it matched something that is not shown, and might
        #: have for any of them.
        self.unexplained = False
        #: The searches by the key of their value, for each attribute; None is no key.
        self.index: list[dict[bytes | None, list[int]]] = []
        values = [value for _, value in asked]
        for one in search.of:
            index: dict[bytes | None, list[int]] = {}
            for number, key in enumerate(one.keys_of(values)):
                if key is not None:
                    index.setdefault(key, []).append(number)
            self.index.append(index)

    @property
    def filter(self) -> bytes:
        """The filter of all, encoded."""
        return self._search.filter(value for _, value in self.asked)

    def enter(self, attributes: Attributes, made: _T) -> None:
        """Give an entry to the searches that it belongs to."""
        doubtful: set[int] = set()
        explained = self._explain(attributes, doubtful)
        self.alone |= doubtful
        if not explained and not doubtful:
            self.unexplained = True
        if len(explained) > 1:
            common = -1
            for mask in explained.values():
                common &= mask
            if not common:
                self.alone.update(explained)
        for number in explained:
            self.found[number].append(made)

    def _explain(self, attributes: Attributes, doubtful: set[int]) -> dict[int, int]:
        """Return the searches that match an entry, with the attributes by which (as bits).

        Those that may match it or not are added to *doubtful*.
        """
        found: dict[int, int] = {}
        places = self._search.places
        for name, values in attributes:
            for place in places(name):
                index, one = self.index[place], self._search.of[place]
                for value, key in zip(values, one.keys_of(values), strict=True):
                    for number in index.get(key, ()):
                        if one.certain or self.asked[number][1] == value:
                            found[number] = found.get(number, 0) | 1 << place
                        else:
                            doubtful.add(number)
        return found
