"""Whole mailRecipient entries: made, changed, renamed and removed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mailldap.directory.base import Writer
from mailldap.errors import (
    AlreadyExists,
    CouldNotAsk,
    EntryExists,
    LdapRefusal,
    NoSuchObject,
    RecipientError,
    UsageError,
)
from mailldap.ldap.change import Add, Delete, Mod, Modify, ModOp, Rename
from mailldap.ldap.dn import DN
from mailldap.ldap.entry import Entry
from mailldap.ldap.schema import default_schema
from mailldap.model.address import Mailbox, parse_address
from mailldap.model.recipient import new_entry, text_problems
from mailldap.provision.find import (
    ADDRESS_ATTRIBUTES,
    IS_RECIPIENT,
    find_recipient,
    fold,
    recipients,
    same_dn,
    with_uid,
)
from mailldap.provision.ownership import (
    CONSTRAINT_VIOLATION,
    ROUNDS,
    exclusive,
    modify,
    pause,
    split_owners,
    take_back,
    taken,
)
from mailldap.provision.result import Result, State
from mailldap.provision.routing import ATTRIBUTE as ROUTING

__all__ = [
    "IS_RECIPIENT",
    "add_recipient",
    "find_recipient",
    "recipients",
    "remove_recipient",
    "rename_recipient",
    "set_recipient",
]


def add_recipient(
    writer: Writer,
    uid: str,
    *,
    addresses: Sequence[str],
    routing: Sequence[str],
    name: str | None = None,
    people: str = "ou=People",
    structural_class: str = "account",
    allow_shared: bool = False,
) -> Result:
    """Make the entry of a recipient; ADDED, or ALREADY when it is there with all of this.

    The entry is ``uid=UID`` below *people* (relative to the base). Raises AddressError,
    RecipientError, AddressTaken, AlreadyExists when the uid names a different entry, or what
    the directory refuses.
    """
    parent = DN.parse(f"{people},{writer.base}" if people else writer.base)
    entry = new_entry(
        uid,
        str(parent),
        addresses=[str(parse_address(text)) for text in addresses],
        routing=[str(Mailbox.parse(text)) for text in routing],
        name=name,
        structural_class=structural_class,
    )
    with exclusive(writer):
        for round_number in range(ROUNDS):
            if there := _existing(writer, uid, entry):
                return there
            if not allow_shared:
                _refuse_taken(writer, entry)
            try:
                writer.apply(Add(entry))
            except EntryExists:
                pause(round_number)
                continue
            except NoSuchObject as error:
                error.hint = f"make {parent} first, or set `people:` to where recipients live"
                raise
            except LdapRefusal as refusal:
                if refusal.result != CONSTRAINT_VIOLATION or round_number == ROUNDS - 1:
                    raise
                pause(round_number)
                continue
            if allow_shared or not _shared(writer, entry):
                return Result(entry.dn, State.ADDED)
            _take_entry_back(writer, entry)
            pause(round_number)
    raise CouldNotAsk(f"{uid}: others kept claiming its addresses; nothing was added")


def _take_entry_back(writer: Writer, entry: Entry) -> None:
    """Delete the entry just made, or only its addresses if others have changed it since."""
    there = writer.get(entry.dn)
    if there is None:
        return
    if all(set(there.values(name)) == set(values) for name, values in entry):
        writer.apply(Delete(entry.dn))
        return
    held = [(name, v.encode()) for name in ADDRESS_ATTRIBUTES for v in entry.texts(name)]
    take_back(writer, entry.dn, held)


def _existing(writer: Writer, uid: str, wanted: Entry) -> Result | None:
    """Return ALREADY when *wanted* is there; raises AlreadyExists when something else is."""
    there = writer.get(wanted.dn)
    if there is None:
        for other in with_uid(writer, uid):
            raise AlreadyExists(f"the uid {uid} is that of {other.dn}")
        return None
    for name, values in wanted:
        have = {fold(v.decode("utf-8", "surrogateescape")) for v in there.values(name)}
        lacking = [v.decode() for v in values if fold(v.decode()) not in have]
        if lacking:
            raise AlreadyExists(
                f"{there.dn} is there already, without {name}: {', '.join(lacking)}",
                hint=f"`mailldap alias add {uid}`, `routing set {uid}` and `recipient set {uid}` "
                "change it",
            )
    return Result(there.dn, State.ALREADY)


def _addresses(entry: Entry) -> list[str]:
    return [value for name in ADDRESS_ATTRIBUTES for value in entry.texts(name)]


def _refuse_taken(writer: Writer, entry: Entry) -> None:
    for address in _addresses(entry):
        if others := split_owners(writer, entry.dn, address)[1]:
            raise taken(address, others)


def _shared(writer: Writer, entry: Entry) -> bool:
    return any(split_owners(writer, entry.dn, address)[1] for address in _addresses(entry))


#: Attributes that have a verb of their own.
_OWN_VERBS = {
    **dict.fromkeys((a.lower() for a in ADDRESS_ATTRIBUTES), "alias add / alias remove"),
    ROUTING.lower(): "routing set",
    "uid": "recipient rename",
    "objectclass": "import ldif",
}


def set_recipient(
    writer: Writer,
    recipient: str,
    values: Mapping[str, Sequence[str]],
) -> list[Result]:
    """Make the values of the named attributes of *recipient* exactly these; [] removes them.

    One Result an attribute, CHANGED or ALREADY. Values are added and deleted one by one in one
    modification. Raises UsageError for attributes that have a verb of their own (addresses,
    routing, uid, objectClass), NoSuchRecipient, or what the directory refuses.
    """
    wanted: dict[str, list[bytes]] = {}
    for spelled, texts in values.items():
        description = default_schema().describe(spelled)
        kind = description.type.name if description else spelled.partition(";")[0]
        if verb := _OWN_VERBS.get(kind.lower()):
            raise UsageError(f"{spelled} is not set here", hint=f"use `mailldap {verb}`")
        name = description.name if description else spelled
        wanted.setdefault(name, []).extend(map(_bytes, texts))

    def difference(entry: Entry) -> tuple[list[Mod], list[Result]]:
        mods: list[Mod] = []
        results = []
        for name, own in wanted.items():
            change = _difference(entry, name, own)
            mods += change
            state = State.CHANGED if change else State.ALREADY
            text = ", ".join(value.decode("utf-8", "surrogateescape") for value in own)
            results.append(Result(entry.dn, state, name, text))
        return mods, results

    return modify(writer, recipient, difference)


def _bytes(text: str) -> bytes:
    """Return the value that *text* stands for; bytes that are no UTF-8 are kept as surrogates."""
    return text.encode("utf-8", "surrogateescape")


def _difference(entry: Entry, name: str, wanted: Sequence[bytes]) -> list[Mod]:
    have = entry.values(name)
    surplus = tuple(value for value in have if value not in wanted)
    missing = tuple(value for value in dict.fromkeys(wanted) if value not in have)
    mods = [Mod(ModOp.DELETE, name, surplus)] if surplus else []
    return [*mods, Mod(ModOp.ADD, name, missing)] if missing else mods


def rename_recipient(writer: Writer, recipient: str, new_uid: str) -> Result:
    """Give *recipient* another uid, and another DN when the uid names the entry.

    CHANGED, or ALREADY. Raises RecipientError, NoSuchRecipient, AlreadyExists, or what the
    directory refuses.
    """
    if problems := text_problems("uid", new_uid):
        raise RecipientError(f"recipient {new_uid!r}", tuple(problems))
    with exclusive(writer):
        entry = find_recipient(writer, recipient)
        dn = DN.parse(entry.dn)
        naming = [ava.text for ava in dn.rdns[0].avas if ava.normalized.startswith("uid=")]
        uids = naming if len(dn.rdns[0].avas) == 1 and naming else entry.texts("uid")
        if fold(new_uid) in map(fold, uids):
            return Result(entry.dn, State.ALREADY, "uid", new_uid)
        for other in with_uid(writer, new_uid):
            if not same_dn(other.dn, entry.dn):
                raise AlreadyExists(f"the uid {new_uid} is that of {other.dn}")
        if not naming:
            writer.apply(Modify(entry.dn, tuple(_difference(entry, "uid", [_bytes(new_uid)]))))
            return Result(entry.dn, State.CHANGED, "uid", new_uid)
        if len(dn.rdns[0].avas) > 1:
            raise UsageError(
                f"{entry.dn} is named by more than its uid",
                hint="rename it with an LDIF record, changetype: modrdn",
            )
        parent = dn.parent or DN(())
        new = parent.child("uid", new_uid)
        try:
            writer.apply(Rename(entry.dn, str(new.rdns[0])))
        except EntryExists as error:
            raise AlreadyExists(f"{new} is there already") from error
        return Result(str(new), State.CHANGED, "uid", new_uid, entry.dn)


def remove_recipient(writer: Writer, recipient: str) -> Result:
    """Remove the entry of *recipient*; REMOVED. Raises NoSuchRecipient, or a refusal."""
    with exclusive(writer):
        entry = find_recipient(writer, recipient)
        writer.apply(Delete(entry.dn))
        return Result(entry.dn, State.REMOVED)
