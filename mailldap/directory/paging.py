"""A search fetched page by page (RFC 2696)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator

from mailldap.directory.answers import parse_paged
from mailldap.directory.base import SearchRequest
from mailldap.directory.exchange import Answer
from mailldap.directory.wire import Control, paged
from mailldap.errors import MailldapError, from_result
from mailldap.ldap.entry import Entry

#: Sends the request with the control of a page, and returns what came back.
Fetch = Callable[[SearchRequest, Control], Answer]


class PagedSearch:
    """Entries of one search as they are wanted, at most a page of them in memory.

    A server that does not know the control gives everything at once. OpenLDAP keeps one paged
    search a connection, so whoever starts another one calls :meth:`drain` on this one first.
    """

    def __init__(self, fetch: Fetch, request: SearchRequest, page_size: int) -> None:
        self._fetch = fetch
        self._request = request
        self._page_size = page_size
        self._entries: deque[Entry] = deque()
        self._cookie = b""
        self._error: MailldapError | None = None
        #: True once the server has no more; entries may still wait to be taken.
        self.complete = False

    def __iter__(self) -> Iterator[Entry]:
        while True:
            while self._entries:
                yield self._entries.popleft()
            if self._error is not None:
                raise self._error
            if self.complete:
                return
            self._next_page()

    def _next_page(self) -> None:
        answer = self._fetch(self._request, paged(self._page_size, self._cookie))
        result = answer.result
        self._entries.extend(result.entries)
        self._cookie = parse_paged(answer.controls) or b""
        self.complete = not self._cookie
        if result.code:
            self._error = from_result(result.code, result.text, result.referral)
            self.complete = True

    def drain(self) -> None:
        """Fetch all that is left now; an error waits for its turn behind the entries."""
        while not self.complete:
            try:
                self._next_page()
            except MailldapError as error:
                self._error = error
                self.complete = True
