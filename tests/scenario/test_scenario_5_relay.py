"""All other mail leaves through the submission service, and its password goes to nobody else."""

import base64
import re
from contextlib import contextmanager

import pytest

from tests.containers import wait_until

USER = "user.name@gmail.com"
PASSWORD = "relay-password-of-the-stand-in"
SUBMIT = {
    "port": 587,
    "login": ["user1", "pw-user1"],
    "tls": "/pki/ca.pem",
    "sender": "user1@example.com",
}
ABROAD = "somebody@example.net"


def in_clear(password: str) -> list[bytes]:
    """The password as AUTH PLAIN and AUTH LOGIN have it, and as it is."""
    raw = password.encode()
    plain = f"\0{USER}\0{password}".encode()
    return [raw, base64.b64encode(raw).rstrip(b"="), base64.b64encode(plain).rstrip(b"=")]


@pytest.fixture(scope="module")
def wire(stack):
    """Every byte that reached or left the stand-in while the tests of this file ran."""
    capture = "/tmp/wire"
    stack.run("gmail", "sh", "-c", f"sniff {capture} >{capture}.log 2>&1 &")
    wait_until(
        lambda: stack["gmail"].exec(["test", "-e", capture]).returncode == 0, "the ear is open"
    )
    return lambda: stack.run("gmail", "cat", capture).stdout


def relayed(stack, subject: str) -> bytes:
    """The message as the stand-in got it; empty where it did not."""
    find = f"grep -l 'Subject: {subject}' /var/sink/*.eml | xargs -r cat"
    return stack.run("gmail", "sh", "-c", find).stdout


@contextmanager
def with_relay(stack, password: str = PASSWORD, **relay):
    """The submission host with other settings of `postfix.relay`."""
    stack.put("submission", "/etc/host/other-password", f"{password}\n", "600")
    relay["password_file"] = "/etc/host/other-password"
    with stack.configured("submission", {"postfix": {"relay": relay}}):
        yield


def submit(post, *, foreseeable: bool):
    [posting] = post.send(ABROAD, host="submission", foreseeable=foreseeable, **SUBMIT)
    assert posting.said["recipients"][0]["nexthop"].startswith("[smtp.gmail.com]:")
    assert posting.queue_id, posting.reply
    [delivery] = post.follow(posting)
    return posting, delivery


def waits(post, stack, dsn: str, words: str) -> None:
    """A message that stays in the queue, whose password has not been taken by anybody."""
    posting, delivery = submit(post, foreseeable=False)
    try:
        assert (delivery["status"], delivery["dsn"]) == ("deferred", dsn), delivery[0]
        assert words in delivery["words"], delivery[0]
        assert not relayed(stack, posting.subject)
        assert posting.queue_id in stack.run("submission", "postqueue", "-p").stdout.decode()
    finally:
        stack.run("submission", "postsuper", "-d", posting.queue_id)


def test_scenario_5_mail_leaves_authenticated_over_verified_tls(stack, post, wire):
    start = len(stack["submission"].logs())
    posting, delivery = submit(post, foreseeable=True)
    assert delivery["status"] == "sent"
    stack.wait_log("submission", r"Verified TLS connection established to smtp\.gmail\.com", start)
    assert f"sasl_username={USER}" in stack["gmail"].logs()
    message = relayed(stack, posting.subject)
    assert f"X-Envelope-To: {ABROAD}\n".encode() in message
    assert b"with ESMTPSA" in message  # RFC 3848: TLS and authenticated
    assert (
        stack.run("submission", "stat", "-c", "%a %U", "/etc/postfix/sasl_passwd").stdout
        == b"600 root\n"
    )


def test_scenario_5_mail_for_our_own_does_not_leave(stack, post):
    [posting] = post.send("sample@example.com", host="submission", **SUBMIT)
    post.arrive([posting])
    assert not relayed(stack, posting.subject)


def test_scenario_5_a_wrong_password_waits_in_the_queue(stack, post, wire):
    with with_relay(stack, "not-the-password"):
        waits(post, stack, "4.7.8", "535 5.7.8")


def test_scenario_5_a_wrong_authority_gets_no_password(stack, post, wire):
    with with_relay(stack, ca_file="/pki/other-ca.pem"):
        before = stack["gmail"].logs().count("sasl_username=")
        waits(post, stack, "4.7.5", "Server certificate not verified")
        assert stack["gmail"].logs().count("sasl_username=") == before


def test_scenario_5_no_starttls_gets_no_password(stack, post, wire):
    with with_relay(stack, host="[smtp.gmail.com]:5870"):
        waits(post, stack, "4.7.4", "TLS is required, but was not offered")


def test_scenario_5_the_password_never_passed_in_clear(stack, wire):
    seen = wire()
    # The ear was open: it heard the handshake, and the service that offers AUTH without TLS.
    for heard in (b"STARTTLS\r\n", b"250-AUTH PLAIN LOGIN\r\n", b"EHLO mail.example.com\r\n"):
        assert heard in seen
    assert not re.search(rb"(?<!250[- ])AUTH (?:PLAIN|LOGIN)", seen)  # but for the offer
    for password in (PASSWORD, "not-the-password"):
        for form in in_clear(password):
            assert form not in seen
