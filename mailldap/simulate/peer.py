"""The client of a conversation: its address, and the names that smtpd(8) finds for it.

DNS is never asked. A name comes from the one who asks, or from hosts(5); where neither has one
it is taken to be unknown, and ``guessed`` says so.

Source: Postfix 3.7, smtpd_peer.c; postconf(5), smtpd_peername_lookup, smtpd_client_port_logging.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

from mailldap.errors import UsageError
from mailldap.postfix.main_cf import MainCf
from mailldap.simulate.hostname import is_hostname

UNKNOWN = "unknown"
_HOSTS = "/etc/hosts"
_NAMED = re.compile(r"(?P<name>[^\[\]]+)\[(?P<address>[^\[\]]*)\]")


@dataclass(frozen=True, slots=True)
class Peer:
    """A client as smtpd knows it.

    ``address`` is None where nobody has said it; the client is then outside mynetworks. ``name``
    is the verified host name or "unknown", ``reverse_name`` the one that was not verified.
    ``guessed``: DNS might know a name. ``port_logging``: smtpd_client_port_logging.
    """

    address: str | None = None
    name: str = UNKNOWN
    reverse_name: str = UNKNOWN
    guessed: bool = False
    port_logging: bool = False

    @property
    def shown_address(self) -> str:
        """The address, or "unknown"."""
        return self.address or UNKNOWN

    @property
    def shown(self) -> str:
        """``name[address]``, as replies have it; nobody knows the port."""
        port = f":{UNKNOWN}" if self.port_logging else ""
        return f"{self.name}[{self.shown_address}]{port}"


def identify(text: str | None, main: MainCf, read_file: Callable[[str], bytes]) -> Peer:
    """Return the client that *text* means: None, ``ADDRESS``, or ``NAME[ADDRESS]``.

    ``unknown[ADDRESS]`` has no name. A name that is given counts as verified. Raises UsageError
    for anything else.
    """
    logging = main.get_bool("smtpd_client_port_logging")
    looks_up = main.get_bool("smtpd_peername_lookup")
    if text is None:
        return Peer(guessed=looks_up, port_logging=logging)
    named = _NAMED.fullmatch(text)
    address = _address(named["address"] if named else text)
    if address is None or (named and not is_hostname(named["name"])):
        raise UsageError(
            f"{text}: no such client", hint="an IP address, or NAME[ADDRESS] as Postfix logs it"
        )
    if named:
        return Peer(address, named["name"], named["name"], port_logging=logging)
    name = _name_in_hosts(address, read_file) if looks_up else None
    if name is not None:
        return Peer(address, name, name, port_logging=logging)
    return Peer(address, guessed=looks_up, port_logging=logging)


def _address(text: str) -> str | None:
    """Return an address as Postfix writes it, or None for what is none."""
    try:
        address = ip_address(text.removeprefix("IPv6:").removeprefix("IPV6:"))
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(address)


def _name_in_hosts(address: str, read_file: Callable[[str], bytes]) -> str | None:
    """Return the name that hosts(5) gives an address first, or None.

    The same line leads back from the name to the address, so the name is verified.
    """
    try:
        lines = read_file(_HOSTS).decode("ascii", "replace").splitlines()
    except OSError:
        return None
    for line in lines:
        words = line.partition("#")[0].split()
        if len(words) > 1 and _address(words[0]) == address and is_hostname(words[1]):
            return words[1]
    return None
