"""A change of one DN, as data: it can be shown as LDIF, kept, compared and applied.

The four kinds are the four update operations of RFC 4511 (§4.6 to §4.9). A change holds no
connection and no function; whoever applies it is a :class:`mailldap.directory.base.Writer`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from mailldap.ldap.dn import DN
from mailldap.ldap.entry import Entry


class ModOp(StrEnum):
    """What a modification does with its values (RFC 4511 §4.6)."""

    ADD = "add"
    DELETE = "delete"
    REPLACE = "replace"


@dataclass(frozen=True, slots=True)
class Mod:
    """One modification of one attribute; DELETE without values removes the whole attribute."""

    op: ModOp
    attribute: str
    values: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Add:
    """A new entry."""

    entry: Entry

    @property
    def dn(self) -> str:
        """The DN that the entry will have."""
        return self.entry.dn


@dataclass(frozen=True, slots=True)
class Delete:
    """An entry to be removed; it must have no children."""

    dn: str


@dataclass(frozen=True, slots=True)
class Modify:
    """Modifications that take effect together, in order, or not at all."""

    dn: str
    mods: tuple[Mod, ...]


@dataclass(frozen=True, slots=True)
class Rename:
    """A new RDN, and with ``new_superior`` a new place."""

    dn: str
    new_rdn: str
    delete_old_rdn: bool = True
    new_superior: str | None = None

    @property
    def new_dn(self) -> str:
        """The DN that the entry will have. Raises DNError where the old one is none."""
        parent = self.new_superior
        if parent is None:
            parent = str(DN.parse(self.dn).parent or "")
        return f"{self.new_rdn},{parent}"


Change = Add | Delete | Modify | Rename
