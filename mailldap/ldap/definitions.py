"""Schema definitions as text: RFC 4512 §4.1, in .schema files and in LDIF.

A .schema file is slapd.conf(5): ``attributetype (…)``, ``objectclass (…)``, and
``objectidentifier NAME OID`` for shortening OIDs; lines that begin with white space continue.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from mailldap.errors import SchemaError
from mailldap.ldap.change import Add
from mailldap.ldap.entry import Entry
from mailldap.ldap.ldif import read_ldif

_TOKEN = re.compile(r"\s*(?:([()$])|'((?:[^'\\]|\\.)*)'|([^\s()$']+))")
_QUOTED_ESCAPE = re.compile(r"\\(27|5[Cc])")
_LENGTH = re.compile(r"\{[0-9]+\}$")
_ORDER_PREFIX = re.compile(r"\{[0-9]+\}")
_FLAGS = frozenset({
    "OBSOLETE", "SINGLE-VALUE", "COLLECTIVE", "NO-USER-MODIFICATION",
    "ABSTRACT", "STRUCTURAL", "AUXILIARY",
})  # fmt: skip
_ARGUMENTS = frozenset({
    "NAME", "DESC", "SUP", "EQUALITY", "ORDERING", "SUBSTR", "SYNTAX", "USAGE", "MUST", "MAY",
})  # fmt: skip
_NUMERIC_OID = re.compile(r"[0-9]+(?:\.[0-9]+)*")
_LDIF_START = re.compile(rb"(?:#[^\n]*\n|\s)*(?:version|dn):", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Definition:
    """One attribute type or object class, as written. ``where`` is file:line, for errors."""

    is_class: bool
    oid: str
    terms: tuple[tuple[str, tuple[str, ...]], ...]
    where: str

    def words(self, keyword: str) -> tuple[str, ...]:
        """Return what follows *keyword*."""
        return next((words for own, words in self.terms if own == keyword), ())

    def first(self, keyword: str) -> str | None:
        """Return the one word that follows *keyword*, or None without the keyword."""
        words = self.words(keyword)
        return words[0] if words else None

    def has(self, keyword: str) -> bool:
        """Tell whether *keyword* is there."""
        return any(own == keyword for own, _ in self.terms)

    @property
    def names(self) -> tuple[str, ...]:
        """The names (descriptors), the canonical one first."""
        return self.words("NAME")

    @property
    def superiors(self) -> tuple[str, ...]:
        """The names or OIDs of the superior type or classes."""
        return self.words("SUP")

    @property
    def syntax(self) -> str | None:
        """The OID of the syntax, without the length bound."""
        text = self.first("SYNTAX")
        return _LENGTH.sub("", text) if text else None

    @property
    def usage(self) -> str:
        """RFC 4512 §4.1.2, USAGE."""
        return self.first("USAGE") or "userApplications"

    def error(self, reason: str) -> SchemaError:
        """Return the error that says where and about what."""
        return SchemaError(f"{self.where}: {self.names[0] if self.names else self.oid}: {reason}")

    def __str__(self) -> str:
        parts = [self.oid]
        for keyword, words in self.terms:
            if keyword in _FLAGS:
                parts.append(keyword)
            elif keyword in {"NAME", "DESC"} or keyword.startswith("X-"):
                quoted = [f"'{_quote(word)}'" for word in words]
                parts.append(f"{keyword} {_several(quoted, ' ')}")
            else:
                parts.append(f"{keyword} {_several(list(words), ' $ ')}")
        return f"( {' '.join(parts)} )"


def _several(words: list[str], separator: str) -> str:
    return words[0] if len(words) == 1 else f"( {separator.join(words)} )"


def _quote(text: str) -> str:
    return text.replace("\\", "\\5C").replace("'", "\\27")


def parse_definition(
    text: str, *, is_class: bool, where: str, macros: dict[str, str] | None = None
) -> Definition:
    """Return the definition in *text*. Raises SchemaError."""
    tokens = list(_tokens(text, where))
    if len(tokens) < 3 or tokens[0] != (0, "(") or tokens[-1] != (0, ")"):
        raise SchemaError(f"{where}: a definition stands in parentheses: {text.strip()[:60]!r}")
    oid = _expand(tokens[1][1], macros or {}, where)
    terms: list[tuple[str, tuple[str, ...]]] = []
    at = 2
    while at < len(tokens) - 1:
        keyword = tokens[at][1].upper()
        at += 1
        if keyword in _FLAGS:
            terms.append((keyword, ()))
            continue
        if keyword not in _ARGUMENTS and not keyword.startswith("X-"):
            raise SchemaError(f"{where}: {tokens[at - 1][1]!r} means nothing in a definition")
        words, at = _words(tokens, at, where, keyword)
        if keyword == "SYNTAX":
            length = _LENGTH.search(words[0])
            bare = _LENGTH.sub("", words[0])
            words = (_expand(bare, macros or {}, where) + (length[0] if length else ""),)
        terms.append((keyword, words))
    return Definition(is_class, oid, tuple(terms), where)


def _words(
    tokens: list[tuple[int, str]], at: int, where: str, keyword: str
) -> tuple[tuple[str, ...], int]:
    if tokens[at] != (0, "("):
        if tokens[at][0] == 0:
            raise SchemaError(f"{where}: {keyword} without a value")
        return (tokens[at][1],), at + 1
    words = []
    at += 1
    while at < len(tokens) - 1 and tokens[at] != (0, ")"):
        if tokens[at] != (0, "$"):
            words.append(tokens[at][1])
        at += 1
    if at == len(tokens) - 1 or not words:
        raise SchemaError(f"{where}: no end of the list after {keyword}, or nothing in it")
    return tuple(words), at + 1


def _tokens(text: str, where: str) -> Iterator[tuple[int, str]]:
    """Yield (0, sign), (1, quoted string) and (2, word)."""
    at = 0
    end = len(text.rstrip())
    while at < end:
        match = _TOKEN.match(text, at)
        if not match:
            raise SchemaError(f"{where}: a quote without end: {text[at:].strip()[:60]!r}")
        at = match.end()
        if match[1]:
            yield 0, match[1]
        elif match[3]:
            yield 2, match[3]
        else:
            yield 1, _QUOTED_ESCAPE.sub(lambda m: chr(int(m[1], 16)), match[2])


def _expand(oid: str, macros: dict[str, str], where: str) -> str:
    name, colon, suffix = oid.partition(":")
    if name.lower() in macros:
        oid = macros[name.lower()] + (f".{suffix}" if colon else "")
    if not _NUMERIC_OID.fullmatch(oid):
        raise SchemaError(f"{where}: {oid} is neither an OID nor an objectidentifier given before")
    return oid


def read_schema_text(text: str, name: str) -> Iterator[Definition]:
    """Yield the definitions of a .schema file, or of bare definitions one after the other.

    *name* stands in errors and in :attr:`Definition.where`. Bare definitions are classes when
    they say MUST, MAY or a class kind. Raises SchemaError.
    """
    macros: dict[str, str] = {}
    for number, line in _logical_lines(text):
        where = f"{name}:{number}"
        keyword, *parts = line.split(None, 1)
        rest, word = "".join(parts), keyword.lower()
        if word in {"attributetype", "attribute"}:
            yield parse_definition(rest, is_class=False, where=where, macros=macros)
        elif word == "objectclass":
            yield parse_definition(rest, is_class=True, where=where, macros=macros)
        elif word == "objectidentifier":
            _remember(rest, macros, where)
        elif word.startswith("("):
            found = parse_definition(line, is_class=False, where=where, macros=macros)
            signs = ("MUST", "MAY", "ABSTRACT", "STRUCTURAL", "AUXILIARY")
            is_class = any(found.has(sign) for sign in signs)
            yield Definition(is_class, found.oid, found.terms, where)
        elif word not in {"ldapsyntax", "ditcontentrule"}:
            raise SchemaError(f"{where}: {keyword!r} does not begin a schema definition")


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    start, held = 0, ""
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        if line[0] in " \t" and held:
            held += " " + line.strip()
            continue
        if held:
            yield start, held
        start, held = number, line.rstrip()
    if held:
        yield start, held


def _remember(rest: str, macros: dict[str, str], where: str) -> None:
    words = rest.split()
    if len(words) != 2:
        raise SchemaError(f"{where}: objectidentifier takes a name and an OID")
    macros[words[0].lower()] = _expand(words[1], macros, where)


def read_definitions(data: bytes, name: str) -> Iterator[Definition]:
    """Yield the definitions in *data*: a .schema file, or LDIF.

    In LDIF they are values of olcAttributeTypes and olcObjectClasses (OpenLDAP) or of
    attributeTypes and objectClasses (389, or a subschema subentry). Raises SchemaError,
    LdifError, UnicodeDecodeError.
    """
    if not _LDIF_START.match(data):
        yield from read_schema_text(data.decode("utf-8"), name)
        return
    macros: dict[str, str] = {}
    for record in read_ldif([data], name):
        entry = record.content
        if isinstance(entry, Add):
            entry = entry.entry
        if isinstance(entry, Entry):
            yield from _from_entry(entry, macros, f"{name}:{record.line}")


def _from_entry(entry: Entry, macros: dict[str, str], where: str) -> Iterator[Definition]:
    for text in entry.texts("olcObjectIdentifier"):
        _remember(_ORDER_PREFIX.sub("", text, count=1), macros, where)
    for attribute, is_class in (
        ("olcAttributeTypes", False),
        ("attributeTypes", False),
        ("olcObjectClasses", True),
        ("objectClasses", True),
    ):
        for text in entry.texts(attribute):
            bare = _ORDER_PREFIX.sub("", text, count=1) if text.startswith("{") else text
            yield parse_definition(bare, is_class=is_class, where=where, macros=macros)
