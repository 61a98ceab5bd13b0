"""`sender check`: what is told decides, what is not is named."""

import json
from pathlib import Path

import pytest

MAIN = """\
compatibility_level = 3.6
myhostname = mail.example.com
mydestination = example.com
local_recipient_maps =
smtpd_sasl_auth_enable = yes
smtpd_tls_security_level = may
smtpd_tls_chain_files = /etc/tls.pem
smtpd_sender_login_maps = inline:{ann@example.com=ann}
smtpd_client_restrictions = check_client_access inline:{bad.example=REJECT}
smtpd_helo_restrictions = reject_non_fqdn_helo_hostname
smtpd_sender_restrictions = reject_sender_login_mismatch, reject_plaintext_session
smtpd_recipient_restrictions = check_recipient_access inline:{{bob@example.com=550 5.1.1 gone}}
smtpd_data_restrictions = reject_unknown_sender_domain
"""


@pytest.fixture
def check(cli):
    Path("etc").mkdir()
    Path("etc/main.cf").write_text(MAIN)

    def run(*words: str, login: str = "ann", sender: str = "ann@example.com"):
        options = ["-c", "etc", "-o", "json", *words]
        done = cli("sender", "check", *options, "--", login, sender)
        return done.status, json.loads(done.out), done.err

    return run


def test_what_was_not_told_is_named_with_the_option_that_tells_it(check) -> None:
    status, form, err = check(sender="u@gmail.com", login="")
    assert (status, form["allowed"]) == (0, True)
    for words in (
        (
            "check_client_access inline:{bad.example=REJECT} was passed over: it needs the client "
            "(--client tells it)"
        ),
        "reject_non_fqdn_helo_hostname was passed over: it needs the HELO name (--helo tells it)",
        (
            "reject_plaintext_session was passed over: it needs whether the session is encrypted "
            "(--tls or --no-tls tells it)"
        ),
        "was passed over: it needs the recipient (--to tells it)",
        "reject_unknown_sender_domain was passed over: it needs DNS\n",
    ):
        assert words in err


@pytest.mark.parametrize(
    ("words", "reply"),
    [
        (["--client", "bad.example[192.0.2.1]"], "554 5.7.1 <bad.example[192.0.2.1]>: Client host"),
        (["--client", "192.0.2.1", "--helo", "pc"], "504 5.5.2 <pc>: Helo command rejected"),
        (["--no-tls"], "450 4.7.1 Session encryption is required"),
        (["--tls", "--to", "bob@example.com"], "550 5.1.1 <bob@example.com>: Recipient address"),
        (["--tls", "--to", "x y"], "501 5.1.3 Bad recipient address syntax"),
    ],
)
def test_what_is_told_decides(check, words, reply) -> None:
    status, form, _ = check(*words)
    assert (status, form["allowed"]) == (1, False)
    assert form["reply"].startswith(reply)


def test_everything_told_leaves_nothing_to_say(check) -> None:
    words = ["--client", "pc.example[192.0.2.1]", "--helo", "pc.example", "--tls"]
    assert check(*words, "--to", "ann@example.com") == (
        0,
        {
            "version": 1,
            "login": "ann",
            "sender": "ann@example.com",
            "allowed": True,
            "reply": None,
            "owners": ["ann"],
            "table_key": "ann@example.com",
        },
        "",
    )


def test_what_permits_before_the_login_is_checked_is_told(check) -> None:
    early = "permit_mynetworks, reject_sender_login_mismatch"
    text = MAIN.replace("reject_sender_login_mismatch", early)
    Path("etc/main.cf").write_text(f"{text}mynetworks = 127.0.0.0/8\n")
    words = "permit_mynetworks permits before reject_sender_login_mismatch is reached"
    inside = ["--client", "127.0.0.1", "--tls"]
    for login in ("bob", ""):
        status, form, err = check(*inside, login=login)
        assert (status, form["allowed"]) == (0, True)
        assert words in err
    for talk in ({}, {"sender": "", "login": "bob"}, {"sender": "u@x.example", "login": ""}):
        assert words not in check(*inside, **talk)[2]
    assert words not in check("--tls", login="bob")[2]


