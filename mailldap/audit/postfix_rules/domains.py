"""Domains: which class each is in, and those that are in none or in two."""

from __future__ import annotations

from collections.abc import Iterator

from mailldap.audit.configuration import Configuration
from mailldap.audit.finding import Finding
from mailldap.audit.postfix_rules.delivery import cyrus_delivers
from mailldap.audit.source import SourceFile
from mailldap.config.settings import domain_of
from mailldap.errors import MailldapError

#: The lists in the order in which trivial-rewrite(8) looks.
CLASSES = ("mydestination", "virtual_alias_domains", "virtual_mailbox_domains", "relay_domains")


def declared(conf: Configuration, name: str) -> list[str]:
    """Return the literal domains of a class, in lower case; tables and files are left out."""
    if name == "virtual_mailbox_domains" and conf.setting(name) is None:
        return []  # the default names tables, no domain
    found = []
    for word in conf.words(name):
        if word.startswith("#"):
            break  # Postfix ignores the rest of the list
        if word[0] not in "!/" and ":" not in word:
            found.append(word.lower())
    return found


def in_tables(conf: Configuration, name: str) -> bool:
    """Return whether a class has domains in tables or files, which nobody has asked."""
    return any("/" in word or ":" in word for word in conf.words(name))


def undeclared_domain(conf: Configuration) -> str | None:
    """Return the domain whose mail the alias tables are for and that is in no class, or None.

    It is the one that the base of an LDAP alias table spells. A virtual_alias_domains that
    main.cf sets is the administrator's word for it, and so is another domain than this host's
    own in one of the other classes: the base need not spell a mail domain. A table behind one of
    them may have the domain.
    """
    if conf.main is None or conf.setting("virtual_alias_domains") is not None:
        return None
    others = [name for name in CLASSES if name != "virtual_alias_domains"]
    if any(in_tables(conf, name) for name in others):
        return None
    known = {domain for name in others for domain in declared(conf, name)}
    host, parent = conf.value("myhostname").lower(), conf.value("mydomain").lower()
    own = {host, "localhost", "localhost.localdomain", f"localhost.{parent}"}
    if known - own:
        return None
    for use in conf.tables_of("virtual_alias_maps"):
        table = conf.table_of(use) if use.kind == "ldap" else None
        if table and (domain := domain_of_table(table)) and domain not in known:
            return domain
    return None


def domain_of_table(table: SourceFile) -> str | None:
    """Return the domain that an LDAP table's base spells, or None."""
    base = table.last.get("search_base")
    if base is None:
        return None
    try:
        return domain_of(base.value.replace("%%", "%"))
    except MailldapError:
        return None


def alias_domain_missing(conf: Configuration) -> Iterator[Finding]:
    """Find alias tables whose domain Postfix does not accept mail for."""
    if conf.main is None or (domain := undeclared_domain(conf)) is None:
        return
    yield Finding(
        "alias-domain-missing",
        "error",
        conf.main.name,
        conf.line("virtual_alias_maps"),
        "virtual_alias_domains",
        f"{domain} is in no class of domains: mail for it is refused with Relay access denied,"
        " and the directory is asked about every foreign domain instead",
        f"set virtual_alias_domains = {domain}",
    )


def alias_domains_asked(conf: Configuration) -> Iterator[Finding]:
    """Find the default of virtual_alias_domains over an LDAP table."""
    if conf.main is None or undeclared_domain(conf) is not None:
        return
    if conf.setting("virtual_alias_domains") is None and any(
        use.kind == "ldap" for use in conf.tables_of("virtual_alias_maps")
    ):
        yield Finding(
            "alias-domains-default",
            "warning",
            conf.main.name,
            conf.line("virtual_alias_maps"),
            "virtual_alias_domains",
            "is not set, so that the directory is asked about every foreign domain: with the"
            " directory down no mail leaves at all",
            "set virtual_alias_domains, to nothing where there is none",
        )


def domain_in_two_classes(conf: Configuration) -> Iterator[Finding]:
    """Find domains in more than one class; the first one counts, with a warning at each lookup.

    mydestination and relay_domains may overlap, as they did by default; the others may not
    (trivial-rewrite(8)). relay_domains holds the subdomains of its domains too.
    """
    if conf.main is None:
        return
    for place, second in enumerate(CLASSES):
        if conf.setting(second) is None:
            continue
        held = set(declared(conf, second))
        parents = tuple(f".{domain}" for domain in held if second == "relay_domains")
        for first in CLASSES[:place]:
            if (first, second) == ("mydestination", "relay_domains"):
                continue
            for domain in dict.fromkeys(declared(conf, first)):
                if domain in held or domain.endswith(parents or ("\n",)):
                    yield Finding(
                        "domain-in-two-classes",
                        "warning",
                        conf.main.name,
                        conf.line(second),
                        second,
                        f"{domain} is in {first} too, which counts: {_effect(first, second)}",
                        f"keep {domain} in one of the two",
                    )


def _effect(first: str, second: str) -> str:
    if (first, second) == ("mydestination", "virtual_alias_domains"):
        return "unknown addresses are looked for among this machine's accounts"
    return f"what {second} would do does not happen"


def local_recipients_of_this_machine(conf: Configuration) -> Iterator[Finding]:
    """Find Cyrus mailboxes behind the default list of local recipients."""
    transport = conf.value("mailbox_transport")
    if not transport or conf.main is None or conf.setting("local_recipient_maps") is not None:
        return
    name = transport.partition(":")[0]
    delivers = name in {program.service.name for program in cyrus_delivers(conf)}
    if delivers or "cyrus" in transport:
        yield Finding(
            "local-recipients-default",
            "warning",
            conf.main.name,
            conf.line("mailbox_transport"),
            "local_recipient_maps",
            "is not set: whoever has a mailbox but no account on this machine is refused with"
            " User unknown in local recipient table",
            "set local_recipient_maps (mailldap postfix generate cyrus)",
        )
