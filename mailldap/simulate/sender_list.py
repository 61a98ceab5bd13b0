"""Which addresses a login owns: smtpd_sender_login_maps read the other way round.

Tables answer for addresses, not for logins. A text can be read whole, an LDAP table can be
searched for entries that hold the login; whatever comes of that is then put to the tables as
smtpd puts it, so that nothing is listed which smtpd would not accept. Other tables cannot be
read backwards, and are named.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mailldap.directory.base import Deref, SearchRequest
from mailldap.errors import CouldNotAsk, FilterError, from_result
from mailldap.ldap.filter import And, Equality, Filter, Not, Or, parse_libldap
from mailldap.postfix.words import fold, split_list
from mailldap.simulate.opened import Opened
from mailldap.simulate.result import SenderList
from mailldap.tables.base import Failed, Found, Table
from mailldap.tables.ldap_config import LdapConfig
from mailldap.tables.ldap_table import LdapTable
from mailldap.tables.text import TextTable
from mailldap.tables.union import UnionTable

_PARAMETER = "smtpd_sender_login_maps"
#: What stands for key, local part and domain in a filter while its shape is looked at. None of
#: them occurs in a filter that somebody wrote.
_KEY, _USER, _DOMAIN = "\ue000key", "\ue000user", "\ue000domain"


class CannotList(Exception):
    """A table that cannot be read backwards; the text says why."""


@dataclass(frozen=True, slots=True)
class _Place:
    """An attribute whose values, between *before* and *after*, are keys of an LDAP table."""

    attribute: str
    before: str
    after: str

    def key(self, value: str) -> str | None:
        """Return the key in *value*, or None where it holds none."""
        lower = value.lower()
        if not lower.startswith(self.before.lower()) or not lower.endswith(self.after.lower()):
            return None
        return value[len(self.before) : len(value) - len(self.after)] or None


def list_senders(opened: Opened, login: str, owner: str | None) -> SenderList:
    """Return the keys under which *owner*, the SASL name of *login*, is an owner.

    Raises ConfigError where a table cannot be opened.
    """
    if owner is None:
        return SenderList(login, ())
    maps = opened.maps(_PARAMETER)
    unlisted: list[str] = []
    found: dict[str, str] = {}
    for table in maps.tables:
        try:
            for key in _candidates(table, owner, unlisted):
                found.setdefault(fold(key, utf8=opened.utf8), key)
        except CouldNotAsk as error:
            return SenderList(login, (), tuple(unlisted), f"{table.name}: {error.message}")
    wanted = fold(owner, utf8=opened.utf8)
    owned = []
    for folded, key in found.items():
        whole = "@" in key and not key.startswith("@")
        answer = maps.find(folded, partial=not whole)
        if isinstance(answer, Failed):
            return SenderList(login, (), tuple(unlisted), answer.message)
        if isinstance(answer, Found):
            owners = (fold(word, utf8=opened.utf8) for word in split_list(answer.value))
            if wanted in owners:
                owned.append(key)
    return SenderList(login, tuple(owned), tuple(unlisted))


def _candidates(table: Table, owner: str, unlisted: list[str]) -> Iterator[str]:
    """Yield keys that may be *owner*'s; a table that has none to give goes into *unlisted*."""
    if isinstance(table, TextTable):
        yield from table.entries
    elif isinstance(table, UnionTable):
        for part in table.tables:
            yield from _candidates(part, owner, unlisted)
    elif isinstance(table, LdapTable):
        try:
            yield from _searched(table, owner)
        except CannotList as reason:
            unlisted.append(f"{table.name} cannot be listed: {reason}")
    else:
        unlisted.append(f"{table.name} cannot be listed: it answers for single addresses only")


def _searched(table: LdapTable, owner: str) -> Iterator[str]:
    """Yield the keys of the entries that hold *owner* in a result attribute.

    Raises CannotList, or CouldNotAsk where the servers do not answer.
    """
    config = table.config
    if config.search_base.dynamic:
        raise CannotList("its search_base depends on the address")
    if config.result_format.text != "%s":
        raise CannotList("its result_format changes what the entries hold")
    places = list(_places(_shape(config)))
    if not places:
        raise CannotList("its query_filter compares no attribute with %s")
    names = config.attributes.leaf + config.attributes.ordinary
    value = owner.encode("utf-8", "surrogateescape")
    held: Filter = Or(tuple(Equality(name, value) for name in names))
    request = SearchRequest(
        base=config.search_base.text.replace("%%", "%"),
        scope=config.scope,
        filter=held,
        attributes=tuple(dict.fromkeys(place.attribute for place in places)),
        deref=Deref(config.session.dereference),
    )
    result = table.context.open_session(config.session).run(request)
    if result.code:
        raise CouldNotAsk(str(from_result(result.code, result.text)))
    for entry in result.entries:
        for place in places:
            keys = (place.key(text) for text in entry.texts(place.attribute))
            yield from (key for key in keys if key)


def _shape(config: LdapConfig) -> Filter:
    """Return the query filter with marks in place of the key and its parts."""
    marks = {"s": _KEY, "S": _KEY, "u": _USER, "U": _USER, "d": _DOMAIN, "D": _DOMAIN}
    parts = config.query_filter.parts
    text = "".join(p if isinstance(p, str) else marks.get(p[0], "") for p in parts)
    try:
        return parse_libldap(text.replace(f"{_USER}@{_DOMAIN}", _KEY))
    except FilterError as error:
        raise CannotList(f"its query_filter is none: {error.message}") from error


def _places(node: Filter) -> Iterator[_Place]:
    """Yield where the filter compares an attribute with the key."""
    if isinstance(node, And | Or):
        for part in node.filters:
            yield from _places(part)
    elif isinstance(node, Not):
        return
    elif isinstance(node, Equality):
        before, mark, after = node.value.decode("utf-8", "replace").partition(_KEY)
        if mark and "\ue000" not in after:
            yield _Place(node.attribute, before, after)
