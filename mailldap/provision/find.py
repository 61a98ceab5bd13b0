"""Recipients found by uid, address or DN; owners found by address."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mailldap.directory.base import Reader, Scope
from mailldap.errors import AddressError, Ambiguous, DNError, NoSuchObject, NoSuchRecipient
from mailldap.ldap.dn import DN
from mailldap.ldap.entry import Entry
from mailldap.ldap.filter import And, Equality, Filter, Or
from mailldap.model.address import address_key, parse_address

_NO_SUCH_OBJECT = 32
IS_RECIPIENT = Equality("objectClass", b"mailRecipient")
#: The attributes whose values are addresses of the entry: each belongs to one entry.
ADDRESS_ATTRIBUTES = ("mail", "mailAlternateAddress")


def fold(value: str) -> str:
    """Return the form in which caseIgnoreMatch compares *value* (RFC 4518 §2, as slapd does)."""
    return address_key(value)


def unlike(values: Sequence[str]) -> list[str]:
    """Return *values* without those that equal an earlier one."""
    return list({fold(value): value for value in reversed(values)}.values())[::-1]


def spellings(address: str) -> list[str]:
    """Return *address* as given, and as mailldap would store it where that differs."""
    try:
        return list(dict.fromkeys((address, str(parse_address(address)))))
    except AddressError:
        return [address]


def same_dn(one: str, other: str) -> bool:
    """Return whether two DNs name one entry, however they are spelled."""
    return one == other or DN.parse(one).normalized == DN.parse(other).normalized


def address_filter(address: str) -> Filter:
    """Return the filter of all recipients that have *address*."""
    value = address.encode("utf-8", "surrogateescape")
    return And((IS_RECIPIENT, Or(tuple(Equality(name, value) for name in ADDRESS_ATTRIBUTES))))


def owners(reader: Reader, address: str) -> list[Entry]:
    """Return the recipients that have *address*, compared by the directory's matching rule."""
    return list(_below_base(reader, address_filter(address)))


def recipients(reader: Reader) -> Iterator[Entry]:
    """Yield every mailRecipient below the base, in the directory's order.

    Raises NoSuchObject where the base is not there, which 389 Directory Server does not say of a
    search in pages.
    """
    none = True
    for entry in _below_base(reader, IS_RECIPIENT):
        none = False
        yield entry
    if none and reader.get(reader.base, ("1.1",)) is None:
        raise _absent(reader, NoSuchObject(_NO_SUCH_OBJECT))


def _below_base(reader: Reader, wanted: Filter) -> Iterator[Entry]:
    try:
        yield from reader.search(reader.base, Scope.SUB, wanted)
    except NoSuchObject as error:
        raise _absent(reader, error) from error


def _absent(reader: Reader, error: NoSuchObject) -> NoSuchObject:
    """Return *error* with what is not there."""
    error.hint = f"the base {reader.base} is not there, or not shown; `mailldap status` tells more"
    return error


def find_recipient(reader: Reader, name: str) -> Entry:
    """Return the one recipient that *name* names: a DN, an address or a uid.

    Raises NoSuchRecipient, or Ambiguous when several entries answer to the name.
    """
    found = _candidates(reader, name)
    if not found:
        raise NoSuchRecipient(
            f"no recipient {name!r} below {reader.base}",
            hint="`mailldap recipient list` shows all of them",
        )
    if len(found) > 1:
        raise Ambiguous(
            f"{name!r} names {len(found)} recipients: {'; '.join(e.dn for e in found)}",
            hint="give the DN",
        )
    return found[0]


def with_uid(reader: Reader, uid: str) -> list[Entry]:
    """Return the recipients that have *uid*; more than one is a fault of the directory."""
    wanted = And((IS_RECIPIENT, Equality("uid", uid.encode("utf-8", "surrogateescape"))))
    return list(_below_base(reader, wanted))


def _candidates(reader: Reader, name: str) -> list[Entry]:
    found = with_uid(reader, name) if name else []
    if "@" in name:
        for address in spellings(name):
            found = found or owners(reader, address)
    if not found and "=" in name:
        try:
            dn = DN.parse(name)
        except DNError:
            return []
        entry = reader.get(str(dn))
        if entry and any(v.lower() == b"mailrecipient" for v in entry.values("objectClass")):
            found = [entry]
    return found
