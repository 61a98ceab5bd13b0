"""Which parameter names mean something to Postfix."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from mailldap.postfix.parameters import MACHINE_DEPENDENT, PER_TRANSPORT, defaults

if TYPE_CHECKING:
    from mailldap.audit.configuration import Configuration

#: main.cf parameters of releases after 3.7: not unknown, only not here yet.
_LATER = re.compile(
    r"(smtp|lmtp)_(requiretls_policy|sasl_password_result_delimiter|tls_enforce_sts_mx_patterns"
    r"|tlsrpt_(enable|skip_reused_handshakes|socket_name))"
    r"|(smtp|lmtp|smtpd|postscreen|tlsproxy)_tls_(enable_rpk|loglevel_maps|trace_size_limit)"
    r"|(allow_srv_lookup_fallback|ignore_srv_lookup_error|use_srv_lookup|default_cache_db_type"
    r"|force_mime_input_conversion|full_name_encoding_charset|maillog_file_permissions"
    r"|non_bdb_.*|postscreen_(dnsbl_enable|greet_enable|tls_.*)|relocated_prefix_enable"
    r"|requiretls_(enable|esmtp_header|redact_dsn)|smtpd_client_ipv[46]_prefix_length"
    r"|smtpd_hide_client_session|smtpd_reject_filter_maps|socketmap_max_reply_size"
    r"|tls_(config_file|config_name|ffdhe_auto_groups|required_enable|trace_rate_limit))"
)
_REFERENCE = re.compile(r"\$[({]?([A-Za-z0-9_]+)")


@cache
def known_names() -> frozenset[str]:
    """Return every name that has a default, or that a default refers to."""
    own = defaults()
    referred = {name for value in own.values() for name in _REFERENCE.findall(value)}
    return frozenset(own) | MACHINE_DEPENDENT | referred


def is_known(name: str) -> bool:
    """Return whether main.cf may set *name*."""
    return (
        name in known_names()
        or name.endswith(tuple(f"_{suffix}" for suffix in PER_TRANSPORT))
        or _LATER.fullmatch(name) is not None
    )


def references_in(conf: Configuration) -> set[str]:
    """Return the names that main.cf and master.cf refer to as ``$name``."""
    found: set[str] = set()
    if conf.main:
        for setting in conf.main.settings:
            found |= set(_REFERENCE.findall(setting.value))
    for service in conf.services:
        found |= set(_REFERENCE.findall(service.source.text))
    return found
