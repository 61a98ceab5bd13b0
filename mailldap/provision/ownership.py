"""One address, one owner, also when many write at the same moment.

A directory checks nothing across entries unless an overlay does, and a check before the write
proves nothing about the moment of the write. So a claim is: look, write, look again.

* Who sees another owner before writing gives up: the address is taken.
* Who sees another owner after writing takes its own value back, waits for a random time, and
  starts again.
* Who sees itself alone after writing owns the address.

At most one claim succeeds: of two values that stay, the later write was followed by a look that
must have seen the earlier one. At least one succeeds: whoever gave up saw a value; had its writer
taken it back, that writer looked again later, so the last one to look cannot have given up. A
winner by name or age would break this, because the loser may have finished already. With
slapo-unique, or 389's plugin, the server refuses the second write and the rest never happens;
with the lock of an LDIF file nobody else writes at all. Between two providers that do not see
each other nothing of this holds; `status` shows such pairs.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext

from mailldap.directory.base import Exclusive, Writer
from mailldap.errors import AddressTaken, CouldNotAsk, LdapRefusal, NoSuchValue, ValueExists
from mailldap.ldap.change import Mod, Modify, ModOp
from mailldap.ldap.entry import Entry
from mailldap.provision.find import ADDRESS_ATTRIBUTES, find_recipient, fold, owners, same_dn
from mailldap.provision.result import Result, State

#: Rounds before a claim is given up as undecided; contention of dozens ends within ten.
ROUNDS = 60
_FIRST_WAIT = 0.02  # seconds
_LONGEST_WAIT = 1.5  # seconds
CONSTRAINT_VIOLATION = 19


def exclusive(writer: Writer) -> AbstractContextManager[None]:
    """Return the writer's own lock where it has one, else a context that does nothing."""
    return writer.exclusive() if isinstance(writer, Exclusive) else nullcontext()


def pause(round_number: int) -> None:
    """Wait for a random time that grows with the rounds, so that contenders part."""
    longest = min(_LONGEST_WAIT, _FIRST_WAIT * 2 ** min(round_number, 10))
    time.sleep(random.uniform(0, longest))  # noqa: S311  no secret hangs on it


def split_owners(writer: Writer, dn: str, address: str) -> tuple[Entry | None, list[Entry]]:
    """Return the entry of *dn* if it has *address*, and the others that have it."""
    own: Entry | None = None
    others = []
    for entry in owners(writer, address):
        if same_dn(entry.dn, dn):
            own = entry
        else:
            others.append(entry)
    return own, others


def taken(address: str, others: Sequence[Entry]) -> AddressTaken:
    """Return the error that names the owners of *address*."""
    return AddressTaken(
        address,
        tuple(entry.dn for entry in others),
        hint=f"`mailldap alias move {address} --to RECIPIENT` moves it; "
        "`--allow-shared` lets several have it",
    )


def add_value(writer: Writer, dn: str, attribute: str, value: str) -> None:
    """Add one value; raises ValueExists when it is there."""
    writer.apply(Modify(dn, (Mod(ModOp.ADD, attribute, (value.encode(),)),)))


def delete_value(writer: Writer, dn: str, attribute: str, value: bytes) -> bool:
    """Delete one value; return False when it was not there."""
    try:
        writer.apply(Modify(dn, (Mod(ModOp.DELETE, attribute, (value,)),)))
    except NoSuchValue:
        return False
    return True


def modify(
    writer: Writer,
    recipient: str,
    difference: Callable[[Entry], tuple[list[Mod], list[Result]]],
) -> list[Result]:
    """Make what *difference* says of the entry of *recipient* in one modification.

    It names values one by one, so that what somebody else changed since the read is noticed and
    looked at again. Raises NoSuchRecipient, what the directory refuses of an entry that nobody
    changed, and CouldNotAsk when others kept changing it.
    """
    refused: Entry | None = None
    with exclusive(writer):
        for _ in range(ROUNDS):
            entry = find_recipient(writer, recipient)
            mods, results = difference(entry)
            try:
                if mods:
                    writer.apply(Modify(entry.dn, tuple(mods)))
            except (NoSuchValue, ValueExists):
                if entry == refused:
                    raise
                refused = entry
                continue
            return results
    raise CouldNotAsk(f"{recipient}: others kept changing the entry", hint="try again")


def address_values(entry: Entry, address: str) -> list[tuple[str, bytes]]:
    """Return (attribute, stored value) of each value of *entry* that is *address*."""
    wanted = fold(address)
    return [
        (name, value)
        for name in ADDRESS_ATTRIBUTES
        for value in entry.values(name)
        if fold(value.decode("utf-8", "surrogateescape")) == wanted
    ]


def claim(
    writer: Writer,
    dn: str,
    address: str,
    *,
    attribute: str = "mail",
    allow_shared: bool = False,
    wait: Callable[[int], None] = pause,
) -> State:
    """Give *address* to the entry *dn*; return ADDED or ALREADY.

    Raises AddressTaken naming the owners, CouldNotAsk when the claim stayed undecided (nothing
    of it remains then), or what the directory refuses.
    """
    for round_number in range(ROUNDS):
        own, others = split_owners(writer, dn, address)
        if own and (allow_shared or not others or round_number > ROUNDS // 4):
            return State.ALREADY
        if own:  # another process is adding it here too; who is right shows soon
            wait(round_number)
            continue
        if others and not allow_shared:
            raise taken(address, others)
        try:
            add_value(writer, dn, attribute, address)
        except ValueExists:
            continue
        except LdapRefusal as refusal:
            if refusal.result != CONSTRAINT_VIOLATION or round_number == ROUNDS - 1:
                raise
            wait(round_number)
            continue
        if allow_shared or not split_owners(writer, dn, address)[1]:
            return State.ADDED
        take_back(writer, dn, [(attribute, address.encode())])
        wait(round_number)
    raise CouldNotAsk(
        f"{address}: others kept claiming it at the same time; nothing was changed",
        hint="try again",
    )


def take_back(writer: Writer, dn: str, values: Sequence[tuple[str, bytes]]) -> None:
    """Delete values that a claim wrote.

    Raises CouldNotAsk or a refusal that says what remains, so that nothing is left in silence.
    """
    for attribute, value in values:
        try:
            delete_value(writer, dn, attribute, value)
        except (CouldNotAsk, LdapRefusal) as error:
            text = value.decode("utf-8", "replace")
            error.hint = f"{attribute}: {text} was written to {dn} and could not be taken back"
            raise
