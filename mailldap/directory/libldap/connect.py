"""How libldap gets a connection: the servers of a list in turn (ldap_new_connection).

The next server is tried where a name does not resolve, no address of it takes the connection
within the network timeout, or (ldaps) TLS fails. What happens later does not move on.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from time import monotonic
from typing import TYPE_CHECKING

from mailldap.directory import wire
from mailldap.directory.channel import Channel
from mailldap.directory.libldap.uri import LibldapUri
from mailldap.directory.libldap_text import CONNECT_ERROR, SERVER_DOWN, api_error

if TYPE_CHECKING:
    from mailldap.directory.libldap.tls import TlsRules


def open_channel(
    uris: Sequence[LibldapUri], timeout: int, tls: TlsRules | None, deadline: float | None = None
) -> tuple[Channel, LibldapUri]:
    """Return a channel to the first server that can be had, and which one it is.

    *timeout* is the network timeout in seconds for each address, below zero none; *deadline* a
    bound for the whole. Raises ApiError -1, with the reasons one by one.
    """
    reasons: list[str] = []
    for uri in uris:
        try:
            sock = _connect(uri, timeout, deadline)
        except OSError as error:
            reasons.append(f"{uri}: {error.strerror or error}")
            continue
        if uri.scheme == "ldaps":
            assert tls is not None
            try:
                sock = tls.wrap(sock, uri.host)
            except OSError as error:
                sock.close()
                reasons.append(f"{uri}: {error}")
                continue
        return Channel(sock, libldap=True), uri
    raise api_error(SERVER_DOWN, "; ".join(reasons))


def _connect(uri: LibldapUri, timeout: int, deadline: float | None) -> socket.socket:
    if uri.scheme == "ldapi":
        return _connect_address(socket.AF_UNIX, uri.path, timeout, deadline)
    failure: OSError | None = None
    if not 0 < uri.port < 0x10000:
        raise OSError(f"port {uri.port}")
    # As bytes: libldap encodes no international names, and Python would load a codec for it.
    host = (uri.host or "localhost").encode("utf-8", "surrogateescape")
    found = socket.getaddrinfo(host, uri.port, type=socket.SOCK_STREAM)
    for family, _kind, _protocol, _name, address in found:
        try:
            return _connect_address(family, address, timeout, deadline)
        except OSError as error:
            failure = error
    raise failure or OSError("no address")


def _connect_address(
    family: int, address: object, timeout: int, deadline: float | None
) -> socket.socket:
    left = [float(timeout)] if timeout >= 0 else []
    if deadline is not None:
        left.append(deadline - monotonic())
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        # Zero would mean "do not wait" to Python; libldap polls once.
        sock.settimeout(max(min(left), 0.001) if left else None)
        sock.connect(address)  # type: ignore[arg-type]
    except BaseException:
        sock.close()
        raise
    if family != socket.AF_UNIX:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def start_tls(channel: Channel, tls: TlsRules, host: str, deadline: float | None) -> None:
    """Secure the channel (ldap_start_tls_s). Raises ApiError: the server's code, -11 or worse."""
    result = channel.call(wire.extended(wire.START_TLS), deadline)
    if result.code:
        raise api_error(result.code, result.text)
    left = None if deadline is None else max(deadline - monotonic(), 0.001)
    try:
        channel.wrap(lambda sock: tls.wrap(sock, host), left)
    except OSError as error:
        raise channel.broken(CONNECT_ERROR, str(error)) from error
