"""LDAP URIs as the tools take them with -H: a server, no query (RFC 4516, RFC 2255 for ldapi)."""

from __future__ import annotations

import ipaddress
import re
from typing import NamedTuple
from urllib.parse import unquote

from mailldap.errors import ConfigError

#: Debian's slapd listens here, and its libldap looks here for ``ldapi:///``.
DEFAULT_SOCKET = "/var/run/slapd/ldapi"

_HINT = "ldap://host[:port], ldaps://host[:port], ldapi://%2Fpath%2Fto%2Fsocket or ldif:FILE"
_NO_CREDENTIALS = "a URI has no user and password in it: -D DN and -y FILE (or -W) give them"
_HOST = re.compile(r"(?:\[([0-9A-Fa-f:.%]+)\]|([^\[\]:@/?# ]*))(?::([0-9]*))?")


def without_credentials(uri: str) -> str:
    """Return *uri* for a message, without a user and password in front of an @.

    Other URIs have them there, LDAP's do not (RFC 4516 §2).
    """
    scheme, separator, rest = uri.partition("://") if "://" in uri else ("", "", uri)
    credentials, _, place = rest.rpartition("@")
    return f"{scheme}{separator}…@{place}" if ":" in credentials else uri


class ServerUri(NamedTuple):
    """One server: ``scheme`` is ldap, ldaps or ldapi; ``host`` of ldapi is a socket's path."""

    scheme: str
    host: str
    port: int
    dn: str = ""

    @classmethod
    def parse(cls, uri: str) -> ServerUri:
        """Return what *uri* names. Raises ConfigError with the value."""
        shown = without_credentials(uri)
        scheme, separator, rest = uri.partition("://")
        scheme = scheme.lower()
        if not separator or scheme not in {"ldap", "ldaps", "ldapi"}:
            raise ConfigError(f"not a directory's URI: {shown!r}", hint=_HINT)
        place, _, dn = rest.partition("/")
        if scheme == "ldapi":
            path = unquote(place, errors="surrogateescape")
            if "\0" in path or (path and not path.startswith("/")):
                raise ConfigError(f"not the path of a socket: {shown!r}", hint=_HINT)
            return cls(scheme, path or DEFAULT_SOCKET, 0)
        match = _HOST.fullmatch(place)
        digits = ((match and match[3]) or ("636" if scheme == "ldaps" else "389")).lstrip("0")
        port = int(digits or "0") if len(digits) <= 5 else 0
        if not match or not 0 < port < 0x10000:
            hint = _NO_CREDENTIALS if "@" in rest else _HINT
            raise ConfigError(f"not a host and port: {shown!r}", hint=hint)
        host = match[1] or match[2] or "localhost"
        return cls(scheme, host, port, unquote(dn.partition("?")[0], errors="surrogateescape"))

    @property
    def is_local(self) -> bool:
        """Whether what is sent there does not leave the machine."""
        if self.scheme == "ldapi" or self.host.lower() == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def __str__(self) -> str:
        if self.scheme == "ldapi":
            return f"ldapi://{self.host.replace('%', '%25').replace('/', '%2F')}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"
