"""Searches that are put before somebody asks, many under way, and remembered for a while."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

from mailldap.directory.answers import parse_entry
from mailldap.directory.base import (
    SearchRequest,
    SearchResult,
    Session,
    SessionOpener,
    SessionParameters,
)
from mailldap.directory.session import LibldapSession
from mailldap.errors import CouldNotAsk

#: See conn_max_pending in slapd.conf(5): an anonymous client with more than 100 is hung up on.
_UNDER_WAY = 80


class Ahead:
    """Opens sessions that may be asked ahead; *open_session* is what opens them really."""

    def __init__(self, open_session: SessionOpener) -> None:
        self._open_session = open_session
        self._known: dict[SessionParameters, dict[SearchRequest, SearchResult]] = {}
        #: Whether answers are kept.
        self.remembers = False

    def open_session(self, parameters: SessionParameters) -> Session:
        """Return a session; see SessionOpener."""
        session = self._open_session(parameters)
        return AheadSession(self, session, self._known.setdefault(parameters, {}))

    @contextmanager
    def remembering(self) -> Iterator[None]:
        """Let every search be asked once only while the context lasts."""
        before, self.remembers = self.remembers, True
        try:
            yield
        finally:
            self.remembers = before
            if not before:
                for known in self._known.values():
                    known.clear()


class AheadSession:
    """A Session that gives an answer which is known already, while its Ahead remembers."""

    def __init__(
        self, ahead: Ahead, session: Session, known: dict[SearchRequest, SearchResult]
    ) -> None:
        self._ahead = ahead
        self._session = session
        self._known = known

    def run(self, request: SearchRequest) -> SearchResult:
        """Return what the server answers or has answered; see Session.run."""
        if not self._ahead.remembers:
            return self._session.run(request)
        result = self._known.get(request)
        if result is None:
            result = self._session.run(request)
            self._keep(request, result)
        return result

    def ask_ahead(self, requests: Iterable[SearchRequest]) -> None:
        """Put searches, to be asked for while Ahead remembers; failures are left to who asks."""
        session = self._session
        if not (self._ahead.remembers and isinstance(session, LibldapSession)):
            return
        wanted = (r for r in dict.fromkeys(requests) if r not in self._known)
        searches = ((request, session.encode(request)) for request in wanted)
        with suppress(CouldNotAsk):
            for request, result, entries in session.stream(searches, _UNDER_WAY, parse_entry):
                result.entries.extend(entries)
                self._keep(request, result)

    def known(self, request: SearchRequest) -> SearchResult | None:
        """Return the answer if there is one already."""
        return self._known.get(request)

    def _keep(self, request: SearchRequest, result: SearchResult) -> None:
        # Other results end the conversation, and are for who asks.
        if result.code in {0, 32} and not (result.references or result.referral):
            self._known[request] = result

    def close(self) -> None:
        """Close the session; harmless when closed already."""
        self._session.close()
