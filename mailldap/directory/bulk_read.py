"""A search whose pages are worked on while the server makes the next one."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from mailldap.directory import wire
from mailldap.directory.answers import parse_paged, parse_parts
from mailldap.directory.base import SearchRequest
from mailldap.directory.channel import Channel
from mailldap.directory.exchange import EntryStream
from mailldap.errors import from_result
from mailldap.ldap.entry import Parts


def read_pages(
    channel: Channel, request: SearchRequest, size: int, deadline: Callable[[], float | None]
) -> Iterator[list[Parts]]:
    """Yield the entries in pages of *size* (RFC 2696), each taken in whole before it is given.

    Nothing else may be asked on *channel* meanwhile. A server that does not know pages gives all
    at once. *deadline* is asked at each wait. Raises ApiError, and what the server refuses after
    the entries that it gave.
    """
    operation = wire.search(request)
    cookie = b""
    sent = channel.send(operation, deadline(), (wire.paged(size, cookie),))
    while True:
        stream = EntryStream(channel, sent, deadline)
        page = [parts for together in stream.read(parse_parts) for parts in together]
        result = stream.result
        cookie = b"" if result.code else parse_paged(stream.controls) or b""
        if cookie:
            sent = channel.send(operation, deadline(), (wire.paged(size, cookie),))
        if page:
            yield page
        if result.code:
            raise from_result(result.code, result.text, result.referral)
        if not cookie:
            return
