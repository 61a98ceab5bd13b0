"""Restriction lists of smtpd, taken apart with the places of their items.

postconf(5), smtpd_recipient_restrictions and its siblings; access(5).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from mailldap.audit.configuration import Configuration
from mailldap.audit.postfix_rules.comments import value_start
from mailldap.audit.services import words_of
from mailldap.audit.source import SourceFile
from mailldap.postfix.lines import LogicalLine

LISTS = (
    "smtpd_client_restrictions",
    "smtpd_helo_restrictions",
    "smtpd_sender_restrictions",
    "smtpd_relay_restrictions",
    "smtpd_recipient_restrictions",
    "smtpd_data_restrictions",
    "smtpd_end_of_data_restrictions",
    "smtpd_etrn_restrictions",
)
MISMATCH = frozenset(
    {
        "reject_sender_login_mismatch",
        "reject_authenticated_sender_login_mismatch",
        "reject_unauthenticated_sender_login_mismatch",
        "reject_known_sender_login_mismatch",
    }
)
#: Restrictions that are followed by an argument.
_WITH_ARGUMENT = (
    "check_",
    "reject_rbl_client",
    "reject_rhsbl_",
    "permit_dnswl_client",
    "permit_rhswl_client",
    "sleep",
    # These two change the restriction behind them and move with it.
    "warn_if_reject",
    "defer_if_reject",
)
_REFERENCE = re.compile(r"\$[({]?([A-Za-z0-9_]+)[)}]?")
#: permit_… restrictions that let nobody past a later sender check unless a server says so.
_NO_WAY_PAST = ("permit_dnswl_client", "permit_rhswl_client")


@dataclass(frozen=True, slots=True)
class Item:
    """One restriction with its argument; characters ``start`` to ``end`` of its logical line.

    ``names`` are the restrictions that it stands for: itself, or those behind ``$name``.
    """

    name: str
    start: int
    end: int
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RestrictionList:
    """A list as main.cf or a service of master.cf has it."""

    name: str
    file: SourceFile
    source: LogicalLine
    items: tuple[Item, ...]

    @property
    def line(self) -> int:
        """The physical line on which the list starts."""
        return self.source.line

    def hidden(self) -> tuple[Item, Item] | None:
        """Return the first permit and the first mismatch check behind it, or None."""
        permit: Item | None = None
        for item in self.items:
            if permit is not None and MISMATCH & set(item.names):
                return permit, item
            if permit is None and any(map(_permits, item.names)):
                permit = item
        return None


def lists_of(conf: Configuration) -> Iterator[RestrictionList]:
    """Yield every restriction list that main.cf or master.cf sets.

    Behind them come those that they name: ``$name``, as in the stock master.cf, and restriction
    classes.
    """
    named = conf.words("smtpd_restriction_classes")
    seen = set(LISTS)
    for rules in _own_lists(conf):
        named += _references(rules)
        yield rules
    while named:
        name = named.pop(0)
        further = _list_in_main(conf, name) if name not in seen else None
        seen.add(name)
        if further:
            named += _references(further)
            yield further


def _own_lists(conf: Configuration) -> Iterator[RestrictionList]:
    for name in LISTS:
        if rules := _list_in_main(conf, name):
            yield rules
    for service in conf.services:
        for name, override in service.overrides.items():
            if name in LISTS:
                end = override.start + len(override.value)
                items = tuple(_items(conf, service.source.text, override.start, end))
                yield RestrictionList(name, service.file, service.source, items)


def _list_in_main(conf: Configuration, name: str) -> RestrictionList | None:
    setting = conf.setting(name)
    if conf.main is None or setting is None:
        return None
    text = setting.source.text
    items = tuple(_items(conf, text, value_start(setting), len(text)))
    return RestrictionList(name, conf.main, setting.source, items)


def _references(rules: RestrictionList) -> list[str]:
    """Return the parameters that a list names as ``$name``, ``${name}`` or ``$(name)``."""
    found = (_REFERENCE.fullmatch(item.name) for item in rules.items)
    return [match[1] for match in found if match]


def names_in(conf: Configuration) -> set[str]:
    """Return the restrictions that any list names, ``$name`` references followed."""
    return {name for rules in lists_of(conf) for item in rules.items for name in item.names}


def _permits(name: str) -> bool:
    return name.startswith("permit") and not name.startswith(_NO_WAY_PAST)


def _items(conf: Configuration, text: str, start: int, end: int) -> Iterator[Item]:
    words = iter(tuple(words_of(text[start:end])))
    for word in words:
        last = word
        while last.text.startswith(_WITH_ARGUMENT) and (following := next(words, None)):
            last = following
        name = last.text if word.text in {"warn_if_reject", "defer_if_reject"} else word.text
        names: tuple[str, ...] = (name,)
        if name.startswith("$"):
            names = tuple(conf.expand(name).replace(",", " ").split())
        yield Item(name, start + word.start, start + last.end, names)
