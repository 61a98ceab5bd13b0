"""What only the servers can tell about LDAP tables, each asked as the table itself asks.

A server that cannot be reached is no fault of the files: what could not be asked is told apart.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from mailldap.audit.asked_table import AskedTable
from mailldap.audit.configuration import Configuration
from mailldap.audit.finding import Finding, Severity, in_order
from mailldap.audit.legacy import LegacyTable
from mailldap.audit.postfix_rules.domains import CLASSES, declared, in_tables
from mailldap.audit.postfix_rules.tables import load_table
from mailldap.audit.relayed import relayed
from mailldap.audit.server_schema import read_server_schema
from mailldap.audit.source import SourceFile
from mailldap.directory.base import Reader, Scope, SessionOpener, SessionParameters
from mailldap.errors import RESULT_NAMES, ApiError, CouldNotAsk, MailldapError, from_result
from mailldap.ldap.filter import And, Equality, Filter, Not, Or, Present
from mailldap.tables.ldap_config import LdapConfig

_NO_SUCH_OBJECT = 32
_SIZE_LIMIT = 4
#: Addresses and domains that are told one by one.
_SHOWN = 20


@dataclass(frozen=True, slots=True)
class DirectoryReport:
    """The findings, and what could not be asked: one text a table, with the reason."""

    findings: tuple[Finding, ...]
    unasked: tuple[str, ...]


def check_directory(
    directory: str | Path,
    open_session: SessionOpener,
    *,
    reader: Reader | None = None,
    indexed: Sequence[str] | None = None,
    root: str | Path = "/",
) -> DirectoryReport:
    """Return what the servers tell about the LDAP tables of the configuration in *directory*.

    *open_session* opens a table's own conversation (directory.open.session_opener). *reader* is
    an identity that sees the whole directory, for comparison; *indexed* the attributes that have
    an equality index, where somebody could find out (admin.protection). Raises ConfigError as
    check.check does.
    """
    conf = Configuration.load(Path(directory), Path(root))
    names = None if indexed is None else frozenset(name.lower() for name in indexed)
    findings: list[Finding] = []
    unasked: list[str] = []
    silent: dict[SessionParameters, CouldNotAsk] = {}
    for file in conf.ldap_tables:
        try:
            table = load_table(file)
        except MailldapError:
            continue  # check says so
        try:
            if table.session in silent:
                raise silent[table.session]  # one wait for servers that do not answer is enough
            with closing(open_session(table.session)) as session:
                schema = read_server_schema(session)
                asked = AskedTable(conf, file, table, session, schema, reader, names, open_session)
                for rule in RULES:
                    findings += rule(asked)
        except CouldNotAsk as error:
            silent[table.session] = error
            refused = _refused_bind(file, table, error)
            if refused:
                findings.append(refused)
            else:
                unasked.append(f"{_name_of(file)}: {error.message}")
    return DirectoryReport(tuple(in_order(findings)), tuple(unasked))


def _name_of(file: SourceFile) -> str:
    return f"ldap:{file.prefix}" if isinstance(file, LegacyTable) else file.name


def _refused_bind(file: SourceFile, table: LdapConfig, error: CouldNotAsk) -> Finding | None:
    if not isinstance(error, ApiError) or error.result <= 0 or "bind" not in error.message:
        return None
    setting = file.last.get("bind_dn") or file.last.get("bind")
    return Finding(
        "bind-refused",
        "error",
        file.name,
        setting.line if setting else None,
        file.full_name(setting.name if setting else "bind"),
        f"{table.hosts} refuses {table.session.bind_dn or 'the anonymous bind'}: {error.text}"
        f" ({error.result}); every lookup fails with 451",
        file.advice("correct bind_dn and bind_pw, or set bind = no"),
    )


def unreadable_base(asked: AskedTable) -> Iterator[Finding]:
    """Find a static base that the server does not have, or lets this identity not search."""
    if not asked.base:
        return
    result = asked.search(asked.base, Scope.BASE, Present("objectClass"), ("1.1",))
    if result.code == _NO_SUCH_OBJECT:
        yield asked.finding(
            "base-missing", "error", "search_base",
            f"{asked.base} is not on the server, or not for this identity to see: every lookup"
            " fails with 451",
            "write the directory's suffix, or let the identity read it",
        )  # fmt: skip
    elif result.code:
        error = from_result(result.code, result.text, result.referral)
        if isinstance(error, CouldNotAsk):  # later it may be another answer
            raise error
        reason = RESULT_NAMES.get(result.code, "unknown result")
        yield asked.finding(
            "search-refused", "error", "search_base",
            f"the server refuses to search {asked.base}: {reason} ({result.code}); every lookup"
            " fails with 451",
            "let the identity that the table binds as search and read there",
        )  # fmt: skip


def blind_identity(asked: AskedTable) -> Iterator[Finding]:
    """Find an identity that the server shows no recipients."""
    if not asked.base:
        return
    wanted = asked.table.attributes.ordinary or asked.table.attributes.all
    if not wanted:
        return
    recipients = And((Equality("objectClass", b"mailRecipient"), Or(tuple(map(Present, wanted)))))
    result = asked.search(asked.base, asked.table.scope, recipients, wanted, 1)
    if result.code not in {0, _SIZE_LIMIT} or any(e for e in result.entries if len(e.attributes)):
        return
    if asked.reader is None:
        message = "sees no recipient with"
        severity: Severity = "warning"
    elif _any(asked.reader, asked.base, asked.table.scope, recipients):
        message = "sees none of the recipients with"
        severity = "error"
    else:
        return
    who = asked.table.session.bind_dn if asked.table.session.bind != "none" else ""
    yield asked.finding(
        "blind", severity, "bind_dn" if who else "bind",
        f"{who or 'whoever asks anonymously'} {message} {' or '.join(wanted)}: every address is"
        " unknown, and its mail is refused for good",
        "let the identity read the attributes of the filter and of result_attribute",
    )  # fmt: skip


def _any(reader: Reader, base: str, scope: Scope, wanted: Filter) -> bool:
    try:
        return any(True for _ in reader.search(base, scope, wanted, ("1.1",), size_limit=1))
    except MailldapError:
        return False


def unmatchable_filter(asked: AskedTable) -> Iterator[Finding]:
    """Find filters that can match nothing: unknown attributes, or none to compare by."""
    query = asked.filter
    if query is None or not asked.schema.known:
        return
    faults = dict.fromkeys(asked.schema.faults(query))
    if faults and not asked.schema.can_match(query):
        yield asked.finding(
            "attribute-unmatched", "error", "query_filter",
            f"the filter matches nothing: {'; '.join(faults)}",
            "install the schema (mailldap schema install), or correct the name",
        )  # fmt: skip


def unknown_results(asked: AskedTable) -> Iterator[Finding]:
    """Find result attributes that the server does not know."""
    if not asked.schema.known:
        return
    for name in asked.table.attributes.all:
        if not asked.schema.has(name.partition(";")[0]):
            yield asked.finding(
                "attribute-unknown", "error", "result_attribute",
                f"the server knows no attribute {name}: every address is unknown",
                "install the schema (mailldap schema install), or correct the name",
            )  # fmt: skip


def unindexed(asked: AskedTable) -> Iterator[Finding]:
    """Find attributes that every lookup compares and the server has not indexed."""
    query = asked.filter
    if query is None or asked.indexed is None:
        return
    for name in dict.fromkeys(_compared(query)):
        if name.lower() not in asked.indexed and asked.schema.has(name):
            yield asked.finding(
                "attribute-unindexed", "warning", "query_filter",
                f"{name} has no equality index on the server: every lookup reads every entry",
                f"add an equality index for {name}",
            )  # fmt: skip


def more_owners_than_allowed(asked: AskedTable) -> Iterator[Finding]:
    """Find addresses of more entries than the table's size limit lets through."""
    limit = asked.table.size_limit
    if limit <= 0:
        return
    owners = asked.addresses()
    crowded = sorted(address for address, count in owners.items() if count > limit)
    for address in crowded[:_SHOWN]:
        yield asked.finding(
            "owners-above-limit", "error", "size_limit",
            f"{address} belongs to {owners[address]} entries: every lookup of it fails, and mail"
            " to it is deferred until it bounces",
            f"take {address} from all but {limit}, or raise size_limit",
        )  # fmt: skip
    if len(crowded) > _SHOWN:
        yield asked.finding(
            "owners-above-limit", "error", "size_limit",
            f"{len(crowded) - _SHOWN} more addresses have more owners than {limit}",
            "take them from all but one entry",
        )  # fmt: skip


