"""Postfix's match lists: mydestination, relay_domains, mynetworks and their like.

A list holds names, ``!`` exceptions, files of more items, and lookup tables. Its first item that
matches decides. Source: Postfix 3.7, match_list(3), match_ops(3), string_list(3),
domain_list(3), namadr_list(3); postconf(5), parent_domain_matches_subdomains.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Protocol

from mailldap.errors import ConfigError
from mailldap.postfix.lines import decode
from mailldap.postfix.words import fold, next_word
from mailldap.simulate.hostname import to_address
from mailldap.tables.base import Failed, Found, Table

_ADDRESS = frozenset("0123456789.abcdefABCDEF:")
_NETWORK = _ADDRESS | frozenset("[]/")


@dataclass(frozen=True, slots=True)
class Pattern:
    """One item of a list, its ``!`` taken off.

    A ``table`` is asked; where its file could not be opened there is a ``failure``; otherwise
    ``text``, case folded, is compared.
    """

    text: str
    wanted: bool = True
    table: Table | None = None
    failure: Failed | None = None


class Opener(Protocol):
    """What a list needs to be read."""

    utf8: bool

    def warn(self, text: str) -> None:
        """Pass on a warning that Postfix would log."""
        ...

    def table(self, spec: str, *, fold: bool) -> Table:
        """Return an opened table."""
        ...

    def read_file(self, path: str) -> bytes:
        """Return a file's content; raises OSError."""
        ...


