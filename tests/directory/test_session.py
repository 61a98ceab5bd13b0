"""The libldap conversation where no real Postfix is needed to know what is right.

Its words and its failovers are held against the real one in test_session_real.py.
"""

import random
import time

import pytest

from mailldap.directory.base import Deref, Scope, SearchRequest, Session, SessionParameters
from mailldap.directory.libldap.tls import name_matches
from mailldap.directory.libldap_text import err2string
from mailldap.directory.session import LibldapSession, open_session
from mailldap.errors import ApiError, CouldNotAsk
from mailldap.ldap.entry import Entry
from mailldap.ldap.filter import parse_filter
from tests.directory.fake_server import (
    FakeServer,
    entry,
    message,
    polite,
    raw_handler,
    reference,
    result,
    silent,
    tlv,
)

REQUEST = SearchRequest("dc=x", Scope.SUB, parse_filter("(mail=a@x)"), ("mail",))
FOUND = entry("uid=a,dc=x", mail=[b"a@x"])


def unbound(*uris, **parameters):
    return open_session(SessionParameters(uris, bind="none", **{"timeout": 2} | parameters))


def test_it_is_a_session():
    with FakeServer(polite(FOUND)) as server:
        session = unbound(server.uri)
        assert isinstance(session, Session)
        assert session.run(REQUEST).entries == [Entry("uid=a,dc=x", (("mail", (b"a@x",)),))]
        session.close()
        session.close()
        assert session.run(REQUEST).entries
        assert server.accepted == 2


def test_the_request_carries_timeout_and_dereference():
    seen = []

    def handle(connection):
        while request := connection.read():
            seen.append(request[2])
            connection.send(message(request[0], result(0x65)))

    with FakeServer(handle) as server:
        unbound(server.uri, timeout=7, dereference=3).run(REQUEST)
        unbound(server.uri, timeout=-1).run(REQUEST)
        unbound(server.uri).run(
            SearchRequest("dc=x", Scope.BASE, REQUEST.filter, deref=Deref.FINDING, size_limit=-1)
        )
    start = b"\x04\x04dc=x"
    assert seen[0].startswith(start + b"\x0a\x01\x02\x0a\x01\x03\x02\x01\x00\x02\x01\x07")
    assert seen[1].startswith(start + b"\x0a\x01\x02\x0a\x01\x00\x02\x01\x00\x02\x01\x00")
    assert seen[2].startswith(start + b"\x0a\x01\x00\x0a\x01\x02\x02\x01\xff\x02\x01\x02")


@pytest.mark.parametrize(("code", "kept"), [(0, True), (32, True), (4, False), (1, False)])
def test_which_results_keep_the_connection(code, kept):
    with FakeServer(polite(code=code)) as server:
        session = unbound(server.uri)
        assert session.run(REQUEST).code == code
        session.run(REQUEST)
        assert server.accepted == (1 if kept else 2)


def test_no_bind_connects_with_the_first_search():
    session = unbound("ldap://127.0.0.1:1")
    with pytest.raises(ApiError, match="Search error -1: Can't contact LDAP server") as caught:
        session.run(REQUEST)
    assert caught.value.result == -1
    assert "refused" in caught.value.hint


def test_a_tls_server_that_says_nothing_is_given_up():
    """The real Postfix waits for ever; a lookup of ours ends."""
    with FakeServer(silent) as server:
        began = time.monotonic()
        with pytest.raises(ApiError):
            unbound(f"ldaps://127.0.0.1:{server.port}", timeout=1).run(REQUEST)
        assert time.monotonic() - began < 10


def test_secrets_are_in_no_text():
    parameters = SessionParameters(("ldap://127.0.0.1:1",), bind_dn="cn=x", bind_pw="s3cret")
    with pytest.raises(ApiError) as caught:
        open_session(parameters)
    assert "s3cret" not in f"{parameters!r}{caught.value!r}{caught.value.hint}"


