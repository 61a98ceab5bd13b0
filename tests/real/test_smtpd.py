"""Who may send as whom: the real smtpd beside `sender check`."""

import pytest

from tests.real.generate_restrictions import restriction_case
from tests.real.postfix_compare import SINK, STRANGER, Case, ask, differences
from tests.real.postfix_generate import sender_case
from tests.real.test_cleanup import check_generated, check_recordings
from tests.simulate.test_reply_pattern import BAD, GOOD
from tests.simulate.test_sender_list import ODD_ADDRESSES, ODD_KEYS
from tests.simulate.test_startup import BASE, OPEN, SMTPD

MAIN = """
compatibility_level = 3.6
myhostname = mail.example.com
mydestination = example.com
inet_interfaces = loopback-only
mynetworks = 127.0.0.0/8
local_recipient_maps =
smtpd_sasl_auth_enable = yes
smtpd_sasl_security_options = noanonymous
smtpd_sasl_local_domain = {realm}
smtpd_sender_restrictions = reject_sender_login_mismatch
smtpd_sender_login_maps = inline:{{ plain@example.com=alice, full@example.com=alice@realm.example }}
"""


@pytest.mark.parametrize("name", ["senders", "restrictions"])
def test_recordings_are_what_smtpd_answers(lab, name) -> None:
    check_recordings(lab, name)


def test_generated_senders(lab) -> None:
    check_generated(lab, sender_case)


def test_generated_restriction_lists(lab) -> None:
    check_generated(lab, restriction_case)


def test_smtpd_does_not_start_with_what_we_refuse(lab) -> None:
    question = {"do": "sender", "login": None, "client": STRANGER, "from": "", "to": SINK}
    ending = [*OPEN, *SMTPD]
    cases = [Case(settings, f"{BASE}{settings}\n", [question]) for settings, _ in ending]
    for (settings, words), answer in zip(ending, ask(lab, cases), strict=True):
        assert "error" in answer, settings
        assert [line for line in answer["log"] if "fatal" in line and words in line], answer


def test_smtpd_dies_of_the_patterns_that_we_refuse(lab) -> None:
    question = {"do": "sender", "login": None, "client": STRANGER, "from": "", "to": SINK}
    patterns = [p for p in (*GOOD, *BAD) if not set(p) & set(", ")]  # they end a word of a list
    setting = "smtpd_client_restrictions = reject_rbl_client list.invalid="
    cases = [Case(pattern, f"{BASE}{setting}{pattern}\n", [question]) for pattern in patterns]
    for pattern, answer in zip(patterns, ask(lab, cases), strict=True):
        died = any("fatal: RBL reply error" in line for line in answer["log"])
        assert died == (pattern in BAD), (pattern, answer)


def test_smtpd_takes_what_sender_list_lists(lab) -> None:
    asked = [
        {"do": "sender", "login": "ann", "client": STRANGER, "to": SINK, "from": address}
        for address in (f"x{one}" if one[0] == "@" else one for one in ODD_ADDRESSES)
        if address.isascii()  # the others need SMTPUTF8
    ]
    main = (
        f"{BASE}mydestination = example.com\nsmtpd_sasl_auth_enable = yes\n"
        "smtpd_sender_restrictions = reject_sender_login_mismatch\n"
        "smtpd_sender_login_maps = texthash:@DIR@/logins\n"
    )
    case = Case("listed", main, asked, {"logins": ODD_KEYS})
    (real,) = ask(lab, [case])
    assert real["answers"] == [None] * len(asked)


@pytest.mark.parametrize(("realm", "owner"), [("", "plain"), ("realm.example", "full")])
def test_the_login_of_real_sasl_gets_the_local_domain(lab, realm, owner) -> None:
    """XCLIENT gives any login; AUTH gives what Cyrus SASL makes of one."""
    user_realm = realm or "mail.example.com"
    script = (
        "mkdir -p /etc/postfix/sasl && "
        "printf 'pwcheck_method: auxprop\\nauxprop_plugin: sasldb\\nmech_list: PLAIN\\n'"
        " > /etc/postfix/sasl/smtpd.conf && "
        f"printf secret | saslpasswd2 -p -c -u {user_realm} alice && chmod 644 /etc/sasldb2"
    )
    done = lab.exec(["sh", "-c", script])
    assert done.returncode == 0, done.stderr
    question = {"do": "sender", "login": "alice", "password": "secret", "client": STRANGER}
    asked = [
        {**question, "from": f"{local}@example.com", "to": SINK} for local in ("plain", "full")
    ]
    case = Case(f"realm {realm!r}", MAIN.format(realm=realm), asked)
    (real,) = ask(lab, [case])
    assert "error" not in real, real
    accepted = [q["from"] for q, a in zip(asked, real["answers"], strict=True) if a is None]
    assert accepted == [f"{owner}@example.com"]
    assert not list(differences(case, real))
