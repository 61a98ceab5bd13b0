"""LDAP tables: ldap-aliases.cf, ldap-senders.cf and ldap-local.cf, per ldap_table(5)."""

from __future__ import annotations

from urllib.parse import urlsplit

from mailldap.config.secret import read_secret
from mailldap.config.settings import SYSTEM_CA_FILE, SendersSettings, Settings
from mailldap.directory.uri import without_credentials
from mailldap.errors import ConfigError
from mailldap.ldap.dn import DN
from mailldap.postfix.generate.files import MAIL_GROUP, GeneratedFile, Secrets
from mailldap.postfix.generate.text import (
    Line,
    attribute_name,
    cf_value,
    list_item,
    render,
    template,
)

ALIASES_FILE = "ldap-aliases.cf"
SENDERS_FILE = "ldap-senders.cf"
LOCAL_FILE = "ldap-local.cf"

#: An address belongs to one entry, as `mail` or as `mailAlternateAddress`. Where a server does
#: not know the second attribute the item is Undefined and the first decides (RFC 4511 §4.5.1.7).
ADDRESS_FILTER = "(&(objectClass=mailRecipient)(|(mail=%s)(mailAlternateAddress=%s)))"
ROUTING_FILTER = "(&(objectClass=mailRecipient)(mailRoutingAddress=%s))"


def aliases_table(settings: Settings, secrets: Secrets) -> GeneratedFile:
    """Return the table behind virtual_alias_maps: an address in, its routing addresses out.

    Raises ConfigError where the settings cannot be written as a table, DNError where a base or
    bind DN is none.
    """
    lines = [
        ("query_filter", ADDRESS_FILTER),
        ("result_attribute", "mailRoutingAddress"),
        ("size_limit", str(settings.postfix.size_limit)),
    ]
    return _table(settings, secrets, "aliases", ALIASES_FILE, lines)


def senders_table(settings: Settings, secrets: Secrets) -> GeneratedFile:
    """Return the table behind smtpd_sender_login_maps: an address in, its owners' logins out.

    Raises ConfigError as aliases_table does.
    """
    senders = settings.postfix.senders or SendersSettings()
    owner = attribute_name("postfix.senders.owner_attribute", senders.owner_attribute)
    lines = [("query_filter", ADDRESS_FILTER), ("result_attribute", owner)]
    return _table(settings, secrets, "senders", SENDERS_FILE, lines)


def local_table(settings: Settings, secrets: Secrets) -> GeneratedFile:
    """Return the table behind local_recipient_maps of the mailbox host.

    There is no size limit in it: several people may route to one mailbox. Raises ConfigError as
    aliases_table does.
    """
    lines = [("query_filter", ROUTING_FILTER), ("result_attribute", "mailRoutingAddress")]
    return _table(settings, secrets, "cyrus", LOCAL_FILE, lines)


def proxied(settings: Settings) -> bool:
    """Return whether the tables must be reached through proxymap(8).

    Debian runs smtpd, cleanup and trivial-rewrite in a chroot, from where libldap finds neither
    the CA file of a TLS connection nor the socket of ldapi; proxymap runs outside.
    """
    return settings.postfix.start_tls or any(
        _scheme(uri) in {"ldaps", "ldapi"} for uri in settings.ldap_hosts
    )


def table_reference(settings: Settings, name: str) -> str:
    """Return an LDAP table as main.cf names it, ``ldap:/etc/postfix/ldap-aliases.cf``."""
    return file_reference(settings, "proxy:ldap" if proxied(settings) else "ldap", name)


def file_reference(settings: Settings, kind: str, name: str) -> str:
    """Return ``kind:PATH`` for main.cf, PATH being *name* in Postfix's configuration directory.

    Raises ConfigError where that directory cannot be written in a list.
    """
    path = f"{settings.postfix.config_directory.rstrip('/')}/{name}"
    list_item("postfix.config_directory", path)
    if not path.startswith("/"):
        raise ConfigError(f"postfix.config_directory: {path!r} is not an absolute path")
    return f"{kind}:{path.replace('$', '$$')}"


