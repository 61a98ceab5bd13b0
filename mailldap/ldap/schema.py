"""The schema: which attributes and classes there are, and what they mean (RFC 4512 §4.1).

A :class:`Schema` never changes; :meth:`Schema.with_definitions` returns a wider one. Everything
is found by OID or by any of its names, without case.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from mailldap.errors import DNError, SchemaError
from mailldap.ldap import syntax
from mailldap.ldap.definitions import Definition, read_definitions, read_schema_text
from mailldap.ldap.dn import AVA, DN, RDN
from mailldap.ldap.prepare import prepare_text
from mailldap.ldap.rules import RULES, Part
from mailldap.ldap.schema_resolve import Resolver
from mailldap.ldap.schema_types import AttributeType, Description, ObjectClass

_OPTION = re.compile("[A-Za-z0-9-]+")
_IGNORE_CASE = frozenset({RULES["caseignorematch"], RULES["caseignoreia5match"]})
_SPACES = re.compile("  +")
#: An RDN that needs no unescaping, and what follows it.
_PLAIN_RDN = re.compile(
    r'([A-Za-z][A-Za-z0-9-]*)=([^\\,;+"<>=# \t\r\n\x00](?:[^\\,;+"<>=\t\r\n\x00]*'
    r'[^\\,;+"<>= \t\r\n\x00])?)(?:,(?=[^ ])|\Z)'
)


class Schema:
    """Attribute types and object classes, resolved. Raises SchemaError for what does not fit."""

    def __init__(self, definitions: Iterable[Definition]) -> None:
        self._definitions: dict[str, Definition] = {}
        for definition in definitions:
            self._definitions[definition.oid] = definition
        self._attributes: dict[str, AttributeType] = {}
        self._classes: dict[str, ObjectClass] = {}
        self._descriptions: dict[str, Description | None] = {}
        self._dns: dict[str, tuple[str, str]] = {"": ("", "")}
        Resolver(self._definitions, self._attributes, self._classes).resolve()

    def with_definitions(self, text: str, name: str = "schema") -> Schema:
        """Return this schema and what *text* defines: .schema syntax or definitions alone.

        A definition whose OID is known takes the known one's place. *name* stands in errors.
        """
        return self.with_more(read_schema_text(text, name))

    def with_more(self, definitions: Iterable[Definition]) -> Schema:
        """Return this schema and *definitions*; see :meth:`with_definitions`."""
        return Schema((*self._definitions.values(), *definitions))

    @property
    def attribute_types(self) -> tuple[AttributeType, ...]:
        """Every attribute type once, in the order of definition."""
        return tuple(self._attributes[oid] for oid in self._definitions if oid in self._attributes)

    @property
    def object_classes(self) -> tuple[ObjectClass, ...]:
        """Every object class once, in the order of definition."""
        return tuple(self._classes[oid] for oid in self._definitions if oid in self._classes)

    def attribute(self, name: str) -> AttributeType | None:
        """Return the attribute type of that name or OID (without options), or None."""
        return self._attributes.get(name.lower())

    def object_class(self, name: str) -> ObjectClass | None:
        """Return the object class of that name or OID, or None."""
        return self._classes.get(name.lower())

    def describe(self, text: str) -> Description | None:
        """Return the attribute description that *text* spells, or None where there is none.

        As OpenLDAP without olcAttributeOptions: the tagging options are those that begin with
        "lang-", operational attributes take none, and "binary" is for certificate syntaxes.
        """
        try:
            return self._descriptions[text]
        except KeyError:
            found = self._descriptions[text] = self._describe(text)
            return found

    def _describe(self, text: str) -> Description | None:
        name, *options = text.split(";")
        found = self.attribute(name)
        if found is None or (options and found.operational):
            return None
        tags: set[str] = set()
        binary = False
        for option in (option.lower() for option in options):
            if option == "binary":
                if binary or found.syntax not in syntax.TRANSFERRED_BINARY:
                    return None
                binary = True
            elif option.startswith("lang-") and _OPTION.fullmatch(option):
                tags.add(option)
            else:
                return None
        return Description(found, tuple(sorted(tags)), binary)

    def valid(self, attribute: AttributeType, value: bytes) -> bool:
        """Tell whether *value* is one of the attribute's syntax."""
        return self.pretty(attribute, value) is not None

    def pretty(self, attribute: AttributeType, value: bytes) -> bytes | None:
        """Return *value* as OpenLDAP stores it; None where its syntax forbids it.

        Names of classes become canonical, DNs are spelled anew; all else stays.
        """
        if attribute.is_class_name:
            found = self.object_class(value.decode("utf-8", "replace"))
            return found.name.encode() if found else None
        kind = attribute.syntax
        validate = syntax.VALIDATORS.get(kind)
        if validate is not None:
            if not validate(value):
                return None
            return value.lower() if kind == syntax.UUID else value
        if kind not in {syntax.DISTINGUISHED_NAME, syntax.NAME_AND_OPTIONAL_UID, syntax.RDN}:
            return None
        name, uid = value, b""
        if kind == syntax.NAME_AND_OPTIONAL_UID:
            head, sign, tail = value.rpartition(b"#")
            if sign and syntax.VALIDATORS[syntax.BIT_STRING](tail):
                name, uid = head, sign + tail
        try:
            spelled = self.dn_forms(name.decode("utf-8", "surrogateescape"))[0]
        except DNError:
            return None
        return spelled.encode("utf-8", "surrogateescape") + uid

    def key(self, attribute: AttributeType, value: bytes) -> bytes | None:
        """Return the value's equality key; None without a rule or where the value is not valid."""
        rule = attribute.equality
        if rule is None or rule.normalize is None:
            return None
        if attribute.is_class_name:
            found = self.object_class(value.decode("utf-8", "replace"))
            return found.name.lower().encode() if found else None
        return rule.normalize(self, value, Part.WHOLE)

    def normalize_dn(self, dn: DN, *, strict: bool = True) -> str:
        """Return the comparison key of *dn*, by each attribute's matching rule.

        Raises DNError for what OpenLDAP refuses as a DN: an unknown attribute type, a value that
        is empty, not of its syntax, or written as ``#`` and BER, an attribute twice in one RDN.
        Not *strict*, such a DN has a key, too, so that foreign data can be read.
        """
        return ",".join(self._rdn_forms(rdn, strict=strict)[1] for rdn in dn.rdns)

    def dn_forms(self, text: str, *, strict: bool = True) -> tuple[str, str]:
        """Return the DN that *text* spells as OpenLDAP spells it, and its comparison key.

        Raises DNError, as :meth:`normalize_dn`.
        """
        plain = _PLAIN_RDN.match(text)
        if plain is None:
            rdns = [self._rdn_forms(rdn, strict=strict) for rdn in DN.parse(text).rdns]
            return ",".join(form[0] for form in rdns), ",".join(form[1] for form in rdns)
        spelled, key = self._plain_forms(plain[1], plain[2], strict=strict)
        rest = text[plain.end() :]
        if not rest:
            if text.endswith(","):
                raise DNError(f"nothing after the last comma of DN {text!r}")
            return spelled, key
        parent = self._dns.get(rest)
        if parent is None:
            parent = self.dn_forms(rest, strict=strict)
            if strict and len(self._dns) < 10_000:
                self._dns[rest] = parent
        return f"{spelled},{parent[0]}", f"{key},{parent[1]}"

    def _plain_forms(self, name: str, value: str, *, strict: bool) -> tuple[str, str]:
        """Do as _ava_forms for a value without characters that a DN escapes; quick for ASCII."""
        found = self.attribute(name)
        if found is not None and found.equality in _IGNORE_CASE and value.isascii():
            key = value if "  " not in value else _SPACES.sub(" ", value)
            return f"{found.name}={value}", f"{found.name}={key.lower()}"
        return self._ava_forms(AVA(name, value.encode("utf-8", "surrogateescape")), strict=strict)

    def _rdn_forms(self, rdn: RDN, *, strict: bool) -> tuple[str, str]:
        if len(rdn.avas) == 1:
            return self._ava_forms(rdn.avas[0], strict=strict)
        forms: dict[str, tuple[str, str]] = {}
        for ava in rdn.avas:
            found = self.attribute(ava.attribute)
            name = found.name if found else ava.attribute.lower()
            if strict and name in forms:
                raise DNError(f"attribute {name} twice in RDN {str(rdn)!r}")
            forms[name] = self._ava_forms(ava, strict=strict)
        ordered = [forms[name] for name in sorted(forms)]
        return "+".join(form[0] for form in ordered), "+".join(form[1] for form in ordered)

    def _ava_forms(self, ava: AVA, *, strict: bool) -> tuple[str, str]:
        found = self.attribute(ava.attribute)
        spelled = None if found is None or ava.ber else self.pretty(found, ava.value)
        if found is None or not ava.value or spelled is None:
            if strict:
                raise DNError(f"no attribute or value that a directory knows: {str(ava)!r}")
            key = ava.value if ava.ber else prepare_text(ava.value)
            return str(ava), str(AVA(ava.attribute.lower(), key, ava.ber))
        normal = self.key(found, ava.value)
        if strict and normal == b"":
            raise DNError(f"a value without anything that counts: {str(ava)!r}")
        if normal is None or found.equality is RULES["uuidmatch"]:
            normal = spelled
        return str(AVA(found.name, spelled)), str(AVA(found.name, normal))


@lru_cache(maxsize=1)
def default_schema() -> Schema:
    """Return the schema of the embedded directory.

    OpenLDAP's own attributes, core, cosine and inetorgperson, and mailRecipient: the .schema
    files in ``mailldap/data``.
    """
    folder = Path(__file__).parent.parent / "data"
    definitions: list[Definition] = []
    for path in sorted(folder.glob("*.schema")):
        definitions += read_schema_text(path.read_text("utf-8"), path.name)
    return Schema(definitions)


def load_schema_file(path: str | Path) -> list[Definition]:
    """Return the definitions in a .schema file or in the LDIF of cn=config or cn=schema.

    For :meth:`Schema.with_more`. Raises SchemaError with file and line, LdifError, or OSError.
    """
    data = Path(path).read_bytes()
    try:
        return list(read_definitions(data, str(path)))
    except UnicodeDecodeError as error:
        raise SchemaError(f"{path}: not UTF-8 at byte {error.start}") from error
