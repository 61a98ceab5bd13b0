"""The tables and lists that one configuration names, opened when they are first asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from mailldap.errors import ConfigError
from mailldap.postfix.main_cf import MainCf
from mailldap.postfix.words import split_braced
from mailldap.simulate.lists import MatchList
from mailldap.simulate.trace import Step
from mailldap.tables.base import Failed, Table, TableContext
from mailldap.tables.open import Maps, open_table


class Opened:
    """What the parameters of *main* name, opened once through *context*."""

    def __init__(
        self,
        main: MainCf,
        context: TableContext,
        note: Callable[[Step], None] = lambda _step: None,
    ) -> None:
        self.main = main
        #: Is told what is done to addresses.
        self.note = note
        self.context = context
        self.utf8 = context.utf8
        self._tables: dict[tuple[str, bool, bool], Table] = {}
        self._maps: dict[str, Maps] = {}
        self._lists: dict[tuple[str, str, bool], MatchList] = {}

    def warn(self, text: str) -> None:
        """Pass on a warning that Postfix would log."""
        self.context.warn(text)

    def table(self, spec: str, *, fold: bool = True, substitution: bool = True) -> Table:
        """Return an opened table; raises ConfigError where that is impossible."""
        how = (spec, fold, substitution)
        known = self._tables.get(how)
        if known is None:
            context = replace(self.context, fold=fold, substitution=substitution)
            known = self._tables[how] = open_table(spec, context)
        return known

    def maps(self, parameter: str) -> Maps:
        """Return the tables that a main.cf parameter lists; raises ConfigError naming it."""
        known = self._maps.get(parameter)
        if known is None:
            known = self._maps[parameter] = self.tables(parameter, self.main.get(parameter))
        return known

    def opened(self, parameter: str) -> tuple[Table, ...]:
        """Return the tables that a parameter lists, none where nobody has opened them yet."""
        known = self._maps.get(parameter)
        return known.tables if known is not None else ()

    def tables(self, title: str, specs: str, *, fold: bool = True) -> Maps:
        """Return the tables of a list of ``type:name``; *title* names the list in messages.

        *fold* is off where Postfix compares keys with their case.
        """
        try:
            substitution = title not in _WITHOUT_SUBSTITUTION
            tables = [
                self.table(s, fold=fold, substitution=substitution) for s in split_braced(specs)
            ]
            return Maps(title, tables, self.context)
        except ConfigError as error:
            raise self._named(title, error) from error

    def match_list(self, parameter: str, *, value: str | None = None) -> MatchList:
        """Return the list that a main.cf parameter holds; raises ConfigError naming it.

        parent_domain_matches_subdomains decides whether subdomains match.
        """
        text = self.main.get(parameter) if value is None else value
        parents = parameter != _PARENTS and self.parents_match(parameter)
        known = self._lists.get((parameter, text, parents))
        if known is None:
            try:
                known = MatchList(parameter, text, self.context, open_table, parents=parents)
            except ConfigError as error:
                raise self._named(parameter, error) from error
            self._lists[parameter, text, parents] = known
        return known

    def parents_match(self, parameter: str) -> bool:
        """Return whether parent_domain_matches_subdomains names *parameter*."""
        result = self.match_list(_PARENTS).match_string(parameter)
        if isinstance(result, Failed):
            raise ConfigError(f"{_PARENTS}: {result.message}")
        return result

    def close(self) -> None:
        """Give up all connections."""
        for table in self._tables.values():
            table.close()

    def _named(self, parameter: str, error: ConfigError) -> ConfigError:
        if parameter in error.message:
            return error
        named = ConfigError(f"{parameter}: {error.message}", hint=error.hint)
        named.file, named.line = error.file, error.line
        return named


#: Pattern tables in these must not put parts of an address into the result.
_WITHOUT_SUBSTITUTION = frozenset(
    {
        "sender_dependent_default_transport_maps",
        "sender_dependent_relayhost_maps",
        "transport_maps",
    }
)
_PARENTS = "parent_domain_matches_subdomains"
