"""How each server of the list is: there, ours, complete, and up to date with the others."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace
from time import monotonic

from mailldap.admin.protection import Protection, protection
from mailldap.admin.protocol import Server, product
from mailldap.admin.replication import ChangeStamp, change_stamps, lags
from mailldap.admin.schema.check import EMBEDDED, SchemaReport, check_schema
from mailldap.directory.base import Reader, Scope
from mailldap.directory.server import LdapServer
from mailldap.errors import CouldNotAsk, DNError, LdapRefusal, SizeLimitExceeded
from mailldap.ldap.dn import DN
from mailldap.ldap.entry import Entry

#: What no setting of ours can change, so it is told where it matters.
HUNG_SERVER = (
    "Postfix goes on to the next server when one is gone or refuses the connection, but not when "
    "one accepts it and never answers: then every lookup ends after `timeout` seconds with a "
    "temporary error, and mail waits until that server answers again or is stopped."
)
_TRANSACTIONS = "1.3.6.1.1.21.1"  # RFC 5805


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """One server. With ``error`` it could not be asked (any further), and the rest is unknown.

    ``seconds`` is how long connecting and the first answer took. ``base`` is the one asked for,
    or the server's only suffix; ``base_found`` tells whether it is shown to us; ``recipients``
    counts what is, and is only a lower bound where not ``recipients_complete``. ``schema`` and
    ``protection`` are None where the server does not show them, ``lag`` (seconds, see
    replication.lags) where there is nothing to compare.
    """

    uri: str
    error: str | None = None
    seconds: float | None = None
    product: str | None = None
    version: str | None = None
    identity: str | None = None
    suffixes: tuple[str, ...] = ()
    base: str | None = None
    base_found: bool | None = None
    recipients: int | None = None
    recipients_complete: bool = True
    transactions: bool = False
    schema: SchemaReport | None = None
    protection: Protection | None = None
    changes: tuple[ChangeStamp, ...] = ()
    lag: float | None = None

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong or missing, in sentences; () when all is well as far as we can see."""
        if self.error:
            return (self.error,)
        found: list[str] = []
        if self.base_found is False:
            found.append(
                f"{self.base} is not there, or not shown to {self.identity or 'anonymous'}"
            )
        if not self.recipients_complete:
            found.append(f"the server's size limit ends searches after {self.recipients} entries")
        if self.schema is None:
            found.append("the server shows no schema")
        else:
            found += self.schema.problems
        if self.protection and self.protection.unindexed:
            found.append("without an equality index: " + ", ".join(self.protection.unindexed))
        if self.lag:
            found.append(f"its newest change is {self.lag:g} s older than the newest elsewhere")
        return tuple(found)


@dataclass(frozen=True, slots=True)
class Status:
    """All servers of the list, in its order, and what holds for them together."""

    base: str
    servers: tuple[ServerStatus, ...]
    notes: tuple[str, ...] = ()

    @property
    def reachable(self) -> bool:
        """True when at least one server answered."""
        return any(server.error is None for server in self.servers)


def status(directory: Reader) -> Status:
    """Return how each server is that *directory* may use; nothing is raised for a dead one.

    Each is asked on a connection of its own, with the same identity. Raises only what is wrong
    with the question itself (ConfigError).
    """
    if not isinstance(directory, LdapServer):
        return Status(directory.base, (_embedded(directory),))
    servers = []
    for uri in directory.options.uris:
        with closing(LdapServer(replace(directory.options, uris=(uri,)))) as server:
            servers.append(server_status(server))
    found = lags({s.uri: s.changes for s in servers if s.error is None})
    if len(found) > 1:
        servers = [replace(server, lag=found.get(server.uri)) for server in servers]
    notes = (HUNG_SERVER,) if len(servers) > 1 else ()
    return Status(directory.base, tuple(servers), notes)


def server_status(server: Server) -> ServerStatus:
    """Return how one server is; see status()."""
    began = monotonic()
    told = ServerStatus(server.uri)
    try:
        root = server.root_dse()
        told = replace(
            told,
            uri=server.uri,
            seconds=monotonic() - began,
            product=product(root),
            version=_version(server, root),
            identity=_identity(server),
            suffixes=root.texts("namingContexts"),
            transactions=_TRANSACTIONS in root.texts("supportedExtension"),
        )
        base = server.base or (told.suffixes[0] if len(told.suffixes) == 1 else "")
        suffix = _suffix(told.suffixes, base)
        count, complete = _recipients(server, base) if base else (None, True)
        return replace(
            told,
            base=base or None,
            base_found=_found(server, base) if base else None,
            recipients=count,
            recipients_complete=complete,
            schema=_schema(server),
            protection=protection(server, suffix) if suffix else None,
            changes=change_stamps(server, suffix) if suffix else (),
        )
    except (CouldNotAsk, LdapRefusal) as error:
        return replace(told, error=error.message)


def _embedded(directory: Reader) -> ServerStatus:
    count, complete = _recipients(directory, directory.base)
    return ServerStatus(
        directory.uri,
        base=directory.base,
        product=EMBEDDED,
        suffixes=(directory.base,),
        base_found=_found(directory, directory.base),
        recipients=count,
        recipients_complete=complete,
        schema=check_schema(directory),
    )


def _version(server: Server, root: Entry) -> str | None:
    vendor = " ".join(root.texts("vendorVersion"))
    if vendor:
        return vendor
    try:
        monitor = server.get("cn=Monitor", ("monitoredInfo",))
    except LdapRefusal:
        return None
    return " ".join(monitor.texts("monitoredInfo")) or None if monitor else None


def _identity(server: Server) -> str | None:
    try:
        return server.whoami().removeprefix("dn:").strip() or None
    except LdapRefusal:
        return None


def _found(reader: Reader, base: str) -> bool:
    try:
        return reader.get(base, ("objectClass",)) is not None
    except LdapRefusal:
        return False


def _recipients(reader: Reader, base: str) -> tuple[int | None, bool]:
    count = 0
    try:
        for _ in reader.search(base, Scope.SUB, "(objectClass=mailRecipient)", ("1.1",)):
            count += 1
    except SizeLimitExceeded:
        return count, False
    except LdapRefusal:
        return None, True
    return count, True


def _schema(server: Server) -> SchemaReport | None:
    try:
        return check_schema(server)
    except LdapRefusal:
        return None


def _suffix(suffixes: tuple[str, ...], base: str) -> str | None:
    """Return the longest suffix that holds *base*."""
    holding = []
    for suffix in suffixes:
        try:
            if DN.parse(base).is_below(DN.parse(suffix)):
                holding.append(suffix)
        except DNError:
            continue
    return max(holding, key=len, default=None)
