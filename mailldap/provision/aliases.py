"""The addresses of recipients: the values of mail and mailAlternateAddress."""

from __future__ import annotations

from collections.abc import Sequence

from mailldap.directory.base import Transactional, Writer
from mailldap.errors import CouldNotAsk, LdapRefusal, MailldapError, Negative, NoSuchValue
from mailldap.ldap.change import Mod, Modify, ModOp
from mailldap.model.address import parse_address
from mailldap.provision.find import find_recipient, owners, same_dn, spellings, unlike
from mailldap.provision.ownership import (
    CONSTRAINT_VIOLATION,
    ROUNDS,
    address_values,
    claim,
    delete_value,
    exclusive,
    pause,
    split_owners,
    take_back,
    taken,
)
from mailldap.provision.result import Result, State

_ATTRIBUTE = "mail"


def add_aliases(
    writer: Writer, recipient: str, addresses: Sequence[str], *, allow_shared: bool = False
) -> list[Result]:
    """Give *addresses* to *recipient* (uid, address or DN), all of them or none.

    One Result an address (equal ones are one), ADDED or ALREADY. Raises AddressError,
    NoSuchRecipient, AddressTaken (of one address: those added before it are taken back), or what
    the directory refuses.
    """
    wanted = unlike([str(parse_address(text)) for text in addresses])
    with exclusive(writer):
        entry = find_recipient(writer, recipient)
        if not allow_shared:
            for address in wanted:
                own, others = split_owners(writer, entry.dn, address)
                if others and own is None:
                    raise taken(address, others)
        results: list[Result] = []
        try:
            for address in wanted:
                state = claim(writer, entry.dn, address, allow_shared=allow_shared)
                results.append(Result(entry.dn, state, _ATTRIBUTE, address))
        except MailldapError:
            added = [(_ATTRIBUTE, r.value.encode()) for r in results if r.changed and r.value]
            take_back(writer, entry.dn, added)
            raise
    return results


def remove_aliases(writer: Writer, recipient: str, addresses: Sequence[str]) -> list[Result]:
    """Take *addresses* away from *recipient*; one Result an address, REMOVED or ABSENT.

    The addresses need not be valid: what stands in a directory must be removable. Raises
    NoSuchRecipient, or what the directory refuses.
    """
    results = []
    gone: list[tuple[str, bytes]] = []
    with exclusive(writer):
        entry = find_recipient(writer, recipient)
        for address in addresses:
            held = [
                value
                for spelled in spellings(address)
                for value in address_values(entry, spelled)
                if value not in gone
            ]
            gone += held
            removed = [delete_value(writer, entry.dn, *value) for value in held]
            state = State.REMOVED if any(removed) else State.ABSENT
            results.append(Result(entry.dn, state, _ATTRIBUTE, address))
    return results


def move_alias(writer: Writer, address: str, recipient: str) -> Result:
    """Move *address* from its owner to *recipient*; MOVED, or ALREADY when it is there.

    In one transaction where the server has them (RFC 5805). Elsewhere the new owner gets the
    address before the old one loses it, so that at no moment mail is refused; where the server
    forbids even that (slapo-unique), the order is the other one, and the address is given back
    to its old owner when the new one cannot take it.

    Raises AddressError, NoSuchRecipient (of either side), Negative when several own it.
    """
    wanted = str(parse_address(address))
    with exclusive(writer):
        target = find_recipient(writer, recipient).dn
        for round_number in range(ROUNDS):
            found = owners(writer, wanted)
            others = [entry for entry in found if not same_dn(entry.dn, target)]
            if not others and found:
                return Result(target, State.ALREADY, _ATTRIBUTE, wanted)
            if not others:
                raise Negative(
                    f"{wanted} belongs to nobody",
                    hint=f"`mailldap alias add {recipient} {wanted}` gives it",
                )
            if len(others) > 1:
                raise taken(wanted, others)
            source = others[0]
            out = Modify(
                source.dn,
                tuple(Mod(ModOp.DELETE, *held) for held in _held(address_values(source, wanted))),
            )
            try:
                if len(found) > 1:  # the target has it too
                    writer.apply(out)
                else:
                    _transfer(writer, out, target, wanted)
            except NoSuchValue:  # another process moved it meanwhile
                pause(round_number)
                continue
            return Result(target, State.MOVED, _ATTRIBUTE, wanted, source.dn)
    raise CouldNotAsk(f"{wanted}: others kept moving it at the same time", hint="try again")


def _held(values: list[tuple[str, bytes]]) -> list[tuple[str, tuple[bytes]]]:
    """Return attribute and values as a Mod takes them."""
    return [(name, (value,)) for name, value in values]


def _transfer(writer: Writer, out: Modify, target: str, address: str) -> None:
    """Apply *out* and add *address* to *target*; an error leaves the old state."""
    new = Modify(target, (Mod(ModOp.ADD, _ATTRIBUTE, (address.encode(),)),))
    if isinstance(writer, Transactional) and writer.has_transactions:
        writer.apply_together([out, new])
        return
    try:
        writer.apply(new)
    except LdapRefusal as refusal:
        if refusal.result != CONSTRAINT_VIOLATION:
            raise
    else:
        try:
            writer.apply(out)
        except MailldapError:
            take_back(writer, target, [(_ATTRIBUTE, address.encode())])
            raise
        return
    writer.apply(out)
    try:
        writer.apply(new)
    except MailldapError:
        if others := split_owners(writer, target, address)[1]:  # somebody took it in between
            raise taken(address, others) from None
        back = tuple(Mod(ModOp.ADD, mod.attribute, mod.values) for mod in out.mods)
        writer.apply(Modify(out.dn, back))
        raise
