"""What a server can be asked beyond a Reader; an embedded directory cannot."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from mailldap.directory.base import Reader
from mailldap.ldap.entry import Entry


@runtime_checkable
class Server(Reader, Protocol):
    """A Reader that speaks for a real server, as directory.server.LdapServer does."""

    def root_dse(self) -> Entry:
        """Return the root DSE with its operational attributes (RFC 4512 §5.1)."""
        ...

    def schema_entry(self) -> Entry:
        """Return the subschema entry (RFC 4512 §4.4). Raises NoSuchObject without one."""
        ...

    def whoami(self) -> str:
        """Return the authorization identity (RFC 4532), empty for anonymous."""
        ...


def product(root_dse: Entry) -> str:
    """Return the product's name: "OpenLDAP", "389 Directory Server", or what it calls itself."""
    vendor = " ".join(root_dse.texts("vendorName"))
    if "389" in vendor or "Red Hat" in vendor:
        return "389 Directory Server"
    classes = {name.lower() for name in root_dse.texts("objectClass")}
    if "openldaprootdse" in classes or "OpenLDAP" in vendor:
        return "OpenLDAP"
    return vendor or "unknown"
