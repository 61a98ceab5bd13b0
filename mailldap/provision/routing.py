"""Where mail for a recipient goes: the values of mailRoutingAddress."""

from __future__ import annotations

from collections.abc import Sequence

from mailldap.directory.base import Writer
from mailldap.errors import CouldNotAsk, NoSuchValue, ValueExists
from mailldap.ldap.change import Mod, Modify, ModOp
from mailldap.ldap.entry import Entry
from mailldap.model.address import Mailbox
from mailldap.provision.find import find_recipient, fold, unlike
from mailldap.provision.ownership import ROUNDS, add_value, delete_value, exclusive
from mailldap.provision.result import Result, State

ATTRIBUTE = "mailRoutingAddress"


def add_routing(writer: Writer, recipient: str, addresses: Sequence[str]) -> list[Result]:
    """Add routing addresses to *recipient*; one Result an address, ADDED or ALREADY.

    Raises AddressError, NoSuchRecipient, or what the directory refuses.
    """
    wanted = unlike([str(Mailbox.parse(text)) for text in addresses])
    results = []
    with exclusive(writer):
        entry = find_recipient(writer, recipient)
        for address in wanted:
            state = State.ALREADY
            if not _stored(entry, address):
                try:
                    add_value(writer, entry.dn, ATTRIBUTE, address)
                    state = State.ADDED
                except ValueExists:  # added by somebody else since the entry was read
                    state = State.ALREADY
            results.append(Result(entry.dn, state, ATTRIBUTE, address))
    return results


def remove_routing(writer: Writer, recipient: str, addresses: Sequence[str]) -> list[Result]:
    """Remove routing addresses; one Result an address, REMOVED or ABSENT.

    The addresses need not be valid. Raises NoSuchRecipient, or what the directory refuses.
    """
    results = []
    with exclusive(writer):
        entry = find_recipient(writer, recipient)
        for address in addresses:
            gone = [
                delete_value(writer, entry.dn, ATTRIBUTE, value)
                for value in _stored(entry, address)
            ]
            state = State.REMOVED if any(gone) else State.ABSENT
            results.append(Result(entry.dn, state, ATTRIBUTE, address))
    return results


def set_routing(writer: Writer, recipient: str, addresses: Sequence[str]) -> list[Result]:
    """Make *addresses* the routing of *recipient*; one Result for each value touched or kept.

    The difference is written value by value in one modification, so that a change made by
    somebody else since the read is noticed and looked at again, never overwritten. Raises as
    add_routing, and CouldNotAsk when others kept changing the same entry.
    """
    wanted = unlike([str(Mailbox.parse(text)) for text in addresses])
    with exclusive(writer):
        for _ in range(ROUNDS):
            entry = find_recipient(writer, recipient)
            keys = {fold(address) for address in wanted}
            surplus = [
                v for v in entry.values(ATTRIBUTE) if fold(v.decode("utf-8", "replace")) not in keys
            ]
            missing = [a for a in wanted if not _stored(entry, a)]
            mods = [Mod(ModOp.DELETE, ATTRIBUTE, (value,)) for value in surplus]
            mods += [Mod(ModOp.ADD, ATTRIBUTE, (address.encode(),)) for address in missing]
            try:
                if mods:
                    writer.apply(Modify(entry.dn, tuple(mods)))
            except (NoSuchValue, ValueExists):
                continue
            states = [(v.decode("utf-8", "replace"), State.REMOVED) for v in surplus]
            states += [(a, State.ADDED if a in missing else State.ALREADY) for a in wanted]
            return [Result(entry.dn, state, ATTRIBUTE, value) for value, state in states]
    raise CouldNotAsk(f"{recipient}: others kept changing its routing", hint="try again")


def _stored(entry: Entry, address: str) -> list[bytes]:
    """Return the stored values that are *address*."""
    wanted = fold(address)
    return [
        value
        for value in entry.values(ATTRIBUTE)
        if fold(value.decode("utf-8", "surrogateescape")) == wanted
    ]
