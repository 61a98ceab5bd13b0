"""What a server's own configuration does for addresses: indexes and uniqueness, where visible."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mailldap.directory.base import Reader, Scope
from mailldap.errors import DNError, LdapRefusal
from mailldap.ldap.dn import DN
from mailldap.ldap.entry import Entry

#: What Postfix and mailldap search by.
SEARCHED = ("objectClass", "uid", "mail", "mailAlternateAddress", "mailRoutingAddress")
_UNIQUE_URI = re.compile(r"ldap:///([^?]*)\?([^?]*)", re.IGNORECASE)
_389_BACKENDS = "cn=ldbm database,cn=plugins,cn=config"
_389_PLUGINS = "cn=plugins,cn=config"


@dataclass(frozen=True, slots=True)
class Uniqueness:
    """What makes the server refuse a second owner of an address.

    ``by`` is "slapo-unique" or "attribute uniqueness plugin"; ``attributes`` those that it
    watches. ``across`` tells that a value of one of them is compared with those of the others,
    ``serialized`` that simultaneous writes are told apart (slapo-unique, serialize).
    """

    by: str
    attributes: tuple[str, ...]
    across: bool
    serialized: bool


@dataclass(frozen=True, slots=True)
class Protection:
    """What the configuration shows about one suffix; ``indexed`` has an equality index."""

    indexed: tuple[str, ...]
    unique: tuple[Uniqueness, ...]

    @property
    def unindexed(self) -> tuple[str, ...]:
        """Those of SEARCHED that every search has to look for in all entries."""
        indexed = {name.lower() for name in self.indexed}
        return tuple(name for name in SEARCHED if name.lower() not in indexed)


def protection(reader: Reader, suffix: str) -> Protection | None:
    """Return what the server's configuration shows about *suffix*.

    None when it shows nothing, which most identities are not shown. Raises CouldNotAsk.
    """
    try:
        return _openldap(reader, suffix) or _of_389(reader, suffix)
    except LdapRefusal:
        return None


def _openldap(reader: Reader, suffix: str) -> Protection | None:
    try:
        entries = list(
            reader.search(
                "cn=config",
                Scope.SUB,
                "(|(objectClass=olcDatabaseConfig)(objectClass=olcUniqueConfig))",
                ("olcSuffix", "olcDbIndex", "olcUniqueURI"),
            )
        )
    except LdapRefusal:
        return None
    database = next(
        (e for e in entries if any(_same(s, suffix) for s in e.texts("olcSuffix"))), None
    )
    if database is None:
        return None
    place = DN.parse(database.dn)
    unique = [
        _slapo_unique(text)
        for entry in entries
        if DN.parse(entry.dn).is_below(place, or_equal=False)
        for text in entry.texts("olcUniqueURI")
    ]
    return Protection(_olc_indexed(database), tuple(unique))


def _olc_indexed(database: Entry) -> tuple[str, ...]:
    """Return the attributes with an equality index; slapd-mdb(5), index."""
    lines = [text.split() for text in database.texts("olcDbIndex")]
    default = {
        kind
        for words in lines
        if words[0].lower() == "default"
        for kind in ",".join(words[1:]).split(",")
    }
    return tuple(
        name
        for words in lines
        for name in words[0].split(",")
        if name.lower() != "default"
        and "eq" in (",".join(words[1:]).split(",") if words[1:] else default)
    )


def _slapo_unique(text: str) -> Uniqueness:
    attributes = tuple(
        name for match in _UNIQUE_URI.finditer(text) for name in match[2].split(",") if name
    )
    serialized = "serialize" in text.lower().split()
    return Uniqueness("slapo-unique", attributes, across=False, serialized=serialized)


def _of_389(reader: Reader, suffix: str) -> Protection | None:
    wanted = "".join(f"(cn={name})" for name in SEARCHED)
    entries = list(
        reader.search(
            _389_BACKENDS,
            Scope.SUB,
            f"(|(objectClass=nsBackendInstance)(&(objectClass=nsIndex)(|{wanted})))",
            ("cn", "nsslapd-suffix", "nsIndexType"),
        )
    )
    backend = next(
        (e for e in entries if any(_same(s, suffix) for s in e.texts("nsslapd-suffix"))), None
    )
    if backend is None:
        return None
    place = DN.parse(backend.dn)
    indexed = tuple(
        entry.texts("cn")[0]
        for entry in entries
        if "eq" in entry.texts("nsIndexType") and DN.parse(entry.dn).is_below(place)
    )
    plugins = reader.search(
        _389_PLUGINS,
        Scope.ONE,
        "(&(nsslapd-pluginInitfunc=NSUniqueAttr_Init)(nsslapd-pluginEnabled=on))",
        ("uniqueness-attribute-name",),
    )
    unique = [
        Uniqueness("attribute uniqueness plugin", names, across=len(names) > 1, serialized=True)
        for names in (plugin.texts("uniqueness-attribute-name") for plugin in plugins)
        if names
    ]
    return Protection(indexed, tuple(unique))


def _same(one: str, other: str) -> bool:
    try:
        return DN.parse(one).normalized == DN.parse(other).normalized
    except DNError:
        return False
