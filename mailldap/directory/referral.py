"""Referral objects (RFC 3296): the URIs that send a client elsewhere, as slapd rewrites them."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

from mailldap.directory.base import Scope
from mailldap.errors import DNError
from mailldap.ldap.entry import Entry
from mailldap.ldap.schema import Schema

_LDAP_URI = re.compile(r"(ldaps?|ldapi|cldap)://([^/?]*)(?:/([^?]*)(?:\?(.*))?)?\Z", re.IGNORECASE)
_SCHEME = re.compile("[A-Za-z][A-Za-z0-9+.-]*:")
_SCOPES = {Scope.BASE: "base", Scope.ONE: "one", Scope.SUB: "sub"}
_IN_A_DN = "!$&'()*+,;=:@/-._~"


def uris_of(entry: Entry) -> list[str]:
    """Return the URIs of a referral object, without the labels that may follow them."""
    return [words[0] for words in (text.split(None, 1) for text in entry.texts("ref")) if words]


def rewrite(entry: Entry, target: str | None, scope: Scope, schema: Schema) -> tuple[str, ...]:
    """Return the referral's URIs for a request about *target*, a DN at or below the entry.

    None for *target* makes continuation references: the entry itself is to be searched there.
    A URI that spells a scope keeps it; one without a DN gets the target's. URIs that are not
    LDAP's stay as they are, LDAP URIs that do not parse are left out.
    """
    rewritten = []
    for uri in uris_of(entry):
        match = _LDAP_URI.match(uri)
        if match is None:
            if _SCHEME.match(uri) and not uri.lower().startswith(("ldap:", "ldaps:", "ldapi:")):
                rewritten.append(uri)
            continue
        fields = (match[4] or "").split("?")
        attributes, own_scope, *rest = (*fields, "", "", "", "")[:4]
        dn = _dn(unquote(match[3] or "", errors="surrogateescape"), entry.dn, target, schema)
        if dn is None:
            continue
        tail = [attributes, own_scope or _SCOPES[scope], *rest]
        while tail and not tail[-1]:
            tail.pop()
        quoted = quote(dn, safe=_IN_A_DN, errors="surrogateescape")
        rewritten.append("?".join([f"{match[1].lower()}://{match[2]}/{quoted}", *tail]))
    return tuple(rewritten)


def _dn(own: str, at: str, target: str | None, schema: Schema) -> str | None:
    """Return the DN there that corresponds to *target* here, where *at* stands for *own* there.

    As slapd does it: where the end of the target is not spelled as the entry, but for the case of
    ASCII letters, the target stays as it is.
    """
    try:
        there, there_key = schema.dn_forms(own, strict=False)
        if target is None:
            return there or at
        wanted, _ = schema.dn_forms(target, strict=False)
        here, here_key = schema.dn_forms(at, strict=False)
    except DNError:
        return None
    if not there or there_key == here_key or not _ascii_lower(wanted).endswith(_ascii_lower(here)):
        return wanted
    return wanted[: len(wanted) - len(here)] + there


def _ascii_lower(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape").lower()
