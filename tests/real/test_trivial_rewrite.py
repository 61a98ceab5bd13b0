"""Class, transport, next hop and rewriting: the real trivial-rewrite beside `route`."""

import pytest

from tests.real.postfix_compare import Case, ask, compare
from tests.real.postfix_generate import route_case
from tests.real.test_cleanup import check_generated, check_recordings
from tests.simulate.test_startup import BASE, CLEANUP, LOCAL, REWRITE


def test_recordings_are_what_trivial_rewrite_answers(lab) -> None:
    check_recordings(lab, "classes")


def test_generated_routes(lab) -> None:
    check_generated(lab, route_case)


@pytest.mark.parametrize(
    "setting",
    [
        "default_transport =",
        "local_transport =",
        "empty_address_recipient =",
        "myorigin =",
        "swap_bangpath = maybe",
        "append_dot_mydomain = yes # comment",
        "virtual_alias_domains = !",
        "compatibility_level = x",
    ],
)
def test_settings_that_end_the_daemon_are_refused(lab, setting) -> None:
    question = {"do": "route", "address": "user@other.example", "sender": ""}
    main = f"myhostname = mail.example.com\ninet_interfaces = loopback-only\n{setting}\n"
    assert not compare(lab, [Case(setting, main, [question])])


def test_daemons_do_not_start_with_the_tables_that_we_refuse(lab) -> None:
    mail = {"do": "resolve", "to": [LOCAL]}
    route = {"do": "route", "address": LOCAL, "sender": ""}
    ending = [(setting, mail) for setting in CLEANUP] + [(setting, route) for setting in REWRITE]
    cases = [
        Case(settings, f"{BASE}{settings}\n", [question]) for (settings, _), question in ending
    ]
    for ((settings, words), _), answer in zip(ending, ask(lab, cases), strict=True):
        assert "error" in answer, settings
        assert [line for line in answer["log"] if "fatal" in line and words in line], answer
