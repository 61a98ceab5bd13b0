"""Access tables: which keys smtpd(8) tries, and what a table's action means.

Source: Postfix 3.7, check_table_result() and check_*_access() in smtpd_check.c; access(5).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from mailldap.postfix.words import SPACE, lower_ascii
from mailldap.simulate.hostname import is_address


class Action(Enum):
    """What an access(5) action does to the decision."""

    DUNNO = "dunno"
    OK = "ok"
    DISCARD = "discard"
    REJECT = "reject"
    DEFER = "defer"
    DEFER_IF_PERMIT = "defer_if_permit"
    DEFER_IF_REJECT = "defer_if_reject"
    REPLY = "reply"
    HANGUP = "hangup"
    RESTRICTIONS = "restrictions"


#: Actions that leave the decision to what follows.
_PASSIVE = frozenset({"dunno", "info", "warn", "filter", "hold", "redirect", "bcc", "prepend"})
_ACTIVE = {
    "reject": Action.REJECT,
    "defer": Action.DEFER,
    "hangup": Action.HANGUP,
    "discard": Action.DISCARD,
    "defer_if_permit": Action.DEFER_IF_PERMIT,
    "defer_if_reject": Action.DEFER_IF_REJECT,
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """An action with its text; ``code`` belongs to REPLY."""

    action: Action
    text: str = ""
    code: int = 0


def read_action(value: str, *, discards: bool = True) -> Verdict:
    """Return what the value of an access table asks for.

    With *discards* off (DISCARD in a place where it has no effect) DISCARD is passed over.
    """
    end = next((i for i, c in enumerate(value) if c in " \t"), len(value))
    word, text = value[:end], value[end:].lstrip(SPACE)
    name = lower_ascii(word)
    if name in _PASSIVE:
        return Verdict(Action.DUNNO, text)
    if name in _ACTIVE:
        action = _ACTIVE[name]
        if action is Action.DISCARD and not discards:
            return Verdict(Action.DUNNO)
        return Verdict(action, text)
    if value.isascii() and value.isdigit():
        return Verdict(Action.OK)
    if len(word) == 3 and text and word[0] in "45" and word.isascii() and word.isdigit():
        return Verdict(Action.REPLY, text, int(word))
    if name in {"ok", "relay"}:
        return Verdict(Action.OK)
    return Verdict(Action.RESTRICTIONS, value)


def domain_keys(domain: str, *, parents: bool) -> Iterator[str]:
    """Yield a host name and its parents, as check_client_access and check_helo_access try them.

    With *parents* (smtpd_access_maps is in parent_domain_matches_subdomains) without a leading
    dot. A numerical name has no parents.
    """
    name = domain
    while name:
        yield name
        dot = name.find(".", 1)
        if dot < 0 or is_address(domain):
            return
        name = name[dot + 1 :] if parents else name[dot:]


def address_keys(address: str) -> Iterator[str]:
    """Yield a network address and the networks it is in, octet by octet."""
    separator = ":" if ":" in address else "."
    while address:
        yield address
        address = address.rpartition(separator)[0]
