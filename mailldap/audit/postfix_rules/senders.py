"""Who may send as whom: checks that are never reached, never made, or made without a table."""

from __future__ import annotations

from collections.abc import Iterator

from mailldap.audit.configuration import Configuration
from mailldap.audit.finding import Finding
from mailldap.audit.postfix_rules.restrictions import MISMATCH, lists_of, names_in


def permit_before_mismatch(conf: Configuration) -> Iterator[Finding]:
    """Find sender checks behind a permit_, which ends the list for whom it permits."""
    for rules in lists_of(conf):
        if hidden := rules.hidden():
            permit, check = hidden
            yield Finding(
                "permit-before-mismatch",
                "error",
                rules.file.name,
                rules.file.line_at(rules.source, check.start),
                rules.name,
                f"{check.name} stands behind {permit.name}, which ends the list: whoever it"
                " permits may send as anybody",
                f"move {check.name} before {permit.name}",
            )


def mismatch_without_table(conf: Configuration) -> Iterator[Finding]:
    """Find sender checks while smtpd_sender_login_maps is empty."""
    if "smtpd_sender_login_maps" in _anywhere(conf):
        return
    refusing = MISMATCH - {
        "reject_known_sender_login_mismatch",
        "reject_unauthenticated_sender_login_mismatch",
    }
    for rules in lists_of(conf):
        if item := next((i for i in rules.items if i.name in refusing), None):
            yield Finding(
                "mismatch-without-table",
                "error",
                rules.file.name,
                rules.file.line_at(rules.source, item.start),
                rules.name,
                f"{item.name} without smtpd_sender_login_maps: whoever has logged in is refused"
                " with every sender",
                "set smtpd_sender_login_maps (mailldap postfix generate senders)",
            )


def mismatch_without_login(conf: Configuration) -> Iterator[Finding]:
    """Find sender checks while nobody can log in; smtpd ignores them with a warning."""
    if conf.main is None or _login_possible(conf):
        return
    for rules in lists_of(conf):
        if item := next((i for i in rules.items if i.name in MISMATCH), None):
            yield Finding(
                "mismatch-without-login",
                "warning",
                rules.file.name,
                rules.file.line_at(rules.source, item.start),
                rules.name,
                f"{item.name} is ignored while smtpd_sasl_auth_enable is no: nobody is refused",
                "set smtpd_sasl_auth_enable = yes",
            )


def table_without_check(conf: Configuration) -> Iterator[Finding]:
    """Find a table of owners that no restriction looks into."""
    if conf.main is None or not conf.value("smtpd_sender_login_maps"):
        return
    if not (MISMATCH & names_in(conf)):
        yield Finding(
            "login-table-unused",
            "warning",
            conf.main.name,
            conf.line("smtpd_sender_login_maps"),
            "smtpd_sender_login_maps",
            "no restriction looks into this table: everybody may send as anybody",
            "set smtpd_sender_restrictions = reject_sender_login_mismatch",
        )


def login_without_certificate(conf: Configuration) -> Iterator[Finding]:
    """Find TLS or logins over TLS that are offered without a certificate: they are not."""
    if conf.main is None:
        return
    certificates = (
        "smtpd_tls_cert_file", "smtpd_tls_chain_files", "smtpd_tls_eccert_file",
        "smtpd_tls_dcert_file",
    )  # fmt: skip
    if any(conf.value(name) for name in certificates):
        return
    level = conf.setting("smtpd_tls_security_level")
    if level and level.value.partition("#")[0].strip().lower() in {"may", "encrypt"}:
        yield Finding(
            "no-certificate",
            "warning",
            conf.main.name,
            level.line,
            level.name,
            "smtpd has no certificate, so that it offers no TLS at all",
            "set smtpd_tls_cert_file and smtpd_tls_key_file",
        )
    # Lines alone, without the services that they are for, may yet be merged with a certificate's.
    elif conf.master and conf.truth("smtpd_tls_auth_only") and conf.truth("smtpd_sasl_auth_enable"):
        yield Finding(
            "no-certificate",
            "warning",
            conf.main.name,
            conf.line("smtpd_tls_auth_only", "smtpd_sasl_auth_enable"),
            "smtpd_tls_auth_only",
            "logins are offered over TLS only, and smtpd has no certificate: nobody can log in",
            "set smtpd_tls_cert_file and smtpd_tls_key_file",
        )


def _login_possible(conf: Configuration) -> bool:
    return conf.truth("smtpd_sasl_auth_enable") or any(
        "smtpd_sasl_auth_enable" in service.overrides
        and service.overrides["smtpd_sasl_auth_enable"].value.lower() == "yes"
        for service in conf.services
    )


def _anywhere(conf: Configuration) -> set[str]:
    """Return the parameters that main.cf sets to something, or a service overrides."""
    found = {name for service in conf.services for name in service.overrides}
    if conf.value("smtpd_sender_login_maps"):
        found.add("smtpd_sender_login_maps")
    return found
