"""Server lists as libldap 2.5 reads them (ldap_initialize(3), ldap_url_parselist)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from mailldap.directory.uri import DEFAULT_SOCKET

_SCHEMES = {"ldap": 389, "pldap": 389, "ldaps": 636, "ldapi": 0}
_NUMBER = re.compile(r"[+-]?[0-9]+")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_SCOPES = {"": None, "base": 0, "one": 1, "onelevel": 1, "sub": 2, "subtree": 2, "subord": 3,
           "children": 3, "subordinate": 3}  # fmt: skip


@dataclass(frozen=True, slots=True)
class LibldapUri:
    """One parsed URL; ``host`` of ldapi is a socket's path, ``port`` may be out of range."""

    scheme: str
    host: str
    port: int
    dn: str = ""
    scope: int | None = None
    filter: str | None = None

    @property
    def path(self) -> str:
        """The socket of an ldapi URL."""
        return self.host or DEFAULT_SOCKET

    def __str__(self) -> str:
        if self.scheme == "ldapi":
            return f"ldapi://{self.path.replace('%', '%25').replace('/', '%2F')}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


def parse_uri_list(text: str) -> tuple[LibldapUri, ...] | None:
    """Return the servers of a list with blanks or commas between; None where libldap gives up.

    One URL that does not parse spoils the whole list.
    """
    uris = [parse_uri(item) for item in re.split(r"[ ,]+", text) if item]
    parsed = tuple(uri for uri in uris if uri is not None)
    return parsed if len(parsed) == len(uris) else None


def parse_uri(text: str) -> LibldapUri | None:
    """Return what ldap_url_parse(3) makes of *text*, None where it refuses."""
    if text.startswith("<"):
        if not text.endswith(">"):
            return None
        text = text[1:-1]
    if text[:4].upper() == "URL:":
        text = text[4:]
    scheme, separator, rest = text.partition("://")
    scheme = scheme.lower()
    if not separator or scheme not in _SCHEMES:
        return None
    place, slash, tail = rest.partition("/")
    if not slash:
        place = place.partition("?")[0]
    host_port = (place, 0) if scheme == "ldapi" else _split_port(place, _SCHEMES[scheme])
    if host_port is None:
        return None
    dn, _attributes, scope, filter_text = (tail.split("?", 4) + [""] * 4)[:4]
    if scope.lower() not in _SCOPES:
        return None
    return LibldapUri(
        scheme,
        _unescape(host_port[0]),
        host_port[1],
        _unescape(dn),
        _SCOPES[scope.lower()],
        _unescape(filter_text) or None,
    )


def _split_port(place: str, default: int) -> tuple[str, int] | None:
    if place.startswith("["):
        host, bracket, rest = place[1:].partition("]")
        if not bracket:
            return None
        colon, port = rest[:1], rest[1:]
        if colon != ":":
            return host, default
    else:
        host, colon, port = place.partition(":")
        if not colon:
            return host, default
    if not _NUMBER.fullmatch(port):
        return None
    return host, int(port) or default


def _unescape(text: str) -> str:
    """Undo %XX; a broken escape makes the whole string empty, a NUL ends it."""
    if _BAD_ESCAPE.search(text):
        return ""
    raw = unquote_to_bytes(text.encode("utf-8", "surrogateescape"))
    return raw.partition(b"\0")[0].decode("utf-8", "surrogateescape")
