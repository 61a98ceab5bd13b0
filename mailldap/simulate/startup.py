"""Settings with which Postfix's daemons do not start.

Source: Postfix 3.7, the parameter tables of trivial-rewrite.c, cleanup_init.c, smtpd.c and
mail_params.c; mail_conf_str(3), mail_conf_int(3), mail_conf_bool(3).
"""

from __future__ import annotations

from mailldap.errors import ConfigError
from mailldap.postfix.main_cf import MainCf

_NOT_EMPTY = (
    "canonical_classes",
    "default_transport",
    "double_bounce_sender",
    "empty_address_default_transport_maps_lookup_key",
    "empty_address_recipient",
    "empty_address_relayhost_maps_lookup_key",
    "local_transport",
    "mydomain",
    "myhostname",
    "myorigin",
    "recipient_canonical_classes",
    "relay_transport",
    "sender_canonical_classes",
    "smtpd_sasl_type",
    "virtual_transport",
)
_BOOLEANS = (
    "allow_min_user",
    "allow_percent_hack",
    "allow_untrusted_routing",
    "append_at_myorigin",
    "append_dot_mydomain",
    "enable_original_recipient",
    "helpful_warnings",
    "owner_request_special",
    "resolve_dequoted_address",
    "resolve_null_domain",
    "resolve_numeric_domain",
    "show_user_unknown_table_name",
    "smtpd_delay_reject",
    "smtpd_reject_unlisted_recipient",
    "smtpd_reject_unlisted_sender",
    "smtpd_relay_before_recipient_restrictions",
    "smtpd_sasl_auth_enable",
    "smtputf8_enable",
    "soft_bounce",
    "strict_rfc821_envelopes",
    "strict_smtputf8",
    "swap_bangpath",
)
_POSITIVE = (
    "virtual_alias_address_length_limit",
    "virtual_alias_expansion_limit",
    "virtual_alias_recursion_limit",
)


def check_settings(main: MainCf) -> None:
    """Raise ConfigError, in Postfix's words, for the first setting that ends a daemon."""
    for name in _NOT_EMPTY:
        if not main.get(name):
            raise ConfigError(
                f"bad string length 0 < 1: {name} =",
                file=main.name,
                line=main.location(name),
                hint=f"give {name} a value, or remove the line for the default",
            )
    for name in _BOOLEANS:
        main.get_bool(name)
    for name in _POSITIVE:
        main.get_int(name, 1)
