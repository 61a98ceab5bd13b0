"""LDAP URLs as libldap 2.5 takes them apart: servers, referrals, and what tables recurse to.

Looser than RFC 4516, whose syntax it is. Source: libldap's url.c (ldap_url_parse_ext,
ldap_url_parselist_int); ldap_initialize(3).
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from mailldap.directory.uri import DEFAULT_SOCKET

_PREFIX = re.compile(r"(<?)(?:URL:)?(ldap|pldap|ldaps|pldaps|ldapi)://", re.IGNORECASE | re.ASCII)
_NUMBER = re.compile(r"[ \t\n\v\f\r]*([+-]?)0*([0-9]+)")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
#: 3 is the subtree without its base.
SUBORDINATE = 3
_SCOPES = {"base": 0, "one": 1, "onelevel": 1, "sub": 2, "subtree": 2, "subord": SUBORDINATE,
           "children": SUBORDINATE, "subordinate": SUBORDINATE}  # fmt: skip

BAD_SCHEME = 3
BAD_ENCLOSURE = 4
BAD_URL = 5
BAD_SCOPE = 8
BAD_FILTER = 9
BAD_EXTENSIONS = 10


class UrlError(Exception):
    """A URL that ldap_url_parse(3) refuses; ``code`` is what it returns."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class LibldapUri(NamedTuple):
    """One parsed URL; ``host`` of ldapi is a socket's path, ``port`` may be out of range.

    ``scope`` and ``filter`` are None where the URL has none.
    """

    scheme: str
    host: str
    port: int
    dn: str = ""
    attributes: tuple[str, ...] = ()
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


def is_ldap_url(text: str) -> bool:
    """Return whether *text* begins as an LDAP URL does."""
    return _PREFIX.match(text) is not None


def parse_uri_list(text: str) -> tuple[LibldapUri, ...] | None:
    """Return the servers of a list with blanks or commas between; None where libldap gives up.

    One URL that does not parse spoils the whole list.
    """
    try:
        return tuple(parse_uri(item) for item in re.split(r"[ ,]+", text) if item)
    except UrlError:
        return None


def parse_uri(text: str) -> LibldapUri:
    """Return the parts of a URL. Raises UrlError."""
    match = _PREFIX.match(text)
    if match is None:
        raise UrlError(BAD_SCHEME)
    scheme = match[2].lower()
    rest = text[match.end() :]
    if match[1]:
        if not rest.endswith(">"):
            raise UrlError(BAD_ENCLOSURE)
        rest = rest[:-1]
    place, slash, query = rest.partition("/")
    if not slash:
        place, _, query = place.partition("?")
    if scheme == "ldapi":
        host, port = place, 0
    else:
        host, port = _split_port(place, 636 if scheme == "ldaps" else 389)
    if slash:
        return LibldapUri(scheme, _unescape(host), port, *_query(query.split("?")))
    # Some servers left the slash out; libldap understands that of sockets only.
    dn = _unescape(query[1:]) if scheme == "ldapi" and query.startswith("?") else ""
    return LibldapUri(scheme, _unescape(host), port, dn)


def _split_port(place: str, default: int) -> tuple[str, int]:
    """Return host and port, which an open bracket or what is no number spoil."""
    if place.startswith("["):
        host, bracket, rest = place[1:].partition("]")
        if not bracket or (":" in rest and not rest.startswith(":")):
            raise UrlError(BAD_URL)
        colon, port = rest[:1], rest[1:]
    else:
        host, colon, port = place.partition(":")
    if colon != ":":
        return host, default
    port = _unescape(port)
    number = _NUMBER.fullmatch(port)
    if number is None:
        raise UrlError(BAD_URL)
    # No port has more digits, and int() refuses thousands of them.
    value = int(number[2]) if len(number[2]) <= 9 else 10**9
    return host, (-value if number[1] == "-" else value) or default


def _query(fields: list[str]) -> tuple[str, tuple[str, ...], int | None, str | None]:
    """Return DN, attributes, scope and filter of what follows the slash."""
    dn, attributes, scope_text, filter_text, extensions, more = (*fields, *[None] * 6)[:6]
    scope = None
    if scope_text:
        scope = _SCOPES.get(_unescape(scope_text).lower())
        if scope is None:
            raise UrlError(BAD_SCOPE)
    if filter_text:
        filter_text = _unescape(filter_text)
        if not filter_text:
            raise UrlError(BAD_FILTER)
    if more is not None:
        raise UrlError(BAD_URL)
    if extensions is not None and not [e for e in extensions.split(",") if e]:
        raise UrlError(BAD_EXTENSIONS)
    names = tuple(name for name in _unescape(attributes or "").split(",") if name)
    return _unescape(dn or ""), names, scope, filter_text or None


def _unescape(text: str) -> str:
    """Undo %XX; a broken escape makes the whole string empty, a NUL ends it."""
    if "%" not in text:
        return text
    if _BAD_ESCAPE.search(text):
        return ""
    raw = unquote_to_bytes(text.encode("utf-8", "surrogateescape"))
    return raw.partition(b"\0")[0].decode("utf-8", "surrogateescape")
