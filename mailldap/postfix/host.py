"""What Postfix asks the machine about: its name and its network interfaces."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable
from ipaddress import IPv4Interface, IPv6Address, IPv6Interface
from pathlib import Path
from typing import NamedTuple

Interface = IPv4Interface | IPv6Interface
#: Global, site, link and host, as /proc/net/if_inet6 writes them.
_SCOPES = "00 40 20 10"


class Host(NamedTuple):
    """A machine as main.cf's machine-dependent defaults see it.

    ``name`` is what gethostname(2) gives; ``interfaces`` are the addresses of the interfaces that
    are up, with their prefix lengths, IPv4 before IPv6.
    """

    name: str
    interfaces: tuple[Interface, ...]


def this_host() -> Host:
    """Return the machine that we run on.

    Interfaces are found on Linux only; elsewhere the loopback addresses stand for all.
    """
    try:
        interfaces: tuple[Interface, ...] = (*_ipv4(), *_ipv6())
    except (ImportError, OSError):
        interfaces = ()
    if not interfaces:
        interfaces = (IPv4Interface("127.0.0.1/8"), IPv6Interface("::1/128"))
    return Host(socket.gethostname(), interfaces)


def _ipv4() -> Iterable[IPv4Interface]:
    """Yield IPv4 addresses, by the ioctls of netdevice(7)."""
    import fcntl  # not on every system

    get_address, get_netmask, space = 0x8915, 0x891B, 256
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for _, name in socket.if_nameindex():
            request = struct.pack(f"{space}s", name.encode()[:15])
            try:
                address = fcntl.ioctl(probe, get_address, request)[20:24]
                netmask = fcntl.ioctl(probe, get_netmask, request)[20:24]
            except OSError:
                continue
            bits = int.from_bytes(netmask, "big").bit_count()
            yield IPv4Interface((address, bits))


def _ipv6() -> Iterable[IPv6Interface]:
    """Yield IPv6 addresses, from proc(5)."""
    table = Path("/proc/net/if_inet6")
    if table.exists():
        yield from in_order(table.read_text())


def in_order(table: str) -> Iterable[IPv6Interface]:
    """Yield the addresses of a /proc/net/if_inet6 as getifaddrs(3) has them.

    The table goes by hash; the kernel tells them by interface, the widest scope first
    (ipv6_link_dev_addr in addrconf.c).
    """
    rows = [line.split() for line in table.splitlines()]
    for address, _, prefix, *_ in sorted(rows, key=lambda r: (int(r[1], 16), _SCOPES.find(r[3]))):
        yield IPv6Interface((IPv6Address(int(address, 16)), int(prefix, 16)))


def networks(interfaces: Iterable[Interface], style: str) -> list[str]:
    """Return the mynetworks patterns of a mynetworks_style: host, subnet or class.

    Source: postconf(5), mynetworks_style; Postfix's mynetworks(). Raises ValueError for another
    style.
    """
    patterns = []
    for interface in interfaces:
        length = _prefix_length(interface, style.lower())
        network = type(interface)((interface.ip, length)).network
        address = str(network.network_address)
        shown = address if interface.version == 4 else f"[{address}]"
        patterns.append(f"{shown}/{length}")
    return list(dict.fromkeys(patterns))


def _prefix_length(interface: Interface, style: str) -> int:
    """Return how many bits of an interface's address the style trusts."""
    if style == "host":
        return interface.max_prefixlen
    if style == "class" and interface.version == 4:
        first = interface.packed[0]
        return 8 if first < 128 else 16 if first < 192 else 24 if first < 224 else 4
    if style in {"class", "subnet"}:
        return interface.network.prefixlen
    raise ValueError(style)
