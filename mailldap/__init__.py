"""mailldap: mail routing in LDAP as data that you can provision, simulate and prove."""

from mailldap.version import __version__

__all__ = ["__version__"]
