"""Postfix's match lists: mydestination, relay_domains, mynetworks and their like.

A list holds names, ``!`` exceptions, files of more items, and lookup tables. Its first item that
matches decides. Source: Postfix 3.7, match_list(3), match_ops(3), string_list(3),
domain_list(3), namadr_list(3); postconf(5), parent_domain_matches_subdomains.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from mailldap.postfix.words import fold
from mailldap.tables.base import Failed, Found, TableContext
from mailldap.tables.cidr import CidrError, Network
from mailldap.tables.match_list import Opener, Pattern, read_patterns

_ADDRESS = frozenset("0123456789.abcdefABCDEF:")
_NETWORK = _ADDRESS | frozenset("[]/")


class MatchList:
    """A list that has been read. ``parameter`` names it in messages.

    With *parents* ``example.com`` also matches subdomains; otherwise ``.example.com`` does.
    Raises ConfigError for a list that Postfix would not start with.
    """

    def __init__(
        self,
        parameter: str,
        value: str,
        context: TableContext,
        opener: Opener,
        *,
        parents: bool = False,
    ) -> None:
        self.parameter = parameter
        self.parents = parents
        # The list folds the search string itself.
        self._context = replace(context, fold=False)
        self.patterns = read_patterns(parameter, value, self._context, opener)

    def match_string(self, text: str) -> bool | Failed:
        """Return whether the list holds exactly *text*, in any case."""
        return self._first([(text, self._string)])

    def match_domain(self, name: str) -> bool | Failed:
        """Return whether the list holds the domain, or a parent by the list's subdomain rule."""
        return self._first([(name, self._domain)])

    def match_client(self, name: str, address: str) -> bool | Failed:
        """Return whether the list holds a client's host name or network address."""
        return self._first([(name, self._domain), (address, self._network)])

    def _first(
        self, subjects: list[tuple[str, Callable[[str, Pattern], bool | Failed]]]
    ) -> bool | Failed:
        for pattern in self.patterns:
            for text, matches in subjects:
                result = matches(fold(text, utf8=self._context.utf8), pattern)
                if isinstance(result, Failed):
                    self._context.warn(f"{self.parameter}: {result.message}")
                    return result
                if result:
                    return pattern.wanted
        return False

    def _ask(self, key: str, pattern: Pattern) -> bool | Failed:
        assert pattern.table is not None
        answer = pattern.table.get(key)
        if isinstance(answer, Failed):
            return Failed(f"{pattern.table.name}: table lookup problem", answer.kind)
        return isinstance(answer, Found)

    def _string(self, text: str, pattern: Pattern) -> bool | Failed:
        return text == pattern.text if pattern.table is None else self._ask(text, pattern)

    def _domain(self, name: str, pattern: Pattern) -> bool | Failed:
        if pattern.table is not None:
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
        assert pattern.table is not None
        entry = name
        while entry:
            if entry == name or pattern.table.fixed:
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
        if pattern.table is not None:
            return self._ask(address, pattern)
        text = pattern.text
        if address == (text[1:-1] if text.startswith("[") and text.endswith("]") else text):
            return True
        has_mask = ":" in text or "/" in text
        if (":" in address) != (":" in text) or not has_mask or not set(text) <= _NETWORK:
            return False
        try:
            return bool(Network.parse(text).holds(address))
        except CidrError as error:
            return Failed(str(error))