class TestReferrals:
    def chased(self, uri):
        return unbound(uri, chase_referrals=True).run(REQUEST)

    def test_references_are_followed_anonymously_with_their_base_and_scope(self):
        seen = []

        def there(connection):
            while request := connection.read():
                seen.append((request[1], request[2]))
                if request[1] == 0x60:
                    connection.send(message(request[0], result(0x61)))
                elif request[1] == 0x63:
                    other = entry("uid=b", mail=[b"b"])
                    connection.send(message(request[0], other), message(request[0], result(0x65)))

        with FakeServer(there) as second:
            place = reference("ldap://127.0.0.1:1/", f"{second.uri}/dc=y??base?(uid=b)")
            with FakeServer(raw_handler({0x63: (place, FOUND, result(0x65))})) as first:
                answer = self.chased(first.uri)
        assert [e.dn for e in answer.entries] == ["uid=a,dc=x", "uid=b"]
        assert seen[0] == (0x60, b"\x02\x01\x03\x04\x00\x80\x00")
        assert seen[1][1].startswith(b"\x04\x04dc=y\x0a\x01\x00")
        assert tlv(0xA3, tlv(4, b"uid"), tlv(4, b"b")) in seen[1][1]

    def test_without_chasing_they_are_handed_over(self):
        handler = raw_handler({0x63: (reference("ldap://a", "ldap://b"), FOUND, result(0x65))})
        with FakeServer(handler) as server:
            answer = unbound(server.uri).run(REQUEST)
        assert answer.references == [("ldap://a", "ldap://b")]
        assert len(answer.entries) == 1

    def test_dead_references_are_dropped(self):
        handler = raw_handler({0x63: (reference("ldap://127.0.0.1:1"), FOUND, result(0x65))})
        with FakeServer(handler) as server:
            answer = self.chased(server.uri)
        assert (answer.code, len(answer.entries)) == (0, 1)

    def test_a_circle_ends(self):
        def handle(connection):
            while request := connection.read():
                message_id, tag, _ = request
                if tag == 0x60:
                    connection.send(message(message_id, result(0x61)))
                elif tag == 0x63:
                    back = reference(f"ldap://127.0.0.1:{server.port}/dc=x")
                    connection.send(
                        message(message_id, back),
                        message(message_id, FOUND),
                        message(message_id, result(0x65)),
                    )

        with FakeServer(handle) as server:
            answer = self.chased(server.uri)
        assert 1 <= len(answer.entries) <= 10

    def test_a_referral_of_the_base_is_followed(self):
        with FakeServer(polite(FOUND)) as second:
            uris = tlv(0xA3, tlv(4, second.uri.encode()))
            with FakeServer(raw_handler({0x63: result(0x65, 10, b"", uris)})) as first:
                assert self.chased(first.uri).entries
                plain = unbound(first.uri).run(REQUEST)
        assert (plain.code, plain.referral) == (10, (second.uri,))


@pytest.mark.parametrize("seed", range(40))
def test_spoiled_answers_end_in_an_answer_or_an_error(seed):
    """Whatever bytes come, the search ends, and what it gives is what the bytes say."""
    good = message(1, FOUND) + message(1, result(0x65))
    rng = random.Random(seed)
    spoiled = bytearray(good)
    for _ in range(rng.randint(1, 4)):
        spoiled[rng.randrange(len(spoiled))] = rng.randrange(256)
    data = bytes(spoiled[: rng.choice([len(spoiled), rng.randrange(len(spoiled))])])

    def handle(connection):
        connection.read()
        connection.send(data)  # and hang up

    with FakeServer(handle) as server:
        began = time.monotonic()
        try:
            answer = unbound(server.uri, timeout=1).run(REQUEST)
        except CouldNotAsk:
            pass
        else:
            assert data != good[: len(data)] or len(data) == len(good)
            assert all(isinstance(e, Entry) for e in answer.entries)
        assert time.monotonic() - began < 10


def test_many_answers_in_little_pieces():
    many = [entry(f"uid={i}", mail=[b"x" * i]) for i in range(0, 3000, 7)]

    def handle(connection):
        message_id, _, _ = connection.read()
        data = b"".join(message(message_id, e) for e in many) + message(message_id, result(0x65))
        for at in range(0, len(data), 1009):
            connection.sock.sendall(data[at : at + 1009])
        connection.sock.recv(1)

    with FakeServer(handle) as server:
        answer = unbound(server.uri, timeout=20).run(REQUEST)
    assert [e.dn for e in answer.entries] == [f"uid={i}" for i in range(0, 3000, 7)]
    assert all(len(e.values("mail")[0]) == int(e.dn[4:]) for e in answer.entries)


def test_the_longest_timeout_can_be_waited_for():
    with FakeServer(polite(entry("uid=a", mail=[b"a@x"]))) as server:
        assert unbound(server.uri, timeout=(1 << 31) - 1).run(REQUEST).entries


def test_one_entry_of_several_megabytes():
    big = b"x" * 5_000_000
    with FakeServer(polite(entry("uid=a", mail=[big]))) as server:
        assert unbound(server.uri, timeout=20).run(REQUEST).entries[0].values("mail") == (big,)


def test_a_session_opens_itself_when_asked():
    with FakeServer(polite(FOUND)) as server:
        session = LibldapSession(SessionParameters((server.uri,)))
        assert session.run(REQUEST).entries
        assert server.accepted == 1


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (0, "Success"),
        (49, "Invalid credentials"),
        (-1, "Can't contact LDAP server"),
        (-99, "Unknown API error"),
        (15, "Unknown error"),
        (5000, "Unknown (extension) error"),
        (20000, "Unknown (private extension) error"),
        (70000, "Unknown error"),
    ],
)
def test_libldaps_words(code, text):
    assert err2string(code) == text


CERTIFICATE = {
    "subject": ((("organizationName", "x"),), (("commonName", "First"),), (("commonName", "cn.x"),)),
    "subjectAltName": (
        ("DNS", "a.example"), ("DNS", "*.w.example"), ("IP Address", "192.0.2.1"),
        ("IP Address", "2001:DB8:0:0:0:0:0:1"), ("email", "e.example"),
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "matches"),
    [
        ("a.example", True),
        ("A.EXAMPLE", True),
        ("b.example", False),
        ("x.w.example", True),
        ("w.example", False),
        ("x.y.w.example", False),
        ("192.0.2.1", True),
        ("192.0.2.2", False),
        ("2001:db8::1", True),
        ("cn.x", True),
        ("first", False),
        ("e.example", False),
    ],
)
def test_names_are_matched_as_libldap_matches_them(name, matches):
    assert name_matches(CERTIFICATE, name) is matches
