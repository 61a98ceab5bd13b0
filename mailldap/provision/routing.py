"""Where mail for a recipient goes: the values of mailRoutingAddress."""

from __future__ import annotations

from collections.abc import Sequence

from mailldap.directory.base import Writer
from mailldap.ldap.change import Mod, ModOp
from mailldap.ldap.entry import Entry
from mailldap.model.address import Mailbox
from mailldap.provision.find import find_recipient, fold, unlike
from mailldap.provision.ownership import delete_value, exclusive, modify
from mailldap.provision.result import Result, State

ATTRIBUTE = "mailRoutingAddress"


def add_routing(writer: Writer, recipient: str, addresses: Sequence[str]) -> list[Result]:
    """Add routing addresses to *recipient*, all of them or none.

    One Result an address (equal ones are one), ADDED or ALREADY. Raises AddressError,
    NoSuchRecipient, or what the directory refuses.
    """
    wanted = unlike([str(Mailbox.parse(text)) for text in addresses])

    def addition(entry: Entry) -> tuple[list[Mod], list[Result]]:
        missing = [address for address in wanted if not _stored(entry, address)]
        mods = [Mod(ModOp.ADD, ATTRIBUTE, tuple(a.encode() for a in missing))] if missing else []
        states = [(a, State.ADDED if a in missing else State.ALREADY) for a in wanted]
        return mods, [Result(entry.dn, state, ATTRIBUTE, value) for value, state in states]

    return modify(writer, recipient, addition)


def remove_routing(writer: Writer, recipient: str, addresses: Sequence[str]) -> list[Result]:
    """Remove routing addresses; one Result an address, REMOVED or ABSENT.

    The addresses need not be valid. Raises NoSuchRecipient, or what the directory refuses.
    """
    results = []
    gone: list[bytes] = []
    with exclusive(writer):
        entry = find_recipient(writer, recipient)
        for address in addresses:
            held = [value for value in _stored(entry, address) if value not in gone]
            gone += held
            removed = [delete_value(writer, entry.dn, ATTRIBUTE, value) for value in held]
            state = State.REMOVED if any(removed) else State.ABSENT
            results.append(Result(entry.dn, state, ATTRIBUTE, address))
    return results


def set_routing(writer: Writer, recipient: str, addresses: Sequence[str]) -> list[Result]:
    """Make *addresses* the routing of *recipient*; one Result for each value touched or kept.

    The difference is written value by value in one modification, so that a change made by
    somebody else since the read is noticed and looked at again, never overwritten. Raises as
    add_routing, and CouldNotAsk when others kept changing the same entry.
    """
    wanted = unlike([str(Mailbox.parse(text)) for text in addresses])
    keys = {fold(address) for address in wanted}

    def difference(entry: Entry) -> tuple[list[Mod], list[Result]]:
        surplus = [v for v in entry.values(ATTRIBUTE) if fold(_text(v)) not in keys]
        missing = [a for a in wanted if not _stored(entry, a)]
        mods = [Mod(ModOp.DELETE, ATTRIBUTE, (value,)) for value in surplus]
        mods += [Mod(ModOp.ADD, ATTRIBUTE, (address.encode(),)) for address in missing]
        states = [(v.decode("utf-8", "replace"), State.REMOVED) for v in surplus]
        states += [(a, State.ADDED if a in missing else State.ALREADY) for a in wanted]
        return mods, [Result(entry.dn, state, ATTRIBUTE, value) for value, state in states]

    return modify(writer, recipient, difference)


def _stored(entry: Entry, address: str) -> list[bytes]:
    """Return the stored values that are *address*."""
    wanted = fold(address)
    return [value for value in entry.values(ATTRIBUTE) if fold(_text(value)) == wanted]


def _text(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")
