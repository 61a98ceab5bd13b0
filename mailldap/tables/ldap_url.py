"""LDAP URLs as libldap takes them apart, in server_host and in special_result_attribute.

Looser than RFC 4516, whose syntax it is. Source: ldap_url_parse(3).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from mailldap.directory.base import Scope
from mailldap.postfix.lines import decode, encode
from mailldap.postfix.words import c_string, lower_ascii

_BAD_ESCAPE = re.compile("%(?![0-9A-Fa-f]{2})")
_PREFIX = re.compile(r"(<?)(?:URL:)?((?:ldap|pldap|ldaps|pldaps|ldapi)://)", re.IGNORECASE)
_SCOPES = {
    "base": Scope.BASE,
    "one": Scope.ONE,
    "onelevel": Scope.ONE,
    "sub": Scope.SUB,
    "subtree": Scope.SUB,
}
#: A subtree without its base.
_BELOW = frozenset({"children", "subord", "subordinate"})

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


@dataclass(frozen=True, slots=True)
class LdapUrl:
    """The parts of a URL; ``filter`` is None where the URL has none.

    ``below`` leaves the base out of the results.
    """

    scheme: str
    dn: str
    attributes: tuple[str, ...]
    scope: Scope
    filter: str | None
    below: bool = False


def is_ldap_url(text: str) -> bool:
    """Return whether *text* begins as an LDAP URL does."""
    return _PREFIX.match(text) is not None


def parse_ldap_url(text: str) -> LdapUrl:
    """Return the parts of a text for which :func:`is_ldap_url` is true. Raises UrlError."""
    match = _PREFIX.match(text)
    assert match is not None
    scheme = lower_ascii(match[2]).removesuffix("://")
    rest = text[match.end() :]
    if match[1]:
        if not rest.endswith(">"):
            raise UrlError(BAD_ENCLOSURE)
        rest = rest[:-1]
    place, slash, query = rest.partition("/")
    if not slash:
        place = place.partition("?")[0]
    if scheme != "ldapi":
        _check_place(place)
    return _query(scheme, query.split("?"))


def _check_place(place: str) -> None:
    """Refuse a port that is no number and an open bracket."""
    if place.startswith("["):
        _, bracket, port = place.partition("]")
        if not bracket or (":" in port and not port.startswith(":")):
            raise UrlError(BAD_URL)
        colon, port = port[:1], port[1:]
    else:
        _, colon, port = place.partition(":")
    port = _unescape(port)
    if colon == ":" and not re.fullmatch(r"[ \t\n\v\f\r]*[+-]?[0-9]+", port):
        raise UrlError(BAD_URL)


def _query(scheme: str, fields: list[str]) -> LdapUrl:
    dn, attributes, scope_text, filter_text, extensions, more = (*fields, *[None] * 6)[:6]
    scope, below = Scope.BASE, False
    if scope_text:
        word = lower_ascii(_unescape(scope_text))
        below = word in _BELOW
        if not below and word not in _SCOPES:
            raise UrlError(BAD_SCOPE)
        scope = Scope.SUB if below else _SCOPES[word]
    if filter_text:
        filter_text = _unescape(filter_text)
        if not filter_text:
            raise UrlError(BAD_FILTER)
    if more is not None:
        raise UrlError(BAD_URL)
    if extensions is not None and not [e for e in extensions.split(",") if e]:
        raise UrlError(BAD_EXTENSIONS)
    names = [name for name in _unescape(attributes or "").split(",") if name]
    return LdapUrl(scheme, _unescape(dn or ""), tuple(names), scope, filter_text or None, below)


def _unescape(text: str) -> str:
    """Return *text* without %-escapes, up to the first NUL; a bad escape leaves nothing."""
    if "%" not in text:
        return text
    if _BAD_ESCAPE.search(text):
        return ""
    return c_string(decode(unquote_to_bytes(encode(text))))
