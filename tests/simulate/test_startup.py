"""Settings that end a daemon are errors, in Postfix's words, for whoever needs that daemon."""

import pytest

from mailldap.directory.open import session_opener
from mailldap.errors import ConfigError
from mailldap.postfix.main_cf import MainCf
from mailldap.simulate.simulator import Simulator
from mailldap.tables.base import TableContext

BASE = "compatibility_level = 3.6\nmyhostname = mail.example.com\nlocal_recipient_maps =\n"


def simulator(settings: str) -> Simulator:
    main = MainCf.parse(BASE + settings)
    return Simulator(main, TableContext(open_session=session_opener(), parameter=main.lookup))


#: tests/real/test_smtpd.py shows them to the real one.
OPEN = [
    ("smtpd_relay_restrictions = permit_mynetworks", "at least one working instance of"),
    ("smtpd_relay_restrictions = permit, reject", "at least one working instance of"),
    ("smtpd_relay_restrictions = warn_if_reject reject", "at least one working instance of"),
]
SMTPD = [
    ("smtpd_restriction_classes = a", "restriction class `a' needs a definition"),
    ("smtpd_recipient_limit = 0", "invalid smtpd_recipient_limit parameter value 0 < 1"),
    ("reject_code = 554 # no", "bad numerical configuration: reject_code = 554 # no"),
    ("smtpd_timeout = 5y", "parameter smtpd_timeout: bad time value or unit: 5y"),
    ("smtpd_policy_service_timeout = -1", "bad time value or unit"),
    ("smtpd_helo_required = yes # please", "bad boolean configuration: smtpd_helo_required"),
    ("smtpd_tls_security_level = may # x", 'Invalid TLS level "may # x"'),
    ("smtpd_tls_security_level = dane", 'Invalid TLS level "dane"'),
    ("unknown_address_tempfail_action = x", "bad configuration: unknown_address_tempfail_action"),
    (
        "smtpd_forbid_bare_newline = maybe",
        "bad parameter value: 'smtpd_forbid_bare_newline = maybe'",
    ),
    ("receive_override_options = none", 'unknown receive_override_options value "none" in "none"'),
    ("header_from_format = new", 'invalid setting: "header_from_format = new"'),
    ("smtpd_policy_service_max_ttl = 0", "invalid smtpd_policy_service_max_ttl: 0 (min 1)"),
    ("smtpd_sender_restrictions = check_policy_service 10023", "need service transport:endpoint"),
    ("smtpd_data_restrictions = check_policy_service x:y", "invalid transport name: x in service"),
    (
        "smtpd_sender_login_maps = /etc/logins",
        'open dictionary: expecting "type:name" form instead of "/etc/logins"',
    ),
    ("smtpd_sender_login_maps = :x", 'expecting "type:name" form instead of ":x"'),
    ("sender_canonical_maps = /x", 'expecting "type:name" form instead of "/x"'),
    ("smtpd_sender_restrictions = check_sender_access :x", "type:name"),
    ("smtpd_sender_login_maps = ldap:broken\nbroken_bind = maybe", "unsupported parameter value"),
    (
        "smtpd_sender_restrictions = check_sender_access ldap:b\nb_scope = x\nb_version = 1",
        "version",
    ),
    ("relay_recipient_maps = static:x # those", 'expecting "type:name" form instead of "#"'),
    ("mynetworks = 127.0.0.0/8 !ldap:broken\nbroken_bind = maybe", "unsupported parameter value"),
    ("smtpd_command_filter = ldap:broken\nbroken_bind = maybe", "unsupported parameter value"),
]
#: Nobody asks these tables about a local address, and yet all mail waits.
CLEANUP = [
    ("sender_bcc_maps = copies", 'expecting "type:name" form instead of "copies"'),
    ("header_checks = ldap:broken\nbroken_bind = maybe", "unsupported parameter value"),
    ("milter_header_checks = ldap:broken\nbroken_bind = maybe", "unsupported parameter value"),
    ("masquerade_exceptions = ldap:broken\nbroken_bind = maybe", "unsupported parameter value"),
]
REWRITE = [
    ("sender_dependent_relayhost_maps = hosts", 'expecting "type:name" form instead of "hosts"'),
    ("transport_maps = static:x # all", 'expecting "type:name" form instead of "#"'),
    ("relay_domains = a.example, ldap:broken\nbroken_bind = maybe", "unsupported parameter value"),
    ("address_verify_transport_maps = ldap:b\nb_bind = maybe", "unsupported parameter value"),
]
LOCAL = "postmaster@mail.example.com"


