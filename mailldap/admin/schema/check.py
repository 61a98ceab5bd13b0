"""Which mailRecipient schema a directory has: told by OID, for names have several owners."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from mailldap.admin.protocol import Server, product
from mailldap.admin.schema.text import Edition, schema_text
from mailldap.directory.base import Reader
from mailldap.errors import SchemaError
from mailldap.ldap.definitions import Definition, parse_definition, read_schema_text
from mailldap.ldap.entry import Entry
from mailldap.ldap.schema import Schema, default_schema

EMBEDDED = "embedded directory"
_CLASS = "mailRecipient"
_389 = "389 Directory Server"
#: mailRoutingAddress of misc.schema; its mailLocalAddress has the OID of mailAlternateAddress.
_MISC_ROUTING = "2.16.840.1.113730.3.1.47"
_MISC_LOCAL = "2.16.840.1.113730.3.1.13"
#: mailRecipient classes that are known to be something else.
_OTHERS = {"1.2.840.113556.1.3.46": "Active Directory's"}
_ONE_VALUE = "mailRoutingAddress and mailHost are those of misc.schema: one value an entry"
_OF_DEFINITION = re.compile(r"\(\s*([0-9]+(?:\.[0-9]+)+)|'([A-Za-z][A-Za-z0-9-]*)'")


class Variant(StrEnum):
    """What a directory has.

    ``COMPLETE`` is the official schema with matching rules; ``NETSCAPE`` the one built into 389
    Directory Server, which needs no rules; ``MISC`` ours beside misc.schema; ``NO_RULES`` the
    official one on a server that needs the rules it lacks; ``FOREIGN`` another schema's class of
    the same name; ``MIXED`` the class with attributes that fit none of these.
    """

    COMPLETE = "complete"
    NETSCAPE = "netscape"
    MISC = "misc"
    NO_RULES = "no-matching-rules"
    FOREIGN = "foreign"
    MIXED = "mixed"
    ABSENT = "absent"


class State(StrEnum):
    """How one definition compares with the official one."""

    SAME = "same"
    NO_RULE = "no-equality-rule"
    OTHER_OID = "other-oid"
    OTHER_NAME = "other-name"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Element:
    """One attribute type or class: the OID that it should have, and what the server has.

    ``found_oid`` is that of the server's definition of this name; ``found_name`` the name that
    the server gives to ``oid``. None where there is no such definition.
    """

    name: str
    oid: str
    state: State
    found_oid: str | None = None
    found_name: str | None = None
    equality: str | None = None
    single_value: bool = False

    @property
    def text(self) -> str:
        """The comparison in words."""
        match self.state:
            case State.SAME:
                rest = f", {self.equality}" if self.equality else ""
                return self.oid + rest + (", SINGLE-VALUE" if self.single_value else "")
            case State.NO_RULE:
                return f"{self.oid}, without an EQUALITY rule"
            case State.OTHER_OID:
                single = ", SINGLE-VALUE" if self.single_value else ""
                return f"{self.found_oid} instead of {self.oid}{single}"
            case State.OTHER_NAME:
                return f"{self.oid} is called {self.found_name}"
            case State.MISSING:
                return f"{self.oid} is not there"


@dataclass(frozen=True, slots=True)
class SchemaReport:
    """What :func:`check_schema` found.

    ``problems`` are sentences, ``hint`` the way out of them; ``notes`` are what one should know of
    a schema that serves.
    """

    uri: str
    server: str
    variant: Variant
    elements: tuple[Element, ...]
    problems: tuple[str, ...] = ()
    hint: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def usable(self) -> bool:
        """True when recipients can be written, found and changed with this schema."""
        return self.variant in (Variant.COMPLETE, Variant.NETSCAPE, Variant.MISC)


def check_schema(reader: Reader) -> SchemaReport:
    """Return what the directory has of the mailRecipient schema.

    Raises NoSuchObject when a server shows no subschema entry, another LdapRefusal, or
    CouldNotAsk.
    """
    if isinstance(reader, Server):
        root = reader.root_dse()
        found = list(_definitions(reader.schema_entry()))
        return _report(reader.uri, product(root), found)
    schema = getattr(reader, "schema", None)
    if not isinstance(schema, Schema):
        schema = default_schema()
    found = [attribute.definition for attribute in schema.attribute_types]
    found += [object_class.definition for object_class in schema.object_classes]
    return _report(reader.uri, EMBEDDED, found)


def official() -> tuple[Definition, ...]:
    """Return the definitions of the official schema, the class last."""
    return tuple(read_schema_text(schema_text(), "mailrecipient.schema"))


def relevant(texts: Iterable[str], *, is_class: bool) -> Iterator[tuple[str, Definition]]:
    """Yield those of *texts* that define one of our names or OIDs, with what they say.

    Others are not parsed: servers list definitions that RFC 4512 does not allow.
    """
    wanted = {word.lower() for own in official() for word in (own.oid, *own.names)}
    wanted.add(_MISC_ROUTING)
    for text in texts:
        words = {(oid or name).lower() for oid, name in _OF_DEFINITION.findall(text)}
        if words & wanted:
            try:
                bare = text[text.index("(") :]
                yield text, parse_definition(bare, is_class=is_class, where="the server's schema")
            except (SchemaError, ValueError):
                continue


def _definitions(entry: Entry) -> Iterator[Definition]:
    for attribute, is_class in (("attributeTypes", False), ("objectClasses", True)):
        for _, definition in relevant(entry.texts(attribute), is_class=is_class):
            yield definition


def _report(uri: str, server: str, found: list[Definition]) -> SchemaReport:
    elements = tuple(_compare(own, found) for own in official())
    variant = _variant(server, elements)
    problems, hint = _words(server, variant, elements)
    notes = (_ONE_VALUE,) if variant is Variant.MISC else ()
    return SchemaReport(uri, server, variant, elements, problems, hint, notes)


def _compare(own: Definition, found: list[Definition]) -> Element:
    kin = [other for other in found if other.is_class == own.is_class]
    name = own.names[0]
    by_name = next((o for o in kin if name.lower() in {n.lower() for n in o.names}), None)
    by_oid = next((o for o in kin if o.oid == own.oid), None)
    if by_name is None:
        if by_oid is None:
            return Element(name, own.oid, State.MISSING)
        called = by_oid.names[0] if by_oid.names else by_oid.oid
        return Element(name, own.oid, State.OTHER_NAME, found_name=called)
    state = State.SAME
    if by_name.oid != own.oid:
        state = State.OTHER_OID
    elif not own.is_class and by_name.first("EQUALITY") is None:
        state = State.NO_RULE
    return Element(
        name,
        own.oid,
        state,
        by_name.oid,
        by_oid.names[0] if by_oid and by_oid.names else None,
        by_name.first("EQUALITY"),
        by_name.has("SINGLE-VALUE"),
    )


def _variant(server: str, elements: tuple[Element, ...]) -> Variant:
    by_name = {element.name: element for element in elements}
    recipient = by_name[_CLASS]
    if recipient.state is State.OTHER_OID:
        return Variant.FOREIGN
    if recipient.state is not State.SAME:
        return Variant.ABSENT
    states = {element.state for element in elements}
    if states == {State.SAME}:
        return Variant.COMPLETE
    if states <= {State.SAME, State.NO_RULE}:
        return Variant.NETSCAPE if server == _389 else Variant.NO_RULES
    rest = {
        element.state
        for element in elements
        if element.name not in ("mailAlternateAddress", "mailRoutingAddress")
    }
    routing = by_name["mailRoutingAddress"]
    alternate = by_name["mailAlternateAddress"]
    if (
        rest == {State.SAME}
        and routing.found_oid in (_MISC_ROUTING, routing.oid)
        and alternate.found_oid is not None
        and routing.equality
        and alternate.equality
    ):
        return Variant.MISC
    return Variant.MIXED


def _words(
    server: str, variant: Variant, elements: tuple[Element, ...]
) -> tuple[tuple[str, ...], str | None]:
    differing = tuple(f"{e.name}: {e.text}" for e in elements if e.state is not State.SAME)
    match variant:
        case Variant.COMPLETE | Variant.NETSCAPE | Variant.MISC:
            return (), None
        case Variant.NO_RULES:
            return (
                "no EQUALITY rules: searches for these attributes find nothing, and their values "
                "cannot be deleted one by one: "
                + ", ".join(e.name for e in elements if e.state is State.NO_RULE),
            ), "`mailldap schema install` adds the rules in place; entries stay as they are"
        case Variant.FOREIGN:
            recipient = next(e for e in elements if e.name == _CLASS)
            whose = _OTHERS.get(recipient.found_oid or "", "another schema's")
            first = f"the class mailRecipient there is {recipient.found_oid}, {whose}"
            return (f"{first}, not {recipient.oid}", *differing), (
                "one server cannot have both: use another server, or take that schema out"
            )
        case Variant.MIXED:
            return differing, "take out what defines these otherwise, or use another server"
        case Variant.ABSENT:
            misc = any(e.found_oid == _MISC_ROUTING for e in elements)
            edition = Edition.MISC if misc else Edition.FULL
            if server == _389:
                return ("the class mailRecipient is not there",), "enable 50ns-mail.ldif"
            beside = " (the edition that fits beside misc.schema)" if misc else ""
            return (
                ("the class mailRecipient is not there",),
                f"`mailldap schema install` adds {edition.value}{beside}",
            )
