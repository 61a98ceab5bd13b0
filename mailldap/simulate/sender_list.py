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
from mailldap.postfix.rfc822 import quote
from mailldap.postfix.words import fold
from mailldap.simulate.decision import Refused
from mailldap.simulate.opened import Opened
from mailldap.simulate.result import SenderList
from mailldap.simulate.sender import Senders
from mailldap.tables.base import Table
from mailldap.tables.ldap_config import LdapConfig
from mailldap.tables.ldap_table import LdapTable
from mailldap.tables.text import TextTable
from mailldap.tables.union import UnionTable

_PARAMETER = "smtpd_sender_login_maps"
#: Stands for whoever has no key of his own below ``@domain``.
_SOMEBODY = "somebodywithoutakey"
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


def list_senders(opened: Opened, senders: Senders, login: str, owner: str | None) -> SenderList:
    """Return what *owner*, the SASL name of *login*, may send as by the keys of the tables.

    Raises ConfigError where a table cannot be opened.
    """
    if owner is None:
        return SenderList(login, ())
    unlisted: list[str] = []
    found: dict[str, str] = {}
    for table in opened.maps(_PARAMETER).tables:
        try:
            for key in _candidates(table, owner, unlisted):
                found.setdefault(fold(key, utf8=opened.utf8), key)
        except CouldNotAsk as error:
            return SenderList(login, (), tuple(unlisted), f"{table.name}: {error.message}")
    try:
        owned = [one for key in found.values() for one in _owned(opened, senders, owner, key)]
    except Refused as refused:
        return SenderList(login, (), tuple(unlisted), refused.reply.line)
    return SenderList(login, tuple(dict.fromkeys(owned)), tuple(unlisted))


def _owned(opened: Opened, senders: Senders, owner: str, key: str) -> Iterator[str]:
    """Yield *key* as an address that *owner* may send as; nothing where smtpd never asks for it.

    A key may also be in internal form, without the quotes that its address needs. A local part
    alone that another key takes away in $myorigin still counts in the domains of mydestination.
    Raises Refused where a table could not be asked.
    """
    if key.startswith("@"):
        if senders.owns(owner, f"{_SOMEBODY}{key}"):
            yield key
        return
    for form in dict.fromkeys((key, quote(key))):
        if senders.owns(owner, form):
            yield form
            return
    if "@" not in key:
        local = (f"{key}@{domain}" for domain in opened.main.get_list("mydestination"))
        yield from (address for address in local if senders.owns(owner, address))


def _candidates(table: Table, owner: str, unlisted: list[str]) -> Iterator[str]:
    """Yield keys that may be *owner*'s; a table that has none to give goes into *unlisted*."""
    if isinstance(table, TextTable):
        wanted = fold(owner, utf8=table.context.utf8)
        for key, value in table.entries.items():
            if wanted in fold(value, utf8=table.context.utf8):
                yield key
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
