"""How a directory's servers are reached, and which ways of it cannot work or are refused."""

from __future__ import annotations

from dataclasses import dataclass, field

from mailldap.directory.uri import ServerUri
from mailldap.errors import ConfigError


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """How to reach the servers; all of it is checked when the directory is made, not later.

    ``start_tls`` is "never", "try" (go on in clear text where the server refuses) or "must".
    Timeouts are seconds. Certificates are checked, chain and name, unless ``verify`` is off.
    """

    uris: tuple[str, ...]
    base: str = ""
    bind_dn: str | None = None
    password: str | None = field(default=None, repr=False)
    sasl_external: bool = False
    start_tls: str = "never"
    ca_file: str | None = None
    verify: bool = True
    connect_timeout: float = 5.0
    timeout: float = 10.0
    page_size: int = 1000
    allow_cleartext_password: bool = False
    follow_referrals: bool = True

    def servers(self) -> tuple[ServerUri, ...]:
        """Return the URIs, parsed. Raises ConfigError for options that cannot work."""
        if not self.uris:
            raise ConfigError("no server is named", hint="give -H ldap://host")
        if self.start_tls not in {"never", "try", "must"}:
            raise ConfigError(f"start_tls is {self.start_tls!r}, not never, try or must")
        if self.bind_dn and not self.password and not self.sasl_external:
            raise ConfigError(
                f"a bind as {self.bind_dn} without a password would be an anonymous one",
                hint="give a password file (-y FILE), ask for it (-W), or leave the DN out",
            )
        try:
            f"{self.bind_dn}{self.password}".encode()
        except UnicodeEncodeError:
            raise ConfigError("the bind DN or the password is not UTF-8") from None
        if not (self.timeout > 0 and self.connect_timeout > 0 and self.page_size > 0):
            raise ConfigError("timeouts and the page size must be above zero")
        return tuple(map(ServerUri.parse, self.uris))

    def check_cleartext(self, uri: ServerUri, *, secured: bool) -> None:
        """Raise ConfigError where the password would cross a network that others can read."""
        if self.sasl_external or not self.password or self.allow_cleartext_password:
            return
        if not secured and not uri.is_local:
            raise ConfigError(
                f"the password would go to {uri} in clear text",
                hint="use ldaps:// or StartTLS (-ZZ), or allow it (allow_cleartext_password)",
            )
