"""Whether a directory is already as a change would make it.

Values are compared by their attribute's matching rule, where our schema knows it: ``Ann`` is
``ann`` as a name, never as a password. Those of other attributes are compared byte for byte.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mailldap.directory.base import BulkWriter, Reader
from mailldap.errors import DNError, LdapRefusal
from mailldap.ldap.change import Add, Change, Delete, Mod, Modify, ModOp, Rename
from mailldap.ldap.dn import DN
from mailldap.ldap.entry import Entry
from mailldap.ldap.schema import default_schema
from mailldap.ldap.schema_check import comparison_key, with_naming_values


def is_so(reader: Reader, change: Change) -> bool:
    """Return whether the directory is already as *change* would make it.

    An entry is when all its user attributes have the same values; superior object classes that a
    server adds (389) and passwords that it does not show do not count. Where the directory
    refuses to tell, as for an invalid DN, it is not.
    """
    try:
        match change:
            case Add(entry):
                there = reader.get(entry.dn)
                return there is not None and _equal(entry, there)
            case Delete(dn):
                return reader.get(dn) is None
            case Rename(dn):
                return reader.get(dn) is None and reader.get(change.new_dn) is not None
            case Modify(dn, mods):
                there = reader.get(dn)
                return there is not None and all(_holds(there, mod) for mod in mods)
    except LdapRefusal:
        return False


def entries_there(reader: Reader, changes: Sequence[Change]) -> list[bool]:
    """Return for each of *changes*, which are to be made in turn, whether it surely is so.

    Only an entry to add is, and only one whose name no other change has to do with: those are
    not judged before their turn.
    """
    judged = _untouched(changes)
    dns = [change.dn for change in judged]
    many = reader.get_many if isinstance(reader, BulkWriter) else lambda dns: map(reader.get, dns)
    try:
        found = list(many(dns))
    except LdapRefusal:
        found = []
    so = {
        id(change)
        for change, there in zip(judged, found, strict=False)
        if there is not None and _equal(change.entry, there)
    }
    return [id(change) in so for change in changes]


def _untouched(changes: Sequence[Change]) -> list[Add]:
    """Return the entries to add that stand neither in the place of another change nor below one."""
    added = [change for change in changes if isinstance(change, Add)]
    if len(added) == len(changes):
        return added
    touched = {_name(change.dn) for change in changes if not isinstance(change, Add)}
    return [change for change in added if touched.isdisjoint(_above(_name(change.dn)))]


def _name(dn: str) -> str:
    try:
        return default_schema().normalize_dn(DN.parse(dn), strict=False)
    except DNError:
        return dn


def _above(name: str) -> Iterable[str]:
    """Yield *name* and the names of all that stand above it; commas in values are escaped."""
    while name:
        yield name
        name = name.partition(",")[2]


def _equal(wanted: Entry, there: Entry) -> bool:
    if dict(wanted.attributes) == dict(there.attributes):
        return True
    own, found = _values(with_naming_values(wanted, default_schema())), _values(there)
    own_classes, classes = own.pop("objectClass", set()), found.pop("objectClass", set())
    if "userPassword" not in found:
        own.pop("userPassword", None)
    return own == found and own_classes <= classes


def _values(entry: Entry) -> dict[str, set[bytes]]:
    """Return what tells the values of each attribute apart, by its usual name."""
    keys: dict[str, set[bytes]] = {}
    for spelled, values in entry:
        name, own = _keys(spelled, values)
        keys.setdefault(name, set()).update(own)
    return keys


def _keys(spelled: str, values: Iterable[bytes]) -> tuple[str, set[bytes]]:
    schema = default_schema()
    description = schema.describe(spelled)
    if description is None:
        return spelled.lower(), set(values)
    return description.name, {comparison_key(description.type, v, schema) for v in values}


def _holds(there: Entry, mod: Mod) -> bool:
    """Return whether *there* is as *mod* would leave it."""
    name, wanted = _keys(mod.attribute, mod.values)
    have = _values(there).get(name, set())
    if mod.op is ModOp.ADD:
        return wanted <= have
    if mod.op is ModOp.DELETE:
        return not (have & wanted) if wanted else not have
    return have == wanted
