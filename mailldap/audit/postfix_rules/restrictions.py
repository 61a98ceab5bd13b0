"""Restriction lists of smtpd, taken apart with the places of their items.

postconf(5), smtpd_recipient_restrictions and its siblings; access(5).
"""

from __future__ import annotations

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
#: permit_… restrictions that let nobody past a later sender check unless a server says so.
_NO_WAY_PAST = ("permit_dnswl_client", "permit_rhswl_client")


@dataclass(frozen=True, slots=True)
class Item:
    """One restriction with its argument; characters ``start`` to ``end`` of its logical line."""

    name: str
    start: int
    end: int


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
            if permit is None and item.name.startswith("permit") and not _conditional(item.name):
                permit = item
            elif permit is not None and item.name in MISMATCH:
                return permit, item
        return None


def lists_of(conf: Configuration) -> Iterator[RestrictionList]:
    """Yield every restriction list that main.cf or master.cf sets."""
    if conf.main:
        for name in LISTS:
            if setting := conf.main.last.get(name):
                start = value_start(setting)
                items = tuple(_items(setting.source.text, start, len(setting.source.text)))
                yield RestrictionList(name, conf.main, setting.source, items)
    for service in conf.services:
        for name, override in service.overrides.items():
            if name in LISTS:
                text = service.source.text
                items = tuple(_items(text, override.start, override.start + len(override.value)))
                yield RestrictionList(name, service.file, service.source, items)


def names_in(conf: Configuration) -> set[str]:
    """Return the restrictions that any list names, ``$name`` references followed."""
    found = {item.name for rules in lists_of(conf) for item in rules.items}
    for rules in lists_of(conf):
        for item in rules.items:
            if item.name.startswith("$"):
                found |= set(conf.expand(item.name).replace(",", " ").split())
    for name in conf.words("smtpd_restriction_classes"):
        found |= set(conf.words(name))
    return found


def _conditional(name: str) -> bool:
    return name.startswith(_NO_WAY_PAST)


def _items(text: str, start: int, end: int) -> Iterator[Item]:
    words = iter(tuple(words_of(text[start:end])))
    for word in words:
        last = word
        while last.text.startswith(_WITH_ARGUMENT) and (following := next(words, None)):
            last = following
        name = last.text if word.text in {"warn_if_reject", "defer_if_reject"} else word.text
        yield Item(name, start + word.start, start + last.end)
