"""From the entries of a search to one result: values, DNs and URLs followed, limits kept.

Source: ldap_table(5), result_attribute to size_limit; Postfix's dict_ldap_get_values(), whose
flags for terminal and leaf entries stay set for the entries that follow in the same search.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from mailldap.directory.base import Deref, Scope, SearchRequest, SearchResult, Session
from mailldap.directory.libldap.uri import SUBORDINATE, UrlError, is_ldap_url, parse_uri
from mailldap.directory.libldap_text import err2string
from mailldap.errors import ApiError, DNError, FilterError
from mailldap.ldap.entry import Entry
from mailldap.ldap.filter import Filter, Present, parse_libldap
from mailldap.postfix.lines import decode
from mailldap.postfix.words import c_string, lower_ascii
from mailldap.tables.ldap_config import LdapConfig

_NO_SUCH_OBJECT = 32
_BAD_FILTER = -7
_PARAM_ERROR = -9
_TIMEOUT = -5
_PROTOCOL_ERROR = 2
_INVALID_DN = 34


class LookupFailed(Exception):
    """The lookup has failed; the text says why and has been logged."""


class Query(NamedTuple):
    """One search as text; no filter means every entry."""

    base: str
    scope: Scope
    filter: str | None
    attributes: tuple[str, ...]


def search(session: Session, config: LdapConfig, query: Query) -> tuple[int, list[Entry]]:
    """Return libldap's result code (negative ones are its own) and the entries.

    Raises ApiError where the conversation failed.
    """
    request = request_of(config, query)
    if isinstance(request, int):
        return request, []
    result: SearchResult = session.run(request)
    return result.code, result.entries


def request_of(config: LdapConfig, query: Query) -> SearchRequest | int:
    """Return the search of a table, or the result code of one that cannot be sent."""
    if config.session.timeout == 0:
        return _PARAM_ERROR
    parsed: Filter | None = Present("objectclass")
    if query.filter is not None:
        try:
            parsed = parse_libldap(query.filter) if query.filter else None
        except FilterError:
            return _BAD_FILTER
    if config.session.timeout < -1:
        return _TIMEOUT  # only -1 waits for ever; libldap gives up whatever the server answers
    if config.size_limit < 0:
        return _PROTOCOL_ERROR  # what servers make of it
    if parsed is None:
        return _without_filter(query.base)
    return SearchRequest(
        base=query.base,
        scope=query.scope,
        filter=parsed,
        attributes=query.attributes,
        size_limit=config.size_limit,
        time_limit=max(config.session.timeout, 0),
        deref=Deref(config.session.dereference),
    )


def _without_base(entries: Sequence[Entry], base: str) -> Sequence[Entry]:
    """Return the entries whose DN is another one."""
    from mailldap.ldap.dn import DN  # few tables need it, and every lookup pays for an import

    own = DN.parse(base).normalized
    return [entry for entry in entries if DN.parse(entry.dn).normalized != own]


def _without_filter(base: str) -> int:
    """Return what a server answers to a search without a filter; it looks at the base first."""
    from mailldap.ldap.dn import DN

    try:
        DN.parse(base)
    except DNError:
        return _INVALID_DN
    return _PROTOCOL_ERROR


class Collector:
    """Collects the values of one lookup."""

    def __init__(
        self, config: LdapConfig, session: Session, key: str, warn: Callable[[str], None]
    ) -> None:
        self.config = config
        self.session = session
        self.key = key
        self.warn = warn
        #: The result so far.
        self.text = ""
        #: DNs of all entries seen, in order.
        self.seen: list[str] = []
        #: The result of the last search for a DN or URL, as libldap remembers it.
        self.last_code = 0
        self._expansions = 0
        self._depth = 0

    def collect(self, entries: Sequence[Entry]) -> None:
        """Add the values of the entries of one search. Raises LookupFailed."""
        levels = [self._entries(entries)]
        while levels:
            self._depth = len(levels)
            deeper = next(levels[-1], None)
            if deeper is None:
                levels.pop()
            else:
                levels.append(self._entries(deeper))

    def _entries(self, entries: Sequence[Entry]) -> Iterator[Sequence[Entry]]:
        """Add the values of entries; yield those of DNs and URLs, to be added before the rest."""
        config = self.config
        is_leaf, is_terminal = True, False
        for count, entry in enumerate(entries, 1):
            self.seen.append(entry.dn)
            if config.size_limit and count > config.size_limit:
                raise self._failure(f"Query size limit ({config.size_limit}) exceeded")
            for name in config.attributes.terminal:
                values = self._values(entry, name)
                if values is not None:
                    is_terminal = bool(values)
                    if is_terminal:
                        break
            if not is_terminal and config.attributes.leaf:
                for name in config.attributes.special:
                    values = self._values(entry, name)
                    if values is not None:
                        is_leaf = not values
                        if not is_leaf:
                            break
            for name, values in as_asked_for(entry):
                if values:
                    yield from self._attribute(
                        name, values, is_leaf=is_leaf, is_terminal=is_terminal
                    )

    def _attribute(
        self, name: str, values: tuple[bytes, ...], *, is_leaf: bool, is_terminal: bool
    ) -> Iterator[Sequence[Entry]]:
        attributes = self.config.attributes
        wanted = attributes.all
        index = next((i for i, w in enumerate(wanted) if _subtype(w, name) > 0), len(wanted))
        terminals = len(attributes.terminal)
        leaves = terminals + len(attributes.leaf)
        if is_terminal or index < leaves + len(attributes.ordinary):
            if (is_terminal and index >= terminals) or (not is_leaf and index < leaves):
                return
            for value in values:
                self._ordinary(value)
        elif index < len(wanted):
            if self._depth >= self.config.recursion_limit:
                raise self._failure(
                    f"Recursion limit exceeded for special attribute {name}={_c_string(values[0])}"
                )
            for value in values:
                yield self._special(_c_string(value))

    def _values(self, entry: Entry, name: str) -> tuple[bytes, ...] | None:
        """Return the values of exactly that description in any case, or None if it is not there."""
        values = _first(entry, name)
        if values is None:
            self.last_code = 0  # libldap remembers a decoding error, which Postfix ignores
        return values

    def _ordinary(self, value: bytes) -> None:
        text = _c_string(value)
        if not text:
            self.warn(
                f'table "ldap:{self.config.name}": empty lookup result for: "{self.key}" -- ignored'
            )
            return
        expanded = self.config.templates.expand_result(self.config.result_format, text, self.key)
        if expanded is None:
            return
        self.text += f",{expanded}" if self.text else expanded
        self._expansions += 1
        if 0 < self.config.expansion_limit < self._expansions:
            raise self._failure(f"Expansion limit exceeded for key: '{self.key}'")

    def _special(self, value: str) -> Sequence[Entry]:
        """Return the entries that a DN or URL leads to."""
        query = Query(value, Scope.BASE, None, self.config.attributes.all)
        below = False
        if is_ldap_url(value):
            try:
                url = parse_uri(value)
            except UrlError as error:
                raise self._search_failure(
                    f"malformed URL {value}: {err2string(error.code)}({error.code})"
                ) from error
            attributes = query.attributes
            if url.attributes:
                attributes = self._intersection(url.attributes)
                if not attributes:
                    return []
            below = url.scope == SUBORDINATE
            scope = Scope.SUB if below else Scope(url.scope or 0)
            query = Query(url.dn, scope, url.filter, attributes)
        try:
            code, entries = search(self.session, self.config, query)
        except ApiError as error:
            code, entries = error.result, []
        self.last_code = code
        if code == _NO_SUCH_OBJECT:
            self.warn(f"dict_ldap_get_values[{self._depth}]: DN {value} not found, skipping ")
            return []
        if code:
            raise self._search_failure(f"search error {code}: {err2string(code)} ")
        return _without_base(entries, query.base) if below else entries

    def _intersection(self, names: Sequence[str]) -> tuple[str, ...]:
        """Return the attributes that both a URL and the table ask for, the narrower of two."""
        both = []
        for name in names:
            for wanted in self.config.attributes.all:
                relation = _subtype(name, wanted)
                if relation:
                    both.append(wanted if relation > 0 else name)
        return tuple(both)

    def _failure(self, message: str) -> LookupFailed:
        return self._search_failure(f"{self.config.name}: {message}")

    def _search_failure(self, message: str) -> LookupFailed:
        self.warn(f"dict_ldap_get_values[{self._depth}]: {message}")
        return LookupFailed(message.strip())


def as_asked_for(entry: Entry) -> Sequence[tuple[str, tuple[bytes, ...]]]:
    """Return the attributes as libldap gives them to who asks for one after the other.

    The values of a name are those of its first attribute, each time that it comes. A name with a
    NUL inside ends the entry.
    """
    attributes = entry.attributes
    names = [lower_ascii(name) for name, _values in attributes]
    if len(set(names)) == len(names) and not any("\0" in name for name in names):
        return attributes
    given = []
    for name, _values in attributes:
        if "\0" in name[:-1]:
            break
        given.append((name.removesuffix("\0"), _first(entry, name) or ()))
    return given


def _first(entry: Entry, name: str) -> tuple[bytes, ...] | None:
    """Return the values of the first attribute of a name in any case, None where there is none."""
    wanted = lower_ascii(name)
    return next((values for own, values in entry if lower_ascii(own) == wanted), None)


def _c_string(value: bytes) -> str:
    return c_string(decode(value))


def _subtype(first: str, second: str) -> int:
    """Compare two attribute descriptions.

    1: they are equal or *second* has more options; -1: *first* has; 0: they are different.
    """
    a, b = lower_ascii(first), lower_ascii(second)
    if a == b or b.startswith(a + ";"):
        return 1
    return -1 if a.startswith(b + ";") else 0
