"""What mailldap needs to know, as frozen values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict

from mailldap.errors import ConfigError
from mailldap.ldap.dn import DN

#: Debian's bundle; a list of roots kept by hand goes stale.
SYSTEM_CA_FILE = "/etc/ssl/certs/ca-certificates.crt"


@dataclass(frozen=True, slots=True)
class SendersSettings:
    """Who may send as whom: postconf(5), smtpd_sender_login_maps."""

    format: str = "ldap"  # "ldap" | "texthash" | "hash"
    owner_attribute: str = "uid"
    restriction: str = "reject_sender_login_mismatch"
    sasl_type: str | None = None  # smtpd_sasl_type: "cyrus" | "dovecot"; None: Postfix's default
    sasl_path: str | None = None  # smtpd_sasl_path; None: Postfix's default


@dataclass(frozen=True, slots=True)
class RelaySettings:
    """The submission service through which all other mail leaves: postconf(5), relayhost."""

    host: str = "[smtp.gmail.com]:587"
    username: str = ""
    password_file: Path | None = None
    level: str = "secure"  # smtp_tls_security_level: "secure" | "verify"
    ca_file: str = SYSTEM_CA_FILE
    map: str = "hash"  # the type of the password table: "hash" | "texthash" | "lmdb" | "cdb"
    #: Next hops that keep their own way; these suffixes exist in private networks only
    #: (RFC 8375, ICANN's .internal, RFC 6762, RFC 6761).
    direct: tuple[str, ...] = (".home.arpa", ".internal", ".local", ".test")


@dataclass(frozen=True, slots=True)
class CyrusSettings:
    """Delivery into Cyrus IMAP: lmtp(8) by default, pipe(8) where asked."""

    delivery: str = "lmtp"  # "lmtp" | "pipe"
    lmtp: str = "unix:/run/cyrus/socket/lmtp"
    deliver: str | None = None  # the path of Cyrus's deliver(8); None: found on this machine
    user: str = "cyrus"


@dataclass(frozen=True, slots=True)
class PostfixSettings:
    """How Postfix asks the directory; names follow ldap_table(5) and postconf(5)."""

    domains: tuple[str, ...] = ()  # virtual_alias_domains; empty: the one that the base spells
    hosts: tuple[str, ...] = ()  # server_host; empty: the servers of ``uri``
    config_directory: str = "/etc/postfix"
    bind_dn: str | None = None  # None: anonymous; never mailldap's own identity
    bind_password_file: Path | None = None
    timeout: int = 4  # seconds; a client of smtpd must outlive two of them
    size_limit: int = 10  # entries; more owners of one address than this is a fault
    start_tls: bool = False
    tls_ca_cert_file: str | None = None
    senders: SendersSettings | None = None
    relay: RelaySettings | None = None
    cyrus: CyrusSettings | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything, after all sources have been merged."""

    uris: tuple[str, ...] = ()
    base: str | None = None
    people: str = "ou=People"  # where recipients are made, relative to the base
    structural_class: str = "account"  # "account" | "inetOrgPerson"
    bind_dn: str | None = None
    password_file: Path | None = None
    password: str | None = field(default=None, repr=False)
    sasl_external: bool = False
    start_tls: str = "never"  # "never" | "try" | "must"
    ca_file: str | None = None
    verify: bool = True
    timeout: float = 10.0  # seconds, for one operation
    connect_timeout: float = 5.0  # seconds
    allow_cleartext_password: bool = False
    allow_shared: bool = False
    schema: tuple[Path, ...] = ()
    postfix: PostfixSettings = field(default_factory=PostfixSettings)
    #: The configuration file that was read, or None.
    source: Path | None = None

    @property
    def mail_domains(self) -> tuple[str, ...]:
        """The virtual_alias_domains: as configured, else the one that the base spells."""
        if self.postfix.domains or self.base is None:
            return self.postfix.domains
        domain = domain_of(self.base)
        return (domain,) if domain else ()

    @property
    def ldap_hosts(self) -> tuple[str, ...]:
        """The server_host list: as configured, else the LDAP servers among ``uris``."""
        return self.postfix.hosts or tuple(
            uri for uri in self.uris if uri.lower().startswith(("ldap:", "ldaps:", "ldapi:"))
        )

    def require_base(self) -> str:
        """Return the base; raises ConfigError where none is known."""
        if self.base is None:
            raise ConfigError(
                "no base is known", hint="give -b dc=example,dc=com, or `base:` in mailldap.yaml"
            )
        return self.base


class ConnectOptions(TypedDict, total=False):
    """What ``mailldap.connect`` takes by name: the fields of Settings, and text for a path too."""

    people: str
    structural_class: str
    bind_dn: str | None
    password_file: str | Path | None
    password: str | None
    sasl_external: bool
    start_tls: str
    ca_file: str | None
    verify: bool
    timeout: float
    connect_timeout: float
    allow_cleartext_password: bool
    allow_shared: bool
    schema: Sequence[str | Path]
    postfix: PostfixSettings


def domain_of(base: str) -> str | None:
    """Return the DNS domain that the dc components of *base* spell (RFC 2247 §4), or None.

    ``dc=example,dc=com`` and ``ou=mail,dc=example,dc=com`` are example.com. Raises DNError.
    """
    labels = [
        rdn.avas[0].text
        for rdn in DN.parse(base).rdns
        if rdn.avas[0].attribute.lower() in {"dc", "domaincomponent", "0.9.2342.19200300.100.1.25"}
    ]
    return ".".join(labels).lower() or None
