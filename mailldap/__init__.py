"""mailldap: mail routing in LDAP as data that you can provision, simulate and prove.

``mailldap.connect("ldap://ldap1.internal", base="dc=example,dc=com")`` returns a
:class:`MailDirectory`; ``mailldap.connect("ldif:example.ldif")`` the same over a file. Errors are
those of :mod:`mailldap.errors`, all below :class:`MailldapError`.
"""

from typing import TYPE_CHECKING, Any

from mailldap.errors import MailldapError
from mailldap.version import __version__

if TYPE_CHECKING:
    from mailldap.client import MailDirectory, connect
    from mailldap.config.settings import Settings
    from mailldap.model.recipient import MailRecipient

__all__ = [
    "MailDirectory",
    "MailRecipient",
    "MailldapError",
    "Settings",
    "__version__",
    "connect",
]

_PLACES = {
    "MailDirectory": "mailldap.client",
    "MailRecipient": "mailldap.model.recipient",
    "Settings": "mailldap.config.settings",
    "connect": "mailldap.client",
}


if not TYPE_CHECKING:  # a type checker would take any name for one of ours

    def __getattr__(name: str) -> Any:
        """Import a public name when it is first used: a short command needs few of them."""
        if name not in _PLACES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        return getattr(import_module(_PLACES[name]), name)

    def __dir__() -> list[str]:
        """Return the public names, those not yet imported too."""
        return sorted({*globals(), *__all__})