def undeclared_domains(asked: AskedTable) -> Iterator[Finding]:
    """Find domains of addresses in the directory that Postfix does not accept mail for."""
    if not any(use.parameter == "virtual_alias_maps" for use in asked.conf.uses_of(asked.file)):
        return
    if any(in_tables(asked.conf, name) for name in CLASSES):
        return  # a table may have them
    known = {domain for name in CLASSES for domain in declared(asked.conf, name)}
    domains: Counter[str] = Counter()
    for address in asked.addresses():
        domains[address.rpartition("@")[2]] += 1
    for domain in sorted(set(domains) - known)[:_SHOWN]:
        yield asked.finding(
            "mail-domain-undeclared", "warning", "query_filter",
            f"{domains[domain]} addresses of the directory are in {domain}, which is in no class"
            " of domains: mail for them is refused with Relay access denied",
            f"add {domain} to virtual_alias_domains",
        )  # fmt: skip


def relayed_mailboxes(asked: AskedTable) -> Iterator[Finding]:
    """Find mailboxes inside whose mail relayhost takes along."""
    if not any(use.parameter == "virtual_alias_maps" for use in asked.conf.uses_of(asked.file)):
        return
    names = asked.table.attributes.ordinary
    if not (asked.base and names and asked.table.result_format.text == "%s"):
        return
    domains: Counter[str] = Counter()
    for entry in asked.owners(asked.base, names):
        for value in (value for name in names for value in entry.values(name)):
            domains[value.decode("utf-8", "replace").rpartition("@")[2].lower()] += 1
    found = relayed(asked.conf, sorted(filter(None, domains)), asked.open_session)
    for domain, host in list(found.items())[:_SHOWN]:
        setting = asked.conf.setting("relayhost")
        yield Finding(
            "mailbox-relayed",
            "error",
            asked.conf.main_name,
            setting.line if setting else None,
            "relayhost",
            f"mail for {domains[domain]} addresses that the directory routes to {domain} goes to"
            f" {host}, which does not know {domain}",
            f"route it: transport_maps = inline:{{{domain}=smtp:[{domain}]}}",
        )


def _compared(query: Filter) -> Iterator[str]:
    """Yield the attributes that a filter compares for equality."""
    if isinstance(query, And | Or):
        for inner in query.filters:
            yield from _compared(inner)
    elif isinstance(query, Not):
        yield from _compared(query.filter)
    elif isinstance(query, Equality):
        yield query.attribute


RULES: tuple[Callable[[AskedTable], Iterator[Finding]], ...] = (
    unreadable_base,
    blind_identity,
    unmatchable_filter,
    unknown_results,
    unindexed,
    more_owners_than_allowed,
    undeclared_domains,
    relayed_mailboxes,
)
