"""Settings with which smtpd and cleanup do not start, besides those of :mod:`.demands`.

Source: Postfix 3.7, smtpd_check_init() in smtpd_check.c, pre_jail_init() in smtpd.c and
cleanup_init.c, resolve_init() in resolve.c.
"""

from __future__ import annotations

from collections.abc import Iterable

from mailldap.errors import ConfigError
from mailldap.postfix.main_cf import MainCf
from mailldap.postfix.words import lower_ascii, split_braced, split_list, unbrace
from mailldap.simulate.demands import check_parameters, fault, listed_names
from mailldap.simulate.opened import Opened
from mailldap.simulate.restriction_lists import RestrictionLists
from mailldap.simulate.virtual import override_options

_TLS_LEVELS = frozenset({"none", "may", "encrypt", "fingerprint", "verify", "secure"})
#: The words that a parameter takes.
_WORDS = {
    "unknown_address_tempfail_action": ("defer", "defer_if_permit"),
    "unknown_helo_hostname_tempfail_action": ("defer", "defer_if_permit"),
    "unverified_recipient_tempfail_action": ("defer", "defer_if_permit"),
    "unverified_sender_tempfail_action": ("defer", "defer_if_permit"),
}
#: Lists of words, by the program that reads them.
_SMTPD_CLASSES = {
    "notify_classes": (
        "bounce", "2bounce", "data", "delay", "policy", "protocol", "resource", "software"
    ),
    "smtputf8_autodetect_classes": (
        "sendmail", "smtpd", "qmqpd", "forward", "bounce", "notify", "verify", "all"
    ),
}  # fmt: skip
_ENVELOPE = ("envelope_sender", "envelope_recipient", "header_sender", "header_recipient")
_CLEANUP_CLASSES = {
    "canonical_classes": _ENVELOPE,
    "sender_canonical_classes": _ENVELOPE[::2],
    "recipient_canonical_classes": _ENVELOPE[1::2],
    "masquerade_classes": _ENVELOPE,
}
_BARE_NEWLINE = frozenset({"normalize", "yes", "reject", "no"})
#: What smtpd opens before it serves anybody, besides the tables in its restriction lists.
_SMTPD_MAPS = (
    "local_recipient_maps",
    "sender_canonical_maps",
    "recipient_canonical_maps",
    "canonical_maps",
    "virtual_alias_maps",
    "virtual_mailbox_maps",
    "relay_recipient_maps",
    "rbl_reply_maps",
    "relay_clientcerts",
    "smtpd_command_filter",
    "smtpd_discard_ehlo_keyword_address_maps",
    "smtpd_milter_maps",
    "smtpd_sender_login_maps",
    "smtpd_reject_footer_maps",
)
_SMTPD_LISTS = (
    "debug_peer_list",
    "mynetworks",
    "permit_mx_backup_networks",
    "smtpd_authorized_verp_clients",
    "smtpd_authorized_xclient_hosts",
    "smtpd_authorized_xforward_hosts",
    "smtpd_client_event_limit_exceptions",
    "smtpd_log_access_permit_actions",
    "smtpd_sasl_exceptions_networks",
)
#: The same of cleanup and of trivial-rewrite.
_CLEANUP_MAPS = (
    "canonical_maps",
    "sender_canonical_maps",
    "recipient_canonical_maps",
    "virtual_alias_maps",
    "header_checks",
    "milter_header_checks",
    "mime_header_checks",
    "nested_header_checks",
    "body_checks",
    "sender_bcc_maps",
    "recipient_bcc_maps",
)
_CLEANUP_LISTS = ("masquerade_exceptions",)
_REWRITE_MAPS = (
    "transport_maps",
    "relocated_maps",
    "sender_dependent_relayhost_maps",
    "sender_dependent_default_transport_maps",
    "address_verify_transport_maps",
    "address_verify_sender_dependent_relayhost_maps",
    "address_verify_sender_dependent_default_transport_maps",
)
_REWRITE_LISTS = ("virtual_alias_domains", "virtual_mailbox_domains", "relay_domains")


