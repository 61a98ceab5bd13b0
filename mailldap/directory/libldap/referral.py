"""chase_referrals = yes: libldap follows references, anonymously (ldap_chase_v3referrals)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from mailldap.directory import wire
from mailldap.directory.base import Scope, SearchRequest, SearchResult
from mailldap.directory.channel import Channel
from mailldap.directory.exchange import run_search
from mailldap.directory.libldap.connect import open_channel
from mailldap.directory.libldap.uri import LibldapUri, UrlError, parse_uri
from mailldap.errors import ApiError, FilterError
from mailldap.ldap.filter import parse_libldap

if TYPE_CHECKING:
    from mailldap.directory.libldap.tls import TlsRules

_REFERRAL = 10
#: libldap's LDAP_DEFAULT_REFHOPLIMIT.
_MAX_HOPS = 5


class Chase:
    """The connections of one search to the servers that it was sent to."""

    def __init__(self, timeout: int, tls: TlsRules | None, deadline: float | None) -> None:
        self._timeout = timeout
        self._tls = tls
        self._deadline = deadline
        self._channels: dict[str, Channel] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        for channel in self._channels.values():
            channel.close()

    def follow(self, request: SearchRequest, result: SearchResult, hops: int = 0) -> SearchResult:
        """Return *result* with what its references and its referral bring.

        Of the URIs of one reference the first is taken whose server can be had; a reference
        whose servers are all dead is dropped. A result other than success that comes from
        elsewhere becomes the result of the whole, unless that has one already.
        """
        if hops >= _MAX_HOPS:
            return result
        whole = SearchResult(
            result.code, list(result.entries), [], result.matched_dn, result.text, result.referral
        )
        for uris in result.references:
            part = self._ask_first(request, uris, hops)
            if part is None:
                continue
            whole.entries += part.entries
            if part.code and not whole.code:
                whole.code, whole.text, whole.matched_dn = part.code, part.text, part.matched_dn
        if result.code == _REFERRAL:
            part = self._ask_first(request, result.referral, hops)
            if part is not None:
                part.entries = whole.entries + part.entries
                return part
        return whole

    def _ask_first(
        self, request: SearchRequest, uris: tuple[str, ...], hops: int
    ) -> SearchResult | None:
        for text in uris:
            try:
                uri = parse_uri(text)
                if uri.scheme == "ldaps" and self._tls is None:
                    continue
                channel = self._channel(uri)
                there = _moved(request, uri)
            except (ApiError, FilterError, UrlError):
                continue
            return self.follow(there, run_search(channel, there, self._deadline).result, hops + 1)
        return None

    def _channel(self, uri: LibldapUri) -> Channel:
        place = str(uri)
        if place not in self._channels:
            channel, _uri = open_channel((uri,), self._timeout, self._tls, self._deadline)
            self._channels[place] = channel
            channel.call(wire.bind_simple("", ""), self._deadline)
        return self._channels[place]


def _moved(request: SearchRequest, uri: LibldapUri) -> SearchRequest:
    """Return the request as the URL changes it (RFC 4511 §4.5.3)."""
    if uri.dn:
        request = request._replace(base=uri.dn)
    if uri.scope is not None and uri.scope in {0, 1, 2}:
        request = request._replace(scope=Scope(uri.scope))
    if uri.filter is not None:
        request = request._replace(filter=parse_libldap(uri.filter))
    return request
