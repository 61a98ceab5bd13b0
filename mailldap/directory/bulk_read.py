"""A search whose pages are worked on while the server makes the next one."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from mailldap.directory import wire
from mailldap.directory.answers import parse_paged
from mailldap.directory.base import SearchRequest
from mailldap.directory.channel import Channel
from mailldap.directory.skeleton import Skeleton
from mailldap.directory.together import EntryStream
from mailldap.errors import from_result
from mailldap.ldap.block import Together


def read_pages(
    channel: Channel, request: SearchRequest, size: int, deadline: Callable[[], float | None]
) -> Iterator[Together]:
    """Yield the entries of pages of *size* (RFC 2696), each taken in whole before it is given.

    Nothing else may be asked on *channel* meanwhile. A server that does not know pages gives all
    at once. *deadline* is asked at each wait. Raises ApiError, and what the server refuses after
    the entries that it gave.
    """
    operation = wire.search(request)
    cookie = b""
    skeleton = Skeleton()
    sent = channel.send(operation, deadline(), (wire.paged(size, cookie),))
    while True:
        stream = EntryStream(channel, sent, deadline, skeleton)
        page: list[Together] = []
        for together in stream.read():
            if page and isinstance(page[-1], list) and isinstance(together, list):
                page[-1] += together
            else:
                page.append(together)
        result = stream.result
        cookie = b"" if result.code else parse_paged(stream.controls) or b""
        if cookie:
            sent = channel.send(operation, deadline(), (wire.paged(size, cookie),))
        yield from page
        if result.code:
            raise from_result(result.code, result.text, result.referral)
        if not cookie:
            return
