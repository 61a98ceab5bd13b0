"""Changes as bytes: the update requests of RFC 4511 §4.6 to §4.9, for wire.message to wrap."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import assert_never

from mailldap.directory import ber
from mailldap.ldap.change import Add, Change, Delete, Mod, Modify, ModOp, Rename
from mailldap.ldap.entry import Entry

_MOD_OPS = {ModOp.ADD: 0, ModOp.DELETE: 1, ModOp.REPLACE: 2}


def update_request(wanted: Change) -> bytes:
    """Return the update request (§4.6 to §4.9) that makes the change."""
    match wanted:
        case Add(entry):
            return add_request(entry)
        case Delete(dn):
            return ber.text(dn, 0x4A)
        case Modify(dn, mods):
            return ber.tlv(
                0x66,
                ber.text(dn) + ber.tlv(ber.SEQUENCE, b"".join(map(_mod, mods))),
            )
        case Rename(dn, new_rdn, delete_old_rdn, new_superior):
            content = ber.text(dn) + ber.text(new_rdn) + ber.boolean(delete_old_rdn)
            if new_superior is not None:
                content += ber.text(new_superior, 0x80)
            return ber.tlv(0x6C, content)
        case _:
            assert_never(wanted)


def add_request(entry: Entry) -> bytes:
    """Return an add request (§4.7)."""
    attributes = b"".join([_attribute(name, values) for name, values in entry.attributes])
    return ber.tlv(0x68, ber.text(entry.dn) + ber.tlv(ber.SEQUENCE, attributes))


def _attribute(name: str, values: Iterable[bytes]) -> bytes:
    """Return a PartialAttribute (§4.1.7); short values written out: it runs often in an import."""
    encoded = b"".join(
        [
            _SHORT[len(value)] + value if len(value) < 0x80 else ber.tlv(ber.OCTET_STRING, value)
            for value in values
        ]
    )
    content = _attribute_name(name) + ber.tlv(ber.SET, encoded)
    return ber.tlv(ber.SEQUENCE, content)


#: How a value of that many bytes begins.
_SHORT = [bytes((ber.OCTET_STRING, length)) for length in range(0x80)]


@lru_cache(maxsize=256)
def _attribute_name(name: str) -> bytes:
    return ber.text(name)


def _mod(mod: Mod) -> bytes:
    return ber.tlv(
        ber.SEQUENCE,
        ber.integer(_MOD_OPS[mod.op], ber.ENUMERATED) + _attribute(mod.attribute, mod.values),
    )
