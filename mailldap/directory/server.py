"""A directory on servers: ldap3 opens, secures and binds, our own messages do the rest.

ldap3's message path costs ten times ours, reads filters by a grammar of its own and knows no
deadline but one a packet; so searches and changes are said by directory/wire.py on the socket of
the connection that ldap3 has made.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Self

from mailldap.directory import wire
from mailldap.directory.answers import parse_entry
from mailldap.directory.base import Scope, SearchRequest, SearchResult
from mailldap.directory.bulk_read import read_pages
from mailldap.directory.bulk_write import WINDOW
from mailldap.directory.connections import Connection, Connections
from mailldap.directory.exchange import Answer, run_search, stream_searches
from mailldap.directory.paging import PagedSearch
from mailldap.directory.pipeline import Pipeline
from mailldap.directory.server_options import ServerOptions
from mailldap.directory.transaction import run_transaction
from mailldap.directory.uri import ServerUri
from mailldap.directory.wire import Control, paged
from mailldap.directory.wire_update import update_request
from mailldap.errors import (
    ApiError,
    ConfigError,
    CouldNotAsk,
    MailldapError,
    NoSuchObject,
    ReferralReceived,
    from_result,
)
from mailldap.ldap.change import Change
from mailldap.ldap.entry import Entry
from mailldap.ldap.filter import Equality, Filter, Present, parse_libldap

if TYPE_CHECKING:
    from mailldap.ldap.block import Together

_ANY = Present("objectClass")
_SUBSCHEMA = Equality("objectClass", b"subschema")
NO_SUCH_OBJECT = 32
#: How many referrals in a row a change follows.
_MAX_REFERRALS = 5


class LdapServer:
    """A Writer (and Transactional) over ldap://, ldaps:// and ldapi:// servers.

    The servers are tried in order, as Connections has it; nothing is connected before it is used.

    Once a change was referred to a provider, everything is asked there: who looks again after a
    write must not be shown a replica that has not heard of it yet.
    """

    def __init__(self, options: ServerOptions) -> None:
        self._connections = Connections(options)
        self._ask, self._deadline = self._connections.ask, self._connections.deadline
        self._options = options
        self._paging: PagedSearch | None = None
        self._hops = 0
        self._providers: dict[str, LdapServer] = {}
        self._provider_in_use: LdapServer | None = None
        self._pipeline = Pipeline(self._connections)

    @property
    def uri(self) -> str:
        """The URI of the server in use, of the first one before that."""
        return self._connections.uri

    @property
    def base(self) -> str:
        """The suffix that the options name."""
        return self._options.base

    @property
    def options(self) -> ServerOptions:
        """How the servers are reached."""
        return self._options

    # -- connection ---------------------------------------------------------------------------

    def connect(self) -> None:
        """Make sure of a connection. Raises Unreachable, LdapRefusal or ConfigError."""
        self._connections.connected()

    def close(self) -> None:
        """Unbind; harmless when closed already."""
        self._pipeline.end()
        self._connections.disconnect()
        for provider in self._providers.values():
            provider.close()
        self._providers.clear()
        self._provider_in_use = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    # -- reading ------------------------------------------------------------------------------

    def run(self, request: SearchRequest) -> SearchResult:
        """Return what the server answered to one request, refusals included.

        Raises CouldNotAsk or Unreachable where there was no answer.
        """
        if self._provider_in_use is not None:
            return self._provider_in_use.run(request)
        return self._ask(lambda c: run_search(c.channel, request, self._deadline()).result)

    def search(
        self,
        base: str,
        scope: Scope,
        filter: Filter | str,  # noqa: A002  the name that every LDAP interface gives it
        attributes: Sequence[str] = (),
        *,
        size_limit: int = 0,
    ) -> Iterator[Entry]:
        """Yield the entries that match, in the server's order, fetched page by page (RFC 2696).

        Errors as Reader.search; those of the server come after the entries that it sent.
        Continuation references are left alone.
        """
        if self._provider_in_use is not None:
            yield from self._provider_in_use.search(
                base, scope, filter, attributes, size_limit=size_limit
            )
            return
        request = SearchRequest(
            base,
            scope,
            parse_libldap(filter) if isinstance(filter, str) else filter,
            tuple(attributes),
            size_limit,
            math.ceil(self._options.timeout),
        )
        if size_limit or scope is Scope.BASE:
            result = self.run(request)
            yield from result.entries
            result.raise_for_code()
            return
        if self._paging is not None:
            self._paging.drain()
        paging = self._paging = PagedSearch(self._fetch_page, request, self._options.page_size)
        empty = True
        try:
            for entry in paging:
                empty = False
                yield entry
        finally:
            if self._paging is paging:
                self._paging = None
        if empty and base:
            self._check_base(base)

    def _check_base(self, base: str) -> None:
        """Raise NoSuchObject for a base below which 389 finds nothing.

        It says success where it is asked for pages below a base that is not there.
        """
        if "389" in " ".join(self.root_dse().texts("vendorVersion")):
            self.run(SearchRequest(base, Scope.BASE, _ANY, ("1.1",))).raise_for_code()

    def search_pages(self, base: str, scope: Scope, filter: Filter) -> Iterator[Together]:  # noqa: A002
        """Yield the matching entries as pages come in, over a connection of its own.

        See BulkReader; continuation references are left alone.
        """
        if self._provider_in_use is not None:
            yield from self._provider_in_use.search_pages(base, scope, filter)
            return
        options = self._options
        request = SearchRequest(base, scope, filter, time_limit=math.ceil(options.timeout))
        empty = True
        with LdapServer(options) as own:
            channel = own._connections.connected().channel
            try:
                for page in read_pages(channel, request, options.page_size, self._deadline):
                    empty = False
                    yield page
            except ApiError as error:
                raise CouldNotAsk(f"{own.uri}: {error.message}") from error
            if empty and base:
                own._check_base(base)

    def _fetch_page(self, request: SearchRequest, page: Control) -> Answer:
        first = page == paged(self._options.page_size, b"")
        connection = self._connections.current
        if not first and (connection is None or connection.channel.stale):
            raise CouldNotAsk(f"{self.uri}: the connection broke off between two pages")
        return self._ask(
            lambda c: run_search(c.channel, request, self._deadline(), (page,)),
            repeat=first,
        )

    def get(self, dn: str, attributes: Sequence[str] = ()) -> Entry | None:
        """Return the entry of that DN, or None where there is none."""
        result = self.run(SearchRequest(dn, Scope.BASE, _ANY, tuple(attributes)))
        if result.code == NO_SUCH_OBJECT:
            return None
        result.raise_for_code()
        return result.entries[0] if result.entries else None

    def get_many(self, dns: Sequence[str]) -> list[Entry | None]:
        """Return for each DN its entry or None; many are asked for at a time."""
        if self._provider_in_use is not None:
            return self._provider_in_use.get_many(dns)
        questions = [
            (place, wire.search(SearchRequest(dn, Scope.BASE, _ANY)))
            for place, dn in enumerate(dns)
        ]

        def ask(connection: Connection) -> list[Entry | None]:
            found: list[Entry | None] = [None] * len(dns)
            for place, result, entries in stream_searches(
                connection.channel, questions, WINDOW, self._deadline, parse_entry
            ):
                if result.code != NO_SUCH_OBJECT:
                    result.raise_for_code()
                    found[place] = next(iter(entries), None)
            return found

        return self._ask(ask)

    def root_dse(self) -> Entry:
        """Return the root DSE with its operational attributes (RFC 4512 §5.1)."""
        return self._ask(lambda c: c.fetch_root_dse(self._deadline()))

    def schema_entry(self) -> Entry:
        """Return the subschema entry that governs the base (RFC 4512 §4.4).

        Raises NoSuchObject where the server shows none.
        """
        names = self.root_dse().texts("subschemaSubentry")
        entry = self._schema_at(names[0]) if names else None
        if entry is None:
            raise NoSuchObject(NO_SUCH_OBJECT, "the server shows no subschema entry")
        return entry

    def _schema_at(self, dn: str) -> Entry | None:
        request = SearchRequest(dn, Scope.BASE, _SUBSCHEMA, ("*", "+"))
        result = self.run(request)
        result.raise_for_code()
        return result.entries[0] if result.entries else None

    def whoami(self) -> str:
        """Return the authorization identity (RFC 4532), empty for anonymous."""
        result = self._ask(lambda c: c.channel.call(wire.extended(wire.WHO_AM_I), self._deadline()))
        if result.code:
            raise from_result(result.code, result.text, result.referral)
        return (result.value or b"").decode("utf-8", "surrogateescape")

    # -- changes ------------------------------------------------------------------------------

    def apply(self, change: Change) -> None:
        """Make the change, wholly or not at all; a replica's referral is followed if asked.

        Errors as Writer.apply.
        """
        if self._provider_in_use is not None:
            self._provider_in_use.apply(change)
            return
        try:
            self._apply(change)
        except ReferralReceived as error:
            self._follow(error, lambda provider: provider.apply(change))

    def _apply(self, change: Change) -> None:
        operation = update_request(change)
        result = self._ask(lambda c: c.channel.call(operation, self._deadline()), repeat=False)
        if result.code:
            raise from_result(result.code, result.text, result.referral)

    def _follow(self, referral: ReferralReceived, act: Callable[[LdapServer], None]) -> None:
        """Do it on the server that the referral names, with our credentials."""
        if not self._options.follow_referrals or self._hops >= _MAX_REFERRALS:
            raise referral
        failures = []
        for uri in referral.uris:
            try:
                provider = self._provider(ServerUri.parse(uri))
                provider.connect()
            except (ConfigError, CouldNotAsk) as error:
                failures.append(error.message)
                continue
            act(provider)
            self._provider_in_use = provider
            return
        raise CouldNotAsk(
            f"{self.uri} refers changes to {', '.join(referral.uris) or 'nobody'}, "
            f"which cannot be used: {'; '.join(failures)}"
        ) from referral

    def _provider(self, uri: ServerUri) -> LdapServer:
        place = str(uri)
        if place not in self._providers:
            provider = LdapServer(replace(self._options, uris=(place,)))
            provider._hops = self._hops + 1
            self._providers[place] = provider
        return self._providers[place]

    @property
    def has_transactions(self) -> bool:
        """Whether the server says that it can make several changes as one (RFC 5805)."""
        return wire.TXN_START in self._ask(lambda c: c.fetch_root_dse(self._deadline())).texts(
            "supportedExtension"
        )

    def apply_together(self, changes: Sequence[Change]) -> None:
        """Make all the changes or none; errors as Writer.apply."""
        if self._provider_in_use is not None:
            self._provider_in_use.apply_together(changes)
            return
        try:
            self._apply_together(changes)
        except ReferralReceived as error:
            self._follow(error, lambda provider: provider.apply_together(changes))

    def apply_batch(
        self,
        changes: Sequence[Change],
        *,
        following: Callable[[], Sequence[Change]] | None = None,
        stop: Callable[[], bool] | None = None,
    ) -> list[MailldapError | None]:
        """Make the changes until one is refused; see BulkWriter.apply_batch."""
        if self._provider_in_use is not None:
            return self._provider_in_use.apply_batch(changes, following=following, stop=stop)
        results = self._pipeline.make(
            changes, transactions=self.has_transactions, following=following, stop=stop
        )
        outcomes = [from_result(r.code, r.text, r.referral) if r.code else None for r in results]
        if outcomes and isinstance(outcomes[0], ReferralReceived):
            self._follow(outcomes[0], LdapServer.connect)
            return self.apply_batch(changes, following=following, stop=stop)
        return outcomes

    def end_batches(self) -> None:
        """Give up what was sent ahead; see BulkWriter.end_batches."""
        self._pipeline.end()
        if self._provider_in_use is not None:
            self._provider_in_use.end_batches()

    def _apply_together(self, changes: Sequence[Change]) -> None:
        if not changes:
            return
        operations = [update_request(change) for change in changes]
        outcome = self._ask(
            lambda c: run_transaction(c.channel, operations, self._deadline),
            repeat=False,
        )
        if outcome.result.code:
            result = outcome.result
            raise from_result(result.code, result.text, result.referral)
