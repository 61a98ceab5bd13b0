"""The facade: several recipients, traces, warnings, and what cannot be judged."""

import pytest

from mailldap.errors import ConfigError
from mailldap.postfix.main_cf import MainCf
from mailldap.simulate.decision import PassedOver
from mailldap.simulate.simulator import Simulator
from mailldap.tables.base import TableContext

MAIN = """
compatibility_level = 3.6
myhostname = mail.example.com
mydestination = example.com
inet_interfaces = loopback-only
local_recipient_maps =
virtual_alias_domains = a.example
virtual_alias_maps = inline:{ one@a.example=x@gmail.com, loop@a.example=pool@a.example, pool@a.example=loop@a.example }
"""


def simulator(more: str = "", **options) -> Simulator:
    def nobody(_parameters):
        raise AssertionError("no server is needed")

    main = MainCf.parse(MAIN + more)
    return Simulator(main, TableContext(open_session=nobody, parameter=main.lookup, **options))


def test_one_recipient_that_cannot_be_taken_fails_the_message() -> None:
    message = simulator().resolve_message(["one@a.example", "loop@a.example"])
    assert [r.outcome for r in message.each] == ["deliver", "defer"]
    assert (message.together.outcome, message.together.recipients) == ("defer", ())
    assert message.together.reply == "451 4.6.0 Alias expansion error"


def test_a_recipient_that_is_refused_leaves_the_others() -> None:
    together = simulator().resolve_message(["one@a.example", "two@a.example"]).together
    assert together.outcome == "reject"
    assert [r.address for r in together.recipients] == ["x@gmail.com"]


def test_the_worst_recipient_decides() -> None:
    more = "transport_maps = inline:{ { gmail.com = retry:4.7.1 later } }"
    found = simulator(more).resolve("one@a.example")
    assert (found.outcome, found.dsn) == ("defer", "4.7.1")
    assert found.recipients[0].transport == "retry"


def test_traces_hold_each_question_of_this_query_only() -> None:
    postfix = simulator()
    postfix.resolve("other@a.example")
    trace = postfix.resolve("one@a.example").trace
    assert {probe.key for probe in trace} == {"one@a.example", "x@gmail.com", "@gmail.com"}
    assert trace[0].result == "x@gmail.com"


def test_probes_and_warnings_reach_the_caller() -> None:
    probes, warnings = [], []
    postfix = simulator("relay_domains = a.example", probe=probes.append, warn=warnings.append)
    found = postfix.route("one@a.example")
    overlap = "do not list domain a.example in BOTH virtual_alias_domains and relay_domains"
    assert found.warnings == (overlap,)
    assert overlap in warnings
    postfix.resolve("one@a.example")
    assert probes


def test_a_table_that_cannot_be_asked_stops_only_who_needs_it() -> None:
    postfix = simulator(
        "relocated_maps =\nrelay_domains = r.example\nrelay_recipient_maps = mysql:x"
    )
    assert postfix.resolve("one@a.example").outcome == "deliver"
    with pytest.raises(ConfigError, match="relay_recipient_maps"):
        postfix.resolve("u@r.example")


def test_smtputf8_must_be_asked_for() -> None:
    postfix = simulator()
    assert postfix.resolve("u@müller.example").dsn == "5.1.3"
    assert postfix.resolve("u@müller.example", smtputf8=True).outcome == "deliver"


def test_unusable_settings_are_refused_at_once() -> None:
    with pytest.raises(ConfigError, match="bad string length 0 < 1: default_transport"):
        simulator("default_transport =")


def test_what_needs_the_network_is_named() -> None:
    more = "smtpd_sender_restrictions = reject_unknown_sender_domain, reject_rbl_client bl.example"
    verdict = simulator(more).sender_check("", "u@gmail.com")
    assert verdict.allowed is True
    assert verdict.passed_over == (
        PassedOver("reject_unknown_sender_domain", "DNS"),
        PassedOver("reject_rbl_client bl.example", "DNS"),
    )


def test_a_login_gets_the_local_domain() -> None:
    more = """
smtpd_sasl_auth_enable = yes
smtpd_sasl_local_domain = realm.example
smtpd_sender_restrictions = reject_sender_login_mismatch
smtpd_sender_login_maps = inline:{ a@example.com=ann@realm.example, b@example.com=ann }
"""
    postfix = simulator(more)
    assert postfix.sender_check("ann", "a@example.com").allowed is True
    assert postfix.sender_check("ann", "b@example.com").allowed is False
    assert postfix.sender_check("ann@realm.example", "a@example.com").allowed is True


def test_could_not_ask_is_neither_yes_nor_no() -> None:
    more = """
smtpd_sasl_auth_enable = yes
smtpd_sender_restrictions = reject_sender_login_mismatch
smtpd_sender_login_maps = fail:x
"""
    verdict = simulator(more).sender_check("ann", "a@example.com")
    assert verdict.allowed is None
    assert verdict.reply == "451 4.3.0 <a@example.com>: Temporary lookup failure"


def test_smtpd_does_not_start_open() -> None:
    with pytest.raises(ConfigError, match="at least one working instance"):
        simulator("smtpd_relay_restrictions = permit_mynetworks").sender_check("", "a@example.com")
