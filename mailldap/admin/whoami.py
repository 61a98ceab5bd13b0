"""Who the directory takes us for (RFC 4532)."""

from __future__ import annotations

from dataclasses import dataclass

from mailldap.admin.protocol import Server
from mailldap.directory.base import Reader


@dataclass(frozen=True, slots=True)
class Identity:
    """``authzid`` is the server's answer, "" for anonymous, None where nobody is asked."""

    uri: str
    authzid: str | None

    @property
    def text(self) -> str:
        """The identity in words; a DN without its ``dn:``."""
        if self.authzid is None:
            return "nobody: a file knows no users, whoever may write it may change all of it"
        # 389 Directory Server writes a space after "dn:".
        return self.authzid.removeprefix("dn:").strip() or "anonymous"


def whoami(reader: Reader) -> Identity:
    """Return who we are to the directory. Raises LdapRefusal or CouldNotAsk."""
    return Identity(reader.uri, reader.whoami() if isinstance(reader, Server) else None)