def _table(
    settings: Settings, secrets: Secrets, kind: str, name: str, query: list[Line]
) -> GeneratedFile:
    postfix = settings.postfix
    bind = _bind(settings, secrets)
    groups = [
        ("Where to ask. The next server is tried when one cannot be reached.", _servers(settings)),
        ("As whom to ask.", bind),
        (
            "What to ask and what of the answer to use.",
            [*query, ("scope", "sub"), ("search_base", _search_base(settings))],
        ),
    ]
    if postfix.start_tls or any(_scheme(uri) == "ldaps" for uri in settings.ldap_hosts):
        groups.insert(1, ("Over TLS only, with a certificate that holds.", _tls(settings)))
    secret = any(parameter == "bind_pw" for parameter, _ in bind)
    through_proxy = proxied(settings)
    return GeneratedFile(
        name=name,
        content=render(kind, groups),
        mode=(0o640 if through_proxy else 0o600) if secret else 0o644,
        secret=secret,
        group=MAIL_GROUP if secret and through_proxy else None,
    )


def _servers(settings: Settings) -> list[Line]:
    hosts = settings.ldap_hosts
    if not hosts:
        raise ConfigError(
            "Postfix has no server to ask",
            hint="set `uri:` or `postfix: hosts:` to ldap://… in mailldap.yaml;"
            " Postfix cannot read an ldif: directory",
        )
    for uri in hosts:
        if "@" in uri.partition("://")[2].partition("/")[0]:
            raise ConfigError(
                f"postfix.hosts: {without_credentials(uri)!r}: libldap takes no user and password"
                " from a URI",
                hint="set postfix.bind_dn and postfix.bind_password_file",
            )
        list_item("postfix.hosts", uri)
        if _scheme(uri) not in {"ldap", "ldaps", "ldapi"}:
            raise ConfigError(f"postfix.hosts: {uri!r} is not an ldap, ldaps or ldapi URI")
    return [
        ("server_host", " ".join(hosts)),
        ("timeout", str(settings.postfix.timeout)),
        ("version", "3"),
    ]


def _tls(settings: Settings) -> list[Line]:
    ca_file = settings.postfix.tls_ca_cert_file or settings.ca_file or SYSTEM_CA_FILE
    lines = [
        ("tls_ca_cert_file", cf_value("postfix.tls_ca_cert_file", ca_file)),
        ("tls_require_cert", "yes"),
    ]
    if settings.postfix.start_tls:
        if any(_scheme(uri) != "ldap" for uri in settings.ldap_hosts):
            raise ConfigError(
                "postfix.start_tls works with ldap:// servers only",
                hint="StartTLS on an ldaps or ldapi connection fails every lookup",
            )
        lines.append(("start_tls", "yes"))
    return lines


def _bind(settings: Settings, secrets: Secrets) -> list[Line]:
    postfix = settings.postfix
    if postfix.bind_dn is None:
        return [("bind", "no")]
    name = cf_value("postfix.bind_dn", postfix.bind_dn)
    own = settings.bind_dn
    if own is not None and DN.parse(name).normalized == DN.parse(own).normalized:
        raise ConfigError(
            f"postfix.bind_dn is mailldap's own identity, {own}",
            hint="give Postfix an identity that can only read, or none",
        )
    password = secrets.bind_password
    if password is None and postfix.bind_password_file is not None:
        password = read_secret(postfix.bind_password_file)
    if password is None:
        raise ConfigError(
            f"no password for postfix.bind_dn {name}", hint="set postfix.bind_password_file"
        )
    exposed = next((uri for uri in settings.ldap_hosts if _in_clear(uri)), None)
    if exposed and not postfix.start_tls and not settings.allow_cleartext_password:
        raise ConfigError(
            f"the password of {name} would go to {exposed} in clear text",
            hint="set postfix.start_tls, use ldaps://, or set allow_cleartext_password",
        )
    return [
        ("bind", "yes"),
        ("bind_dn", name),
        ("bind_pw", cf_value("the password of postfix.bind_dn", password, secret=True)),
    ]


def _scheme(uri: str) -> str | None:
    """Return the scheme in lower case, or None where the URI has no host that can be parsed."""
    try:
        parts = urlsplit(uri)
        _ = parts.port
    except ValueError:
        return None
    return parts.scheme if "://" in uri and not parts.query else None


def _in_clear(uri: str) -> bool:
    local = urlsplit(uri).hostname in {None, "localhost", "127.0.0.1", "::1"}
    return _scheme(uri) == "ldap" and not local


def _search_base(settings: Settings) -> str:
    base = cf_value("base", settings.require_base())
    DN.parse(base)
    return template(base)