def test_an_empty_table_is_told(check, cli) -> None:
    text = MAIN.replace("inline:{ann@example.com=ann}", "")
    Path("etc/main.cf").write_text(text)
    words = (
        "smtpd_sender_login_maps is empty in etc/main.cf: whoever has logged in owns no address\n"
    )
    status, form, err = check("--tls")
    assert (status, form["allowed"]) == (1, False)
    assert words in err
    assert words in cli("sender", "owners", "-c", "etc", "ann@example.com").err
    assert words in cli("sender", "list", "-c", "etc", "ann").err


def test_smtputf8_is_told(check) -> None:
    talk = {"login": "", "sender": "x@bücher.example"}
    status, form, err = check("--tls", **talk)
    assert (status, form["reply"]) == (1, "501 5.1.7 Bad sender address syntax")
    assert "taken for granted: the client does not ask for SMTPUTF8\n" in err
    status, _, err = check("--tls", "--smtputf8", **talk)
    assert status == 0
    assert "SMTPUTF8" not in err


def test_a_name_in_helo_that_the_footer_wants_is_told(check) -> None:
    with Path("etc/main.cf").open("a") as main:
        main.write("smtpd_reject_footer = \\c ($helo_name)\n")
    _, form, err = check("--tls", login="bob")
    assert form["reply"].endswith("not owned by user bob (helo)")
    assert "taken for granted: the name in HELO is helo\n" in err
    _, form, err = check("--tls", "--helo", "pc.example", login="bob")
    assert form["reply"].endswith("not owned by user bob (pc.example)")
    assert "in HELO is" not in err


def test_a_guessed_name_is_told(check) -> None:
    _, _, err = check("--client", "192.0.2.1")
    assert "taken for granted: the client has no host name" in err


def test_a_client_that_is_none(check) -> None:
    status, form, _ = check("--client", "nobody")
    assert status == 2
    assert "no such client" in form["error"]["message"]


@pytest.mark.usefixtures("check")
def test_a_smtpd_that_does_not_start(cli) -> None:
    with Path("etc/main.cf").open("a") as main:
        main.write("smtpd_relay_restrictions = permit_mynetworks\n")
        main.write("smtpd_recipient_restrictions =\n")
    words = "specify at least one working instance of: reject_unauth_destination"
    done = cli("sender", "check", "-c", "etc", "", "")
    assert done.status == 78
    assert words in done.err
    done = cli("resolve", "-c", "etc", "a@b.example")
    assert done.status == 0
    assert words in done.err
    assert cli("route", "-c", "etc", "a@b.example").status == 0


MASTER = """\
smtp       inet n - y - - smtpd
submission inet n - y - - smtpd
  -o smtpd_tls_security_level=encrypt
  -o { smtpd_sender_restrictions = $mua, permit }
  -o smtpd_client_restrictions=
"""


def test_a_service_of_master_cf_has_its_own_settings(check, cli) -> None:
    Path("etc/main.cf").write_text(MAIN.replace("reject_sender_login_mismatch, ", ""))
    with Path("etc/main.cf").open("a") as main:
        main.write("mua = reject_known_sender_login_mismatch\n")
    Path("etc/master.cf").write_text(MASTER)
    status, _, err = check(login="bob")
    assert status == 0
    assert "master.cf has settings of their own for submission: --service looks at them" in err
    status, form, err = check("--service", "submission", login="bob")
    assert status == 1
    assert form["reply"].endswith("Sender address rejected: not owned by user bob")
    assert "--service" not in err
    done = cli("sender", "check", "-c", "etc", "--service", "smtps", "bob", "ann@example.com")
    assert done.status == 78
    assert "there is no smtpd service smtps" in done.err