@pytest.mark.parametrize(("settings", "words"), SMTPD)
def test_what_ends_smtpd_ends_resolve_and_sender_check(settings, words) -> None:
    postfix = simulator(settings)
    with pytest.raises(ConfigError) as resolved:
        postfix.resolve("a@example.net")
    with pytest.raises(ConfigError) as checked:
        postfix.sender_check("", "a@example.net")
    assert words in str(resolved.value)
    assert str(resolved.value) == str(checked.value)
    assert postfix.route("a@example.net").outcome == "deliver"


@pytest.mark.parametrize(("settings", "words"), OPEN)
def test_open_lists_end_sender_check_and_are_told_by_resolve(settings, words) -> None:
    """master.cf may give a service restrictions of its own."""
    postfix = simulator(settings)
    with pytest.raises(ConfigError, match=words):
        postfix.sender_check("", "a@example.net")
    resolved = postfix.resolve("a@example.net")
    assert resolved.outcome == "deliver"
    (warning,) = resolved.warnings
    assert words in warning


def test_what_ends_cleanup_ends_resolve_only() -> None:
    postfix = simulator("virtual_alias_expansion_limit = 0")
    assert postfix.sender_check("", "a@example.net").allowed
    with pytest.raises(ConfigError, match="invalid virtual_alias_expansion_limit"):
        postfix.resolve("a@example.net")


@pytest.mark.parametrize(("settings", "words"), CLEANUP)
def test_a_table_that_ends_cleanup_ends_resolve_only(settings, words) -> None:
    postfix = simulator(settings)
    assert postfix.route(LOCAL).outcome == "deliver"
    with pytest.raises(ConfigError, match=words):
        postfix.resolve(LOCAL)


@pytest.mark.parametrize(("settings", "words"), REWRITE)
def test_a_table_that_ends_trivial_rewrite_ends_every_answer(settings, words) -> None:
    postfix = simulator(settings)
    with pytest.raises(ConfigError, match=words):
        postfix.route(LOCAL)
    with pytest.raises(ConfigError, match=words):
        postfix.resolve(LOCAL)


def test_what_follows_a_comment_in_a_list_is_not_opened() -> None:
    postfix = simulator("relay_domains = a.example # ldap:broken\nbroken_bind = maybe")
    assert postfix.route("u@a.example").outcome == "deliver"


def test_tables_of_other_machines_are_no_matter_until_they_are_asked() -> None:
    settings = "sender_bcc_maps = mysql:/etc/x.cf\nsender_dependent_relayhost_maps = tcp:h:1"
    assert simulator(settings).resolve(LOCAL).outcome == "deliver"


@pytest.mark.parametrize(
    "settings",
    [
        "soft_bounce = maybe",
        "local_transport =",
        "ipc_timeout = x",
        "message_size_limit = 10M",
        "message_size_limit = 9223372036854775808",
        pytest.param(f"message_size_limit = {'9' * 5000}", id="5000 digits"),
        "inet_protocols = ipv4 # no IPv6",
        "myhostname = mail.example.com.",
        "mydomain = -example.com",
        "myorigin = example.com, example.net",
        "relayhost = MAIL.example.com",
        "fast_flush_domains = ${x",
    ],
)
def test_what_ends_every_daemon_is_told_at_once(settings) -> None:
    with pytest.raises(ConfigError):
        simulator(settings)


def test_a_table_that_smtpd_starts_without_is_no_matter_for_others() -> None:
    settings = "smtpd_sender_login_maps = mysql:/etc/x.cf, fail:y, nosuch:z"
    assert simulator(settings).resolve("a@example.net").outcome == "deliver"


def test_a_restriction_in_upper_case_closes() -> None:
    settings = (
        "smtpd_relay_restrictions =\nsmtpd_recipient_restrictions = REJECT_UNAUTH_Destination"
    )
    assert simulator(settings).sender_check("", "a@example.net").allowed
