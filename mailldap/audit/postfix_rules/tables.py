"""LDAP tables: values that Postfix refuses, and values that it takes and should not be given."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

from mailldap.audit.configuration import Configuration
from mailldap.audit.finding import Finding, Severity
from mailldap.audit.legacy import LegacyTable
from mailldap.audit.postfix_rules.comments import comments_of_ldap
from mailldap.audit.source import SourceFile
from mailldap.directory.base import Session, SessionParameters
from mailldap.errors import ConfigError, CouldNotAsk, MailldapError
from mailldap.ldap.filter import parse_libldap
from mailldap.postfix.words import to_int
from mailldap.tables.base import Table, TableContext
from mailldap.tables.ldap_config import LdapConfig, load_config

#: Seconds; with a dead first server each lookup takes that long before the next is asked.
PATIENCE = 10
#: A directory's all-powerful identities by the names that their products give them.
_ADMIN = re.compile(
    r"cn=(admin|manager|root|directory manager|administrator|config)\s*(,|$)", re.IGNORECASE
)


def refused_values(conf: Configuration) -> Iterator[Finding]:
    """Find what Postfix refuses or warns about when it opens a table."""
    commented = {(finding.file, finding.parameter) for finding in comments_of_ldap(conf)}
    for file in conf.ldap_tables:
        if any((file.name, file.full_name(s.name)) in commented for s in file.settings):
            continue
        if file.faulty:
            continue  # said already, line by line
        warnings: list[str] = []
        try:
            load_table(file, warnings.append)
        except CouldNotAsk:
            continue  # a table inside this table
        except ConfigError as error:
            name = next((s.name for s in file.settings if s.line == error.line), None)
            message = f"{_shown(error.message, file)}: every program that opens the table dies"
            yield _finding(file, "refused-value", "error", name, message, error.hint)
        else:
            for text in warnings:
                if "overriding earlier entry" not in text and "must not start with" not in text:
                    message = _shown(text.removeprefix("dict_ldap_open: "), file)
                    name = _named_in(message, file)
                    yield _finding(file, "postfix-warns", "warning", name, message)


def load_table(file: SourceFile, warn: Callable[[str], None] = lambda _text: None) -> LdapConfig:
    """Return the table in *file* as Postfix opens it; *warn* is told what Postfix warns about.

    Raises ConfigError where Postfix refuses it, CouldNotAsk where it needs another table.
    """
    values = {file.full_name(name): setting for name, setting in file.last.items()}

    def line_of(name: str) -> int | None:
        return values[name].line if name in values else None

    context = TableContext(
        ask_nobody,
        lambda name: values[name].value if name in values else None,
        warn=warn,
        read_file=lambda _path: file.content,
        line_of=line_of,
    )
    name = file.prefix if isinstance(file, LegacyTable) else str(file.path)
    return load_config(name, context, _no_table)


def version(conf: Configuration) -> Iterator[Finding]:
    """Find protocol version 2, stated, or by default where it would not do."""
    for file in conf.ldap_tables:
        value = _value(file, "version")
        if value == "2":
            yield _finding(
                file, "ldap-version", "error", "version",
                "LDAPv2 has no TLS, no UTF-8 and no answer from servers that bind by version 3"
                " only: lookups fail",
                "write version = 3",
            )  # fmt: skip
        elif value is None and _asks_for_three(file):
            yield _finding(
                file, "ldap-version", "warning", "version",
                "is not set: Debian's Postfix takes 3, but others take 2, and this table binds or"
                " uses TLS",
                "write version = 3",
            )  # fmt: skip


def timeout(conf: Configuration) -> Iterator[Finding]:
    """Find timeouts too long to fail over, and none at all."""
    for file in conf.ldap_tables:
        seconds = to_int((_value(file, "timeout") or "").partition("#")[0].strip())
        if seconds is None:
            continue
        if seconds <= 0:
            yield _finding(
                file, "ldap-timeout", "error", "timeout",
                "a server that hangs is waited for without end" if seconds == -1 else
                "every lookup fails",
                "write timeout = 4",
            )  # fmt: skip
        elif seconds > PATIENCE:
            yield _finding(
                file, "ldap-timeout", "warning", "timeout",
                f"with the first server gone every new connection waits {seconds} s before the"
                " next server is asked: clients give up and mail is deferred",
                "write timeout = 4",
            )  # fmt: skip


def limits(conf: Configuration) -> Iterator[Finding]:
    """Find limits that turn a second owner into a failure."""
    for file in conf.ldap_tables:
        for name in ("size_limit", "expansion_limit"):
            number = to_int((_value(file, name) or "").partition("#")[0].strip())
            if number is not None and number < 0:
                yield _finding(
                    file, "ldap-limit", "error", name, "every lookup fails: Protocol error",
                    f"write {name} = 0 for none",
                )  # fmt: skip
        inherited = "size_limit" if _value(file, "size_limit") is not None else "expansion_limit"
        if to_int((_value(file, inherited) or "").partition("#")[0].strip()) == 1:
            yield _finding(
                file, "ldap-limit", "warning", inherited,
                "with 1 an address of two entries is no address of the first: every lookup of it"
                " fails, and mail to it is deferred until it bounces",
                f"remove {inherited}, or write a number above the owners that an address may have",
            )  # fmt: skip


def queries(conf: Configuration) -> Iterator[Finding]:
    """Find filters, bases and attributes that find nothing or fail."""
    for file in conf.ldap_tables:
        yield from _filter(file)
        if _value(file, "search_base") in {None, ""}:
            yield _finding(
                file, "ldap-base", "error", "search_base",
                "is empty: servers answer no such object, and every lookup fails",
                "write the directory's suffix",
            )  # fmt: skip
        attributes = _value(file, "result_attribute")
        if attributes is None and not any(
            _value(file, f"{kind}_result_attribute") for kind in ("leaf", "terminal", "special")
        ):
            yield _finding(
                file, "ldap-result", "warning", "result_attribute",
                "is not set: Postfix looks for maildrop, which mailRecipient does not have",
                "write result_attribute = mailRoutingAddress",
            )  # fmt: skip
        for word in (attributes or "").partition("#")[0].replace(",", " ").split():
            if not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]*(;[A-Za-z0-9-]+)*", word):
                yield _finding(
                    file, "ldap-result", "error", "result_attribute",
                    f"{word} never matches: Postfix compares it as text with the names that the"
                    " server returns",
                    "write the attribute's name",
                )  # fmt: skip


def _filter(file: SourceFile) -> Iterator[Finding]:
    value = _value(file, "query_filter")
    if value is None:
        yield _finding(
            file, "ldap-filter", "warning", "query_filter",
            "is not set: Postfix looks for mailacceptinggeneralid, which mailRecipient does not"
            " have",
            "write query_filter = (&(objectClass=mailRecipient)(mail=%s))",
        )  # fmt: skip
        return
    if " #" in value:
        return  # said already
    try:
        parse_libldap(re.sub(r"%[suUdDS1-9]", "x", value).replace("%%", "%"))
    except MailldapError as error:
        yield _finding(
            file, "ldap-filter", "error", "query_filter",
            f"is no filter, and every lookup fails: {error.message}",
            "balance the parentheses, leave out blanks and quotes",
        )  # fmt: skip


def binding(conf: Configuration) -> Iterator[Finding]:
    """Find identities that are too powerful, that cannot bind, or whose password is exposed."""
    for file in conf.ldap_tables:
        identity = _value(file, "bind_dn")
        if not identity or (_value(file, "bind") or "yes").lower() in {"no", "none", "sasl"}:
            continue
        if _ADMIN.match(identity):
            yield _finding(
                file, "bind-admin", "warning", "bind_dn",
                "Postfix binds as the directory's administrator: whoever reads this file may"
                " change everything",
                "give Postfix an identity that can only read, or bind = no",
            )  # fmt: skip
        if not _value(file, "bind_pw"):
            yield _finding(
                file, "bind-password", "error", "bind_pw",
                "is not set while bind_dn is: servers refuse such a bind, and every lookup fails",
                "set bind_pw, or bind = no",
            )  # fmt: skip
        exposed = [host for host in _hosts(file) if _in_clear(host)]
        if exposed and (_value(file, "start_tls") or "no").lower() != "yes":
            yield _finding(
                file, "bind-in-clear", "warning", "bind_pw",
                f"the password goes to {exposed[0]} in clear text",
                "use ldaps://, or set start_tls = yes and tls_require_cert = yes",
            )  # fmt: skip


def encryption(conf: Configuration) -> Iterator[Finding]:
    """Find TLS that checks nothing, or cannot work."""
    for file in conf.ldap_tables:
        start_tls = (_value(file, "start_tls") or "no").lower() == "yes"
        secure = [host for host in _hosts(file) if host.lower().startswith("ldaps://")]
        if not (start_tls or secure):
            continue
        if (_value(file, "tls_require_cert") or "no").lower() != "yes":
            yield _finding(
                file, "ldap-unverified", "warning", "tls_require_cert",
                "is no: any certificate will do, also that of whoever stands between",
                "set tls_require_cert = yes and tls_ca_cert_file",
            )  # fmt: skip
        elif any(urlsplit(host).hostname == "localhost" for host in _hosts(file)):
            yield _finding(
                file, "ldap-localhost", "error", "server_host",
                "libldap compares the certificate with the machine's own name instead of"
                " localhost, and does not connect",
                "write the server's name as its certificate has it",
            )  # fmt: skip
        if start_tls and secure:
            yield _finding(
                file, "ldap-start-tls", "error", "start_tls",
                f"StartTLS on {secure[0]}, which is TLS already, fails every lookup",
                "use ldap:// with start_tls, or ldaps:// without",
            )  # fmt: skip


def outside_of_chroot(conf: Configuration) -> Iterator[Finding]:
    """Find tables whose CA file or socket a chrooted program cannot reach."""
    chrooted = {s.command for s in conf.services if s.entry.chroot}
    if not chrooted & {"smtpd", "cleanup", "trivial-rewrite"}:
        return
    for file in conf.ldap_tables:
        direct = [use for use in conf.uses_of(file) if not use.proxied]
        socket = any(host.lower().startswith("ldapi:") for host in _hosts(file))
        tls = (_value(file, "start_tls") or "no").lower() == "yes" or any(
            host.lower().startswith("ldaps:") for host in _hosts(file)
        )
        checked = tls and (_value(file, "tls_ca_cert_file") or _value(file, "tls_ca_cert_dir"))
        if direct and (socket or checked):
            use = direct[0]
            yield Finding(
                "chroot",
                "error",
                use.file.name,
                use.line,
                use.parameter,
                f"{use.reference} needs {'a socket' if socket else 'a CA file'} that programs in"
                " Postfix's chroot cannot reach: lookups fail there, though postmap -q succeeds",
                f"write proxy:{use.reference}",
            )


def _asks_for_three(file: SourceFile) -> bool:
    bind = (_value(file, "bind") or "yes").lower()
    plain = all(host.lower().startswith(("ldap://", "ldap:")) or "://" not in host
                for host in _hosts(file))  # fmt: skip
    return bind not in {"no", "none"} or not plain or _value(file, "start_tls") == "yes"


def _hosts(file: SourceFile) -> list[str]:
    return (_value(file, "server_host") or "localhost").partition("#")[0].replace(",", " ").split()


def _in_clear(host: str) -> bool:
    if host.lower().startswith(("ldaps:", "ldapi:")):
        return False
    try:
        name = urlsplit(host if "://" in host else f"ldap://{host}").hostname
    except ValueError:
        return False
    return name not in {None, "localhost", "127.0.0.1", "::1"}


def _value(file: SourceFile, name: str) -> str | None:
    setting = file.last.get(name)
    return setting.value if setting else None


def _finding(
    file: SourceFile,
    code: str,
    severity: Severity,
    name: str | None,
    message: str,
    fix: str | None = None,
) -> Finding:
    setting = file.last.get(name) if name else None
    return Finding(
        code,
        severity,
        file.name,
        setting.line if setting else None,
        file.full_name(name) if name else None,
        file.advice(message),
        file.advice(fix) if fix else None,
    )


def _named_in(message: str, file: SourceFile) -> str | None:
    """Return the parameter that a message of Postfix is about."""
    words = re.findall(r"[a-z_]+", message)
    return next((word for word in words if word in file.last), None)


def _shown(message: str, file: SourceFile) -> str:
    """Return a message without the file's name, and without a password that it quotes."""
    text = re.sub(rf"\s*{re.escape(str(file.path))}(:\d+)?[:,]?\s*", " ", message).strip()
    secret = _value(file, "bind_pw")
    return text.replace(secret, "…") if secret and len(secret) > 3 else text


def ask_nobody(parameters: SessionParameters) -> Session:
    """Refuse to open a conversation: an opener for tables. Raises CouldNotAsk."""
    raise CouldNotAsk(f"a check of files does not ask {' '.join(parameters.hosts)}")


def _no_table(name: str, context: TableContext) -> Table:
    raise CouldNotAsk(f"a check of {context.config_directory} does not open {name}")
