"""Which domains are this machine: mydestination and its own addresses.

Source: Postfix 3.7, resolve_local(3).
"""

from __future__ import annotations

import socket
from functools import cached_property
from ipaddress import IPv4Address, IPv6Address

from mailldap.errors import ConfigError
from mailldap.postfix.words import split_list
from mailldap.simulate.hostname import bare_address, to_address
from mailldap.simulate.opened import Opened
from mailldap.tables.base import Failed

Address = IPv4Address | IPv6Address


class LocalDomains:
    """Answers whether a domain is local, with the rules of one configuration."""

    def __init__(self, opened: Opened) -> None:
        self._opened = opened

    @cached_property
    def own_addresses(self) -> frozenset[Address]:
        """What inet_interfaces and proxy_interfaces list."""
        main = self._opened.main
        own: set[Address] = {interface.ip for interface in main.own_interfaces()}
        for word in split_list(main.get("proxy_interfaces"), " \t,"):
            own.update(_resolve(word))
        return frozenset(own)

    def contains(self, domain: str) -> bool | Failed:
        """Return whether mail for *domain* is for this machine.

        One trailing dot does not count. An address literal is compared with our addresses.
        """
        domain = domain.removesuffix(".")
        if not domain or domain.endswith("."):
            return False
        listed = self._opened.match_list("mydestination").match_string(domain)
        if listed is not False:
            return listed
        if not (domain.startswith("[") and domain.endswith("]")):
            return False
        bare = bare_address(domain[1:-1])
        address = None if bare is None else to_address(bare)
        return address is not None and address in self.own_addresses


def _resolve(word: str) -> set[Address]:
    """Return the addresses of an item of proxy_interfaces."""
    literal = to_address(word.removeprefix("[").removesuffix("]"))
    if literal is not None:
        return {literal}
    try:
        found = socket.getaddrinfo(word, None, type=socket.SOCK_STREAM)
    except OSError as error:
        raise ConfigError(
            f"config variable proxy_interfaces: host not found: {word}",
            hint="list addresses, or names that this machine can resolve",
        ) from error
    texts = {str(item[4][0]).partition("%")[0] for item in found}
    return {address for text in texts if (address := to_address(text)) is not None}