def check_smtpd(opened: Opened, lists: RestrictionLists) -> None:
    """Raise ConfigError for settings and tables with which smtpd does not start."""
    main = opened.main
    check_parameters(main, "smtpd")
    for name, words in _WORDS.items():
        if lower_ascii(main.get(name)) not in words:
            raise fault(main, name, f"bad configuration: {name} = {main.get(name)}")
    for name, classes in _SMTPD_CLASSES.items():
        listed_names(main, name, classes)
    override_options(main)
    name = "header_from_format"
    if lower_ascii(main.get(name)) not in {"standard", "obsolete"}:
        raise fault(main, name, f'invalid setting: "{name} = {main.get(name)}"')
    name = "smtpd_forbid_bare_newline"
    if lower_ascii(main.get(name)) not in _BARE_NEWLINE:
        raise fault(main, name, f"bad parameter value: '{name} = {main.get(name)}'")
    level = main.get("smtpd_tls_security_level")
    unwrapped = bool(level) and not main.get_bool("smtpd_tls_wrappermode")
    if unwrapped and lower_ascii(level) not in _TLS_LEVELS:
        raise fault(main, "smtpd_tls_security_level", f'Invalid TLS level "{level}"')
    for service in lists.policy_services():
        _check_policy_service(main, service)
    _open_tables(opened, _SMTPD_MAPS, _SMTPD_LISTS)
    for spec in lists.tables():
        if _may_be_fatal(spec):
            opened.tables(spec, spec)


def check_cleanup(opened: Opened) -> None:
    """Raise ConfigError for settings and tables with which cleanup does not start."""
    check_parameters(opened.main, "cleanup")
    for name, words in _CLEANUP_CLASSES.items():
        listed_names(opened.main, name, words)
    _open_tables(opened, _CLEANUP_MAPS, _CLEANUP_LISTS)


def check_rewrite(opened: Opened) -> None:
    """Raise ConfigError for tables with which trivial-rewrite does not start."""
    _open_tables(opened, _REWRITE_MAPS, _REWRITE_LISTS)


def _check_policy_service(main: MainCf, service: str) -> None:
    """Raise ConfigError for a policy service that cannot be one."""
    name, complaint = service, None
    if service.startswith("{"):
        inside, complaint = unbrace(service, strip=True)
        if complaint is not None:
            raise ConfigError(f"policy service syntax error: {complaint}", file=main.name)
        words = split_list(inside)
        if not words:
            raise ConfigError(f'empty policy service: "{service}"', file=main.name)
        name = words[0]
    transport, _, endpoint = name.partition(":")
    if not transport or not endpoint:
        complaint = f'need service transport:endpoint instead of "{name}"'
    elif transport not in {"inet", "local", "unix"}:
        complaint = f"invalid transport name: {transport} in service: {name}"
    if complaint is not None:
        raise ConfigError(complaint, file=main.name, hint="unix:PATH or inet:HOST:PORT")


def _open_tables(opened: Opened, maps: Iterable[str], lists: Iterable[str]) -> None:
    """Open the tables whose configuration may end the program that opens them.

    *maps* and *lists* are parameters that hold tables, and lists with tables among their items.
    Other tables fail at each lookup, or are not for us to open.
    """
    for parameter in maps:
        for spec in opened.main.get_maps(parameter):
            if ":" not in spec or _may_be_fatal(spec):
                opened.tables(parameter, spec)
    for parameter in lists:
        for word in split_braced(opened.main.get(parameter)):
            if word.startswith("#"):
                break  # a comment, to match lists
            if _may_be_fatal(spec := word.lstrip("!")):
                opened.tables(parameter, spec, fold=False)


def _may_be_fatal(spec: str) -> bool:
    kind, colon, name = spec.partition(":")
    return kind == "ldap" or (bool(colon) and not (kind and name))
