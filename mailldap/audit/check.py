"""``postfix check``: every rule over one configuration."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from mailldap.audit.configuration import Configuration
from mailldap.audit.finding import Finding, in_order
from mailldap.audit.postfix_rules import (
    comments,
    delivery,
    domains,
    files,
    maps,
    relay,
    senders,
    syntax,
    tables,
)

Rule = Callable[[Configuration], Iterable[Finding]]

#: In the order in which findings about different files are told.
RULES: tuple[Rule, ...] = (
    syntax.unreadable_lines,
    comments.comments_of_main,
    syntax.unknown_in_main,
    syntax.overridden,
    syntax.refused_in_main,
    domains.alias_domain_missing,
    domains.alias_domains_asked,
    domains.domain_in_two_classes,
    domains.local_recipients_of_this_machine,
    senders.permit_before_mismatch,
    senders.mismatch_without_table,
    senders.mismatch_without_login,
    senders.table_without_check,
    senders.login_without_certificate,
    relay.bad_level,
    relay.password_exposed,
    relay.no_mechanism,
    relay.no_password_table,
    relay.unmatched_key,
    relay.wrapper_mode,
    relay.no_trust,
    delivery.missing_transport,
    delivery.many_recipients,
    tables.outside_of_chroot,
    files.unapproved_proxy,
    maps.no_table,
    files.missing_table,
    files.stale_database,
    files.missing_certificate,
    syntax.refused_services,
    syntax.doubled_services,
    syntax.unknown_in_master,
    comments.comments_of_master,
    delivery.missing_program,
    comments.comments_of_ldap,
    syntax.unknown_in_ldap,
    tables.refused_values,
    tables.version,
    tables.timeout,
    tables.limits,
    tables.queries,
    tables.binding,
    tables.encryption,
    comments.comments_of_text_tables,
    files.open_secret,
    files.written_secret,
    files.closed_secret,
    files.edited_by_hand,
    files.cut_off,
    files.not_read,  # last: it tells what the others met
)


def check(directory: str | Path, *, root: str | Path = "/") -> list[Finding]:
    """Return the faults of the configuration in *directory*, in the order of its files.

    *root* is where the machine's programs and certificates are looked for. No server is asked
    (directory_rules.check_directory does that). Raises ConfigError where there is nothing to
    check, or a file cannot be read.
    """
    return findings_of(Configuration.load(Path(directory), Path(root)))


def findings_of(conf: Configuration) -> list[Finding]:
    """Return the faults of a configuration that has been loaded. Raises ConfigError."""
    return in_order(list(_run(conf)))


def _run(conf: Configuration) -> Iterator[Finding]:
    for rule in RULES:
        yield from rule(conf)
