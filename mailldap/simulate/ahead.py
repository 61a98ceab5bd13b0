"""Guesses at what tables will be asked about many addresses, so that it can be asked at once.

A wrong guess costs a search and changes no answer: the tables are asked as ever, and find answers
that are there already.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress

from mailldap.directory.ahead import AheadSession
from mailldap.directory.base import SearchRequest
from mailldap.errors import CouldNotAsk
from mailldap.tables.base import Table
from mailldap.tables.ldap_result import Query, request_of
from mailldap.tables.ldap_table import LdapTable


def ask_ahead(tables: Iterable[Table], addresses: Sequence[str]) -> None:
    """Ask the LDAP tables about addresses, then about what they gave, and about all the domains."""
    keys = list(_keys(addresses))
    for table in tables:
        if isinstance(table, LdapTable) and _is_quiet(table):
            with suppress(CouldNotAsk):  # which is told when the table is asked
                _ask(table, keys)


def _is_quiet(table: LdapTable) -> bool:
    """Tell whether asking gives no warnings of its own."""
    return table.config.domain is None and not table.config.session.chase_referrals


def _ask(table: LdapTable, keys: list[str]) -> None:
    session = table.session()
    if not isinstance(session, AheadSession):
        return
    requests = list(_requests(table, keys))
    session.ask_ahead(requests)
    results = [
        value.decode()
        for request in requests
        if (answer := session.known(request)) is not None
        for entry in answer.entries
        for _, values in entry
        for value in values
        if value.isascii()
    ]
    found = [address for value in results for address in value.split(",")]
    session.ask_ahead(_requests(table, _keys(found)))


def _keys(addresses: Iterable[str]) -> Iterator[str]:
    """Yield what aliases are looked up by: whole addresses and domains."""
    plain = [a for a in addresses if "@" in a and a.isascii() and a.isprintable()]
    yield from dict.fromkeys(plain)
    yield from dict.fromkeys(address[address.rindex("@") :] for address in plain)


def _requests(table: LdapTable, keys: Iterable[str]) -> Iterator[SearchRequest]:
    for key in keys:
        question = table.asked(key)
        if isinstance(question, Query):
            request = request_of(table.config, question)
            if isinstance(request, SearchRequest):
                yield request
