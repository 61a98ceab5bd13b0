"""Who the client is: names that are given, found in hosts(5), or guessed."""

import pytest

from mailldap.errors import UsageError
from mailldap.postfix.main_cf import MainCf
from mailldap.simulate.peer import Peer, identify

HOSTS = b"""\
# comment
127.0.0.1\tlocalhost localhost.localdomain
::1 localhost ip6-localhost
192.0.2.5 web1.internal web1 # trailing
192.0.2.6 -bad
192.0.2.7
"""


def peer(text: str | None, settings: str = "") -> Peer:
    return identify(text, MainCf.parse(settings), lambda path: {"/etc/hosts": HOSTS}[path])


def missing(path: str) -> bytes:
    raise FileNotFoundError(path)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("127.0.0.1", "localhost[127.0.0.1]"),
        ("::1", "localhost[::1]"),
        ("0:0::1", "localhost[::1]"),
        ("::ffff:192.0.2.5", "web1.internal[192.0.2.5]"),
        ("IPv6:2001:DB8::1", "unknown[2001:db8::1]"),
        ("192.0.2.6", "unknown[192.0.2.6]"),
        ("192.0.2.7", "unknown[192.0.2.7]"),
        ("pc.example[192.0.2.5]", "pc.example[192.0.2.5]"),
        ("unknown[127.0.0.1]", "unknown[127.0.0.1]"),
        (None, "unknown[unknown]"),
    ],
)
def test_clients_are_shown_as_postfix_shows_them(text, shown) -> None:
    assert peer(text).shown == shown


@pytest.mark.parametrize(
    "text", ["", "pc.example", "1.2.3", "a b[192.0.2.1]", "pc[]", "x[y]", "[::1]"]
)
def test_what_is_no_client_is_a_usage_error(text) -> None:
    with pytest.raises(UsageError, match="no such client"):
        peer(text)


def test_only_a_name_that_nobody_told_is_guessed() -> None:
    assert peer("192.0.2.1").guessed
    assert peer(None).guessed
    assert not peer("127.0.0.1").guessed
    assert not peer("unknown[192.0.2.1]").guessed


def test_without_lookups_nobody_has_a_name() -> None:
    client = peer("127.0.0.1", "smtpd_peername_lookup = no")
    assert client.shown == "unknown[127.0.0.1]"
    assert not client.guessed


def test_port_logging_shows_in_the_name() -> None:
    assert (
        peer("127.0.0.1", "smtpd_client_port_logging = yes").shown == "localhost[127.0.0.1]:unknown"
    )


def test_without_hosts_a_name_is_guessed() -> None:
    assert identify("127.0.0.1", MainCf.parse(""), missing).guessed