class MatchList:
    """A list that has been read. ``parameter`` names it in messages."""

    def __init__(
        self, parameter: str, value: str, opener: Opener, *, parents: bool = False
    ) -> None:
        self.parameter = parameter
        self.opener = opener
        #: Whether ``example.com`` also matches subdomains; otherwise ``.example.com`` does.
        self.parents = parents
        self.patterns: list[Pattern] = []
        self._read(value, wanted=True)

    def _read(self, text: str, *, wanted: bool) -> None:
        while (step := next_word(text)) is not None:
            word, text = step
            if word.startswith("#"):
                self.opener.warn(
                    f"{self.parameter}: comment at end of line is not supported: {word} {text}"
                )
                return
            item = word.lstrip("!")
            if not item:
                raise ConfigError(f"{self.parameter}: no pattern after '!'")
            self._add(item, wanted=wanted != bool((len(word) - len(item)) % 2))

    def _add(self, item: str, *, wanted: bool) -> None:
        if item.startswith("/"):
            self._read_file(item, wanted=wanted)
        elif _is_table(item):
            # The list folds the search string itself.
            self.patterns.append(Pattern(item, wanted, self.opener.table(item, fold=False)))
        else:
            self.patterns.append(Pattern(fold(item, utf8=self.opener.utf8), wanted))

    def _read_file(self, path: str, *, wanted: bool) -> None:
        try:
            text = decode(self.opener.read_file(path))
        except OSError as error:
            failure = Failed(f"open file {path}: {error.strerror}")
            # A file that cannot be opened loses its "!".
            self.patterns.append(Pattern(f"non-existent:{path}", failure=failure))
            return
        for line in text.split("\n"):
            if not line.startswith("#"):
                self._read(line, wanted=wanted)

    def match_string(self, text: str) -> bool | Failed:
        """Return whether the list holds exactly *text*, in any case."""
        return self._first(text, self._string)

    def match_domain(self, name: str) -> bool | Failed:
        """Return whether the list holds the domain, or a parent by the list's subdomain rule."""
        return self._first(name, self._domain)

    def match_client(self, name: str, address: str) -> bool | Failed:
        """Return whether the list holds a client's host name or network address."""
        folded_name = fold(name, utf8=self.opener.utf8)
        folded_address = fold(address, utf8=self.opener.utf8)
        for pattern in self.patterns:
            for subject, matches in (
                (folded_name, self._domain),
                (folded_address, self._network),
            ):
                result = matches(subject, pattern)
                if isinstance(result, Failed):
                    return self._failed(result)
                if result:
                    return pattern.wanted
        return False

    def _first(self, text: str, matches: Callable[[str, Pattern], bool | Failed]) -> bool | Failed:
        folded = fold(text, utf8=self.opener.utf8)
        for pattern in self.patterns:
            result = matches(folded, pattern)
            if isinstance(result, Failed):
                return self._failed(result)
            if result:
                return pattern.wanted
        return False

    def _failed(self, failure: Failed) -> Failed:
        self.opener.warn(f"{self.parameter}: {failure.message}")
        return failure

    def _ask(self, key: str, pattern: Pattern) -> bool | Failed:
        if pattern.failure is not None:
            return Failed(f"{pattern.text}: table lookup problem", pattern.failure.kind)
        assert pattern.table is not None
        answer = pattern.table.get(key)
        if isinstance(answer, Failed):
            return Failed(f"{pattern.table.name}: table lookup problem", answer.kind)
        return isinstance(answer, Found)

    def _string(self, text: str, pattern: Pattern) -> bool | Failed:
        if pattern.table is not None or pattern.failure is not None:
            return self._ask(text, pattern)
        return text == pattern.text

    def _domain(self, name: str, pattern: Pattern) -> bool | Failed:
        if pattern.table is not None or pattern.failure is not None:
            return self._domain_in_table(name, pattern)
        if name == pattern.text:
            return True
        if self.parents:
            return name.endswith("." + pattern.text) and len(name) > len(pattern.text) + 1
        return (
            pattern.text.startswith(".")
            and name.endswith(pattern.text)
            and len(name) > len(pattern.text)
        )

    def _domain_in_table(self, name: str, pattern: Pattern) -> bool | Failed:
        """Ask for the name, then for its parents unless the table holds patterns."""
        entry = name
        while entry:
            if entry == name or (pattern.table is not None and pattern.table.fixed):
                result = self._ask(entry, pattern)
                if result is not False:
                    return result
            dot = entry.find(".", 1)
            if dot < 0:
                return False
            entry = entry[dot + 1 :] if self.parents else entry[dot:]
        return False

    def _network(self, address: str, pattern: Pattern) -> bool | Failed:
        if not set(address) <= _ADDRESS:
            return False
        if pattern.table is not None or pattern.failure is not None:
            return self._ask(address, pattern)
        text = pattern.text
        if address == (text[1:-1] if text.startswith("[") and text.endswith("]") else text):
            return True
        has_mask = ":" in text or "/" in text
        if (":" in address) != (":" in text) or not has_mask or not set(text) <= _NETWORK:
            return False
        network = parse_network(text)
        if isinstance(network, Failed):
            return network
        ip = to_address(address)
        return ip is not None and ip.version == network.version and ip in network


def _is_table(item: str) -> bool:
    return not item.startswith("[") and ":" in item


def parse_network(text: str) -> IPv4Network | IPv6Network | Failed:
    """Return the network that an item such as ``[2001:db8::]/32`` means, or Postfix's complaint."""
    address, slash, mask = text.partition("/")
    if address.startswith("["):
        inside, bracket, rest = text[1:].partition("]")
        if not bracket:
            return Failed(f'missing \']\' character after "[" in "{text}"')
        if rest and not rest.startswith("/"):
            return Failed(f'garbage after "]" in "{text}"')
        address, slash, mask = inside, rest[:1], rest[1:]
    if slash and not (mask.isascii() and mask.isdigit()):
        return Failed(f'bad net/mask pattern: "{text}"')
    ip = to_address(address)
    if ip is None or (slash and int(mask) > ip.max_prefixlen):
        return Failed(f'bad net/mask pattern: "{text}"')
    length = int(mask) if slash else ip.max_prefixlen
    network = ip_network((ip, length), strict=False)
    if network.network_address != ip:
        return Failed(
            f'non-null host address bits in "{text}", perhaps you should use '
            f'"{network.network_address}/{length}" instead'
        )
    return network
